"""Is it the same lesion? Nothing is fused when side or place disagree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from breastview.imaging.case import ScannedCase
from breastview.messages import Message, message
from breastview.records.values import Lesion, ReviewRecord, UsMark
from breastview.registration.grade import lacking
from breastview.registration.outline import Outline
from breastview.registration.parameters import Method, Point2, RegistrationParameters
from breastview.registration.plane import UsPlane
from breastview.registration.region import Region, region_of
from breastview.registration.transform import map_points

SAME_LESION_MM = 15.0
SIZE_RATIO = 2.0  # sizes of one lesion in the two images differ by less


class Verdict(StrEnum):
    """Whether the two marks are one lesion."""

    MATCH = "match"
    OPEN = "open"  # nothing against it, and too little was told to compare
    DOUBTFUL = "doubtful"
    NO_CORRELATE = "no_correlate"


@dataclass(frozen=True)
class Concordance:
    """The verdict, and every reason against a match; of an open one, what is missing."""

    verdict: Verdict
    reasons: tuple[Message, ...]


def us_centre_px(lesion: Lesion) -> tuple[float, float]:
    """(column, row) of the middle of the lesion's US box."""
    assert lesion.us is not None
    return (lesion.us.left + lesion.us.right) / 2, (lesion.us.top + lesion.us.bottom) / 2


def lesion_us_mm(lesion: Lesion, plane: UsPlane) -> Point2:
    """(x, y) of the middle of the lesion's US box, in mm of its plane."""
    x, y = plane.px_to_mm(np.array(us_centre_px(lesion)))
    return float(x), float(y)


def us_outline(lesion: Lesion, plane: UsPlane) -> Outline:
    """The lesion's US box in mm of its plane."""
    mark = lesion.us
    assert mark is not None
    corners = plane.px_to_mm(np.array([[mark.left, mark.top], [mark.right, mark.bottom]]))
    (left, top), (right, bottom) = corners.tolist()
    return Outline(left, top, right, bottom)


def outline_on(lesion: Lesion | None, frames_key: str | None, frame: int, plane: UsPlane) -> Outline | None:
    """The lesion's US box in mm of the plane of a frame; None where it is not marked on that frame."""
    if lesion is None or lesion.us is None or (lesion.us.frames_key, lesion.us.frame) != (frames_key, frame):
        return None
    return us_outline(lesion, plane)


def us_size_mm(lesion: Lesion, plane: UsPlane) -> tuple[float, float]:
    """(width, height) of the lesion's US box in mm."""
    assert lesion.us is not None
    return box_size_mm(lesion.us, plane)


def box_size_mm(mark: UsMark, plane: UsPlane) -> tuple[float, float]:
    """(width, height) of a US box in mm of the plane of its picture."""
    return (mark.right - mark.left) * plane.spacing_mm[1], (mark.bottom - mark.top) * plane.spacing_mm[0]


def mark_distance_mm(record: ReviewRecord, lesion: Lesion, plane: UsPlane) -> float | None:
    """How far the registration puts the US lesion from the MRI mark, in mm; None where one is missing."""
    if lesion.us is None or lesion.mri is None:
        return None
    parameters = record.registration(lesion.us.frames_key, lesion.us.frame)
    if parameters is None:
        return None
    place = map_points(parameters, np.array(lesion_us_mm(lesion, plane)))
    return float(np.linalg.norm(place - np.asarray(lesion.mri.point_mm)))


def objections_to_fusing(
    record: ReviewRecord,
    lesion: Lesion,
    plane: UsPlane | None,
    mri_side: str | None,
    registered: bool = True,
) -> tuple[Message, ...]:
    """Every reason why this lesion's US and MRI must not be fused; empty when they may.

    `plane` is None for a US image without scale; `mri_side` is the side of the MRI mark by the midline, None
    while that cannot be computed. Where the MRI is not looked at in the US plane (`registered` False) scale
    and registration may be missing; one that is there must still put the marks together.
    """
    objections = []
    if lesion.us is None:
        objections.append(message("concordance.no_us_mark"))
    if lesion.mri is None:
        objections.append(message("concordance.no_mri_mark"))
    if lesion.side is None:
        objections.append(message("concordance.side_unconfirmed"))
    elif lesion.mri is not None and mri_side is None:
        objections.append(message("concordance.side_not_computed"))
    elif lesion.mri is not None and lesion.side != mri_side:
        objections.append(message("concordance.sides_differ", us=str(lesion.side), mri=str(mri_side)))
    if lesion.us is not None and registered:
        objections += _missing_registration(record, lesion.us, plane)
    if plane is not None:
        objections += _far_apart(record, lesion, plane)
    return tuple(objections)


def objections_to_views(case: ScannedCase, lesion: Lesion) -> tuple[Message, ...]:
    """Why a lesion's US images cannot be of it, as their headers tell: another side than is confirmed, or
    views of two breasts or two days. What a header leaves out tells nothing."""
    known = {frames.key: frames for frames in case.frames}
    views = [known[mark.frames_key] for mark in lesion.views if mark.frames_key in known]
    sides = {view.laterality for view in views if view.laterality}
    objections = []
    if len(sides) > 1:
        objections.append(message("concordance.views_of_two_breasts"))
    elif sides and lesion.side is not None and lesion.side not in sides:
        objections.append(message("concordance.us_of_other_side", side=str(lesion.side), us=sides.pop()))
    if len({view.exam_date for view in views if view.exam_date}) > 1:
        objections.append(message("concordance.views_of_two_days"))
    return tuple(objections)


