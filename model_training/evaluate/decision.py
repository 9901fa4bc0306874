"""What acting on the probability is worth, against calling everybody malignant or nobody.

Net benefit: Vickers & Elkin, Med. Decis. Making 26:565 (2006).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from model_training.evaluate.bootstrap import DRAWS, bounds

THRESHOLDS = np.arange(1, 100) / 100


@dataclass(frozen=True, eq=False)
class DecisionCurve:
    """Net benefit (k,) at each threshold probability (k,): of the model with its band, of all, of none."""

    thresholds: np.ndarray
    model: np.ndarray
    low: np.ndarray
    high: np.ndarray
    treat_all: np.ndarray
    treat_none: np.ndarray
    n: int


def net_benefit(
    label: np.ndarray, probability: np.ndarray, thresholds: np.ndarray = THRESHOLDS
) -> np.ndarray:
    """TP/n − FP/n · t/(1 − t) (k,): true positives, less false ones at the price that threshold t implies.

    Malignant is called from the threshold upwards; thresholds (k,) lie in 0 ≤ t < 1.
    """
    malignant, benign = np.sort(probability[label]), np.sort(probability[~label])
    true = len(malignant) - np.searchsorted(malignant, thresholds)
    false = len(benign) - np.searchsorted(benign, thresholds)
    return (true - false * thresholds / (1 - thresholds)) / len(label)


def decision_curve(
    label: np.ndarray,
    probability: np.ndarray,
    patients: np.ndarray | None = None,
    thresholds: np.ndarray = THRESHOLDS,
    draws: int = DRAWS,
    seed: int = 0,
) -> DecisionCurve:
    """Net benefit of the model with a pointwise band over patients, beside the two policies without it."""

    def model(cases: np.ndarray) -> np.ndarray:
        return net_benefit(label[cases], probability[cases], thresholds)

    low, high = bounds(model, label, patients, draws, seed, by_label=False)
    return DecisionCurve(
        thresholds=thresholds,
        model=net_benefit(label, probability, thresholds),
        low=low,
        high=high,
        treat_all=net_benefit(label, np.ones(len(label)), thresholds),
        treat_none=np.zeros(len(thresholds)),
        n=len(label),
    )
