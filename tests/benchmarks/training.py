"""Training: whole epochs beside the same steps on batches that lie ready on the device, and the trunk beside
timm's (where that is installed; elsewhere torchvision's) network of the same name.

The larger sizes are for a GPU: on a CPU only the ratios say something.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch
import torchvision
from torch import nn

from breastview.fusion.spec import CHANNELS, NetworkSpec
from model_training import train
from model_training.batches import batches
from model_training.cohort.samples import DISPLACED_MM, Samples
from model_training.initial import initial
from model_training.plan import plan
from model_training.recipe import Augmentation, Recipe
from model_training.team import Team, training_device
from tests.benchmarks.row import Row, best_s

NETWORK = NetworkSpec("resnet101")
MOVING = Augmentation(turn_deg=5.0, zoom=0.08, shift=0.04)
SIDE_PX, TRUNK_SIDE_PX = 96, 224


def rows() -> Iterator[Row]:
    """Measure whole epochs and their steps in one process."""
    device = training_device()
    gpu = device.type == "cuda"
    batch, steps, repeats = (128, 20, 3) if gpu else (8, 2, 1)
    torch.backends.cudnn.benchmark = gpu
    yield _epochs(device, batch, steps, repeats, "bfloat16" if gpu else "float32")
    yield _trunk(device, 128 if gpu else 2, 3 if gpu else 1)


def _epochs(device: torch.device, batch: int, steps: int, repeats: int, precision: str) -> Row:
    recipe = Recipe(
        stages=((SIDE_PX, 1),), batch=batch, soft_labels=False, precision=precision, augmentation=MOVING
    )
    samples = noise(batch * steps)
    (epoch,) = plan(NETWORK, recipe)
    state = train._state(initial(NETWORK)[0], NETWORK, recipe, Team(), device)
    ready = list(batches(samples, epoch.modalities, recipe, SIDE_PX, 0, Team(), device))

    def whole() -> None:
        train._epoch(state, samples, epoch, 0, recipe, Team(), device)

    def in_memory() -> None:
        with patch.object(train, "batches", lambda *_: iter(ready)):
            whole()

    in_memory()
    memory_s, whole_s = best_s(in_memory, repeats), best_s(whole, repeats)
    pictures = 2 * len(samples)
    return Row(
        f"training ResNet-101, US + MRI, {SIDE_PX}², {device.type}",
        pictures / whole_s,
        "pictures/s",
        "the same batches, ready",
        pictures / memory_s,
        "ratio ≥ 0.9",
    )


def _trunk(device: torch.device, batch: int, steps: int) -> Row:
    """Forward and backward of one trunk at the side that others publish, in bfloat16 on a GPU."""
    ours = initial(NetworkSpec("resnet101", modalities=("us",)))[0].to(device).train()
    name, peer = _peer()
    peer = peer.to(device, memory_format=torch.channels_last).train()
    pictures = torch.randn(batch, 3, TRUNK_SIDE_PX, TRUNK_SIDE_PX, device=device)
    grey, coloured = (x.contiguous(memory_format=torch.channels_last) for x in (pictures[:, :1], pictures))

    def forward(x: torch.Tensor) -> torch.Tensor:
        return ours.head({"us": ours.trunk("us", x)})["us"]

    rates = [
        batch * steps / best_s(lambda net=net, x=x: _steps(net, x, steps), 4)
        for net, x in ((forward, grey), (peer, coloured))
    ]
    return Row(
        f"trunk, forward + backward, {TRUNK_SIDE_PX}², {device.type}",
        rates[0],
        "pictures/s",
        name,
        rates[1],
        "ratio ≥ 0.8",
    )


def _steps(net: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, steps: int) -> None:
    for _ in range(steps):
        with torch.autocast(x.device.type, torch.bfloat16, enabled=x.device.type == "cuda"):
            loss = net(x).float().logsumexp(dim=1).mean()
        loss.backward()
    if x.device.type == "cuda":
        torch.cuda.synchronize()


def _peer() -> tuple[str, nn.Module]:
    if importlib.util.find_spec("timm"):
        return "timm's resnet101", importlib.import_module("timm").create_model("resnet101", num_classes=2)
    return "torchvision's resnet101", torchvision.models.resnet101(num_classes=2)


def noise(count: int) -> Samples:
    """Cases with both modalities that look like nothing, two variants each."""
    rng = np.random.default_rng(0)

    def images(*leading: int) -> np.ndarray:
        return rng.standard_normal((count, *leading, SIDE_PX, SIDE_PX), np.float32).astype(np.float16)

    about = pd.DataFrame({"source": "noise", "malignant": np.arange(count) % 2 == 0})
    return Samples(
        us=images(2, 1),
        mri=images(2, len(CHANNELS)),
        channels=np.ones((count, len(CHANNELS)), bool),
        native=images(len(CHANNELS)),
        displaced=np.zeros((count, len(DISPLACED_MM) + 1, 1, 1, 1), np.float16),
        about=about,
    )
