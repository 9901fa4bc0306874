"""What a card tells of how its network was made, and by which commands it is made anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from model_training.cohort.samples import Samples
from model_training.command_line import split_name
from model_training.crossvalidate import CROPS
from model_training.initial import IMAGENET
from model_training.recipe import HEADS_ONLY
from model_training.run_folder import Settings
from model_training.splits import CROSS_VALIDATED
from model_training.together import TOGETHER


def run_names(folds: Sequence[str]) -> list[str]:
    """What the runs of folds are called in commands that are told."""
    return [f"R{number + 1}" if len(folds) > 1 else "R" for number in range(len(folds))]


def counted(training: Samples) -> str:
    """How many lesions a network learned from."""
    return f"{len(training)} lesions ({training.label.sum()} malignant)"


def how_made(
    settings: Settings,
    folds: Sequence[str],
    trained: Sequence[str],
    test: Samples,
    last: str,
    commit: str,
    remark: str,
) -> dict[str, Any]:
    """What a card tells of how its network was made, as far as it is known; `trained` says on how many
    lesions, a text a network, and `last` is the command that wrote the bundle."""
    sources = set(test.about["source"])
    if settings.cases.split == CROSS_VALIDATED:
        command, splits = _cross_validation(settings, test), [CROSS_VALIDATED]
    else:
        command, splits = _commands(settings, folds, sources, last), [split_name(own) for own in folds]
    told = {
        "command": command,
        "commit": commit,
        "seed": settings.recipe.seed,
        "split": ", ".join(splits),
        "training_data": f"{', '.join(sorted(sources))}: {', '.join(trained)}",
        "remark": remark,
    }
    return {name: value for name, value in told.items() if value != ""}


def _commands(settings: Settings, folds: Sequence[str], sources: set[str], last: str) -> str:
    """How such a bundle is made anew, by a recipe that stands on the card."""
    chosen = [f" --fold {fold}" if fold else "" for fold in folds]
    own_parts = " --fold K/N" if not any(folds) else ""  # which one, no manifest tells
    made = {"simulated": "cohort simulate C", "stills": f"cohort stills STILLS C{own_parts}"}
    commands = [command for source, command in made.items() if source in sources]
    network, begin = settings.network, "train"
    options = f"--trunk {network.trunk} --fusion {network.fusion}"
    options += f" --modalities {network.modalities[0]}" * (len(network.modalities) == 1)
    options += " --separate" * (not network.shared) + " --own-us-only" * network.own_us_only
    if settings.recipe.strategy == HEADS_ONLY:
        new = f"--trunk {network.trunk} --modalities us --imagenet FILE"
        begin, options = "refit", new if settings.started_from.startswith(IMAGENET) else "--start BUNDLE"
    commands += [f"{begin} C {run} {options}{own}" for run, own in zip(run_names(folds), chosen, strict=True)]
    commands.append(last + (chosen[0] if len(folds) == 1 else ""))
    return "; ".join(f"python -m model_training {command}" for command in commands)


def _cross_validation(settings: Settings, stills: Samples) -> str:
    """How a bundle with the network of a cross-validation is made anew."""
    start = "--imagenet FILE" if settings.started_from.startswith(IMAGENET) else "--start BUNDLE"
    shape = " --box-shaped" * bool(stills.box_shaped.any())
    made = f"crossvalidate STILLS O --trunk {settings.network.trunk} {start}{shape} --recipe RECIPE"
    return (
        f"python -m model_training {made}; "
        f"python -m model_training graft O/{CROPS} O/{TOGETHER} B --start BUNDLE"
    )
