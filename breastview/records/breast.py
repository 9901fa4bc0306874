"""Which of several DCE acquisitions is read: an exam may have one a breast."""

from __future__ import annotations

from dataclasses import replace

from breastview.imaging.case import Role, ScannedCase, ScannedVolume
from breastview.imaging.dynamic import of_one_exam
from breastview.imaging.volume import Volume
from breastview.records.values import Lesion


def of_breast(case: ScannedCase, lesion: Lesion | None) -> ScannedCase:
    """The case with the acquisitions chosen that show the breast of a lesion, none where all or none do;
    itself where that is as it was."""
    dynamic = [volume for volume in of_one_exam(case.volumes) if volume.role.role is Role.DCE]
    found = [v.role.acquisition for v in dynamic if lesion is not None and shows_breast(v, lesion)]
    chosen = {v.key for v in dynamic if v.role.acquisition in found}
    if len(chosen) == len(dynamic):
        chosen = set()
    if all((volume.key in chosen) == volume.in_breast for volume in case.volumes):
        return case
    return replace(case, volumes=tuple(replace(v, in_breast=v.key in chosen) for v in case.volumes))


def shows_breast(image: ScannedVolume | Volume, lesion: Lesion) -> bool:
    """Whether an image shows the breast of a lesion: where it is marked, or else that of its side."""
    if lesion.mri is not None:
        return image.holds(lesion.mri.point_mm)
    return lesion.side is None or image.role.side in ("", lesion.side)
