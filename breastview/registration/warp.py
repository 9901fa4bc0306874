"""The local warp: displacements in the US plane, set by hand, each fading to nothing at its radius."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from breastview.registration.parameters import WarpPoint

CLOSE_MM = 1e-9
MOST_STEPS = 400
NEWTON_STEPS = 12
FARTHEST_MM = 5.0  # one step of Newton's method goes no further


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
    """Undo `warped` for some points (..., 3) in mm: by Newton's method, by fixed-point iteration where that
    fails."""
    target = np.asarray(us_mm, float)
    points = target
    for _ in range(NEWTON_STEPS if warp else 0):
        moved, slope = _with_slope(warp, points)
        missed = target - moved
        if np.abs(missed).max(initial=0.0) < CLOSE_MM:
            return points
        step = np.linalg.solve(slope, missed[..., None])[..., 0]
        length = np.linalg.norm(step, axis=-1, keepdims=True)
        points = points + step * np.minimum(1.0, FARTHEST_MM / np.maximum(length, CLOSE_MM))
    for _ in range(MOST_STEPS if warp else 0):
        missed = target - warped(warp, points)
        points = points + missed
        if np.abs(missed).max(initial=0.0) < CLOSE_MM:
            break
    return points


def _with_slope(warp: Sequence[WarpPoint], points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`warped` points (..., 3), and the derivative of that (..., 3, 3)."""
    nodes, shifts = np.array([p.us_mm for p in warp]), np.array([p.shift_mm for p in warp])
    radius2 = np.array([p.radius_mm**2 for p in warp])
    away = points[..., None, :2] - nodes
    left = np.clip(1.0 - (away**2).sum(axis=-1) / radius2, 0.0, None)
    fall = (-4.0 * left / radius2)[..., None] * away
    slope = np.broadcast_to(np.eye(3), (*points.shape, 3)).copy()
    slope[..., :2] += np.einsum("nk,...nj->...kj", shifts, fall)
    return points + left**2 @ shifts, slope
