"""What a probability is worth as a probability."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.metrics import brier_score_loss, log_loss
from statsmodels.api import Logit
from statsmodels.stats.proportion import proportion_confint

from model_training.evaluate.calibration import (
    brier,
    calibrated,
    calibration_error,
    calibration_intercept,
    calibration_metrics,
    calibration_slope,
    fit_temperature,
    margin,
    reliability,
)
from tests.model_training.evaluate.examples import logits_of


def told_and_seen(n: int, seed: int, slope: float = 1.0, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Labels of log odds `slope`·told + shift, and the log odds told."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(0, 2, n)
    return rng.random(n) < expit(slope * odds + shift), odds


def test_temperature_undoes_overconfidence_and_lowers_the_loss():
    label, odds = told_and_seen(5000, 1)
    logits = logits_of(3 * odds)
    temperature = fit_temperature(label, logits)
    assert temperature == pytest.approx(3.0, abs=0.2)
    assert log_loss(label, calibrated(logits, temperature)) < log_loss(label, expit(margin(logits)))


def test_probabilities_tell_the_temperature_with_less_chance_than_labels():
    rng = np.random.default_rng(3)
    odds = rng.normal(0, 2, 100)
    by_label = [
        fit_temperature((rng.random(100) < expit(odds)).astype(float), logits_of(2 * odds)) for _ in range(20)
    ]
    assert fit_temperature(expit(odds), logits_of(2 * odds)) == pytest.approx(2.0, abs=0.01)
    assert np.std(by_label) > 0.1


def test_temperature_leaves_calibrated_odds_alone():
    label, odds = told_and_seen(5000, 2)
    assert fit_temperature(label, logits_of(odds)) == pytest.approx(1.0, abs=0.08)


def test_a_calibrated_set_has_almost_no_calibration_error():
    rng = np.random.default_rng(3)
    probability = rng.random(20_000)
    label = rng.random(20_000) < probability
    assert calibration_error(label, probability) < 0.01
    assert calibration_error(label, expit(3 * logit(probability))) > 0.1


def test_calibration_error_is_the_mean_gap_over_bins_of_equal_mass():
    probability = np.repeat([0.2, 0.8], 50)
    label = np.concatenate([np.arange(50) % 10 < 3, np.arange(50) % 10 < 6])  # 0.3 and 0.6 in every bin
    assert calibration_error(label, probability) == pytest.approx(0.5 * 0.1 + 0.5 * 0.2)


def test_with_fewer_cases_than_bins_each_is_its_own():
    label, probability = np.array([True, False, True]), np.array([0.9, 0.2, 0.4])
    assert calibration_error(label, probability) == pytest.approx((0.1 + 0.2 + 0.6) / 3)


def test_slope_and_intercept_find_what_was_made_wrong():
    label, odds = told_and_seen(20_000, 4, slope=0.5)
    assert calibration_slope(label, expit(odds)) == pytest.approx(0.5, abs=0.03)
    label, odds = told_and_seen(20_000, 5, shift=0.7)
    assert calibration_intercept(label, expit(odds)) == pytest.approx(0.7, abs=0.05)


def test_slope_and_intercept_are_the_logistic_fits():
    label, odds = told_and_seen(300, 6, slope=0.8, shift=0.4)
    one = np.ones((300, 1))
    both = Logit(label.astype(float), np.hstack([one, odds[:, None]])).fit(disp=False).params
    alone = Logit(label.astype(float), one, offset=odds).fit(disp=False).params
    assert calibration_slope(label, expit(odds)) == pytest.approx(both[1], abs=1e-6)
    assert calibration_intercept(label, expit(odds)) == pytest.approx(alone[0], abs=1e-6)


def test_intervals_of_lone_lesions_are_those_of_the_logistic_fit():
    label, odds = told_and_seen(400, 7, shift=0.3)
    found = calibration_metrics(label, expit(odds), draws=400)
    one = np.ones((400, 1))
    both = Logit(label.astype(float), np.hstack([one, odds[:, None]])).fit(disp=False).conf_int()
    alone = Logit(label.astype(float), one, offset=odds).fit(disp=False).conf_int()
    for metric, (low, high) in ((found["slope"], both[1]), (found["intercept"], alone[0])):
        assert metric.n == 400
        assert metric.high - metric.low == pytest.approx(high - low, rel=0.2)
        assert metric.low < metric.value < metric.high


def test_intervals_widen_where_lesions_share_a_patient():
    label, odds = told_and_seen(150, 8)
    twice, probability, patients = (
        np.repeat(label, 2),
        np.repeat(expit(odds), 2),
        np.repeat(np.arange(150), 2),
    )
    apart = calibration_metrics(twice, probability, draws=200)
    together = calibration_metrics(twice, probability, patients, draws=200)
    for name in ("brier", "slope", "intercept"):
        wider = (together[name].high - together[name].low) / (apart[name].high - apart[name].low)
        assert wider == pytest.approx(2**0.5, rel=0.2)


@pytest.mark.parametrize("sharpness", [0.2, 1.0, 20.0])
def test_few_and_extreme_cases_give_bounds_all_the_same(sharpness):
    rng = np.random.default_rng(9)
    label = np.arange(16) % 2 == 0
    odds = rng.normal(label * 2.0 - 1, 1.0) * sharpness
    for metric in calibration_metrics(label, expit(odds), draws=100).values():
        assert metric.low <= metric.high and not np.isnan([metric.low, metric.high]).any()


def test_a_slope_is_infinite_where_nothing_overlaps_and_an_intercept_with_one_label():
    probability = np.array([0.1, 0.3, 0.6, 0.9])
    assert calibration_slope(probability > 0.5, probability) == np.inf
    assert calibration_slope(probability < 0.5, probability) == -np.inf
    assert calibration_intercept(np.ones(4, bool), probability) == np.inf


def test_brier_is_scikit_learns():
    label, odds = told_and_seen(200, 10)
    assert brier(label, expit(odds)) == pytest.approx(brier_score_loss(label, expit(odds)))


def test_reliability_points_are_the_bins_with_wilsons_intervals():
    label, odds = told_and_seen(205, 11)
    points = reliability(label, expit(odds))
    assert [p.seen.n for p in points] == [21] * 5 + [20] * 5
    assert [p.told for p in points] == sorted(p.told for p in points)
    lowest = np.argsort(odds)[:21]
    assert points[0].told == pytest.approx(expit(odds)[lowest].mean())
    expected = proportion_confint(label[lowest].sum(), 21, method="wilson")
    assert (points[0].seen.low, points[0].seen.high) == pytest.approx(expected)
    gap = sum(abs(p.told - p.seen.value) * p.seen.n for p in points) / 205
    assert gap == pytest.approx(calibration_error(label, expit(odds)))
