"""Trunks that learn without labels: they do not collapse, and training starts from them and says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from breastview.fusion.spec import NetworkSpec
from model_training import run_folder
from model_training.__main__ import app
from model_training.cohort.samples import load_cohort
from model_training.initial import RANDOM, StartError, initial
from model_training.pretrain import SimSiam, pretrain, spread
from model_training.recipe import Recipe, RecipeError, read_recipe
from model_training.run_folder import RunError, log_lines
from model_training.splits import load_parts
from model_training.train import train
from tests.model_training.cohorts import SIDE_PX, write_cohort

NETWORK = NetworkSpec(trunk="cnn")
RECIPE = replace(
    read_recipe("simsiam"), stages=((SIDE_PX, 15),), batch=6, rate=0.2, warm_up=0.0, seed=8, threads=1
)
SPREAD = 0.1  # a network that answers the same to everything has 0


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Two variants a lesion of a pattern of its own."""
    return write_cohort(tmp_path_factory.mktemp("cohort"), 24)


@pytest.fixture(scope="module")
def samples(cohort):
    """The training lesions, each with a pattern of its own that both of its variants show."""
    found = load_cohort(cohort, "train")
    rng = np.random.default_rng(1)
    pattern = {name: rng.normal(0, 1, getattr(found, name)[:, :1].shape) for name in ("us", "mri")}
    shown = {name: np.float16(0.3 * getattr(found, name) + x) for name, x in pattern.items()}
    return replace(found, **shown)


@pytest.fixture(scope="module")
def pretrained(samples, tmp_path_factory):
    """A run's folder and its network."""
    run = tmp_path_factory.mktemp("run")
    return run, pretrain(samples, run, NETWORK, RECIPE)


def test_the_loss_falls_and_the_outputs_stay_apart(pretrained):
    lines = log_lines(pretrained[0])
    assert [line["epoch"] for line in lines] == list(range(1, 16))
    assert lines[-1]["loss"] < lines[0]["loss"] - 0.2
    assert all(line[f"spread_{name}"] > SPREAD for line in lines for name in ("us", "mri"))
    assert lines[0]["started_from"] == RANDOM


def test_spread_tells_a_collapsed_network_from_one_that_is_not():
    torch.manual_seed(0)
    assert spread(torch.randn(500, 64)) == pytest.approx(1.0, abs=0.02)
    assert spread(torch.randn(1, 64).expand(500, -1)) == pytest.approx(0.0, abs=1e-5)


def test_no_gradient_flows_through_what_is_to_be_told():
    net = SimSiam(NETWORK)
    one, other = (torch.randn(4, 128, requires_grad=True) for _ in range(2))
    (gradient,) = torch.autograd.grad(net.loss("us", one, other), one)
    project, predict = net.projectors["us"], net.predictors["us"]
    told = torch.nn.functional.cosine_similarity(predict(project(one)), project(other).detach()).mean()
    (wanted,) = torch.autograd.grad(-told / 2, one)
    assert torch.allclose(gradient, wanted, atol=1e-6) and gradient.abs().sum() > 0


def test_a_killed_run_goes_on_to_the_same_weights(samples, pretrained, tmp_path, monkeypatch):
    keep = run_folder.keep

    def keep_and_die(*state):
        keep(*state)
        raise InterruptedError

    with monkeypatch.context() as patch:
        patch.setattr(run_folder, "keep", keep_and_die)
        with pytest.raises(InterruptedError):
            pretrain(samples, tmp_path, NETWORK, RECIPE)
    resumed = pretrain(samples, tmp_path, NETWORK, RECIPE)
    wanted = pretrained[1].state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in resumed.state_dict().items())


def test_training_starts_from_its_trunks_and_says_so(cohort, pretrained, tmp_path):
    run, net = pretrained
    gated = replace(NETWORK, fusion="gate", modalities=("mri",))
    started, origin = initial(gated, start=run)
    assert origin.startswith("SimSiam without labels (cases: the cohort's own parts, sha256 ")
    assert "epoch 15" in origin and origin.endswith("begun from random weights")
    wanted = net.trunks["mri"].state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in started.trunks["mri"].state_dict().items())
    once = Recipe(stages=((SIDE_PX, 1),), threads=1)
    train(*load_parts(cohort), tmp_path, gated, once, start=run)
    assert log_lines(tmp_path)[0]["started_from"] == origin


