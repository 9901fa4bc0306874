"""Which pictures a report shows."""

from __future__ import annotations

from collections.abc import Mapping

from breastview.fusion.reading import Reading
from breastview.imaging.dynamic import SUBTRACTION, computed_name
from breastview.imaging.volume import FrameStack, Volume
from breastview.records.breast import shows_breast
from breastview.records.values import Lesion, ReviewRecord
from breastview.registration.pair import RegisteredPair, register_pair
from breastview.registration.plane import UsPlane
from breastview.report.images import (
    PLANE_STEP_MM,
    KeyImage,
    crop_images,
    plane_images,
    slice_image,
    us_images,
)


def key_images(
    record: ReviewRecord,
    stacks: Mapping[str, FrameStack],
    planes: Mapping[str, UsPlane],
    volumes: Mapping[str, Volume],
    readings: Mapping[str, Reading],
) -> list[KeyImage]:
    """Pictures for the report: each lesion on US, in both views where it is marked in two, and MRI, plain and
    hot; an overview without a lesion."""
    images: list[KeyImage] = []
    for lesion in record.lesions or (None,):
        key = lesion.us.frames_key if lesion and lesion.us else next(iter(stacks), "")
        stack = stacks.get(key)
        reading = readings.get(lesion.lesion_id) if lesion else None
        plane = planes.get(key)
        if stack is not None:
            images += us_images(stack, plane, lesion, reading)
        other = lesion.second_us.frames_key if lesion and lesion.second_us else ""
        if other in stacks:
            images += us_images(stacks[other], planes.get(other), lesion, reading, second_view=True)
        shown, name = _shown_volume(volumes, lesion)
        if shown is None:
            continue
        pair = _registered(record, lesion, stack, plane, shown)
        if pair is not None:
            images += plane_images(pair, shown, lesion, reading, name)
        images.append(slice_image(shown, lesion, name))
        if lesion is not None:
            images += crop_images(shown, lesion, reading, name)
    return images


def _registered(
    record: ReviewRecord,
    lesion: Lesion | None,
    stack: FrameStack | None,
    plane: UsPlane | None,
    shown: Volume,
) -> RegisteredPair | None:
    """The lesion's US frame with the shown volume in its plane, where they are registered."""
    if lesion is None or lesion.us is None or stack is None or plane is None:
        return None
    parameters = record.registration(lesion.us.frames_key, lesion.us.frame)
    if parameters is None:
        return None
    images = {shown.key: shown}
    return register_pair(stack, lesion.us.frame, images, parameters, plane.spacing_mm, PLANE_STEP_MM)


def _shown_volume(volumes: Mapping[str, Volume], lesion: Lesion | None) -> tuple[Volume | None, str]:
    """The subtraction of the lesion's breast, or the first of several; without any, another volume."""
    computed = [volume for name, volume in volumes.items() if name.startswith(SUBTRACTION)]
    if computed:
        own = (volume for volume in computed if lesion is not None and shows_breast(volume, lesion))
        shown = next(own, computed[0])
        return shown, computed_name(shown)
    for volume in volumes.values():
        return volume, volume.role.role.value.upper()
    return None, ""
