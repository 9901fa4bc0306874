"""A run's folder: what it tells, and a killed run ends as if nobody had killed it."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest
import torch

from breastview.fusion.network import FusionNetwork
from model_training import run_folder
from model_training import train as training
from model_training.cohort.samples import load_cohort
from model_training.run_folder import RunError, log_lines, read_settings
from tests.model_training.small_runs import NETWORK, ONCE, RECIPE, same, train


class Killed(Exception):
    """Stands for a process that ends in the middle."""


@pytest.mark.parametrize("epochs_done", [1, 2])
def test_a_killed_run_goes_on_to_the_same_weights(cohort, uninterrupted, tmp_path, monkeypatch, epochs_done):
    keep, left = run_folder.keep, [epochs_done]

    def keep_and_die(*state):
        keep(*state)
        left[0] -= 1
        if not left[0]:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(run_folder, "keep", keep_and_die)
        with pytest.raises(Killed):
            train(cohort, tmp_path, NETWORK, RECIPE)
    resumed = train(cohort, tmp_path, NETWORK, RECIPE)
    assert same(resumed, uninterrupted[1])
    assert [line["epoch"] for line in log_lines(tmp_path)] == [1, 2, 3]


def test_a_run_killed_before_its_checkpoint_logs_the_epoch_once(cohort, uninterrupted, tmp_path, monkeypatch):
    def die(*state):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(run_folder, "keep", die)
        with pytest.raises(Killed):
            train(cohort, tmp_path, NETWORK, RECIPE)
    assert [scalar.step for scalar in tensorboard(tmp_path).Scalars("loss")] == [1]
    assert not any("Writer" in type(thread).__name__ for thread in threading.enumerate())
    time.sleep(1)  # TensorBoard sorts its files by the second
    assert same(train(cohort, tmp_path, NETWORK, RECIPE), uninterrupted[1])
    assert [line["epoch"] for line in log_lines(tmp_path)] == [1, 2, 3]
    assert [scalar.step for scalar in tensorboard(tmp_path).Scalars("loss")] == [1, 2, 3]


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


def test_the_run_says_how_it_was_made_and_refuses_to_go_on_otherwise(cohort, uninterrupted):
    run, _ = uninterrupted
    made = read_settings(run)
    assert (made.network, made.recipe, made.started_from) == (NETWORK, RECIPE, "random weights")
    with pytest.raises(RunError, match="batch was 5, is 6"):
        train(cohort, run, NETWORK, replace(RECIPE, batch=6))
    train(cohort, run, NETWORK, replace(RECIPE, threads=2))


def test_a_run_goes_on_with_the_cases_that_it_began_with_only(cohort, uninterrupted):
    run, _ = uninterrupted
    parts = [load_cohort(cohort, part) for part in ("train", "validation")]
    with pytest.raises(RunError, match="split was the cohort's own parts, is fold 1/5"):
        training.train(*parts, run, NETWORK, RECIPE, split="fold 1/5")
    pictures = parts[0].mri.copy()
    pictures[3, 1, 0, 5, 5] += 1
    with pytest.raises(RunError, match=r"\(train_sha256 was [0-9a-f]{64}, is [0-9a-f]{64}\)"):
        training.train(replace(parts[0], mri=pictures), parts[1], run, NETWORK, RECIPE)


def tensorboard(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    return events


def test_tensorboard_shows_loss_and_auc(uninterrupted):
    events = tensorboard(uninterrupted[0])
    losses = events.Scalars("loss")
    assert [scalar.step for scalar in losses] == [1, 2, 3]
    logged = [line["loss"] for line in log_lines(uninterrupted[0])]
    assert [scalar.value for scalar in losses] == pytest.approx(logged, abs=1e-4)
    assert {"auc/fused", "auc/us", "auc/mri", "weight/us", "rate"} <= set(events.Tags()["scalars"])
    assert len(list((uninterrupted[0] / "tensorboard").iterdir())) == 1


def test_a_full_disk_leaves_the_last_checkpoint_whole(cohort, tmp_path, uninterrupted, monkeypatch):
    save, left = torch.save, [3]  # chosen weights and checkpoint of epoch 2 come after epoch 1's checkpoint

    def full(values, file):
        left[0] -= 1
        if not left[0]:
            file.write(b"half")
            raise OSError(28, "No space left on device")
        save(values, file)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full)
        with pytest.raises(RunError, match=r"checkpoint.pt could not be written .*No space left.* is whole"):
            train(cohort, tmp_path, NETWORK, RECIPE)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["progress"]["epoch"] == 1
    assert not list(tmp_path.glob(".*.part"))
    assert same(train(cohort, tmp_path, NETWORK, RECIPE), uninterrupted[1])


def test_a_full_disk_is_told_in_the_systems_words_and_not_in_torchs(tmp_path, monkeypatch):
    def full(*_):
        try:
            raise OSError(28, "No space left on device")
        finally:
            raise RuntimeError("unexpected pos 768 vs 662")  # as torch.save ends its archive

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(RunError, match=r"chosen.pt could not be written \(No space left on device\)"):
        run_folder.keep_chosen(tmp_path, FusionNetwork(NETWORK))


def test_what_a_killed_run_had_half_written_goes(cohort, tmp_path):
    (tmp_path / ".checkpoint.pt.0.part").write_bytes(b"half")
    train(cohort, tmp_path, NETWORK, ONCE)
    assert not list(tmp_path.glob(".*"))
