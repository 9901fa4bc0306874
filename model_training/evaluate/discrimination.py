"""How well malignant and benign are told apart: ROC curve, its area, and what an operating point gives.

A *rating* (n,) is any number that grows with the odds of malignancy; labels (n,) are bool, True malignant.
DeLong: DeLong et al., Biometrics 44:837 (1988), in n·log n as Sun & Xu, IEEE Signal Process. Lett. 21:1389
(2014). Wilson's intervals come from statsmodels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm
from statsmodels.stats.proportion import proportion_confint

from breastview.fusion.spec import Metric
from model_training.evaluate.bootstrap import DRAWS, LEVEL, bounds

Z = float(norm.ppf(0.5 + LEVEL / 2))
FALSE_POSITIVES = np.linspace(0, 1, 101)


@dataclass(frozen=True, eq=False)
class RocCurve:
    """The largest `sensitivity` (k,) at a share of false positives (k,), with its band, and the AUC."""

    false_positives: np.ndarray
    sensitivity: np.ndarray
    low: np.ndarray
    high: np.ndarray
    auc: Metric


def placements(label: np.ndarray, rating: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The share of benign cases rated below each malignant one, of malignant above each benign; ties half.

    Raises:
        ValueError: there are no malignant or no benign cases, or a rating is no number.
    """
    if np.isnan(rating).any():
        raise ValueError("a rating is no number: an AUC would take it for the highest")
    malignant, benign = rating[label], rating[~label]
    if not len(malignant) or not len(benign):
        raise ValueError("an AUC needs malignant and benign cases")
    return _share_below(malignant, benign), 1 - _share_below(benign, malignant)


def placement_variance(of_malignant: np.ndarray, of_benign: np.ndarray) -> float:
    """DeLong's variance of the mean placement, or of the mean difference of two readers' placements.

    Raises:
        ValueError: there is but one malignant or one benign case.
    """
    if min(len(of_malignant), len(of_benign)) < 2:
        raise ValueError("DeLong's interval needs two malignant and two benign cases")
    parts = (part.var(ddof=1) / len(part) for part in (of_malignant, of_benign))
    return float(sum(parts))


def auc(label: np.ndarray, rating: np.ndarray) -> float:
    """Area under the ROC curve: how often a malignant case is rated above a benign one."""
    return float(placements(label, rating)[0].mean())


def auc_delong(label: np.ndarray, rating: np.ndarray) -> Metric:
    """Area under the ROC curve with DeLong's interval, clipped to 0…1; where classes do not overlap, which
    DeLong's variance takes for certain however few they are, with that of `apart`."""
    placed = placements(label, rating)
    area, half = float(placed[0].mean()), Z * placement_variance(*placed) ** 0.5
    if area in (0.0, 1.0):
        return apart(area, int(label.sum()), int((~label).sum()), len(label))
    return Metric(area, max(area - half, 0.0), min(area + half, 1.0), len(label))


def apart(area: float, malignant: int, benign: int, n: int) -> Metric:
    """An AUC of 0 or 1 of so many malignant and benign cases, with its score interval: Newcombe's method 5,
    Stat. Med. 25:559 (2006), by the variance that Hanley and McNeil give an AUC at the bound."""
    others = (malignant + benign) / 2 - 1

    def beyond(low: float) -> float:
        spread = 1 + others * ((1 - low) / (2 - low) + low / (1 + low))
        return (1 - low) - Z**2 * low * spread / (malignant * benign)

    low = float(brentq(beyond, 0.0, 1.0))
    return Metric(area, low, 1.0, n) if area == 1 else Metric(area, 0.0, 1 - low, n)


def roc_curve(
    label: np.ndarray,
    rating: np.ndarray,
    patients: np.ndarray | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> RocCurve:
    """The empirical curve at every per cent of false positives, with a pointwise band over patients."""

    def curve(cases: np.ndarray) -> np.ndarray:
        return _sensitivities(label[cases], rating[cases])

    low, high = bounds(curve, label, patients, draws, seed)
    return RocCurve(FALSE_POSITIVES, _sensitivities(label, rating), low, high, auc_delong(label, rating))


def proportion(hits: int, n: int) -> Metric:
    """A share with Wilson's interval."""
    low, high = proportion_confint(hits, n, 1 - LEVEL, method="wilson")
    return Metric(hits / n, float(low), float(high), n)


def rates(label: np.ndarray, called: np.ndarray) -> dict[str, Metric]:
    """Accuracy (TP+TN)/all, sensitivity TP/(TP+FN), specificity TN/(TN+FP); one without cases is left out.

    `called` (n,) bool: the calls at an operating point that was chosen elsewhere. Equations 5–7 of the
    paper, doi 10.3969/j.issn.1005-202X.2026.03.006.
    """
    right = called == label
    asked = {"accuracy": right, "sensitivity": right[label], "specificity": right[~label]}
    return {name: proportion(int(hits.sum()), len(hits)) for name, hits in asked.items() if len(hits)}


def youden_point(label: np.ndarray, probability: np.ndarray) -> float:
    """The threshold with the largest sensitivity + specificity, the lowest of equals; for other cases."""
    thresholds = np.unique(probability)
    malignant, benign = np.sort(probability[label]), np.sort(probability[~label])
    missed, spared = (np.searchsorted(cases, thresholds) for cases in (malignant, benign))
    gain = spared * len(malignant) - missed * len(benign)  # in whole numbers, so that equals are equal
    return float(thresholds[int(np.argmax(gain))])


def _share_below(rating: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The share of others below each rating (k,), ties half."""
    ordered = np.sort(others)
    below, not_above = (np.searchsorted(ordered, rating, side=side) for side in ("left", "right"))
    return (below + not_above) / (2 * len(others))


def _sensitivities(label: np.ndarray, rating: np.ndarray) -> np.ndarray:
    """Sensitivity (k,) with at most so many false positives."""
    benign = np.concatenate([np.sort(rating[~label])[::-1], [-np.inf]])
    allowed = np.floor(FALSE_POSITIVES * (len(benign) - 1) + 1e-9).astype(int)
    malignant = np.sort(rating[label])
    return 1 - np.searchsorted(malignant, benign[allowed], side="right") / len(malignant)
