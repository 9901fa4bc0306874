"""What a plane through the breast is to a sound beam: echo, impedance and attenuation of every pixel.

Tissue is looked up in `ACOUSTIC`, woven with fibres that follow the layers of the breast, and the lesion is
drawn on top. How a lesion looks depends on its `family` and `look_us` alone, smoothly, next to chance that
knows neither.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.special import expit

from breastview.phantom.anatomy import Breast
from breastview.phantom.noise import NODES_A_SIGMA, Field
from breastview.phantom.tissue import ACOUSTIC, Tissue, acoustic

STEP_MM = 0.1  # pixel of the plane
HALO_MM = 6.0  # how far around its outline a lesion changes the tissue


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


@dataclass(frozen=True)
class Weave:
    """Fibres of a tissue: their length and distance in mm, how bright strands are and how wide (in standard
    deviations of the noise that they are read from), how cloudy the rest is, how streaky at a finer scale."""

    along_mm: float
    across_mm: float
    strand: float
    width: float
    cloud: float
    streak: float


SMOOTH = Weave(3.0, 1.0, 0.0, 0.1, 0.1, 0.1)
THIN = (Tissue.LIGAMENT, Tissue.FASCIA)  # seen in stretches
WEAVES: dict[Tissue, Weave] = {
    Tissue.SKIN: Weave(2.5, 0.35, 0.15, 0.4, 0.15, 0.2),
    Tissue.FAT: Weave(6.0, 1.6, 0.9, 0.09, 0.2, 0.2),
    Tissue.GLAND: Weave(3.2, 0.65, 1.3, 0.28, 0.42, 0.38),
    Tissue.MUSCLE: Weave(9.0, 0.7, 1.5, 0.20, 0.3, 0.4),
    Tissue.LIGAMENT: Weave(3.5, 1.0, 0.2, 0.3, 0.3, 0.3),
    Tissue.FASCIA: Weave(5.0, 1.5, 0.2, 0.3, 0.3, 0.3),
    Tissue.NIPPLE: Weave(3.0, 0.8, 0.2, 0.3, 0.25, 0.3),
}


def medium(
    labels: np.ndarray, points: np.ndarray, breast: Breast, level: np.ndarray, rng: np.random.Generator
) -> Medium:
    """The plane as sound meets it.

    `labels` uint8 (row, column); `points` float32 (row, column, 3), the prone LPS mm of every pixel; `level`
    (row, column), signed mm to the lesion's outline, negative inside and inf where there is none.
    """
    labels = np.where(labels == Tissue.LESION, np.uint8(Tissue.GLAND), labels)
    echo, impedance, attenuation = (acoustic(name)[labels] for name in ("echo", "impedance", "attenuation"))
    strand, cloud, there = _weave(labels, points, breast)
    thin = np.isin(labels, THIN)
    fat = ACOUSTIC[Tissue.FAT]
    echo[thin] = (fat.echo + there * (echo - fat.echo))[thin]
    impedance[thin] = (fat.impedance + there * (impedance - fat.impedance))[thin]
    echo *= np.exp(cloud)
    echo += strand
    impedance += 0.16 * strand
    found = Medium(echo, impedance, attenuation, 2 * there)
    if breast.lesion is not None and np.isfinite(level).any():
        _draw_lesion(found, breast, points, level.astype(np.float32), rng)
    return found


def _weave(labels: np.ndarray, points: np.ndarray, breast: Breast) -> tuple[np.ndarray, ...]:
    """Brightness of strands, log amplitude of the tissue between them, and how far thin layers show, 0…1,
    float32 (row, column).

    Strands are the zero crossings of smooth noise that is stretched along the layers: thin, wavy, branching.
    """
    table = [WEAVES.get(tissue, SMOOTH) for tissue in Tissue]
    along, across, gain, width, cloud, streak = (
        np.array([getattr(weave, name) for weave in table], np.float32)[labels]
        for name in ("along_mm", "across_mm", "strand", "width", "cloud", "streak")
    )
    fibre = _fibre_noise(breast, points, along, across)
    patch = _fibre_noise(breast, points, 0.7 * along, 2.2 * across)
    fine = _fibre_noise(breast, points, 0.2 * along, 0.26 * np.sqrt(across))
    there = expit(2.5 * patch)
    return gain * there * np.exp(-np.square(fibre / width)), cloud * patch + streak * fine, there


def _fibre_noise(breast: Breast, points: np.ndarray, along: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Unit noise of correlation `along` the layers and `across` them, mm (row, column).

    Depth is measured in the plane, so that fibres lie as flat in the picture as they do under a probe, and
    runs obliquely through the breast's field, which would repeat along its axes.
    """
    field = breast.fields["lobules"]
    sigma_mm = field.step_mm * NODES_A_SIGMA
    face = points[:1]
    deep = np.linalg.norm(points - face, axis=2)
    depth_mm = deep * (len(deep) * STEP_MM / max(float(np.median(deep[-1])), 1e-6))
    depth_mm += 0.8 * _smooth(breast.fields["septa"], points)
    lateral = _unit(face[0, -1] - face[0, 0])
    beam = _unit((points[-1] - points[0]).mean(axis=0))
    oblique = (0.8 * beam + 0.6 * np.cross(lateral, beam)).astype(np.float32)
    place = face * (sigma_mm / along)[:, :, None] + (depth_mm * sigma_mm / across)[:, :, None] * oblique
    return field.at(place.reshape(-1, 3)).reshape(points.shape[:2])


