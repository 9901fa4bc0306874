"""The local warp as a grid of displacements: what programs read that do not know its formula."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from breastview.registration.parameters import Point3, WarpPoint
from breastview.registration.warp import warped

ERROR_MM = 0.01  # aimed at between samples
FINEST_MM = 0.1
COARSEST_MM = 2.0
MOST_SAMPLES = 250_000  # in a plane
REACH_MM = 50.0  # the warp is the same at every z; the grid ends here, on both sides of the plane


@dataclass(frozen=True, eq=False)
class SampledWarp:
    """Displacements in the US plane's own axes.

    `shifts_mm` is float64 (z, y, x, 3), the vectors (x, y, z) in mm; `first_mm` the place (x, y, z) of the
    first and `spacing_mm` the steps along x, y, z. Beyond the grid there is no displacement.
    """

    first_mm: Point3
    spacing_mm: Point3
    shifts_mm: np.ndarray

    def points_mm(self) -> np.ndarray:
        """Where the samples lie, float64 (z, y, x, 3)."""
        depth, rows, columns = self.shifts_mm.shape[:3]
        x, y, z = (
            first + step * np.arange(count)
            for first, step, count in zip(self.first_mm, self.spacing_mm, (columns, rows, depth), strict=True)
        )
        return np.stack(np.meshgrid(z, y, x, indexing="ij")[::-1], axis=-1)


def sampled(warp: Sequence[WarpPoint]) -> SampledWarp:
    """Sample a warp of at least one point over all that it displaces, with an undisplaced margin."""
    middles = np.array([point.us_mm for point in warp])
    radii = np.array([[point.radius_mm] for point in warp])
    low, high = (middles - radii).min(axis=0), (middles + radii).max(axis=0)
    step = _step_mm(warp, high - low)
    first = np.round(low - step, 6)
    columns, rows = (int(count) for count in np.ceil((high - first) / step) + 2)
    grid = SampledWarp(
        (float(first[0]), float(first[1]), -REACH_MM),
        (step, step, 2 * REACH_MM),
        np.zeros((2, rows, columns, 3)),
    )
    points = grid.points_mm()
    return SampledWarp(grid.first_mm, grid.spacing_mm, warped(warp, points) - points)


def error_mm(warp: Sequence[WarpPoint], step_mm: float) -> float:
    """A bound on how far bilinear interpolation between samples is off: Σ |shift| · 2 (step / radius)².

    The second derivatives of (1 − d²/r²)² are at most 8/r², and interpolation along each of two axes is off
    by at most step²/8 times the largest.
    """
    return 2.0 * step_mm**2 * _bending(warp)


def _step_mm(warp: Sequence[WarpPoint], extent_mm: np.ndarray) -> float:
    wanted = np.sqrt(ERROR_MM / (2.0 * max(_bending(warp), 1e-12)))
    fits = np.sqrt(extent_mm.prod() / MOST_SAMPLES)
    return float(np.ceil(1000 * max(np.clip(wanted, FINEST_MM, COARSEST_MM), fits)) / 1000)


def _bending(warp: Sequence[WarpPoint]) -> float:
    return float(sum(np.linalg.norm(point.shift_mm) / point.radius_mm**2 for point in warp))
