"""What a network says of samples, computed as the application computes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from breastview.fusion.network import CLASSES, FusionNetwork, Maps, modality_of
from breastview.fusion.spec import US_ONLY
from model_training.batches import inputs, known, mri_channels, mri_images, seen_apart
from model_training.cohort.samples import Samples
from model_training.team import Team


def predict_together(
    networks: Sequence[FusionNetwork],
    samples: Samples,
    size_px: int,
    team: Team,
    mri: str = "registered",
    alone: bool = False,
) -> dict[str, np.ndarray]:
    """`predict_mean`, of which each process of a team computes its share; every one gets the whole."""
    own = samples.take(np.arange(len(samples))[team.share(len(samples))])
    shares = [one for one in team.gathered(predict_mean(networks, own, size_px, mri, alone)) if one]
    return {name: np.concatenate([one[name] for one in shares]) for name in shares[0]}


def predict_mean(
    networks: Sequence[FusionNetwork],
    samples: Samples,
    size_px: int,
    mri: str = "registered",
    alone: bool = False,
) -> dict[str, np.ndarray]:
    """`predict` of a bundle: the mean of its networks' logits."""
    said = [predict(net, samples, size_px, mri=mri, alone=alone) for net in networks]
    return {head: np.mean([one[head] for one in said], axis=0) for head in said[0]}


@torch.no_grad()
def predict(
    net: FusionNetwork,
    samples: Samples,
    size_px: int,
    batch: int = 64,
    mri: str = "registered",
    alone: bool = False,
) -> dict[str, np.ndarray]:
    """Logits float32 (case, 2) of variant 0 of each case, by head.

    A modality that a case lacks is masked; where a head has nothing to see its logits are NaN. `alone` adds
    "us_alone" and "mri_alone": what the fused head says of one modality without the other.
    """
    net.eval()
    device = next(net.parameters()).device
    modalities = net.head.modalities
    has = known(samples, modalities, mri)
    heads = ("fused", *modalities, *((f"{name}_alone" for name in modalities) if alone else ()))
    whole = {name: np.full((len(samples), CLASSES), np.nan, np.float32) for name in heads}
    for cases, given in exact_inputs(net, samples, size_px, batch, mri):
        maps = {modality_of(name): net.trunk(name, x) for name, x in given.items()}
        logits = net.head(maps, torch.from_numpy(has[cases]).to(device))
        if alone:
            logits |= {f"{name}_alone": net.head({name: x})["fused"] for name, x in maps.items()}
        for name, x in logits.items():
            whole[name][cases] = x.float().cpu().numpy()
    seen: dict[str, np.ndarray] = {"fused": np.asarray(has.any(axis=1))}
    for name, own in zip(modalities, has.T, strict=True):
        seen |= {name: own, f"{name}_alone": own}
    return {name: np.where(seen[name][:, None], x, np.float32(np.nan)) for name, x in whole.items()}


def exact_inputs(
    net: FusionNetwork, samples: Samples, size_px: int, batch: int = 64, mri: str = "registered"
) -> Iterator[tuple[np.ndarray, Maps]]:
    """Places of cases, int (n,), and variant 0 of each as the network is given it, by trunk, on its
    device."""
    device, channels = next(net.parameters()).device, mri_channels(samples, mri)
    lone = seen_apart(samples, mri, US_ONLY in net.trunks)
    for trunk, kind in (("us", ~lone), (US_ONLY, lone)):
        modalities = net.head.modalities if trunk == "us" else ("us",)
        for cases in _in_turn(np.flatnonzero(kind), batch):
            images = mri_images(samples, mri, cases, np.zeros_like(cases))
            us = samples.us[cases, 0]
            yield cases, inputs(us, images, channels[cases], modalities, size_px, device, trunk)


def _in_turn(cases: np.ndarray, batch: int) -> Iterator[np.ndarray]:
    return (cases[start : start + batch] for start in range(0, len(cases), batch))
