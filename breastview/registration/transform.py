"""Parameters ⇄ matrices, and the moves of a hand: pure functions, displacement from the start of the drag."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from functools import lru_cache

import numpy as np
from scipy.spatial.transform import Rotation

from breastview.imaging.geometry import apply, frozen
from breastview.registration.parameters import Method, Point2, Point3, RegistrationParameters
from breastview.registration.warp import unwarped, warped

LOCKED = 1e-7  # cosine of the y angle below which x and z are one


class Pivot(StrEnum):
    """What a turn leaves in place."""

    PROBE = "probe"
    LESION = "lesion"
    LANDMARK = "landmark"


def rotation(parameters: RegistrationParameters) -> np.ndarray:
    """R, read-only float64 (3, 3): intrinsic turns about the US plane's x, then y, then z (R = Rx·Ry·Rz)."""
    return _rotation(parameters.angles_deg)


@lru_cache(maxsize=8)
def _rotation(angles_deg: Point3) -> np.ndarray:
    return frozen(Rotation.from_euler("XYZ", angles_deg, degrees=True).as_matrix())


def us_to_mri(parameters: RegistrationParameters) -> np.ndarray:
    """The (4, 4) from US-plane mm (x, y, z, 1) to MRI LPS mm, without the local warp."""
    matrix = np.eye(4)
    matrix[:3, :3] = rotation(parameters) * parameters.scale
    matrix[:3, 3] = parameters.centre_mm
    return matrix


def with_matrix(parameters: RegistrationParameters, matrix: np.ndarray) -> RegistrationParameters:
    """Put the pose of a similarity (4, 4) into parameters; everything else of them stays."""
    scale = float(np.cbrt(np.linalg.det(matrix[:3, :3])))
    return replace(
        parameters,
        centre_mm=_point(matrix[:3, 3]),
        angles_deg=angles_deg(matrix[:3, :3] / scale, parameters.angles_deg),
        scale=round(scale, 12),
    )


def angles_deg(turn: np.ndarray, near_deg: Point3 | None = None) -> Point3:
    """The angles of a rotation (3, 3), as in `RegistrationParameters`, each −180…180°.

    Two triples are one rotation: (x, y, z) and (x + 180°, 180° − y, z + 180°). The one nearer to `near_deg`
    is given, without that the one whose y is −90…90°. Where y is ±90°, as in a sagittal plane, x and z turn
    about one axis: z is that of `near_deg` there, or 0.
    """
    across = np.hypot(turn[0, 0], turn[0, 1])
    y = np.rad2deg(np.arctan2(turn[0, 2], across))
    if across < LOCKED:
        both, z = np.rad2deg(np.arctan2(turn[2, 1], turn[1, 1])), near_deg[2] if near_deg else 0.0
        return _point(_wrapped_deg(np.array([both - np.sign(y) * z, y, z])))
    x, z = np.arctan2(-turn[1, 2], turn[2, 2]), np.arctan2(-turn[0, 1], turn[0, 0])
    first = np.array([np.rad2deg(x), y, np.rad2deg(z)])
    if near_deg is None:
        return _point(first)
    other = _wrapped_deg(np.array([180.0, 180.0, 180.0]) + first * [1, -1, 1])
    return _point(min(first, other, key=lambda each: np.abs(_wrapped_deg(each - near_deg)).sum()))


def _wrapped_deg(angles: np.ndarray) -> np.ndarray:
    """Angles as −180…180°."""
    return (angles + 180.0) % 360.0 - 180.0


def map_points(parameters: RegistrationParameters, us_mm: np.ndarray) -> np.ndarray:
    """Map US-plane points (..., 2) or (..., 3) in mm to MRI LPS mm (..., 3), local warp included."""
    points = np.asarray(us_mm, float)
    if points.shape[-1] == 2:
        points = np.concatenate([points, np.zeros((*points.shape[:-1], 1))], axis=-1)
    return apply(us_to_mri(parameters), warped(parameters.warp, points))


def to_us_plane(parameters: RegistrationParameters, mri_mm: np.ndarray) -> np.ndarray:
    """Map MRI LPS points (..., 3) to US-plane mm (x, y, z): z is the distance from the plane."""
    return unwarped(parameters.warp, apply(np.linalg.inv(us_to_mri(parameters)), mri_mm))


def turn_deg(first: RegistrationParameters, second: RegistrationParameters) -> float:
    """The angle between two poses, 0…180°."""
    between = Rotation.from_matrix(rotation(first).T @ rotation(second))
    return float(np.rad2deg(between.magnitude()))


def moved(parameters: RegistrationParameters, shift_mm: Sequence[float]) -> RegistrationParameters:
    """Shift by (x, y, z) mm along the US plane's own axes."""
    centre = np.asarray(parameters.centre_mm) + rotation(parameters) @ np.asarray(shift_mm, float)
    return parameters.remade(Method.MANUAL, centre_mm=_point(centre))


