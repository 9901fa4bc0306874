"""Train trunks without labels, to start from: SimSiam (Chen & He, CVPR 2021), each modality by itself.

Two pictures of one lesion, cut and augmented each in its own way, go through a trunk and a projector; a
predictor is to tell the one's output from the other's, through which no gradient flows. There are no
negatives, so that small batches do. A network could answer the same to everything: the log tells how its
outputs spread.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from breastview.fusion.network import FusionNetwork, Maps
from breastview.fusion.spec import TRUNKS, NetworkSpec
from model_training import run_folder
from model_training.batches import Showing, known, mri_channels
from model_training.cohort.samples import Samples
from model_training.initial import initial
from model_training.plan import Epoch, plan, schedule
from model_training.precision import autocast, check_precision, gradient_scaler
from model_training.recipe import SIMSIAM, Recipe, RecipeError, check_size
from model_training.run_folder import Cases, RunError, Settings, State
from model_training.splits import OWN_PARTS
from model_training.team import training_device
from model_training.train import DivergedError

log = logging.getLogger(__name__)

MOMENTUM = 0.9
NARROWER = 4  # the predictor's middle than its ends


class SimSiam(FusionNetwork):
    """A network with what its trunks need to learn without labels; its head does not learn."""

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__(spec)
        features = TRUNKS[spec.trunk].features
        self.projectors = nn.ModuleDict({name: _projector(features) for name in spec.modalities})
        self.predictors = nn.ModuleDict({name: _predictor(features) for name in spec.modalities})

    def loss(self, modality: str, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """From features (n, features) of two views: minus the cosine of each, projected and predicted, and of
        the other, projected; −1 … 1."""
        project, predict = self.projectors[modality], self.predictors[modality]
        first, second = project(one), project(other)
        pairs = ((predict(first), second.detach()), (predict(second), first.detach()))
        return -torch.stack([F.cosine_similarity(*pair).mean() for pair in pairs]).mean()


def pretrain(
    samples: Samples,
    run: Path,
    network: NetworkSpec,
    recipe: Recipe,
    start: Path | None = None,
    imagenet: str | None = None,
    split: str = OWN_PARTS,
) -> FusionNetwork:
    """Train the trunks of `network` on `samples` without their labels, or go on from the last epoch's
    checkpoint in `run`, from which `initial` starts another; the recipe's `rate` is SGD's.

    Raises:
        RecipeError, StartError: recipe, network and weights to start from do not fit together.
        RunError: too few cases, the run began otherwise, several processes, another one trains in it, or a
            checkpoint could not be written.
        DivergedError: the loss is not a number.
    """
    device = training_device()
    _check(recipe, device)
    check_size(recipe, samples.us.shape[-1])
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    cases = Cases(split, samples.sha256, "")
    has = np.array(known(samples, network.modalities, recipe.mri).any(axis=1))
    if has.sum() < 2:
        raise RunError(f"no two cases have {' or '.join(network.modalities)}: there is nothing to learn from")
    samples = samples.take(has)
    net, origin = initial(network, start, imagenet)
    with run_folder.held(run):
        run_folder.begin(run, Settings(network, recipe, origin, cases))
        log.info("learning without labels from %d cases on %s, from %s", len(samples), device, origin)
        learning = _learning(net, network, device)
        state = State(learning, net.to(device), _optimiser(learning, recipe), gradient_scaler(recipe, device))
        run_folder.resume(run, state, device)
        epochs = plan(network, recipe)
        for number in range(state.progress.epoch, len(epochs)):
            begun = time.monotonic()
            told = _epoch(learning, state, samples, epochs[number], number, recipe)
            state.progress.seconds += time.monotonic() - begun
            state.progress.epoch = number + 1
            _close(run, state, epochs[number], told, origin)
    return run_folder.load_average(run, network)


def spread(features: torch.Tensor) -> float:
    """How far a trunk's pooled outputs (n, features) differ: the standard deviation of the normalised ones, 0
    where all are one, 1 where they lie evenly around.

    Chen & He (section 4.1) look at the projections, where a batch norm makes small differences large.
    """
    return float(F.normalize(features.detach()).var(dim=0).sum().sqrt())


def _check(recipe: Recipe, device: torch.device) -> None:
    if recipe.strategy != SIMSIAM:
        raise RecipeError(
            f"strategy is {recipe.strategy}, which needs labels: pretrain takes {SIMSIAM}, as the preset of "
            "this name has"
        )
    check_precision(recipe, device)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise RunError("pretrain runs in one process: start it without torchrun")


def _projector(features: int) -> nn.Module:
    return nn.Sequential(
        *_layer(features, features), *_layer(features, features),
        nn.Linear(features, features, bias=False), nn.BatchNorm1d(features, affine=False),
    )  # fmt: skip


def _predictor(features: int) -> nn.Module:
    return nn.Sequential(*_layer(features, features // NARROWER), nn.Linear(features // NARROWER, features))


def _layer(before: int, after: int) -> tuple[nn.Module, ...]:
    return nn.Linear(before, after, bias=False), nn.BatchNorm1d(after), nn.ReLU()


def _learning(net: FusionNetwork, network: NetworkSpec, device: torch.device) -> SimSiam:
    learning = SimSiam(network)
    learning.load_state_dict(net.state_dict(), strict=False)
    return learning.to(device).to(memory_format=torch.channels_last)


def _optimiser(net: SimSiam, recipe: Recipe) -> torch.optim.Optimizer:
    """SGD; the predictors' rate does not fall, so that they keep up with the rest."""
    falling = {"params": [*net.trunks.parameters(), *net.projectors.parameters()], "falls": True}
    steady = {"params": list(net.predictors.parameters()), "falls": False}
    return torch.optim.SGD([falling, steady], recipe.rate, MOMENTUM, weight_decay=recipe.weight_decay)


