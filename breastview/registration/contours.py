"""Lines and surfaces: from a few clicks to points that tell a direction, and the way across to a place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial import Delaunay, KDTree

from breastview.errors import RegistrationError
from breastview.registration.parameters import Contour, ContourKind, Point2, Point3

NEIGHBOURS = 7  # MRI points of a contour that tell its direction at a place
STEP_MM = 2.0  # between the points that stand for a clicked line
GRID_MM = 4.0  # and for a clicked surface
CLOUD_POINTS = 200  # of a surface that was found in the MRI are kept
COURSE_POINTS = 60  # along a contour in the US plane by which it is compared with another
US_POINTS = 7  # that stand for a line clicked in the US plane
CURVED_FROM = 7  # clicks; a surface through fewer is taken as flat
STIFF = 0.05  # how much flatter a clicked surface is preferred
SAME_MM = 2.0  # mean way in the US plane between two contours below which they are one structure
THIN = 0.1  # clicks that spread less than this share of their length across lie on a line


def contour_of(
    kind: ContourKind,
    us_mm: Sequence[Point2],
    mri_mm: Sequence[Point3],
    name: str = "",
    followed: np.ndarray | None = None,
) -> Contour:
    """A contour from clicks along it in both images; `followed` (n, 3) are points of it in the MRI that are
    known, where clicks need not tell them.

    Raises:
        RegistrationError: too few clicks, or those of a surface all on one line.
    """
    if len(us_mm) < 2 or (len(mri_mm) < 2 and followed is None):
        raise RegistrationError.of("registration.contour_short")
    us = along(np.array(us_mm, float), US_POINTS)
    mri = np.array(mri_mm, float)
    if followed is not None:
        dense = thinned(followed)
    else:
        dense = surface_through(mri) if kind is ContourKind.SURFACE else line_through(mri)
    return Contour(
        kind,
        tuple((float(x), float(y)) for x, y in us),
        tuple((float(x), float(y), float(z)) for x, y, z in dense),
        name,
    )


def thinned(points: np.ndarray) -> np.ndarray:
    """At most `CLOUD_POINTS` of the points (n, d) of a surface, all over it."""
    return points[:: max(-(-len(points) // CLOUD_POINTS), 1)]


def along(points: np.ndarray, count: int) -> np.ndarray:
    """`count` points at equal steps along the line through points (n, d)."""
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    reach = np.concatenate([[0.0], np.cumsum(steps)])
    at = np.linspace(0.0, reach[-1], count)
    return np.column_stack([np.interp(at, reach, values) for values in points.T])


def line_through(points: np.ndarray) -> np.ndarray:
    """Points every `STEP_MM` along the line through clicks (n, 3)."""
    length = np.linalg.norm(np.diff(points, axis=0), axis=1).sum()
    return along(points, max(int(length / STEP_MM) + 1, 2))


def surface_through(points: np.ndarray) -> np.ndarray:
    """A grid of points on the smooth sheet through clicks (n, 3), as far as they reach.

    Raises:
        RegistrationError: the clicks lie on one line, which leaves the sheet's turn open.
    """
    middle = points.mean(axis=0)
    _, lengths, axes = np.linalg.svd(points - middle)
    if len(points) < 3 or lengths[1] < THIN * lengths[0]:
        raise RegistrationError.of("registration.surface_on_line")
    across, height = (points - middle) @ axes[:2].T, (points - middle) @ axes[2]
    low, high = across.min(axis=0), across.max(axis=0)
    x, y = (np.arange(a, b + GRID_MM, GRID_MM) for a, b in zip(low, high, strict=True))
    flat = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    flat = np.concatenate([across, flat[Delaunay(across).find_simplex(flat) >= 0]])
    if len(points) >= CURVED_FROM:
        bowl = _bowl(across)
        bent = np.linalg.solve(bowl.T @ bowl + STIFF * np.eye(bowl.shape[1]), bowl.T @ height)
        risen = _bowl(flat) @ bent
    else:
        risen = np.zeros(len(flat))
    return middle + flat @ axes[:2] + risen[:, None] * axes[2]


def run_together(one: Contour, other: Contour) -> bool:
    """Whether two contours lie on one another in the US plane: one structure, drawn twice."""
    courses = [along(np.array(contour.us_mm, float), COURSE_POINTS) for contour in (one, other)]
    ways = [KDTree(courses[1 - k]).query(courses[k])[0].mean() for k in (0, 1)]
    return bool(min(ways) < SAME_MM)


def across(kind: ContourKind, partner: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where on a contour's MRI points (m, 3) places (n, 3) lie nearest: feet (n, 3), and the unit directions
    (n, k, 3) across the contour there, one for a surface, two for a line."""
    _, near = KDTree(partner).query(places, min(NEIGHBOURS, len(partner)))
    around = partner[near]
    feet = around.mean(axis=1)
    axes = np.linalg.svd(around - feet[:, None])[2]
    return feet, axes[:, 2:] if kind is ContourKind.SURFACE else axes[:, 1:]


def _bowl(at: np.ndarray) -> np.ndarray:
    x, y = at.T
    return np.column_stack([np.ones_like(x), x, y, x * x, x * y, y * y])
