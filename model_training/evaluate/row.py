"""One row of a table: what is said of one head, on cases that nothing was chosen on."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from scipy.special import expit

from breastview.fusion.spec import Metric
from model_training.evaluate.bootstrap import bootstrap
from model_training.evaluate.calibration import calibrated, calibration_error, margin
from model_training.evaluate.comparison import compare_auc
from model_training.evaluate.discrimination import apart, auc, auc_delong, proportion, rates


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
    """The figures of `metrics`, every interval by resampling patients: where some have several lesions.

    A rate or an AUC of 0 or 1 is one in every draw: it has the interval (Wilson's, that of `apart`) of so
    many cases as there are patients.
    """
    probability = calibrated(logits, temperature)
    return {
        "auc": _auc_over_patients(label, margin(logits), patients),
        **_rates_over_patients(label, probability >= threshold, patients),
        "ece": _ece(label, probability, patients),
    }


def several(patients: np.ndarray) -> bool:
    """Whether one of the patients (n,) has several cases."""
    return len(np.unique(patients)) < len(patients)


def auc_among(label: np.ndarray, rating: np.ndarray, patients: np.ndarray) -> Metric:
    """AUC with DeLong's interval; by resampling patients where one has several cases. Raises ValueError as
    `auc_delong` does."""
    if not several(patients):
        return auc_delong(label, rating)
    return _auc_over_patients(label, rating, patients)


def gain_among(label: np.ndarray, first: np.ndarray, second: np.ndarray, patients: np.ndarray) -> Metric:
    """AUC of the first rating minus that of the second, with paired DeLong's interval; by resampling patients
    where one has several cases; where both AUCs are 0 or 1, which either takes for certain, by square-and-add
    of their intervals (Newcombe, Stat. Med. 17:873, 1998). Raises ValueError as `auc_delong` does."""
    if {auc(label, first), auc(label, second)} <= {0.0, 1.0}:
        one, other = (auc_among(label, rating, patients) for rating in (first, second))
        gain = one.value - other.value
        low = gain - math.hypot(one.value - one.low, other.high - other.value)
        high = gain + math.hypot(one.high - one.value, other.value - other.low)
        return Metric(gain, max(low, -1.0), min(high, 1.0), one.n)
    if not several(patients):
        return compare_auc(label, first, second).difference

    def difference(cases: np.ndarray) -> float:
        return auc(label[cases], first[cases]) - auc(label[cases], second[cases])

    return bootstrap(difference, label, patients)


def rates_among(label: np.ndarray, called: np.ndarray, patients: np.ndarray) -> dict[str, Metric]:
    """The rates of `rates`; where a patient has several cases, with intervals as in
    `metrics_over_patients`."""
    return _rates_over_patients(label, called, patients) if several(patients) else rates(label, called)


def metrics_of_calls(
    label: np.ndarray, odds: np.ndarray, called: np.ndarray, patients: np.ndarray
) -> dict[str, Metric]:
    """The figures of `metrics` from calibrated log odds (n,) and calls bool (n,), which cases apart may have
    from thresholds of their own; every interval by resampling patients where one has several."""
    return {
        "auc": auc_among(label, odds, patients),
        **rates_among(label, called, patients),
        "ece": _ece(label, expit(odds), patients),
    }


def _auc_over_patients(label: np.ndarray, rating: np.ndarray, patients: np.ndarray | None) -> Metric:
    found = bootstrap(lambda cases: auc(label[cases], rating[cases]), label, patients)
    if 0 < found.value < 1 or patients is None:
        return found
    malignant, benign = (len(np.unique(patients[label == each])) for each in (True, False))
    return apart(found.value, malignant, benign, found.n)


def _rates_over_patients(
    label: np.ndarray, called: np.ndarray, patients: np.ndarray | None
) -> dict[str, Metric]:
    """The rates of `rates` with intervals as in `metrics_over_patients`; one without cases is left out."""
    own = {"accuracy": np.ones(len(label), bool), "sensitivity": label, "specificity": ~label}
    return {
        name: _share(called[cases] == label[cases], label[cases], _of(patients, cases), name != "accuracy")
        for name, cases in own.items()
        if cases.any()
    }


def _share(right: np.ndarray, label: np.ndarray, patients: np.ndarray | None, by_label: bool) -> Metric:
    found = bootstrap(lambda cases: float(right[cases].mean()), label, patients, by_label=by_label)
    if 0 < found.value < 1:
        return found
    count = len(right) if patients is None else len(np.unique(patients))
    wide = proportion(int(found.value) * count, count)
    return replace(found, low=wide.low, high=wide.high)


def _ece(label: np.ndarray, probability: np.ndarray, patients: np.ndarray | None) -> Metric:
    return bootstrap(
        lambda cases: calibration_error(label[cases], probability[cases]), label, patients, by_label=False
    )


def _of(patients: np.ndarray | None, own: np.ndarray) -> np.ndarray | None:
    return None if patients is None else patients[own]


def best_possible(label: np.ndarray, best: np.ndarray) -> dict[str, float]:
    """AUC of an optimal reader on these very cases, `best` (case, 3) his answers: what there was to win."""
    return {arm: auc(label, best[:, k]) for k, arm in enumerate(("us", "mri", "fused"))}
