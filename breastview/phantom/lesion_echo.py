"""What a lesion looks like on ultrasound: a smooth function of its `look_us`, by family, next to chance.

The words are those of the BI-RADS lexicon. Chance knows nothing of the look, and the look nothing of MRI.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from breastview.phantom.lesion import Lesion

AROUND_MM = 6.0  # how far around its outline a lesion changes the tissue
SOLID_MRAYL = 1.55
THICK_MM = 9.0  # from which on a lesion's excess attenuation no longer grows


@dataclass(frozen=True, eq=False)
class Patch:
    """The neighbourhood of a lesion: views float32 (row, column) of a plane's maps, to be drawn into.

    `level` is mm to the outline, negative inside, as ragged as the lesion looks; `grain` is unit noise at the
    scale of a lesion's parts.
    """

    echo: np.ndarray
    impedance: np.ndarray
    attenuation: np.ndarray
    level: np.ndarray
    grain: np.ndarray
    look: float
    rng: np.random.Generator

    @property
    def rising(self) -> float:
        """What grows with the look: nothing below 0."""
        return max(0.0, self.look)

    @property
    def falling(self) -> float:
        """What fades with the look: nothing above 1."""
        return max(0.0, 1 - self.look)

    def fill(self, echo: np.ndarray | float, attenuation: float, edge_mm: float) -> None:
        """Put tissue inside the outline; it blends into what was there over `edge_mm`."""
        share = expit(-self.level / (0.5 * edge_mm))
        self.echo[:] += share * (echo - self.echo)
        self.attenuation[:] += share * (attenuation - self.attenuation)
        self.impedance[:] += share * (SOLID_MRAYL - self.impedance)

    def dense(self, low: float, high: float) -> float:
        """Attenuation from `low` to `high`; a large lesion is not as dense throughout as a small one."""
        thick_mm = 2 * max(0.0, -float(self.level.min()))
        more = self.between(low, high) * self.chance(0.1) - low
        return low + more * THICK_MM / max(THICK_MM, thick_mm)

    def rim(self, echo: float, impedance: float, at_mm: float, width_mm: float) -> None:
        """Add a layer around the outline."""
        layer = np.exp(-np.square((self.level - at_mm) / width_mm))
        self.echo[:] += echo * layer
        self.impedance[:] += impedance * layer

    def between(self, low: float, high: float) -> float:
        """From `low` at look 0 to `high` at look 1 and beyond both, geometrically."""
        return float(low ** (1 - self.look) * high**self.look)

    def chance(self, spread: float) -> float:
        """A random factor around 1."""
        return float(np.exp(self.rng.normal(0, spread)))


def draw_lesion(
    maps: tuple[np.ndarray, np.ndarray, np.ndarray],
    points: np.ndarray,
    level: np.ndarray,
    lesion: Lesion,
    rng: np.random.Generator,
) -> None:
    """Draw a lesion into the maps of echo, impedance and attenuation, float32 (row, column).

    `points` (row, column, 3) are the pixels' prone LPS mm, `level` (row, column) mm to the outline.
    """
    near = _box(level < AROUND_MM)
    if near is None:
        return
    grain = lesion.texture.at(points[near].reshape(-1, 3)).reshape(level[near].shape)
    ragged = (level[near] + 0.45 * max(0.0, lesion.look_us) * grain).astype(np.float32)
    echo, impedance, attenuation = (values[near] for values in maps)
    FAMILIES[lesion.family](Patch(echo, impedance, attenuation, ragged, grain, lesion.look_us, rng))


def _box(mask: np.ndarray) -> tuple[slice, slice] | None:
    """Slices around the true pixels of a mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _mass(patch: Patch) -> None:
    """Homogeneous in a thin capsule … markedly hypoechoic, uneven, haloed, ill-defined, shadowing."""
    halo = 0.8 * patch.rising**1.5 * patch.chance(0.3) * expit(1.5 * patch.grain + 0.5)
    patch.echo[:] *= 1 + halo * np.exp(-np.square((patch.level - 1.2) / 1.4))
    echo = patch.between(0.25, 0.12) * patch.chance(0.1) * np.exp((0.12 + 0.33 * patch.rising) * patch.grain)
    patch.fill(echo, patch.dense(0.5, 1.7), 0.5 + 0.9 * patch.look)
    capsule = patch.falling**2 * patch.chance(0.3)
    patch.rim(0.3 * capsule, 0.22 * capsule, 0.15, 0.14)
    _foci(patch, 4.0 * patch.rising**2)


def _cystic(patch: Patch) -> None:
    """Simple cyst … complicated, with echoes and a level … complex, with a thick wall and a solid part."""
    fluid = patch.between(0.006, 0.12) * patch.chance(0.3)
    down = np.linspace(0, 1, len(patch.level))[:, None]
    sediment = expit((down - patch.rng.uniform(0.45, 0.65)) * 60) * 4 * patch.rising * patch.falling
    patch.fill(fluid * (1 + 2.5 * sediment), patch.between(0.02, 0.3), 0.2)
    wall_mm = 0.12 + 0.8 * patch.rising
    patch.rim(0.5 * patch.chance(0.3), 0.08, 0.1 + wall_mm / 3, wall_mm)
    solid = expit(4 * (patch.grain + 3.4 * patch.look - 4.0)) * expit(-(patch.level + 0.2) / 0.15)
    patch.echo[:] += 0.3 * solid
    patch.attenuation[:] += 0.5 * solid


def _non_mass(patch: Patch) -> None:
    """An ill-defined darker area … darker, with bright foci and some shadow."""
    share = expit(-(patch.level + 0.8 * patch.grain) / 0.9)
    left = patch.between(0.5, 0.22) * patch.chance(0.1) * np.exp(0.3 * patch.grain)
    patch.echo[:] *= 1 - share * (1 - left)
    patch.attenuation[:] += share * (1.0 * patch.look * patch.chance(0.1) - 0.1)
    _foci(patch, 14.0 * patch.rising**1.5)


def _fatty(patch: Patch) -> None:
    """Bright fat with a small oil cyst … dark with a shadow: fat necrosis, and what mimics it."""
    echo = patch.between(1.0, 0.17) * patch.chance(0.1) * np.exp((0.25 + 0.2 * patch.rising) * patch.grain)
    patch.fill(echo, patch.dense(0.55, 1.6), 0.6 + 0.5 * patch.look)
    core_mm = float(patch.level.min()) * (patch.rng.uniform(0.35, 0.7) + 0.3 * patch.look)
    oil = min(patch.falling, 1.0) * expit((core_mm - patch.level - 0.4 * patch.grain) / 0.2)
    patch.echo[:] *= 1 - 0.9 * oil
    patch.attenuation[:] *= 1 - 0.8 * oil


def _foci(patch: Patch, count: float) -> None:
    """Microcalcifications: about `count` bright points inside."""
    inside = np.argwhere(patch.level < -0.4)
    if not len(inside):
        return
    for row, column in inside[patch.rng.integers(0, len(inside), patch.rng.poisson(count))]:
        patch.echo[row : row + 2, column : column + 2] += 1.2 * patch.chance(0.4)


FAMILIES: dict[str, Callable[[Patch], None]] = {
    "mass": _mass,
    "cystic": _cystic,
    "non-mass": _non_mass,
    "fatty": _fatty,
}
