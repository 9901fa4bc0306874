"""A row for each group, and none where there is too little to say."""

from __future__ import annotations

import numpy as np
import pytest

from model_training.evaluate import metrics, subgroups
from tests.model_training.evaluate.examples import drawn, logits_of


def test_each_group_has_the_row_of_its_cases():
    label, odds = drawn(400)
    logits, density = logits_of(odds), np.array(["c", "b"])[np.arange(400) % 2]
    rows = subgroups(label, logits, 1.5, 0.4, {"density": density})
    assert [(row.attribute, row.group, row.n) for row in rows] == [
        ("density", "b", 200),
        ("density", "c", 200),
    ]
    for row in rows:
        cases = density == row.group
        assert row.malignant == label[cases].sum()
        assert row.metrics == metrics(label[cases], logits[cases], 1.5, 0.4)


def test_a_small_group_says_so_and_keeps_the_rates_that_it_has():
    label = np.array([True] * 12 + [False] * 12)
    odds = np.where(label, 1.0, -1.0) + np.linspace(0, 0.1, 24)
    category = np.array(["5"] * 8 + ["4"] * 8 + ["3"] * 8)  # malignant only; 4 and 4; benign only
    three, four, five = subgroups(label, logits_of(odds), 1.0, 0.5, {"BI-RADS": category})
    assert list(three.metrics) == ["accuracy", "specificity"]
    assert list(four.metrics) == ["accuracy", "sensitivity", "specificity"]
    assert four.told("auc") == "too few (4 malignant, 4 benign)"
    assert five.told("specificity") == "too few (8 malignant, 0 benign)"
    assert five.told("sensitivity") == "1.000 (0.676–1.000)"


def test_calibration_error_takes_a_hundred_cases():
    label, odds = drawn(99)
    (row,) = subgroups(label, logits_of(odds), 1.0, 0.5, {"scanner": np.full(99, "GE")})
    assert "auc" in row.metrics and "ece" not in row.metrics


def test_missing_values_are_a_group_of_their_own_and_the_last():
    label, odds = drawn(6)
    sizes = {"mm": np.array([10.0, 5.0, np.nan, 5.0, np.nan, 10.0])}
    names = {"scanner": np.array(["GE", None, "", "Philips", "GE", "GE"], dtype=object)}
    rows = subgroups(label, logits_of(odds), 1.0, 0.5, sizes | names)
    assert [(row.attribute, row.group, row.n) for row in rows] == [
        ("mm", "5.0", 2),
        ("mm", "10.0", 2),
        ("mm", "unknown", 2),
        ("scanner", "GE", 3),
        ("scanner", "Philips", 1),
        ("scanner", "unknown", 2),
    ]


def test_patients_go_with_their_cases():
    label, odds = drawn(300)
    twice, logits = np.repeat(label, 2), logits_of(np.repeat(odds, 2))
    patients = np.repeat(np.arange(300), 2)
    (row,) = subgroups(twice, logits, 1.0, 0.5, {"density": np.full(600, "d")}, patients)
    assert row.metrics == metrics(twice, logits, 1.0, 0.5, patients)


def test_an_attribute_has_a_value_a_case():
    label, odds = drawn(10)
    with pytest.raises(ValueError, match="density has 9 values for 10 cases"):
        subgroups(label, logits_of(odds), 1.0, 0.5, {"density": np.full(9, "a")})
