"""Net benefit, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from model_training.evaluate.decision import THRESHOLDS, decision_curve, net_benefit
from tests.model_training.evaluate.examples import drawn

LABEL = np.array([True, True, True, True, False, False, False, False, False, False])
PROBABILITY = np.array([0.9, 0.7, 0.25, 0.1, 0.6, 0.3, 0.2, 0.1, 0.1, 0.0])


def test_a_false_positive_costs_the_odds_of_the_threshold():
    found = net_benefit(LABEL, PROBABILITY, np.array([0.0, 0.25, 0.5, 0.8]))
    # called malignant: all; 3 true and 2 false; 2 and 1; 1 and 0
    assert found == pytest.approx([0.4, (3 - 2 / 3) / 10, (2 - 1) / 10, 0.1])


def test_the_curve_stands_beside_calling_all_and_none():
    curve = decision_curve(LABEL, PROBABILITY, thresholds=np.array([0.2, 0.4]), draws=20)
    assert curve.treat_all == pytest.approx([0.4 - 0.6 / 4, 0.4 - 0.6 * 2 / 3])
    assert curve.treat_none.tolist() == [0.0, 0.0]
    assert curve.n == 10 and curve.thresholds.tolist() == [0.2, 0.4]


def test_a_perfect_model_is_worth_the_share_of_malignant_cases_at_every_threshold():
    label, _ = drawn()
    assert net_benefit(label, label.astype(float)) == pytest.approx(np.full(len(THRESHOLDS), label.mean()))


def test_the_band_knows_that_the_share_of_malignant_cases_is_an_estimate():
    label, _ = drawn(400)
    curve = decision_curve(label, label.astype(float), thresholds=np.array([0.5]), draws=400)
    half = 1.96 * np.sqrt(label.mean() * (1 - label.mean()) / 400)
    assert (curve.high - curve.low) / 2 == pytest.approx([half], rel=0.15)


def test_the_band_widens_where_lesions_share_a_patient():
    label, odds = drawn(300)
    probability, patients = 1 / (1 + np.exp(-odds)), np.arange(300)
    doubled = [np.repeat(x, 2) for x in (label, probability, patients)]
    once = decision_curve(label, probability, draws=300)
    twice = decision_curve(*doubled, draws=300)
    assert twice.high - twice.low == pytest.approx(once.high - once.low, rel=1e-9)
