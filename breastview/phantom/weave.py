"""The fibres of breast tissue, finer than the anatomy's labels: they lie in layers, flat under the probe.

What ultrasound shows of tissue is woven: bright strands, streaks and clouds, many times longer along the
layers than across them. They are read from a smooth field of the breast at places of the plane, so that a
breast keeps its fibres when the probe moves on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.special import expit

from breastview.phantom import chest
from breastview.phantom.anatomy import Breast
from breastview.phantom.noise import NODES_A_SIGMA, Field
from breastview.phantom.tissue import Tissue

STEP_MM = 0.1  # pixel of the plane
WAVE_MM = 1.0  # how far layers rise and fall
FEATHER_MM = (
    1.1,
    4.0,
    0.45,
)  # how far gland and fat reach into each other, in fingers how long and how thick
FEATHERED = (Tissue.FAT, Tissue.GLAND, Tissue.LIGAMENT)


@dataclass(frozen=True)
class Weave:
    """Fibres of a tissue: their length and distance in mm; how bright strands are, and how wide in standard
    deviations of the noise that they are read from; how cloudy the rest is, how streaky at a finer scale."""

    along_mm: float
    across_mm: float
    strand: float
    width: float
    cloud: float
    streak: float


PLAIN = Weave(3.0, 1.0, 0.0, 0.1, 0.1, 0.1)
WEAVES: dict[Tissue, Weave] = {
    Tissue.SKIN: Weave(2.5, 0.35, 0.15, 0.4, 0.15, 0.2),
    Tissue.FAT: Weave(4.4, 0.6, 0.9, 0.12, 0.3, 0.16),
    Tissue.GLAND: Weave(3.0, 0.55, 1.9, 0.24, 0.45, 0.25),
    Tissue.MUSCLE: Weave(9.0, 0.6, 1.5, 0.20, 0.15, 0.4),
    Tissue.LIGAMENT: Weave(3.5, 1.0, 0.2, 0.3, 0.3, 0.3),
    Tissue.FASCIA: Weave(5.0, 1.5, 0.2, 0.3, 0.3, 0.3),
    Tissue.NIPPLE: Weave(3.0, 0.8, 0.2, 0.3, 0.25, 0.3),
}


@dataclass(frozen=True, eq=False)
class Layers:
    """Where a plane's pixels lie along and across the layers of a breast.

    `face` float32 (1, column, 3) is the prone place of the probe's face, `depth_mm` float32 (row, column) the
    depth below it, wavy; `oblique` (3,) takes depth through `field` so that it does not soon repeat.
    """

    field: Field
    face: np.ndarray
    depth_mm: np.ndarray
    oblique: np.ndarray

    def noise(self, along_mm: np.ndarray | float, across_mm: np.ndarray | float) -> np.ndarray:
        """Unit noise (row, column) with Gaussian correlation of these lengths, which may differ by pixel."""
        sigma_mm = self.field.step_mm * NODES_A_SIGMA
        along = np.broadcast_to(np.float32(sigma_mm) / along_mm, self.depth_mm.shape)
        across = np.float32(sigma_mm) / across_mm * self.depth_mm
        place = self.face * along[:, :, None] + across[:, :, None] * self.oblique
        return self.field.at(place.reshape(-1, 3)).reshape(self.depth_mm.shape)


def layers_of(breast: Breast, points: np.ndarray) -> Layers:
    """The layers under the probe at prone places `points` float32 (row, column, 3).

    Depth is stretched to mm of the picture, so that fibres lie as flat there as they do under a probe; behind
    the pectoral fascia it is counted from there, since muscle lies along the chest wall.
    """
    face = points[:1]
    deep = np.linalg.norm(points - face, axis=2)
    depth_mm = deep * np.float32(len(deep) * STEP_MM / max(float(np.median(deep[-1])), 1e-6))
    depth_mm += np.float32(WAVE_MM) * _coarse(breast.fields["septa"].at, points)
    height_mm = _coarse(chest.height_mm, points)
    depth_mm = np.where(height_mm < 0, -height_mm, depth_mm)
    lateral, beam = _unit(face[0, -1] - face[0, 0]), _unit((points[-1] - points[0]).mean(axis=0))
    oblique = (0.8 * beam + 0.6 * np.cross(lateral, beam)).astype(np.float32)
    return Layers(breast.fields["lobules"], face, depth_mm, oblique)


def feather(labels: np.ndarray, layers: Layers) -> np.ndarray:
    """Let gland and fat, in labels uint8 (row, column), reach into each other in fingers along the layers."""
    far_mm, along_mm, across_mm = FEATHER_MM
    shift = np.rint(layers.noise(along_mm, across_mm) * (far_mm / STEP_MM)).astype(np.int32)
    columns = np.clip(np.arange(labels.shape[1]) + shift, 0, labels.shape[1] - 1)
    moved = np.take_along_axis(labels, columns, axis=1)
    soft = np.zeros(len(Tissue), bool)
    soft[list(FEATHERED)] = True
    return np.where(soft[labels] & soft[moved], moved, labels)


@dataclass(frozen=True, eq=False)
class Texture:
    """Maps float32 (row, column): brightness of strands to be added, the factor of what is between them,
    how clearly thin layers show, 0…1, and how smooth interfaces are, around 1."""

    strand: np.ndarray
    factor: np.ndarray
    clear: np.ndarray
    mirror: np.ndarray


def weave(labels: np.ndarray, layers: Layers) -> Texture:
    """The texture of labels uint8 (row, column).

    Strands are the zero crossings of noise that is stretched along the layers: thin, wavy, branching.
    """
    table = [WEAVES.get(tissue, PLAIN) for tissue in Tissue]
    along, across, gain, width, cloud, streak = (
        np.array([getattr(weave, name) for weave in table], np.float32)[labels]
        for name in ("along_mm", "across_mm", "strand", "width", "cloud", "streak")
    )
    fibre, patch = layers.noise(along, across), layers.noise(0.5 * along, 2.2 * across)
    fine = layers.noise(0.2 * along, 0.26 * np.sqrt(across))
    clear = expit(3.5 * patch - 0.5)
    strand = gain * clear * np.exp(-np.square(fibre / width))
    return Texture(strand, np.exp(cloud * patch + streak * fine), clear, 2 * clear * np.exp(0.6 * fine))


def _coarse(read: Callable[[np.ndarray], np.ndarray], points: np.ndarray, every: int = 8) -> np.ndarray:
    """A smooth function of points (n, 3) at all of (row, column, 3), float32, read at about every eighth."""
    shape = points.shape[:2]
    rows, columns = (np.rint(np.linspace(0, n - 1, n // every + 2)).astype(int) for n in shape)
    few = points[np.ix_(rows, columns)]
    values = read(few.reshape(-1, 3)).reshape(few.shape[:2]).astype(np.float32)
    return ndimage.zoom(values, np.divide(shape, values.shape), order=1, mode="nearest")


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-6)
