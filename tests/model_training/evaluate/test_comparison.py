"""Tests between two rows, by hand, by brute force and by permutation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from model_training.evaluate.comparison import compare_auc, compare_calls, holm
from model_training.evaluate.discrimination import auc
from tests.model_training.evaluate.examples import drawn, pairs


def two_readers(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    label, first = drawn(n, seed)
    return label, first, np.round(0.6 * first + rng.normal(0, 0.8, n), 1)


def test_the_paired_difference_is_what_a_page_of_arithmetic_gives():
    label = np.array([True, True, True, False, False])
    first, second = np.array([5.0, 4, 2, 3, 1]), np.array([3.0, 3, 1, 3, 2])
    # placements of the malignant 1, 1, ½ and ¾, ¾, 0; of the benign ⅔, 1 and ⅓, ⅔: AUC 5/6 and ½;
    # variance of the differences ¼, ¼, ½ over 3 is 1/144, of ⅓, ⅓ is 0
    found = compare_auc(label, first, second)
    assert (found.difference.value, found.difference.n) == (pytest.approx(1 / 3), 5)
    assert found.difference.high - found.difference.value == pytest.approx(norm.ppf(0.975) / 12)
    assert found.p == pytest.approx(2 * norm.sf(4))


@pytest.mark.parametrize("seed", range(3))
def test_the_paired_test_is_that_of_delongs_covariance_matrices(seed):
    label, first, second = two_readers(120, seed)
    wins = np.stack([pairs(label, first), pairs(label, second)])
    covariance = sum(np.cov(wins.mean(axis=axis)) / wins.shape[3 - axis] for axis in (1, 2))
    contrast = np.array([1, -1])
    spread = (contrast @ covariance @ contrast) ** 0.5
    found = compare_auc(label, first, second)
    assert found.difference.value == pytest.approx(auc(label, first) - auc(label, second))
    assert found.difference.value - found.difference.low == pytest.approx(norm.ppf(0.975) * spread)
    assert found.p == pytest.approx(2 * norm.sf(abs(found.difference.value) / spread))


def test_permuting_whose_rating_is_whose_gives_the_same_p():
    label, first, second = two_readers(60, seed=5)
    ranks = np.argsort(np.argsort(np.stack([first, second]) + 1e-6 * np.arange(60), axis=1), axis=1)
    observed = compare_auc(label, *ranks)
    rng = np.random.default_rng(0)
    differences = []
    for _ in range(2000):
        swap = rng.random(60) < 0.5
        mixed = np.where(swap, ranks[::-1], ranks)
        differences.append(auc(label, mixed[0]) - auc(label, mixed[1]))
    permuted = (np.abs(differences) >= abs(observed.difference.value)).mean()
    assert 0.01 < permuted < 0.5
    assert observed.p == pytest.approx(permuted, abs=0.03)


def test_a_rating_does_not_differ_from_itself_and_parts_fully_from_its_opposite():
    label, rating = drawn(50)
    assert compare_auc(label, rating, 2 * rating + 1).p == 1.0
    perfect = label * 1.0
    against = compare_auc(label, perfect, -perfect)
    assert (against.difference.value, against.difference.low, against.p) == (1.0, 1.0, 0.0)


def test_order_turns_the_sign_only():
    label, first, second = two_readers(80)
    there, back = compare_auc(label, first, second), compare_auc(label, second, first)
    assert there.p == pytest.approx(back.p) and there.difference.low == pytest.approx(-back.difference.high)


def test_mcnemar_counts_who_alone_was_right():
    label = np.arange(20) % 2 == 0
    first, second = label.copy(), label.copy()
    first[0] = ~first[0]  # wrong once where the second is right
    second[1:9] = ~second[1:9]  # wrong eight times where the first is right
    first[19] = second[19] = ~label[19]
    found = compare_calls(label, first, second)
    assert (found.first_only, found.second_only, found.n) == (8, 1, 20)
    assert found.p == pytest.approx(2 * (1 + 9) / 2**9)  # P(X ≤ 1), X ~ binomial(9, ½), both tails
    assert compare_calls(label, first, first).p == 1.0


def test_holm_multiplies_the_smallest_by_most_and_keeps_the_order():
    p = {"us": 0.01, "mri": 0.04, "cnn": 0.03, "resnet50": 0.005}
    assert holm(p) == pytest.approx({"us": 0.03, "mri": 0.06, "cnn": 0.06, "resnet50": 0.02})
    assert list(holm(p)) == list(p)
    assert holm({"us": 0.6, "mri": 0.7}) == {"us": 1.0, "mri": 1.0}
