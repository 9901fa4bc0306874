"""From an estimate of the map to the parameters that a registration keeps: a pose, and a local warp."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from breastview.registration.estimate import Estimate
from breastview.registration.parameters import Method, RegistrationParameters, WarpPoint
from breastview.registration.transform import angles_deg, rotation
from breastview.registration.warp import warped

NODES_MM = np.arange(-2, 3) * 11.0  # of the warp, around the lesion, along x and y
REACH_MM = 28.0  # of one node
RIDGE = 0.02  # how much smaller displacements are preferred
MIDDLE = 100.0  # how much more the lesion's own node counts than the others
STEP_MM = 0.5
LOOK_MM = 4.0  # a warp is looked at this closely
FOLDED = 0.2  # least relative area that the warp may leave of a small square
SMALLER = 0.8


def rigid(estimate: Estimate, us_mm: np.ndarray, present: RegistrationParameters) -> RegistrationParameters:
    """The pose that follows the estimate at a US place (x, y) exactly, and its turn there."""
    here = np.array([*us_mm[:2], 0.0])
    steps = np.concatenate([here + STEP_MM * np.eye(3), here - STEP_MM * np.eye(3)])
    places, _ = estimate.at(np.concatenate([here[None], steps]))
    linear = (places[1:4] - places[4:]).T / (2 * STEP_MM)
    left, _, right = np.linalg.svd(linear)
    turn = left @ np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))]) @ right
    x, y, z = (float(c) for c in places[0] - turn @ here)
    angles = angles_deg(turn, present.angles_deg)
    return present.remade(Method.LANDMARKS, centre_mm=(x, y, z), angles_deg=angles, scale=1.0, warp=())


def with_warp(estimate: Estimate, us_mm: np.ndarray, pose: RegistrationParameters) -> RegistrationParameters:
    """Bend the plane around a US place (x, y) so that it follows the estimate there, above all at the place
    itself, as far as it folds nowhere."""
    x, y = np.meshgrid(us_mm[0] + NODES_MM, us_mm[1] + NODES_MM)
    nodes = np.stack([x.ravel(), y.ravel()], axis=1)
    nodes = nodes[nodes[:, 1] > -NODES_MM[-1] / 4]
    plane = np.column_stack([nodes, np.zeros(len(nodes))])
    wanted = (estimate.at(plane)[0] - pose.centre_mm) @ rotation(pose) / pose.scale - plane
    reach = _bumps(nodes, nodes)
    counts = reach.T * np.where((nodes == us_mm[:2]).all(axis=1), MIDDLE, 1.0)
    shifts = np.linalg.solve(counts @ reach + RIDGE * np.eye(len(nodes)), counts @ wanted)
    while least_area(_warp(nodes, shifts)) < FOLDED:
        shifts = shifts * SMALLER
    return replace(pose, warp=_warp(nodes, shifts))


def folds(warp: tuple[WarpPoint, ...], us_mm: np.ndarray) -> bool:
    """Whether a warp folds the plane at points (n, 2), or nearly."""
    return bool((relative_area(warp, us_mm) < FOLDED).any())


@lru_cache(maxsize=8)
def least_area(warp: tuple[WarpPoint, ...]) -> float:
    """The least that a warp leaves of a small square of the plane, as a share of it; 1 without a warp."""
    if not warp:
        return 1.0
    nodes = np.array([point.us_mm for point in warp])
    low, high = nodes.min(axis=0) - REACH_MM, nodes.max(axis=0) + REACH_MM
    x, y = (np.arange(a, b, LOOK_MM) for a, b in zip(low, high, strict=True))
    return float(relative_area(warp, np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)).min())


def relative_area(warp: tuple[WarpPoint, ...], us_mm: np.ndarray) -> np.ndarray:
    """What a warp leaves of a small square of the plane at points (n, 2), as a share of it; negative where it
    is turned over."""
    plane = np.column_stack([us_mm, np.zeros(len(us_mm))])
    across, down = (
        (warped(warp, plane + STEP_MM * axis) - warped(warp, plane - STEP_MM * axis)) / (2 * STEP_MM)
        for axis in np.eye(3)[:2]
    )
    return across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0]


def _bumps(points: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    apart2 = ((points[:, None] - nodes[None]) ** 2).sum(axis=2) / REACH_MM**2
    return np.clip(1 - apart2, 0, None) ** 2


def _warp(nodes: np.ndarray, shifts: np.ndarray) -> tuple[WarpPoint, ...]:
    return tuple(
        WarpPoint((float(x), float(y)), (float(dx), float(dy), float(dz)), REACH_MM)
        for (x, y), (dx, dy, dz) in zip(nodes, shifts, strict=True)
    )
