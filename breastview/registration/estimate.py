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
from dataclasses import dataclass, field

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.stats import chi2

from breastview.registration.contours import across
from breastview.registration.parameters import Contour, LandmarkPair

ROUNDS = 8  # contours are matched anew this often
CONTOUR_TRUST = 0.25  # weight of a point of a contour: its match is a guess, and its neighbours err with it
CLICKS_MM = (0.5, 0.7, 1.0, 1.5, 2.2, 3.2, 4.6)  # errors of a hand among which the correspondences weigh
USUAL_CLICK_MM, CLICK_SPREAD = 1.2, 0.6  # the error of most hands, and the spread of its logarithm
CONFIDENCE = 0.90


@dataclass(frozen=True)
class Population:
    """What the map is like before this patient is looked at: x_mri = place + turn · (L + field)(x_us −
    centre).

    `linear` and `linear_sd` (3, 3) are mean and spread of L; the field has the standard deviation `field_mm`
    and correlates over `field_length_mm`. Spread of L and field were measured on 300 simulated planes, whose
    deformation follows published lesion–nipple distances: L has the hand's tilt in it, 14° about each axis.
    """

    linear: tuple[tuple[float, ...], ...] = ((0.80, 0.0, 0.0), (0.0, 1.38, 0.0), (0.0, 0.0, 0.83))
    linear_sd: tuple[tuple[float, ...], ...] = ((0.12, 0.32, 0.22), (0.42, 0.22, 0.36), (0.22, 0.34, 0.12))
    field_mm: float = 4.5
    field_length_mm: float = 20.0