def _missing_registration(record: ReviewRecord, mark: UsMark, plane: UsPlane | None) -> list[Message]:
    if plane is None:
        return [message("concordance.no_scale")]
    if record.registration(mark.frames_key, mark.frame) is None:
        return [message("concordance.no_registration")]
    return []


def _far_apart(record: ReviewRecord, lesion: Lesion, plane: UsPlane) -> list[Message]:
    distance = mark_distance_mm(record, lesion, plane)
    if distance is not None and distance > SAME_LESION_MM:
        return [message("concordance.far_apart", mm=round(distance))]
    return []


def same_lesion(
    record: ReviewRecord,
    lesion: Lesion,
    plane: UsPlane | None,
    mri_side: str | None,
    reported: Region | None = None,
    of_views: Sequence[Message] = (),
) -> Concordance | None:
    """Compare side, place and size of a lesion's two marks; None while one of them is missing.

    A side that differs, or a registration that is good enough to be confirmed and puts the marks far apart,
    makes them no correlates; a place that the correspondences or the report's words (`reported`) hardly
    allow, another size, or what headers say against its US views (`of_views`) is doubtful.
    Marks match where the side is confirmed and words or correspondences bear the place out: a plane that was
    put onto the MRI mark, or laid there by hand, says nothing of whether that is the lesion.
    """
    if lesion.us is None or lesion.mri is None:
        return None
    place = lesion.mri.point_mm
    against, unsure = ([], []) if plane is None else _apart(record, lesion, plane)
    if lesion.side is not None and mri_side is not None and lesion.side != mri_side:
        against.append(message("concordance.sides_differ", us=str(lesion.side), mri=mri_side))
    doubts = [*of_views]
    if reported is not None and not reported.allows(place):
        doubts.append(message("concordance.report_elsewhere", mm=round(reported.away_mm(place))))
    if plane is not None:
        doubts += _doubts_of_images(record, lesion, plane)
    if against or doubts:
        return Concordance(Verdict.NO_CORRELATE if against else Verdict.DOUBTFUL, (*against, *doubts))
    missing = (*unsure, *_not_compared(record, lesion, mri_side, reported))
    return Concordance(Verdict.OPEN if missing else Verdict.MATCH, missing)


def _apart(record: ReviewRecord, lesion: Lesion, plane: UsPlane) -> tuple[list[Message], list[Message]]:
    """That the registration puts the marks far apart: what speaks against one lesion, where it is good enough
    to be confirmed, and what leaves that open, where it is not."""
    assert lesion.us is not None
    away = _far_apart(record, lesion, plane)
    parameters = record.registration(lesion.us.frames_key, lesion.us.frame)
    if not away or parameters is None:
        return [], []
    region, outline = _region(parameters, lesion, plane), us_outline(lesion, plane)
    if lacking(parameters, region, lesion=outline) is None:
        return away, []
    return [], [message("concordance.unsure", **told.params) for told in away]


def _region(parameters: RegistrationParameters, lesion: Lesion, plane: UsPlane) -> Region:
    """Where a registration puts the US lesion in the MRI, whatever is marked or told there."""
    return region_of(parameters, lesion_us_mm(lesion, plane), lesion=us_outline(lesion, plane))


def _not_compared(
    record: ReviewRecord, lesion: Lesion, mri_side: str | None, reported: Region | None
) -> tuple[Message, ...]:
    """What nothing was told of that a match rests on."""
    assert lesion.us is not None
    parameters = record.registration(lesion.us.frames_key, lesion.us.frame)
    found = parameters is not None and (parameters.correspondences or parameters.method is Method.TRUTH)
    missing = []
    if lesion.side is None:
        missing.append(message("concordance.side_unconfirmed"))
    elif mri_side is None:
        missing.append(message("concordance.side_not_computed"))
    if reported is None and not found:
        missing.append(message("concordance.place_untold"))
    return tuple(missing)


def _doubts_of_images(record: ReviewRecord, lesion: Lesion, plane: UsPlane) -> list[Message]:
    assert lesion.us is not None and lesion.mri is not None
    doubts, place = [], lesion.mri.point_mm
    parameters = record.registration(lesion.us.frames_key, lesion.us.frame)
    if parameters is not None and parameters.correspondences:
        region = _region(parameters, lesion, plane)
        if not region.allows(place):
            doubts.append(message("concordance.outside_region", mm=round(region.away_mm(place))))
    us_mm, extent = max(us_size_mm(lesion, plane)), lesion.mri.extent_mm
    if extent and min(max(extent), us_mm) > 0:
        ratio = max(extent) / us_mm
        if not 1 / SIZE_RATIO <= ratio <= SIZE_RATIO:
            doubts.append(message("concordance.sizes_differ", us=round(us_mm), mri=round(max(extent))))
    return doubts