def test_a_run_killed_after_its_log_line_starts_training_with_the_epoch_that_it_kept(samples, tmp_path):
    twice = replace(RECIPE, stages=((SIDE_PX, 2),))

    def killed(epoch):
        def keep(run, state):
            if state.progress.epoch == epoch:
                raise InterruptedError
            run_folder_keep(run, state)

        with pytest.MonkeyPatch.context() as patch, pytest.raises(InterruptedError):
            run_folder_keep = run_folder.keep
            patch.setattr(run_folder, "keep", keep)
            pretrain(samples, tmp_path, NETWORK, twice)
        return len(log_lines(tmp_path))

    assert killed(1) == 1
    with pytest.raises(StartError, match="no whole epoch yet"):
        initial(NETWORK, start=tmp_path)
    assert killed(2) == 2
    assert "; weights: epoch 1, sha256 " in initial(NETWORK, start=tmp_path)[1]


def test_another_network_or_a_run_with_labels_gives_no_start(pretrained, cohort, tmp_path):
    run, _ = pretrained
    with pytest.raises(StartError, match=r"the run .* network \(trunk is cnn, to be resnet50\)"):
        initial(replace(NETWORK, trunk="resnet50"), start=run)
    train(*load_parts(cohort), tmp_path, NETWORK, Recipe(stages=((SIDE_PX, 1),), threads=1))
    with pytest.raises(StartError, match="was trained with labels: export it"):
        initial(NETWORK, start=tmp_path)


def test_recipes_with_and_without_labels_are_not_confused(samples, cohort, tmp_path, monkeypatch):
    with pytest.raises(RecipeError, match="strategy is joint, which needs labels"):
        pretrain(samples, tmp_path, NETWORK, Recipe())
    with pytest.raises(RecipeError, match="give this recipe to pretrain"):
        train(*load_parts(cohort), tmp_path, NETWORK, RECIPE)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RunError, match="one process"):
        pretrain(samples, tmp_path, NETWORK, RECIPE)


def test_trunks_compute_in_the_recipes_precision(samples, pretrained, tmp_path):
    once = replace(RECIPE, stages=((SIDE_PX, 1),))
    dtypes = set()
    hook = nn.modules.module.register_module_forward_hook(
        lambda module, given, said: dtypes.add(said.dtype) if isinstance(module, nn.Conv2d) else None
    )
    with hook:
        pretrain(samples, tmp_path / "bfloat16", NETWORK, replace(once, precision="bfloat16"))
    assert dtypes == {torch.bfloat16}
    (line,) = log_lines(tmp_path / "bfloat16")
    assert line["loss"] == pytest.approx(log_lines(pretrained[0])[0]["loss"], abs=0.05)
    if not torch.cuda.is_available():
        with pytest.raises(RecipeError, match="float16 needs a GPU"):
            pretrain(samples, tmp_path / "float16", NETWORK, replace(once, precision="float16"))


def test_lesions_without_mri_teach_only_the_trunk_of_us(samples, tmp_path):
    bare = replace(samples, channels=np.zeros_like(samples.channels))
    pretrain(bare, tmp_path, NETWORK, replace(RECIPE, stages=((SIDE_PX, 1),)))
    (line,) = log_lines(tmp_path)
    assert "spread_us" in line and "spread_mri" not in line
    with pytest.raises(RunError, match="no two cases have mri"):
        pretrain(bare, tmp_path, replace(NETWORK, modalities=("mri",)), RECIPE)


def test_the_command_line_learns_from_the_training_part_or_from_all(cohort, tmp_path):
    (tmp_path / "own.toml").write_text(
        f'stages = [[{SIDE_PX}, 1]]\nthreads = 1\nstrategy = "simsiam"\nrate = 1e-2'
    )
    command = ["pretrain", str(cohort), str(tmp_path / "part"), "--trunk", "cnn"]
    given = ["--recipe", str(tmp_path / "own.toml")]
    result = CliRunner().invoke(app, [*command, *given])
    assert result.exit_code == 0, result.output
    command[2] = str(tmp_path / "all")
    assert CliRunner().invoke(app, [*command, *given, "--whole"]).exit_code == 0
    part, whole = (run_folder.read_settings(tmp_path / name).cases for name in ("part", "all"))
    assert part.train_sha256 == load_cohort(cohort, "train").sha256
    assert (whole.split, whole.train_sha256) == ("the whole cohort", load_cohort(cohort).sha256)
