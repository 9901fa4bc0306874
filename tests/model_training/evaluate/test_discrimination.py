"""AUC, ROC curve and rates, each beside a published figure or somebody else's computation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, rankdata
from sklearn.metrics import roc_auc_score
from statsmodels.stats.proportion import proportion_confint

from model_training.evaluate.discrimination import (
    auc,
    auc_delong,
    placements,
    proportion,
    rates,
    roc_curve,
    youden_point,
)
from tests.model_training.evaluate.examples import drawn, pairs, rated


def by_midranks(label: np.ndarray, rating: np.ndarray) -> tuple[float, float]:
    """AUC and its DeLong variance by midranks (Sun & Xu, IEEE Signal Process. Lett. 21:1389, 2014)."""
    malignant, benign = rating[label], rating[~label]
    m, n = len(malignant), len(benign)
    together = rankdata(np.concatenate([malignant, benign]))
    above = (together[:m] - rankdata(malignant)) / n
    below = 1 - (together[m:] - rankdata(benign)) / m
    area = (together[:m].sum() - m * (m + 1) / 2) / (m * n)
    return area, np.cov(above) / m + np.cov(below) / n


def test_delong_gives_the_published_interval_of_the_rated_ct_images():
    metric = auc_delong(*rated())
    assert metric.n == 109
    assert metric.value == pytest.approx(0.8932, abs=5e-5)
    assert (metric.high - metric.value) / norm.ppf(0.975) == pytest.approx(0.0307, abs=5e-5)
    assert (metric.low, metric.high) == pytest.approx((0.83295, 0.95339), abs=2e-5)  # roctab of Stata


@pytest.mark.parametrize("seed", range(3))
def test_delong_is_that_of_midranks(seed):
    label, rating = drawn(seed=seed)
    metric = auc_delong(label, rating)
    area, variance = by_midranks(label, rating)
    half = norm.ppf(0.975) * np.sqrt(variance)
    assert (metric.value, metric.low, metric.high) == pytest.approx(
        (area, area - half, area + half), abs=1e-9
    )
    assert metric.value == auc(label, rating) == pytest.approx(roc_auc_score(label, rating))


def test_placements_are_the_means_of_all_pairs():
    label, rating = drawn(60)
    wins = pairs(label, rating)
    of_malignant, of_benign = placements(label, rating)
    assert of_malignant == pytest.approx(wins.mean(axis=1)) and of_benign == pytest.approx(wins.mean(axis=0))


def test_an_interval_stays_between_0_and_1():
    label = np.arange(20) % 2 == 1
    metric = auc_delong(label, np.arange(20) + label * 15.0)
    assert metric.high == 1.0 and metric.low < metric.value < 1.0


def test_an_auc_takes_both_labels_and_its_interval_two_of_each():
    with pytest.raises(ValueError, match="needs malignant and benign cases"):
        auc(np.ones(3, bool), np.arange(3.0))
    with pytest.raises(ValueError, match="needs two malignant and two benign"):
        auc_delong(np.array([True, False, False]), np.arange(3.0))


@pytest.mark.parametrize(("malignant", "benign"), [(2, 2), (5, 40), (100, 100)])
def test_where_classes_do_not_overlap_the_interval_is_newcombes(malignant, benign):
    """His method 5 as a polynomial, as it is programmed elsewhere."""
    label = np.arange(malignant + benign) < malignant
    others, mn, z2 = (malignant + benign) / 2 - 1, malignant * benign, 1.959964**2
    a, b, c = -1 - 2 * others, 1 + 2 * others, 2 + others
    roots = np.roots([-mn + z2 * a, 3 * mn - z2 * (a - b), -mn - z2 * (b - c), -3 * mn - z2 * c, 2 * mn])
    low = max(x.real for x in roots if abs(x.imag) < 1e-9 and 0 < x.real < 1 - 1e-6)
    whole, none = auc_delong(label, label * 1.0), auc_delong(label, label * -1.0)
    assert (whole.value, whole.high, whole.low) == (1, 1, pytest.approx(low, abs=1e-5))
    assert (none.value, none.low, none.high) == (0, 0, pytest.approx(1 - low, abs=1e-5))


def test_a_rating_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="a rating is no number"):
        auc(np.array([True, False, True]), np.array([1.0, 0.0, np.nan]))


def test_the_roc_curve_allows_no_more_false_positives_than_asked():
    label = np.array([True, True, True, True, False, False, False, False])
    rating = np.array([9.0, 7.0, 5.0, 2.0, 8.0, 5.0, 3.0, 1.0])
    curve = roc_curve(label, rating, draws=20)
    at = dict(zip(np.round(curve.false_positives, 2).tolist(), curve.sensitivity.tolist(), strict=True))
    assert (at[0.0], at[0.24], at[0.25], at[0.5], at[0.74], at[0.75]) == (0.25, 0.25, 0.5, 0.75, 0.75, 1.0)
    assert curve.auc == auc_delong(label, rating)


def test_the_roc_curve_is_one_of_steps_with_the_auc_below_it_and_a_band_around():
    rng = np.random.default_rng(1)
    label = np.repeat([True, False], 400)
    rating = rng.normal(label * 1.5, 1)
    curve = roc_curve(label, rating, draws=200)
    assert np.trapezoid(curve.sensitivity, curve.false_positives) == pytest.approx(curve.auc.value, abs=0.005)
    assert (np.diff(curve.sensitivity) >= 0).all()
    assert (curve.low <= curve.sensitivity).all() and (curve.sensitivity <= curve.high).all()
    truth = norm.cdf(norm.ppf(curve.false_positives[1:80]) + 1.5)
    within = (curve.low[1:80] <= truth) & (truth <= curve.high[1:80])
    assert within.mean() > 0.9


# Newcombe, Stat. Med. 17:857 (1998), method 3
@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_a_share_has_the_published_wilson_interval(hits, n, low, high):
    metric = proportion(hits, n)
    assert (metric.value, metric.n) == (hits / n, n)
    assert (metric.low, metric.high) == pytest.approx((low, high), abs=5e-5)


def test_rates_are_the_papers_equations():
    label = np.array([True] * 10 + [False] * 20)
    called = np.array([True] * 8 + [False] * 2 + [True] * 5 + [False] * 15)  # TP 8, FN 2, FP 5, TN 15
    found = rates(label, called)
    expected = {"accuracy": (23, 30), "sensitivity": (8, 10), "specificity": (15, 20)}
    assert list(found) == list(expected)
    for name, (hits, n) in expected.items():
        metric = found[name]
        assert (metric.value, metric.n) == (hits / n, n)
        assert (metric.low, metric.high) == pytest.approx(proportion_confint(hits, n, method="wilson"))


def test_a_rate_without_cases_is_left_out():
    assert list(rates(np.zeros(4, bool), np.zeros(4, bool))) == ["accuracy", "specificity"]


def test_youdens_point_is_the_lowest_that_parts_best():
    label = np.array([False, False, True, False, True, True])
    probability = np.array([0.1, 0.2, 0.4, 0.5, 0.7, 0.9])
    assert youden_point(label, probability) == 0.4


def test_youdens_point_is_the_best_of_all_thresholds():
    label, rating = drawn()
    gains = {t: (rating[label] >= t).mean() + (rating[~label] < t).mean() for t in np.unique(rating)}
    assert gains[youden_point(label, rating)] == pytest.approx(max(gains.values()))
