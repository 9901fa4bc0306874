"""Train a fusion network on a cached cohort: AdamW, warm-up and cosine, EMA, modality dropout."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch.nn import functional as F  # noqa: N812

from breastview.fusion.bundle import load_bundle
from breastview.fusion.network import FusionNetwork, mri_tensor
from breastview.fusion.spec import NetworkSpec
from model_training.cohort.samples import Samples, load_cohort

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """How to train. `stages` are (image side in px, epochs): small pictures first is faster."""

    stages: tuple[tuple[int, int], ...] = ((64, 6), (96, 3))
    batch: int = 16
    rate: float = 8e-4
    weight_decay: float = 0.02
    warm_up: float = 0.08
    ema: float = 0.99
    modality_dropout: float = 0.15
    auxiliary: float = 0.5
    seed: int = 7
    threads: int = 2
    bfloat16: bool = False  # pays only where the processor computes in it


@dataclass(frozen=True, eq=False)
class Batch:
    """US (n, 1, size, size) and MRI (n, channel, size, size), float32; which MRI channels are present, bool
    (n, channel); labels, int64 (n,)."""

    us: torch.Tensor
    mri: torch.Tensor
    channels: np.ndarray
    label: torch.Tensor


@dataclass
class Progress:
    """Where a run stands; kept in every checkpoint."""

    epoch: int = 0
    step: int = 0
    seconds: float = 0.0


def train(
    cohort: Path, run: Path, network: NetworkSpec, recipe: Recipe, start: Path | None = None
) -> FusionNetwork:
    """Train, or go on from the last epoch's checkpoint in `run`; returns the averaged (EMA) network.

    The weights start at random, or from those of the bundle `start`, and the log says which.
    """
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    run.mkdir(parents=True, exist_ok=True)
    training, validation = load_cohort(cohort, "train"), load_cohort(cohort, "validation")
    net, origin = _initial(network, start)
    average = FusionNetwork(network).to(memory_format=torch.channels_last)
    average.load_state_dict(net.state_dict())
    optimiser = torch.optim.AdamW(_groups(net, recipe), lr=recipe.rate)
    progress = _resume(run, net, average, optimiser)
    sizes = [size for size, epochs in recipe.stages for _ in range(epochs)]
    steps = math.ceil(len(training) / recipe.batch)
    for epoch in range(progress.epoch, len(sizes)):
        begun = time.monotonic()
        rng = np.random.default_rng([recipe.seed, epoch])
        net.train()
        for batch in _batches(training, recipe.batch, sizes[epoch], rng):
            rate = recipe.rate * _schedule(progress.step / (steps * len(sizes)), recipe.warm_up)
            loss = _step(net, optimiser, batch, rate, recipe, rng)
            _follow(average, net, min(recipe.ema, (1 + progress.step) / (10 + progress.step)))
            progress.step += 1
        progress.epoch, progress.seconds = epoch + 1, progress.seconds + time.monotonic() - begun
        _report(run, average, validation, sizes[epoch], progress, loss, origin)
        _checkpoint(run, net, average, optimiser, progress)
    return average


def _initial(network: NetworkSpec, start: Path | None) -> tuple[FusionNetwork, str]:
    """The network before the first step, and in words where its weights come from."""
    net = FusionNetwork(network).to(memory_format=torch.channels_last)
    if start is None:
        return net, "random weights"
    bundle = load_bundle(start, "cpu")
    net.load_state_dict(bundle.network.state_dict())
    return net, f"{bundle.spec.name}, weights {bundle.spec.weights_sha256[:12]}"


def _groups(net: FusionNetwork, recipe: Recipe) -> list[dict[str, object]]:
    """No weight decay on norms, biases and the fusion prior."""
    decayed = [p for p in net.parameters() if p.ndim > 1]
    plain = [p for p in net.parameters() if p.ndim <= 1]
    return [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": plain, "weight_decay": 0.0}]


def _schedule(share: float, warm_up: float) -> float:
    if share < warm_up:
        return share / warm_up
    return 0.5 * (1 + math.cos(math.pi * (share - warm_up) / (1 - warm_up)))


def _batches(samples: Samples, batch: int, size: int, rng: np.random.Generator) -> Iterator[Batch]:
    order = rng.permutation(len(samples))
    for start in range(0, len(order), batch):
        cases = order[start : start + batch]
        if len(cases) < 2:
            return
        variants = rng.integers(0, samples.us.shape[1], len(cases))
        us, mri = (
            samples.us[cases, variants].astype(np.float32),
            samples.mri[cases, variants].astype(np.float32),
        )
        us, mri = _augmented(us, mri, rng)
        label = torch.from_numpy(samples.label[cases].astype(np.int64))
        yield Batch(_sized(us, size), _sized(mri, size), samples.channels[cases], label)


def _augmented(us: np.ndarray, mri: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Mirror left–right, both alike (never upside down: shadows fall), and change gain and contrast."""
    flip = rng.random(len(us)) < 0.5
    us[flip], mri[flip] = us[flip, :, :, ::-1], mri[flip, :, :, ::-1]
    one = (len(us), 1, 1, 1)
    us = us * rng.uniform(0.85, 1.15, one) + rng.uniform(-0.2, 0.2, one)
    mri = mri * rng.uniform(0.9, 1.1, (len(us), mri.shape[1], 1, 1))
    return us.astype(np.float32), mri.astype(np.float32)


