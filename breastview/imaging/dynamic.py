"""The exam that is read and its space; contrast dynamics: its phases and their subtraction."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from breastview.errors import CaseError
from breastview.imaging.case import Role, RoleChoice, ScannedVolume
from breastview.imaging.display import SAMPLE_EVERY
from breastview.imaging.geometry import frozen
from breastview.imaging.volume import Volume
from breastview.messages import message

SUBTRACTION = "subtraction"  # key of the volume that is computed from the first two phases
SAME_GRID_MM = 0.01
READ = frozenset({Role.DCE, Role.T1WI, Role.T2WI, Role.STIR, Role.DWI})
UPTAKE_PERCENT = 99.99  # of all voxels: a lesion of a cubic centimetre must keep its grey levels


def phases(volumes: Iterable[ScannedVolume]) -> list[ScannedVolume]:
    """The DCE phases of one acquisition of the exam in order: of several, that of the breast that is read,
    then the longest, of these the first. The phase numbers are known for all of them."""
    return _phases_among(of_one_exam(list(volumes)))


def subtracted(volumes: Iterable[ScannedVolume]) -> list[ScannedVolume]:
    """The two of the `phases` that are subtracted, the earlier first: the first two that the reader leaves in
    their role. [] where there are no two, or where one before them is not here."""
    exam = of_one_space(list(volumes))
    used: dict[int | None, ScannedVolume] = {}
    for volume in phases(exam):
        used.setdefault(volume.role.phase, volume)
    pair = list(used.values())[:2]
    if len(pair) < 2:
        return []
    acquisition = [volume for volume in exam if volume.role.acquisition == pair[0].role.acquisition]
    overruled = {volume.role.phase for volume in acquisition if volume.role.role is not Role.DCE}
    return pair if set(range(1, pair[1].role.phase or 0)) <= {pair[0].role.phase, *overruled} else []


def _phases_among(volumes: Iterable[ScannedVolume]) -> list[ScannedVolume]:
    acquisitions: dict[tuple[str, int | None], list[ScannedVolume]] = defaultdict(list)
    for volume in volumes:
        if volume.role.role is Role.DCE and volume.role.phase is not None and volume.has_depth:
            acquisitions[volume.study_uid, volume.role.acquisition].append(volume)

    def order(one: Sequence[ScannedVolume]) -> tuple[bool, int, int]:
        return one[0].in_breast, len(one), -(one[0].role.acquisition or 0)

    longest = max(acquisitions.values(), key=order, default=[])
    return sorted(longest, key=lambda v: v.role.phase or 0)


def of_one_exam(volumes: Sequence[ScannedVolume]) -> list[ScannedVolume]:
    """The volumes of the latest exam that has `READ` ones, not mere localizers or what was computed later: a
    study, or several of one day; of studies without a day, of that which has dynamic phases."""
    if not volumes:
        return []
    read = [volume for volume in volumes if volume.role.role in READ] or volumes
    day = max(map(_day, read))
    last = [volume for volume in read if _day(volume) == day]
    first = next(iter(_phases_among(last)), last[0])
    return [v for v in volumes if v.study_uid == first.study_uid or _day(v) == _day(first) != ""]


def exam_day(volumes: Sequence[ScannedVolume]) -> datetime.date | None:
    """The day of the exam that is read; None where no header tells it."""
    return next((volume.exam_date for volume in of_one_exam(volumes) if volume.exam_date), None)


def of_one_space(volumes: Sequence[ScannedVolume]) -> list[ScannedVolume]:
    """The volumes of the exam in which a place is the same place: those in the frame of reference of the
    `phases`, or without any in that which most share. A header without one tells nothing against it."""
    exam = of_one_exam(volumes)
    spaces = [v.frame_of_reference_uid for v in _phases_among(exam) or exam if v.frame_of_reference_uid]
    space = max(spaces, key=spaces.count, default="")
    return [v for v in exam if v.frame_of_reference_uid in ("", space) or not space]


def subtraction_name(volumes: Iterable[ScannedVolume]) -> str:
    """What a case's subtraction is called: "DCE 2 − 1"; empty where it has none."""
    pair = subtracted(volumes)
    return _named(pair[1].role.phase, pair[0].role.phase, pair[0].role.label) if pair else ""


def computed_name(volume: Volume) -> str:
    """The same, of the subtraction itself."""
    params = volume.role.reason.params
    return _named(params["post"], params["pre"], volume.role.label)


def _named(post: object, pre: object, label: str) -> str:
    return " ".join(filter(None, ("DCE", label, f"{post} − {pre}")))


def _day(volume: ScannedVolume) -> str:
    return str(volume.exam_date or "")


def subtraction(post: Volume, pre: Volume) -> Volume:
    """Post-contrast minus pre-contrast, float32 on their common grid; raises CaseError when grids differ, or
    when they are the same images."""
    if not same_grid(post, pre):
        raise CaseError.of("dynamic.grids_differ")
    difference = post.array.astype(np.float32) - pre.array
    if not difference.any():
        raise CaseError.of("dynamic.same_images")
    role = RoleChoice(
        Role.SUBTRACTION,
        message("role.computed_subtraction", post=post.role.phase or 0, pre=pre.role.phase or 0),
        label=post.role.label,
    )
    return Volume(
        key=f"{post.key}-{pre.key}",
        role=role,
        array=frozen(difference),
        index_to_lps=post.index_to_lps,
        window=_window(difference),
        notes=tuple(note for note in post.notes if note.code == "motion.corrected"),
    )


def same_grid(one: Volume, other: Volume) -> bool:
    """Whether the voxels of two volumes lie in the same places."""
    same = one.array.shape == other.array.shape
    return same and bool(np.abs(one.index_to_lps - other.index_to_lps).max() <= SAME_GRID_MM)


def _window(difference: np.ndarray) -> tuple[float, float]:
    """Uptake is bright, noise around zero is dark."""
    sample = difference.ravel()[::SAMPLE_EVERY]
    width = max(float(np.percentile(sample, UPTAKE_PERCENT)), 1.0)
    return width / 2, width
