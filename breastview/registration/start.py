"""A first pose from what every report says: side, clock face, distances; or from the lesion's marks.

A report speaks of the supine patient; the MRI shows her prone. What the shift does on the average, and how
far single patients stray from it, was measured on simulated patients whose lesions move against the nipple as
published (a median of 8 mm sideways and 5 mm up and down): `SHIFT`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from breastview.errors import RegistrationError
from breastview.registration.estimate import Start
from breastview.registration.parameters import Method, Point2, Point3, RegistrationParameters
from breastview.registration.skin import GRID_MM, Body, nipple_mm
from breastview.registration.transform import angles_deg, rotation

# Turn about the beam, in degrees, of the usual probe positions; a radial one depends on the clock face. In a
# sagittal image the patient's head is at the left of the screen.
ORIENTATIONS: dict[str, float] = {"transverse": 0.0, "sagittal": 90.0, "radial": 270.0, "antiradial": 0.0}
BY_CLOCK_FACE = ("radial", "antiradial")
USUAL_DEPTH_MM = 15.0  # where a report gives no depth


@dataclass(frozen=True)
class Shift:
    """From supine to prone, in mm: radial distance from the nipple and depth under the skin as a constant and
    a share of the report's; the spread of single patients along, across and under the skin."""

    radial: tuple[float, float] = (6.0, 0.58)
    depth: tuple[float, float] = (8.0, 0.62)
    radial_sd_mm: float = 7.5
    across_sd_mm: tuple[float, float] = (5.0, 0.13)
    depth_sd_mm: float = 5.5


SHIFT = Shift()


@dataclass(frozen=True, eq=False)
class Expected:
    """Where a report's words put a lesion in the prone MRI: LPS mm, and the covariance (3, 3) of the
    guess."""

    point_mm: Point3
    covariance_mm2: np.ndarray


def usual_angles_deg(orientation: str, clock_h: float | None = None) -> Point3:
    """Angles of a probe held as `ORIENTATIONS` names it, its beam straight back; radial at a clock face."""
    about_beam = ORIENTATIONS[orientation]
    if orientation in BY_CLOCK_FACE and clock_h is not None:
        about_beam += clock_h % 12 * 30.0
    return angles_deg(Rotation.from_euler("y", about_beam, degrees=True).as_matrix())


def start_from_mri_mark(
    us_lesion_mm: Point2, mri_point_mm: Point3, angles_deg: Point3 = (0.0, 0.0, 0.0)
) -> RegistrationParameters:
    """Put the lesion's US place (x, y) onto its MRI place, the plane at `angles_deg` (0: transverse)."""
    return _through(us_lesion_mm, mri_point_mm, angles_deg, Method.MRI_MARK)


def expected_place(
    body: Body, side: str, clock_h: float, nipple_distance_mm: float, depth_mm: float | None
) -> Expected:
    """Where a report's words put a lesion in the prone MRI.

    The clock is seen facing the patient: 12 is superior, 3 is at the patient's left in either breast.
    Distance from the nipple and depth under the skin are the supine patient's.

    Raises:
        RegistrationError: no breast on that side, or the place lies outside the body.
    """
    nipple = np.array(nipple_mm(body, side))
    angle = np.deg2rad(clock_h % 12 * 30)
    outward = np.array([np.sin(angle), 0.0, np.cos(angle)])
    across = np.array([np.cos(angle), 0.0, -np.sin(angle)])
    radial = min(SHIFT.radial[0] + SHIFT.radial[1] * nipple_distance_mm, 2.0 * nipple_distance_mm)
    depth = SHIFT.depth[0] + SHIFT.depth[1] * (USUAL_DEPTH_MM if depth_mm is None else depth_mm)
    place = nipple + radial * outward
    place[1] = _y_at_depth(body, place[0], place[2], depth)
    across_sd = SHIFT.across_sd_mm[0] + SHIFT.across_sd_mm[1] * nipple_distance_mm
    axes = np.column_stack([outward, across, [0.0, 1.0, 0.0]])
    spread = axes @ np.diag(np.square([SHIFT.radial_sd_mm, across_sd, SHIFT.depth_sd_mm])) @ axes.T
    return Expected((float(place[0]), float(place[1]), float(place[2])), spread)


def _y_at_depth(body: Body, x_mm: float, z_mm: float, depth_mm: float) -> float:
    """LPS y of the first place behind (x, z) that is as deep under the skin, any skin, or the deepest
    there."""
    i, k = np.round((np.array([x_mm, z_mm]) - body.corner_mm[[0, 2]]) / GRID_MM).astype(int)
    if not (0 <= i < body.mask.shape[0] and 0 <= k < body.mask.shape[2]) or not body.mask[i, :, k].any():
        raise RegistrationError.of("registration.outside_body")
    under = ndimage.distance_transform_edt(body.mask, GRID_MM)[i, :, k] - GRID_MM / 2
    front = int(np.argmax(body.mask[i, :, k]))
    deep = np.flatnonzero(under[front:] >= depth_mm)
    row = front + int(deep[0] if len(deep) else np.argmax(under[front:]))
    return float(body.corner_mm[1] + GRID_MM * row)


def start_of_estimate(expected: Expected, us_mm: Point2, orientation: Point3) -> Start:
    """Where an estimate begins that has the report's words alone: the US lesion (x, y), and the probe's
    angles."""
    turn = rotation(RegistrationParameters((0.0, 0.0, 0.0), orientation))
    return Start(np.array([*us_mm, 0.0]), np.array(expected.point_mm), expected.covariance_mm2, turn)


def start_from_clock_face(
    body: Body,
    side: str,
    clock_h: float,
    nipple_distance_mm: float,
    depth_mm: float | None = None,
    us_lesion_mm: Point2 | None = None,
    angles_deg: Point3 = (0.0, 0.0, 0.0),
) -> RegistrationParameters:
    """A pose that puts the US lesion (or the picture's middle line) where the report says it is.

    Raises:
        RegistrationError: as `expected_place`.
    """
    point = expected_place(body, side, clock_h, nipple_distance_mm, depth_mm).point_mm
    us = us_lesion_mm or (0.0, USUAL_DEPTH_MM if depth_mm is None else depth_mm)
    return _through(us, point, angles_deg, Method.CLOCK_FACE)


def _through(us_mm: Point2, mri_mm: Point3, angles_deg: Point3, method: Method) -> RegistrationParameters:
    turned = rotation(RegistrationParameters((0.0, 0.0, 0.0), angles_deg))
    centre = np.asarray(mri_mm) - turned @ np.array([*us_mm, 0.0])
    return RegistrationParameters(
        (float(centre[0]), float(centre[1]), float(centre[2])), angles_deg, method=method
    )
