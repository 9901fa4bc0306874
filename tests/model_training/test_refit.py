"""Heads that are fitted anew: they lose less on what they have not seen, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from typer.testing import CliRunner

from breastview.fusion.bundle import load_bundle
from breastview.fusion.spec import NetworkSpec, read_spec
from model_training import run_folder
from model_training.__main__ import app
from model_training.cohort.samples import load_cohort
from model_training.export import load_average
from model_training.predict import predict
from model_training.recipe import HEADS_ONLY, Recipe, RecipeError, read_recipe
from model_training.refit import Rows, fit, least, looked_at, refit
from model_training.splits import load_parts
from tests.model_training.cohorts import write_cohort


@pytest.fixture(scope="module")
def start(small_bundle):
    return small_bundle, load_bundle(small_bundle, "cpu")


@pytest.fixture(scope="module")
def cohort(start, tmp_path_factory):
    return write_cohort(tmp_path_factory.mktemp("cohort"), 60, start[1].spec.input.size_px, shift=0.3)


@pytest.fixture(scope="module")
def refitted(start, cohort, tmp_path_factory):
    """The run and its network."""
    folder, bundle = start
    recipe = Recipe(stages=((bundle.spec.input.size_px, 1),), strategy=HEADS_ONLY, threads=1)
    network = replace(bundle.spec.network, checks_registration=False, checks_likeness=())
    run = tmp_path_factory.mktemp("run")
    return run, refit(*load_parts(cohort, ("train", "validation")), run, network, recipe, folder)


def entropy(net, samples, head, arm):
    logits = torch.from_numpy(predict(net, samples, samples.us.shape[-1])[head])
    malignant = torch.from_numpy(samples.posterior[:, arm]).float()
    return float(torch.nn.functional.cross_entropy(logits, torch.stack([1 - malignant, malignant], dim=1)))


@pytest.mark.parametrize(("head", "arm"), [("us", 0), ("mri", 1), ("fused", 2)])
def test_a_head_loses_less_on_lesions_that_it_never_saw(start, refitted, cohort, head, arm):
    test = load_cohort(cohort, "test")
    assert entropy(refitted[1], test, head, arm) < entropy(start[1].network, test, head, arm) - 0.02


def test_trunks_and_fusion_weights_stay_as_they_were(start, refitted):
    before, after = start[1].network.state_dict(), refitted[1].state_dict()
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    linear = {
        f"head.{head}.{part}" for head in ("fused", "single.us", "single.mri") for part in ("weight", "bias")
    }
    assert changed == linear


def test_a_classifier_of_its_own_for_us_without_mri_stays_and_such_lesions_move_no_other(
    start, cohort, tmp_path
):
    folder, bundle = start
    network = replace(bundle.spec.network, own_us_only=True, own_us_only_head=True)
    recipe = Recipe(stages=((bundle.spec.input.size_px, 1),), strategy=HEADS_ONLY, threads=1)
    lone = np.arange(60) < 30
    whole = load_parts(cohort, ("train", "validation"))
    mixed = [replace(part, channels=part.channels & ~lone[:, None]) for part in whole]
    rest = [part.take(~lone) for part in whole]
    one, other = (
        refit(*parts, tmp_path / str(n), network, recipe, folder).head
        for n, parts in enumerate((mixed, rest))
    )
    assert torch.allclose(one.single["us"].weight, other.single["us"].weight, atol=1e-5)
    assert torch.equal(one.single["us_only"].weight, bundle.network.head.single["us"].weight)


def test_the_run_is_one_that_export_takes_and_says_from_what_it_came(start, refitted):
    run, net = refitted
    (line,) = run_folder.log_lines(run)
    assert (line["phase"], line["chosen"]) == (HEADS_ONLY, True)
    assert start[1].spec.name in line["started_from"]
    kept = load_average(run, run_folder.read_settings(run).network).state_dict()
    assert all(torch.equal(kept[name], value) for name, value in net.state_dict().items())


def test_without_a_penalty_the_minimum_is_that_of_logistic_regression():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4)).astype(np.float32)
    label = rng.random(300) < 1 / (1 + np.exp(-x[:, 0]))
    target = torch.from_numpy(np.column_stack([~label, label]).astype(np.float32))
    rows = Rows(torch.from_numpy(x), target, torch.full((300,), 1 / 300))
    nothing = torch.zeros(2, 4), torch.zeros(2)
    weight, bias = least(rows, nothing, nothing, penalty=0.01)
    found = LogisticRegression(C=2 / (0.01 * 300), tol=1e-6).fit(x, label)  # both classes share the way
    assert (weight[1] - weight[0]).numpy() == pytest.approx(found.coef_[0], abs=2e-3)
    assert float(bias[1] - bias[0]) == pytest.approx(found.intercept_[0], abs=2e-3)


@pytest.mark.parametrize(("own_scales", "most"), [(False, 0.01), (True, 1.0)])
def test_a_feature_that_hardly_varies_gets_no_weight_that_other_pictures_could_not_bear(own_scales, most):
    rng = np.random.default_rng(0)
    label = rng.random(400) < 0.5
    x = np.column_stack([rng.normal(label, 1.0), 1e-4 * rng.normal(label, 1.0)]).astype(np.float32)
    target = torch.from_numpy(np.column_stack([~label, label]).astype(np.float32))
    rows = [
        Rows(torch.from_numpy(x[own]), target[own], torch.full((200,), 1 / 200))
        for own in np.split(np.arange(400), 2)
    ]
    head = torch.nn.Linear(2, 2)
    torch.nn.init.zeros_(head.weight)
    assert fit(head, *rows, own_scales=own_scales) < 1.0
    assert head.weight.abs()[1, 0] > 0.3 and head.weight.abs()[:, 1].max() < most


def test_every_variant_is_looked_at_and_a_repeated_source_counts_as_often(start, cohort):
    samples = load_cohort(cohort, "train").take(np.arange(4))
    recipe = Recipe(stages=((samples.us.shape[-1], 1),), strategy=HEADS_ONLY, repeats={"noise": 3})
    seen = looked_at(start[1].network, samples, recipe)
    assert len(seen.pooled["us"]) == 8 and seen.weight.tolist() == [1.5] * 8
    other = replace(samples, us=samples.us[:, ::-1])
    swapped = looked_at(start[1].network, other, recipe).pooled["us"]
    assert torch.allclose(swapped[::2], seen.pooled["us"][1::2], atol=1e-5)


def test_a_recipe_that_trains_trunks_is_refused_and_training_refuses_one_of_heads(start, cohort, tmp_path):
    parts = load_parts(cohort, ("train", "validation"))
    with pytest.raises(RecipeError, match="refit takes heads"):
        refit(*parts, tmp_path, NetworkSpec("cnn"), Recipe(), start[0])
    told = CliRunner().invoke(app, ["train", str(cohort), str(tmp_path / "r"), "--recipe", "heads"])
    assert told.exit_code == 1 and "give it to refit" in told.output
    assert read_recipe("heads").strategy == HEADS_ONLY


def test_the_command_line_refits_and_exports(start, cohort, tmp_path):
    recipe, run, bundle = (tmp_path / name for name in ("heads.toml", "run", "bundle"))
    side_px = start[1].spec.input.size_px
    recipe.write_text(f'stages = [[{side_px}, 1]]\nstrategy = "heads"\nmri = "native"\nthreads = 1\n')
    asked = ["refit", str(cohort), str(run), "--start", str(start[0]), "--recipe", str(recipe)]
    for command in (asked, ["export", str(cohort), str(run), str(bundle)]):
        told = CliRunner().invoke(app, command)
        assert told.exit_code == 0, told.output
    made = read_spec(bundle).training
    assert "refit C R --start BUNDLE; " in made["command"] and start[1].spec.name in made["started_from"]
