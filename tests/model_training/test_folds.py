"""Runs of folds: each knows what it was trained on and is tested on what it never saw; together they are an
ensemble."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import logit
from typer.testing import CliRunner

from breastview.fusion.bundle import load_bundle
from breastview.fusion.predict import read
from breastview.fusion.preprocess import Crop, ModelInput
from breastview.fusion.reading import Eligibility
from breastview.fusion.spec import read_spec
from breastview.registration.plane import PlaneGrid
from model_training import evaluate, run_folder
from model_training.__main__ import app
from model_training.cohort.samples import load_cohort
from model_training.predict import predict
from model_training.splits import load_fold
from tests.model_training.cohorts import SIDE_PX, write_cohort


@pytest.fixture(scope="module")
def second_fold(tmp_path_factory):
    """A cohort, and a run that was trained on the second of two folds of it."""
    folder = tmp_path_factory.mktemp("folds")
    (folder / "own.toml").write_text(f"stages = [[{SIDE_PX}, 1]]\nbatch = 8\nthreads = 1\n")
    cohort, run = write_cohort(folder / "cohort"), folder / "run"
    told = invoke("train", cohort, run, "--trunk", "cnn", "--fold", "2/2", "--recipe", folder / "own.toml")
    assert told.exit_code == 0, told.output
    return cohort, run


def invoke(*command):
    return CliRunner().invoke(app, [str(word) for word in command])


def test_a_run_keeps_which_cases_it_was_trained_on_and_its_bundle_says_so(second_fold, tmp_path):
    cohort, run = second_fold
    told = invoke("export", cohort, run, tmp_path, "--fold", "2/2")
    assert told.exit_code == 0, told.output
    trained, chosen = load_fold(cohort, 2, 2)
    cases = run_folder.Cases("fold 2/2", trained.sha256, chosen.sha256)
    assert run_folder.read_settings(run).cases == cases
    spec = read_spec(tmp_path)
    assert spec.training["split"] == "fold 2/2" and "--fold 2/2" in spec.training["command"]
    assert spec.metrics["fused"]["auc"].n == len(load_fold(cohort, 2, 2, ["test"])[0])


@pytest.mark.parametrize(("fold", "asked"), [("1/2", "fold 1/2"), ("", "the cohort's own parts")])
def test_another_split_than_was_trained_is_no_test(second_fold, tmp_path, fold, asked):
    cohort, run = second_fold
    told = invoke("export", cohort, run, tmp_path, *(["--fold", fold] if fold else []))
    assert told.exit_code == 1 and not list(tmp_path.iterdir())
    assert told.output.startswith(f"{run} was trained on fold 2/2, not on {asked}: test cases would be")


def test_a_cohort_that_was_cut_anew_is_no_test(second_fold, tmp_path):
    _, run = second_fold
    other = write_cohort(tmp_path / "cohort", shift=0.4)
    told = invoke("export", other, run, tmp_path / "bundle", "--fold", "2/2")
    assert told.exit_code == 1 and not (tmp_path / "bundle").exists()
    assert "was trained on other cases than fold 2/2 of this cohort" in told.output


@pytest.fixture(scope="module")
def both_folds(second_fold):
    """A cohort, and the runs that were trained on both folds of it."""
    cohort, run = second_fold
    recipe, first = run.with_name("own.toml"), run.with_name("first")
    told = invoke("train", cohort, first, "--trunk", "cnn", "--fold", "1/2", "--recipe", recipe)
    assert told.exit_code == 0, told.output
    return cohort, first, run


def test_the_runs_of_all_folds_make_an_ensemble_that_answers_by_the_mean(both_folds, tmp_path):
    cohort, *runs = both_folds
    told = invoke("export", cohort, *runs, tmp_path)
    assert told.exit_code == 0, told.output
    opened = load_bundle(tmp_path, "cpu")
    assert opened.spec.members == len(opened.networks) == 2
    unclipped = replace(opened.spec, cam_scale={"us": 10.0, "mri": 10.0})
    opened = replace(opened, spec=unclipped)
    test = load_cohort(cohort, "test")
    images = test.us[3, 0].astype(np.float32), test.mri[3, 0].astype(np.float32)
    place = Crop(0, 0, 64, 64), PlaneGrid(0, 0, 0.5, SIDE_PX, SIDE_PX)
    given = ModelInput("L1", *images, np.ones(4, bool), *place)
    apart = [read(replace(opened, networks=(net,)), given, Eligibility(True)) for net in opened.networks]
    together = read(opened, given, Eligibility(True))
    for name in ("probability", "probability_us", "probability_mri"):
        odds = [logit(getattr(one, name)) for one in apart]
        assert odds[0] != pytest.approx(odds[1])
        assert logit(getattr(together, name)) == pytest.approx(np.mean(odds), abs=1e-4)
    assert together.weight_us == pytest.approx(np.mean([one.weight_us for one in apart]))
    for k, heatmap in enumerate(together.heatmaps):
        assert heatmap.values == pytest.approx(np.mean([one.heatmaps[k].values for one in apart], axis=0))


def test_an_ensemble_is_calibrated_and_measured_out_of_fold(both_folds, tmp_path):
    cohort, *runs = both_folds
    assert invoke("export", cohort, *runs, tmp_path).exit_code == 0
    opened = load_bundle(tmp_path, "cpu")
    parts = [load_fold(cohort, number, 2, ["test"])[0] for number in (1, 2)]
    own = [predict(*pair, SIDE_PX)["fused"] for pair in zip(opened.networks, parts, strict=True)]
    logits, label = np.concatenate(own), np.concatenate([part.label for part in parts])
    spec = opened.spec
    assert spec.metrics["fused"]["auc"].n == 36 == len(label)
    assert spec.metrics["fused"]["auc"].value == pytest.approx(evaluate.auc(label, evaluate.margin(logits)))
    posterior = np.concatenate([part.posterior[:, -1] for part in parts])
    assert spec.temperature["fused"] == pytest.approx(evaluate.fit_temperature(posterior, logits), rel=1e-3)
    learned = [load_fold(cohort, number, 2, ["train"])[0].label for number in (1, 2)]
    counted = ", ".join(f"{len(one)} lesions ({one.sum()} malignant)" for one in learned)
    assert spec.training["training_data"] == f"noise: {counted}"
    assert spec.training["split"] == "fold 1/2, fold 2/2" and len(spec.training["members"]) == 2
    card = (tmp_path / "CARD.md").read_text(encoding="utf-8")
    assert "An ensemble of 2 networks" in card and "The ensemble itself was not measured" in card


def test_folds_that_are_no_whole_division_are_refused(both_folds, tmp_path):
    cohort, first, second = both_folds
    twice = invoke("export", cohort, first, shutil.copytree(first, tmp_path / "copy"), tmp_path / "bundle")
    assert twice.exit_code == 1 and "no run was trained on fold 2/2" in twice.output
    one_of_three = shutil.copytree(second, tmp_path / "third")
    kept = json.loads((one_of_three / run_folder.SETTINGS).read_text())
    kept["cases"]["split"] = "fold 3/3"
    (one_of_three / run_folder.SETTINGS).write_text(json.dumps(kept))
    missing = invoke("export", cohort, first, one_of_three, tmp_path / "bundle")
    assert (
        missing.exit_code == 1 and "was trained on fold 3/3: 2 runs make an ensemble of 2" in missing.output
    )
    assert not (tmp_path / "bundle").exists()


def test_folds_of_another_cohort_are_refused(both_folds, tmp_path):
    other = write_cohort(tmp_path / "cohort", shift=0.4)
    told = invoke("export", other, *both_folds[1:], tmp_path / "bundle")
    assert told.exit_code == 1 and "was trained on other cases than fold 1/2 of this cohort" in told.output


def test_a_run_that_does_not_say_its_cases_is_refused(second_fold, tmp_path):
    cohort, run = second_fold
    kept = json.loads((run / run_folder.SETTINGS).read_text())
    del kept["cases"]
    (tmp_path / run_folder.SETTINGS).write_text(json.dumps(kept))
    told = invoke("export", cohort, tmp_path, tmp_path / "bundle", "--fold", "2/2")
    assert told.exit_code == 1 and "does not say which cases it was trained on" in told.output


@pytest.mark.parametrize("text", ["{", '{"cases": {}}', '{"cases": {"odd": 1}, "recipe": {}, "network": {}}'])
def test_settings_that_are_damaged_are_told_of(tmp_path, text):
    (tmp_path / run_folder.SETTINGS).write_text(text)
    with pytest.raises(run_folder.RunError, match=r"recipe.json is damaged: train into another folder"):
        run_folder.read_settings(tmp_path)
