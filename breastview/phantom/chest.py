"""The chest wall as coordinates: nested ellipses around the thorax, in axial planes of LPS space.

A point is (θ, z, η): its angle around the thorax from the front, its z, and its height over the pectoral
fascia. η counts volume: dV = `WIDTH_MM` · dθ · dz · dη, so that a map of these coordinates with
unit Jacobian keeps volume exactly.
"""

from __future__ import annotations

import numpy as np

WIDTH_MM, DEPTH_MM = 165.0, 110.0  # semi-axes of the ellipse of the bare trunk's skin
CENTRE_Y_MM = 160.0
COVER_MM = 20.0  # thickness of skin and fat over the fascia in the midline
FASCIA_LEVEL = 1.0 - COVER_MM / DEPTH_MM


def level(points: np.ndarray) -> np.ndarray:
    """Which ellipse points (n, 3) lie on, as a multiple of the bare trunk's skin, (n,)."""
    return np.hypot(points[:, 0] / WIDTH_MM, (points[:, 1] - CENTRE_Y_MM) / DEPTH_MM)


def height_mm(points: np.ndarray) -> np.ndarray:
    """Height over the pectoral fascia in mm, as it is in the midline, (n,)."""
    return DEPTH_MM * (level(points) - FASCIA_LEVEL)


def to_chart(points: np.ndarray) -> np.ndarray:
    """LPS mm (n, 3) to (θ in rad, z in mm, η in mm)."""
    x, y = points[:, 0] / WIDTH_MM, (CENTRE_Y_MM - points[:, 1]) / DEPTH_MM
    eta = DEPTH_MM * (x * x + y * y - FASCIA_LEVEL**2) / 2
    return np.stack([np.arctan2(x, y), points[:, 2], eta], axis=1)


def from_chart(chart: np.ndarray) -> np.ndarray:
    """(θ, z, η) to LPS mm (n, 3)."""
    theta, z, eta = chart.T
    lev = np.sqrt(np.maximum(2 * eta / DEPTH_MM + FASCIA_LEVEL**2, 1e-6))
    return np.stack([WIDTH_MM * lev * np.sin(theta), CENTRE_Y_MM - DEPTH_MM * lev * np.cos(theta), z], axis=1)


def outward(point: np.ndarray) -> np.ndarray:
    """Unit normal of the ellipse through a point (3,), away from the thorax."""
    normal = np.array([point[0] / WIDTH_MM**2, (point[1] - CENTRE_Y_MM) / DEPTH_MM**2, 0.0])
    return normal / np.linalg.norm(normal)
