"""Where a place of the US plane lies in the MRI, and how sure that is.

Prone breast and pressed supine breast differ by more than a pose: the tissue is turned, flattened and
sheared. The map from US plane to MRI is taken as Gaussian: a place, a linear part and a smooth field, each
with the mean and spread of the population (`Population`). Correspondences are noisy looks at it, so that what
is left is linear algebra (universal kriging; Rasmussen & Williams, Gaussian Processes for Machine Learning,
2006, ch. 2), and every answer comes with its covariance: few or coplanar correspondences leave a large one by
themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.linalg import block_diag, cho_factor, cho_solve
from scipy.stats import chi2

from breastview.registration.contours import across
from breastview.registration.outline import Outline
from breastview.registration.parameters import Contour, LandmarkPair
from breastview.registration.population import AVERAGE, Linear, Population, calibration

ROUNDS = 8  # contours are matched anew this often
MATCH_MM, MATCH_LENGTH_MM = 1.5, 20.0  # what a contour's match is off by, and how far that reaches
CLICKS_MM = (0.4, 0.7, 1.0, 1.5, 2.2, 3.2, 4.6, 6.5)  # errors of a hand among which the correspondences weigh
USUAL_CLICK_MM, CLICK_SPREAD = 1.2, 1.0  # the error of most hands, and the spread of its logarithm
FEWEST = 3  # correspondences that can judge one another
CONFIDENCE = 0.90
RADIUS = float(np.sqrt(chi2.ppf(CONFIDENCE, 3)))  # of that ellipsoid, in standard deviations


@dataclass(frozen=True, eq=False)
class Start:
    """Where the map begins: a US place (x, y, z) in mm, its expected MRI place (LPS mm) with the covariance
    (3, 3) of that guess, the rotation `turn` (3, 3) of the probe's usual pose, and the linear part."""

    us_mm: np.ndarray
    mri_mm: np.ndarray
    covariance_mm2: np.ndarray
    turn: np.ndarray
    linear: Linear = AVERAGE


@dataclass(frozen=True, eq=False)
class Looks:
    """Scalar looks at the map: `along` (n, 3) · f(`us_mm` (n, 3)) = `seen` (n,), in the start's turned frame.

    `own` (n, n) is the covariance of their errors when hands err by 1 mm, `match` (n, n) in mm² that of
    contours' matches and of what the lesion's outline leaves open, whatever the hand.
    """

    us_mm: np.ndarray
    along: np.ndarray
    seen: np.ndarray
    own: np.ndarray
    match: np.ndarray


