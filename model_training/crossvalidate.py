"""Cross-validation on labelled US stills: each is answered by networks that were trained without it and its
near-duplicates.

A network is trained for every two folds that are left out. A fold is answered by the mean of the networks
that were trained without it, as an ensemble would, and how far to trust that, temperature and operating
point, is read off the other folds, each as the network answered it that saw neither: a fold has no part in
anything that answers it.

A folder: `stills` (the crops), and `without-K-L`, a run whose `said.npz` is written last and takes the
place of its weights. Where classifiers alone learned, on pictures as they are, `together` is a run too: one
network for all, which `graft` takes with what was said of the stills.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from breastview.fusion.network import FusionNetwork
from breastview.fusion.spec import InputSpec, NetworkSpec, read_spec
from breastview.whole import written_whole
from model_training import evaluate
from model_training.attention import attention_of, attention_shares, shares_on
from model_training.calibrate import Answered, Head
from model_training.cohort.samples import Samples
from model_training.cohort.stills import STILLS, stills_with_masks
from model_training.initial import StartError, initial
from model_training.measure import Found, stills_figures
from model_training.predict import exact_inputs, predict
from model_training.recipe import HEADS_ONLY, Recipe, RecipeError, to_plain
from model_training.refit import Seen, looked_at, refit
from model_training.run_folder import CHECKPOINT, CHOSEN, SETTINGS, Cases, Settings, begin
from model_training.splits import CROSS_VALIDATED, Split, fold_name, left_out
from model_training.team import training_device
from model_training.together import HEAD, TOGETHER, Unseen, keep_head, keep_together
from model_training.train import train

CROPS = STILLS
ANSWERS = "said.npz"
SEED = 7  # of the folds
VARIANTS = 12  # of a still: once by its box, then strayed
STRAYED = 1  # the variant that is answered too
Pair = tuple[int, int]  # of folds, numbered from 1


@dataclass(frozen=True)
class Training:
    """How every network is trained: which, its recipe, and the weights to start from, as for `train`."""

    network: NetworkSpec
    recipe: Recipe
    start: Path | None = None
    imagenet: str | None = None

    @property
    def of_heads_alone(self) -> bool:
        """Whether trunks stay, and see for all networks the same."""
        return self.recipe.strategy == HEADS_ONLY


@dataclass(frozen=True, eq=False)
class Looks:
    """What a trunk that does not learn sees of all stills: what is `told` of every variant, and the `maps`
    (n, features, h, w) of their exact crops."""

    told: Seen
    maps: torch.Tensor

    @classmethod
    @torch.no_grad()
    def of(cls, net: FusionNetwork, stills: Samples, recipe: Recipe) -> Looks:
        """Look at all stills, once, where training would."""
        torch.set_num_threads(recipe.threads)
        net = net.to(training_device()).eval()
        exact = (net.trunk("us", given["us"]).cpu() for _, given in exact_inputs(net, stills, recipe.size_px))
        return cls(looked_at(net, stills, recipe), torch.cat(list(exact)))

    def take(self, cases: np.ndarray) -> Looks:
        """What is seen of the stills at these places, int (n,)."""
        return Looks(self.told.of(cases, VARIANTS), self.maps[torch.from_numpy(cases)])

    @property
    def strayed(self) -> torch.Tensor:
        """What is told of one strayed crop of each still, (n, told)."""
        return self.told.pooled["us"][STRAYED::VARIANTS]


@dataclass(frozen=True, eq=False)
class Fold:
    """What is said of a fold's stills, by their boxes and by boxes that strayed, and which they are, int
    (n,); `told` is what is said of it alone."""

    cases: np.ndarray
    said: Unseen
    strayed: Unseen
    told: Found


def cross_validate(
    source: Path,
    folder: Path,
    how: Training,
    count: int = 5,
    fixed_magnification: bool = False,
    without_marks: bool = False,
    box_shaped: bool = False,
) -> Found:
    """Train and test `count` folds of a folder of stills; the figures of `measure_stills` over all of them.

    Every still is answered once, by as many networks as there are other folds. The weights of the last epoch
    are kept, whatever the recipe says: with two folds left out nothing is there to choose by. The pooled AUC
    also suffers where the folds' networks disagree. Killed, it goes on where it was.

    Raises:
        RecipeError, StartError, RunError, DivergedError: as `train` does; StartError too where the bundle to
            start from was trained on stills, RunError where `folder` holds folds of other stills, of another
            network or another recipe.
        SplitError: too few folds, or too few stills for so many.
        FileNotFoundError: `source` holds no labelled stills.
    """
    _check_unseen(how.start)
    if how.of_heads_alone and not how.recipe.penalty:
        raise RecipeError("the penalty is chosen by no fold that is tested: give the recipe one")
    how = replace(how, recipe=replace(how.recipe, keep="last"))
    spec = InputSpec(size_px=how.recipe.size_px, box_shaped=box_shaped)
    samples, masks = stills_with_masks(
        source, folder / CROPS, spec, VARIANTS, fixed_magnification, without_marks
    )
    net, origin = initial(how.network, how.start, how.imagenet)
    splits = left_out(samples.about, count, SEED)
    runs = {pair: folder / "without-{}-{}".format(*pair) for pair in splits}
    missing = not all(_has_answered(run, how) for run in runs.values())
    looks = Looks.of(net, samples, how.recipe) if how.of_heads_alone and missing else None
    said = {
        pair: _without(how, origin, samples, masks, split, runs[pair], looks)
        for pair, split in splits.items()
    }
    found = _folds(samples, splits, said)
    unseen, strayed = (_in_order(found, name) for name in ("said", "strayed"))
    if how.of_heads_alone and not fixed_magnification and not without_marks:
        made = Settings(how.network, how.recipe, origin, Cases.of(CROSS_VALIDATED, samples, samples))
        keep_together(folder / TOGETHER, made, net, list(runs.values()), unseen)
    return {
        "on": "stills, cross-validated",
        "fixed_magnification": fixed_magnification,
        "without_marks": without_marks,
        "box_shaped": box_shaped,
        "trunk": how.network.trunk,
        "started_from": origin,
        "folds": count,
        "networks": len(said),
        "seeds": {"folds": SEED, "training": how.recipe.seed},
        **stills_figures(samples, unseen.odds, unseen.called, _mean_shares(said, masks)),
        "strayed": {name: asdict(metric) for name, metric in strayed.metrics(samples).items()},
        "each_fold": {fold_name(number, count): one.told for number, one in found.items()},
        "recipe": to_plain(how.recipe),
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


def _without(
    how: Training,
    origin: str,
    samples: Samples,
    masks: Mapping[str, np.ndarray],
    split: Split,
    run: Path,
    looks: Looks | None,
) -> dict[str, np.ndarray]:
    """What the network without two folds says of these, trained unless its answers are kept: by name, an
    array whose first axis is all stills, and which is no number for those that it learned from. Where heads
    alone are to learn, `looks` is what their trunk sees of all stills."""
    unseen = np.concatenate([split.validation, split.test])
    training, held_back = samples.take(split.train), samples.take(unseen)
    begin(run, Settings(how.network, how.recipe, origin, Cases.of(split.name, training, held_back)))
    if not _has_answered(run, how):
        given = run, how.network, how.recipe, how.start, how.imagenet, split.name
        own_masks = {name: mask[unseen] for name, mask in masks.items()}
        if looks is None:
            net = train(training, held_back, *given)
            answers = _answers(net, held_back, own_masks)
        else:
            own, other = looks.take(split.train), looks.take(unseen)
            net = refit(training, held_back, *given, (own.told, other.told))
            answers = _answers_of_looks(net, other, own_masks)
            keep_head(run, net)
        _keep(run, answers)
    with np.load(run / ANSWERS) as kept:
        return {name: _placed(kept[name], unseen, len(samples)) for name in kept}


def _has_answered(run: Path, how: Training) -> bool:
    """Whether a run is done: its answers are kept, and its head where that is all that learned."""
    return (run / ANSWERS).exists() and ((run / HEAD).exists() or not how.of_heads_alone)


def _placed(values: np.ndarray, cases: np.ndarray, count: int) -> np.ndarray:
    """Values of some cases among those of all, which are no numbers."""
    placed = np.full((count, *values.shape[1:]), np.nan, values.dtype)
    placed[cases] = values
    return placed


def _answers(net: FusionNetwork, stills: Samples, masks: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Logits (n, 2) of stills, by their boxes and by boxes that strayed, and where attention lies on them, by
    mask."""
    logits, strayed = (
        predict(net, replace(stills, us=stills.us[:, [variant]]), stills.us.shape[-1])["us"]
        for variant in (0, STRAYED)
    )
    return {"logits": logits, "strayed": strayed, **attention_shares([net], stills, masks)}


