"""Two processes answer as one does, also when one of them is killed and the command is given again."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.distributed import run as launcher
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig

from breastview.fusion.bundle import load_bundle
from breastview.fusion.spec import NetworkSpec, read_spec, write_spec
from model_training import run_folder
from model_training.__main__ import app
from model_training.cohort.samples import load_cohort
from model_training.predict import predict, predict_mean, predict_together
from model_training.recipe import read_recipe
from model_training.splits import load_parts
from model_training.team import Team
from model_training.train import train
from tests.model_training.cohorts import write_cohort

NETWORK = NetworkSpec(trunk="cnn")
SIDE_PX = 32  # a batch norm over single places would make rounding large
RECIPE = f"stages = [[16, 1], [{SIDE_PX}, 1]]\nbatch = 5\nthreads = 1\n"
GUIDE = Path(__file__).parents[2] / "docs" / "training.md"


def documented(command: str, **places: Path) -> list[str]:
    """What the guide writes after `torchrun` for a command, with these places."""
    (line,) = re.findall(
        rf"^torchrun (.* model_training {command} .*)$", GUIDE.read_text("utf-8"), re.MULTILINE
    )
    return [str(places.get(word, word)) for word in line.split()]


def torchrun(words: list[str], monkeypatch) -> None:
    """What `torchrun` does with these words, but that its processes are forked from one that knows torch."""

    def forked(config: LaunchConfig, entrypoint: str):
        multiprocessing.set_forkserver_preload([run_command.__module__])
        config = replace(config, start_method="forkserver", local_addr="127.0.0.1")
        return launch(config, run_command)

    launch = launcher.elastic_launch
    with monkeypatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setattr(launcher, "elastic_launch", forked)
        launcher.run(launcher.parse_args(words))


def run_command(*command: str) -> None:
    """What `python -u -m model_training` does; a process that keeps a run's first checkpoint kills itself."""
    keep = run_folder.keep

    def keep_and_die_once(run: Path, *state):
        keep(run, *state)
        if not (run / "killed").exists():
            (run / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)

    run_folder.keep = keep_and_die_once
    assert command[:3] == ("-u", "-m", "model_training")
    assert not app(command[3:], standalone_mode=False)


def test_shares_differ_by_one_at_most_and_leave_nothing_out():
    shares = [Team(rank, 3).share(8) for rank in range(3)]
    assert [list(range(8))[share] for share in shares] == [[0, 1], [2, 3, 4], [5, 6, 7]]


def test_shares_of_which_some_have_a_second_view_are_put_together_as_one_process_has_them(
    small_bundle, tmp_path, monkeypatch
):
    bundle = load_bundle(small_bundle, "cpu")
    size_px = bundle.spec.input.size_px
    mixed = load_cohort(write_cohort(tmp_path, 6, size_px, views=2), "test")
    mixed.about.loc[:2, "views"] = 1  # of the first share
    whole = predict_mean(bundle.networks, mixed, size_px, whole=True)
    shares = []
    monkeypatch.setattr(Team, "gathered", lambda _, own: shares.append(own) or shares)
    for rank in (0, 1):
        together = predict_together(bundle.networks, mixed, size_px, Team(rank, 2), whole=True)
    assert "fused_two_views" in together and list(together) == list(whole)
    for head, logits in whole.items():
        assert together[head] == pytest.approx(logits, nan_ok=True, abs=1e-5)


@pytest.mark.skipif(torch.cuda.is_available(), reason="two processes would need two GPUs")
def test_two_processes_one_of_them_killed_and_started_again_train_as_one_does(tmp_path, monkeypatch):
    cohort, two = write_cohort(tmp_path / "cohort", side_px=SIDE_PX), tmp_path / "two"
    recipe = tmp_path / "own.toml"
    recipe.write_text(RECIPE)
    words = [*documented("train", COHORT=cohort, RUN=two), "--trunk", "cnn", "--recipe", str(recipe)]
    with pytest.raises(ChildFailedError, match=r"Signal 9 \(SIGKILL\)"):
        torchrun(words, monkeypatch)
    assert (two / "killed").exists() and len(run_folder.log_lines(two)) == 1
    torchrun(words, monkeypatch)
    one = train(*load_parts(cohort), tmp_path / "one", NETWORK, read_recipe(str(recipe)))
    # Answers, not weights: Adam makes steps of rounding where there is no gradient, as before a batch norm.
    _, validation = load_parts(cohort)
    own, other = (predict(net, validation, SIDE_PX) for net in (one, run_folder.load_average(two, NETWORK)))
    for head, logits in own.items():
        assert other[head] == pytest.approx(logits, abs=1e-3), head
    logs = [run_folder.log_lines(tmp_path / name) for name in ("one", "two")]
    assert [line["epoch"] for line in logs[1]] == [1, 2]
    for own, other in zip(*logs, strict=True):
        assert [own[key] for key in ("loss", "fused", "us", "mri")] == pytest.approx(
            [other[key] for key in ("loss", "fused", "us", "mri")], abs=1e-3
        )


@pytest.mark.skipif(torch.cuda.is_available(), reason="two processes would need two GPUs")
def test_two_processes_measure_a_bundle_as_one_does(tmp_path, small_bundle, monkeypatch):
    cohort = write_cohort(tmp_path / "cohort", 13, SIDE_PX)
    bundle = shutil.copytree(small_bundle, tmp_path / "bundle")
    ones = dict.fromkeys(("us", "mri", "fused"), 1.0)
    write_spec(bundle, replace(read_spec(bundle), temperature=ones, operating_point=ones))
    file = tmp_path / "figures.json"
    words = documented("evaluate", BUNDLE=bundle, COHORT=cohort, FILE=file)
    torchrun(words, monkeypatch)
    two = json.loads(file.read_text())
    app(words[words.index("model_training") + 1 :], standalone_mode=False)
    one = json.loads(file.read_text())
    assert one["n"] == 13 and set(two) == set(one)
    assert (two["auc"], two["accuracy"]) == (one["auc"], one["accuracy"])
    assert two["slope"]["value"] == pytest.approx(one["slope"]["value"], rel=1e-3)
