"""One marked lesion, cut as the application cuts it: exactly, strayed as augmentation, or misregistered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from breastview.fusion.preprocess import (
    Image3,
    crop_around,
    native_mri,
    plane_grid,
    registered_mri,
    us_input,
)
from breastview.fusion.spec import CHANNELS, InputSpec
from breastview.imaging.volume import Sector
from breastview.registration.parameters import RegistrationParameters
from breastview.registration.plane import UsPlane
from breastview.registration.transform import moved, turned, us_to_mri

Box = tuple[float, float, float, float]
PIVOT_MM = (0.0, 15.0, 0.0)  # of the plane, about where the lesion lies


@dataclass(frozen=True)
class Jitter:
    """How far an augmented sample strays: the box in shares of its side, registration in mm and degrees."""

    box: float = 0.08
    margin: float = 0.15
    registration_mm: float = 1.5
    registration_deg: float = 4.0


@dataclass(frozen=True, eq=False)
class MarkedLesion:
    """What a sample is cut from: the US picture uint8 (row, column) with its sector, plane in mm and lesion
    box in pixels, MRI by name with the picture's registration, and the lesion's centre in LPS mm; what is not
    known is None or not there."""

    grey: np.ndarray
    box_px: Box
    sector: Sector | None = None
    plane: UsPlane | None = None
    registration: RegistrationParameters | None = None
    images: Mapping[str, Image3] | None = None
    mri_point_mm: np.ndarray | None = None


Cut = tuple[np.ndarray, np.ndarray, np.ndarray]


def cut(lesion: MarkedLesion, spec: InputSpec) -> Cut:
    """What the application computes from the same marks.

    Returns US float32 (1, size, size), MRI float32 (channel, size, size) and which channels are present, bool
    (channel,); absent channels are 0.
    """
    crop = crop_around(lesion.box_px, spec)
    us = us_input(lesion.grey, crop, spec, lesion.sector)
    if lesion.plane is None or lesion.registration is None or not lesion.images:
        nothing = np.zeros((len(CHANNELS), spec.size_px, spec.size_px), np.float32)
        return us, nothing, np.zeros(len(CHANNELS), bool)
    grid = plane_grid(crop, lesion.plane, spec.size_px)
    pose = lesion.registration
    return us, *registered_mri(lesion.images, us_to_mri(pose), grid, spec, pose.warp)


def native_cut(lesion: MarkedLesion, spec: InputSpec) -> tuple[np.ndarray, np.ndarray]:
    """MRI on its acquired planes around the lesion's mark, and which channels are present, as in `cut`."""
    if lesion.mri_point_mm is None or not lesion.images:
        nothing = np.zeros((len(CHANNELS), spec.size_px, spec.size_px), np.float32)
        return nothing, np.zeros(len(CHANNELS), bool)
    return native_mri(lesion.images, lesion.mri_point_mm, spec)


def strayed(lesion: MarkedLesion, spec: InputSpec, jitter: Jitter, rng: np.random.Generator) -> Cut:
    """`cut` with box, margin and registration a little off, as hands are."""
    left, top, right, bottom = lesion.box_px
    dx, dy = rng.normal(0, jitter.box * max(right - left, bottom - top) / 2, 2)
    spec = replace(spec, margin=spec.margin * (1 + rng.uniform(-jitter.margin, jitter.margin)))
    pose = lesion.registration
    if pose is not None:
        for axis in "xyz":
            pose = turned(pose, axis, rng.normal(0, jitter.registration_deg), PIVOT_MM)
        pose = moved(pose, rng.normal(0, jitter.registration_mm, 3).tolist())
    box = (left + dx, top + dy, right + dx, bottom + dy)
    return cut(replace(lesion, box_px=box, registration=pose), spec)


def misregistered(lesion: MarkedLesion, away_mm: float, rng: np.random.Generator) -> MarkedLesion:
    """The lesion with its registration moved by `away_mm` in a direction drawn from the sphere."""
    assert lesion.registration is not None
    direction = rng.normal(size=3)
    step = away_mm * direction / np.linalg.norm(direction)
    return replace(lesion, registration=moved(lesion.registration, step.tolist()))
