"""From a review to the model's input: which images stand for which channel, and the cut around the lesion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from breastview.fusion.preprocess import (
    Crop,
    Image3,
    ModelInput,
    crop_around,
    native_mri,
    native_plane,
    plane_grid,
    registered_mri,
    us_input,
)
from breastview.fusion.spec import CHANNELS, InputSpec, ModelSpec
from breastview.imaging.case import Role, ScannedVolume
from breastview.imaging.colour import is_covered
from breastview.imaging.diffusion import highest_b
from breastview.imaging.dynamic import of_one_space, phases, subtracted
from breastview.imaging.volume import FrameStack, Volume
from breastview.records.inputs import input_hash
from breastview.records.values import Lesion, ReviewRecord, UsMark
from breastview.registration.plane import UsPlane
from breastview.registration.transform import us_to_mri

_PHASES = {1: "dce_pre", 2: "dce_post"}


def channel_volumes(volumes: Sequence[ScannedVolume]) -> dict[str, ScannedVolume]:
    """The volume for each input name that has one: "t1wi", "t2wi", "dwi", "dce_pre", "dce_post"; all are of
    one exam and one space."""
    volumes = [volume for volume in of_one_space(volumes) if volume.has_depth]
    found: dict[str, ScannedVolume] = {}
    for name, role in (("t1wi", Role.T1WI), ("t2wi", Role.T2WI)):
        known = [v for v in volumes if v.role.role is role]
        if known:
            found[name] = max(known, key=lambda v: v.shape[0])
    diffusion = highest_b(volumes)
    if diffusion is not None:
        found["dwi"] = diffusion
    for volume in phases(volumes):
        if volume.role.phase in _PHASES:
            found.setdefault(_PHASES[volume.role.phase], volume)
    if pair := subtracted(volumes):
        found["dce_pre"], found["dce_post"] = pair
    return found


def model_input(
    spec: ModelSpec,
    record: ReviewRecord,
    lesion: Lesion,
    stacks: Mapping[str, FrameStack],
    plane: UsPlane | None,
    volumes: dict[str, Volume],
) -> ModelInput:
    """Cut what the network sees of one lesion; whatever is not there stays absent.

    `stacks` are the loaded US images by key, `plane` is that of the lesion's registered one, and `volumes`
    maps the names of `channel_volumes` to loaded volumes. Native MRI is cut around the MRI mark, without a
    look at scale and registration. A second view is cut where the bundle was measured with it.
    """
    given = _with_us(spec, record, lesion, stacks)
    images: dict[str, Image3] = {name: (v.array, v.index_to_lps) for name, v in volumes.items()}
    pre, post = images.get("dce_pre"), images.get("dce_post")
    if pre and post and np.array_equal(pre[0], post[0]):  # a phase that was exported twice
        del images["dce_post"]
    if given.us is None or not images:
        return given
    if not spec.input.is_registered:
        return _with_native(given, images, lesion, spec.input)
    return _with_registered(given, images, record, lesion, plane, spec.input)


def _with_us(
    spec: ModelSpec, record: ReviewRecord, lesion: Lesion, stacks: Mapping[str, FrameStack]
) -> ModelInput:
    """The US views of the lesion that are there, and no MRI yet."""
    digest = input_hash(record, lesion.lesion_id, spec.weights_sha256)
    given = ModelInput(lesion.lesion_id, None, None, np.zeros(len(CHANNELS), bool), input_sha256=digest)
    mark, other = lesion.us, lesion.second_us
    if mark is None or mark.frames_key not in stacks:
        return given
    us, crop, covered, beside = _us_view(mark, stacks[mark.frames_key], spec.input)
    given = replace(given, us=us, us_crop=crop, us_covered=covered, us_beside=beside)
    if spec.us_only_input is not None:
        alone, crop, *_ = _us_view(mark, stacks[mark.frames_key], spec.us_only_input)
        given = replace(given, us_alone=alone, alone_crop=crop)
    if not spec.reads_two_views or other is None or other.frames_key not in stacks:
        return given
    us, crop, also_covered, also_beside = _us_view(other, stacks[other.frames_key], spec.input)
    covered, beside = covered or also_covered, beside or also_beside
    return replace(given, second_us=us, second_crop=crop, us_covered=covered, us_beside=beside)


def _us_view(mark: UsMark, stack: FrameStack, spec: InputSpec) -> tuple[np.ndarray, Crop, bool, bool]:
    """The crop around a box as the network sees it, where it lies, whether colour is laid over it, and
    whether the box lies beside the image."""
    crop = crop_around((mark.left, mark.top, mark.right, mark.bottom), spec)
    image = us_input(stack.grey(mark.frame), crop, spec, stack.sector)
    return image, crop, is_covered(_seen(stack, mark.frame, crop)), _is_beside(mark, stack)


def _is_beside(mark: UsMark, stack: FrameStack) -> bool:
    """Whether less than half of a box lies on the image: then it is not the image that is read."""
    sector = stack.sector
    width = max(min(mark.right, sector.right) - max(mark.left, sector.left), 0.0)
    height = max(min(mark.bottom, sector.bottom) - max(mark.top, sector.top), 0.0)
    return width * height < (mark.right - mark.left) * (mark.bottom - mark.top) / 2


def _with_registered(
    given: ModelInput,
    images: dict[str, Image3],
    record: ReviewRecord,
    lesion: Lesion,
    plane: UsPlane | None,
    spec: InputSpec,
) -> ModelInput:
    assert lesion.us is not None and given.us_crop is not None
    parameters = record.registration(lesion.us.frames_key, lesion.us.frame)
    if plane is None or parameters is None:
        return given
    grid = plane_grid(given.us_crop, plane, spec.size_px)
    mri, present = registered_mri(images, us_to_mri(parameters), grid, spec, parameters.warp)
    return replace(given, mri=mri if present.any() else None, channels_present=present, mri_grid=grid)


def _with_native(given: ModelInput, images: dict[str, Image3], lesion: Lesion, spec: InputSpec) -> ModelInput:
    if lesion.mri is None:
        return given
    point = np.array(lesion.mri.point_mm)
    mri, present = native_mri(images, point, spec)
    plane, grid = native_plane(images, point, spec)
    seen = mri if present.any() else None
    return replace(given, mri=seen, channels_present=present, mri_grid=grid, mri_plane=plane)


def _seen(stack: FrameStack, frame: int, crop: Crop) -> np.ndarray:
    """The part of a frame that the network sees, uint8 (row, column) or (row, column, RGB)."""
    sector = stack.sector
    left, top = max(round(crop.left), sector.left), max(round(crop.top), sector.top)
    right, bottom = max(round(crop.left + crop.width), 0), max(round(crop.top + crop.height), 0)
    return stack.frames[frame][top : min(bottom, sector.bottom), left : min(right, sector.right)]
