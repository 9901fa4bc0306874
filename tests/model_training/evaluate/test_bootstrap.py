"""Patients are drawn, not lesions."""

from __future__ import annotations

import numpy as np
import pytest

from model_training.evaluate.bootstrap import bootstrap, bounds, resamples
from model_training.evaluate.discrimination import auc, auc_delong
from tests.model_training.evaluate.examples import drawn

PATIENTS = np.array(["p1", "p1", "p2", "p3", "p3", "p3", "p4", "p5"])
LABEL = np.array([True, False, True, False, False, False, False, True])


@pytest.mark.parametrize("by_label", [True, False])
def test_the_lesions_of_a_patient_come_together(by_label):
    for cases in resamples(LABEL, PATIENTS, draws=50, seed=1, by_label=by_label):
        times = np.bincount(cases, minlength=len(LABEL))
        assert times[0] == times[1] and times[3] == times[4] == times[5]


def test_by_label_each_kind_of_patient_is_drawn_as_often_as_there_are_of_it():
    for cases in resamples(LABEL, PATIENTS, draws=50, seed=1, by_label=True):
        times = np.bincount(cases, minlength=len(LABEL))
        assert times[0] == 1  # the one patient with both labels
        assert times[2] + times[7] == 2 and times[3] + times[6] == 2


def test_otherwise_the_malignant_share_varies_and_no_label_is_lost():
    label = np.arange(6) < 1
    shares = [label[cases].mean() for cases in resamples(label, None, draws=200, seed=0, by_label=False)]
    assert 100 < len(shares) < 200  # (5/6)⁶ = 33 % of the draws had no malignant case
    assert min(shares) > 0 and len(set(shares)) > 2


def test_the_same_seed_gives_the_same_interval():
    label, rating = drawn()
    first, again, other = (
        bootstrap(lambda cases: auc(label[cases], rating[cases]), label, draws=100, seed=s) for s in (3, 3, 4)
    )
    assert first == again and first != other


def test_of_lone_lesions_the_interval_is_delongs():
    label, rating = drawn(400)
    found = bootstrap(lambda cases: auc(label[cases], rating[cases]), label)
    theirs = auc_delong(label, rating)
    assert (found.value, found.n) == (theirs.value, 400)
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.006)


def test_lesions_that_repeat_their_patient_say_nothing_new():
    label, rating = drawn(300)
    twice, ratings, patients = np.repeat(label, 2), np.repeat(rating, 2), np.repeat(np.arange(300), 2)
    found = bootstrap(lambda cases: auc(twice[cases], ratings[cases]), twice, patients)
    once, deceived = auc_delong(label, rating), auc_delong(twice, ratings)
    assert found.high - found.low == pytest.approx(once.high - once.low, rel=0.08)
    assert deceived.high - deceived.low == pytest.approx((once.high - once.low) / 2**0.5, rel=0.01)


def test_a_statistic_may_have_a_shape_and_be_infinite():
    label = np.arange(40) % 2 == 0
    low, high = bounds(lambda cases: np.array([[cases.mean(), np.inf]]), label, draws=40)
    assert low.shape == high.shape == (1, 2)
    assert low[0, 0] < 19.5 < high[0, 0] and low[0, 1] == high[0, 1] == np.inf
