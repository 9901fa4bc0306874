"""Two processes answer as one does, also when one of them is killed and the command is given again."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import pytest
import torch
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from breastview.fusion.spec import NetworkSpec
from model_training import run_folder
from model_training.predict import predict
from model_training.recipe import Recipe
from model_training.splits import load_parts
from model_training.team import Team
from model_training.train import train
from tests.model_training.cohorts import SIDE_PX, write_cohort

NETWORK = NetworkSpec(trunk="cnn")
RECIPE = Recipe(stages=((8, 1), (SIDE_PX, 1)), batch=5, threads=1)


def train_and_die_once(cohort: Path, run: Path) -> None:
    """One process of the team; the first that kept a checkpoint kills itself, when the run is new."""
    keep, killed = run_folder.keep, run / "killed"

    def keep_and_die_once(*state):
        keep(*state)
        if not killed.exists():
            killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    run_folder.keep = keep_and_die_once
    train(*load_parts(cohort), run, NETWORK, RECIPE)


def torchrun(cohort: Path, run: Path) -> None:
    """What `torchrun --nproc-per-node 2` does, with processes that are forked from one that knows torch."""
    multiprocessing.set_forkserver_preload([train.__module__])
    two = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=2,
        rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0",
        local_addr="127.0.0.1",
        max_restarts=0,
        start_method="forkserver",
    )
    elastic_launch(two, train_and_die_once)(cohort, run)


def test_shares_differ_by_one_at_most_and_leave_nothing_out():
    shares = [Team(rank, 3).share(8) for rank in range(3)]
    assert [list(range(8))[share] for share in shares] == [[0, 1], [2, 3, 4], [5, 6, 7]]


@pytest.mark.skipif(torch.cuda.is_available(), reason="two processes would need two GPUs")
def test_two_processes_one_of_them_killed_and_started_again_train_as_one_does(tmp_path):
    cohort = write_cohort(tmp_path / "cohort")
    with pytest.raises(ChildFailedError, match=r"Signal 9 \(SIGKILL\)"):
        torchrun(cohort, tmp_path / "two")
    assert (tmp_path / "two" / "killed").exists()
    torchrun(cohort, tmp_path / "two")
    one = train(*load_parts(cohort), tmp_path / "one", NETWORK, RECIPE)
    two = run_folder.load_average(tmp_path / "two", NETWORK)
    # Answers, not weights: Adam makes steps of rounding where there is no gradient, as before a batch norm.
    _, validation = load_parts(cohort)
    own, other = (predict(net, validation, SIDE_PX) for net in (one, two))
    for head, logits in own.items():
        assert other[head] == pytest.approx(logits, abs=1e-3), head
    logs = [run_folder.log_lines(tmp_path / name) for name in ("one", "two")]
    assert [line["epoch"] for line in logs[1]] == [1, 2]
    for own, other in zip(*logs, strict=True):
        assert [own[key] for key in ("loss", "fused", "us", "mri")] == pytest.approx(
            [other[key] for key in ("loss", "fused", "us", "mri")], abs=1e-3
        )
