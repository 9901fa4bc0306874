"""What a record says of a lesion's place in the MRI, and what that is worth."""

from __future__ import annotations

from breastview.errors import RegistrationError
from breastview.records.concordance import lesion_us_mm, us_outline
from breastview.records.values import Lesion, ReviewRecord
from breastview.registration.estimate import Start
from breastview.registration.grade import Grade, grade_of
from breastview.registration.parameters import Method, Point2, RegistrationParameters
from breastview.registration.plane import UsPlane
from breastview.registration.region import Region, region_of
from breastview.registration.skin import Body, side_of
from breastview.registration.start import (
    ExpectedPlace,
    expected_place,
    orientation_of,
    start_of_estimate,
    usual_angles_deg,
)


def mri_side(lesion: Lesion, body: Body | None) -> str | None:
    """The side of a lesion's MRI mark by the body's midline: "R" or "L", None where that cannot be told."""
    return side_of(lesion.mri.point_mm, body) if lesion.mri and body else None


def told_place(lesion: Lesion, body: Body | None) -> ExpectedPlace | None:
    """Where the report's words put a lesion in the MRI; None while they are incomplete or lead nowhere."""
    if body is None or lesion.side is None or lesion.clock_h is None or lesion.nipple_distance_mm is None:
        return None
    try:
        return expected_place(body, lesion.side, lesion.clock_h, lesion.nipple_distance_mm, lesion.depth_mm)
    except RegistrationError:
        return None


def start_of(
    lesion: Lesion, us_mm: Point2, body: Body | None, parameters: RegistrationParameters
) -> Start | None:
    """Where an estimate begins by the report's words, the probe held as the registration shows it."""
    told = told_place(lesion, body)
    if told is None:
        return None
    held = orientation_of(parameters.angles_deg, lesion.clock_h)
    return start_of_estimate(told, us_mm, usual_angles_deg(held, lesion.clock_h))


def lesion_region(record: ReviewRecord, lesion: Lesion, plane: UsPlane, body: Body | None) -> Region | None:
    """Where the registration of a lesion's US image expects it in the MRI; None where there is no US mark, no
    registration, neither words nor correspondences that tell, or nothing to guess: it is the true one."""
    if lesion.us is None:
        return None
    parameters = record.registration(lesion.us.frames_key, lesion.us.frame)
    if parameters is None or parameters.method is Method.TRUTH:
        return None
    us_mm = lesion_us_mm(lesion, plane)
    start = start_of(lesion, us_mm, body, parameters)
    if start is None and not parameters.correspondences:
        return None
    return region_of(parameters, us_mm, start, us_outline(lesion, plane))


def lesion_grade(
    record: ReviewRecord, lesion: Lesion, plane: UsPlane | None, body: Body | None
) -> Grade | None:
    """What the registration of a lesion's US image is worth; None where there is none."""
    if lesion.us is None:
        return None
    parameters = record.registration(lesion.us.frames_key, lesion.us.frame)
    if parameters is None:
        return None
    region = lesion_region(record, lesion, plane, body) if plane else None
    outline = us_outline(lesion, plane) if plane else None
    return grade_of(parameters, region, lesion.mri.point_mm if lesion.mri else None, outline)
