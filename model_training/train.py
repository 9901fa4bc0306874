"""Train a fusion network: AdamW, warm-up and cosine, EMA, modality dropout, on one machine or several."""

from __future__ import annotations

import copy
import logging
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.nn import functional as F  # noqa: N812
from torch.optim.swa_utils import get_ema_multi_avg_fn
from torch.utils.tensorboard import SummaryWriter

from breastview.fusion.network import FusionNetwork, modality_of
from breastview.fusion.spec import US_ONLY, NetworkSpec
from model_training import run_folder
from model_training.batches import Batch, batches, known, showings
from model_training.cohort.samples import Samples
from model_training.initial import RANDOM, initial
from model_training.outline import Outlining
from model_training.plan import Epoch, plan, schedule
from model_training.precision import autocast, check_precision, gradient_scaler
from model_training.predict import predict
from model_training.recipe import Recipe, RecipeError, check_fits, check_size, check_sources
from model_training.run_folder import Cases, RunError, Settings, State
from model_training.splits import OWN_PARTS
from model_training.team import Team, hardware, join_norms, joined, training_device

log = logging.getLogger(__name__)

LARGEST_NORM = 5.0  # of the gradient
TOLD = 10  # times an epoch


class DivergedError(ArithmeticError):
    """The loss is no number any more."""


def train(
    training: Samples,
    validation: Samples,
    run: Path,
    network: NetworkSpec,
    recipe: Recipe,
    start: Path | None = None,
    imagenet: str | None = None,
    split: str = OWN_PARTS,
) -> FusionNetwork:
    """Train, or go on from the last epoch's checkpoint in `run`; returns the averaged (EMA) network of the
    epoch that did best on validation, by the AUC of the fused head or of the only modality's, or of the last
    one, as the recipe says.

    The weights start at random, from those of the bundle `start` or from `imagenet`'s, as in `initial`. The
    run keeps which cases it saw, under the name of their `split`.

    Raises:
        RecipeError, StartError: recipe, network, weights to start from and device do not fit together.
        RunError: training or validation lacks a class, the run began otherwise, another process trains in
            it, or a checkpoint could not be written.
        DivergedError: the loss is not a number.
    """
    device = training_device()
    _check(recipe, network, training, device)
    torch.set_num_threads(recipe.threads)
    torch.backends.cudnn.benchmark = device.type == "cuda"  # sizes hardly change
    torch.manual_seed(recipe.seed)
    cases = Cases.of(split, training, validation)
    training = usable(training, network, recipe, "training")
    validation = usable(validation, network, recipe, "validation")
    net, origin = initial(network, start, imagenet)
    _check_start(recipe, origin)
    began = copy.deepcopy(net).to(device) if recipe.start_share > 0 else None
    with joined(device) as team, run_folder.held(run) if team.leads else nullcontext():
        if team.leads:
            run_folder.begin(run, Settings(network, recipe, origin, cases))
            log.info("training on %s in %d processes, from %s", device, team.size, origin)
        state = _state(net, network, recipe, team, device)
        run_folder.resume(run, state, device)
        epochs = plan(network, recipe)
        left = range(state.progress.epoch, len(epochs))
        with _board(run, left, team) as board:
            for number in left:
                begun = time.monotonic()
                loss = _epoch(state, training, epochs[number], number, recipe, team, device)
                state.progress.seconds += time.monotonic() - begun
                state.progress.epoch = number + 1
                if board is not None:
                    share = recipe.start_share
                    kept = state.average if began is None else between(state.average, began, share)
                    _close(run, board, state, kept, validation, epochs[number], recipe, loss, origin)
                team.wait()
    return run_folder.load_average(run, network)


def _check(recipe: Recipe, network: NetworkSpec, training: Samples, device: torch.device) -> None:
    """Raises RecipeError where a recipe does not fit its network, cohort or device."""
    check_fits(recipe, network)
    check_precision(recipe, device)
    check_size(recipe, training.us.shape[-1])
    check_sources(recipe, set(training.about["source"]))
    if recipe.outline > 0 and (training.outline is None or "us" not in network.modalities):
        raise RecipeError(
            "outline needs US and outlines of lesions, which network or cohort lacks: take 0. In a cohort "
            "all lesions have one, as stills alone do, or none counts"
        )


