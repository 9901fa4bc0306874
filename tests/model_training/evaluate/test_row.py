"""The row of one head."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score
from statsmodels.stats.proportion import proportion_confint

from breastview.phantom.evidence import bayes_auc, draw_evidence
from model_training.evaluate import (
    auc_delong,
    best_possible,
    calibration_error,
    gain_among,
    metrics,
    metrics_over_patients,
)
from tests.model_training.evaluate.examples import drawn, logits_of


def test_the_row_counts_what_was_called_malignant():
    odds = np.array([-2.0, -1.0, 0.5, 1.5, -0.5, 3.0, 1.0, -3.0])
    label = np.array([False, False, False, True, True, True, True, False])
    found = metrics(label, logits_of(odds), temperature=2.0, threshold=0.5)
    assert {name: (m.value, m.n) for name, m in found.items() if name != "ece"} == {
        "auc": (roc_auc_score(label, odds), 8),
        "accuracy": (6 / 8, 8),
        "sensitivity": (3 / 4, 4),
        "specificity": (3 / 4, 4),
    }
    assert found["ece"].value == pytest.approx(calibration_error(label, expit(odds / 2)))
    assert found["ece"].low <= found["ece"].high


def test_temperature_changes_calibration_and_never_discrimination():
    label, odds = drawn()
    cold, warm = (metrics(label, logits_of(odds), t, 0.5) for t in (0.3, 2.0))
    assert cold["auc"] == warm["auc"] and cold["accuracy"] == warm["accuracy"]
    assert cold["ece"].value != warm["ece"].value


def test_calibration_errs_more_where_lesions_share_a_patient():
    label, odds = drawn(150)
    twice, logits = np.repeat(label, 2), logits_of(np.repeat(odds, 2))
    apart, together = (
        metrics(twice, logits, 1.0, 0.5, p)["ece"] for p in (None, np.repeat(np.arange(150), 2))
    )
    assert apart.value == together.value
    assert together.high - together.low > 1.15 * (apart.high - apart.low)


def test_what_there_was_to_win_is_the_bayes_auc():
    rng = np.random.default_rng(4)
    patients = [draw_evidence(rng) for _ in range(20_000)]
    label = np.array([p.malignant for p in patients])
    arms = ("us",), ("mri",), ("us", "mri")
    found = best_possible(label, np.array([[p.score(arm) for arm in arms] for p in patients]))
    assert found == pytest.approx(bayes_auc(), abs=0.01)
    assert found["fused"] > found["us"] + 0.05


def test_over_patients_the_figures_are_the_same_and_their_intervals_know_who_has_several_lesions():
    label, odds = drawn(100)
    twice, logits = np.repeat(label, 2), logits_of(np.repeat(odds, 2))
    apart = metrics(twice, logits, 1.0, 0.5)
    together = metrics_over_patients(twice, logits, 1.0, 0.5, np.repeat(np.arange(100), 2))
    assert set(together) == set(apart)
    for name in ("auc", "accuracy", "sensitivity", "specificity"):
        own, other = together[name], apart[name]
        assert (own.value, own.n) == pytest.approx((other.value, other.n))
        assert own.high - own.low > 1.2 * (other.high - other.low)


@pytest.mark.parametrize("right", [False, True])
def test_what_is_without_exception_is_as_sure_as_its_patients_are_many(right):
    label = np.repeat([True, False], [24, 20])
    patients = np.concatenate([np.repeat(np.arange(12), 2), np.repeat(np.arange(12, 17), 4)])
    odds = np.where(label == right, 1.0, -1.0)
    found = metrics_over_patients(label, logits_of(odds), 1.0, 0.5, patients)
    for name, n, count in (("accuracy", 44, 17), ("sensitivity", 24, 12), ("specificity", 20, 5)):
        low, high = proportion_confint(count * right, count, method="wilson")
        assert (found[name].value, found[name].n) == (float(right), n)
        assert (found[name].low, found[name].high) == pytest.approx((low, high))
    one_each = auc_delong(np.arange(17) < 12, np.where(np.arange(17) < 12, 1.0, -1.0) * (1 if right else -1))
    assert replace(found["auc"], n=17) == one_each


@pytest.mark.parametrize("lesions_each", [1, 2])
def test_what_is_gained_between_aucs_of_one_is_as_uncertain_as_they_are(lesions_each):
    label = np.repeat([False, True, False, True], lesions_each)
    patients = np.repeat(["a", "b", "c", "d"], lesions_each)
    perfect = np.where(label, 1.0, -1.0)
    gain = gain_among(label, 3 * perfect, perfect, patients)
    low = auc_delong(label[::lesions_each], perfect[::lesions_each]).low
    assert (gain.value, gain.n) == (0.0, len(label))
    assert (gain.low, gain.high) == pytest.approx((low - 1, 1 - low))
    against = gain_among(label, perfect, -perfect, patients)
    assert (against.value, against.high) == (1.0, 1.0) and against.low == pytest.approx(
        1 - 2**0.5 * (1 - low)
    )
