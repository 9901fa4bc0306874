"""One MRI exam of one patient: its coil, magnetic field, motion. All are functions of LPS place.

A crop and the whole volume of a patient therefore see the same coil, distortion and motion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from breastview.phantom.maps import Grid

MAX_PHASES = 8
FIRST_PHASE = 3  # place of the first dynamic phase among the series that move on their own
CALM_MM, RESTLESS_MM, RESTLESS_SHARE = 0.2, 0.9, 0.12  # SD of the motion between phases; how many move more
DISTORTION_MM = 1.3  # SD of the displacement that the field causes in echo-planar images
FAT_LEFT = 0.15  # of the fat's signal where fat suppression works
FAIL_FROM_MM, FAIL_AT_MM = 2.5, 7.0  # displacements between which it stops to work
# Coil elements: x, y, z of the middle, reach along x, y, z, and gain; mirrored in x. In front of, beside and
# between the breasts; a coil of loops loses its sensitivity fast behind them.
ELEMENTS = (
    (78.0, -25.0, 0.0, 95.0, 62.0, 130.0, 1.0),
    (80.0, 36.0, 0.0, 90.0, 50.0, 140.0, 0.8),
    (134.0, 80.0, -5.0, 46.0, 48.0, 130.0, 1.5),
    (12.0, 42.0, 0.0, 48.0, 38.0, 120.0, 0.45),
    (150.0, 130.0, 0.0, 70.0, 60.0, 150.0, 0.06),
)
FLOOR = 0.0012  # what is left of the squared sensitivity far behind
UNEVEN_FROM_MM, UNEVEN_MM = 25.0, 75.0  # the slope along y that is corrected: where it is 1, and how steep
EVENED_TO_MM = 90.0  # no further back than this
STEEPNESS = 3  # of the fall-off along y: 1 / (1 + u^2)^STEEPNESS


@dataclass(frozen=True, eq=False)
class Coil:
    """Receive sensitivity as the root of a sum of squares; `elements` are (n, 7) as in `ELEMENTS`."""

    elements: np.ndarray

    def on(self, grid: Grid) -> np.ndarray:
        """Sensitivity on a grid after `evening`, float32 (slice, row, column), near 1 in the breasts."""
        z, y, x = grid.axes()
        middle, reach, gain = self.elements[:, :3], self.elements[:, 3:6], self.elements[:, 6:]
        across = 1 / (1 + ((x - middle[:, [0]]) / reach[:, [0]]) ** 2) ** 2
        back = 1 / (1 + ((y - middle[:, [1]]) / (2 * reach[:, [1]])) ** 2) ** (2 * STEEPNESS)
        along = 1 / (1 + ((z - middle[:, [2]]) / reach[:, [2]]) ** 2)
        return np.sqrt(_summed(gain * along, back, across) + FLOOR)

    @staticmethod
    def evening(grid: Grid) -> np.ndarray:
        """What the scanner multiplies rows by to make up for the slope of the coil, float32 (row, 1).

        It lifts the noise of what lies behind as well.
        """
        y = np.minimum(grid.axes()[1], EVENED_TO_MM)
        return np.exp((y - UNEVEN_FROM_MM) / UNEVEN_MM)[:, None]


@dataclass(frozen=True, eq=False)
class FieldMap:
    """Off-resonance, as the displacement along y in mm that it causes in echo-planar images.

    `waves` (n, 7): amplitude in mm, then wave number in 1/mm and phase along x, y, z.
    """

    waves: np.ndarray

    def on(self, grid: Grid) -> np.ndarray:
        """Displacement in mm on a grid, float32 (slice, row, column): what is seen at y + d lies at y."""
        z, y, x = (self._along(k, axis) for k, axis in zip((2, 1, 0), grid.axes(), strict=True))
        return _summed(self.waves[:, :1] * z, y, x)

    def _along(self, k: int, axis: np.ndarray) -> np.ndarray:
        return np.cos(self.waves[:, [1 + 2 * k]] * axis + self.waves[:, [2 + 2 * k]])


@dataclass(frozen=True, eq=False)
class Exam:
    """What all series of one patient share.

    `shifts_mm` (n, 2) along x and y: of T1WI, T2WI and DWI, then of the dynamic phases; `t2_fat_suppressed`
    says whether T2WI is acquired with fat suppression.
    """

    tesla: float
    coil: Coil
    field: FieldMap
    shifts_mm: np.ndarray
    t2_fat_suppressed: bool

    def fat_left(self, grid: Grid) -> np.ndarray:
        """Share of the fat's signal that fat suppression leaves, float32 (slice, row, column)."""
        off = (np.abs(self.field.on(grid)) - FAIL_FROM_MM) / (FAIL_AT_MM - FAIL_FROM_MM)
        return FAT_LEFT + (1 - FAT_LEFT) * np.clip(off, 0, 1) ** 2


def make_exam(rng: np.random.Generator, tesla: float = 1.5, t2_fat_suppressed: bool = True) -> Exam:
    """Draw the exam of a patient."""
    sides = np.concatenate([np.array(ELEMENTS) * ([sign] + [1] * 6) for sign in (1, -1)])
    sides[:, :3] += rng.normal(0, 4.0, (len(sides), 3))
    sides[:, 6] *= np.exp(rng.normal(0, 0.12, len(sides)))
    waves = np.column_stack([rng.normal(0, 1, 8), *_random_waves(rng, 8)])
    waves[:, 0] *= DISTORTION_MM / np.sqrt((waves[:, 0] ** 2).sum() / 8)
    restless = np.where(rng.random(FIRST_PHASE + MAX_PHASES) < RESTLESS_SHARE, RESTLESS_MM, CALM_MM)
    shifts = rng.normal(0, 1, (FIRST_PHASE + MAX_PHASES, 2)) * restless[:, None]
    return Exam(tesla, Coil(sides), FieldMap(waves), shifts, t2_fat_suppressed)


def _random_waves(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """Wave numbers and phases along x, y, z: waves of 16 cm and longer."""
    pairs = ((rng.uniform(0, 2 * np.pi / 160, count), rng.uniform(0, 2 * np.pi, count)) for _ in range(3))
    return [column for pair in pairs for column in pair]


def _summed(z: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Σ z ⊗ y ⊗ x over the first axis, float32 (slice, row, column)."""
    planes = np.einsum("kz,ky->zyk", z, y).astype(np.float32)
    return planes @ x.astype(np.float32)
