"""What is said of a bundle: the figures are those of its answers, and attention lies where it lies."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import typer

from breastview.fusion.bundle import load_bundle
from breastview.fusion.network import Agreement, FusionNetwork
from breastview.fusion.spec import InputSpec, Scope
from model_training import attention, evaluate, measure
from model_training.__main__ import app
from model_training.cohort.samples import BEST, load_cohort
from model_training.cohort.simulated import CohortError
from model_training.predict import predict
from model_training.team import Team
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
    logits = predict(bundle.network, samples, bundle.spec.input.size_px)
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


@pytest.mark.parametrize(
    ("option", "told"),
    [
        (["--keep", "K"], "--keep is for --simulate only"),
        (["--fold", "1/5"], "--fold is for --cohort only"),
        (["--criteria", "C"], "--criteria is for --records only"),
    ],
)
def test_an_option_of_which_nothing_would_come_is_refused(option, told):
    words = ["evaluate", "--bundle", "B", "--stills", "S", *option]
    with pytest.raises(typer.BadParameter, match=told):
        app(words, standalone_mode=False)


def test_a_cohort_of_smaller_pictures_than_the_bundle_sees_is_refused(bundle, samples):
    small = replace(samples, us=samples.us[..., 1:, 1:])
    with pytest.raises(CohortError, match=r"pictures of \d+ px, the bundle sees (\d+) px: .* --size \1"):
        measure.measured_cohort(bundle, small, Team())


def test_lesions_without_mri_are_measured_apart_where_ultrasound_alone_has_a_scope(bundle, samples):
    lone = np.arange(len(samples)) < 12
    mixed = replace(samples, channels=samples.channels & ~lone[:, None])
    heads = {**bundle.spec.temperature, "us_only": 4.0}
    points = {**bundle.spec.operating_point, "us_only": 0.4}
    spec = replace(bundle.spec, us_scope=Scope(), temperature=heads, operating_point=points)
    found = measure.measure_all(replace(bundle, spec=spec), mixed)
    assert (found["n"], found["us_only"]["n"]) == (18, 12)
    assert found["auc"]["us"] == measure.measure_pairs(bundle, samples.take(~lone))["auc"]["us"]
    own = samples.take(lone)
    logits = predict(bundle.network, own, spec.input.size_px)["us"]
    called = evaluate.calibrated(logits, 4.0) >= 0.4
    assert found["us_only"]["accuracy"]["value"] == pytest.approx((called == own.label).mean())
    assert measure.measure_all(bundle, mixed)["n"] == 30


def test_lesions_without_mri_that_the_bundle_cuts_otherwise_are_left_out_of_a_cohort(bundle, samples, caplog):
    lone = np.arange(len(samples)) < 12
    mixed = replace(samples, channels=samples.channels & ~lone[:, None])
    spec = replace(bundle.spec, us_scope=Scope(), us_only_input=InputSpec(40))
    found = measure.measure_all(replace(bundle, spec=spec), mixed)
    assert found["n"] == 18 and "us_only" not in found
    assert "12 lesions without MRI are cut otherwise than the bundle sees them" in caplog.messages
    shaped = replace(samples, about=samples.about.assign(box_shaped=True))
    with pytest.raises(CohortError, match="are not what the bundle sees"):
        measure.measured_cohort(bundle, shaped, Team())


@pytest.mark.parametrize("malignant", [False, True])
def test_lesions_without_mri_have_no_part_in_what_is_said_of_mri(bundle, samples, malignant):
    lone = (samples.label == malignant) & (np.arange(len(samples)) < 12)
    mixed = replace(samples, channels=samples.channels & ~lone[:, None])
    found = measure.measure_pairs(bundle, mixed)["auc"]
    whole = measure.measure_pairs(bundle, samples.take(~lone))["auc"]
    for name in ("mri", "mri_alone", "fused_minus_best"):
        assert found[name] == pytest.approx(whole[name], abs=1e-6) and found[name]["n"] == 24
    assert found["us"]["n"] == found["fused"]["n"] == 30
    assert found["us"]["bayes"] == pytest.approx(evaluate.auc(samples.label, samples.best[:, 0]))


def test_where_patients_have_several_lesions_every_interval_is_over_patients(bundle, samples):
    whose = [f"patient-{case // 6}" for case in range(len(samples))]
    shared = replace(samples, about=samples.about.assign(patient=whose))
    found, apart = (measure.measure_pairs(bundle, one) for one in (shared, samples))
    logits = predict(bundle.network, shared, bundle.spec.input.size_px)
    heads = {
        arm: evaluate.metrics_over_patients(shared.label, logits[arm], 2.0, 0.5, shared.patient)
        for arm in measure.ARMS
    }
    auc = {arm: found["auc"][arm] for arm in measure.ARMS}
    assert {arm: (one["low"], one["high"]) for arm, one in auc.items()} == {
        arm: pytest.approx((own["auc"].low, own["auc"].high)) for arm, own in heads.items()
    }
    for name in ("accuracy", "sensitivity", "specificity"):
        assert found[name] == pytest.approx(vars(heads["fused"][name]))
    gain, alone = found["auc"]["fused_minus_best"], apart["auc"]["fused_minus_best"]
    assert gain["value"] == pytest.approx(alone["value"]) and gain["low"] != pytest.approx(alone["low"])
    odds = evaluate.margin(logits["us"])
    stills = measure.stills_figures(shared, odds, odds > 0, {})
    assert stills["auc"]["low"] == pytest.approx(heads["us"]["auc"].low)


def test_too_few_lesions_with_mri_are_counted_and_nothing_more(bundle, samples):
    lone = samples.label & (np.arange(len(samples)) > 1)
    mixed = replace(samples, channels=samples.channels & ~lone[:, None])
    found = measure.measure_pairs(bundle, mixed)["auc"]
    assert found["mri"] == found["fused_minus_best"] == {"n": 16, "malignant": 1}
    assert found["us"]["n"] == 30 and "mri                      n = " not in measure.as_table(found)
    without = replace(samples, channels=np.zeros_like(samples.channels))
    assert measure.measure_pairs(bundle, without)["auc"]["mri"] == {"n": 0, "malignant": 0}


def test_the_best_possible_stands_where_an_optimal_reader_answered_all_lesions(bundle, samples):
    lone = np.arange(len(samples)) < 6
    about = samples.about.copy()
    about.loc[lone, list(BEST)] = np.nan
    mixed = replace(samples, about=about, channels=samples.channels & ~lone[:, None])
    found = measure.measure_pairs(bundle, mixed)["auc"]
    known = samples.take(~lone)
    assert found["mri"]["bayes"] == pytest.approx(evaluate.auc(known.label, known.best[:, 1]))
    assert "bayes" not in found["us"] and "bayes" not in found["fused"]


@pytest.mark.parametrize("lone", [0, 1, 29, 30])
def test_of_a_part_with_too_few_of_a_class_the_counts_alone_are_told(bundle, samples, lone):
    heads = {**bundle.spec.temperature, "us_only": 4.0}
    points = {**bundle.spec.operating_point, "us_only": 0.4}
    spec = replace(bundle.spec, us_scope=Scope(), temperature=heads, operating_point=points)
    without = np.arange(len(samples)) < lone
    mixed = replace(samples, channels=samples.channels & ~without[:, None])
    found = measure.measure_all(replace(bundle, spec=spec), mixed)
    assert found["n"] == 30 - lone and ("auc" in found) == (lone < 15)
    assert ("us_only" in found) == (lone > 0) and ("auc" in found.get("us_only", {})) == (lone > 15)
    if lone == 1:
        assert found["us_only"] == {"n": 1, "malignant": 0}
        assert "us_only\n  n                        1\n" in measure.as_table(found)


def test_lesions_of_one_class_are_refused_before_anything_is_computed(bundle, samples, monkeypatch):
    monkeypatch.delattr("model_training.measure.predict_together")
    monkeypatch.delattr("model_training.measure.predict_mean")
    benign = samples.take(np.flatnonzero(~samples.label))
    one = samples.take(np.array([0, 2, 4, 5]))
    told = r"of 15 lesions 0 are malignant: figures need 2 malignant and 2 benign ones"
    for few, words in ((benign, told), (one, "of 4 lesions 1 are malignant")):
        with pytest.raises(CohortError, match=words):
            measure.measure_all(bundle, few)
        with pytest.raises(CohortError, match=words):
            measure.measure_stills(bundle, few, {})


def test_the_fused_head_is_also_measured_without_a_modality(bundle, samples):
    size_px = bundle.spec.input.size_px
    found = measure.measure_pairs(bundle, samples)["auc"]
    no_mri = replace(samples, channels=np.zeros_like(samples.channels))
    alone = evaluate.margin(predict(bundle.network, no_mri, size_px)["fused"])
    assert found["us_alone"]["value"] == pytest.approx(evaluate.auc(samples.label, alone))
    logits = predict(bundle.network, samples, size_px, whole=True)
    assert not np.allclose(logits["mri_alone"], logits["fused"])


def test_lesions_in_two_views_are_measured_as_the_application_answers_them(bundle, samples):
    twice = np.arange(len(samples)) < 20
    mixed = replace(samples, about=samples.about.assign(views=1 + twice))
    temperature = {**bundle.spec.temperature, "us_two_views": 1.0, "fused_two_views": 5.0}
    points = {**bundle.spec.operating_point, "us_two_views": 0.5, "fused_two_views": 0.52}
    spec = replace(bundle.spec, temperature=temperature, operating_point=points)
    found = measure.measure_pairs(replace(bundle, spec=spec), mixed)
    first, second = (
        predict(bundle.network, replace(samples, us=us), bundle.spec.input.size_px)
        for us in (samples.us, samples.us[:, ::-1])
    )
    read = {head: np.where(twice[:, None], (first[head] + second[head]) / 2, first[head]) for head in first}
    for head in ("us", "fused"):
        odds = evaluate.margin(read[head])
        assert found["auc"][head]["value"] == pytest.approx(evaluate.auc(samples.label, odds))
        alone = evaluate.auc(samples.label, evaluate.margin(first[head]))
        assert found["auc"][f"{head}_one_view"]["value"] == pytest.approx(alone)
        assert found["auc"][head]["value"] != found["auc"][f"{head}_one_view"]["value"]
    odds = evaluate.margin(read["fused"]) / np.where(twice, 5.0, 2.0)
    called = 1 / (1 + np.exp(-odds)) >= np.where(twice, 0.52, 0.5)
    assert found["accuracy"]["value"] == pytest.approx((called == samples.label).mean())
    assert found["in_two_views"] == 20


def test_a_bundle_that_was_measured_in_one_view_is_so_again(bundle, samples):
    mixed = replace(samples, about=samples.about.assign(views=2))
    found = measure.measure_pairs(bundle, mixed)
    assert found["in_two_views"] == 0 and "us_one_view" not in found["auc"]
    assert found["auc"]["us"] == measure.measure_pairs(bundle, samples)["auc"]["us"]


def test_a_bundle_of_native_mri_is_measured_on_that(bundle, samples):
    inputs = replace(bundle.spec.input, mri_input="native")
    found = measure.measure_pairs(replace(bundle, spec=replace(bundle.spec, input=inputs)), samples, samples)
    logits = predict(bundle.network, samples, inputs.size_px, mri="native")
    rated = {arm: evaluate.auc(samples.label, evaluate.margin(logits[arm])) for arm in measure.ARMS}
    assert [found["auc"][arm]["value"] for arm in rated] == pytest.approx(list(rated.values()))
    gain = rated["fused"] - max(rated["us"], rated["mri"])
    assert found["null_gain"]["value"] == pytest.approx(gain)
    assert found["auc"]["mri"] != measure.measure_pairs(bundle, samples)["auc"]["mri"]


def test_a_bundle_that_checks_registrations_is_measured_at_that(bundle, samples):
    checking = replace(
        bundle,
        networks=(copy.deepcopy(bundle.network),),
        spec=replace(bundle.spec, operating_point={**bundle.spec.operating_point, "registration": 0.0}),
    )
    checking.network.agreement = Agreement().eval()
    found = measure.measure_pairs(checking, samples)
    assert found["misregistered_flagged"]["value"] == found["false_flags"]["value"] == 1.0
    assert found["flagged_10_mm"]["n"] == 30
    lone = replace(samples, channels=np.zeros_like(samples.channels))
    assert "misregistered_flagged" not in measure.measure_pairs(checking, lone)
    assert "misregistered_flagged" not in measure.measure_pairs(bundle, samples)


def test_a_bundle_that_checks_likeness_is_measured_at_that(bundle, samples):
    network = replace(bundle.spec.network, checks_likeness=("us",))
    point = {**bundle.spec.operating_point, "us_unlike": 0.0}
    spec = replace(bundle.spec, network=network, operating_point=point)
    net = copy.deepcopy(bundle.network)
    net.likeness = FusionNetwork(network).likeness
    found = measure.measure_pairs(replace(bundle, networks=(net,), spec=spec), samples)
    assert (found["us_unlike"]["value"], found["us_unlike"]["n"]) == (1.0, 30)
    assert "mri_unlike" not in found and "us_unlike" not in measure.measure_pairs(bundle, samples)


def test_what_has_no_bound_is_null_in_json_and_words_in_the_table(bundle, samples):
    told = evaluate.margin(predict(bundle.network, samples, bundle.spec.input.size_px)["fused"])
    parted = replace(samples, about=samples.about.assign(malignant=told > np.median(told)))
    found = measure.measure_pairs(bundle, parted)
    assert found["slope"]["value"] == np.inf
    read = json.loads(measure.as_json(found), parse_constant=pytest.fail)
    assert read["slope"] == {"value": None, "low": None, "high": None, "n": 30}
    assert read["brier"] == found["brier"]
    assert "slope                    no bound, as malignant and benign do not overlap, n = 30" in (
        measure.as_table(found)
    )
    half = {"slope": {"value": 2.0, "low": 0.5, "high": np.inf, "n": 30}}
    assert measure.as_table(half) == "slope                    2.000 (0.500–∞), n = 30"


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
    heat = [attention.attention(bundle.networks, samples.us[k : k + 1, 0]) for k in range(len(samples))]
    left = np.mean([h[:, : size // 2].sum() / h.sum() for h in heat if h.sum() > 0])
    assert found["attention"]["left"]["value"] == pytest.approx(left)
    assert found["n"] == 30 and found["auc"]["n"] == 30


def test_of_what_there_is_none_the_table_says_so():
    assert measure.as_table({"on": "review records", "skipped": {}}).splitlines() == [
        "on                       review records",
        "skipped                  none",
    ]


def test_where_no_picture_has_a_heatmap_attention_is_counted_and_nothing_more(samples):
    odds = np.where(samples.label, 1.0, -1.0)
    found = measure.stills_figures(samples, odds, odds > 0, {"lesion": np.full(len(samples), np.nan)})
    assert found["attention"] == {"lesion": {"n": 0}} and found["auc"]["value"] == 1.0
