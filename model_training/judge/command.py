"""`python -m model_training judge`: make what it learns from, train it, measure it, keep it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from breastview.whole import written_whole
from model_training.cohort.simulated import phantom_hash
from model_training.command_line import mistakes_told
from model_training.judge.fit import fit_judge, told_apart
from model_training.judge.places import make_places, read_places

BETWEEN = 10_000  # seeds from the rigid patients to the deformed ones, and on to those of the test
SEED = 7  # of the training


@mistakes_told()
def judge(
    folder: Annotated[Path, typer.Argument(help="Where what was searched is cached; a killed run goes on")],
    file: Annotated[Path, typer.Argument(help="Where the network goes, as resources/models/snap/judge.npz")],
    rigid: Annotated[int, typer.Option(help="Patients to learn from whose truth is one pose")] = 960,
    deformed: Annotated[int, typer.Option(help="and such under a probe")] = 496,
    test: Annotated[int, typer.Option(help="Patients of either kind to measure on")] = 100,
    seed: Annotated[int, typer.Option(help="The first patient")] = 140_000,
    epochs: int = 12,
    commit: Annotated[str, typer.Option(help="Commit of the code that trains")] = "",
    workers: int = 2,
) -> None:
    """Train the network with which snap tells the true place of a picture from false ones: minutes a hundred
    patients."""
    learned = {
        "rigid": range(seed, seed + rigid),
        "deformed": range(seed + BETWEEN, seed + BETWEEN + deformed),
    }
    tested = range(seed + 2 * BETWEEN, seed + 2 * BETWEEN + test)
    for truth, seeds in learned.items():
        make_places(folder, truth, [*seeds, *tested], workers)
    torch.set_num_threads(workers)
    training = [one for truth, seeds in learned.items() for one in read_places(folder, truth, seeds)]
    made = fit_judge(training, epochs, SEED)
    options = f"--rigid {rigid} --deformed {deformed} --test {test} --seed {seed} --epochs {epochs}"
    told = {
        "command": f"python -m model_training judge FOLDER FILE {options}",
        "commit": commit,
        "phantom": phantom_hash(),
        "training_seed": SEED,
        "within_3mm": {truth: told_apart(made, read_places(folder, truth, tested)) for truth in learned},
    }
    with written_whole(file) as kept:
        np.savez(kept, allow_pickle=False, made=np.array(json.dumps(told)), **made.weights)
    typer.echo(json.dumps(told, indent=1))
