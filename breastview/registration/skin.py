"""Body, midline, skin and nipple in an MRI volume: simple estimators that a reader confirms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from breastview.errors import RegistrationError
from breastview.imaging.geometry import apply
from breastview.imaging.volume import Volume
from breastview.registration.contours import thinned
from breastview.registration.parameters import Point3

GRID_MM = 3.0  # the body is looked at on a grid this coarse
FOREGROUND = 0.08  # share of the 99th percentile above which a voxel is body
BILATERAL_MM = 220.0  # a body seen narrower than this along left–right is one breast only
SEARCH_MM = 40.0
MIN_COLUMN_MM = 6.0  # a line of body shorter than this is noise
SKIN_REACH_MM = 35.0  # the skin under a probe and somewhat beside it
GROWN = 1.0  # voxels by which the mean over three of them, which `find_body` looks at, reaches too far
MIN_SLOPE = 0.05  # of the body's edge, per voxel
BACKWARD = 0.3  # cosine: a surface that faces further back than this is no skin of a breast


@dataclass(frozen=True, eq=False)
class Body:
    """Where the body is: bool (x, y, z) on a `GRID_MM` grid of LPS space from `corner_mm` on."""

    mask: np.ndarray
    corner_mm: np.ndarray

    def x_mm(self) -> np.ndarray:
        """LPS x of each plane of the mask."""
        return self.corner_mm[0] + GRID_MM * np.arange(self.mask.shape[0])


def find_body(volume: Volume) -> Body:
    """Threshold a volume on a coarse LPS grid and keep the largest piece."""
    corners = np.array([[s, r, c] for s in (0, 1) for r in (0, 1) for c in (0, 1)]) * (
        np.array(volume.array.shape) - 1
    )
    places = apply(volume.index_to_lps, corners)
    low = places.min(axis=0)
    shape = np.maximum(np.ceil((places.max(axis=0) - low) / GRID_MM).astype(int), 1)
    matrix = volume.lps_to_index
    coarse = ndimage.affine_transform(
        volume.array.astype(np.float32),
        matrix[:3, :3] * GRID_MM,
        offset=apply(matrix, low),
        output_shape=tuple(shape),
        order=0,
        prefilter=False,
    )
    level = FOREGROUND * np.percentile(coarse, 99)
    mask = ndimage.binary_opening(ndimage.uniform_filter(coarse, 3) > level)
    labels, count = ndimage.label(mask)
    if count > 1:
        mask = labels == np.argmax(np.bincount(labels.ravel())[1:]) + 1
    return Body(mask, low)


def midline_x_mm(body: Body) -> float:
    """LPS x of the body's plane of symmetry; the scanner's midline, 0, where only one breast is covered."""
    profile = body.mask.sum(axis=(1, 2)).astype(float)
    x = body.x_mm()
    seen = np.flatnonzero(profile)
    if not len(seen) or x[seen[-1]] - x[seen[0]] < BILATERAL_MM:
        return 0.0
    middle = (x[seen[0]] + x[seen[-1]]) / 2
    candidates = np.arange(middle - SEARCH_MM, middle + SEARCH_MM, GRID_MM / 2)
    misfit = [
        np.abs(profile - np.interp(2 * candidate - x, x, profile, left=0, right=0)).sum()
        for candidate in candidates
    ]
    return float(candidates[int(np.argmin(misfit))])


def nipple_mm(body: Body, side: str) -> Point3:
    """Most anterior point of the breast on `side` ("R" or "L") in a prone MRI; raises RegistrationError."""
    x = body.x_mm()
    middle = midline_x_mm(body)
    half = body.mask & ((x < middle) if side == "R" else (x > middle))[:, None, None]
    solid = half & (_run_along_y(half) * GRID_MM >= MIN_COLUMN_MM)
    if not solid.any():
        raise RegistrationError.of("registration.no_breast")
    front = int(np.flatnonzero(solid.any(axis=(0, 2)))[0])
    tip = np.argwhere(solid[:, front, :]).mean(axis=0)
    index = np.array([tip[0], front, tip[1]])
    return _point(body.corner_mm + GRID_MM * index)


def skin_near(body: Body, place_mm: Point3, reach_mm: float = SKIN_REACH_MM) -> np.ndarray:
    """Points (n, 3) of the skin around the part of it that is nearest to a place, in LPS mm; n is 0 where
    there is no skin.

    Only what faces forward or aside is skin: the far side of a hole, as the lung is one, faces back.
    """
    soft = ndimage.gaussian_filter(body.mask.astype(np.float32), 1.0)
    index = np.argwhere(body.mask & ~ndimage.binary_erosion(body.mask, border_value=1))
    slope = np.stack([g[tuple(index.T)] for g in np.gradient(soft)], axis=1)
    steep = np.linalg.norm(slope, axis=1)
    facing = (steep > MIN_SLOPE) & (slope[:, 1] > -BACKWARD * steep)
    index, slope, steep = index[facing], slope[facing], steep[facing]
    if not len(index):
        return np.zeros((0, 3))
    out = (0.5 - soft[tuple(index.T)]) / steep + GROWN  # from the voxel's middle inward to where body ends
    skin = body.corner_mm + GRID_MM * (index + (out / steep)[:, None] * slope)
    apart = np.linalg.norm(skin - np.asarray(place_mm), axis=1)
    around = skin[np.linalg.norm(skin - skin[np.argmin(apart)], axis=1) <= reach_mm]
    return thinned(around)


def side_of(point_mm: Point3, body: Body) -> str:
    """Tell on which side of the body's midline a point lies: "R" or "L"."""
    return "L" if point_mm[0] > midline_x_mm(body) else "R"


def _run_along_y(mask: np.ndarray) -> np.ndarray:
    """Voxels of body on each line along y."""
    return np.broadcast_to(mask.sum(axis=1, keepdims=True), mask.shape)


def _point(values: np.ndarray) -> Point3:
    return float(values[0]), float(values[1]), float(values[2])
