"""Which images of a case are hung first, and which of those that can be hung are not what is read."""

from __future__ import annotations

from breastview.imaging.case import Role, ScannedCase, ScannedFrames, ScannedVolume
from breastview.imaging.dynamic import SUBTRACTION, of_one_exam, of_one_space, phases, subtracted
from breastview.records.values import Lesion

ORDER = (Role.DCE, Role.T2WI, Role.T1WI, Role.STIR, Role.DWI, Role.OTHER)  # what tells most goes first


def first_us(case: ScannedCase, lesion: Lesion | None) -> tuple[str | None, int]:
    """The image and frame of the lesion's first view, or else the first image of the latest day."""
    if lesion and lesion.us:
        return lesion.us.frames_key, lesion.us.frame
    frames = case.latest_frames
    return (frames[0].key, 0) if frames else (None, 0)


def first_mri(case: ScannedCase) -> str | None:
    """The subtraction, or else the first volume."""
    return SUBTRACTION if subtracted(case.volumes) else first_volume(case)


def first_volume(case: ScannedCase) -> str | None:
    """That after contrast medium, where it is known; else what tells most."""
    exam, dynamic = of_one_space(case.volumes), phases(case.volumes)
    ranked = [*dynamic[1:2], *(volume for role in ORDER for volume in exam if volume.role.role is role)]
    return ranked[0].key if ranked else None


def is_of_other_space(case: ScannedCase, key: str | None) -> bool:
    """Whether an MRI lies in another space than what is read: nothing kept has a place there."""
    if key in (None, SUBTRACTION):
        return False
    return all(volume.key != key for volume in of_one_space(case.volumes))


def of_other_exam(case: ScannedCase, key: str | None) -> ScannedVolume | None:
    """The volume of this key where it is of another exam than is read."""
    if key is None or key == SUBTRACTION:
        return None
    volume = case.volume(key)
    return None if volume in of_one_exam(case.volumes) else volume


def of_earlier_us(case: ScannedCase, key: str | None) -> ScannedFrames | None:
    """The US image of this key where there is ultrasound of a later day."""
    frames = next((each for each in case.frames if each.key == key), None)
    return None if frames is None or frames in case.latest_frames else frames
