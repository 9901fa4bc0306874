"""How sure a rigidly fitted place is, by what its own pairs tell: for the rows of a rigid truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import f

from breastview.registration.estimate import CONFIDENCE
from breastview.registration.parameters import LandmarkPair, Point2, RegistrationParameters
from breastview.registration.transform import map_points, rotation

CLICK_VARIANCES = np.array([2.0, 2.0, 1.0])  # of a pair along x, y, z of the US plane: two clicks, and one


@dataclass(frozen=True, eq=False)
class RigidError:
    """Covariance (3, 3) in mm² of LPS, and how many standard deviations the ellipsoid reaches that holds the
    truth nine times in ten."""

    covariance_mm2: np.ndarray
    radius: float


def rigid_error(pairs: Sequence[LandmarkPair], fitted: RegistrationParameters, us_mm: Point2) -> RigidError:
    """The error to expect at a US place after a rigid fit of three or more pairs that lie on no line.

    A hand errs in both images within the US plane and in the MRI alone across it, equally much along each
    axis. The pairs' own residuals tell how much, so that the ellipsoid's reach follows the F distribution
    (linear regression; Seber & Lee, Linear Regression Analysis, 2003, ch. 5).
    """
    places = np.array([pair.place_mm for pair in pairs])
    us = places * fitted.scale
    mri = np.array([pair.mri_mm for pair in pairs])
    missed = (mri - map_points(fitted, places)) @ rotation(fitted)
    weights = np.array([pair.weight for pair in pairs])
    middle = weights @ us / weights.sum()
    surely = np.sqrt(weights[:, None] / CLICK_VARIANCES)
    design = np.stack([_motion(place - middle) for place in us]) * surely[:, :, None]
    design = design.reshape(-1, 6)
    freedom = 3 * len(pairs) - 6
    click_mm2 = ((missed * surely) ** 2).sum() / freedom
    at = rotation(fitted) @ _motion(np.array([*us_mm, 0.0]) * fitted.scale - middle)
    covariance = click_mm2 * at @ np.linalg.inv(design.T @ design) @ at.T
    return RigidError(covariance, float(np.sqrt(3 * f.ppf(CONFIDENCE, 3, freedom))))


def _motion(point: np.ndarray) -> np.ndarray:
    """Derivative (3, 6) of a place by a small shift and a small turn about the origin."""
    x, y, z = point
    return np.hstack([np.eye(3), [[0, z, -y], [-z, 0, x], [y, -x, 0]]])
