"""The figures of the card, each beside somebody else's computation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm, rankdata
from sklearn.metrics import log_loss, roc_auc_score
from statsmodels.stats.proportion import proportion_confint

from breastview.phantom.evidence import bayes_auc, draw_evidence
from model_training.evaluate import (
    auc_delong,
    best_possible,
    calibration_error,
    fit_temperature,
    margin,
    metrics,
    proportion,
    youden_point,
)

# Hanley & McNeil, Radiology 143:29 (1982): 109 CT images rated 1…5, normal and abnormal.
NORMAL, ABNORMAL = (33, 6, 6, 11, 2), (3, 2, 2, 11, 33)


def rated() -> tuple[np.ndarray, np.ndarray]:
    ratings = np.concatenate([np.repeat(np.arange(1, 6), counts) for counts in (NORMAL, ABNORMAL)])
    return np.repeat([False, True], [sum(NORMAL), sum(ABNORMAL)]), ratings.astype(float)


def drawn(n: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    label = rng.random(n) < 0.4
    return label, np.round(rng.normal(label * 1.2, 1.0), 1)  # rounded: ties


def logits_of(odds: np.ndarray) -> np.ndarray:
    return np.stack([np.full_like(odds, 0.3), odds + 0.3], axis=1)


def by_midranks(label: np.ndarray, score: np.ndarray) -> tuple[float, float]:
    """AUC and its DeLong variance by midranks (Sun & Xu, IEEE Signal Process. Lett. 21:1389, 2014)."""
    positive, negative = score[label], score[~label]
    m, n = len(positive), len(negative)
    together = rankdata(np.concatenate([positive, negative]))
    above = (together[:m] - rankdata(positive)) / n
    below = 1 - (together[m:] - rankdata(negative)) / m
    auc = (together[:m].sum() - m * (m + 1) / 2) / (m * n)
    return auc, np.cov(above) / m + np.cov(below) / n


def test_delong_gives_the_published_interval_of_the_rated_ct_images():
    metric = auc_delong(*rated())
    assert metric.n == 109
    assert metric.value == pytest.approx(0.8932, abs=5e-5)
    assert (metric.high - metric.value) / norm.ppf(0.975) == pytest.approx(0.0307, abs=5e-5)
    assert (metric.low, metric.high) == pytest.approx((0.83295, 0.95339), abs=2e-5)  # roctab of Stata


@pytest.mark.parametrize("seed", range(3))
def test_delong_is_that_of_midranks(seed):
    label, score = drawn(seed=seed)
    metric = auc_delong(label, score)
    auc, variance = by_midranks(label, score)
    half = norm.ppf(0.975) * np.sqrt(variance)
    assert (metric.value, metric.low, metric.high) == pytest.approx((auc, auc - half, auc + half), abs=1e-9)
    assert metric.value == pytest.approx(roc_auc_score(label, score))


def test_an_interval_stays_between_0_and_1():
    label = np.arange(20) % 2 == 1
    score = np.arange(20) + label * 15.0
    metric = auc_delong(label, score)
    assert metric.high == 1.0 and metric.low < metric.value < 1.0


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (7, 10), (352, 400), (400, 400)])
def test_a_share_has_wilsons_interval(hits, n):
    metric = proportion(hits, n)
    assert (metric.value, metric.n) == (hits / n, n)
    assert (metric.low, metric.high) == pytest.approx(proportion_confint(hits, n, method="wilson"))
    z, p = norm.ppf(0.975), hits / n
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert (metric.low, metric.high) == pytest.approx((middle - half, middle + half), abs=1e-12)


def test_temperature_undoes_overconfidence_and_lowers_the_loss():
    rng = np.random.default_rng(1)
    odds = rng.normal(0, 2, 5000)
    label = rng.random(5000) < expit(odds)
    logits = logits_of(3 * odds)
    temperature = fit_temperature(label, logits)
    assert temperature == pytest.approx(3.0, abs=0.2)
    assert log_loss(label, expit(margin(logits) / temperature)) < log_loss(label, expit(margin(logits)))


def test_temperature_leaves_calibrated_odds_alone():
    rng = np.random.default_rng(2)
    odds = rng.normal(0, 2, 5000)
    assert fit_temperature(rng.random(5000) < expit(odds), logits_of(odds)) == pytest.approx(1.0, abs=0.08)


def test_a_calibrated_set_has_almost_no_calibration_error():
    rng = np.random.default_rng(3)
    probability = rng.random(20_000)
    label = rng.random(20_000) < probability
    assert calibration_error(label, probability) < 0.01
    assert calibration_error(label, expit(3 * np.log(probability / (1 - probability)))) > 0.1


def test_calibration_error_is_the_mean_gap_over_bins_of_equal_mass():
    probability = np.repeat([0.2, 0.8], 50)
    label = np.concatenate([np.arange(50) % 10 < 3, np.arange(50) % 10 < 6])  # 0.3 and 0.6 in every bin
    assert calibration_error(label, probability) == pytest.approx(0.5 * 0.1 + 0.5 * 0.2)


def test_youdens_point_parts_best():
    label = np.array([False, False, True, False, True, True])
    probability = np.array([0.1, 0.2, 0.4, 0.5, 0.7, 0.9])
    assert youden_point(label, probability) == 0.4


def test_the_card_counts_what_was_called_malignant():
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


def test_what_there_was_to_win_is_the_bayes_auc():
    rng = np.random.default_rng(4)
    patients = [draw_evidence(rng) for _ in range(20_000)]
    label = np.array([p.malignant for p in patients])
    arms = ("us",), ("mri",), ("us", "mri")
    found = best_possible(label, np.array([[p.score(arm) for arm in arms] for p in patients]))
    assert found == pytest.approx(bayes_auc(), abs=0.01)
    assert found["fused"] > found["us"] + 0.05
