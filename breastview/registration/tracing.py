"""A surface of the MRI followed from a click on it, as the fascia where fat gives way to muscle."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from breastview.imaging.geometry import apply
from breastview.imaging.volume import Volume
from breastview.registration.parameters import Point3

REACH_MM, DEEP_MM = 30.0, 12.0  # from the clicks, along the surface and across it
STEPS_MM = np.array([2.0, 2.0, 0.5])  # of the box around the clicks: along, along and across
SMOOTH_MM = np.array([2.0, 2.0, 1.0])
CLICK_MM = 4.0  # how far beside the edge a click may be
SLOPE_COST, MOST_COST = 0.12, 6.0  # in edges: for each step across from one place to the next; at most
STRONG = 3.0  # times the usual edge of the box: less at the clicks is no edge
WEAK = 0.35  # of the edge at the clicks: where there is less, the surface ends,
JUMP_MM = 3.5  # and where it would jump
LEAST_POINTS = 25
BESIDE = ndimage.generate_binary_structure(2, 1)


def trace_surface(volume: Volume, clicks_mm: Sequence[Point3], across: np.ndarray) -> np.ndarray:
    """Points (n, 3) in LPS mm of the surface through clicks, every 2 mm, as far as its edge is seen; n is 0
    where there is no edge to follow.

    `across` (3,) is roughly square to it. Heights over a plane are chosen together: strong edges of the same
    sense as at the clicks, small steps between neighbours (semi-global matching; Hirschmüller, IEEE T-PAMI
    30:328, 2008).
    """
    clicks = np.array(clicks_mm, float)
    axes = _axes(across)
    margin = np.array([REACH_MM, REACH_MM, DEEP_MM])
    corner = (clicks @ axes).min(axis=0) - margin
    shape = np.ceil(((clicks @ axes).max(axis=0) + margin - corner) / STEPS_MM).astype(int) + 1
    edge = _edges(volume, corner, axes, shape)
    seeds = np.rint((clicks @ axes - corner) / STEPS_MM).astype(int)
    edge, at = _relative(edge, seeds)
    if not at:
        return np.zeros((0, 3))
    rows, columns = seeds[:, 0], seeds[:, 1]
    cost = 1.0 - np.clip(edge, 0.0, 1.0)
    cost[rows, columns] = MOST_COST
    cost[rows, columns, at] = 0.0
    height = np.argmin(_aggregated(cost), axis=2)
    pieces, _ = ndimage.label(_seen(edge, height))
    kept = np.isin(pieces, pieces[rows, columns]) & (pieces > 0)
    if kept.sum() < LEAST_POINTS:
        return np.zeros((0, 3))
    return (corner + np.column_stack([*np.nonzero(kept), height[kept]]) * STEPS_MM) @ axes.T


def _axes(across: np.ndarray) -> np.ndarray:
    """Axes of the box as columns (3, 3), the last across the surface."""
    w = np.asarray(across, float) / np.linalg.norm(across)
    u = np.cross(w, np.eye(3)[np.argmin(np.abs(w))])
    u /= np.linalg.norm(u)
    return np.column_stack([u, np.cross(w, u), w])


def _edges(volume: Volume, corner: np.ndarray, axes: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """How steeply grey values rise across the surface, at every place of the box, float32."""
    places = (corner + np.moveaxis(np.indices(tuple(shape)), 0, -1) * STEPS_MM) @ axes.T
    index = np.moveaxis(apply(volume.lps_to_index, places), -1, 0)
    grey = ndimage.map_coordinates(volume.array, index, np.float32, order=1, mode="nearest")
    edges: np.ndarray = ndimage.gaussian_filter(grey, SMOOTH_MM / STEPS_MM, order=(0, 0, 1))
    return edges


def _relative(edge: np.ndarray, seeds: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """Edges against the one at the clicks, positive in its sense, and where across the box each click's is;
    nowhere where it is weak."""
    near = round(CLICK_MM / STEPS_MM[2])
    lines = np.array([edge[i, j, k - near : k + near + 1] for i, j, k in seeds])
    sense = 1.0 if lines.max(axis=1).sum() > -lines.min(axis=1).sum() else -1.0
    strength = float(np.median((sense * lines).max(axis=1)))
    if strength <= STRONG * np.median(np.abs(edge)):
        return edge, []
    at = [int(k) - near + int(np.argmax(sense * line)) for (_, _, k), line in zip(seeds, lines, strict=True)]
    return sense * edge / strength, at


def _seen(edge: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Where the surface is there, bool (row, column)."""
    clear = np.take_along_axis(edge, height[:, :, None], axis=2)[:, :, 0] > WEAK
    step = ndimage.maximum_filter(height, footprint=BESIDE) - ndimage.minimum_filter(height, footprint=BESIDE)
    return clear & (step * STEPS_MM[2] <= JUMP_MM)


def _aggregated(cost: np.ndarray) -> np.ndarray:
    """The cost (row, column, height), with what the best way from each of four sides adds."""
    total = np.zeros_like(cost)
    for axis in (0, 1):
        for sense in (1, -1):
            here, summed = (np.moveaxis(values, axis, 0)[::sense] for values in (cost, total))
            way = np.zeros_like(here[0])
            for place, own in enumerate(here):
                way = own + _reached(way)
                summed[place] += way
    return total


def _reached(way: np.ndarray) -> np.ndarray:
    """What it costs to reach each height from a neighbour's (…, height), over the cheapest of them."""
    way = way - way.min(axis=-1, keepdims=True)
    rise = (SLOPE_COST * np.arange(way.shape[-1])).astype(way.dtype)
    up = np.minimum.accumulate(way - rise, axis=-1) + rise
    down = np.minimum.accumulate((way + rise)[..., ::-1], axis=-1)[..., ::-1] - rise
    return np.minimum(np.minimum(up, down), MOST_COST)