def _smooth(field: Field, points: np.ndarray, every: int = 8) -> np.ndarray:
    """A smooth field at all points (row, column, 3), read at every eighth."""
    few = points[::every, ::every]
    read = field.at(few.reshape(-1, 3)).reshape(few.shape[:2])
    factors = [n / m for n, m in zip(points.shape[:2], few.shape[:2], strict=True)]
    return ndimage.zoom(read, factors, order=1)


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-6)


@dataclass(frozen=True, eq=False)
class Patch:
    """The lesion's neighbourhood in the three maps (views, to be written to), with what it is drawn by.

    `grain` is unit noise at the lesion's own scale.
    """

    echo: np.ndarray
    impedance: np.ndarray
    attenuation: np.ndarray
    level: np.ndarray
    grain: np.ndarray
    look: float
    rng: np.random.Generator

    def fill(self, echo: np.ndarray | float, attenuation: float, edge_mm: float) -> None:
        """Put tissue inside the outline; it blends into what was there over `edge_mm`."""
        share = expit(-self.level / (0.5 * edge_mm))
        self.echo[:] = self.echo * (1 - share) + echo * share
        self.attenuation[:] = self.attenuation * (1 - share) + attenuation * share
        self.impedance[:] = self.impedance * (1 - share) + 1.55 * share

    def rim(self, gain: float, at_mm: float, width_mm: float) -> None:
        """A bright layer around the outline."""
        layer = gain * np.exp(-np.square((self.level - at_mm) / width_mm))
        self.echo[:] += layer
        self.impedance[:] += 0.1 * layer


def _draw_lesion(
    found: Medium, breast: Breast, points: np.ndarray, level: np.ndarray, rng: np.random.Generator
) -> None:
    """Change the maps where the lesion and its surroundings are."""
    lesion = breast.lesion
    assert lesion is not None
    near = _box(level < HALO_MM)
    if near is None:
        return
    grain = lesion.texture.at(points[near].reshape(-1, 3)).reshape(level[near].shape)
    rough = level[near] + 0.45 * lesion.look_us * grain
    DRAWN[lesion.family](
        Patch(
            found.echo[near],
            found.impedance[near],
            found.attenuation[near],
            rough.astype(np.float32),
            grain.astype(np.float32),
            lesion.look_us,
            rng,
        )
    )


