"""MRI in the US plane."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy import ndimage

from breastview.imaging.geometry import frozen
from breastview.registration.parameters import WarpPoint
from breastview.registration.plane import PlaneGrid
from breastview.registration.warp import warped

ROUNDED = 9  # decimals of an index: a plane in the outermost slice is not outside by an error of rounding
KEPT = 4  # warped grids: a drag moves the pose alone, and looks through the same one at every step


def resample_plane(
    array: np.ndarray,
    index_to_lps: np.ndarray,
    us_to_mri: np.ndarray,
    grid: PlaneGrid,
    order: int = 1,
    warp: Sequence[WarpPoint] = (),
) -> np.ndarray:
    """Sample a volume (slice, row, column) on a grid of the US plane; float32 (rows, columns), NaN outside.

    `us_to_mri` is the (4, 4) from US-plane mm to LPS mm, `warp` the local warp before it.
    `order` is scipy's: 0 nearest, 1 linear.
    """
    if warp:
        return _resample_warped(array, np.linalg.inv(index_to_lps) @ us_to_mri, grid, order, warp)
    start, along_row, along_column = _walk(index_to_lps, us_to_mri, grid)
    matrix = np.column_stack([along_column, along_row, np.zeros(3)])
    return ndimage.affine_transform(
        array,
        matrix,
        offset=start,
        output_shape=(grid.rows, grid.columns, 1),
        output=np.float32,
        order=order,
        mode="constant",
        cval=np.nan,
        prefilter=False,
    )[:, :, 0]


def _resample_warped(
    array: np.ndarray, us_to_index: np.ndarray, grid: PlaneGrid, order: int, warp: Sequence[WarpPoint]
) -> np.ndarray:
    index = us_to_index[:3, :3] @ _warped_plane(grid, tuple(warp)) + us_to_index[:3, 3:]
    np.round(index, ROUNDED, out=index)
    return ndimage.map_coordinates(
        array,
        index.reshape(3, grid.rows, grid.columns),
        np.float32,
        order,
        mode="constant",
        cval=np.nan,
        prefilter=False,
    )


@lru_cache(maxsize=KEPT)
def _warped_plane(grid: PlaneGrid, warp: tuple[WarpPoint, ...]) -> np.ndarray:
    """The warped points of a grid, read-only float64 (3, rows · columns): the same whatever the pose."""
    x = grid.left_mm + grid.spacing_mm * np.arange(grid.columns)
    y = grid.top_mm + grid.spacing_mm * np.arange(grid.rows)
    plane = np.stack([*np.meshgrid(x, y), np.zeros((grid.rows, grid.columns))], axis=-1)
    return frozen(np.ascontiguousarray(warped(warp, plane).reshape(-1, 3).T))


def _walk(
    index_to_lps: np.ndarray, us_to_mri: np.ndarray, grid: PlaneGrid
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Volume index of the first grid point, and the index steps along a row and along a column."""
    to_index = np.round(np.linalg.inv(index_to_lps) @ us_to_mri, ROUNDED)
    start = np.round(to_index @ np.array([grid.left_mm, grid.top_mm, 0.0, 1.0]), ROUNDED)[:3]
    return start, to_index[:3, 0] * grid.spacing_mm, to_index[:3, 1] * grid.spacing_mm
