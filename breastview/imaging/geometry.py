"""Every change of axis order between DICOM, arrays and patient space happens here.

Patient space is DICOM LPS in mm. Array indices are (slice, row, column).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

ALSO_COSINE = 0.4  # a direction along which another runs at least so far is named with it
OBLIQUE_COSINE = 0.8  # a plane whose normal is further from every axis than this is called oblique
SAME_COSINE = 0.01
ON_SLICE = 0.5 + 1e-6  # steps from a slice within which a place is shown on it


@lru_cache(maxsize=256)
def plane_normal(orientation: tuple[float, ...]) -> tuple[float, float, float]:
    """Unit normal of a plane given by ImageOrientationPatient, six cosines: row × column direction."""
    ax, ay, az, bx, by, bz = orientation
    return ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx


def same_orientation(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether two ImageOrientationPatient are the same but for rounding."""
    return all(abs(a - b) < SAME_COSINE for a, b in zip(one, other, strict=True))


def index_to_lps(
    first_position: Sequence[float],
    orientation: Sequence[float],
    pixel_spacing: Sequence[float],
    slice_step: Sequence[float] | np.ndarray,
) -> np.ndarray:
    """Return the read-only (4, 4) from (slice, row, column, 1) to LPS mm (DICOM PS3.3 C.7.6.2.1.1).

    `pixel_spacing` is PixelSpacing, (between rows, between columns) in mm; `slice_step` (3,) the LPS vector
    from one slice to the next. The first three cosines of `orientation` run along a row: that is, with the
    column index.
    """
    matrix = np.eye(4)
    matrix[:3, 0] = slice_step
    matrix[:3, 1] = np.asarray(orientation[3:6], float) * pixel_spacing[0]
    matrix[:3, 2] = np.asarray(orientation[:3], float) * pixel_spacing[1]
    matrix[:3, 3] = first_position
    return frozen(matrix)


def ras_to_lps(affine_xyz: np.ndarray) -> np.ndarray:
    """Turn a NIfTI affine, (i, j, k, 1) to RAS mm, into one from (slice=k, row=j, column=i, 1) to LPS mm."""
    return frozen(np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine_xyz @ np.eye(4)[:, [2, 1, 0, 3]])


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Map points, float (..., 3), by a (4, 4); returns the same shape."""
    return np.asarray(points, float) @ matrix[:3, :3].T + matrix[:3, 3]


def orientation_name(normal: np.ndarray) -> str:
    """Name a plane by its normal (3,): "sagittal", "coronal", "axial" or "oblique"."""
    along = np.abs(normal) / np.linalg.norm(normal)
    axis = int(np.argmax(along))
    return ("sagittal", "coronal", "axial")[axis] if along[axis] >= OBLIQUE_COSINE else "oblique"


def direction_letters(vector: np.ndarray) -> str:
    """The patient directions that an LPS vector (3,) points to, the nearest first: "P", or "PI" where it
    leans to I."""
    along = np.asarray(vector, float) / np.linalg.norm(vector)
    nearest = np.argsort(-np.abs(along), kind="stable")
    told = [axis for place, axis in enumerate(nearest) if place == 0 or abs(along[axis]) >= ALSO_COSINE]
    return "".join(("LR", "PA", "SI")[axis][int(along[axis] < 0)] for axis in told)


def edge_letters(right: np.ndarray, down: np.ndarray) -> tuple[str, str, str, str]:
    """Patient directions at the (left, top, right, bottom) edge of a picture whose columns run along `right`
    and whose rows along `down`, LPS vectors (3,)."""
    return tuple(direction_letters(v) for v in (-right, -down, right, down))  # type: ignore[return-value]


def slice_through(matrix: np.ndarray, point_mm: Sequence[float]) -> tuple[float, float, float]:
    """The fractional (slice, row, column) of an LPS point."""
    index = apply(np.linalg.inv(matrix), np.asarray(point_mm, float))
    return float(index[0]), float(index[1]), float(index[2])


def lies_in(shape: tuple[int, ...], matrix: np.ndarray, point_mm: Sequence[float]) -> bool:
    """Whether there is a voxel at an LPS point in a volume of this shape and index-to-LPS matrix."""
    index = np.round(slice_through(matrix, point_mm))
    return bool(np.all(index >= 0) and np.all(index < shape))


def nearest_slice(matrix: np.ndarray, count: int, point_mm: Sequence[float]) -> int:
    """The number of the slice, 0 to `count` − 1, that lies nearest to an LPS point."""
    return min(max(round(slice_through(matrix, point_mm)[0]), 0), count - 1)


def slice_plane(matrix: np.ndarray, number: int) -> np.ndarray:
    """The (4, 4) from picture pixels (column, row, 0, 1) of a slice to LPS mm.

    A picture's pixel has its middle at a half: (0.5, 0.5) is the middle of the first. The third axis is a
    step to the next slice.
    """
    plane = matrix[:, [2, 1, 0, 3]].copy()
    plane[:, 3] = matrix @ [number, -0.5, -0.5, 1.0]
    return plane


def beside(plane: np.ndarray, point_mm: Sequence[float], steps_mm: Sequence[float]) -> np.ndarray:
    """The LPS point (3,) some mm to the right of, below and behind another in a picture whose (4, 4) is
    `plane`."""
    axes = plane[:3, :3] / np.linalg.norm(plane[:3, :3], axis=0)
    return np.asarray(point_mm, float) + axes @ np.asarray(steps_mm, float)


def in_picture(plane: np.ndarray, points_mm: np.ndarray, within: float) -> np.ndarray:
    """Pixels (m, 2) of the LPS points (n, 3) that lie `within` steps of a picture whose (4, 4) is `plane`."""
    places = apply(np.linalg.inv(plane), np.asarray(points_mm, float).reshape(-1, 3))
    return places[np.abs(places[:, 2]) <= within, :2]


def frozen(array: np.ndarray) -> np.ndarray:
    """Make an array read-only and return it."""
    array.setflags(write=False)
    return array


def lps_text(point_mm: np.ndarray) -> str:
    """An LPS point as a reader says it: "R 34.2 A 18.0 S 71.5 mm"."""
    words = [f"{'LPS'[k] if value >= 0 else 'RAI'[k]} {abs(value):.1f}" for k, value in enumerate(point_mm)]
    return " ".join(words) + " mm"
