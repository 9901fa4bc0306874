"""What a training sample may differ in each time it is shown: drawn on the CPU, applied to a whole batch
where the network is.

US and MRI of one lesion stay registered: whatever moves, moves both alike. Pictures are mirrored from left to
right, never upside down, for shadows fall downwards. Grey values are the network's: US is log-compressed, so
that a gain is a shift, a multiplied speckle an added one, and a shadow's attenuation in dB a subtraction.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch.nn import functional as F  # noqa: N812

from breastview.fusion.spec import InputSpec
from model_training.recipe import Augmentation

BLACK = -InputSpec().us_mean / InputSpec().us_std  # grey value 0 as the network sees it
SPECKLE_PX = 0.8  # a grain's standard deviation


@dataclass(frozen=True, eq=False)
class Variation:
    """How each of n samples strays; the first axis of everything is the sample.

    `mirrored` bool; `places` (n, 2, 3) is the affine map from where a pixel is shown to where it comes from,
    as `torch.nn.functional.affine_grid` takes it; `us_contrast`, `us_gain` (n,) and `mri_gain` (n, channel);
    `speckle` and `shadow` (n, row, column) and `mri_noise` (n, channel, row, column) in grey values. What is
    None does not stray.
    """

    mirrored: np.ndarray
    us_contrast: np.ndarray
    us_gain: np.ndarray
    mri_gain: np.ndarray
    places: np.ndarray | None = None
    speckle: np.ndarray | None = None
    shadow: np.ndarray | None = None
    mri_noise: np.ndarray | None = None

    @classmethod
    def drawn(
        cls, how: Augmentation, count: int, mri_shape: tuple[int, ...], rng: np.random.Generator
    ) -> Variation:
        """For `count` samples whose MRI is of shape (channel, side, side), and US (1, side, side)."""
        channels, side = mri_shape[0], mri_shape[1:]
        shadowed = rng.random(count) < how.shadow_share
        noise = (count, channels, *side)
        return cls(
            mirrored=(rng.random(count) < 0.5) & how.mirror,
            us_contrast=1 + rng.uniform(-how.us_contrast, how.us_contrast, count),
            us_gain=rng.uniform(-how.us_gain, how.us_gain, count),
            mri_gain=1 + rng.uniform(-how.mri_gain, how.mri_gain, (count, channels)),
            places=_places(how, count, rng) if how.moves else None,
            speckle=how.speckle * np.stack([speckle(side, rng) for _ in shadowed]) if how.speckle else None,
            shadow=how.shadow * np.stack([one * shadow(side, rng) for one in shadowed])
            if shadowed.any()
            else None,
            mri_noise=rng.normal(0, how.mri_noise, noise) if how.mri_noise else None,
        )

    def of(self, own: slice | np.ndarray) -> Variation:
        """That of some of the samples."""
        all_of = {one.name: getattr(self, one.name) for one in fields(self)}
        picked: dict[str, Any] = {name: x if x is None else x[own] for name, x in all_of.items()}
        return Variation(**picked)

    def us(self, images: torch.Tensor) -> torch.Tensor:
        """US (n, 1, row, column), otherwise."""
        images = self.moved(images) * _like(images, self.us_contrast) + _like(images, self.us_gain)
        if self.speckle is not None:
            images = images + _like(images, self.speckle[:, None])
        if self.shadow is not None:
            dark = _like(images, self.shadow[:, None])
            images = torch.where(
                dark > 0, torch.maximum(images - dark, images.clamp(max=BLACK)), images
            )  # a shadow is never blacker than black
        return images

    def mri(self, images: torch.Tensor) -> torch.Tensor:
        """MRI (n, channel, row, column), otherwise."""
        images = self.moved(images) * _like(images, self.mri_gain)
        return images if self.mri_noise is None else images + _like(images, self.mri_noise)

    def moved(self, images: torch.Tensor) -> torch.Tensor:
        """Images (n, channel, side, side) turned, zoomed, stretched, shifted and mirrored; beyond the border
        lies their mirror image."""
        if self.places is not None and len(images):
            places = torch.from_numpy(self.places.astype(np.float32)).to(images.device)
            grid = F.affine_grid(places, list(images.shape), align_corners=False)
            images = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
        mirrored = torch.from_numpy(self.mirrored).to(images.device)
        return torch.where(mirrored[:, None, None, None], images.flip(-1), images)


def _like(images: torch.Tensor, values: np.ndarray) -> torch.Tensor:
    """Values of n samples, of their channels or of their pixels, for (n, channel, row, column)."""
    given = torch.from_numpy(values.astype(np.float32)).to(images.device)
    return given.reshape(*given.shape, *(1,) * (images.ndim - given.ndim))


def _places(how: Augmentation, count: int, rng: np.random.Generator) -> np.ndarray:
    """Maps (count, 2, 3) of places (x, y, 1) of a square picture whose sides are −1 … 1."""
    angle = np.deg2rad(rng.uniform(-how.turn_deg, how.turn_deg, count))
    across = 1 + rng.uniform(-how.zoom, how.zoom, count)
    down = across * (1 + rng.uniform(-how.stretch, how.stretch, count))
    away = 2 * rng.normal(0, how.shift, (2, count))
    x = [across * np.cos(angle), -down * np.sin(angle), away[0]]
    y = [across * np.sin(angle), down * np.cos(angle), away[1]]
    return np.moveaxis(np.array([x, y]), -1, 0)


def speckle(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Blurred noise (row, column) of mean 0 and standard deviation 1."""
    grains = gaussian_filter(rng.normal(size=shape), SPECKLE_PX)
    return (grains - grains.mean()) / grains.std()


def shadow(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Share of a shadow's full darkness (row, column), 0…1: a soft stripe from some depth downwards."""
    rows, columns = shape
    top, centre = rng.uniform(0.2, 0.7) * rows, rng.uniform(0, 1) * columns
    half_width = rng.uniform(0.05, 0.15) * columns
    across = np.exp(-0.5 * ((np.arange(columns) - centre) / half_width) ** 2)
    below = np.clip((np.arange(rows) - top) / (0.1 * rows), 0, 1)
    return below[:, None] * across
