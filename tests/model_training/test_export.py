"""From a run to a bundle: what the card says is what the application computes with the kept weights."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import expit
from typer.testing import CliRunner

from breastview.fusion.bundle import load_bundle, pack_weights
from breastview.fusion.network import mri_tensor
from breastview.fusion.predict import read
from breastview.fusion.preprocess import Crop, ModelInput
from breastview.fusion.reading import Eligibility
from breastview.fusion.spec import InputSpec, NetworkSpec, read_spec
from breastview.registration.plane import PlaneGrid
from model_training import evaluate, run_folder
from model_training.__main__ import app
from model_training.card import HEADS
from model_training.cohort.samples import BEST, load_cohort
from model_training.export import DEMONSTRATION, Member, export_bundle, load_average
from model_training.likeness import unlike_metrics
from model_training.predict import predict
from model_training.recipe import Recipe
from model_training.splits import OWN_PARTS, load_parts
from model_training.train import train
from tests.model_training.cohorts import SIDE_PX, write_cohort

NETWORK = NetworkSpec(trunk="cnn")
INPUTS = InputSpec(size_px=SIDE_PX)
RECIPE = Recipe(stages=((SIDE_PX, 2),), batch=8, threads=1, ema=0.5)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    cohort = write_cohort(folder / "cohort", cases=40, shift=0.2)
    training, *held_out = load_parts(cohort, ("train", "validation", "test"))
    run = folder / "run"
    train(training, held_out[0], run, NETWORK, RECIPE)
    spec = export_bundle([Member(run, *held_out)], folder / "bundle", DEMONSTRATION, {"seed": 7}, InputSpec())
    return folder, spec


@pytest.fixture(scope="module")
def measured(exported):
    """The test part and its logits by the bundle as the application loads it."""
    folder, _ = exported
    test, net = load_cohort(folder / "cohort", "test"), load_bundle(folder / "bundle", "cpu").network
    us, mri = (torch.from_numpy(x[:, 0].astype(np.float32)) for x in (test.us, test.mri))
    with torch.no_grad():
        logits = net(us, mri_tensor(mri, torch.ones(mri.shape[:2], dtype=torch.bool)))
    return test, {name: x.numpy() for name, x in logits.items()}


@pytest.mark.parametrize("head", HEADS)
def test_figures_are_those_of_the_kept_weights_on_the_test_part(exported, measured, head):
    _, spec = exported
    test, logits = measured
    again = evaluate.metrics(test.label, logits[head], spec.temperature[head], spec.operating_point[head])
    assert set(spec.metrics[head]) == {"auc", "accuracy", "sensitivity", "specificity", "ece"}
    for name, metric in spec.metrics[head].items():
        ours, theirs = again[name], metric
        assert (ours.value, ours.low, ours.high) == pytest.approx(
            (theirs.value, theirs.low, theirs.high), abs=1e-4
        )
        assert ours.n == theirs.n
    assert spec.metrics[head]["auc"].n == 40


def test_the_bundle_holds_the_averaged_network_in_int8(exported):
    folder, _ = exported
    kept = pack_weights(load_average(folder / "run", NETWORK))
    loaded = load_bundle(folder / "bundle", "cpu").network.state_dict()
    kernel, scale = kept["trunks.us.4.weight"], kept["trunks.us.4.weight.scale"]
    assert torch.allclose(loaded["trunks.us.4.weight"], kernel.float() * scale[:, None, None, None])


def test_temperature_and_operating_point_were_chosen_on_validation_cases(exported):
    folder, spec = exported
    validation = load_cohort(folder / "cohort", "validation")
    net = load_bundle(folder / "bundle", "cpu").network
    us, mri = (torch.from_numpy(x[:, 0].astype(np.float32)) for x in (validation.us, validation.mri))
    with torch.no_grad():
        logits = net(us, mri_tensor(mri, torch.ones(mri.shape[:2], dtype=torch.bool)))["fused"].numpy()
    assert spec.temperature["fused"] == pytest.approx(
        evaluate.fit_temperature(validation.posterior[:, -1], logits), rel=1e-3
    )
    probability = expit(evaluate.margin(logits) / spec.temperature["fused"])
    assert spec.operating_point["fused"] == pytest.approx(
        evaluate.youden_point(validation.label, probability), abs=1e-4
    )


def test_the_application_reads_a_case_with_the_calibration_of_the_card(exported, measured):
    folder, spec = exported
    test, logits = measured
    given = ModelInput(
        "L1",
        test.us[3, 0].astype(np.float32),
        test.mri[3, 0].astype(np.float32),
        np.ones(4, bool),
        Crop(0, 0, 64, 64),
        PlaneGrid(0, 0, 0.5, SIDE_PX, SIDE_PX),
    )
    reading = read(load_bundle(folder / "bundle", "cpu"), given, Eligibility(True))
    odds = evaluate.margin(logits["fused"])[3] / spec.temperature["fused"]
    assert reading.probability == pytest.approx(expit(odds), abs=1e-5)
    assert all(0 <= heatmap.values.max() <= 1 for heatmap in reading.heatmaps)


def test_the_spec_says_what_it_is_and_how_it_was_made(exported):
    folder, spec = exported
    assert read_spec(folder / "bundle") == replace(spec, training=read_spec(folder / "bundle").training)
    assert (spec.demonstration, spec.scope.simulated_only) == (True, True)
    assert (spec.network, spec.input) == (NETWORK, INPUTS)
    assert (spec.training["seed"], spec.training["epochs"]) == (7, 2)
    assert spec.training["recipe"]["stages"] == ((SIDE_PX, 2),) and spec.training["recipe"]["ema"] == 0.5
    lines = run_folder.log_lines(folder / "run")
    assert spec.training["epoch_chosen"] == [line["epoch"] for line in lines if line["chosen"]][-1]
    assert set(spec.training["best_possible_auc"]) == set(HEADS)
    assert set(spec.cam_scale) == {"us", "mri"} and min(spec.cam_scale.values()) > 0


def test_the_card_says_that_nothing_clinical_was_shown(exported):
    folder, spec = exported
    card = (folder / "bundle" / "CARD.md").read_text(encoding="utf-8")
    assert "DEMONSTRATION" in card and "software verification, not clinical evidence" in card
    auc = spec.metrics["fused"]["auc"]
    assert f"| fused | {auc.value:.3f} ({auc.low:.3f}–{auc.high:.3f}) |" in card
    assert "cnn, convolutions shared" in card and "- seed: 7" in card


def test_a_network_of_one_modality_is_no_bundle(exported, tmp_path):
    test = load_cohort(exported[0] / "cohort", "test")
    network = NetworkSpec(trunk="cnn", modalities=("us",))
    cases = run_folder.Cases.of(OWN_PARTS, test, test)
    run_folder.begin(tmp_path, run_folder.Settings(network, RECIPE, "random weights", cases))
    with pytest.raises(run_folder.RunError, match="trained us only"):
        export_bundle([Member(tmp_path, test, test)], tmp_path / "bundle", DEMONSTRATION, {}, InputSpec())


def test_a_run_that_stopped_before_its_last_epoch_is_no_bundle(exported, tmp_path):
    folder, _ = exported
    run = shutil.copytree(folder / "run", tmp_path / "run")
    first, _ = (run / run_folder.LOG).read_text().splitlines()
    (run / run_folder.LOG).write_text(first + "\n")
    command = ["export", str(folder / "cohort"), str(run), str(tmp_path / "bundle")]
    result = CliRunner().invoke(app, command)
    assert (result.exit_code, (tmp_path / "bundle").exists()) == (1, False)
    assert result.output == f"{run} stopped after epoch 1 of 2: give train again, and let it end\n"
    (run / run_folder.LOG).unlink()
    assert "stopped after epoch 0 of 2" in CliRunner().invoke(app, command).output


def test_a_wards_own_bundle_is_bounded_by_its_cases_and_measured_over_patients(exported):
    folder, _ = exported
    validation, test = (load_cohort(folder / "cohort", part) for part in ("validation", "test"))
    about = test.about.assign(
        patient=[f"patient-{k // 4}" for k in range(len(test))],
        source="records",
        age_y=range(31, 71),
        scanner="GE",
    ).drop(columns=list(BEST))
    channels = test.channels.copy()
    channels[:4] = False
    test = replace(test, about=about, channels=channels)
    spec = export_bundle([Member(folder / "run", validation, test)], folder / "own", "Ward", {}, InputSpec())
    assert read_spec(folder / "own").scope == spec.scope
    assert (spec.demonstration, spec.scope.simulated_only, spec.scope.research_only) == (False, False, True)
    assert (spec.scope.min_age_y, spec.scope.max_age_y, spec.scope.scanners) == (31, 70, ("GE",))
    assert (spec.metrics["us"]["auc"].n, spec.metrics["mri"]["auc"].n) == (40, 36)
    kept = predict(load_bundle(folder / "own", "cpu").network, test, SIDE_PX)["us"]
    again = evaluate.metrics_over_patients(
        test.label, kept, spec.temperature["us"], spec.operating_point["us"], test.patient
    )
    auc = spec.metrics["us"]["auc"]
    assert (auc.low, auc.high) == pytest.approx((again["auc"].low, again["auc"].high), abs=1e-4)
    assert auc.high - auc.low != pytest.approx(
        np.ptp([*vars(evaluate.auc_delong(test.label, evaluate.margin(kept))).values()][1:3]), abs=1e-4
    )
    assert (folder / "own" / "CARD.pdf").read_bytes().startswith(b"%PDF")
    assert "best possible" not in (folder / "own" / "CARD.md").read_text(encoding="utf-8")


def test_lesions_without_mri_make_a_scope_of_ultrasound_alone(exported, tmp_path):
    folder, whole = exported
    parts = []
    for part in ("validation", "test"):
        samples = load_cohort(folder / "cohort", part)
        lone = np.arange(len(samples)) < 24
        about = samples.about.assign(source=np.where(lone, "stills", "noise"))
        about.loc[lone, list(BEST)] = np.nan
        parts.append(replace(samples, about=about, channels=samples.channels & ~lone[:, None]))
    spec = export_bundle([Member(folder / "run", *parts)], tmp_path, DEMONSTRATION, {}, InputSpec())
    assert (spec.metrics["us"]["auc"].n, spec.metrics["us_only"]["auc"].n) == (16, 24)
    assert spec.scope.sources == ("noise",) and spec.scope.simulated_only
    assert spec.us_scope.sources == ("stills",) and not spec.us_scope.simulated_only
    assert spec.us_scope.note == "Ultrasound alone: validated on 24 labelled stills (12 malignant)."
    assert read_spec(tmp_path).us_scope == spec.us_scope
    lone = parts[1].take(np.arange(24))
    logits = predict(load_bundle(tmp_path, "cpu").network, lone, SIDE_PX)["us"]
    again = evaluate.metrics(lone.label, logits, spec.temperature["us_only"], spec.operating_point["us_only"])
    assert again["ece"].value == pytest.approx(spec.metrics["us_only"]["ece"].value, abs=1e-4)
    assert "fused" in spec.training["best_possible_auc"] and spec.cam_scale["us_only"] > 0
    few = [part.take(np.arange(15, len(part))) for part in parts]
    assert export_bundle([Member(folder / "run", *few)], tmp_path, "W", {}, InputSpec()).us_scope is None
    assert whole.us_scope is None


def test_lesions_in_two_views_are_calibrated_and_measured_apart_where_enough_have_two(exported, tmp_path):
    folder, _ = exported
    held_out = [load_cohort(folder / "cohort", part) for part in ("validation", "test")]
    validation, test = (replace(one, about=one.about.assign(views=2)) for one in held_out)
    spec = export_bundle([Member(folder / "run", validation, test)], tmp_path, "own", {}, InputSpec())
    net = load_bundle(tmp_path, "cpu").network
    logits = predict(net, test, SIDE_PX, whole=True)["us_two_views"]
    assert spec.reads_two_views
    assert spec.metrics["us_two_views"]["auc"].value == pytest.approx(
        evaluate.auc(test.label, evaluate.margin(logits)), abs=1e-4
    )
    told = predict(net, validation, SIDE_PX, whole=True)["fused_two_views"]
    expected = evaluate.fit_temperature(validation.posterior[:, -1], told)
    assert spec.temperature["fused_two_views"] == pytest.approx(expected, rel=1e-3)
    assert "| fused, two US views |" in (tmp_path / "CARD.md").read_text(encoding="utf-8")
    few = replace(test, about=test.about.assign(views=np.where(np.arange(len(test)) < 8, 2, 1)))
    one = export_bundle([Member(folder / "run", validation, few)], tmp_path / "few", "own", {}, InputSpec())
    assert not one.reads_two_views and "us_two_views" not in one.metrics


def test_us_without_mri_learns_and_answers_by_its_own_trunk_where_it_has_one(tmp_path):
    network = NetworkSpec("cnn", own_us_only=True, own_us_only_head=True)
    recipe = Recipe(stages=((SIDE_PX, 2),), batch=6, threads=1)
    parts = []
    for part in ("train", "validation", "test"):
        samples = load_cohort(write_cohort(tmp_path / "cohort", cases=140), part)
        lone = np.arange(140) < 60
        parts.append(replace(samples, channels=samples.channels & ~lone[:, None]))
    net = train(*parts[:2], tmp_path / "run", network, recipe)
    own, us = (net.trunks[name] for name in ("us_only", "us"))
    assert not torch.equal(own[1].running_mean, us[1].running_mean) and own[4] is us[4]
    spec = export_bundle([Member(tmp_path / "run", *parts[1:])], tmp_path / "own", "Ward", {}, InputSpec())
    opened = load_bundle(tmp_path / "own", "cpu").network
    assert spec.network.checks_likeness == ("us", "mri", "us_only")
    assert {"us_unlike", "us_only_unlike"} <= set(spec.operating_point)
    assert (spec.metrics["unlike"]["us"].n, spec.metrics["unlike"]["us_only"].n) == (80, 60)
    logits = predict(opened, parts[2], SIDE_PX)
    picture = torch.from_numpy(parts[2].us[:60, 0].astype(np.float32))
    with torch.no_grad():
        maps = opened.trunk("us_only", picture)
        direct, other = (opened.head({name: maps})["us"].numpy() for name in ("us_only", "us"))
    assert logits["us"][:60] == pytest.approx(direct, abs=1e-5) and not np.allclose(direct, other)
    assert np.isnan(logits["mri"][:60]).all()
    assert "ultrasound image that has no MRI beside it" in (tmp_path / "own" / "CARD.md").read_text("utf-8")


def test_the_command_line_trains_and_exports_what_is_asked_for(tmp_path, caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    monkeypatch.delattr("model_training.__main__.train_check")  # nothing is registered that it could check
    own = tmp_path / "own.toml"
    network = ["--trunk", "cnn", "--separate", "--fusion", "gate", "--own-us-only"]
    own.write_text('stages = [[8, 1], [16, 1]]\nbatch = 3\nthreads = 1\nmri = "native"\n')
    cohort, run, bundle = str(write_cohort(tmp_path / "c", 4)), str(tmp_path / "r"), tmp_path / "b"
    for command in (
        ["train", cohort, run, *network, "--recipe", str(own)],
        ["export", cohort, run, str(bundle)],
    ):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.output
    spec = read_spec(bundle)
    assert spec.network == NetworkSpec(
        trunk="cnn", shared=False, fusion="gate", own_us_only=True, own_us_only_head=True
    )
    assert (spec.input.size_px, spec.input.mri_input, spec.training["recipe"]["batch"]) == (16, "native", 3)
    assert "train C R --trunk cnn --fusion gate --separate --own-us-only;" in spec.training["command"]
    assert "commit" not in spec.training and "remark" not in spec.training
    assert load_bundle(bundle, "cpu").device_name == "CPU"
    told = [record.getMessage() for record in caplog.records if record.name == "model_training.train"]
    assert "training on cpu in 1 processes, from random weights" in told
    exporting = [record.getMessage() for record in caplog.records if record.name == "model_training.export"]
    assert exporting == [
        "asking about the validation and test lesions, and measuring",
        f"{bundle} is written; CARD.md in it says what it is worth",
    ]
    assert [line["epoch"] for line in run_folder.log_lines(tmp_path / "r")] == [1, 2]


def test_with_enough_validation_cases_the_bundle_doubts_crops_unlike_them(exported, tmp_path):
    cohort = write_cohort(tmp_path / "cohort", cases=60)
    validation, test = (load_cohort(cohort, part) for part in ("validation", "test"))
    spec = export_bundle(
        [Member(exported[0] / "run", validation, test)], tmp_path / "own", "Ward", {}, InputSpec()
    )
    assert spec.network.checks_likeness == ("us", "mri") and exported[1].network.checks_likeness == ()
    opened = load_bundle(tmp_path / "own", "cpu")
    thresholds = {name: spec.operating_point[f"{name}_unlike"] for name in ("us", "mri")}
    kept = unlike_metrics(opened.network, thresholds, test, SIDE_PX)
    assert kept == opened.spec.metrics["unlike"] and kept["us"].n == 60
    assert "Check of the ultrasound image" in (tmp_path / "own" / "CARD.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("train COHORT RUN --recipe papr", "no recipe 'papr'"),
        ("train COHORT RUN --fold 1/5", "6 patients with a malignant lesion are too few for 5 folds"),
        ("train NOWHERE RUN", "no cohort in NOWHERE"),
        ("export COHORT RUN BUNDLE", "RUN holds no run"),
        ("evaluate --bundle BUNDLE --simulate 1", "No model bundle in"),
        ("cohort records NOWHERE NOWHERE OUT", "no review record"),
        ("cohort flow COHORT --criteria NOWHERE/criteria.toml", "NOWHERE/criteria.toml cannot be read"),
    ],
)
def test_a_mistake_on_the_command_line_is_told_in_a_line(tmp_path, monkeypatch, command, told):
    monkeypatch.chdir(tmp_path)
    write_cohort(tmp_path / "COHORT", 4)
    result = CliRunner().invoke(app, command.split())
    assert (result.exit_code, type(result.exception)) == (1, SystemExit)
    assert result.output.startswith(told) and result.output.count("\n") == 1
