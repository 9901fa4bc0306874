"""Cross-validation on stills: every still is answered once, by a network that did not see it."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from typer.testing import CliRunner

from breastview.fusion.bundle import load_bundle
from breastview.fusion.spec import NetworkSpec, read_spec, write_spec
from model_training import crossvalidate, evaluate
from model_training.__main__ import app
from model_training.calibrate import Answered, Head
from model_training.cohort.samples import load_cohort
from model_training.crossvalidate import Training, cross_validate
from model_training.initial import StartError, initial
from model_training.predict import predict
from model_training.recipe import HEADS_ONLY, Recipe, RecipeError
from model_training.refit import refit
from model_training.run_folder import RunError, load_average, log_lines, read_settings
from model_training.splits import CROSS_VALIDATED, SplitError, folds, left_out
from model_training.together import said_unseen

RECIPE = Recipe(stages=((32, 4),), batch=8, ema=0.5, seed=2, threads=1, outline=1.0)
HOW = Training(NetworkSpec("cnn", modalities=("us",)), RECIPE)
FOLDS = 3
METRIC = {"value", "low", "high", "n"}


@pytest.fixture(scope="module")
def stills(tmp_path_factory):
    """Ten stills a class: a dark lesion in brighter noise, malignant ones darker."""
    folder = tmp_path_factory.mktemp("stills")
    rng = np.random.default_rng(0)
    for name, inside in (("benign", 55), ("malignant", 20)):
        (folder / name).mkdir()
        for k in range(10):
            mask = np.zeros((60, 80), np.uint8)
            mask[20:35, 25 + k : 55 + k] = 255
            grey = rng.integers(60, 110, mask.shape).astype(np.uint8)
            grey[mask > 0] = inside
            Image.fromarray(grey).save(folder / name / f"{k}.png")
            Image.fromarray(mask).save(folder / name / f"{k}_mask.png")
    return folder


@pytest.fixture(scope="module")
def made(stills, tmp_path_factory):
    """The folder of a cross-validation, and what was found."""
    folder = tmp_path_factory.mktemp("out")
    return folder, cross_validate(stills, folder, HOW, FOLDS)


def test_what_is_found_has_the_figures_of_stills_and_says_how_it_was_made(made):
    _, found = made
    for name in ("auc", "accuracy", "sensitivity", "specificity", "ece"):
        assert set(found[name]) == METRIC
    assert found["auc"]["n"] == found["n"] == 20 and found["malignant"] == 10
    assert set(found["strayed"]) == {"auc", "accuracy", "sensitivity", "specificity", "ece"}
    assert found["strayed"]["auc"]["n"] == 20 and found["strayed"]["ece"] != found["ece"]
    assert set(found["attention"]) == {"lesion", "text"}
    assert 0 < found["attention"]["lesion"]["value"] < 1 and found["attention"]["text"]["value"] == 0
    assert (found["trunk"], found["folds"], found["networks"]) == ("cnn", 3, 3)
    assert found["started_from"] == "random weights"
    assert found["seeds"] == {"folds": 7, "training": 2}
    assert found["recipe"]["stages"] == ((32, 4),)
    assert found["recipe"]["keep"] == "last"
    assert list(found["each_fold"]) == ["fold 1/3", "fold 2/3", "fold 3/3"]


def test_a_fold_is_answered_by_all_networks_without_it_and_trusted_as_far_as_the_others_tell(made):
    folder, found = made
    samples = load_cohort(folder / "stills")
    parts = {number: split.test for number, split in enumerate(folds(samples.about, FOLDS), 1)}
    said = {}
    for pair in ((1, 2), (1, 3), (2, 3)):
        with np.load(folder / "without-{}-{}".format(*pair) / "said.npz") as kept:
            cases = np.concatenate([parts[number] for number in pair])
            said[pair] = dict(zip(cases.tolist(), kept["logits"], strict=True))
    odds = np.full(len(samples), np.nan)
    called = np.zeros(len(samples), bool)
    for number, own in parts.items():
        known = {
            case: said[pair][case]
            for pair in said
            if number in pair
            for case in parts[sum(pair) - number].tolist()
        }
        head = Head.chosen(
            "us", Answered(samples.take(np.array(list(known))), {"us": np.stack(list(known.values()))})
        )
        logits = np.stack(
            [[said[pair][case] for case in own.tolist()] for pair in said if number in pair]
        ).mean(axis=0)
        odds[own] = evaluate.margin(logits) / head.temperature
        called[own] = evaluate.calibrated(logits, head.temperature) >= head.point
    assert found["auc"]["value"] == pytest.approx(evaluate.auc(samples.label, odds))
    assert found["accuracy"]["value"] == pytest.approx((called == samples.label).mean())
    at_one_half = found["at_one_half"]["accuracy"]["value"]
    assert at_one_half == pytest.approx(((odds >= 0) == samples.label).mean())


def test_two_folds_are_left_out_whole_and_two_folds_are_too_few(made):
    samples = load_cohort(made[0] / "stills")
    splits = left_out(samples.about, FOLDS)
    for (one, two), split in splits.items():
        parts = [split.train, split.validation, split.test]
        assert sorted(np.concatenate(parts)) == list(range(len(samples)))
        assert split.name == f"without folds {one} and {two} of 3"
    assert np.array_equal(splits[1, 2].test, splits[1, 3].train)
    with pytest.raises(SplitError, match="of 2 folds two cannot be left out: take 3 or more"):
        left_out(samples.about, 2)


def test_a_network_that_has_answered_is_kept_and_one_that_was_killed_is_made(made, stills, monkeypatch):
    folder, found = made
    assert not list(folder.rglob("*.pt"))
    (folder / "without-1-3" / "said.npz").unlink()
    trained = []

    def noted(training, validation, run, *rest):
        trained.append(run.name)
        return train(training, validation, run, *rest)

    train = crossvalidate.train
    monkeypatch.setattr(crossvalidate, "train", noted)
    assert cross_validate(stills, folder, HOW, FOLDS) == found
    assert trained == ["without-1-3"]


@pytest.fixture(scope="module")
def heads(stills, tmp_path_factory):
    """The folder of a cross-validation in which heads alone learned, what was found, how it was made, and how
    often the trunk was looked through."""
    weights, folder, looks = tmp_path_factory.mktemp("w") / "resnet50.pth", tmp_path_factory.mktemp("o"), []
    look = crossvalidate.looked_at
    torch.manual_seed(1)
    torch.save(torchvision.models.resnet50(weights=None).state_dict(), weights)
    recipe = Recipe(stages=((32, 1),), strategy=HEADS_ONLY, penalty=0.3, threads=1)
    network = NetworkSpec("resnet50_places", dilated=False, modalities=("us",))
    how = Training(network, recipe, imagenet=str(weights))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(crossvalidate, "looked_at", lambda *given: looks.append(1) or look(*given))
        found = cross_validate(stills, folder, how, FOLDS, box_shaped=True)
        assert cross_validate(stills, folder, how, FOLDS, box_shaped=True) == found
    return folder, found, how, len(looks)


def test_heads_alone_learn_from_trunks_that_are_looked_through_once(heads, tmp_path):
    folder, found, how, looks = heads
    assert looks == 1 and found["networks"] == 3
    assert found["started_from"] == "ImageNet (resnet50.pth)" and found["box_shaped"]
    assert found["auc"]["value"] > 0.9
    samples = load_cohort(folder / "stills")
    split = left_out(samples.about, FOLDS)[1, 2]
    unseen = np.concatenate([split.validation, split.test])
    parts = map(samples.take, (split.train, unseen))
    net = refit(*parts, tmp_path / "r", how.network, how.recipe, None, how.imagenet)
    strayed = replace(samples.take(unseen), us=samples.us[unseen][:, [1]])
    with np.load(folder / "without-1-2" / "said.npz") as kept:
        for name, pictures in (("logits", samples.take(unseen)), ("strayed", strayed)):
            assert predict(net, pictures, 32)["us"] == pytest.approx(kept[name], abs=1e-3)


def test_one_network_says_what_all_say_on_average(heads):
    folder, _, how, _ = heads
    samples = load_cohort(folder / "stills")
    run = folder / "together"
    said = predict(load_average(run, how.network), samples, 32)["us"]
    alone = []
    for place in folder.glob("without-*"):
        net, _ = initial(how.network, imagenet=how.imagenet)
        net.head.load_state_dict(torch.load(place / "head.pt", weights_only=True))
        alone.append(predict(net.eval(), samples, 32)["us"])
    assert said == pytest.approx(np.mean(alone, axis=0), abs=1e-4)
    assert np.abs(alone[0] - alone[1]).max() > 0.01
    assert log_lines(run)[0]["networks"] == 3


def test_it_goes_into_a_bundle_with_what_was_said_of_stills_unseen(heads, small_bundle, tmp_path):
    folder, found, _, _ = heads
    asked = ["graft", str(folder / "stills"), str(folder / "together"), str(tmp_path / "b")]
    told = CliRunner().invoke(app, [*asked, "--start", str(small_bundle)])
    assert told.exit_code == 0, told.output
    bundle, samples = load_bundle(tmp_path / "b", "cpu"), load_cohort(folder / "stills")
    spec = bundle.spec
    for name in ("auc", "accuracy", "sensitivity", "specificity", "ece"):
        assert asdict(spec.metrics["us_only"][name]) == pytest.approx(found[name])
    unseen = said_unseen(folder / "together")
    head = Head.chosen("us_only", unseen.answered(samples))
    assert (spec.temperature["us_only"], spec.operating_point["us_only"]) == (head.temperature, head.point)
    assert spec.us_scope.note == "Ultrasound alone: cross-validated on 20 labelled stills (10 malignant)."
    assert spec.us_only_input.box_shaped
    made = spec.training["us_only"]
    assert "crossvalidate STILLS O --trunk resnet50_places --imagenet FILE --box-shaped" in made["command"]
    assert "graft O/stills O/together B" in made["command"]
    assert (made["split"], made["training_data"]) == (CROSS_VALIDATED, "stills: 20 lesions (10 malignant)")


def test_of_hidden_sizes_no_network_is_kept_for_a_bundle(heads, stills, tmp_path):
    cross_validate(stills, tmp_path, heads[2], FOLDS, fixed_magnification=True)
    assert not (tmp_path / "together").exists()


def test_heads_take_a_penalty_that_no_tested_fold_chose(stills, tmp_path):
    with pytest.raises(RecipeError, match="chosen by no fold that is tested"):
        cross_validate(
            stills, tmp_path, replace(HOW, recipe=replace(RECIPE, strategy=HEADS_ONLY, outline=0.0)), FOLDS
        )


def test_a_folder_of_another_recipe_or_other_pictures_is_refused(made, stills):
    folder, _ = made
    with pytest.raises(RunError, match=r"batch was 8, is 4"):
        cross_validate(stills, folder, replace(HOW, recipe=replace(RECIPE, batch=4)), FOLDS)
    with pytest.raises(RunError, match="train_sha256 was"):
        cross_validate(stills, folder, HOW, FOLDS, fixed_magnification=True)


def test_the_command_line_writes_what_it_shows(stills, tmp_path):
    (tmp_path / "own.toml").write_text("stages = [[32, 1]]\nthreads = 1")
    file = tmp_path / "found.json"
    command = ["crossvalidate", str(stills), str(tmp_path / "o"), "--trunk", "cnn", "--folds", "3"]
    given = ["--recipe", str(tmp_path / "own.toml"), "--without-marks", "--json", str(file)]
    result = CliRunner().invoke(app, [*command, *given])
    assert result.exit_code == 0, result.output
    assert json.loads(file.read_text())["without_marks"] is True
    assert "started_from             random weights" in result.output
    settings = read_settings(tmp_path / "o" / "without-1-2")
    assert settings.cases.split == "without folds 1 and 2 of 3"


def test_a_bundle_that_has_seen_stills_is_no_start(stills, tmp_path, small_bundle):
    bundle = shutil.copytree(small_bundle, tmp_path / "bundle")
    spec = read_spec(bundle)
    write_spec(bundle, replace(spec, us_scope=replace(spec.scope, sources=("stills",))))
    with pytest.raises(StartError, match="was trained on stills, perhaps on those"):
        cross_validate(stills, tmp_path / "o", replace(HOW, start=bundle), FOLDS)
    assert not (tmp_path / "o").exists()


def test_weights_to_start_from_that_do_not_fit_are_told_before_anything_is_trained(
    stills, tmp_path, small_bundle
):
    command = ["crossvalidate", str(stills), str(tmp_path), "--start", str(small_bundle)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1 and "trunk is cnn, to be resnet101" in result.output
    assert not (tmp_path / "without-1-2").exists()