def _sized(images: np.ndarray, size: int) -> torch.Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(images))
    if tensor.shape[-1] != size:
        tensor = F.interpolate(tensor, size=(size, size), mode="area")
    return tensor.to(memory_format=torch.channels_last)


def _step(
    net: FusionNetwork,
    optimiser: torch.optim.Optimizer,
    batch: Batch,
    rate: float,
    recipe: Recipe,
    rng: np.random.Generator,
) -> float:
    for group in optimiser.param_groups:
        group["lr"] = rate
    kept = rng.random(batch.channels.shape) > recipe.modality_dropout
    kept[:, -1] = True
    channels = torch.from_numpy(kept & batch.channels)
    mri = mri_tensor(batch.mri * channels[:, :, None, None], channels)
    known = np.column_stack([np.ones(len(kept), bool), batch.channels.any(axis=1)])
    present = torch.from_numpy(_present(known, recipe.modality_dropout, rng))
    with torch.autocast("cpu", torch.bfloat16, enabled=recipe.bfloat16):
        maps = {"us": net.trunk("us", batch.us), "mri": net.trunk("mri", mri)}
    logits = net.head({name: x.float() for name, x in maps.items()}, present)
    loss = F.cross_entropy(logits["fused"], batch.label)
    for place, name in enumerate(maps):
        if known[:, place].any():
            own = torch.from_numpy(known[:, place])
            loss = loss + recipe.auxiliary * F.cross_entropy(logits[name][own], batch.label[own])
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
    optimiser.step()
    return float(loss.detach())


def _present(known: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Which of the modalities that it has each sample keeps, bool (n, 2) like `known`: never none."""
    present = known & (rng.random(known.shape) > share)
    return np.where(present.any(axis=1, keepdims=True), present, known)


@torch.no_grad()
def _follow(average: FusionNetwork, net: FusionNetwork, keep: float) -> None:
    for own, other in zip(_tensors(average), _tensors(net), strict=True):
        if own.dtype.is_floating_point:
            own.lerp_(other, 1 - keep)
        else:
            own.copy_(other)


def _tensors(net: FusionNetwork) -> Iterator[torch.Tensor]:
    """Parameters and buffers, shared ones once."""
    yield from net.parameters()
    yield from net.buffers()


def _resume(
    run: Path, net: FusionNetwork, average: FusionNetwork, optimiser: torch.optim.Optimizer
) -> Progress:
    path = run / "checkpoint.pt"
    if not path.exists():
        return Progress()
    state = torch.load(path, weights_only=True)
    net.load_state_dict(state["net"])
    average.load_state_dict(state["average"])
    optimiser.load_state_dict(state["optimiser"])
    return Progress(**state["progress"])


def _checkpoint(
    run: Path,
    net: FusionNetwork,
    average: FusionNetwork,
    optimiser: torch.optim.Optimizer,
    progress: Progress,
) -> None:
    part = run / "checkpoint.part"
    state = {
        "net": net.state_dict(),
        "average": average.state_dict(),
        "optimiser": optimiser.state_dict(),
        "progress": asdict(progress),
    }
    torch.save(state, part)
    part.replace(run / "checkpoint.pt")


def _report(
    run: Path,
    net: FusionNetwork,
    validation: Samples,
    size: int,
    progress: Progress,
    loss: float,
    origin: str,
) -> None:
    logits = predict(net, validation, size)
    aucs = {name: float(roc_auc_score(validation.label, x[:, 1] - x[:, 0])) for name, x in logits.items()}
    line = {
        "epoch": progress.epoch,
        "size": size,
        "loss": round(loss, 4),
        "seconds": round(progress.seconds),
        "started_from": origin,
        **aucs,
    }
    with (run / "log.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
    log.info("%s", line)


@torch.no_grad()
def predict(net: FusionNetwork, samples: Samples, size: int, batch: int = 64) -> dict[str, np.ndarray]:
    """Logits float32 (case, 2) of variant 0 of each case, by head, as the application computes them."""
    net.eval()
    parts: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(samples), batch):
        us = _sized(samples.us[start : start + batch, 0].astype(np.float32), size)
        mri = _sized(samples.mri[start : start + batch, 0].astype(np.float32), size)
        channels = torch.from_numpy(samples.channels[start : start + batch])
        for name, x in net(us, mri_tensor(mri, channels)).items():
            parts.setdefault(name, []).append(x.numpy())
    return {name: np.concatenate(pieces) for name, pieces in parts.items()}
