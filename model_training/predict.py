"""What a network says of samples, computed as the application computes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from breastview.fusion.network import CLASSES, FusionNetwork, Maps, modality_of
from breastview.fusion.spec import TWO_VIEWS, US_ONLY
from model_training.batches import inputs, known, mri_channels, mri_images, seen_apart, us_input
from model_training.cohort.samples import Samples
from model_training.team import Team


def predict_together(
    networks: Sequence[FusionNetwork],
    samples: Samples,
    size_px: int,
    team: Team,
    mri: str = "registered",
    whole: bool = False,
) -> dict[str, np.ndarray]:
    """`predict_mean`, of which each process of a team computes its share; every one gets the whole."""
    own = samples.take(np.arange(len(samples))[team.share(len(samples))])
    shares = team.gathered(predict_mean(networks, own, size_px, mri, whole))
    heads = dict.fromkeys(head for one in shares for head in one)  # of two views in some shares only

    def told(share: dict[str, np.ndarray], head: str) -> np.ndarray:
        return share[head] if head in share else np.full_like(share["fused"], np.nan)

    return {head: np.concatenate([told(one, head) for one in shares]) for head in heads}


def predict_mean(
    networks: Sequence[FusionNetwork],
    samples: Samples,
    size_px: int,
    mri: str = "registered",
    whole: bool = False,
) -> dict[str, np.ndarray]:
    """`predict` of a bundle: the mean of its networks' logits."""
    said = [predict(net, samples, size_px, mri=mri, whole=whole) for net in networks]
    return {head: np.mean([one[head] for one in said], axis=0) for head in said[0]}


@torch.no_grad()
def predict(
    net: FusionNetwork,
    samples: Samples,
    size_px: int,
    batch: int = 64,
    mri: str = "registered",
    whole: bool = False,
) -> dict[str, np.ndarray]:
    """Logits float32 (case, 2) of variant 0 of each case, by head.

    A modality that a case lacks is masked; where a head has nothing to see its logits are NaN. `whole` adds
    "us_alone" and "mri_alone", what the fused head says of one modality without the other; and all that US
    has part in once more, under a name that ends in `TWO_VIEWS`, of lesions with MRI in both of their views.
    """
    net.eval()
    device = next(net.parameters()).device
    modalities = net.head.modalities
    has = known(samples, modalities, mri)
    heads = ("fused", *modalities, *((f"{name}_alone" for name in modalities) if whole else ()))
    found = {name: np.full((len(samples), CLASSES), np.nan, np.float32) for name in heads}
    seen: dict[str, np.ndarray] = {"fused": np.asarray(has.any(axis=1))}
    for name, own in zip(modalities, has.T, strict=True):
        seen |= {name: own, f"{name}_alone": own}
    twice = samples.two_views & ~seen_apart(samples, mri, US_ONLY in net.trunks)
    if whole and twice.any() and "us" in modalities:
        found |= {name + TWO_VIEWS: found[name].copy() for name in heads if not name.startswith("mri")}
        seen |= {name + TWO_VIEWS: seen[name] & twice for name in heads}
    for cases, given in exact_inputs(net, samples, size_px, batch, mri):
        maps = {name: net.trunk(name, x) for name, x in given.items()}
        told = _told(net, maps, has[cases], whole)
        if "us" + TWO_VIEWS in found and "us" in given:
            second = net.trunk("us", us_input(torch.from_numpy(samples.us[cases, 1]).to(device), size_px))
            maps["us"] = torch.cat([maps["us"], second], dim=3)  # of one lesion: `side_by_side`
            told |= {name + TWO_VIEWS: x for name, x in _told(net, maps, has[cases], whole).items()}
        for name in found.keys() & told.keys():
            found[name][cases] = told[name].float().cpu().numpy()
    return {name: np.where(seen[name][:, None], x, np.float32(np.nan)) for name, x in found.items()}


def _told(net: FusionNetwork, maps: Maps, has: np.ndarray, alone: bool) -> Maps:
    """Logits (n, 2) by head, of maps by trunk; `has`, bool (n, modality), says what each case has."""
    logits = net.head(maps, torch.from_numpy(has).to(next(net.parameters()).device))
    if alone:
        logits |= {f"{modality_of(name)}_alone": net.head({name: x})["fused"] for name, x in maps.items()}
    return logits


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
