"""The local warp: displacements in the US plane, set by hand, each fading to nothing at its radius."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from breastview.registration.parameters import WarpPoint

CLOSE_MM = 1e-9
MOST_STEPS = 400


def warped(warp: Sequence[WarpPoint], us_mm: np.ndarray) -> np.ndarray:
    """Displace US-plane points (..., 3) in mm: x + Σ shift · (1 − d²/r²)², where d, the distance from a warp
    point in the plane, is below its radius r. A shift below 0.6 r does not fold the plane.
    """
    points = np.asarray(us_mm, float)
    moved = points.copy()
    for point in warp:
        distance2 = ((points[..., :2] - point.us_mm) ** 2).sum(axis=-1) / point.radius_mm**2
        moved += np.clip(1.0 - distance2, 0.0, None)[..., None] ** 2 * point.shift_mm
    return moved


def unwarped(warp: Sequence[WarpPoint], us_mm: np.ndarray) -> np.ndarray:
    """Undo `warped` for points (..., 3) in mm, by fixed-point iteration."""
    target = np.asarray(us_mm, float)
    points = target
    for _ in range(MOST_STEPS if warp else 0):
        missed = target - warped(warp, points)
        points = points + missed
        if np.abs(missed).max(initial=0.0) < CLOSE_MM:
            break
    return points
