"""Regions: where a place may lie, as ellipsoids in the MRI and as ellipses in a plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from breastview.registration.estimate import RADIUS, Start, estimate
from breastview.registration.outline import Outline
from breastview.registration.parameters import Point2, Point3, RegistrationParameters
from breastview.registration.transform import map_points, rotation, to_us_plane

OUTLINE_POINTS = 48
STEP_MM = 0.5
MUCH_LONGER = 1.6
POSSIBLE_MM2 = float(chi2.ppf(0.99, 3))  # squared distance in standard deviations
UNKNOWN_MM = 20.0  # spread of a place that nothing but a hand-held pose tells


@dataclass(frozen=True, eq=False)
class Region:
    """Nine in ten: the ellipsoid that holds the place of a lesion. LPS mm, covariance (3, 3) in mm²."""

    centre_mm: np.ndarray
    covariance_mm2: np.ndarray

    @property
    def point_mm(self) -> Point3:
        """The middle, as a mark holds it."""
        x, y, z = self.centre_mm
        return float(x), float(y), float(z)

    @property
    def radius_mm(self) -> float:
        """Mean semi-axis: one number for how far the place may be off."""
        return float(RADIUS * np.sqrt(np.linalg.eigvalsh(self.covariance_mm2)).mean())

    def allows(self, point_mm: Point3) -> bool:
        """Whether a place is one where the lesion may be: all but one in a hundred are."""
        away = np.array(point_mm) - self.centre_mm
        return float(away @ np.linalg.solve(self.covariance_mm2, away)) <= POSSIBLE_MM2

    def away_mm(self, point_mm: Point3) -> float:
        """How far a place is from the middle."""
        return float(np.linalg.norm(np.array(point_mm) - self.centre_mm))

    def section(self, plane: np.ndarray) -> np.ndarray:
        """Outline (n, 2) in a plane whose (4, 4) takes (u, v, 0, 1) to LPS mm; empty where it passes by."""
        inverse = np.linalg.inv(self.covariance_mm2 * RADIUS**2)
        axes, away = plane[:3, :2], plane[:3, 3] - self.centre_mm
        shape, slope = axes.T @ inverse @ axes, axes.T @ inverse @ away
        middle = -np.linalg.solve(shape, slope)
        left = 1.0 - away @ inverse @ away + middle @ shape @ middle
        if left <= 0:
            return np.zeros((0, 2))
        values, vectors = np.linalg.eigh(shape)
        turn = np.linspace(0, 2 * np.pi, OUTLINE_POINTS)
        circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
        return middle + circle * np.sqrt(left / values) @ vectors.T


def region_of(
    parameters: RegistrationParameters,
    us_mm: Point2,
    start: Start | None = None,
    lesion: Outline | None = None,
) -> Region:
    """Where a US place (x, y) lies in the MRI, by the correspondences of a registration.

    `start` is what the report's words say; without it the present pose stands in, and is believed to
    `UNKNOWN_MM` alone. What was taken on the `lesion` shares an error.
    """
    start = start or unsure_start(parameters, us_mm)
    found = estimate(parameters.placed, parameters.contours, start, lesion=lesion)
    place, covariance = found.at(np.array([*us_mm, 0.0]))
    return Region(place[0], covariance[0])


def unsure_start(parameters: RegistrationParameters, us_mm: Point2) -> Start:
    """A start that trusts the present pose's turn, and hardly its place."""
    place = map_points(parameters, np.array(us_mm))
    return Start(np.array([*us_mm, 0.0]), place, np.eye(3) * UNKNOWN_MM**2, rotation(parameters))


def region_in_us(parameters: RegistrationParameters, region: Region) -> Region:
    """A region of the MRI as it is seen from the US plane, local warp included: in US-plane mm (x, y, z)."""
    steps = STEP_MM * np.concatenate([np.eye(3), -np.eye(3)])
    seen = to_us_plane(parameters, region.centre_mm + np.concatenate([np.zeros((1, 3)), steps]))
    slope = (seen[1:4] - seen[4:]).T / (2 * STEP_MM)
    return Region(seen[0], slope @ region.covariance_mm2 @ slope.T)


def region_around(
    parameters: RegistrationParameters,
    mri_mm: Point3,
    start: Start | None = None,
    lesion: Outline | None = None,
) -> Region:
    """How sure the map is about a place of the MRI: its region, around the place itself."""
    seen = to_us_plane(parameters, np.array(mri_mm))
    spread = region_of(parameters, (float(seen[0]), float(seen[1])), start, lesion).covariance_mm2
    return Region(np.array(mri_mm), spread)


def is_open_through_plane(seen: Region) -> bool:
    """Whether a region, as the US plane sees it, is much longer through the plane than in it."""
    in_plane = np.linalg.eigvalsh(seen.covariance_mm2[:2, :2])[-1]
    return bool(seen.covariance_mm2[2, 2] > MUCH_LONGER**2 * in_plane)
