"""Samples as batches: what is shown, what of it is withheld, and how much each case counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812

from breastview.fusion.network import Maps, mri_tensor
from breastview.fusion.spec import MODALITIES, US_ONLY, InputSpec
from model_training.augment import Variation
from model_training.cohort.samples import Samples
from model_training.recipe import Recipe
from model_training.team import Team


@dataclass(frozen=True, eq=False)
class Batch:
    """This process's share of a batch.

    `known` and `present`, bool (n, modality), say what a case has and what of that the fusion is shown;
    `known` is on the CPU, where it tells without waiting. `inputs` (known, channel, size, size) by trunk are
    those of the cases that have what it looks at; what no case of all shares has is not among them. By head:
    `target` (n, 2) are the probabilities of both classes to be learned from that; `weight` (n,) sums to 1
    over the shares of all processes: losses are weighted sums. `outline` (n, 1, size, size), where it is
    known, is the share of each pixel that is lesion.
    """

    inputs: Maps
    known: torch.Tensor
    present: torch.Tensor
    target: dict[str, torch.Tensor]
    weight: dict[str, torch.Tensor]
    outline: torch.Tensor | None = None


@dataclass(frozen=True, eq=False)
class Showing:
    """Cases (n,) as they are shown once: a variant of each, and how it strays."""

    samples: Samples
    cases: np.ndarray
    variants: np.ndarray
    strays: Variation
    mri: str

    @classmethod
    def drawn(cls, samples: Samples, cases: np.ndarray, recipe: Recipe, rng: np.random.Generator) -> Showing:
        """Drawn for all cases at once, so that shares of a batch are parts of it."""
        variants = rng.integers(0, samples.us.shape[1], len(cases))
        strays = Variation.drawn(recipe.augmentation, len(cases), samples.mri.shape[2:], rng)
        return cls(samples, cases, variants, strays, recipe.mri)

    def input(
        self, modality: str, here: np.ndarray, channels: np.ndarray, size_px: int, device: torch.device
    ) -> torch.Tensor:
        """What a trunk is given of the cases at places `here` (m,), whose MRI shows these channels."""
        cases, variants, strays = self.cases[here], self.variants[here], self.strays.of(here)
        if modality == "us":
            us = torch.from_numpy(self.samples.us[cases, variants]).to(device).float()
            return us_input(strays.us(us), size_px)
        mri = torch.from_numpy(mri_images(self.samples, self.mri, cases, variants)).to(device).float()
        return mri_input(strays.mri(mri), channels, size_px)

    def outlines(self, own: slice, size_px: int, device: torch.device) -> torch.Tensor | None:
        """Outlines (m, 1, size, size) of some of the cases, where they are known."""
        if self.samples.outline is None:
            return None
        outlines = torch.from_numpy(self.samples.outline[self.cases[own], self.variants[own]]).to(device)
        return sized(self.strays.of(own).moved(outlines[:, None].float()), size_px)


def batches(
    samples: Samples,
    modalities: tuple[str, ...],
    recipe: Recipe,
    size_px: int,
    epoch: int,
    team: Team,
    device: torch.device,
    own_us_only: bool = False,
) -> Iterator[Batch]:
    """An epoch's batches, the same for one seed and epoch however many processes share them; a rest of
    fewer than two cases, or fewer than processes, is left out, and so is a batch without these modalities.

    With `own_us_only` cases without MRI come in batches of their own, for a trunk of their own.
    """
    rng = np.random.default_rng([recipe.seed, epoch])
    order = rng.permutation(showings(samples, recipe))
    channels = mri_channels(samples, recipe.mri)
    lone = seen_apart(samples, recipe.mri, own_us_only)
    all_known = known(samples, modalities, recipe.mri)
    malignant = to_be_learned(samples, recipe)
    balance = class_weights(samples.label) if recipe.class_weighted else np.ones(2)
    for cases in _parted(order, lone, recipe.batch, rng):
        if len(cases) < max(2, team.size):
            continue
        has = all_known[cases]
        if not has.any():
            continue
        shown = channels[cases] & _kept(channels[cases].shape, recipe.modality_dropout, rng)
        present = kept_modalities(has, recipe.modality_dropout, rng)
        weight = balance[samples.label[cases].astype(int)]
        weights = {"fused": weight, **dict(zip(modalities, (weight[:, None] * has).T, strict=True))}
        given = Showing.drawn(samples, cases, recipe, rng)
        own = team.share(len(cases))
        here = {
            name: np.arange(len(cases))[own][column[own]]
            for name, column in zip(modalities, has.T, strict=True)
            if column.any()
        }
        trunks = {"us": US_ONLY} if lone[cases[0]] else {}
        yield Batch(
            inputs={
                trunks.get(name, name): given.input(name, x, shown[x], size_px, device)
                for name, x in here.items()
            },
            known=torch.from_numpy(has[own]),
            present=torch.from_numpy(present[own]).to(device),
            target={
                name: torch.from_numpy(x).to(device)
                for name, x in targets(malignant[cases[own]], present[own], modalities).items()
            },
            weight={name: _shares(x)[own].to(device) for name, x in weights.items()},
            outline=given.outlines(own, size_px, device),
        )


def _parted(order: np.ndarray, lone: np.ndarray, size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """The cases of each batch of showings (n,), of cases that are `lone` or of others, in an order drawn anew
    where there are both."""
    kinds = [kind for kind in (order[~lone[order]], order[lone[order]]) if len(kind)]
    parts = [kind[start : start + size] for kind in kinds for start in range(0, len(kind), size)]
    for number in rng.permutation(len(parts)) if len(kinds) > 1 else range(len(parts)):
        yield parts[number]


def to_be_learned(samples: Samples, recipe: Recipe) -> np.ndarray:
    """Probability of malignancy that US, MRI and both are to tell, (case, 3): the optimal reader's, or the
    label, as the recipe says."""
    return samples.posterior if recipe.soft_labels else np.repeat(samples.label[:, None], 3, axis=1)


def showings(samples: Samples, recipe: Recipe) -> np.ndarray:
    """The cases, int (showing,), each as often as an epoch shows it."""
    times = samples.about["source"].map(recipe.repeats).fillna(1).to_numpy(int)
    return np.repeat(np.arange(len(times)), times)


def inputs(
    us: np.ndarray,
    mri: np.ndarray,
    channels: np.ndarray,
    modalities: tuple[str, ...],
    size_px: int,
    device: torch.device,
    us_trunk: str = "us",
) -> Maps:
    """Network inputs by trunk from US (n, 1, h, w), MRI (n, channel, h, w) and its channels' presence."""
    made: Maps = {}
    if "us" in modalities:
        made[us_trunk] = us_input(torch.from_numpy(us).to(device), size_px)
    if "mri" in modalities:
        made["mri"] = mri_input(torch.from_numpy(mri).to(device), channels, size_px)
    return made