def _check_start(recipe: Recipe, origin: str) -> None:
    """Raises RecipeError where a recipe keeps something of random weights."""
    for name in ("frozen_norms", "start_share"):
        if getattr(recipe, name) and origin == RANDOM:
            raise RecipeError(f"{name} keeps what pretrained weights brought: it needs weights to start from")


def usable(samples: Samples, network: NetworkSpec, recipe: Recipe, name: str) -> Samples:
    """The cases that have one of the network's modalities at least; raises RunError where a class lacks."""
    has = np.array(known(samples, network.modalities, recipe.mri).any(axis=1))
    if not has.all():
        log.info("%d of %d %s cases lack %s", (~has).sum(), len(has), name, " and ".join(network.modalities))
        samples = samples.take(has)
    for word, there in (("malignant", samples.label.any()), ("benign", not samples.label.all())):
        if not there:
            raise RunError(f"there is no {word} lesion in the {name} part: a network needs both classes")
    return samples


def _state(
    net: FusionNetwork, network: NetworkSpec, recipe: Recipe, team: Team, device: torch.device
) -> State:
    net = net.to(device)
    average = FusionNetwork(network).to(device).to(memory_format=torch.channels_last)
    average.load_state_dict(net.state_dict())
    if recipe.outline > 0:
        net = Outlining.of(net, network).to(device)
    join_norms(net, team)
    optimiser = torch.optim.AdamW(_groups(net, recipe), lr=recipe.rate, fused=device.type == "cuda")
    return State(net, average, optimiser, gradient_scaler(recipe, device))


def _groups(net: FusionNetwork, recipe: Recipe) -> list[dict[str, Any]]:
    """Trunks and heads apart; no weight decay on norms, biases and the fusion prior."""
    outliners = [net.outliner] if isinstance(net, Outlining) else []
    return [
        {
            "params": [p for p in part.parameters() if (p.ndim > 1) == decayed],
            "weight_decay": recipe.weight_decay * decayed,
            "trunk": part is net.trunks,
        }
        for part in (net.trunks, net.head, *outliners)
        for decayed in (True, False)
    ]


