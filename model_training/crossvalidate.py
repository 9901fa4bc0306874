"""Cross-validation on labelled US stills: each is answered by a network that was trained without it and its
near-duplicates.

A folder: `stills` (the crops), and `fold-K`, a run whose `answers.npz` is written last and takes the place of
its weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

from breastview.fusion.network import FusionNetwork
from breastview.fusion.spec import InputSpec, NetworkSpec, read_spec
from breastview.whole import written_whole
from model_training import evaluate
from model_training.calibrate import Answered, Head
from model_training.cohort.samples import Samples
from model_training.cohort.stills import STILLS, stills_with_masks
from model_training.initial import StartError, initial
from model_training.measure import Found, attention_shares, stills_figures
from model_training.predict import predict
from model_training.recipe import Recipe, to_plain
from model_training.run_folder import CHECKPOINT, CHOSEN, SETTINGS, Cases, Settings, begin, log_lines
from model_training.splits import Split, folds
from model_training.train import train

ANSWERS = "answers.npz"
SEED = 7  # of the folds
VARIANTS = 12  # of a still: once by its box, then strayed


@dataclass(frozen=True)
class Training:
    """How every fold is trained: network, recipe, and the weights to start from, as for `train`."""

    network: NetworkSpec
    recipe: Recipe
    start: Path | None
    imagenet: str | None


@dataclass(frozen=True, eq=False)
class Fold:
    """What a fold answers on its test stills: calibrated log odds (n,), calls bool (n,), `attention_shares`;
    `told` is what is said of it alone."""

    odds: np.ndarray
    called: np.ndarray
    shares: dict[str, np.ndarray]
    told: Found


def cross_validate(
    source: Path,
    folder: Path,
    trunk: str,
    recipe: Recipe,
    count: int = 5,
    start: Path | None = None,
    imagenet: str | None = None,
    fixed_magnification: bool = False,
    without_marks: bool = False,
) -> Found:
    """Train and test `count` folds of a folder of stills; the figures of `measure_stills` over all of them.

    Every still is answered once. Temperature and operating point are from its fold's validation stills, so
    that the pooled AUC also suffers where the folds' networks disagree. Killed, it goes on where it was.

    Raises:
        RecipeError, StartError, RunError, DivergedError: as `train` does; StartError too where the bundle to
            start from was trained on stills, RunError where `folder` holds folds of other stills, of another
            network or another recipe.
        SplitError: too few stills for so many folds.
        FileNotFoundError: `source` holds no labelled stills.
    """
    _check_unseen(start)
    how = Training(NetworkSpec(trunk, modalities=("us",)), recipe, start, imagenet)
    spec = InputSpec(size_px=recipe.size_px)
    samples, masks = stills_with_masks(
        source, folder / "stills", spec, VARIANTS, fixed_magnification, without_marks
    )
    origin = initial(how.network, start, imagenet)[1]
    splits = list(folds(samples.about, count, seed=SEED))
    found = [
        _fold(how, origin, samples, masks, split, folder / f"fold-{number}")
        for number, split in enumerate(splits, 1)
    ]
    order = np.argsort(np.concatenate([split.test for split in splits]))
    odds, called = (
        np.concatenate([getattr(one, name) for one in found])[order] for name in ("odds", "called")
    )
    shares = {name: np.concatenate([one.shares[name] for one in found])[order] for name in masks}
    return {
        "on": "stills, cross-validated",
        "fixed_magnification": fixed_magnification,
        "without_marks": without_marks,
        "trunk": trunk,
        "started_from": origin,
        "folds": count,
        "seeds": {"folds": SEED, "training": recipe.seed},
        **stills_figures(samples, odds, called, shares),
        "each_fold": {split.name: one.told for split, one in zip(splits, found, strict=True)},
        "recipe": to_plain(recipe),
    }


def _check_unseen(start: Path | None) -> None:
    """Raises StartError where the bundle to start from has seen stills: these perhaps, and test ones among
    them."""
    if start is None or (start / SETTINGS).exists():
        return
    spec = read_spec(start)
    sources = {source for scope in (spec.scope, spec.us_scope) if scope for source in scope.sources}
    if STILLS in sources:
        raise StartError(
            f"the bundle {start} was trained on stills, perhaps on those that are to be tested: start "
            "from one that was not"
        )


def _fold(
    how: Training, origin: str, samples: Samples, masks: Mapping[str, np.ndarray], split: Split, run: Path
) -> Fold:
    """What a fold answers, trained unless its answers are kept."""
    training, validation, test = (samples.take(x) for x in (split.train, split.validation, split.test))
    begin(run, Settings(how.network, how.recipe, origin, Cases.of(split.name, training, validation)))
    if not (run / ANSWERS).exists():
        net = train(training, validation, run, how.network, how.recipe, how.start, how.imagenet, split.name)
        seen = {name: mask[split.test] for name, mask in masks.items()}
        _keep(run, _answers(net, validation, test, seen))
    with np.load(run / ANSWERS) as kept:
        return _read(run, validation, test, dict(kept))


def _answers(
    net: FusionNetwork, validation: Samples, test: Samples, masks: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Logits (n, 2) of both parts' stills, and where attention lies on the test stills, by mask."""
    size_px = test.us.shape[-1]
    return {
        "validation": predict(net, validation, size_px)["us"],
        "test": predict(net, test, size_px)["us"],
        **attention_shares([net], test, masks),
    }


def _keep(run: Path, answers: Mapping[str, Any]) -> None:
    with written_whole(run / ANSWERS) as file:
        np.savez(file, **answers)
    for name in (CHECKPOINT, CHOSEN):
        (run / name).unlink(missing_ok=True)  # those of five folds would be gigabytes, and the answers stand


def _read(run: Path, validation: Samples, test: Samples, kept: dict[str, np.ndarray]) -> Fold:
    head = Head.chosen("us", Answered(validation, {"us": kept.pop("validation")}))
    odds = evaluate.margin(kept.pop("test")) / head.temperature
    told = {
        "epoch_chosen": max(line["epoch"] for line in log_lines(run) if line["chosen"]),
        "temperature": head.temperature,
        "operating_point": head.point,
        "auc": asdict(evaluate.auc_delong(test.label, odds)),
    }
    return Fold(odds, expit(odds) >= head.point, kept, told)
