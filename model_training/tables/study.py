"""Train and score what the tables need: three networks on US, on MRI and on both, all on the same cases.

What a network answered is kept as it is done, so that a killed study goes on where it was. A folder:
`cells/NAME/fold-K/answers.npz` with `cell.json` beside it, written last.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, fields, replace
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from breastview.fusion.network import FusionNetwork
from breastview.fusion.spec import MODALITIES, NetworkSpec
from breastview.whole import write_whole, written_whole
from model_training import evaluate
from model_training.cohort.samples import DISPLACED_MM, Samples, manifest
from model_training.cohort.simulated import end_with_command
from model_training.predict import predict
from model_training.recipe import Recipe, read_recipe, to_plain
from model_training.run_folder import log_lines
from model_training.scope import is_simulated
from model_training.splits import PARTS, Split, by_part, folds, load_parts, load_split
from model_training.tables.paper import ORDER
from model_training.train import train

log = logging.getLogger(__name__)
T = TypeVar("T")

ARMS = {"us": ("us",), "mri": ("mri",), "fused": MODALITIES}
FOLDS = 5
DONE = "cell.json"
RUN = "run"
SIMULATED = "Simulated patients: software verification, not clinical evidence."
PIPELINE_CHECK = "Pipeline check: trained far too briefly for its figures to mean anything."


class StudyError(ValueError):
    """A study that cannot be made, or not in this folder; says what to do."""


@dataclass(frozen=True)
class Preset:
    """How much a study does: the recipe, and how many of the `FOLDS` folds are trained where the cohort does
    not fix its parts itself."""

    name: str
    recipe: str
    folds: int
    least_patients: int = 100  # to be tested on


PRESETS = {
    "small": Preset("small", "small", folds=1),
    "full": Preset("full", "demonstration", folds=FOLDS),
}


@dataclass(frozen=True)
class Cell:
    """One network on one set of modalities, with MRI in the US plane ("registered") or as acquired
    ("native")."""

    trunk: str
    arm: str
    mri: str = "registered"

    @property
    def name(self) -> str:
        """Its folder."""
        return f"{self.trunk}-{self.arm}" + ("" if self.mri == "registered" else f"-{self.mri}")

    def network(self, recipe: Recipe) -> NetworkSpec:
        """The network; staged training takes a trunk of its own for each modality."""
        return NetworkSpec(self.trunk, shared=recipe.strategy != "staged", modalities=ARMS[self.arm])


NATIVE = Cell("resnet101", "fused", "native")
CELLS = (*(Cell(trunk, arm) for trunk in ORDER for arm in ARMS), NATIVE)


@dataclass(frozen=True, eq=False)
class Answered:
    """What one cell says of the test cases, all folds joined: calibrated log odds (n,) and calls (n,) bool.

    Temperature and threshold are from each fold's validation cases. `displaced_odds` (distance, n) are those
    under registrations that are off by `DISPLACED_MM`, without rows unless both modalities are used.
    """

    odds: np.ndarray
    called: np.ndarray
    displaced_odds: np.ndarray
    displaced_called: np.ndarray

    def take(self, cases: np.ndarray) -> Answered:
        """Those of some cases, by their places."""
        return Answered(**{name: getattr(self, name)[..., cases] for name in ANSWERS})


ANSWERS = tuple(field.name for field in fields(Answered))


@dataclass(frozen=True, eq=False)
class Study:
    """All that the tables say: the manifest's rows of the test cases, and each cell's answers in their order;
    `counts` are lesions and patients by part, a fold each; `seconds` all epochs took by the clock.

    Where folds were drawn `repeats` times, a cell's answer is the mean of as many networks', none of which
    saw the case; `aucs` are those of each draw alone.
    """

    preset: Preset
    recipe: Recipe
    about: pd.DataFrame
    cells: dict[Cell, Answered]
    counts: tuple[dict[str, tuple[int, int]], ...]
    seconds: float
    aucs: dict[Cell, tuple[float, ...]]

    @property
    def repeats(self) -> int:
        """How often the folds were drawn."""
        return len(next(iter(self.aucs.values())))

    @property
    def label(self) -> np.ndarray:
        """Whether each test lesion is malignant, bool (n,)."""
        return self.about["malignant"].to_numpy(bool)

    @property
    def patient(self) -> np.ndarray:
        """Whose each test lesion is, str (n,)."""
        return self.about["patient"].to_numpy(str)

    @property
    def simulated(self) -> bool:
        """Whether any of the cases is simulated."""
        return bool(is_simulated(self.about).any())

    @property
    def caveats(self) -> tuple[str, ...]:
        """What must be read before any figure, a sentence each."""
        small = self.preset.name == "small"
        return (*([SIMULATED] if self.simulated else []), *([PIPELINE_CHECK] if small else []))


@dataclass(frozen=True, eq=False)
class Parts:
    """The cases of one split, and its name."""

    split: str
    train: Samples
    validation: Samples
    test: Samples

    @property
    def counts(self) -> dict[str, tuple[int, int]]:
        """Lesions and patients by part."""
        parts = {name: getattr(self, name) for name in PARTS}
        return {name: (len(samples), len(set(samples.patient))) for name, samples in parts.items()}


def run_study(
    cohort: Path,
    folder: Path,
    preset: Preset,
    recipe: Recipe | None = None,
    cells: tuple[Cell, ...] = CELLS,
    jobs: int = 1,
    repeats: int = 1,
) -> Study:
    """Train and score every cell that `folder` does not hold yet, `jobs` at a time, each in a process of its
    own; `recipe` is the preset's unless given, and folds are drawn `repeats` times.

    Raises:
        StudyError: too few patients to test on, no folds to draw again, or `folder` holds a study of other
            cases or another recipe.
        LeakError: a patient stands in two parts.
        FileNotFoundError: there is no cohort.
    """
    recipe = recipe or read_recipe(preset.recipe)
    about = manifest(cohort)
    splits = splits_of(about, preset.folds, repeats)
    people = about["patient"].iloc[np.concatenate([split.test for split in splits])].nunique()
    if people < preset.least_patients:
        raise StudyError(f"{people} patients to test on; the tables take {preset.least_patients}")
    if jobs > 1:
        _make_together(cohort, about, splits, cells, folder, recipe, jobs)
    found: dict[Cell, list[Answered]] = {cell: [] for cell in cells}
    counted: list[dict[str, tuple[int, int]]] = []
    tested, seconds = [], 0.0
    for fold, split in enumerate(splits):
        parts = parts_of(cohort, about, split)
        tested.append(parts.test.about)
        counted.append(parts.counts)
        for cell in cells:
            answered, took = _cell(cell, parts, _folder_of(cell, fold, folder), recipe)
            found[cell].append(answered)
            seconds += took
    draws = [pd.concat(own, ignore_index=True) for own in _by_draw(tested, repeats)]
    alone = {cell: _in_one_order(draws, _by_draw(each, repeats)) for cell, each in found.items()}
    label = draws[0]["malignant"].to_numpy(bool)
    return Study(
        preset=preset,
        recipe=recipe,
        about=draws[0],
        cells={cell: _mean(own) for cell, own in alone.items()},
        counts=tuple(counted),
        seconds=seconds,
        aucs={cell: tuple(evaluate.auc(label, one.odds) for one in own) for cell, own in alone.items()},
    )


def _make_together(
    cohort: Path,
    about: pd.DataFrame,
    splits: list[Split],
    cells: tuple[Cell, ...],
    folder: Path,
    recipe: Recipe,
    jobs: int,
) -> None:
    """Make what is not kept yet, `jobs` cells at a time; after an error none is begun."""
    with ProcessPoolExecutor(jobs, get_context("spawn"), initializer=end_with_command) as pool:
        making = {
            pool.submit(_make_alone, cohort, about, split, cell, _folder_of(cell, fold, folder), recipe): cell
            for fold, split in enumerate(splits)
            for cell in cells
        }
        try:
            for made in as_completed(making):
                made.result()
                log.info("%s: answered", making[made].name)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _make_alone(
    cohort: Path, about: pd.DataFrame, split: Split, cell: Cell, folder: Path, recipe: Recipe
) -> None:
    _cell(cell, parts_of(cohort, about, split), folder, recipe)


def _folder_of(cell: Cell, fold: int, folder: Path) -> Path:
    return folder / "cells" / cell.name / f"fold-{fold}"


def splits_of(about: pd.DataFrame, count: int, repeats: int = 1) -> list[Split]:
    """The split that the manifest fixed, or else the first `count` of `FOLDS` folds that are drawn `repeats`
    times; raises StudyError where no draw but the first would test the same cases."""
    fixed = _fixes_parts(about)
    if repeats > 1 and (fixed or count < FOLDS):
        why = "the cohort fixes its parts" if fixed else f"the preset trains {count} of {FOLDS} folds"
        raise StudyError(f"{why}: another draw would not test the same lesions. Leave out --repeats")
    return [by_part(about)] if fixed else list(islice(folds(about, FOLDS, repeats), count * repeats))


def parts_of(cohort: Path, about: pd.DataFrame, split: Split) -> Parts:
    """The samples of one split that have MRI in the US plane, so that all cells are of the same cases."""
    parts = load_parts(cohort, PARTS) if _fixes_parts(about) else load_split(cohort, split, PARTS)
    registered = (samples.take(np.asarray(samples.channels.any(axis=1))) for samples in parts)
    return Parts(split.name, *registered)


def _fixes_parts(about: pd.DataFrame) -> bool:
    return set(about["part"].fillna("")) >= set(PARTS)


def _cell(cell: Cell, parts: Parts, folder: Path, recipe: Recipe) -> tuple[Answered, float]:
    """What a cell answers in one fold, and how long its training took, computed unless it is kept."""
    recipe = replace(recipe, mri=cell.mri)
    origin = _origin(cell, parts, recipe)
    if (folder / DONE).exists():
        told = json.loads((folder / DONE).read_text(encoding="utf-8"))
        if told["origin"] != origin:
            raise StudyError(
                f"{cell.name} was made from other cases or by another recipe: take another folder"
            )
    else:
        _make(cell, parts, folder, recipe, origin)
    with np.load(folder / "answers.npz") as kept:
        return _calibrated(parts, dict(kept)), float(log_lines(folder / RUN)[-1]["seconds"])


def _make(cell: Cell, parts: Parts, folder: Path, recipe: Recipe, origin: str) -> None:
    log.info("%s: training on %d lesions", cell.name, len(parts.train))
    network = cell.network(recipe)
    net = train(parts.train, parts.validation, folder / RUN, network, recipe, split=parts.split)
    size_px = recipe.size_px
    distances = range(len(DISPLACED_MM)) if _can_move(cell) else ()
    moved = [ask(net, cell, parts.test, size_px, away=k) for k in distances]
    with written_whole(folder / "answers.npz") as file:
        np.savez(
            file,
            validation=ask(net, cell, parts.validation, size_px),
            test=ask(net, cell, parts.test, size_px),
            displaced=np.array(moved, np.float32).reshape(-1, len(parts.test), 2),
        )
    told = {"cell": cell.name, "origin": origin, "recipe": to_plain(recipe)}
    write_whole(folder / DONE, json.dumps(told, indent=1).encode())
    for weights in (folder / RUN).glob("*.pt"):
        weights.unlink()  # those of ten cells would be gigabytes, and the answers stand


def ask(
    net: FusionNetwork, cell: Cell, samples: Samples, size_px: int, away: int | None = None
) -> np.ndarray:
    """The fused head's logits (n, 2) on the first variants at this size; `away` picks a distance of
    `DISPLACED_MM` by which the registration is off."""
    if away is not None:
        samples = replace(samples, mri=samples.displaced[:, [away]])
    return predict(net, samples, size_px, mri=cell.mri)["fused"]


def _can_move(cell: Cell) -> bool:
    return cell.arm == "fused" and cell.mri == "registered"


def _calibrated(parts: Parts, kept: dict[str, np.ndarray]) -> Answered:
    label, chosen = parts.validation.label, kept["validation"]
    temperature = evaluate.fit_temperature(label, chosen)
    point = evaluate.youden_point(label, evaluate.calibrated(chosen, temperature))
    test, moved = kept["test"], kept["displaced"]
    return Answered(
        odds=evaluate.margin(test) / temperature,
        called=evaluate.calibrated(test, temperature) >= point,
        displaced_odds=evaluate.margin(moved) / temperature,
        displaced_called=evaluate.calibrated(moved, temperature) >= point,
    )


def _joined(each: Sequence[Answered]) -> Answered:
    return Answered(
        **{name: np.concatenate([getattr(one, name) for one in each], axis=-1) for name in ANSWERS}
    )


def _in_one_order(draws: list[pd.DataFrame], answers: list[list[Answered]]) -> list[Answered]:
    """What each draw's folds say together, of the cases in the order of the first."""
    cases = draws[0]["case"]
    return [
        _joined(own).take(pd.Index(about["case"]).get_indexer(cases))
        for about, own in zip(draws, answers, strict=True)
    ]


def _mean(draws: list[Answered]) -> Answered:
    """The mean of what several draws say of the same cases; what half of them call malignant is called so."""

    def mean(name: str) -> np.ndarray:
        return np.asarray(np.mean([getattr(one, name) for one in draws], axis=0))

    return Answered(
        mean("odds"), mean("called") >= 1 / 2, mean("displaced_odds"), mean("displaced_called") >= 1 / 2
    )


def _by_draw(splits: list[T], repeats: int) -> list[list[T]]:
    """What there is of each split, by the draw of folds that it belongs to."""
    count = len(splits) // repeats
    return [splits[begin : begin + count] for begin in range(0, len(splits), count)]


def _origin(cell: Cell, parts: Parts, recipe: Recipe) -> str:
    """sha256 (hex) over what a cell is made from."""
    cases = [getattr(parts, part).sha256 for part in PARTS]
    return hashlib.sha256(json.dumps([cell.name, to_plain(recipe), cases]).encode()).hexdigest()
