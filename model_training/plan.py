"""What each epoch of a run trains: all at once, or the paper's way, each modality and then the fusion."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from breastview.fusion.spec import NetworkSpec
from model_training.recipe import Recipe


@dataclass(frozen=True)
class Epoch:
    """One epoch: its `phase` in words, the `modalities` whose trunks are computed, whether the `fused` head
    learns, the pictures' side in px, which part of its phase it is (`begin`…`end` of 1), the trunks' share of
    the rate, and whether its network may be `chosen`."""

    phase: str
    modalities: tuple[str, ...]
    fused: bool
    size_px: int
    begin: float
    end: float
    trunk_rate: float
    chosen: bool


def plan(network: NetworkSpec, recipe: Recipe) -> tuple[Epoch, ...]:
    """All epochs of a run in order; of the last phase, those at the final size may be chosen, or the last one
    alone, as the recipe says."""
    epochs = _epochs(network, recipe)
    if recipe.keep == "best":
        return epochs
    return (*(replace(epoch, chosen=False) for epoch in epochs[:-1]), epochs[-1])


def _epochs(network: NetworkSpec, recipe: Recipe) -> tuple[Epoch, ...]:
    sizes = [size for size, epochs in recipe.stages for _ in range(epochs)]
    if recipe.strategy != "staged" or len(network.modalities) == 1:
        return _phase("joint", network.modalities, True, sizes, recipe.trunk_rate, recipe)
    alone = [_phase(name, (name,), False, sizes, recipe.trunk_rate, recipe) for name in network.modalities]
    last = [recipe.size_px] * recipe.fusion_epochs
    fusion = _phase("fusion", network.modalities, True, last, recipe.fusion_trunk_rate, recipe)
    return (*(epoch for phase in alone for epoch in phase), *fusion)


def _phase(
    name: str, modalities: tuple[str, ...], fused: bool, sizes: list[int], trunk_rate: float, recipe: Recipe
) -> tuple[Epoch, ...]:
    shares = [k / len(sizes) for k in range(len(sizes) + 1)]
    return tuple(
        Epoch(name, modalities, fused, size, begin, end, trunk_rate, fused and size == recipe.size_px)
        for size, begin, end in zip(sizes, shares, shares[1:], strict=False)
    )


def schedule(share: float, warm_up: float) -> float:
    """Share of the full rate at a share of the phase: a line upwards, then half a cosine down to 0."""
    if share < warm_up:
        return share / warm_up
    return 0.5 * (1 + math.cos(math.pi * (share - warm_up) / (1 - warm_up)))
