"""A run is trained by one process at a time, and one that was killed is not waited for."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from breastview.fusion.spec import NetworkSpec
from model_training.cohort.samples import load_cohort
from model_training.pretrain import pretrain
from model_training.recipe import HEADS_ONLY, SIMSIAM, Recipe
from model_training.refit import refit
from model_training.run_folder import RunError, held
from model_training.train import train
from tests.model_training.cohorts import write_cohort

NETWORK = NetworkSpec(trunk="cnn", shared=False, dilated=False)
RECIPE = Recipe(stages=((16, 1),), batch=5, threads=1)
HOLDS = """
import sys, time
from pathlib import Path
from model_training.run_folder import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    cohort = write_cohort(tmp_path_factory.mktemp("cohort"))
    return [load_cohort(cohort, part) for part in ("train", "validation")]


def test_a_run_that_another_process_trains_is_left_alone(cases, small_bundle, tmp_path):
    (part := tmp_path / ".checkpoint.pt.0.part").write_bytes(b"half")
    command = [sys.executable, "-c", HOLDS, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n" and not part.exists()
        part.write_bytes(b"half")
        for begin in (
            lambda: train(*cases, tmp_path, NETWORK, RECIPE),
            lambda: pretrain(cases[0], tmp_path, NETWORK, replace(RECIPE, strategy=SIMSIAM)),
            lambda: refit(*cases, tmp_path, NETWORK, replace(RECIPE, strategy=HEADS_ONLY), small_bundle),
        ):
            with pytest.raises(RunError, match=r"^another process trains in .*: let it end"):
                begin()
        assert part.exists() and not (tmp_path / "recipe.json").exists()
        other.kill()
    train(*cases, tmp_path, NETWORK, RECIPE)
    assert not part.exists()


def test_a_process_lets_go_of_a_run_that_it_ends(tmp_path):
    with pytest.raises(ZeroDivisionError), held(tmp_path):
        1 / 0  # noqa: B018
    with held(tmp_path), pytest.raises(RunError, match="another process"), held(tmp_path):
        pass
