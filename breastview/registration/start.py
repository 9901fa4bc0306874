"""A first pose from what every report says: side, clock face, distances; or from the lesion's marks.

A report speaks of the supine patient; the MRI shows her prone. What the shift does on the average along the
skin and in depth (`SHIFT`), and beside that (`population`), was measured on simulated patients whose lesions
move against the nipple as published (a median of 8 mm sideways and 5 mm up and down).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from breastview.errors import RegistrationError
from breastview.imaging.geometry import frozen
from breastview.registration.estimate import Start
from breastview.registration.parameters import Method, Point2, Point3, RegistrationParameters
from breastview.registration.population import Told, linear_of, place_beside
from breastview.registration.region import Region
from breastview.registration.skin import GRID_MM, Body, nipple_mm
from breastview.registration.transform import angles_deg, rotation

# Turn about the beam, in degrees, of the usual probe positions; a radial one depends on the clock face. In a
# sagittal image the patient's head is at the left of the screen.
ORIENTATIONS: dict[str, float] = {"transverse": 0.0, "sagittal": 90.0, "radial": 270.0, "antiradial": 0.0}
BY_CLOCK_FACE = ("radial", "antiradial")
BEYOND = 1.5  # of the way along the skin to the chest: no report means that
AXIS_MM = 40.0  # from the nipple back to where the skin is looked at from
USUAL_DEPTH_MM = 15.0  # where a report gives no depth
LEAST_DEPTH_MM = 3.0  # no lesion lies in the skin itself


@dataclass(frozen=True)
class Shift:
    """From supine to prone, in mm: the way along the skin from the nipple as a constant, a share of the
    report's distance and one of its depth; the depth under the skin likewise."""

    along: tuple[float, float, float] = (-10.7, 1.22, 1.66)
    depth: tuple[float, float, float] = (13.4, -0.19, 0.65)


SHIFT = Shift()


@dataclass(frozen=True, eq=False)
class ExpectedPlace(Region):
    """Where a report's words put a lesion: its region, the breast's `side`, and the unit vector `inward` (3,)
    from its skin there."""

    side: str
    inward: np.ndarray


def usual_angles_deg(orientation: str, clock_h: float | None = None) -> Point3:
    """Angles of a probe held as `ORIENTATIONS` names it, its beam straight back; radial at a clock face."""
    about_beam = ORIENTATIONS[orientation]
    if orientation in BY_CLOCK_FACE and clock_h is not None:
        about_beam += clock_h % 12 * 30.0
    return angles_deg(Rotation.from_euler("y", about_beam, degrees=True).as_matrix())


def orientation_of(angles: Point3, clock_h: float | None = None) -> str:
    """Which of `ORIENTATIONS` a plane's angles in degrees are nearest to."""
    names = list(ORIENTATIONS)
    usual = Rotation.from_euler("XYZ", [usual_angles_deg(name, clock_h) for name in names], degrees=True)
    apart = (Rotation.from_euler("XYZ", angles, degrees=True).inv() * usual).magnitude()
    return names[int(np.argmin(apart))]


def start_from_mri_mark(
    us_lesion_mm: Point2, mri_point_mm: Point3, angles_deg: Point3 = (0.0, 0.0, 0.0)
) -> RegistrationParameters:
    """Put the lesion's US place (x, y) onto its MRI place, the plane at `angles_deg` (0: transverse)."""
    return _through(us_lesion_mm, mri_point_mm, angles_deg, Method.MRI_MARK)


def expected_place(
    body: Body, side: str, clock_h: float, nipple_distance_mm: float, depth_mm: float | None
) -> ExpectedPlace:
    """Where a report's words put a lesion in the prone MRI.

    The clock is seen facing the patient: 12 is superior, 3 is at the patient's left in either breast.
    Distance from the nipple and depth under the skin are the supine patient's.

    Raises:
        RegistrationError: no breast on that side, or the place lies outside the body.
    """
    told, place, nipple = led_to(body, side, clock_h, nipple_distance_mm, depth_mm)
    moved, spread = place_beside(told, place - nipple)
    return ExpectedPlace(place + moved, spread, side, told.inward)