def us_input(us: torch.Tensor, size_px: int) -> torch.Tensor:
    """What a trunk is given of US (n, 1, h, w), where that is."""
    return sized(us, size_px).contiguous(memory_format=torch.channels_last)


def mri_input(mri: torch.Tensor, channels: np.ndarray, size_px: int) -> torch.Tensor:
    """What the trunk is given of MRI (n, channel, h, w), where that is, and of its channels' presence."""
    there = torch.from_numpy(channels).to(mri.device)
    joined = mri_tensor(sized(mri, size_px) * there[:, :, None, None], there)
    return joined.contiguous(memory_format=torch.channels_last)


def sized(images: torch.Tensor, size_px: int) -> torch.Tensor:
    """Images (n, channel, h, w) as float32, averaged down to the size."""
    images = images.float()
    if images.shape[-1] != size_px:
        images = F.interpolate(images, size=(size_px, size_px), mode="area")
    return images


def mri_images(samples: Samples, mri: str, cases: np.ndarray, variants: np.ndarray) -> np.ndarray:
    """MRI (n, channel, h, w) of these cases, "registered" in these variants, or "native"."""
    return samples.native[cases] if mri == "native" else samples.mri[cases, variants]


def exact_pair(samples: Samples, case: int, spec: InputSpec) -> tuple[torch.Tensor, torch.Tensor]:
    """US (1, 1, size, size) and MRI (1, channel, size, size) of a case, as the application cuts them."""
    one, first = np.array([case]), np.array([0])
    us, mri = (
        torch.from_numpy(x) for x in (samples.us[one, first], mri_images(samples, spec.mri_input, one, first))
    )
    return sized(us, spec.size_px), sized(mri, spec.size_px)


def mri_channels(samples: Samples, mri: str) -> np.ndarray:
    """Which MRI channels each case has, bool (n, channel): registering needs more than looking does."""
    return np.any(samples.native, axis=(2, 3)) if mri == "native" else samples.channels


def has_mri(samples: Samples, mri: str) -> np.ndarray:
    """Which cases have any MRI channel, bool (n,)."""
    return np.asarray(np.any(mri_channels(samples, mri), axis=1))


def seen_apart(samples: Samples, mri: str, own_us_only: bool) -> np.ndarray:
    """Which cases a trunk for US without MRI looks at, bool (n,): none where there is no such trunk."""
    return ~has_mri(samples, mri) if own_us_only else np.zeros(len(samples), bool)


def known(samples: Samples, modalities: tuple[str, ...], mri: str) -> np.ndarray:
    """Which of the modalities each case has, bool (n, modality)."""
    has = {"us": np.ones(len(samples), bool), "mri": has_mri(samples, mri)}
    return np.column_stack([has[name] for name in modalities])


def kept_modalities(has: np.ndarray, dropout: float, rng: np.random.Generator) -> np.ndarray:
    """Which of the modalities that it has each sample keeps, bool (n, modality) like `has`: never none."""
    kept = has & (rng.random(has.shape) >= dropout)
    return np.where(kept.any(axis=1, keepdims=True), kept, has)


def targets(malignant: np.ndarray, present: np.ndarray, modalities: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Probabilities of benign and malignant by head, float32 (n, 2), from those of malignancy (n, 3) that US,
    MRI and both tell. The fused head is to say what the one modality tells that it is shown alone."""
    told = {name: malignant[:, MODALITIES.index(name)] for name in modalities}
    told["fused"] = malignant[:, -1]
    for place, name in enumerate(modalities):
        alone = present[:, place] & (present.sum(axis=1) == 1)
        told["fused"] = np.where(alone, told[name], told["fused"])
    return {name: np.column_stack([1 - x, x]).astype(np.float32) for name, x in told.items()}


def class_weights(label: np.ndarray) -> np.ndarray:
    """Weights (2,) of benign and malignant that make both count alike: n / (2 · n of the class)."""
    return len(label) / (2 * np.bincount(label.astype(int), minlength=2))


def _kept(shape: tuple[int, ...], dropout: float, rng: np.random.Generator) -> np.ndarray:
    """Which MRI channels are shown; the last one, DCE, always is."""
    kept = rng.random(shape) >= dropout
    kept[:, -1] = True
    return kept


def _shares(weight: np.ndarray) -> torch.Tensor:
    total = weight.sum()
    return torch.from_numpy((weight / total if total > 0 else weight).astype(np.float32))
