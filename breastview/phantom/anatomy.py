"""The breast as functions of place: which tissue lies at any LPS point of a prone patient.

Crops and whole patients ask the same functions, so they show the same anatomy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from breastview.phantom.lesion import Lesion
from breastview.phantom.tissue import Tissue

SKIN_MM = 1.8
CHEST_Y_MM = 50.0  # LPS y of the breast's base, where it joins the chest in the midline
BASE_MM = 60.0  # how far fat reaches back from the base to the curved chest wall
FIELD_STEP_MM = 2.5
GLAND_SHARE = {"a": 0.12, "b": 0.3, "c": 0.52, "d": 0.72}  # share of the breast's core, by BI-RADS density


@dataclass(frozen=True, eq=False)
class Field:
    """Smooth noise of zero mean and unit variance on a coarse grid of LPS space."""

    values: np.ndarray
    corner_mm: np.ndarray

    def at(self, points: np.ndarray) -> np.ndarray:
        """Sample at points (n, 3); the noise repeats outside its grid."""
        index = ((points - self.corner_mm) / FIELD_STEP_MM).T
        return ndimage.map_coordinates(self.values, index, order=1, mode="grid-wrap", prefilter=False)


@dataclass(frozen=True, eq=False)
class Cyst:
    """A simple cyst: a distractor."""

    centre_mm: np.ndarray
    radius_mm: float


@dataclass(frozen=True, eq=False)
class Breast:
    """One breast: a half-ellipsoid on the chest with its inner structure and, in one breast, the lesion."""

    centre_mm: np.ndarray
    radii_mm: np.ndarray
    density: str
    gland: Field
    sheets: Field
    lobules: Field
    cysts: tuple[Cyst, ...]
    lesion: Lesion | None

    @property
    def nipple_mm(self) -> np.ndarray:
        """The tip of the breast."""
        return self.centre_mm - [0.0, self.radii_mm[1], 0.0]

    def depth_mm(self, points: np.ndarray) -> np.ndarray:
        """Depth of points (n, 3) below the skin along the radius, negative outside; behind it a cylinder."""
        q = points - self.centre_mm
        q[:, 1] = np.minimum(q[:, 1], 0.0)
        level = np.sqrt(np.sum((q / self.radii_mm) ** 2, axis=1))
        return np.linalg.norm(q, axis=1) * (1 / np.maximum(level, 1e-6) - 1)

    def tissue(self, points: np.ndarray) -> np.ndarray:
        """Labels uint8 (n,) of points (n, 3) in LPS mm; AIR outside the breast and its way to the chest."""
        labels = np.zeros(len(points), np.uint8)
        depth = self.depth_mm(points)
        inside = np.flatnonzero((depth > 0) & (points[:, 1] < self.centre_mm[1] + BASE_MM))
        p, below = points[inside], depth[inside]
        labels[inside] = self._inside(p, below)
        near = np.linalg.norm(points - self.nipple_mm, axis=1) < 5.0
        labels[near & (depth > -4.0)] = Tissue.NIPPLE
        return labels

    def _inside(self, p: np.ndarray, below: np.ndarray) -> np.ndarray:
        labels = np.full(len(p), Tissue.FAT, np.uint8)
        sheets = self.sheets.at(p * [1.0, 1.7, 1.0])
        ligament = (np.abs(sheets) < 0.028) & (self.gland.at(-p) > 0.1) & (below > SKIN_MM)
        labels[ligament] = Tissue.LIGAMENT
        behind = self.centre_mm[1] - p[:, 1]
        core = np.minimum((below - 6.0) / 10.0, (behind - 4.0) / 10.0)
        wanted = self.gland.at(p) + 0.35 * self.lobules.at(p) + np.clip(core, -3, 0.6)
        labels[wanted > _quantile(1 - GLAND_SHARE[self.density])] = Tissue.GLAND
        for cyst in self.cysts:
            labels[np.sum((p - cyst.centre_mm) ** 2, axis=1) < cyst.radius_mm**2] = Tissue.CYST
        if self.lesion is not None:
            labels[self.lesion.level(p) < 0] = Tissue.LESION
        labels[below < SKIN_MM] = Tissue.SKIN
        return labels


def _quantile(share: float) -> float:
    """A threshold of unit noise that about 1 − `share` of the core exceeds."""
    return float(np.interp(share, [0.28, 0.48, 0.7, 0.88], [0.0, 0.45, 0.95, 1.5]))


def make_field(rng: np.random.Generator, sigma_mm: float, corner: np.ndarray, size_mm: np.ndarray) -> Field:
    """Gaussian noise smoothed to `sigma_mm`, zero mean and unit variance."""
    shape = np.ceil(np.asarray(size_mm) / FIELD_STEP_MM).astype(int)
    noise = rng.standard_normal(tuple(shape), dtype=np.float32)
    smooth = ndimage.gaussian_filter(noise, sigma_mm / FIELD_STEP_MM, mode="wrap")
    return Field((smooth - smooth.mean()) / smooth.std(), np.asarray(corner, float))


def make_breast(
    rng: np.random.Generator, side: str, density: str, radii_mm: np.ndarray, lesion: Lesion | None
) -> Breast:
    """Grow one breast; `side` is "R" or "L"."""
    sign = 1.0 if side == "L" else -1.0
    centre = np.array([sign * 75.0, CHEST_Y_MM, 0.0])
    corner = centre - [80.0, 110.0, 80.0]
    size = np.array([160.0, 120.0, 160.0])
    cysts = tuple(_cyst(rng, centre, radii_mm) for _ in range(int(rng.integers(0, 4))))
    if lesion is not None:
        reach = lesion.radius_mm + 6.0
        cysts = tuple(
            c for c in cysts if np.linalg.norm(c.centre_mm - lesion.centre_mm) > reach + c.radius_mm
        )
    return Breast(
        centre,
        radii_mm,
        density,
        gland=make_field(rng, 8.0, corner, size),
        sheets=make_field(rng, 5.0, corner, size),
        lobules=make_field(rng, 2.6, corner, size),
        cysts=cysts,
        lesion=lesion,
    )


def _cyst(rng: np.random.Generator, centre: np.ndarray, radii: np.ndarray) -> Cyst:
    direction = rng.normal(size=3)
    direction[1] = -abs(direction[1])
    place = centre + direction / np.linalg.norm(direction) * radii * rng.uniform(0.3, 0.7)
    return Cyst(place, float(rng.uniform(1.5, 5.0)))


def body_tissue(points: np.ndarray, breasts: Sequence[Breast]) -> np.ndarray:
    """Labels uint8 (n,) of points (n, 3): the trunk, and the breasts in front of their pectoral muscle."""
    labels = chest_tissue(points)
    for breast in breasts:
        reach = np.add(breast.radii_mm, [6.0, BASE_MM, 6.0])
        near = np.flatnonzero(np.all(np.abs(points - breast.centre_mm) < reach, axis=1))
        own = breast.tissue(points[near])
        shown = (own != Tissue.AIR) & np.isin(labels[near], (Tissue.AIR, Tissue.SKIN, Tissue.FAT))
        labels[near[shown]] = own[shown]
    return labels


def chest_tissue(points: np.ndarray) -> np.ndarray:
    """Labels uint8 (n,) of the trunk behind the breasts: skin, fat, pectoral muscle, ribs, lung."""
    x, y, z = points.T
    level = np.sqrt((x / 165.0) ** 2 + ((y - 160.0) / 110.0) ** 2)
    inward = (1 - level) * 110.0
    labels = np.zeros(len(points), np.uint8)
    labels[inward > 0] = Tissue.SKIN
    labels[inward > SKIN_MM] = Tissue.FAT
    pectoral = (inward > 7.0) & (inward < 20.0)
    labels[pectoral] = Tissue.MUSCLE
    rib = (inward >= 20.0) & (inward < 30.0)
    labels[rib] = np.where(
        np.sin(z[rib] / 26.0 * 2 * np.pi + x[rib] / 60.0) > 0.2, Tissue.BONE, Tissue.MUSCLE
    )
    labels[inward >= 30.0] = Tissue.LUNG
    heart = ((x - 35.0) / 48.0) ** 2 + ((y - 125.0) / 38.0) ** 2 + (z / 60.0) ** 2 < 1
    labels[heart & (inward >= 30.0)] = Tissue.MUSCLE
    return labels