def _epoch(
    net: SimSiam, state: State, samples: Samples, epoch: Epoch, number: int, recipe: Recipe
) -> dict[str, float]:
    """Train one epoch; returns the mean loss, and each modality's mean `spread`."""
    net.train()
    steps = math.ceil(len(samples) / recipe.batch)
    told: dict[str, list[float]] = {}
    for step, views in enumerate(_views(samples, epoch, number, recipe, next(net.parameters()).device)):
        share = epoch.begin + (epoch.end - epoch.begin) * step / steps
        for group in state.optimiser.param_groups:
            group["lr"] = recipe.rate * (schedule(share, recipe.warm_up) if group["falls"] else 1.0)
        for name, value in _step(net, state, views, recipe).items():
            told.setdefault(name, []).append(value)
    if not math.isfinite(sum(told["loss"])):
        raise DivergedError(
            f"epoch {number + 1}: the loss is not a number. Lower `rate` (now {recipe.rate}), or look for "
            "values in the cohort that are none; the last checkpoint stands"
        )
    return {name: float(np.mean(values)) for name, values in told.items()}


def _views(
    samples: Samples, epoch: Epoch, number: int, recipe: Recipe, device: torch.device
) -> Iterator[tuple[Maps, Maps]]:
    """An epoch's batches: inputs by modality, twice, each of the cases that have it; what fewer than two
    cases have is left out."""
    rng = np.random.default_rng([recipe.seed, number])
    order = rng.permutation(len(samples))
    channels, has = mri_channels(samples, recipe.mri), known(samples, epoch.modalities, recipe.mri)

    def view(cases: np.ndarray, there: dict[str, np.ndarray]) -> Maps:
        given = Showing.drawn(samples, cases, recipe, rng)
        here = {name: np.flatnonzero(own) for name, own in there.items()}
        shown = channels[cases]
        return {name: given.input(name, x, shown[x], epoch.size_px, device) for name, x in here.items()}

    for begin in range(0, len(order), recipe.batch):
        cases = order[begin : begin + recipe.batch]
        there = {name: own for name, own in zip(epoch.modalities, has[cases].T, strict=True) if own.sum() > 1}
        if there:
            yield view(cases, there), view(cases, there)


def _step(net: SimSiam, state: State, views: tuple[Maps, Maps], recipe: Recipe) -> dict[str, float]:
    losses, told = [], {}
    for name in views[0]:
        with autocast(recipe, views[0][name].device):
            maps = [net.trunk(name, view[name]) for view in views]
        one, other = (x.float().mean(dim=(2, 3)) for x in maps)
        losses.append(net.loss(name, one, other))
        told[f"spread_{name}"] = spread(one)
    loss = torch.stack(losses).mean()
    state.optimiser.zero_grad(set_to_none=True)
    state.scaler.scale(loss).backward()
    state.scaler.step(state.optimiser)
    state.scaler.update()
    return {"loss": float(loss.detach()), **told}


def _close(run: Path, state: State, epoch: Epoch, told: dict[str, float], origin: str) -> None:
    """Write log and checkpoint; the network that is kept is the learning one without what falls away."""
    learned = state.net.state_dict()
    state.average.load_state_dict({name: learned[name] for name in state.average.state_dict()})
    line = {
        "epoch": state.progress.epoch,
        "phase": SIMSIAM,
        "size": epoch.size_px,
        "seconds": round(state.progress.seconds, 1),
        "started_from": origin,
        **{name: round(value, 4) for name, value in told.items()},
    }
    run_folder.write_line(run, line)
    log.info("%s", line)
    run_folder.keep(run, state)
