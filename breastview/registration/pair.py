"""The registered pair: a US frame, and MRI resampled into its plane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from breastview.imaging.volume import FrameStack, Volume
from breastview.registration.parameters import RegistrationParameters
from breastview.registration.plane import PlaneGrid, UsPlane, sector_grid, us_plane
from breastview.registration.resample import resample_plane
from breastview.registration.transform import us_to_mri

VIEW_SPACING_MM = 0.25


@dataclass(frozen=True, eq=False)
class RegisteredPair:
    """One US frame, grey uint8 (row, column), with MRI images in its plane.

    `mri` maps volume keys to float32 (grid.rows, grid.columns), NaN outside the volume.
    """

    frames_key: str
    frame: int
    us: np.ndarray
    plane: UsPlane
    grid: PlaneGrid
    mri: Mapping[str, np.ndarray]
    parameters: RegistrationParameters


def register_pair(
    stack: FrameStack,
    frame: int,
    volumes: Mapping[str, Volume],
    parameters: RegistrationParameters,
    calibration: tuple[float, float] | None = None,
    spacing_mm: float = VIEW_SPACING_MM,
) -> RegisteredPair:
    """Resample volumes into a US frame's plane, over the whole image sector.

    Raises:
        RegistrationError: the US image has no scale.
    """
    plane = us_plane(stack, calibration)
    grid = sector_grid(stack, plane, spacing_mm)
    matrix = us_to_mri(parameters)
    mri = {
        key: resample_plane(volume.array, volume.index_to_lps, matrix, grid, warp=parameters.warp)
        for key, volume in volumes.items()
    }
    return RegisteredPair(stack.key, frame, stack.grey(frame), plane, grid, mri, parameters)
