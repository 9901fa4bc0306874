"""What a plane through the breast is to a sound beam: echo, impedance and attenuation of every pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from breastview.phantom.anatomy import Breast
from breastview.phantom.lesion_echo import draw_lesion
from breastview.phantom.tissue import ACOUSTIC, Tissue, acoustic
from breastview.phantom.weave import STEP_MM, feather, layers_of, weave

__all__ = ["STEP_MM", "Medium", "medium"]

THIN = (Tissue.LIGAMENT, Tissue.FASCIA)  # seen in stretches
BLEND_PX = (1.5, 3.0)  # over which tissues go over into each other
STRAND_MRAYL = 0.18  # impedance of a strand of brightness 1


@dataclass(frozen=True, eq=False)
class Medium:
    """Maps float32 (row, column) with pixels of `STEP_MM`; rows run along the beam.

    `echo` is the amplitude of diffuse backscatter, `impedance` in MRayl makes the mirror echoes of
    interfaces, `mirror` says how smooth they are, and `attenuation` is in dB/cm/MHz.
    """

    echo: np.ndarray
    impedance: np.ndarray
    attenuation: np.ndarray
    mirror: np.ndarray


def medium(
    labels: np.ndarray, points: np.ndarray, breast: Breast, level: np.ndarray, rng: np.random.Generator
) -> Medium:
    """The plane as sound meets it.

    `labels` uint8 (row, column); `points` float32 (row, column, 3), the prone LPS mm of every pixel; `level`
    (row, column), signed mm to the lesion's outline, negative inside and inf where there is none.
    """
    layers = layers_of(breast, points)
    labels = feather(np.where(labels == Tissue.LESION, np.uint8(Tissue.GLAND), labels), layers)
    texture = weave(labels, layers)
    echo, impedance, attenuation = (acoustic(name)[labels] for name in ("echo", "impedance", "attenuation"))
    thin = np.isin(labels, THIN)
    for values, plain in ((echo, ACOUSTIC[Tissue.FAT].echo), (impedance, ACOUSTIC[Tissue.FAT].impedance)):
        values[thin] = plain + texture.clear[thin] * (values[thin] - plain)
    echo = ndimage.gaussian_filter(echo, BLEND_PX) * texture.factor + texture.strand
    impedance += np.float32(STRAND_MRAYL) * texture.strand
    if breast.lesion is not None and np.isfinite(level).any():
        draw_lesion((echo, impedance, attenuation), points, level, breast.lesion, rng)
    return Medium(echo, impedance, attenuation, texture.mirror)
