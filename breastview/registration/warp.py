"""The local warp: displacements in the US plane, set by hand, each fading to nothing at its radius."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from breastview.registration.parameters import WarpPoint

CLOSE_MM = 1e-9
MOST_STEPS = 400
NEWTON_STEPS = 12
FARTHEST_MM = 5.0  # one step of Newton's method goes no further
BAND = 1 << 12  # points displaced at once: each of them looks at every warp point


def warped(warp: Sequence[WarpPoint], us_mm: np.ndarray) -> np.ndarray:
    """Displace US-plane points (..., 3) in mm: x + Σ shift · (1 − d²/r²)², where d, the distance from a warp
    point in the plane, is below its radius r. A shift below 0.6 r does not fold the plane.
    """
    moved = np.array(us_mm, float, order="C")
    flat, nodes = moved.reshape(-1, 3), _Nodes(warp)
    for at in range(0, len(flat), BAND):
        away = nodes.away(flat[at : at + BAND])
        flat[at : at + BAND] += nodes.left(away) ** 2 @ nodes.shifts_mm
    return moved


def unwarped(warp: Sequence[WarpPoint], us_mm: np.ndarray) -> np.ndarray:
    """Undo `warped` for some points (..., 3) in mm: by Newton's method, by fixed-point iteration where that
    fails."""
    target, nodes = np.asarray(us_mm, float), _Nodes(warp)
    points = target
    for _ in range(NEWTON_STEPS if warp else 0):
        moved, slope = nodes.with_slope(points)
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


class _Nodes:
    """The n points of a warp as arrays: places (n, 2), shifts (n, 3), squared radii (n,)."""

    def __init__(self, warp: Sequence[WarpPoint]) -> None:
        table = np.array([(*p.us_mm, *p.shift_mm, p.radius_mm**2) for p in warp]).reshape(-1, 6)
        self.us_mm, self.shifts_mm, self.radius2 = table[:, :2], table[:, 2:5], table[:, 5]

    def away(self, points: np.ndarray) -> np.ndarray:
        """From every node to points (..., 3) in the plane: (..., n, 2)."""
        return points[..., None, :2] - self.us_mm

    def left(self, away: np.ndarray) -> np.ndarray:
        """What is left of each node at such places: (..., n), from 1 at the node to 0 at its radius."""
        return np.clip(1.0 - np.einsum("...k,...k", away, away) / self.radius2, 0.0, None)

    def with_slope(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`warped` points (..., 3), and the derivative of that (..., 3, 3)."""
        away = self.away(points)
        left = self.left(away)
        slope = np.broadcast_to(np.eye(3), (*points.shape, 3)).copy()
        slope[..., :2] += self.shifts_mm.T @ ((-4.0 * left / self.radius2)[..., None] * away)
        return points + left**2 @ self.shifts_mm, slope