@torch.no_grad()
def _answers_of_looks(
    net: FusionNetwork, looks: Looks, masks: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """`_answers` of stills that were looked at."""
    size_px = next(iter(masks.values())).shape[-1]
    heatmaps = (attention_of(net, own, size_px) for own in looks.maps.split(1))
    return {
        "logits": net.head({"us": looks.maps})["us"].numpy(),
        "strayed": net.head.classifier("us")(looks.strayed).numpy(),
        **shares_on(heatmaps, masks),
    }


def _keep(run: Path, answers: Mapping[str, Any]) -> None:
    with written_whole(run / ANSWERS) as file:
        np.savez(file, **answers)
    for name in (CHECKPOINT, CHOSEN):  # those of all networks would be gigabytes, and the answers stand
        (run / name).unlink(missing_ok=True)


def _folds(
    samples: Samples, splits: Mapping[Pair, Split], said: Mapping[Pair, Mapping[str, np.ndarray]]
) -> dict[int, Fold]:
    """What is said of each fold, by number."""
    parts = {
        number: cases
        for pair, split in splits.items()
        for number, cases in zip(pair, (split.validation, split.test), strict=True)
    }
    return {number: _fold(samples, parts, said, number) for number in sorted(parts)}


def _fold(
    samples: Samples,
    parts: Mapping[int, np.ndarray],
    said: Mapping[Pair, Mapping[str, np.ndarray]],
    number: int,
) -> Fold:
    """What the networks without a fold say of it together, as far as they are to be trusted on the others;
    `parts` are the stills of each fold, by number."""
    own = parts[number]
    others = {pair: parts[sum(pair) - number] for pair in said if number in pair}
    known = np.concatenate([said[pair]["logits"][cases] for pair, cases in others.items()])
    head = Head.chosen("us", Answered(samples.take(np.concatenate(list(others.values()))), {"us": known}))
    exact, strayed = (
        Unseen.of(np.mean([said[pair][name][own] for pair in others], axis=0), head)
        for name in ("logits", "strayed")
    )
    told = {
        "temperature": head.temperature,
        "operating_point": head.point,
        "auc": asdict(evaluate.auc_among(samples.label[own], exact.odds, samples.patient[own])),
    }
    return Fold(own, exact, strayed, told)


def _in_order(folds: Mapping[int, Fold], name: str) -> Unseen:
    """What is said of all stills, in their order."""
    order = np.argsort(np.concatenate([fold.cases for fold in folds.values()]))
    return Unseen.joined([getattr(fold, name) for fold in folds.values()]).take(order)


def _mean_shares(
    said: Mapping[Pair, Mapping[str, np.ndarray]], masks: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The mean of what the networks attend to on each still, by mask; no number where every map is empty."""
    shares = {name: np.ma.masked_invalid([one[name] for one in said.values()]) for name in masks}
    return {name: x.mean(axis=0).filled(np.nan) for name, x in shares.items()}
