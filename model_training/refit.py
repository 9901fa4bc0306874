"""Fit the heads anew on what trained trunks see, to the end.

On fixed features a head is a logistic regression, whose loss has one minimum; the noisy steps that train a
whole network stay short of it (Kirichenko et al., Last layer re-training is sufficient, ICLR 2023). Every
picture is looked at once, and the weights are held near those that training found (ridge), the nearer the
less the validation cases gain by leaving.
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from breastview.fusion.network import FusionNetwork, Head, Maps, modality_of
from breastview.fusion.spec import US_ONLY, NetworkSpec
from model_training import run_folder
from model_training.batches import (
    has_mri,
    inputs,
    known,
    mri_channels,
    mri_images,
    seen_apart,
    showings,
    targets,
    to_be_learned,
)
from model_training.cohort.samples import Samples
from model_training.initial import RANDOM, StartError, initial
from model_training.precision import autocast, check_precision
from model_training.predict import predict
from model_training.recipe import HEADS_ONLY, Recipe, RecipeError, check_size, check_sources
from model_training.run_folder import Cases, Settings
from model_training.splits import OWN_PARTS
from model_training.team import hardware, training_device
from model_training.train import aucs_by_head, usable

log = logging.getLogger(__name__)

PENALTIES = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
LEAST_SPREAD = 0.3
STEPS = 200  # of L-BFGS, most
BATCH = 64


@dataclass(frozen=True, eq=False)
class Rows:
    """What one linear head learns from: features (row, feature), the probabilities of both classes (row, 2),
    and how much each row counts (row,), together 1."""

    x: torch.Tensor
    target: torch.Tensor
    weight: torch.Tensor

    def loss(self, logits: torch.Tensor) -> torch.Tensor:
        """Weighted cross-entropy of logits (row, 2)."""
        return (self.weight * F.cross_entropy(logits, self.target, reduction="none")).sum()


@dataclass(frozen=True, eq=False)
class Seen:
    """Pooled maps (picture, features) by modality, zeros where there is none, of the pictures of all cases;
    `has`, bool (picture, modality), `malignant` (picture, 3) as `Samples.posterior`, `weight` (picture,)."""

    pooled: Maps
    has: np.ndarray
    malignant: np.ndarray
    weight: np.ndarray

    def of(self, cases: np.ndarray, variants: int) -> Seen:
        """The pictures of some of the cases, int (n,), of so many variants each."""
        own = (cases[:, None] * variants + np.arange(variants)).ravel()
        pooled = {name: x[torch.from_numpy(own)] for name, x in self.pooled.items()}
        return Seen(pooled, self.has[own], self.malignant[own], self.weight[own])


def refit(
    training: Samples,
    validation: Samples,
    run: Path,
    network: NetworkSpec,
    recipe: Recipe,
    start: Path | None,
    imagenet: str | None = None,
    split: str = OWN_PARTS,
    looked: tuple[Seen, Seen] | None = None,
) -> FusionNetwork:
    """Fit the heads of the bundle `start` anew, or new ones on trunks of ImageNet's weights (see `initial`),
    on every variant of the training cases; returns the network, which `run` keeps as `train` keeps the chosen
    one. Trunks and fusion weights stay, and so does a classifier of its own for US without MRI. `looked` is
    what the trunks see of both parts, where that is known already.

    Raises:
        RecipeError, StartError: recipe, network and bundle do not fit together.
        RunError: training or validation lacks a class, or the run began otherwise, another process trains in
            it, or it could not be written.
    """
    if recipe.strategy != HEADS_ONLY:
        raise RecipeError(f"strategy is {recipe.strategy}: refit takes {HEADS_ONLY}, as the preset heads")
    check_size(recipe, training.us.shape[-1])
    check_sources(recipe, set(training.about["source"]))
    device, begun = training_device(), time.monotonic()
    check_precision(recipe, device)
    torch.set_num_threads(recipe.threads)
    cases = Cases.of(split, training, validation)
    training = usable(training, network, recipe, "training")
    validation = usable(validation, network, recipe, "validation")
    net, origin = initial(network, start, imagenet)
    if origin == RANDOM:
        raise StartError("refit fits heads on trunks that have learned: give it weights to start from")
    if start is None:
        _forget(net.head)
    with run_folder.held(run):
        run_folder.begin(run, Settings(network, recipe, origin, cases))
        log.info("fitting the heads of %s on %s", origin, device)
        net = net.to(device).eval()
        if network.own_us_only_head:
            training, validation = (part.take(has_mri(part, recipe.mri)) for part in (training, validation))
        seen, held_out = looked or (looked_at(net, part, recipe) for part in (training, validation))
        for name, head in _heads(net).items():
            rows, other = (_rows(net, part, name, recipe) for part in (seen, held_out))
            penalty = fit(head, rows, other, recipe.penalty, own_scales=start is None)
            log.info("%s: %d rows, penalty %g", name, len(rows.x), penalty)
        _keep(run, net, validation, recipe, time.monotonic() - begun, origin)
    return run_folder.load_average(run, network)


@torch.no_grad()
def looked_at(net: FusionNetwork, samples: Samples, recipe: Recipe) -> Seen:
    """Every variant of the cases through the trunks, a picture each; a case counts as often as an epoch of
    the recipe shows it."""
    device, modalities = next(net.parameters()).device, net.head.modalities
    has = known(samples, modalities, recipe.mri)
    times = np.bincount(showings(samples, recipe), minlength=len(samples))
    channels, variants = mri_channels(samples, recipe.mri), samples.us.shape[1]
    features = net.head.kinds[modalities[0]].told
    pooled = {name: torch.zeros(len(samples) * variants, features) for name in modalities}
    lone = seen_apart(samples, recipe.mri, US_ONLY in net.trunks)
    for trunk, kind in (("us", ~lone), (US_ONLY, lone)):
        shown = modalities if trunk == "us" else ("us",)
        pictures = np.flatnonzero(np.repeat(kind, variants))
        for place in range(0, len(pictures), BATCH):
            own = pictures[place : place + BATCH]
            case, variant = np.divmod(own, variants)
            images = mri_images(samples, recipe.mri, case, variant)
            us = samples.us[case, variant]
            given = inputs(us, images, channels[case], shown, recipe.size_px, device, trunk)
            for name, x in given.items():
                with autocast(recipe, device):
                    maps = net.trunk(name, x)
                told = net.head.features({name: maps.float()})
                pooled[modality_of(name)][own] = told[modality_of(name)].float().cpu()
            if place // BATCH % 10 == 0:
                log.info("looked at %d of %d pictures", place + len(own), len(pictures))
    return Seen(
        pooled=pooled,
        has=np.repeat(has, variants, axis=0),
        malignant=np.repeat(to_be_learned(samples, recipe), variants, axis=0),
        weight=np.repeat(times / variants, variants),
    )


@torch.no_grad()
def _forget(head: Head) -> None:
    """Let classifiers say nothing: that is what a penalty holds new ones near."""
    for layer in (head.fused, *head.single.values()):
        for value in layer.parameters():
            value.zero_()


def _heads(net: FusionNetwork) -> dict[str, nn.Linear]:
    """The linear heads by name."""
    single = {name: net.head.single[name] for name in net.head.modalities}
    return {
        name: head
        for name, head in (*single.items(), ("fused", net.head.fused))
        if isinstance(head, nn.Linear)
    }


@torch.no_grad()
def _rows(net: FusionNetwork, seen: Seen, head: str, recipe: Recipe) -> Rows:
    """What a head is shown: a modality where there is one; the fused head both, and each alone as often as
    training withholds the other."""
    modalities = net.head.modalities
    x, target, weight = [], [], []
    for present, share in _shown(head, modalities, recipe.modality_dropout):
        there = (seen.has | ~np.array(present)).all(axis=1)
        mask = np.tile(present, (there.sum(), 1))
        parts = {name: maps[torch.from_numpy(there)] for name, maps in seen.pooled.items()}
        if head == "fused":
            x.append(net.head.joined(parts, torch.from_numpy(mask)))
        else:
            x.append(parts[head])
        told = targets(seen.malignant[there], mask, modalities)
        target.append(torch.from_numpy(told[head]))
        weight.append(seen.weight[there] * share)
    weights = np.concatenate(weight)
    return Rows(
        torch.cat(x), torch.cat(target), torch.from_numpy((weights / weights.sum()).astype(np.float32))
    )


def _shown(head: str, modalities: tuple[str, ...], dropout: float) -> list[tuple[tuple[bool, ...], float]]:
    """Which modalities a head is shown together, and how often."""
    alone = [(tuple(other == name for other in modalities), dropout) for name in modalities]
    if head != "fused":
        return [(alone[modalities.index(head)][0], 1.0)]
    return [((True,) * len(modalities), 1.0), *(alone if len(modalities) > 1 else [])]


def fit(head: nn.Linear, rows: Rows, held_out: Rows, penalty: float = 0.0, own_scales: bool = False) -> float:
    """Move a head to the minimum of loss and penalty; returns the penalty: that which is given, or, where
    none is, the one under which it loses least on those held out.

    All features share one scale. Each on its own, one that hardly ever varies would get a weight that is huge
    where it does: in other pictures, and in int8. With `own_scales`, for heads that begin from nothing, each
    has its own, but none a scale below `LEAST_SPREAD` of the shared one.
    """
    mean, variance = rows.x.mean(dim=0), rows.x.var(dim=0)
    spread = variance.mean().sqrt()
    if own_scales:
        spread = (variance + (LEAST_SPREAD * spread) ** 2).sqrt()
    own, other = ((part.x - mean) / spread for part in (rows, held_out))
    weight, bias = (
        head.weight.detach().cpu() * spread,
        head.bias.detach().cpu() + head.weight.detach().cpu() @ mean,
    )
    best = math.inf if penalty else float(held_out.loss(other @ weight.T + bias))
    chosen, found = math.inf, None
    moved = weight, bias
    for tried in (penalty,) if penalty else PENALTIES:
        moved = least(replace(rows, x=own), (weight, bias), moved, tried)
        loss = float(held_out.loss(other @ moved[0].T + moved[1]))
        if loss < best:
            best, found, chosen = loss, moved, tried
    if found is not None:
        with torch.no_grad():
            head.weight.copy_(found[0] / spread)
            head.bias.copy_(found[1] - (found[0] / spread) @ mean)
    return chosen


def least(
    rows: Rows,
    trained: tuple[torch.Tensor, torch.Tensor],
    first: tuple[torch.Tensor, torch.Tensor],
    penalty: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight (2, feature) and bias (2,) that minimise the loss and half the penalty times the squared way
    from the trained weight, found from `first` on."""
    weight, bias = (tensor.clone().requires_grad_(True) for tensor in first)
    solver = torch.optim.LBFGS([weight, bias], max_iter=STEPS, history_size=20, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        solver.zero_grad()
        loss = rows.loss(rows.x @ weight.T + bias) + penalty / 2 * (weight - trained[0]).square().sum()
        loss.backward()
        return loss

    solver.step(closure)
    return weight.detach(), bias.detach()


def _keep(
    run: Path, net: FusionNetwork, validation: Samples, recipe: Recipe, seconds: float, origin: str
) -> None:
    run_folder.keep_chosen(run, net)
    line = {
        "epoch": 1,
        "phase": HEADS_ONLY,
        "size": recipe.size_px,
        "seconds": round(seconds, 1),
        "hardware": hardware(next(net.parameters()).device),
        "started_from": origin,
        **aucs_by_head(predict(net, validation, recipe.size_px, mri=recipe.mri), validation),
        "chosen": True,
        "chosen_by": "validation cross-entropy",
    }
    run_folder.write_line(run, line)
    log.info("%s", line)
