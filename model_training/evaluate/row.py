"""One row of a table: what is said of one head, on cases that nothing was chosen on."""

from __future__ import annotations

import numpy as np

from breastview.fusion.spec import Metric
from model_training.evaluate.bootstrap import bootstrap
from model_training.evaluate.calibration import calibrated, calibration_error, margin
from model_training.evaluate.discrimination import auc, auc_delong, rates


def metrics(
    label: np.ndarray,
    logits: np.ndarray,
    temperature: float,
    threshold: float,
    patients: np.ndarray | None = None,
) -> dict[str, Metric]:
    """AUC (DeLong), the rates at the threshold (Wilson) and calibration error (patients resampled)."""
    probability = calibrated(logits, temperature)
    return {
        "auc": auc_delong(label, margin(logits)),
        **rates(label, probability >= threshold),
        "ece": _ece(label, probability, patients),
    }


def metrics_over_patients(
    label: np.ndarray,
    logits: np.ndarray,
    temperature: float,
    threshold: float,
    patients: np.ndarray | None = None,
) -> dict[str, Metric]:
    """The figures of `metrics`, every interval by resampling patients: where some have several lesions."""
    probability, odds = calibrated(logits, temperature), margin(logits)
    right = (probability >= threshold) == label

    def share(cases: np.ndarray) -> float:
        return float(right[cases].mean())

    def of_label(value: bool) -> Metric:
        own = label == value
        return bootstrap(lambda cases: float(right[own][cases].mean()), label[own], _of(patients, own))

    return {
        "auc": bootstrap(lambda cases: auc(label[cases], odds[cases]), label, patients),
        "accuracy": bootstrap(share, label, patients, by_label=False),
        "sensitivity": of_label(True),
        "specificity": of_label(False),
        "ece": _ece(label, probability, patients),
    }


def _ece(label: np.ndarray, probability: np.ndarray, patients: np.ndarray | None) -> Metric:
    return bootstrap(
        lambda cases: calibration_error(label[cases], probability[cases]), label, patients, by_label=False
    )


def _of(patients: np.ndarray | None, own: np.ndarray) -> np.ndarray | None:
    return None if patients is None else patients[own]


def best_possible(label: np.ndarray, best: np.ndarray) -> dict[str, float]:
    """AUC of an optimal reader on these very cases, `best` (case, 3) his answers: what there was to win."""
    return {arm: auc(label, best[:, k]) for k, arm in enumerate(("us", "mri", "fused"))}
