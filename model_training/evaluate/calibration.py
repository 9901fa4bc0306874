"""Whether 30 % means thirty of a hundred.

Temperature: Guo et al., ICML 2017. Calibration error in ten bins of equal mass. Slope and intercept: Cox,
Biometrika 45:562 (1958); Van Calster et al., BMC Med. 17:230 (2019). Brier, Mon. Weather Rev. 78:1 (1950).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.special import expit, logit, xlogy
from statsmodels.api import Logit

from breastview.fusion.spec import Metric
from model_training.evaluate.bootstrap import DRAWS, bounds
from model_training.evaluate.discrimination import proportion

BINS = 10
SURE = 1e-6  # a probability is taken to be this far from 0 and 1 where its logarithm is needed


@dataclass(frozen=True)
class ReliabilityPoint:
    """One bin: the mean probability told, and the share that was malignant."""

    told: float
    seen: Metric


def margin(logits: np.ndarray) -> np.ndarray:
    """Log odds of malignancy (…,) from logits (…, 2)."""
    return logits[..., 1] - logits[..., 0]


def calibrated(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Probability of malignancy (…,) from logits (…, 2)."""
    return expit(margin(logits) / temperature)


def fit_temperature(malignant: np.ndarray, logits: np.ndarray) -> float:
    """The temperature that makes log odds fit best; fitted where the network was not trained.

    `malignant` (n,) are labels or, with less chance in them, an optimal reader's probabilities.
    """
    odds = margin(logits)

    def loss(log_temperature: float) -> float:
        told = np.clip(expit(odds / np.exp(log_temperature)), SURE, 1 - SURE)
        return float(-(xlogy(malignant, told) + xlogy(1.0 - malignant, 1 - told)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-2.0, 3.0), method="bounded").x))


def calibration_error(label: np.ndarray, probability: np.ndarray) -> float:
    """Expected calibration error: the mean gap between told and seen over bins of equal mass.

    It is never negative, and chance alone raises it: a share of 0.3 in bins of 20 cases errs by some 0.08.
    Its bootstrap interval lies high for the same reason.
    """
    gaps = label - probability
    return float(sum(abs(gaps[cases].sum()) for cases in _bins(probability)) / len(label))


def brier(label: np.ndarray, probability: np.ndarray) -> float:
    """Mean squared error of the probability."""
    return float(((probability - label) ** 2).mean())


def calibration_slope(label: np.ndarray, probability: np.ndarray) -> float:
    """How much the log odds of being malignant grow with the log odds told: below 1 is overconfidence.

    Infinite where the probabilities part malignant and benign without overlap.
    """
    odds = _log_odds(probability)
    if odds[label].min() >= odds[~label].max():
        return np.inf
    if odds[label].max() <= odds[~label].min():
        return -np.inf
    design = np.column_stack([np.ones_like(odds), odds])
    with np.errstate(over="ignore"):  # a probability of 0 on the way, where little overlaps
        fit = Logit(label.astype(float), design).fit(disp=False, warn_convergence=False)
    return float(fit.params[1])


def calibration_intercept(label: np.ndarray, probability: np.ndarray) -> float:
    """By how much the log odds told, an offset here, are too low over all: calibration in the large.

    The shift that makes as many malignant as there were, which is the logistic fit's own equation; sought in
    a bracket because Newton's steps run away where the odds told are extreme. Infinite with one label only.
    """
    odds, share = _log_odds(probability), label.mean()
    if share in (0, 1):
        return float(logit(share))
    lowest, highest = logit(share) - odds.max(), logit(share) - odds.min()
    return float(brentq(lambda shift: expit(odds + shift).mean() - share, lowest - 1, highest + 1))


def calibration_metrics(
    label: np.ndarray,
    probability: np.ndarray,
    patients: np.ndarray | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, Metric]:
    """Calibration error, Brier, slope and intercept, each with its interval over patients."""
    asked = {
        "ece": calibration_error,
        "brier": brier,
        "slope": calibration_slope,
        "intercept": calibration_intercept,
    }

    def figures(cases: np.ndarray) -> np.ndarray:
        return np.array([figure(label[cases], probability[cases]) for figure in asked.values()])

    found = figures(np.arange(len(label))), *bounds(figures, label, patients, draws, seed, by_label=False)
    return {
        name: Metric(float(value), float(low), float(high), len(label))
        for name, value, low, high in zip(asked, *found, strict=True)
    }


def reliability(label: np.ndarray, probability: np.ndarray) -> tuple[ReliabilityPoint, ...]:
    """The bins of the calibration error, lowest first, what was seen with Wilson's interval."""
    return tuple(
        ReliabilityPoint(float(probability[cases].mean()), proportion(int(label[cases].sum()), len(cases)))
        for cases in _bins(probability)
    )


def _bins(probability: np.ndarray) -> list[np.ndarray]:
    """The cases of each bin of equal mass, lowest probabilities first; fewer bins where cases are fewer."""
    return np.array_split(np.argsort(probability, kind="stable"), min(BINS, len(probability)))


def _log_odds(probability: np.ndarray) -> np.ndarray:
    return logit(np.clip(probability, SURE, 1 - SURE))
