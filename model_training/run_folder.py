"""What a run keeps: how it is made, its log, TensorBoard's, the last checkpoint and the chosen weights.

`recipe.json` is written once, and says which cases the run sees; `checkpoint.pt` after every epoch, whole or
not at all; `chosen.pt` holds the averaged weights of the epoch that did best on validation, or of the last,
as the recipe says. Nothing is read by running code in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from breastview.fusion.network import FusionNetwork
from breastview.fusion.spec import NetworkSpec, network_spec
from breastview.whole import forget_parts, write_whole, written_whole
from model_training.cohort.samples import Samples
from model_training.plan import plan
from model_training.recipe import HEADS_ONLY, Recipe, from_plain, to_plain

SETTINGS, LOG = "recipe.json", "log.jsonl"
CHECKPOINT, CHOSEN = "checkpoint.pt", "chosen.pt"
_LOCK = "lock"
_FREE = ("threads",)  # may change between a kill and going on


class RunError(RuntimeError):
    """A run that cannot begin, go on or keep what it has; says what to do."""


@dataclass(frozen=True)
class Cases:
    """What a run sees of a cohort: the name of the split, and the `Samples.sha256` of its two parts."""

    split: str
    train_sha256: str
    validation_sha256: str

    @classmethod
    def of(cls, split: str, training: Samples, validation: Samples) -> Cases:
        """The cases of these parts."""
        return cls(split, training.sha256, validation.sha256)


@dataclass(frozen=True)
class Settings:
    """What a run trains, how, where its first weights came from, and on which `cases`."""

    network: NetworkSpec
    recipe: Recipe
    started_from: str
    cases: Cases


@dataclass
class Progress:
    """Where a run stands; kept in every checkpoint. `chosen_auc` is −1 as long as no epoch was chosen."""

    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    chosen_epoch: int = 0
    chosen_auc: float = -1.0


@dataclass(eq=False)
class State:
    """All that changes while a run trains; `average` follows `net`."""

    net: FusionNetwork
    average: FusionNetwork
    optimiser: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    progress: Progress = field(default_factory=Progress)


@contextmanager
def held(run: Path) -> Iterator[None]:
    """Keep other processes from training in a run; what a killed one had half written goes. The system lets
    go of it when the process ends, however it ends.

    Raises:
        RunError: another process trains in it.
    """
    run.mkdir(parents=True, exist_ok=True)
    try:
        hold = FileLock(run / _LOCK).acquire(blocking=False)
    except Timeout as error:
        raise RunError(
            f"another process trains in {run}: let it end and give the same command again, or train into "
            "another folder"
        ) from error
    with hold:
        forget_parts(run)
        yield


def begin(run: Path, settings: Settings) -> None:
    """Write how the run is made, or see that it goes on as it began; raises RunError where it began
    otherwise."""
    run.mkdir(parents=True, exist_ok=True)
    values = _flat(settings)
    if (run / SETTINGS).exists():
        before = _flat(read_settings(run))
        other = [key for key in values if values[key] != before[key] and key not in _FREE]
        if other:
            told = ", ".join(f"{key} was {before[key]}, is {values[key]}" for key in other)
            raise RunError(f"the run in {run} began otherwise ({told}): train into another folder")
        return
    plain = {
        "network": asdict(settings.network),
        "recipe": to_plain(settings.recipe),
        "started_from": settings.started_from,
        "cases": asdict(settings.cases),
    }
    with keeping(run / SETTINGS):
        write_whole(run / SETTINGS, json.dumps(plain, indent=1).encode())


def read_settings(run: Path) -> Settings:
    """How a run is made; raises RunError where nothing says so, or not on which cases."""
    damaged = f"{run / SETTINGS} is damaged: train into another folder"
    try:
        plain = json.loads((run / SETTINGS).read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(f"{run} holds no run") from error
    except ValueError as error:
        raise RunError(damaged) from error
    if "cases" not in plain:
        raise RunError(f"{run} does not say which cases it was trained on: train into another folder")
    try:
        made = from_plain(plain["recipe"])
        return Settings(network_spec(plain["network"]), made, plain["started_from"], Cases(**plain["cases"]))
    except (KeyError, TypeError) as error:
        raise RunError(damaged) from error


def check_cases(run: Path, trained: Cases, asked: Cases) -> None:
    """Raises RunError where a run was trained on other cases than `asked`, which its test cases go with."""
    if trained.split != asked.split:
        raise RunError(
            f"{run} was trained on {trained.split}, not on {asked.split}: test cases would be among those "
            "that it was trained on. Give the --fold that train was given, or none if it had none"
        )
    if trained != asked:
        raise RunError(
            f"{run} was trained on other cases than {asked.split} of this cohort: give the cohort that train "
            "was given, as it was then, or train anew"
        )


def check_ended(run: Path, made: Settings) -> None:
    """Raises RunError where a run stopped before its last epoch."""
    heads_only = made.recipe.strategy == HEADS_ONLY
    command, count = ("refit", 1) if heads_only else ("train", len(plan(made.network, made.recipe)))
    done = max((line["epoch"] for line in log_lines(run)), default=0)
    if done < count:
        raise RunError(f"{run} stopped after epoch {done} of {count}: give {command} again, and let it end")


def check_folds(runs: Mapping[Path, str]) -> None:
    """Raises RunError unless runs, each with the name of its split, are the folds of one division, each
    once."""
    count = len(runs)
    wanted = {f"fold {number}/{count}" for number in range(1, count + 1)}
    for run, split in runs.items():
        if split not in wanted:
            raise RunError(f"{run} was trained on {split}: {count} runs make an ensemble of {count} folds")
    missing = sorted(wanted - set(runs.values()))
    if missing:
        raise RunError(f"no run was trained on {', '.join(missing)}, and another fold is given twice")


def keep(run: Path, state: State) -> None:
    """Write a checkpoint.

    Raises:
        RunError: it could not be written; the one before stands.
    """
    values = {
        "net": state.net.state_dict(),
        "average": state.average.state_dict(),
        "optimiser": state.optimiser.state_dict(),
        "scaler": state.scaler.state_dict(),
        "progress": asdict(state.progress),
    }
    save(values, run / CHECKPOINT)


def keep_chosen(run: Path, average: FusionNetwork) -> None:
    """Write the averaged weights as the chosen ones; raises RunError as `keep` does."""
    save({"average": average.state_dict()}, run / CHOSEN)


def resume(run: Path, state: State, device: torch.device) -> None:
    """Take up the last checkpoint, where there is one, and forget what the log knows beyond it."""
    path = run / CHECKPOINT
    if path.exists():
        values = torch.load(path, map_location=device, weights_only=True)
        state.net.load_state_dict(values["net"])
        state.average.load_state_dict(values["average"])
        state.optimiser.load_state_dict(values["optimiser"])
        state.scaler.load_state_dict(values["scaler"])
        state.progress = Progress(**values["progress"])


def epochs_kept(run: Path) -> int:
    """The epoch of the last checkpoint, which the log may be one ahead of; 0 where there is none."""
    if not (run / CHECKPOINT).exists():
        return 0
    values = torch.load(run / CHECKPOINT, map_location="cpu", weights_only=True)
    return int(values["progress"]["epoch"])


def load_average(run: Path, network: NetworkSpec) -> FusionNetwork:
    """The averaged network that was chosen, or the last one where none was."""
    path = run / (CHOSEN if (run / CHOSEN).exists() else CHECKPOINT)
    net = FusionNetwork(network).to(memory_format=torch.channels_last)
    net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True)["average"])
    return net.eval()


def log_lines(run: Path) -> list[dict[str, Any]]:
    """The log, a line an epoch."""
    path = run / LOG
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def write_line(run: Path, line: Mapping[str, Any]) -> None:
    """Add an epoch to the log; lines of this or later epochs are of a run that was killed, and go."""
    lines = [old for old in log_lines(run) if old["epoch"] < line["epoch"]]
    with keeping(run / LOG):
        write_whole(run / LOG, "".join(json.dumps(one) + "\n" for one in (*lines, line)).encode())


def save(values: Mapping[str, Any], path: Path) -> None:
    """Write tensors by name; raises RunError as `keep` does."""
    with keeping(path), written_whole(path) as file:
        torch.save(values, file)


@contextmanager
def keeping(path: Path) -> Iterator[None]:
    """Raises RunError where `path` cannot be written, and says why and what to do."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # torch says the latter of a full disk, and the reason before
        why = error if isinstance(error, OSError) else error.__context__
        reason = (why.strerror if isinstance(why, OSError) else None) or error
        raise RunError(
            f"{path} could not be written ({reason}): see that there is room and start the same command "
            "again; it goes on from what was kept before, which is whole"
        ) from error


def _flat(settings: Settings) -> dict[str, Any]:
    return {
        **{f"network {key}": value for key, value in asdict(settings.network).items()},
        **to_plain(settings.recipe),
        "started_from": settings.started_from,
        **asdict(settings.cases),
    }
