"""Whether one row of a table is better than another on the same cases.

Paired DeLong: DeLong et al., Biometrics 44:837 (1988). McNemar's exact test comes from statsmodels. All
take cases as independent; where patients have several lesions, give the difference that `bootstrap` finds
over patients beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm
from statsmodels.stats.contingency_tables import mcnemar

from breastview.fusion.spec import Metric
from model_training.evaluate.discrimination import Z, placement_variance, placements


@dataclass(frozen=True)
class Comparison:
    """First minus second with the interval, and the two-sided p of no difference."""

    difference: Metric
    p: float


@dataclass(frozen=True)
class Discordance:
    """How many of `n` cases only the first or only the second got right, and McNemar's exact two-sided p."""

    first_only: int
    second_only: int
    n: int
    p: float


def compare_auc(label: np.ndarray, first: np.ndarray, second: np.ndarray) -> Comparison:
    """DeLong's test between two ratings (n,) of the same cases.

    The covariances enter through the differences of the placements, a case at a time.
    """
    placed = zip(placements(label, first), placements(label, second), strict=True)
    of_malignant, of_benign = (a - b for a, b in placed)
    difference, spread = float(of_malignant.mean()), placement_variance(of_malignant, of_benign) ** 0.5
    low, high = max(difference - Z * spread, -1.0), min(difference + Z * spread, 1.0)
    return Comparison(Metric(difference, low, high, len(label)), _two_sided(difference, spread))


def compare_calls(label: np.ndarray, first: np.ndarray, second: np.ndarray) -> Discordance:
    """McNemar's exact test between two rows' calls (n,) bool; given malignant cases only, of sensitivity.

    Q. McNemar, Psychometrika 12:153 (1947).
    """
    first_right, second_right = first == label, second == label
    only = int((first_right & ~second_right).sum()), int((second_right & ~first_right).sum())
    table = [[int((first_right & second_right).sum()), only[0]], [only[1], 0]]
    return Discordance(*only, len(label), float(mcnemar(table, exact=True).pvalue))


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """The p of a family of tests, corrected for their number: S. Holm, Scand. J. Stat. 6:65 (1979)."""
    rising = sorted(p, key=p.__getitem__)
    times = range(len(p), 0, -1)
    raised = np.maximum.accumulate([k * p[name] for k, name in zip(times, rising, strict=True)])
    found = dict(zip(rising, raised.tolist(), strict=True))
    return {name: min(found[name], 1.0) for name in p}


def _two_sided(difference: float, spread: float) -> float:
    """The p of a normal difference; two readers who never differ are no news."""
    if difference == 0:
        return 1.0
    return float(2 * norm.sf(abs(difference) / spread)) if spread > 0 else 0.0