@dataclass(frozen=True, eq=False)
class Estimate:
    """The map after its correspondences. `click_mm` is the error of a click that they tell; its
    covariances are stretched by `stretch`, as `calibration` tells."""

    start: Start
    population: Population
    looks: Looks
    click_mm: float
    factor: tuple[np.ndarray, bool] | None = field(repr=False)
    weighted: np.ndarray = field(repr=False)
    stretch: float = 1.0

    def at(self, us_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Expected MRI places of US-plane points (n, 3): LPS mm (n, 3) and their covariances (n, 3, 3) in
        mm²."""
        us_mm = np.atleast_2d(np.asarray(us_mm, float))
        mean = _mean(self.start, self.population, us_mm)
        spread = _variance(self.start, self.population, us_mm)
        if self.factor is not None:
            between = _kernel(self.start, self.population, us_mm, self.looks.us_mm)
            cross = np.einsum("nkij,kj->nik", between, self.looks.along)
            mean = mean + cross @ self.weighted
            solved = cho_solve(self.factor, cross.reshape(-1, cross.shape[2]).T).T.reshape(cross.shape)
            spread = spread - np.einsum("nik,njk->nij", cross, solved)
        turn = self.start.turn
        return self.start.mri_mm + mean @ turn.T, self.stretch * turn @ spread @ turn.T


def estimate(
    pairs: Sequence[LandmarkPair],
    contours: Sequence[Contour],
    start: Start,
    population: Population | None = None,
    lesion: Outline | None = None,
) -> Estimate:
    """Learn the map from correspondences; without any it is the population's.

    Contours are matched to the nearest part of their partner again and again: a surface fixes the place along
    its normal alone, a line across itself. Fewer than `FEWEST` correspondences do not tell how well the hand
    clicked: that is then taken from the population of hands. What was taken on the `lesion` shares an error.
    """
    population = population or Population()
    judged = len(pairs) + len(contours) >= FEWEST
    points = _points(pairs, start)
    found = _learn(_shared(points, lesion), start, population, judged)
    for _ in range(ROUNDS if contours else 0):
        looks = _joined([points, *(_matched(c, found) for c in contours)])
        found = _learn(_shared(looks, lesion), start, population, judged)
    if not pairs and not contours:
        return found
    return replace(found, stretch=calibration(len(pairs), len(contours), found.click_mm))


def errors_of_a_pose(found: Estimate) -> np.ndarray:
    """Covariance (n, n) in mm² of how the looks miss a pose that follows the map at the start: by hands and
    matches as the estimate has them, and by what the population deforms on the way from there."""
    looks, start = found.looks, replace(found.start, covariance_mm2=np.zeros((3, 3)))
    kernel = _kernel(start, found.population, looks.us_mm, looks.us_mm)
    deformed = np.einsum("ki,klij,lj->kl", looks.along, kernel, looks.along)
    return deformed + looks.match + found.click_mm**2 * looks.own


def _learn(looks: Looks, start: Start, population: Population, judged: bool) -> Estimate:
    """The posterior, under the click error that is expected once the looks are seen, if they can tell it."""
    if not len(looks.seen):
        return Estimate(start, population, looks, USUAL_CLICK_MM, None, np.zeros(0))
    kernel = _kernel(start, population, looks.us_mm, looks.us_mm)
    covariance = np.einsum("ki,klij,lj->kl", looks.along, kernel, looks.along) + looks.match
    missed = looks.seen - (looks.along * _mean(start, population, looks.us_mm)).sum(axis=1)
    clicks_mm = np.array(CLICKS_MM)
    likely = -0.5 * (np.log(clicks_mm / USUAL_CLICK_MM) / CLICK_SPREAD) ** 2
    if judged:
        likely += [_log_evidence(covariance + click**2 * looks.own, missed) for click in clicks_mm]
    share = np.exp(likely - likely.max())
    click_mm = float(np.sqrt(share @ clicks_mm**2 / share.sum()))
    factor = cho_factor(covariance + click_mm**2 * looks.own)
    return Estimate(start, population, looks, click_mm, factor, cho_solve(factor, missed))


def _log_evidence(covariance: np.ndarray, missed: np.ndarray) -> float:
    factor = cho_factor(covariance)
    return -0.5 * float(missed @ cho_solve(factor, missed)) - float(np.log(np.diag(factor[0])).sum())


def _mean(start: Start, population: Population, us_mm: np.ndarray) -> np.ndarray:
    away = us_mm - start.us_mm
    bent = population.bowl * (away[:, 0] ** 2 + away[:, 2] ** 2)
    return away @ start.linear.mean.T + bent[:, None] * np.array([0.0, 1.0, 0.0])


def _kernel(start: Start, population: Population, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Prior covariance of the map between points (n, 3) and (m, 3): (n, m, 3, 3) in mm²."""
    a, b = one - start.us_mm, other - start.us_mm
    apart2 = ((one[:, None] - other[None]) ** 2).sum(axis=2)
    bent = ((a * np.square(population.bent)) @ b.T) ** 2
    curved = bent + population.field_mm**2 * np.exp(-0.5 * apart2 / population.field_length_mm**2)
    affine = np.einsum("nip,pq,mjq->nmij", _design(a), _affine(start), _design(b), optimize=True)
    return affine + curved[:, :, None, None] * np.eye(3)


def _variance(start: Start, population: Population, us_mm: np.ndarray) -> np.ndarray:
    """Prior covariance of the map at points (n, 3), as `_kernel` has it: (n, 3, 3)."""
    away = us_mm - start.us_mm
    curved = (away**2 @ np.square(population.bent)) ** 2 + population.field_mm**2
    a = _design(away)
    return a @ _affine(start) @ a.swapaxes(1, 2) + curved[:, None, None] * np.eye(3)


def _design(away: np.ndarray) -> np.ndarray:
    """How a place follows from the affine map's twelve numbers, the place and L row by row, at points (n, 3)
    away from the start: (n, 3, 12)."""
    linear = np.einsum("ij,nk->nijk", np.eye(3), away).reshape(-1, 3, 9)
    return np.concatenate([np.broadcast_to(np.eye(3), (len(away), 3, 3)), linear], axis=2)


def _affine(start: Start) -> np.ndarray:
    """Prior covariance (12, 12) of the place and of L row by row."""
    place = start.turn.T @ start.covariance_mm2 @ start.turn
    both = start.linear.by_place @ place
    return np.block([[place, both.T], [both, both @ start.linear.by_place.T + start.linear.covariance]])


def _points(pairs: Sequence[LandmarkPair], start: Start) -> Looks:
    us_mm = np.array([p.place_mm for p in pairs]).reshape(-1, 3)
    mri = np.array([p.mri_mm for p in pairs]).reshape(-1, 3)
    local = (mri - start.mri_mm) @ start.turn
    clicked = np.eye(3) + _us_click(start)
    own = np.kron(np.diag([1 / p.weight for p in pairs]).reshape(len(pairs), len(pairs)), clicked)
    return Looks(
        np.repeat(us_mm, 3, axis=0),
        np.tile(np.eye(3), (len(pairs), 1)),
        local.ravel(),
        own,
        np.zeros_like(own),
    )


def _us_click(start: Start) -> np.ndarray:
    """Where in the MRI the error of a click in the US plane leads, for 1 mm: (3, 3)."""
    in_plane = start.linear.mean[:, :2]
    spread = _affine(start)[3:, 3:].reshape(3, 3, 3, 3)[:, :2, :, :2]
    return in_plane @ in_plane.T + np.einsum("ikjk->ij", spread)


def _matched(contour: Contour, present: Estimate) -> Looks:
    """Looks at a contour: each US point lies on its partner, wherever along it that is."""
    start = present.start
    us_mm = np.array(contour.places_mm)
    partner = (np.array(contour.mri_mm) - start.mri_mm) @ start.turn
    expected = (present.at(us_mm)[0] - start.mri_mm) @ start.turn
    foot, directions = across(contour.kind, partner, expected)
    count = directions.shape[1]
    along = directions.reshape(-1, 3)
    places = np.repeat(us_mm, count, axis=0)
    apart2 = ((places[:, None] - places[None]) ** 2).sum(axis=2)
    same = apart2 < 1e-12
    return Looks(
        places,
        along,
        np.einsum("nki,ni->nk", directions, foot).ravel(),
        same * (along @ _us_click(start) @ along.T) / contour.weight,
        MATCH_MM**2 * np.exp(-0.5 * apart2 / MATCH_LENGTH_MM**2) * (along @ along.T) / contour.weight,
    )


def _joined(parts: Sequence[Looks]) -> Looks:
    return Looks(
        *(np.concatenate([getattr(p, n) for p in parts]) for n in ("us_mm", "along", "seen")),
        *(block_diag(*(getattr(p, n) for p in parts)) for n in ("own", "match")),
    )


def _shared(looks: Looks, lesion: Outline | None) -> Looks:
    """The looks with the error that those on the lesion share: more of them do not make it smaller."""
    if lesion is None:
        return looks
    on_lesion = lesion.holds(looks.us_mm)[:, None] * looks.along
    return replace(looks, match=looks.match + lesion.shared_mm**2 * on_lesion @ on_lesion.T)
