"""Smooth random functions of place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

GRID = 64  # nodes an axis
NODES_A_SIGMA = 2.0


@dataclass(frozen=True, eq=False)
class Field:
    """Gaussian noise of zero mean and unit variance on a periodic grid of nodes `step_mm` apart."""

    values: np.ndarray
    step_mm: float

    def at(self, points: np.ndarray) -> np.ndarray:
        """Sample at points (n, 3) in mm, float32 (n,); the noise repeats every `GRID` nodes."""
        index = (points.T / np.float32(self.step_mm)).astype(np.float32, copy=False)
        return ndimage.map_coordinates(
            self.values, index, np.float32, order=1, mode="grid-wrap", prefilter=False
        )


def make_field(rng: np.random.Generator, sigma_mm: float) -> Field:
    """White noise smoothed by a Gaussian of `sigma_mm`: neighbours `d` apart correlate as exp(−d²/4σ²)."""
    noise = rng.standard_normal((GRID, GRID, GRID), dtype=np.float32)
    smooth = ndimage.gaussian_filter(noise, NODES_A_SIGMA, mode="wrap")
    return Field((smooth - smooth.mean()) / smooth.std(), sigma_mm / NODES_A_SIGMA)
