"""Training: it learns, it is repeatable, and a killed run ends as if nobody had killed it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from breastview.fusion.bundle import load_bundle
from breastview.fusion.network import FusionNetwork, mri_tensor
from breastview.fusion.spec import NetworkSpec
from model_training import train as training
from model_training.cohort.samples import load_cohort
from model_training.train import Recipe, predict, train
from tests.model_training.cohorts import SIDE_PX, write_cohort

NETWORK = NetworkSpec(trunk="cnn")
RECIPE = Recipe(stages=((8, 1), (SIDE_PX, 2)), batch=5, threads=1)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return write_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="module")
def uninterrupted(cohort, tmp_path_factory):
    run = tmp_path_factory.mktemp("run")
    return run, train(cohort, run, NETWORK, RECIPE)


class Killed(Exception):
    """Stands for a process that ends in the middle."""


@pytest.mark.parametrize("epochs_done", [1, 2])
def test_a_killed_run_goes_on_to_the_same_weights(cohort, uninterrupted, tmp_path, monkeypatch, epochs_done):
    keep, left = training._checkpoint, [epochs_done]

    def keep_and_die(*state):
        keep(*state)
        left[0] -= 1
        if not left[0]:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(training, "_checkpoint", keep_and_die)
        with pytest.raises(Killed):
            train(cohort, tmp_path, NETWORK, RECIPE)
    resumed = train(cohort, tmp_path, NETWORK, RECIPE)
    _, whole = uninterrupted
    assert all(
        torch.equal(own, other)
        for own, other in zip(resumed.state_dict().values(), whole.state_dict().values(), strict=True)
    )
    epochs = [json.loads(line)["epoch"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert epochs == [1, 2, 3]


def test_a_finished_run_is_not_trained_further(cohort, uninterrupted):
    run, whole = uninterrupted
    before = (run / "log.jsonl").read_text()
    again = train(cohort, run, NETWORK, RECIPE)
    assert torch.equal(again.head.fused.weight, whole.head.fused.weight)
    assert (run / "log.jsonl").read_text() == before


def test_a_checkpoint_is_read_without_running_anything_in_it(uninterrupted):
    run, _ = uninterrupted
    state = torch.load(run / "checkpoint.pt", weights_only=True)
    assert state["progress"]["epoch"] == 3
    assert state["progress"]["step"] == 9  # three batches an epoch: 5 + 5 + 2 of 12 cases


def test_small_pictures_come_first(uninterrupted):
    lines = [json.loads(line) for line in (uninterrupted[0] / "log.jsonl").read_text().splitlines()]
    assert [line["size"] for line in lines] == [8, SIDE_PX, SIDE_PX]
    assert set(lines[0]) == {"epoch", "size", "loss", "seconds", "started_from", "fused", "us", "mri"}
    assert lines[0]["started_from"] == "random weights"


def test_a_bundles_weights_can_be_the_start_and_the_log_says_so(cohort, small_bundle, tmp_path):
    bundle = load_bundle(small_bundle)
    still = Recipe(stages=((SIDE_PX, 1),), batch=5, threads=1, rate=0.0)
    trained = train(cohort, tmp_path, bundle.spec.network, still, start=small_bundle)
    for own, given in zip(trained.parameters(), bundle.network.parameters(), strict=True):
        assert torch.allclose(own, given, atol=1e-6)
    line = json.loads((tmp_path / "log.jsonl").read_text())
    assert line["started_from"] == f"TEST, untrained, weights {bundle.spec.weights_sha256[:12]}"


def test_it_learns_what_there_is_to_learn(tmp_path):
    cohort = write_cohort(tmp_path / "cohort", cases=24, shift=1.5)
    recipe = Recipe(stages=((SIDE_PX, 5),), batch=6, ema=0.8, threads=1)
    net = train(cohort, tmp_path / "run", NETWORK, recipe)
    test = load_cohort(cohort, "test")
    for logits in predict(net, test, SIDE_PX).values():
        assert np.mean((logits[:, 1] > logits[:, 0]) == test.label) >= 0.9


def test_the_average_follows_every_weight_once_also_the_shared_ones(cohort, tmp_path):
    recipe = Recipe(stages=((SIDE_PX, 1),), batch=12, threads=1, rate=0.1, warm_up=0.0)
    average = train(cohort, tmp_path, NETWORK, recipe).state_dict()
    torch.manual_seed(recipe.seed)
    first = FusionNetwork(NETWORK).state_dict()
    last = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["net"]
    kept = 1 / 10  # of the first network after the first step
    for name in ("trunks.us.0.weight", "trunks.us.4.weight", "trunks.mri.1.running_mean", "head.fused.bias"):
        assert not torch.equal(first[name], last[name])
        assert torch.allclose(average[name], kept * first[name] + (1 - kept) * last[name], atol=1e-6)


def test_another_seed_gives_another_network(cohort, tmp_path, uninterrupted):
    recipe = Recipe(stages=RECIPE.stages, batch=5, threads=1, seed=8)
    other = train(cohort, tmp_path, NETWORK, recipe)
    assert not torch.equal(other.head.fused.weight, uninterrupted[1].head.fused.weight)


def test_prediction_is_what_the_network_answers_in_float32(cohort, uninterrupted):
    _, net = uninterrupted
    test = load_cohort(cohort, "test")
    logits = predict(net, test, SIDE_PX, batch=5)
    us, mri = (torch.from_numpy(x[:, 0].astype(np.float32)) for x in (test.us, test.mri))
    with torch.no_grad():
        direct = net(us, mri_tensor(mri, torch.ones(mri.shape[:2], dtype=torch.bool)))
    for name, values in direct.items():
        assert logits[name] == pytest.approx(values.numpy(), abs=1e-5)


def test_modality_dropout_never_takes_both():
    known = np.ones((1000, 2), bool)
    known[:100, 1] = False
    present = training._present(known, 0.6, np.random.default_rng(0))
    assert present.any(axis=1).all() and not present[:100, 1].any()
    assert 0.2 < (~present[100:, 0]).mean() < 0.5


def test_mirroring_turns_both_modalities_alike_and_never_upside_down():
    rng = np.random.default_rng(0)
    us = np.zeros((40, 1, 6, 6), np.float32)
    us[:, :, 1, 1] = 1
    mri = np.repeat(us, 4, axis=1)
    us, mri = training._augmented(us.copy(), mri.copy(), rng)
    us_place = [np.unravel_index(image[0].argmax(), (6, 6)) for image in us]
    mri_place = [np.unravel_index(image[2].argmax(), (6, 6)) for image in mri]
    assert us_place == mri_place
    assert {(int(row), int(column)) for row, column in us_place} == {(1, 1), (1, 4)}
