"""Intervals by resampling patients: two lesions of one patient do not speak independently.

The cluster bootstrap draws whole patients (Field & Welsh, J. R. Stat. Soc. B 69:369, 2007); percentile
intervals (Efron & Tibshirani, 1993).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from breastview.fusion.spec import Metric

LEVEL = 0.95
DRAWS = 1000

Statistic = Callable[[np.ndarray], float | np.ndarray]
"""What is computed of cases, given as indices (k,); a case may occur more than once."""


def resamples(
    label: np.ndarray, patients: np.ndarray | None, draws: int, seed: int, by_label: bool
) -> Iterator[np.ndarray]:
    """Indices (k,) of the cases of each draw; `patients` (n,) names who each case belongs to, None all apart.

    By label, patients with benign lesions, with malignant ones and with both are drawn among themselves: for
    what is conditional on the label, as an AUC is. Otherwise the share of malignant cases varies too, as
    calibration and net benefit need it, and a draw that lost one of the labels is not used.
    """
    patients = np.arange(len(label)) if patients is None else patients
    names, owner = np.unique(patients, return_inverse=True)
    benign, malignant = (np.bincount(owner, which, len(names)) > 0 for which in (~label, label))
    stratum = benign + 2 * malignant if by_label else np.zeros(len(names))
    times = np.empty((draws, len(names)), int)
    rng = np.random.default_rng(seed)
    for kind in np.unique(stratum):
        members = np.flatnonzero(stratum == kind)
        share = np.full(len(members), 1 / len(members))
        times[:, members] = rng.multinomial(len(members), share, size=draws)
    for drawn in times:
        cases = np.repeat(np.arange(len(label)), drawn[owner])
        if label[cases].any() == label.any() and label[cases].all() == label.all():
            yield cases


def bounds(
    statistic: Statistic,
    label: np.ndarray,
    patients: np.ndarray | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    by_label: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bounds of a statistic, each in its shape; `by_label` as in `resamples`."""
    drawn = np.array([statistic(cases) for cases in resamples(label, patients, draws, seed, by_label)])
    tails = (0.5 - LEVEL / 2, 0.5 + LEVEL / 2)
    low, high = np.quantile(drawn, tails, axis=0, method="inverted_cdf")  # interpolating would make ∞ − ∞
    return low, high


def bootstrap(
    statistic: Statistic,
    label: np.ndarray,
    patients: np.ndarray | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    by_label: bool = True,
) -> Metric:
    """A figure over all cases with its interval; `by_label` as in `resamples`."""
    low, high = bounds(statistic, label, patients, draws, seed, by_label)
    return Metric(float(statistic(np.arange(len(label)))), float(low), float(high), len(label))
