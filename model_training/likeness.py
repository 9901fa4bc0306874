"""From where a crop is unlike those that a network is measured on: fitted to textures of validation cases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.model_selection import GroupKFold
from torch import nn

from breastview.fusion.network import FusionNetwork, Likeness, modality_of, texture
from breastview.fusion.spec import MODALITIES, Metric
from model_training.batches import known
from model_training.cohort.samples import Samples
from model_training.evaluate import proportion
from model_training.predict import exact_inputs

FALSE_FLAGS = 0.05  # of crops like the validation cases'
LEAST_CASES = 50  # of a modality below which nothing is fitted
FOLDS = 5
LEAST_SPREAD = 1e-3  # of a feature, as a share of the mean one: what never changed must not decide


@dataclass(frozen=True, eq=False)
class Likenesses:
    """A fitted `Likeness` by trunk, the unlikeness from which a crop is doubted, and how many of the crops
    that it was fitted to are, where their patients are held out."""

    networks: nn.ModuleDict
    thresholds: dict[str, float]
    held_out: dict[str, Metric]


def fit_likeness(
    net: FusionNetwork, validation: Samples, size_px: int, mri: str = "registered"
) -> Likenesses:
    """Fit each trunk that sees enough cases."""
    networks, thresholds, held_out = nn.ModuleDict(), {}, {}
    for name, (textures, patients) in _textures(net, validation, size_px, mri).items():
        if len(textures) >= LEAST_CASES and len(set(patients)) >= FOLDS:
            networks[name], unlikeness = fitted(textures, patients)
            thresholds[name] = float(torch.quantile(unlikeness, 1 - FALSE_FLAGS))
            held_out[name] = _share_doubted(unlikeness, thresholds[name])
    return Likenesses(networks.eval(), thresholds, held_out)


def unlike_metrics(
    net: FusionNetwork,
    thresholds: dict[str, float],
    samples: Samples,
    size_px: int,
    mri: str = "registered",
) -> dict[str, Metric]:
    """How many of the crops are doubted, by trunk that is checked and sees any, with Wilson's interval."""
    found = {}
    for name, (textures, _) in _textures(net, samples, size_px, mri).items():
        if name in thresholds and len(textures):
            found[name] = _share_doubted(net.likeness[name](textures), thresholds[name])
    return found


def _share_doubted(unlikeness: torch.Tensor, threshold: float) -> Metric:
    return proportion(int((unlikeness >= threshold).sum()), len(unlikeness))


def fitted(textures: torch.Tensor, patients: np.ndarray) -> tuple[Likeness, torch.Tensor]:
    """Statistics of all textures (n, features), and the unlikeness (n,) of each when its patient is held
    out."""
    parts = torch.empty(len(textures), 2)
    for rest, out in GroupKFold(FOLDS).split(textures, groups=patients):
        parts[out] = _statistics(textures[rest]).parts(textures[out])
    made = _statistics(textures)
    made.usual.copy_(parts.mean(dim=0))
    return made, (parts / made.usual).sum(dim=1)


def _statistics(textures: torch.Tensor) -> Likeness:
    made = Likeness(textures.shape[1])
    spread = textures.std(dim=0)
    made.mean.copy_(textures.mean(dim=0))
    made.spread.copy_(spread + LEAST_SPREAD * spread.mean())
    _, sizes, directions = torch.linalg.svd((textures - made.mean) / made.spread, full_matrices=False)
    made.directions.copy_(directions[: made.DIRECTIONS])
    made.variance.copy_(sizes[: made.DIRECTIONS] ** 2 / (len(textures) - 1))
    return made


@torch.no_grad()
def _textures(
    net: FusionNetwork, samples: Samples, size_px: int, mri: str
) -> dict[str, tuple[torch.Tensor, np.ndarray]]:
    """Textures (n, features) of the cases that a trunk sees, and whose they are."""
    net.eval()
    has = dict(zip(MODALITIES, known(samples, MODALITIES, mri).T, strict=True))
    parts: dict[str, list[tuple[torch.Tensor, np.ndarray]]] = {name: [] for name in net.trunks}
    for cases, given in exact_inputs(net, samples, size_px, mri=mri):
        for name, x in given.items():
            there = has[modality_of(name)][cases]
            parts[name].append((texture(net.first(name, x))[there], samples.patient[cases][there]))
    return {
        name: (torch.cat([x for x, _ in own]), np.concatenate([whose for _, whose in own]))
        for name, own in parts.items()
        if own
    }
