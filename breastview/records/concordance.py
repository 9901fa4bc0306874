"""Is it the same lesion? Nothing is fused when side or place disagree."""

from __future__ import annotations

import numpy as np

from breastview.messages import Message, message
from breastview.records.values import Lesion, ReviewRecord
from breastview.registration.plane import UsPlane
from breastview.registration.transform import map_points

SAME_LESION_MM = 15.0


def us_centre_px(lesion: Lesion) -> tuple[float, float]:
    """(column, row) of the middle of the lesion's US box."""
    assert lesion.us is not None
    return (lesion.us.left + lesion.us.right) / 2, (lesion.us.top + lesion.us.bottom) / 2


def us_size_mm(lesion: Lesion, plane: UsPlane) -> tuple[float, float]:
    """(width, height) of the lesion's US box in mm."""
    assert lesion.us is not None
    width = (lesion.us.right - lesion.us.left) * plane.spacing_mm[1]
    height = (lesion.us.bottom - lesion.us.top) * plane.spacing_mm[0]
    return width, height


def mark_distance_mm(record: ReviewRecord, lesion: Lesion, plane: UsPlane) -> float | None:
    """How far the registration puts the US lesion from the MRI mark, in mm; None where one is missing."""
    if lesion.us is None or lesion.mri is None:
        return None
    parameters = record.registration(lesion.us.frames_key, lesion.us.frame)
    if parameters is None:
        return None
    place = map_points(parameters, plane.px_to_mm(np.array(us_centre_px(lesion))))
    return float(np.linalg.norm(place - np.asarray(lesion.mri.point_mm)))


def objections_to_fusing(
    record: ReviewRecord, lesion: Lesion, plane: UsPlane | None, mri_side: str | None
) -> tuple[Message, ...]:
    """Every reason why this lesion's US and MRI must not be fused; empty when they may.

    `plane` is None for a US image without scale; `mri_side` is the side of the MRI mark by the
    midline, None while that cannot be computed.
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
    if lesion.us is not None:
        objections += _about_registration(record, lesion, plane)
    return tuple(objections)


def _about_registration(record: ReviewRecord, lesion: Lesion, plane: UsPlane | None) -> list[Message]:
    assert lesion.us is not None
    if plane is None:
        return [message("concordance.no_scale")]
    if record.registration(lesion.us.frames_key, lesion.us.frame) is None:
        return [message("concordance.no_registration")]
    distance = mark_distance_mm(record, lesion, plane)
    if distance is not None and distance > SAME_LESION_MM:
        return [message("concordance.far_apart", mm=round(distance))]
    return []
