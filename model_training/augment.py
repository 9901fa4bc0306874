"""What may differ between two pictures of one lesion, and nothing that physics forbids.

US and MRI are mirrored left to right, both alike; US is never turned upside down, for shadows fall downwards.
Grey values are the network's: US is log-compressed, so that a gain is a shift, a multiplied speckle an added
one, and a shadow's attenuation in dB a subtraction.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from breastview.fusion.spec import InputSpec
from model_training.recipe import Augmentation

BLACK = -InputSpec().us_mean / InputSpec().us_std  # grey value 0 as the network sees it
SPECKLE_PX = 0.8  # a grain's standard deviation


def augmented(
    us: np.ndarray,
    mri: np.ndarray,
    how: Augmentation,
    rng: np.random.Generator,
    outline: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """One sample, otherwise: US (1, row, column), MRI (channel, row, column) and, if it is known, the outline
    (1, row, column), float32."""
    mirrored = how.mirror and rng.random() < 0.5
    places = _places(us.shape[-2:], how, rng) if how.moves else None
    us, mri = varied_us(_moved(us, places), how, rng), varied_mri(_moved(mri, places), how, rng)
    outline = None if outline is None else _moved(outline, places).astype(np.float32)
    if mirrored:
        us, mri = us[:, :, ::-1], mri[:, :, ::-1]
        outline = None if outline is None else outline[:, :, ::-1]
    return us.astype(np.float32), mri.astype(np.float32), outline


def _places(shape: tuple[int, ...], how: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Where each pixel of a turned, zoomed, stretched and shifted picture comes from, (2, row, column)."""
    angle = np.deg2rad(rng.uniform(-how.turn_deg, how.turn_deg))
    across = 1 + rng.uniform(-how.zoom, how.zoom)
    down = across * (1 + rng.uniform(-how.stretch, how.stretch))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    middle = (np.array(shape) - 1) / 2
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")) - middle[:, None, None]
    away = middle + rng.normal(0, how.shift, 2) * shape
    return np.einsum("ij,jrc->irc", turn @ np.diag([down, across]), grid) + away[:, None, None]


def _moved(images: np.ndarray, places: np.ndarray | None) -> np.ndarray:
    """Images (channel, row, column) at other places; beyond the border lies their mirror image."""
    if places is None or not images.any():
        return images
    return np.stack([map_coordinates(one, places, order=1, mode="reflect") for one in images])


def varied_us(us: np.ndarray, how: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Another contrast and gain, other speckle, and now and then a shadow."""
    us = us * rng.uniform(1 - how.us_contrast, 1 + how.us_contrast) + rng.uniform(-how.us_gain, how.us_gain)
    if how.speckle > 0:
        us = us + how.speckle * speckle(us.shape[-2:], rng)
    if rng.random() < how.shadow_share:
        us = np.maximum(us - how.shadow * shadow(us.shape[-2:], rng), np.minimum(us, BLACK))
    return us


def varied_mri(mri: np.ndarray, how: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Another gain a channel, and noise."""
    mri = mri * rng.uniform(1 - how.mri_gain, 1 + how.mri_gain, (len(mri), 1, 1))
    return mri + rng.normal(0, how.mri_noise, mri.shape) if how.mri_noise > 0 else mri


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
