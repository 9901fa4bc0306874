"""A first pose from what every report says: side, clock face, distances; or from the lesion's marks."""

from __future__ import annotations

import numpy as np

from breastview.registration.parameters import Method, Point2, Point3, RegistrationParameters
from breastview.registration.skin import Body, nipple_mm, skin_y_mm
from breastview.registration.transform import rotation

# Angles of the usual probe positions; in a sagittal image the patient's head is at the left of the screen.
ORIENTATIONS: dict[str, Point3] = {"transverse": (0.0, 0.0, 0.0), "sagittal": (0.0, 90.0, 0.0)}
USUAL_DEPTH_MM = 15.0  # where a report gives no depth


def start_from_mri_mark(
    us_lesion_mm: Point2, mri_point_mm: Point3, angles_deg: Point3 = (0.0, 0.0, 0.0)
) -> RegistrationParameters:
    """Put the lesion's US place (x, y) onto its MRI place, the plane at `angles_deg` (0: transverse)."""
    return _through(us_lesion_mm, mri_point_mm, angles_deg, Method.MRI_MARK)


def clock_face_point_mm(
    body: Body, side: str, clock_h: float, nipple_distance_mm: float, depth_mm: float | None
) -> Point3:
    """Where a report's words put a lesion in the prone MRI, LPS mm.

    The clock is seen facing the patient: 12 is superior, 3 is at the patient's left in either breast.
    Distance is measured from the nipple in the coronal plane, depth from the skin backwards.

    Raises:
        RegistrationError: no breast on that side, or the place lies outside the body.
    """
    nipple = nipple_mm(body, side)
    angle = np.deg2rad(clock_h % 12 * 30)
    x = nipple[0] + nipple_distance_mm * np.sin(angle)
    z = nipple[2] + nipple_distance_mm * np.cos(angle)
    depth = USUAL_DEPTH_MM if depth_mm is None else depth_mm
    return float(x), skin_y_mm(body, x, z) + depth, float(z)


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
        RegistrationError: as `clock_face_point_mm`.
    """
    point = clock_face_point_mm(body, side, clock_h, nipple_distance_mm, depth_mm)
    us = us_lesion_mm or (0.0, USUAL_DEPTH_MM if depth_mm is None else depth_mm)
    return _through(us, point, angles_deg, Method.CLOCK_FACE)


def _through(us_mm: Point2, mri_mm: Point3, angles_deg: Point3, method: Method) -> RegistrationParameters:
    turned = rotation(RegistrationParameters((0.0, 0.0, 0.0), angles_deg))
    centre = np.asarray(mri_mm) - turned @ np.array([*us_mm, 0.0])
    return RegistrationParameters(
        (float(centre[0]), float(centre[1]), float(centre[2])), angles_deg, method=method
    )
