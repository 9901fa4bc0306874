"""What is said of a bundle: the figures are those of its answers, and attention lies where it lies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from breastview.fusion.bundle import load_bundle
from model_training import evaluate, measure
from model_training.answers import answers
from model_training.cohort.samples import load_cohort
from tests.model_training.cohorts import write_cohort


@pytest.fixture(scope="module")
def bundle(small_bundle):
    opened = load_bundle(small_bundle, "cpu")
    heads = ("us", "mri", "fused")
    spec = replace(
        opened.spec, temperature=dict.fromkeys(heads, 2.0), operating_point=dict.fromkeys(heads, 0.5)
    )
    return replace(opened, spec=spec)


@pytest.fixture(scope="module")
def samples(bundle, tmp_path_factory):
    folder = write_cohort(tmp_path_factory.mktemp("c"), 30, bundle.spec.input.size_px)
    return load_cohort(folder, "test")


def test_pairs_are_measured_by_the_bundles_answers_with_n_interval_and_what_there_was_to_win(bundle, samples):
    found = measure.measure_pairs(bundle, samples, null=samples)
    logits = answers(bundle.network, samples.us[:, 0], samples.mri[:, 0])
    for arm in measure.ARMS:
        figure = found["auc"][arm]
        assert figure["value"] == pytest.approx(evaluate.auc(samples.label, evaluate.margin(logits[arm])))
        assert figure["low"] <= figure["value"] <= figure["high"] and figure["n"] == 30
    assert found["auc"]["mri"]["bayes"] == pytest.approx(evaluate.auc(samples.label, samples.best[:, 1]))
    gain = found["auc"]["fused"]["value"] - max(found["auc"][arm]["value"] for arm in ("us", "mri"))
    assert found["auc"]["fused_minus_best"]["value"] == pytest.approx(gain)
    assert found["null_gain"]["value"] == pytest.approx(gain)
    called = evaluate.calibrated(logits["fused"], 2.0) >= 0.5
    assert found["accuracy"]["value"] == pytest.approx((called == samples.label).mean())


def test_the_fused_head_is_also_measured_without_a_modality(bundle, samples):
    logits = measure.pair_answers(bundle, samples)
    alone = answers(bundle.network, samples.us[:, 0])
    assert np.allclose(logits["us_alone"], alone["fused"])
    assert not np.allclose(logits["us_alone"], logits["fused"])


def test_attention_on_the_whole_picture_is_one_and_on_nothing_zero(bundle, samples):
    size = samples.us.shape[-1]
    masks = {
        name: np.full((len(samples), size, size), value)
        for name, value in (("lesion", 1.0), ("text", 0.0), ("left", 0.0))
    }
    masks["left"][:, :, : size // 2] = 1.0
    found = measure.measure_stills(bundle, samples, masks)
    assert found["attention"]["lesion"]["value"] == pytest.approx(1.0)
    assert found["attention"]["text"]["value"] == 0.0
    heat = [measure.attention(bundle, samples.us[k : k + 1, 0]) for k in range(len(samples))]
    left = np.mean([h[:, : size // 2].sum() / h.sum() for h in heat if h.sum() > 0])
    assert found["attention"]["left"]["value"] == pytest.approx(left)
    assert found["n"] == 30 and found["auc"]["n"] == 30


def test_answers_need_something_to_answer_to(bundle):
    with pytest.raises(ValueError, match="neither modality is given"):
        answers(bundle.network, None)