def _box(mask: np.ndarray) -> tuple[slice, slice] | None:
    """Slices around the true pixels of a mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _between(low: float, high: float, look: float) -> float:
    """From `low` to `high`, geometrically."""
    return float(low ** (1 - look) * high**look)


def _chance(rng: np.random.Generator, spread: float) -> float:
    """A factor around 1."""
    return float(np.exp(rng.normal(0, spread)))


def _mass(patch: Patch) -> None:
    """Homogeneous with a thin capsule … markedly hypoechoic, ill-defined, haloed, shadowing."""
    look, rng = patch.look, patch.rng
    halo = look**1.5 * 0.9 * _chance(rng, 0.3)
    patch.echo[:] *= 1 + halo * np.exp(-np.square((patch.level - 1.2) / 1.4)) * expit(1.5 * patch.grain + 0.5)
    echo = _between(0.30, 0.13, look) * _chance(rng, 0.2)
    texture = np.exp((0.12 + 0.33 * look) * patch.grain)
    patch.fill(echo * texture, _between(0.45, 2.0, look) * _chance(rng, 0.2), 0.25 + 0.9 * look)
    patch.rim(1.1 * (1 - look) ** 2 * _chance(rng, 0.3), 0.25, 0.16)
    _foci(patch, 4.0 * look**2)


def _cystic(patch: Patch) -> None:
    """Simple cyst … complicated, with echoes and a level … complex, with a thick wall and a solid part."""
    look, rng = patch.look, patch.rng
    fluid = _between(0.006, 0.12, look) * _chance(rng, 0.3)
    rows = np.arange(len(patch.level))[:, None] / len(patch.level)
    sediment = expit((rows - rng.uniform(0.45, 0.65)) * 60) * 4 * look * (1 - look)
    patch.fill(fluid * (1 + 2.5 * sediment), _between(0.02, 0.3, look), 0.2)
    wall_mm = 0.15 + 0.8 * look
    patch.rim(0.8 * _chance(rng, 0.3), 0.1 + wall_mm / 3, wall_mm)
    solid = expit(4 * (patch.grain + 3.4 * look - 4.0)) * expit(-(patch.level + 0.2) / 0.15)
    patch.echo[:] += solid * 0.3
    patch.attenuation[:] += solid * 0.5


def _non_mass(patch: Patch) -> None:
    """An ill-defined darker area … darker, with bright foci and some shadow."""
    look, rng = patch.look, patch.rng
    share = expit(-(patch.level + 0.8 * patch.grain) / 0.9)
    left = _between(0.5, 0.22, look) * _chance(rng, 0.2) * np.exp(0.3 * patch.grain)
    patch.echo[:] *= 1 - share * (1 - left)
    patch.attenuation[:] += share * (1.0 * look * _chance(rng, 0.2) - 0.1)
    _foci(patch, 14.0 * look**1.5)


def _fatty(patch: Patch) -> None:
    """Bright fat with a small oil cyst … dark with a shadow: fat necrosis and what mimics it."""
    look, rng = patch.look, patch.rng
    echo = _between(1.2, 0.16, look) * _chance(rng, 0.2) * np.exp((0.2 + 0.25 * look) * patch.grain)
    patch.fill(echo, _between(0.55, 1.5, look) * _chance(rng, 0.2), 0.5 + 0.5 * look)
    deepest = float(patch.level.min())
    oil = expit(-(patch.level - (0.45 + 0.4 * look) * deepest) / 0.2)
    patch.echo[:] *= 1 - oil * 0.9 * (1 - look)
    patch.attenuation[:] *= 1 - 0.8 * oil * (1 - look)


def _foci(patch: Patch, count: float) -> None:
    """Microcalcifications: about `count` bright points inside."""
    inside = np.argwhere(patch.level < -0.4)
    if not len(inside):
        return
    for row, column in inside[patch.rng.integers(0, len(inside), patch.rng.poisson(count))]:
        patch.echo[row : row + 2, column : column + 3] += 1.6 * _chance(patch.rng, 0.4)


DRAWN: dict[str, Callable[[Patch], None]] = {
    "mass": _mass,
    "cystic": _cystic,
    "non-mass": _non_mass,
    "fatty": _fatty,
}
