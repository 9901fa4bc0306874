"""What lies where for the scanner: tissue by label, and matter of its own where a label is not enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from breastview.imaging.geometry import frozen
from breastview.phantom.lesion import Lesion
from breastview.phantom.lesion_matter import lesion_matter
from breastview.phantom.mri import Substance, tissues
from breastview.phantom.noise import Field
from breastview.phantom.tissue import Tissue

_TURNS = np.array([(-0.25, -0.25), (0.25, 0.25), (0.25, -0.25), (-0.25, 0.25)], np.float32)
PATCHINESS = 0.45  # standard deviation of the logarithm of background enhancement


@dataclass(frozen=True)
class Grid:
    """An axial grid of LPS space: arrays on it are (slice = z, row = y, column = x)."""

    corner_mm: tuple[float, float, float]
    step_mm: tuple[float, float, float]
    shape: tuple[int, int, int]

    @property
    def index_to_lps(self) -> np.ndarray:
        """Read-only (4, 4) from (slice, row, column, 1) to LPS mm."""
        x, y, z = self.step_mm
        matrix = np.array([[0, 0, x, 0], [0, y, 0, 0], [z, 0, 0, 0], [0, 0, 0, 1.0]])
        matrix[:3, 3] = self.corner_mm
        return frozen(matrix)

    def axes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """LPS mm of the slices (z), rows (y) and columns (x), float32 each."""
        z, y, x = (self.corner_mm[k] + self.step_mm[k] * np.arange(self.shape[2 - k]) for k in (2, 1, 0))
        return z.astype(np.float32), y.astype(np.float32), x.astype(np.float32)

    def points(self, flat: np.ndarray | None = None) -> np.ndarray:
        """Where all voxels in array order, or those at flat indices, are sampled: LPS mm, float32 (n, 3).

        Slices take turns in looking a quarter of a voxel beside its middle, so that the mean of two or four
        shows how much of a pixel an oblique border leaves.
        """
        z, y, x = self.axes()
        beside = _TURNS[np.arange(self.shape[0]) % len(_TURNS)] * np.array(self.step_mm[:2], np.float32)
        if flat is not None:
            at = np.unravel_index(flat, self.shape)
            return np.stack([x[at[2]] + beside[at[0], 0], y[at[1]] + beside[at[0], 1], z[at[0]]], axis=1)
        points = np.empty((*self.shape, 3), np.float32)
        points[..., 0] = x + beside[:, None, None, 0]
        points[..., 1] = y[:, None] + beside[:, None, None, 1]
        points[..., 2] = z[:, None, None]
        return points.reshape(-1, 3)


@dataclass(frozen=True, eq=False)
class TissueMaps:
    """Labels uint8 (slice, row, column) of one patient on one grid, and the matter that they stand for.

    `by_label` holds one piece a label; voxels at the flat indices `special` (n,) have matter of their `own`.
    """

    grid: Grid
    labels: np.ndarray
    by_label: Substance
    special: np.ndarray
    own: Substance

    def paint(self, equation: Callable[[Substance], np.ndarray]) -> np.ndarray:
        """The value of an equation in every voxel, float32 (slice, row, column)."""
        image = equation(self.by_label).astype(np.float32).take(self.labels, mode="clip")
        image.ravel()[self.special] = equation(self.own)
        return image


def tissue_maps(
    grid: Grid,
    labels: np.ndarray,
    lesion: Lesion | None,
    bpe: float,
    patches: Field | None = None,
    tesla: float = 1.5,
) -> TissueMaps:
    """Matter from labels, uint8 (n,), with the lesion as its MRI look has it.

    `bpe` scales the background parenchymal enhancement of glandular tissue, unit noise `patches` spread it.
    """
    by_label, flat = tissues(tesla), labels.reshape(-1)
    gland = np.flatnonzero(flat == Tissue.GLAND)
    inside = np.flatnonzero(flat == Tissue.LESION)
    special = np.concatenate([gland, inside])
    own = by_label.at(flat[special])
    spread = 1.0 if patches is None else np.exp(PATCHINESS * patches.at(grid.points(gland)))
    own.peak_mmol[: len(gland)] *= bpe * spread
    if lesion is not None and len(inside):
        for name, values in lesion_matter(lesion, grid.points(inside), by_label).items():
            getattr(own, name)[len(gland) :] = values
    return TissueMaps(grid, labels.reshape(grid.shape), by_label, special, own)