RIGID = Population(
    linear=((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    linear_sd=((0.02, 0.3, 0.3), (0.3, 0.02, 0.3), (0.3, 0.3, 0.02)),
    field_mm=0.0,
)


@dataclass(frozen=True, eq=False)
class Start:
    """Where the map begins: a US place (x, y, z) in mm, its expected MRI place (LPS mm) with the covariance
    (3, 3) of that guess, and the rotation `turn` (3, 3) of the probe's usual pose."""

    us_mm: np.ndarray
    mri_mm: np.ndarray
    covariance_mm2: np.ndarray
    turn: np.ndarray


@dataclass(frozen=True, eq=False)
class Looks:
    """Scalar looks at the map: `along` (n, 3) · f(`us_mm` (n, 3)) = `seen` (n,), in the start's turned
    frame."""

    us_mm: np.ndarray
    along: np.ndarray
    seen: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True, eq=False)
class Estimate:
    """The map after its correspondences. `click_mm` is the error of a click that they tell."""

    start: Start
    population: Population
    looks: Looks
    click_mm: float
    factor: tuple[np.ndarray, bool] | None = field(repr=False)
    weighted: np.ndarray = field(repr=False)

    def at(self, us_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Expected MRI places of US-plane points (n, 3): LPS mm (n, 3) and their covariances (n, 3, 3) in
        mm²."""
        us_mm = np.atleast_2d(np.asarray(us_mm, float))
        mean = _mean(self.start, self.population, us_mm)
        spread = _variance(self.start, self.population, us_mm)[:, :, None] * np.eye(3)
        if self.factor is not None:
            between = _kernel(self.start, self.population, us_mm, self.looks.us_mm)
            cross = np.einsum("ink,ki->nik", between, self.looks.along)
            mean = mean + cross @ self.weighted
            solved = cho_solve(self.factor, cross.reshape(-1, cross.shape[2]).T).T.reshape(cross.shape)
            spread = spread - np.einsum("nik,njk->nij", cross, solved)
        turn = self.start.turn
        return self.start.mri_mm + mean @ turn.T, turn @ spread @ turn.T


def estimate(
    pairs: Sequence[LandmarkPair],
    contours: Sequence[Contour],
    start: Start,
    population: Population | None = None,
) -> Estimate:
    """Learn the map from correspondences; without any it is the population's.

    Contours are matched to the nearest part of their partner again and again: a surface fixes the place along
    its normal alone, a line across itself.
    """
    population = population or Population()
    found = _learn(_points(pairs, start), start, population)
    for _ in range(ROUNDS if contours else 0):
        looks = _joined([_points(pairs, start), *(_matched(c, found, start) for c in contours)])
        found = _learn(looks, start, population)
    return found


def radius() -> float:
    """How many standard deviations the ellipsoid reaches that holds the truth with `CONFIDENCE`."""
    return float(np.sqrt(chi2.ppf(CONFIDENCE, 3)))


def _learn(looks: Looks, start: Start, population: Population) -> Estimate:
    """The posterior, under the click error that is expected once the looks are seen."""
    if not len(looks.seen):
        return Estimate(start, population, looks, USUAL_CLICK_MM, None, np.zeros(0))
    kernel = _kernel(start, population, looks.us_mm, looks.us_mm)
    covariance = np.einsum("ki,ikl,li->kl", looks.along, kernel, looks.along)
    missed = looks.seen - (looks.along * _mean(start, population, looks.us_mm)).sum(axis=1)
    clicks_mm = np.array(CLICKS_MM)
    likely = np.array([_log_evidence(covariance, looks, missed, click) for click in clicks_mm])
    likely -= 0.5 * (np.log(clicks_mm / USUAL_CLICK_MM) / CLICK_SPREAD) ** 2
    share = np.exp(likely - likely.max())
    click_mm = float(np.sqrt(share @ clicks_mm**2 / share.sum()))
    factor = cho_factor(covariance + _noise(looks, click_mm))
    return Estimate(start, population, looks, click_mm, factor, cho_solve(factor, missed))


def _log_evidence(covariance: np.ndarray, looks: Looks, missed: np.ndarray, click_mm: float) -> float:
    factor = cho_factor(covariance + _noise(looks, click_mm))
    return -0.5 * float(missed @ cho_solve(factor, missed)) - float(np.log(np.diag(factor[0])).sum())


def _noise(looks: Looks, click_mm: float) -> np.ndarray:
    """A click errs in either image."""
    return np.diag(2 * click_mm**2 / looks.weight)


def _mean(start: Start, population: Population, us_mm: np.ndarray) -> np.ndarray:
    return (us_mm - start.us_mm) @ np.array(population.linear).T


def _kernel(start: Start, population: Population, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Prior covariance of each coordinate of the map between points (n, 3) and (m, 3): (3, n, m) in mm²."""
    a, b = one - start.us_mm, other - start.us_mm
    apart2 = ((one[:, None] - other[None]) ** 2).sum(axis=2)
    smooth = population.field_mm**2 * np.exp(-0.5 * apart2 / population.field_length_mm**2)
    linear = np.einsum("ij,nj,mj->inm", np.array(population.linear_sd) ** 2, a, b)
    return _place_variance(start)[:, None, None] + linear + smooth


def _variance(start: Start, population: Population, us_mm: np.ndarray) -> np.ndarray:
    """Prior variance of each coordinate of the map at points (n, 3), as `_kernel` has it: (n, 3)."""
    linear = (us_mm - start.us_mm) ** 2 @ np.array(population.linear_sd).T ** 2
    return _place_variance(start) + linear + population.field_mm**2


def _place_variance(start: Start) -> np.ndarray:
    return np.diag(start.turn.T @ start.covariance_mm2 @ start.turn)


def _points(pairs: Sequence[LandmarkPair], start: Start) -> Looks:
    us_mm = np.array([(*p.us_mm, 0.0) for p in pairs]).reshape(-1, 3)
    mri = np.array([p.mri_mm for p in pairs]).reshape(-1, 3)
    local = (mri - start.mri_mm) @ start.turn
    return Looks(
        np.repeat(us_mm, 3, axis=0),
        np.tile(np.eye(3), (len(pairs), 1)),
        local.ravel(),
        np.repeat([p.weight for p in pairs], 3).astype(float),
    )


def _matched(contour: Contour, present: Estimate, start: Start) -> Looks:
    """Looks at a contour: each US point lies on its partner, wherever along it that is."""
    us_mm = np.array([(*p, 0.0) for p in contour.us_mm])
    partner = (np.array(contour.mri_mm) - start.mri_mm) @ start.turn
    expected = (present.at(us_mm)[0] - start.mri_mm) @ start.turn
    foot, directions = across(contour.kind, partner, expected)
    count = directions.shape[1]
    return Looks(
        np.repeat(us_mm, count, axis=0),
        directions.reshape(-1, 3),
        np.einsum("nki,ni->nk", directions, foot).ravel(),
        np.full(len(us_mm) * count, contour.weight * CONTOUR_TRUST),
    )


def _joined(parts: Sequence[Looks]) -> Looks:
    return Looks(
        *(np.concatenate([getattr(p, n) for p in parts]) for n in ("us_mm", "along", "seen", "weight"))
    )
