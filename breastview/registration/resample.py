"""MRI in the US plane."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from breastview.imaging.geometry import frozen
from breastview.registration.parameters import WarpPoint
from breastview.registration.plane import PlaneGrid
from breastview.registration.warp import warped

EDGE = 1e-9  # of an index: a plane in the outermost slice is not outside by an error of rounding
BAND = 1 << 14  # points looked up at once: what is made of them stays in the processor's cache
KEPT = 4  # grids: a drag moves the pose alone, and looks through the same one at every step


def resample_plane(
    array: np.ndarray,
    index_to_lps: np.ndarray,
    us_to_mri: np.ndarray,
    grid: PlaneGrid,
    warp: Sequence[WarpPoint] = (),
) -> np.ndarray:
    """Sample a volume (slice, row, column) linearly on a grid of the US plane; float32 (rows, columns), NaN
    outside.

    `us_to_mri` is the (4, 4) from US-plane mm to LPS mm, `warp` the local warp before it.
    """
    to_index = np.linalg.inv(index_to_lps) @ us_to_mri
    plane, voxels = _plane(grid, tuple(warp)), array.ravel()
    values = [
        _sampled(voxels, array.shape, to_index[:3, :3] @ plane[:, at : at + BAND] + to_index[:3, 3:])
        for at in range(0, plane.shape[1], BAND)
    ]
    return np.concatenate(values).reshape(grid.rows, grid.columns)


@lru_cache(maxsize=KEPT)
def _plane(grid: PlaneGrid, warp: tuple[WarpPoint, ...]) -> np.ndarray:
    """The points of a grid behind a warp, read-only float64 (3, rows · columns): the same in every pose."""
    x = grid.left_mm + grid.spacing_mm * np.arange(grid.columns)
    y = grid.top_mm + grid.spacing_mm * np.arange(grid.rows)
    plane = np.stack([*np.meshgrid(x, y), np.zeros((grid.rows, grid.columns))], axis=-1)
    return frozen(np.ascontiguousarray(warped(warp, plane).reshape(-1, 3).T))


def _sampled(voxels: np.ndarray, shape: tuple[int, ...], index: np.ndarray) -> np.ndarray:
    """The flat `voxels` of a volume at its indices (3, n), linear between them: float32 (n,), NaN outside."""
    outside = np.zeros(index.shape[1], bool)
    first = np.zeros(index.shape[1], np.intp)
    steps, shares = [], []
    for place, count, step in zip(index, shape, (shape[1] * shape[2], shape[2], 1), strict=True):
        outside |= (place < -EDGE) | (place > count - 1 + EDGE)
        low = np.clip(place, 0, max(count - 2, 0)).astype(np.int32)
        shares.append((place - low).astype(np.float32))
        first += low * np.intp(step)
        steps.append(step if count > 1 else 0)
    values = _between(voxels, first, steps, shares)
    values[outside] = np.nan
    return values


def _between(
    voxels: np.ndarray, first: np.ndarray, steps: Sequence[int], shares: Sequence[np.ndarray]
) -> np.ndarray:
    """Go from each voxel by shares of a step along one axis after the other: float32."""
    if not steps:
        return voxels.take(first).astype(np.float32)
    value = _between(voxels, first, steps[1:], shares[1:])
    rise = _between(voxels, first + steps[0], steps[1:], shares[1:])
    rise -= value
    rise *= shares[0]
    value += rise
    return value
