"""How well correspondences agree with a registration, and with each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from breastview.registration.contours import across
from breastview.registration.estimate import FEWEST, Estimate, Start, estimate
from breastview.registration.outline import Outline, places_mm
from breastview.registration.parameters import Contour, LandmarkPair, RegistrationParameters
from breastview.registration.transform import map_points

ODD = 2.3  # times the expected error: seen once in a thousand points that fit (χ² with 3 degrees, .999)
ABOVE_REST = 2.0  # how many times the error of the usual one an odd one has, both in what is expected


@dataclass(frozen=True)
class Agreement:
    """One number for each correspondence, points first, then contours.

    `left_out_mm` is the error at each that the others alone make; `odd` the place of the one that disagrees
    most with the others, if one does.
    """

    left_out_mm: tuple[float, ...]
    odd: int | None


def correspondence_residuals_mm(parameters: RegistrationParameters) -> tuple[float, ...]:
    """How far a registration leaves each of its correspondences apart: a placed point from its partner, a
    contour from its own across it, as root mean square."""
    return tuple(
        _rms(_apart(item, map_points(parameters, places_mm(item)))[0]) for item in parameters.correspondences
    )


def rms_mm(residuals_mm: Sequence[float]) -> float | None:
    """Root mean square of residuals; None where there is none."""
    return float(np.sqrt(np.mean(np.square(residuals_mm)))) if residuals_mm else None


def agreement(
    pairs: Sequence[LandmarkPair],
    contours: Sequence[Contour],
    start: Start,
    lesion: Outline | None = None,
) -> Agreement | None:
    """Judge each correspondence by the others; None where there are fewer than `FEWEST`."""
    found: list[LandmarkPair | Contour] = [*pairs, *contours]
    if len(found) < FEWEST:
        return None
    judged = [
        _judged(item, _without(found, place, start, lesion), lesion) for place, item in enumerate(found)
    ]
    strange = np.array([times for _, times in judged])
    worst = int(np.argmax(strange))
    usual = float(np.median(np.delete(strange, worst)))
    is_odd = strange[worst] > ODD and strange[worst] > ABOVE_REST * usual
    return Agreement(tuple(error for error, _ in judged), worst if is_odd else None)


def _without(
    found: Sequence[LandmarkPair | Contour], place: int, start: Start, lesion: Outline | None
) -> Estimate:
    rest = [*found[:place], *found[place + 1 :]]
    pairs = [item for item in rest if isinstance(item, LandmarkPair)]
    return estimate(pairs, [item for item in rest if isinstance(item, Contour)], start, lesion=lesion)


def _judged(item: LandmarkPair | Contour, others: Estimate, lesion: Outline | None) -> tuple[float, float]:
    """The error in mm that the others make here, and how many times what was to be expected that is."""
    us_mm = places_mm(item)
    places, covariance = others.at(us_mm)
    apart, directions = _apart(item, places)
    expected = np.einsum("nki,nij,nkj->nk", directions, covariance, directions) + 2 * others.click_mm**2
    if lesion is not None:
        expected = expected + lesion.shared_mm**2 * lesion.holds(us_mm)[:, None]
    return _rms(apart), float(np.sqrt(np.mean(apart**2 / expected)))


def _apart(item: LandmarkPair | Contour, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances (n, k) of places from their partners along directions (n, k, 3)."""
    if isinstance(item, LandmarkPair):
        return places - np.array([item.mri_mm]), np.eye(3)[None]
    feet, directions = across(item.kind, np.array(item.mri_mm), places)
    return np.einsum("nki,ni->nk", directions, places - feet), directions


def _rms(apart: np.ndarray) -> float:
    return float(np.sqrt((apart**2).sum(axis=1).mean()))
