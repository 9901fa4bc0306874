"""Train the network that tells the true place of a picture from false ones, and tell how well it does."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from breastview.registration.judge import CHANNELS, Judge, mirrored
from model_training.judge.places import Places
from model_training.run_folder import RunError

log = logging.getLogger(__name__)

TRUE_MM, FALSE_MM = 2.5, 3.5  # a place that misses by less is true, by more false; between it is neither
CLOSE_MM = 3.0
WIDTHS = (24, 48, 48)
DROPOUT = 0.3
BATCH = 8  # pictures
RATE, WEIGHT_DECAY = 2e-3, 1e-2
LARGEST_NORM = 5.0
TOP_SHARE = 0.5  # of the pictures are shown with the place that a climb from the truth reached


class JudgeNetwork(nn.Module):
    """`Judge`, made trainable."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for number, (before, width) in enumerate(zip((CHANNELS, *WIDTHS), WIDTHS, strict=False)):
            layers += [nn.MaxPool2d(2)] if number else []
            layers += [
                nn.Conv2d(before, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ]
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Dropout(DROPOUT))
        self.head = nn.Linear(9 * WIDTHS[-1], 1)
        self.log_height = nn.Parameter(torch.tensor(40.0).log())
        self.none = nn.Parameter(torch.tensor(-1.0))
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, maps: torch.Tensor, below: torch.Tensor) -> torch.Tensor:
        """Log odds (n,) of places from maps (n, channel, row, column) and how far each lies below the highest
        of its picture (n,), a share of the picture."""
        return self.head(self.layers(maps))[:, 0] + self.log_height.exp() * below

    def weights(self) -> dict[str, np.ndarray]:
        """The weights as `Judge` takes them: batch norms have become part of the kernels."""
        kept: dict[str, torch.Tensor] = {}
        convolutions = [layer for layer in self.layers if isinstance(layer, nn.Conv2d)]
        norms = [layer for layer in self.layers if isinstance(layer, nn.BatchNorm2d)]
        for number, pair in enumerate(zip(convolutions, norms, strict=True)):
            fused = fuse_conv_bn_eval(*pair)
            assert fused.bias is not None
            kept |= {f"kernel{number}": fused.weight, f"bias{number}": fused.bias}
        kept |= {"head": self.head.weight[0], "bias": self.head.bias[0]}
        kept |= {"height": self.log_height.exp(), "none": self.none}
        return {name: value.detach().numpy().astype(np.float32) for name, value in kept.items()}


def fit_judge(training: Sequence[Places], epochs: int, seed: int) -> Judge:
    """Learn from pictures' places, half of the pictures mirrored: softmax cross-entropy over the places of a
    picture and "none of them", where several may be true.

    Raises:
        RunError: there are fewer than `BATCH` pictures.
    """
    if len(training) < BATCH:
        raise RunError(f"{len(training)} pictures are too few to learn from: {BATCH} at least")
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = JudgeNetwork()
    optimiser = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=WEIGHT_DECAY)
    steps = epochs * (len(training) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps + 1)
    for epoch in range(epochs):
        order, losses = rng.permutation(len(training)), []
        for first in range(0, len(order) - BATCH + 1, BATCH):
            shown = [_shown(training[place], rng) for place in order[first : first + BATCH]]
            odds = net(torch.cat([one.maps for one in shown]), torch.cat([one.below for one in shown]))
            loss = _loss(net, odds.split([len(one.maps) for one in shown]), shown)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), LARGEST_NORM)
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        log.info("epoch %d of %d, loss %.3f", epoch + 1, epochs, np.mean(losses))
    return Judge(net.eval().weights())


@dataclass(frozen=True, eq=False)
class _Shown:
    maps: torch.Tensor
    below: torch.Tensor
    true: torch.Tensor


def _shown(places: Places, rng: np.random.Generator) -> _Shown:
    """The places of a picture that are clearly true or false, those that were not found now and then; the
    picture mirrored now and then."""
    clear = (places.missed_mm < TRUE_MM) | (places.missed_mm > FALSE_MM)
    taken = clear & (places.found | (rng.random() < TOP_SHARE))
    heights = torch.from_numpy(places.heights[taken]).float()
    maps = places.maps[taken]
    return _Shown(
        maps=torch.from_numpy(mirrored(maps) if rng.random() < 0.5 else maps).float(),
        below=heights - heights.max() if len(heights) else heights,
        true=torch.from_numpy(places.missed_mm[taken] < TRUE_MM),
    )


def _loss(net: JudgeNetwork, odds: Sequence[torch.Tensor], shown: Sequence[_Shown]) -> torch.Tensor:
    losses = []
    for own, one in zip(odds, shown, strict=True):
        right = torch.logsumexp(own[one.true], 0) if one.true.any() else net.none
        losses.append(torch.logsumexp(torch.cat([own, net.none[None]]), 0) - right)
    return torch.stack(losses).mean()


def told_apart(judge: Judge, places: Sequence[Places]) -> dict[str, int]:
    """Of how many pictures the place that the network holds for likeliest misses by less than `CLOSE_MM`; the
    highest place; and any place that the search found."""
    counts = dict.fromkeys(("pictures", "found", "highest", "likeliest"), 0)
    for one in places:
        close, heights = one.missed_mm[one.found] < CLOSE_MM, one.heights[one.found]
        odds = judge.odds(one.maps[one.found].astype(np.float32), heights)
        hits = True, close.any(), close[np.argmax(heights)], close[np.argmax(odds)]
        for name, hit in zip(counts, hits, strict=True):
            counts[name] += bool(hit)
    return counts
