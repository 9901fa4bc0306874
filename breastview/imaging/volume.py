"""Loaded pixels with their geometry: `Volume` (MRI) and `FrameStack` (US)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from breastview.imaging.case import PixelScale, RoleChoice, has_depth
from breastview.imaging.geometry import lies_in
from breastview.messages import Message


@dataclass(frozen=True, eq=False)
class Volume:
    """An MRI volume.

    `array` is read-only (slice, row, column), in the scanner's own numbers after rescale; `index_to_lps`
    is a float64 (4, 4) from (slice, row, column, 1) to DICOM LPS mm.
    """

    key: str
    role: RoleChoice
    array: np.ndarray
    index_to_lps: np.ndarray
    window: tuple[float, float]
    notes: tuple[Message, ...] = ()

    @property
    def lps_to_index(self) -> np.ndarray:
        """The inverse of `index_to_lps`, (4, 4)."""
        return np.linalg.inv(self.index_to_lps)

    @property
    def has_depth(self) -> bool:
        """Whether its slices make a stack: without, no place in it is known."""
        return has_depth(self.notes)

    def holds(self, point_mm: Sequence[float]) -> bool:
        """Whether there is a voxel at an LPS point."""
        return lies_in(self.array.shape, self.index_to_lps, point_mm)


@dataclass(frozen=True)
class Sector:
    """The part of a US picture that is image, in pixels: columns [left, right), rows [top, bottom)."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def face_middle_px(self) -> tuple[float, float]:
        """(column, row) of the middle of the probe face: the origin of the US plane."""
        return (self.left + self.right - 1) / 2, float(self.top)


@dataclass(frozen=True, eq=False)
class FrameStack:
    """US frames: read-only uint8 (frame, row, column) or (frame, row, column, RGB).

    `scale` is None until it is trustworthy: then nothing has millimetres.
    """

    key: str
    role: RoleChoice
    frames: np.ndarray
    scale: PixelScale | None
    sector: Sector
    notes: tuple[Message, ...] = ()

    def grey(self, frame: int = 0) -> np.ndarray:
        """Return one frame as uint8 (row, column)."""
        pixels = self.frames[frame]
        if pixels.ndim == 2:
            return pixels
        return (pixels @ np.array([0.299, 0.587, 0.114])).round().astype(np.uint8)
