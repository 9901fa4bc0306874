"""What there is to win: the label, its evidence in both modalities and the size, the best possible AUC."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata

from breastview.phantom.evidence import SIZE_LIMITS_MM, Evidence, bayes_auc, draw_evidence
from breastview.phantom.patient import simulate

PATIENTS = 20_000
ARMS = {"us": ("us",), "mri": ("mri",), "fused": ("us", "mri")}


def empirical_auc(label: np.ndarray, score: np.ndarray) -> float:
    positives = int(label.sum())
    rank_sum = rankdata(score)[label].sum()
    return (rank_sum - positives * (positives + 1) / 2) / (positives * (len(label) - positives))


@pytest.fixture(scope="module")
def drawn() -> list[Evidence]:
    rng = np.random.default_rng(1)
    return [draw_evidence(rng) for _ in range(PATIENTS)]


@pytest.fixture(scope="module")
def malignant(drawn) -> np.ndarray:
    return np.array([e.malignant for e in drawn])


def test_half_of_the_patients_are_malignant(malignant):
    assert malignant.mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("arm", ARMS)
def test_the_bayes_auc_is_what_a_monte_carlo_estimate_finds(drawn, malignant, arm):
    scores = np.array([e.score(ARMS[arm]) for e in drawn])
    assert empirical_auc(malignant, scores) == pytest.approx(bayes_auc()[arm], abs=0.006)


def test_one_modality_alone_reaches_an_auc_between_85_and_90_percent():
    best = bayes_auc()
    assert best["us"] == best["mri"]
    assert 0.85 < best["us"] < 0.90 < best["fused"]


def test_no_other_weighting_beats_the_score(drawn, malignant):
    best = empirical_auc(malignant, np.array([e.score(("us", "mri")) for e in drawn]))
    for without in ("us", "mri", "size"):
        left = np.array([sum(getattr(e, n) for n in ("us", "mri", "size") if n != without) for e in drawn])
        assert empirical_auc(malignant, left) < best


def test_given_the_label_one_modality_says_nothing_of_the_other_or_of_the_size(drawn, malignant):
    parts = np.array([(e.us, e.mri, e.size) for e in drawn])
    for label in (True, False):
        assert np.abs(np.corrcoef(parts[malignant == label].T) - np.eye(3)).max() < 0.03


def test_malignant_lesions_are_larger_within_5_to_40_mm(drawn, malignant):
    size = np.array([e.size_mm for e in drawn])
    assert np.median(size[malignant]) == pytest.approx(17, abs=0.4)
    assert np.median(size[~malignant]) == pytest.approx(14, abs=0.4)
    assert (size.min(), size.max()) == SIZE_LIMITS_MM == (5.0, 40.0)


def test_in_the_null_arm_mri_says_only_what_us_said():
    for seed in range(8):
        usual, null = simulate(seed).evidence, simulate(seed, null_arm=True).evidence
        assert (null.malignant, null.us, null.size_mm) == (usual.malignant, usual.us, usual.size_mm)
        assert null.mri == null.us
        assert usual.mri != usual.us
    best = bayes_auc(null_arm=True)
    assert best["fused"] == best["us"] == best["mri"]
