"""What lies within the ribs: lung with its vessels, fat, heart, great vessels, the liver's dome."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from breastview.phantom.noise import Field
from breastview.phantom.tissue import Tissue

HILUM_MM = (45.0, 165.0)  # x and y of the left lung's; the right one's lies across the midline
WOBBLE_MM, WOBBLE_WAVE_MM = 3.5, 190.0  # how far outlines stray from ellipsoids, and over what length
WAVES = 3
STRANDS_ABOVE = 0.3  # unit noise: where vessels and thymus run through the mediastinal fat


@dataclass(frozen=True)
class Organ:
    """An ellipsoid: centre and half axes in LPS mm, its turn about z, thickness of its wall."""

    tissue: Tissue
    centre_mm: tuple[float, float, float]
    half_mm: tuple[float, float, float]
    angle_deg: float = 0.0
    wall_mm: float = 0.0


ORGANS = (
    Organ(Tissue.FAT, (20.0, 108.0, -36.0), (58.0, 24.0, 50.0), 32.0),
    Organ(Tissue.FAT, (0.0, 112.0, 40.0), (27.0, 34.0, 75.0)),
    Organ(Tissue.ORGAN, (24.0, 118.0, -34.0), (57.0, 32.0, 46.0), 35.0),
    Organ(Tissue.BLOOD, (-24.0, 122.0, -26.0), (20.0, 24.0, 32.0), 0.0, 1.0),  # right atrium
    Organ(Tissue.BLOOD, (12.0, 105.0, -38.0), (42.0, 15.0, 38.0), 22.0, 2.0),  # right ventricle
    Organ(Tissue.BLOOD, (40.0, 129.0, -42.0), (42.0, 25.0, 36.0), 35.0, 8.0),  # left ventricle
    Organ(Tissue.BLOOD, (8.0, 149.0, -16.0), (36.0, 19.0, 26.0), 8.0, 1.0),  # left atrium
    Organ(Tissue.BLOOD, (16.0, 104.0, 8.0), (14.0, 14.0, 26.0), 0.0, 1.0),  # outflow and pulmonary trunk
    Organ(Tissue.BLOOD, (20.0, 126.0, 32.0), (30.0, 10.0, 10.0), 20.0, 1.0),  # left pulmonary artery
    Organ(Tissue.BLOOD, (-24.0, 140.0, 22.0), (30.0, 9.0, 9.0), -15.0, 1.0),  # right pulmonary artery
    Organ(Tissue.BLOOD, (-10.0, 116.0, 36.0), (15.0, 15.0, 60.0), 0.0, 1.5),  # ascending aorta
    Organ(Tissue.BLOOD, (-32.0, 128.0, 50.0), (8.0, 10.0, 60.0), 0.0, 0.8),  # superior vena cava
    Organ(Tissue.BLOOD, (24.0, 196.0, 0.0), (12.0, 12.0, 400.0), 0.0, 1.5),  # descending aorta
    Organ(Tissue.ORGAN, (-75.0, 135.0, -100.0), (75.0, 62.0, 62.0)),  # liver's dome
)


@dataclass(frozen=True, eq=False)
class Viscera:
    """Organs of one patient: shifted, scaled and with wobbling outlines.

    `waves` (2, 4, n): wave vectors in 1/mm and phases of what moves outlines along x and along y.
    """

    shift_mm: np.ndarray
    scale: float
    waves: np.ndarray

    def tissue(self, points: np.ndarray, depth: np.ndarray, curves: tuple[Field, Field]) -> np.ndarray:
        """Labels uint8 (n,) of points (n, 3) within the ribs, `depth` mm below the fascia.

        The lung's vessels run where both noises of `curves` vanish.
        """
        labels = np.full(len(points), Tissue.LUNG, np.uint8)
        vessels = self._lung_vessels(points, curves)
        labels[vessels] = Tissue.VESSEL
        index = np.flatnonzero((np.abs(points[:, 0]) < 160.0) & (points[:, 1] < 225.0))
        self._put_organs(labels, index, points[index])
        fat = np.flatnonzero(labels == Tissue.FAT)
        labels[fat[curves[0].at(2.0 * points[fat]) > STRANDS_ABOVE]] = Tissue.ORGAN
        return labels

    def _lung_vessels(self, points: np.ndarray, curves: tuple[Field, Field]) -> np.ndarray:
        x, y, z = np.abs(points[:, 0]) - HILUM_MM[0], points[:, 1] - HILUM_MM[1], points[:, 2]
        square = x * x + y * y + z * z
        near = np.flatnonzero(square < 75.0**2)
        width = 0.30 * np.exp(-np.sqrt(square[near]) / 38.0)
        return near[np.hypot(curves[0].at(points[near]), curves[1].at(points[near])) < width]

    def _put_organs(self, labels: np.ndarray, index: np.ndarray, points: np.ndarray) -> None:
        p = (points - self.shift_mm.astype(np.float32)) / np.float32(self.scale)
        strayed = [np.sin(p @ wave[:3] + wave[3]).sum(axis=1) for wave in self.waves]
        p[:, 0] += WOBBLE_MM * strayed[0]
        p[:, 1] += 0.6 * WOBBLE_MM * strayed[1]
        for organ in ORGANS:
            near = np.flatnonzero(_within(p, organ))
            wall, lumen = _sections(p[near], organ)
            labels[index[near[wall]]] = Tissue.ORGAN
            labels[index[near[lumen]]] = organ.tissue


def _within(p: np.ndarray, organ: Organ) -> np.ndarray:
    """Whether points lie in a box that holds the organ."""
    across = max(organ.half_mm[:2])
    reach = (across, across, organ.half_mm[2])
    found = np.abs(p[:, 2] - organ.centre_mm[2]) < reach[2]
    for k in (0, 1):
        found &= np.abs(p[:, k] - organ.centre_mm[k]) < reach[k]
    return found


def _sections(p: np.ndarray, organ: Organ) -> tuple[np.ndarray, np.ndarray]:
    """Which points lie in the organ at all, and which within its wall."""
    angle = np.deg2rad(organ.angle_deg)
    x, y, z = (p[:, k] - np.float32(organ.centre_mm[k]) for k in range(3))
    turned = (np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x, z)
    outer, inner = (
        sum((q / np.float32(half - less)) ** 2 for q, half in zip(turned, organ.half_mm, strict=True))
        for less in (0.0, organ.wall_mm)
    )
    return outer < 1, inner < 1


def make_viscera(rng: np.random.Generator) -> Viscera:
    """Draw a patient's viscera."""
    waves = rng.normal(0, 2 * np.pi / WOBBLE_WAVE_MM, (2, 4, WAVES))
    waves[:, 3] = rng.uniform(0, 2 * np.pi, (2, WAVES))
    return Viscera(
        shift_mm=rng.normal(0, (4.0, 3.0, 8.0)),
        scale=float(rng.uniform(0.92, 1.08)),
        waves=waves.astype(np.float32),
    )
