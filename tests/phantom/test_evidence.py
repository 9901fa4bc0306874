"""What there is to win: the label, its evidence in both modalities, and the best possible AUC."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata

from breastview.phantom.evidence import bayes_auc, draw_evidence
from breastview.phantom.patient import simulate

PATIENTS = 20_000


def empirical_auc(label: np.ndarray, score: np.ndarray) -> float:
    positives = int(label.sum())
    rank_sum = rankdata(score)[label].sum()
    return (rank_sum - positives * (positives + 1) / 2) / (positives * (len(label) - positives))


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    drawn = [draw_evidence(rng) for _ in range(PATIENTS)]
    return tuple(np.array([getattr(e, name) for e in drawn]) for name in ("malignant", "us", "mri"))


def test_half_of_the_patients_are_malignant(drawn):
    assert drawn[0].mean() == pytest.approx(0.5, abs=0.01)


def test_the_bayes_auc_is_what_a_monte_carlo_estimate_finds(drawn):
    malignant, us, mri = drawn
    best = bayes_auc()
    assert best["us"] == best["mri"] == pytest.approx(0.871, abs=5e-4)
    assert best["fused"] == pytest.approx(0.945, abs=5e-4)
    assert empirical_auc(malignant, us) == pytest.approx(best["us"], abs=0.01)
    assert empirical_auc(malignant, mri) == pytest.approx(best["mri"], abs=0.01)
    assert empirical_auc(malignant, us + mri) == pytest.approx(best["fused"], abs=0.01)


def test_given_the_label_one_modality_says_nothing_of_the_other(drawn):
    malignant, us, mri = drawn
    assert abs(np.corrcoef(us[malignant], mri[malignant])[0, 1]) < 0.03
    assert abs(np.corrcoef(us[~malignant], mri[~malignant])[0, 1]) < 0.03


def test_in_the_null_arm_mri_says_only_what_us_said():
    for seed in range(20):
        usual, null = simulate(seed).evidence, simulate(seed, null_arm=True).evidence
        assert (null.malignant, null.us) == (usual.malignant, usual.us)
        assert null.mri == null.us
        assert usual.mri != usual.us
    best = bayes_auc(null_arm=True)
    assert best["fused"] == best["us"] == best["mri"]
