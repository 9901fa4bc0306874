"""A network of US alone goes into a bundle: it answers without MRI, and all else stays as it was."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
import torchvision
from typer.testing import CliRunner

from breastview.fusion.bundle import load_bundle
from breastview.fusion.spec import InputSpec, NetworkSpec, read_spec
from model_training import evaluate
from model_training.__main__ import app
from model_training.cohort.samples import load_cohort
from model_training.export import Member, export_bundle
from model_training.graft import graft
from model_training.initial import initial
from model_training.predict import predict
from model_training.recipe import Recipe
from model_training.run_folder import LOG, RunError, load_average, read_settings
from model_training.train import train
from tests.model_training.cohorts import SIDE_PX, write_cohort

PARTS = ("train", "validation", "test")
NETWORK = NetworkSpec("cnn", own_us_only=True, own_us_only_head=True)
ALONE = NetworkSpec("cnn", modalities=("us",))
RECIPE = Recipe(stages=((SIDE_PX, 1),), batch=8, threads=1, ema=0.5)


def without_mri(samples):
    return replace(samples, channels=np.zeros_like(samples.channels))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    cohort = write_cohort(folder / "cohort", cases=60)
    training, validation, test = (load_cohort(cohort, part) for part in PARTS)
    train(training, validation, folder / "run", NETWORK, RECIPE)
    spec = export_bundle(
        [Member(folder / "run", validation, test)], folder / "bundle", "Ward", {"seed": 7}, InputSpec()
    )
    return folder / "bundle", spec, test


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    cohort = write_cohort(folder / "cohort", cases=60, shift=0.3)
    parts = tuple(without_mri(load_cohort(cohort, part)) for part in PARTS)
    train(*parts[:2], folder / "run", ALONE, replace(RECIPE, seed=9))
    return folder / "run", *parts[1:]


@pytest.fixture(scope="module")
def grafted(pairs, alone, tmp_path_factory):
    folder = tmp_path_factory.mktemp("grafted")
    return folder, graft(pairs[0], *alone, folder, {"commit": "abc"})


def test_us_without_mri_is_answered_by_the_network_of_its_own(grafted, alone):
    _, validation, test = alone
    folder, spec = grafted
    net = load_bundle(folder, "cpu").network
    picture = torch.from_numpy(test.us[:, 0].astype(np.float32))
    with torch.no_grad():
        direct = net.head({"us_only": net.trunk("us_only", picture)})["us"].numpy()
    logits = predict(net, test, SIDE_PX)["us"]
    assert logits == pytest.approx(direct, abs=1e-5)
    assert spec.metrics["us_only"]["auc"].value == pytest.approx(
        evaluate.auc(test.label, evaluate.margin(logits)), abs=1e-4
    )
    told = predict(net, validation, SIDE_PX)["us"]
    assert spec.temperature["us_only"] == pytest.approx(
        evaluate.fit_temperature(validation.posterior[:, 0], told), rel=1e-3
    )
    assert spec.us_scope.modalities == ("us",) and spec.us_scope.research_only
    assert spec.network.us_only_trunk == "cnn" and "us_only_unlike" in spec.operating_point


def test_with_mri_the_bundle_says_what_it_said(grafted, pairs):
    bundle, before, test = pairs
    folder, spec = grafted
    old, new = (predict(load_bundle(place, "cpu").network, test, SIDE_PX) for place in (bundle, folder))
    for head in ("us", "mri", "fused"):
        assert new[head] == pytest.approx(old[head], abs=1e-5)
        assert spec.metrics[head] == before.metrics[head]
        assert spec.temperature[head] == before.temperature[head]
    assert spec.scope == before.scope
    assert {"us", "mri", "us_only"} == set(spec.metrics["unlike"])


def test_new_heads_on_imagenets_weights_that_are_told_places_go_into_it_too(pairs, tmp_path):
    weights, recipe, run = (tmp_path / name for name in ("resnet50.pth", "heads.toml", "run"))
    torch.manual_seed(1)
    torch.save(torchvision.models.resnet50(weights=None).state_dict(), weights)
    recipe.write_text(f'stages = [[{SIDE_PX}, 1]]\nstrategy = "heads"\npenalty = 0.3\nthreads = 1\n')
    cohort = write_cohort(tmp_path / "cohort", cases=60, shift=0.3)
    asked = ["refit", str(cohort), str(run), "--imagenet", str(weights), "--recipe", str(recipe)]
    told = CliRunner().invoke(app, [*asked, "--trunk", "resnet50_places"])
    assert told.exit_code == 0, told.output
    asked = ["graft", str(cohort), str(run), str(tmp_path / "bundle"), "--start", str(pairs[0])]
    told = CliRunner().invoke(app, asked)
    assert told.exit_code == 0, told.output
    bundle, test = load_bundle(tmp_path / "bundle", "cpu"), without_mri(load_cohort(cohort, "test"))
    assert bundle.spec.network.us_only_trunk == "resnet50_places"
    alone = load_average(run, read_settings(run).network)
    kept, exact = (evaluate.margin(predict(net, test, SIDE_PX)["us"]) for net in (bundle.network, alone))
    assert np.corrcoef(kept, exact)[0, 1] > 0.98 and np.ptp(exact) > 0.5  # int8
    made = bundle.spec.training["us_only"]
    assert "--trunk resnet50_places --modalities us --imagenet FILE" in made["command"]
    assert made["started_from"] == "ImageNet (resnet50.pth)"


def test_heads_are_fitted_anew_or_made_new_and_not_both(tmp_path):
    for options in ([], ["--start", "b", "--imagenet", "w"], ["--imagenet", "w"]):
        told = CliRunner().invoke(app, ["refit", str(tmp_path), str(tmp_path / "r"), *options])
        assert told.exit_code == 2 and "give --start, or --imagenet with --trunk" in told.output


def test_the_card_says_how_both_networks_were_made(grafted):
    folder, _ = grafted
    card = (folder / "CARD.md").read_text(encoding="utf-8")
    assert "a cnn of its own for ultrasound without MRI" in card
    made, alone = card.split("## How its network of ultrasound alone was made")
    assert "- seed: 7" in made and "- commit: abc" in alone and "- started_from: random weights" in alone


@pytest.mark.parametrize(
    ("network", "recipe", "told"),
    [
        (NETWORK, RECIPE, "trained us and mri: train it with --modalities us"),
        (replace(ALONE, dilated=False), RECIPE, "last stage is dilated otherwise"),
        (ALONE, RECIPE, "validation part holds fewer than 10"),
    ],
)
def test_a_network_that_does_not_fit_is_refused(pairs, tmp_path, network, recipe, told):
    cohort = write_cohort(tmp_path / "cohort", cases=12)
    training, validation, test = (load_cohort(cohort, part) for part in PARTS)
    train(training, validation, tmp_path / "run", network, recipe)
    with pytest.raises(RunError, match=told):
        graft(pairs[0], tmp_path / "run", validation, test, tmp_path / "new", {})
    assert not (tmp_path / "new").exists()


def test_a_run_that_stopped_before_its_last_epoch_is_refused(pairs, alone, tmp_path):
    run, validation, test = alone
    stopped = shutil.copytree(run, tmp_path / "run")
    (stopped / LOG).unlink()
    with pytest.raises(RunError, match="stopped after epoch 0 of 1: give train again"):
        graft(pairs[0], stopped, validation, test, tmp_path / "new", {})


@pytest.mark.parametrize("box_shaped", [False, True])
def test_a_network_that_sees_other_crops_keeps_its_own(pairs, tmp_path, box_shaped):
    cohort = write_cohort(tmp_path / "cohort", cases=60, shift=0.3)
    parts = [without_mri(load_cohort(cohort, part)) for part in PARTS]
    shaped = [replace(part, about=part.about.assign(box_shaped=box_shaped)) for part in parts]
    train(*shaped[:2], tmp_path / "run", ALONE, replace(RECIPE, stages=((8, 1),)))
    spec = graft(pairs[0], tmp_path / "run", *shaped[1:], tmp_path / "new", {})
    assert spec.us_only_input == replace(spec.input, size_px=8, box_shaped=box_shaped)
    assert read_spec(tmp_path / "new").us_only_input == spec.us_only_input
    logits = predict(load_bundle(tmp_path / "new", "cpu").network, parts[2], 8)["us"]
    assert spec.metrics["us_only"]["auc"].value == pytest.approx(
        evaluate.auc(parts[2].label, evaluate.margin(logits)), abs=1e-4
    )
    shape = "of the box's proportions" if box_shaped else "square"
    assert f"that sees 8² px, crops {shape}," in (tmp_path / "new" / "CARD.md").read_text(encoding="utf-8")
    again = graft(tmp_path / "new", pairs_alone(tmp_path), *parts[1:], tmp_path / "other", {})
    assert again.us_only_input is None


def pairs_alone(folder):
    """A run of US alone that sees what the bundle sees."""
    parts = [without_mri(load_cohort(folder / "cohort", part)) for part in PARTS]
    train(*parts[:2], folder / "same", ALONE, RECIPE)
    return folder / "same"


def test_lesions_with_mri_are_asked_about_their_us(pairs, alone, tmp_path):
    run, validation, test = alone
    bundle = pairs[0]
    with_mri = [replace(part, channels=np.ones_like(part.channels)) for part in (validation, test)]
    hidden = graft(bundle, run, validation, test, tmp_path / "hidden", {})
    shown = graft(bundle, run, *with_mri, tmp_path / "shown", {})
    assert hidden.metrics["us_only"] == shown.metrics["us_only"] != shown.metrics["us"]


def test_nothing_of_a_network_that_was_there_before_stays(grafted, alone, tmp_path):
    run, validation, test = alone
    few = validation.take(np.arange(40))  # too few to know what crops look like
    spec = graft(grafted[0], run, few, test, tmp_path, {})
    assert "us_only" not in spec.network.checks_likeness and "us_only" not in spec.metrics["unlike"]
    assert "us_only_unlike" not in spec.operating_point and "us_unlike" in spec.operating_point


def test_a_grafted_bundle_starts_a_network_of_us(grafted):
    started, _ = initial(ALONE, start=grafted[0])
    held = load_bundle(grafted[0], "cpu").network.state_dict()
    assert torch.equal(started.state_dict()["trunks.us.4.weight"], held["trunks.us.4.weight"])


def test_the_command_line_grafts(pairs, tmp_path):
    cohort, run, new = str(write_cohort(tmp_path / "c", 40)), str(tmp_path / "r"), tmp_path / "b"
    recipe = tmp_path / "own.toml"
    recipe.write_text(f"stages = [[{SIDE_PX}, 1]]\nbatch = 4\nthreads = 1\n")
    for command in (
        ["train", cohort, run, "--trunk", "cnn", "--modalities", "us", "--recipe", str(recipe)],
        ["graft", cohort, run, str(new), "--start", str(pairs[0]), "--commit", "abc"],
    ):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.output
    told = load_bundle(new, "cpu").spec.training["us_only"]
    assert told["commit"] == "abc" and "graft C R B --start BUNDLE" in told["command"]