def _epoch(
    state: State,
    training: Samples,
    epoch: Epoch,
    number: int,
    recipe: Recipe,
    team: Team,
    device: torch.device,
) -> float:
    """Train one epoch; returns its mean loss."""
    modes(state.net, epoch, recipe)
    steps = math.ceil(len(showings(training, recipe)) / recipe.batch)
    losses: list[torch.Tensor] = []
    followers, leaders = _pairs(state.average, state.net)
    own_us_only = US_ONLY in state.net.trunks
    given = batches(training, epoch.modalities, recipe, epoch.size_px, number, team, device, own_us_only)
    for step, batch in enumerate(given):
        share = epoch.begin + (epoch.end - epoch.begin) * step / steps
        _set_rates(state.optimiser, recipe.rate * schedule(share, recipe.warm_up), epoch.trunk_rate)
        losses.append(_step(state, batch, epoch, recipe, team))
        keep = min(recipe.ema, (1 + state.progress.step) / (10 + state.progress.step))
        get_ema_multi_avg_fn(keep)(followers, leaders, None)
        state.progress.step += 1
        # The loss of the step before is looked at while a GPU still computes this one.
        _check_loss(losses[-2:-1], number, step, recipe)
        if team.leads and (step + 1) % max(1, steps // TOLD) == 0:
            log.info("epoch %d, batch %d of %d, loss %.4f", number + 1, step + 1, steps, losses[-1])
    _check_loss(losses[-1:], number, len(losses), recipe)
    return float(team.add(torch.stack(losses).mean()))


def _check_loss(losses: list[torch.Tensor], number: int, step: int, recipe: Recipe) -> None:
    if not all(torch.isfinite(loss) for loss in losses):
        raise DivergedError(
            f"epoch {number + 1}, step {step}: the loss is not a number. Lower `rate` (now {recipe.rate}), "
            f"train in float32 (now {recipe.precision}), or look for values in the cohort that are none; the "
            "last checkpoint stands"
        )


def modes(net: FusionNetwork, epoch: Epoch, recipe: Recipe) -> None:
    """What learns in this epoch: frozen trunks keep the statistics of their norms, as frozen norms do."""
    net.train()
    if epoch.trunk_rate == 0:
        net.trunks.eval()
    if recipe.frozen_norms:
        for norm in _norms(net):
            norm.eval()


def _norms(net: nn.Module) -> Iterator[nn.BatchNorm2d]:
    return (module for module in net.modules() if isinstance(module, nn.BatchNorm2d))


def _set_rates(optimiser: torch.optim.Optimizer, rate: float, trunk_rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate * trunk_rate if group["trunk"] else rate


def _step(state: State, batch: Batch, epoch: Epoch, recipe: Recipe, team: Team) -> torch.Tensor:
    """One step; returns this process's part of the batch's loss, which is no number where its gradient is
    none."""
    device = batch.present.device
    with torch.set_grad_enabled(epoch.trunk_rate > 0), autocast(recipe, device):
        maps = {name: state.net.trunk(name, x) for name, x in batch.inputs.items()}
    there = dict(zip(epoch.modalities, batch.known.T, strict=True))
    maps = {name: placed(x.float(), there[modality_of(name)]) for name, x in maps.items()}
    loss = _loss(state.net, maps, batch, epoch, recipe)
    state.optimiser.zero_grad(set_to_none=True)
    state.scaler.scale(loss).backward()
    team.add_gradients(state.net)
    state.scaler.unscale_(state.optimiser)
    norm = nn.utils.clip_grad_norm_(state.net.parameters(), LARGEST_NORM)
    state.scaler.step(state.optimiser)
    state.scaler.update()
    loss = loss.detach()
    return loss if state.scaler.is_enabled() else loss.where(norm.isfinite(), torch.nan)


def placed(maps: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
    """Maps (known, …) of the cases that are `there`, bool (n,), each in its place of (n, …) and 0 elsewhere:
    a trunk never sees a picture that is missing, nor do its norms."""
    if there.all():
        return maps
    all_maps = maps.new_zeros(len(there), *maps.shape[1:])
    all_maps[there] = maps
    return all_maps


def _loss(
    net: FusionNetwork, maps: dict[str, torch.Tensor], batch: Batch, epoch: Epoch, recipe: Recipe
) -> torch.Tensor:
    """Cross-entropy (the paper's equation 4), weighted by class on demand: fused with the single heads at
    their weight, or of the one modality whose turn it is. Fusion learns from no trunk that has no part in
    it."""

    def entropy(name: str, logits: torch.Tensor) -> torch.Tensor:
        return (batch.weight[name] * F.cross_entropy(logits, batch.target[name], reduction="none")).sum()

    outlined = _outline_loss(net, maps, batch, recipe)
    if not epoch.fused:
        (name,) = maps
        return entropy(modality_of(name), net.head.alone(name, maps[name])) + outlined
    logits = net.head(maps, batch.present)
    single = torch.stack([entropy(name, logits[name]) for name in map(modality_of, maps)])
    fused = 0.0 if all(map(net.head.is_apart, maps)) else entropy("fused", logits["fused"])
    return fused + recipe.auxiliary * single.sum() + outlined


def _outline_loss(
    net: FusionNetwork, maps: dict[str, torch.Tensor], batch: Batch, recipe: Recipe
) -> torch.Tensor | float:
    """Cross-entropy a pixel of what is lesion in US, at the recipe's weight."""
    seen = [x for name, x in maps.items() if modality_of(name) == "us"]
    if not isinstance(net, Outlining) or not seen or batch.outline is None:
        return 0.0
    said = net.outliner(seen[0])
    truth = F.interpolate(batch.outline, size=said.shape[-2:], mode="area").clamp(0, 1)
    entropy = F.binary_cross_entropy_with_logits(said, truth, reduction="none").mean(dim=(1, 2, 3))
    return recipe.outline * (batch.weight["us"] * entropy).sum()


def _pairs(average: FusionNetwork, net: FusionNetwork) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Weights and statistics of an average and of the network that it follows, in one order. What only learns
    is not among them, nor are the norms' counters, which nothing reads."""
    own = {name: x for name, x in _tensors(average).items() if x.is_floating_point()}
    learned = _tensors(net)
    return list(own.values()), [learned[name] for name in own]


@torch.no_grad()
def between(net: FusionNetwork, other: FusionNetwork, share: float) -> FusionNetwork:
    """A network like both, a `share` of whose weights and statistics are the other's."""
    made, there = copy.deepcopy(net), _tensors(other)
    for name, own in _tensors(made).items():
        if own.dtype.is_floating_point:
            own.lerp_(there[name], share)
    return made


def _tensors(net: FusionNetwork) -> dict[str, torch.Tensor]:
    """Parameters and buffers by name, shared ones once."""
    return {**dict(net.named_parameters()), **dict(net.named_buffers())}


def _close(
    run: Path,
    board: SummaryWriter,
    state: State,
    kept: FusionNetwork,
    validation: Samples,
    epoch: Epoch,
    recipe: Recipe,
    loss: float,
    origin: str,
) -> None:
    """Measure the network that would be kept, keep it where it is the best so far, and write log and
    checkpoint. Where the last epoch is kept none before it is measured."""
    progress = state.progress
    measured = epoch.chosen or recipe.keep == "best"
    said = predict(kept, validation, epoch.size_px, mri=recipe.mri) if measured else {}
    aucs = aucs_by_head(said, validation)
    only = state.net.head.modalities
    head = "fused" if len(only) > 1 else only[0]
    if epoch.chosen and aucs[head] >= progress.chosen_auc:
        progress.chosen_epoch, progress.chosen_auc = progress.epoch, aucs[head]
        run_folder.keep_chosen(run, kept)
    line = {
        "epoch": progress.epoch,
        "phase": epoch.phase,
        "size": epoch.size_px,
        "loss": round(loss, 4),
        "seconds": round(progress.seconds, 1),
        "hardware": hardware(next(kept.parameters()).device),
        "started_from": origin,
        **aucs,
        "chosen": progress.chosen_epoch == progress.epoch,
        "chosen_by": f"validation AUC, {head} head" if recipe.keep == "best" else "being the last",
    }
    run_folder.write_line(run, line)
    _scalars(board, state, {"loss": loss, **{f"auc/{name}": value for name, value in aucs.items()}})
    log.info("%s", line)
    run_folder.keep(run, state)


def aucs_by_head(logits: dict[str, np.ndarray], samples: Samples) -> dict[str, float]:
    """AUC by head over the cases that it can see; not a number where these are of one class."""
    aucs = {}
    for name, x in logits.items():
        odds = x[:, 1] - x[:, 0]
        seen = np.isfinite(odds)
        label = samples.label[seen]
        both = label.any() and not label.all()
        aucs[name] = float(roc_auc_score(label, odds[seen])) if both else math.nan
    return aucs


@contextmanager
def _board(run: Path, epochs: range, team: Team) -> Iterator[SummaryWriter | None]:
    """TensorBoard's log of these epochs, for the process that leads; what a killed run left of them goes."""
    if not (team.leads and epochs):
        yield None
        return
    with SummaryWriter(os.fspath(run / "tensorboard"), purge_step=epochs[0] + 1) as board:
        yield board


def _scalars(board: SummaryWriter, state: State, values: dict[str, float]) -> None:
    shares = state.average.head.prior.detach().softmax(dim=0).tolist()
    weights = {f"weight/{name}": x for name, x in zip(state.net.head.modalities, shares, strict=True)}
    rates = {"rate": state.optimiser.param_groups[-1]["lr"]}
    with run_folder.keeping(Path(board.log_dir)):
        for name, value in {**values, **weights, **rates}.items():
            board.add_scalar(name, value, state.progress.epoch)
        board.flush()