def carried(parameters: RegistrationParameters, elevation_mm: float) -> RegistrationParameters:
    """The same registration as the parallel plane at z = `elevation_mm` has it: every place stays where it
    lies in the MRI."""
    forth = (us_to_mri(parameters) @ [0.0, 0.0, elevation_mm, 1.0])[:3]
    return replace(
        parameters,
        centre_mm=_point(forth),
        landmarks=tuple(replace(p, elevation_mm=p.elevation_mm - elevation_mm) for p in parameters.landmarks),
        contours=tuple(replace(c, elevation_mm=c.elevation_mm - elevation_mm) for c in parameters.contours),
    )


def turned(
    parameters: RegistrationParameters, axis: str, angle_deg: float, pivot_us_mm: Sequence[float] = (0, 0, 0)
) -> RegistrationParameters:
    """Turn about the plane's own `axis` ("x", "y" or "z") through a point of the plane, which stays put."""
    own = rotation(parameters)
    turn = own @ Rotation.from_euler(axis, angle_deg, degrees=True).as_matrix()
    pivot = np.asarray(pivot_us_mm, float) * parameters.scale
    centre = np.asarray(parameters.centre_mm) + own @ pivot - turn @ pivot
    angles = angles_deg(turn, parameters.angles_deg)
    return parameters.remade(Method.MANUAL, centre_mm=_point(centre), angles_deg=angles)


def turn_from(parameters: RegistrationParameters, usual_deg: Point3) -> Point3:
    """How a plane is turned from a usual pose with the angles `usual_deg`: its rotation vector in degrees,
    along x, y, z of that pose and of the plane alike.

    A small turn changes it a little wherever it is below 180°; of the angles themselves two are one where y
    is ±90°, as in a sagittal plane.
    """
    between = Rotation.from_matrix(_rotation(usual_deg).T @ rotation(parameters))
    return _point(np.rad2deg(between.as_rotvec()))


def with_turn(
    parameters: RegistrationParameters,
    turned_deg: Point3,
    usual_deg: Point3,
    pivot_us_mm: Sequence[float] = (0, 0, 0),
) -> RegistrationParameters:
    """Set what `turn_from` tells; a point of the plane stays where it is."""
    turn = _rotation(usual_deg) @ Rotation.from_rotvec(turned_deg, degrees=True).as_matrix()
    angles = angles_deg(turn, parameters.angles_deg)
    set_ = parameters.remade(Method.MANUAL, angles_deg=angles)
    pivot = np.asarray(pivot_us_mm, float) * parameters.scale
    centre = np.asarray(parameters.centre_mm) + rotation(parameters) @ pivot - rotation(set_) @ pivot
    return replace(set_, centre_mm=_point(centre))


def pivot_us_mm(pivot: Pivot, parameters: RegistrationParameters, lesion_us_mm: Point2 | None) -> Point3:
    """The point of the US plane that a turn leaves in place; the probe's middle where what was chosen is not
    there."""
    if pivot is Pivot.LANDMARK and parameters.landmarks:
        return parameters.landmarks[-1].place_mm
    if pivot is Pivot.LESION and lesion_us_mm is not None:
        return (*lesion_us_mm, 0.0)
    return 0.0, 0.0, 0.0


def dragged(
    parameters: RegistrationParameters, start_us_mm: np.ndarray, end_us_mm: np.ndarray
) -> RegistrationParameters:
    """Let the MRI follow a hand from one place (x, y) of the US plane to another."""
    x, y = parameters.scale * (np.asarray(start_us_mm, float) - end_us_mm)
    return moved(parameters, (x, y, 0.0))


def spun(
    parameters: RegistrationParameters,
    start_us_mm: np.ndarray,
    end_us_mm: np.ndarray,
    pivot_us_mm: np.ndarray,
) -> RegistrationParameters:
    """Let the MRI follow a hand around a pivot (x, y) of the US plane: the plane turns back by its angle."""
    before, after = np.asarray(start_us_mm, float) - pivot_us_mm, np.asarray(end_us_mm, float) - pivot_us_mm
    angle = np.rad2deg(np.arctan2(after[1], after[0]) - np.arctan2(before[1], before[0]))
    return turned(parameters, "z", float(-angle), (*pivot_us_mm, 0.0))


def rolled(
    parameters: RegistrationParameters,
    start_us_mm: np.ndarray,
    end_us_mm: np.ndarray,
    axis: str,
    pivot_us_mm: np.ndarray,
) -> RegistrationParameters:
    """Let the MRI follow a hand that rolls it like a ball around a pivot (x, y) of the US plane, about the
    plane's "x" or "y": a hand that goes as far as it began from the pivot turns by one radian."""
    shift = np.asarray(end_us_mm, float) - start_us_mm
    arm = np.linalg.norm(np.asarray(start_us_mm, float) - pivot_us_mm)
    across = -shift[1] if axis == "x" else shift[0]
    return turned(parameters, axis, float(np.rad2deg(across / arm)), (*pivot_us_mm, 0.0))


def _point(values: np.ndarray) -> Point3:
    return float(values[0]), float(values[1]), float(values[2])