def led_to(
    body: Body, side: str, clock_h: float, nipple_distance_mm: float, depth_mm: float | None
) -> tuple[Told, np.ndarray, np.ndarray]:
    """Where a report's words lead by `SHIFT` alone: what they tell, the place and the nipple (3,), LPS mm.

    Raises:
        RegistrationError: as `expected_place`.
    """
    way = skin_from_nipple(body, side, clock_h)
    told_mm = USUAL_DEPTH_MM if depth_mm is None else depth_mm
    along = max(float(np.dot(SHIFT.along, [1.0, nipple_distance_mm, told_mm])), 0.0)
    if along > BEYOND * way.arc_mm[-1]:
        raise RegistrationError.of("registration.outside_body")
    depth = max(float(np.dot(SHIFT.depth, [1.0, nipple_distance_mm, told_mm])), LEAST_DEPTH_MM)
    skin, inward = (
        np.array([np.interp(along, way.arc_mm, values[:, k]) for k in range(3)])
        for values in (way.skin_mm, way.inward)
    )
    inward /= np.linalg.norm(inward)
    told = Told(side, inward, clock_h, nipple_distance_mm, told_mm)
    return told, skin + depth * inward, way.skin_mm[0]


@dataclass(frozen=True, eq=False)
class SkinWay:
    """The skin from the nipple outward along one hour of the clock face.

    `skin_mm` LPS points (n, 3), `arc_mm` (n,) how far along the skin they are, unit vectors `inward` (n, 3)
    square to it.
    """

    skin_mm: np.ndarray
    arc_mm: np.ndarray
    inward: np.ndarray


@lru_cache(maxsize=8)  # asked at every step of a drag
def skin_from_nipple(body: Body, side: str, clock_h: float) -> SkinWay:
    """Walk along the prone breast's skin from the nipple: a hanging breast's flank lies behind, not beside.

    Raises:
        RegistrationError: no breast on that side.
    """
    nipple = np.array(nipple_mm(body, side))
    angle = np.deg2rad(clock_h % 12 * 30)
    outward, back = np.array([np.sin(angle), 0.0, np.cos(angle)]), np.array([0.0, 1.0, 0.0])
    middle = nipple + AXIS_MM * back
    turn = np.deg2rad(np.arange(0.0, 115.0, 2.0))
    rays = np.sin(turn)[:, None] * outward - np.cos(turn)[:, None] * back
    reach = np.arange(2.0, 140.0, 1.0)
    at = middle + reach[:, None, None] * rays[None]
    inside = _inside(body, at.reshape(-1, 3)).reshape(at.shape[:2])
    ends = np.where((inside < 0.5).any(axis=0), np.argmax(inside < 0.5, axis=0), len(reach) - 1)
    skin = middle + ndimage.gaussian_filter1d(reach[ends], 2.0, mode="nearest")[:, None] * rays
    skin = skin - (skin[0] - nipple)
    forth = np.gradient(skin, axis=0)
    forth /= np.linalg.norm(forth, axis=1)[:, None]
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(skin, axis=0), axis=1))])
    inward = np.cross(np.cross(outward, back), forth)
    return SkinWay(frozen(skin), frozen(arc), frozen(inward))


def _inside(body: Body, points: np.ndarray) -> np.ndarray:
    """Share of body at points (n, 3), between 0 and 1."""
    index = ((points - body.corner_mm) / GRID_MM).T
    return ndimage.map_coordinates(body.mask.astype(np.float32), index, order=1, mode="nearest")


def start_of_estimate(expected: ExpectedPlace, us_mm: Point2, orientation: Point3) -> Start:
    """Where an estimate begins that has the report's words alone: the US lesion (x, y), and the probe's
    angles."""
    turn = rotation(RegistrationParameters((0.0, 0.0, 0.0), orientation))
    linear = linear_of(expected.side, expected.inward, turn)
    return Start(np.array([*us_mm, 0.0]), expected.centre_mm, expected.covariance_mm2, turn, linear)


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
