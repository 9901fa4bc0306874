"""Training cases: the neighbourhood of the lesion, from the same code as the whole patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from breastview.phantom import mri
from breastview.phantom.anatomy import body_tissue
from breastview.phantom.patient import VIEWS, SimulatedPatient, simulate
from breastview.phantom.ultrasound import SimulatedFrame

FINE_STEP_MM = (1.1, 1.1, 1.0)
MARGIN_MM = 22.0


@dataclass(frozen=True, eq=False)
class SimulatedCase:
    """One lesion for training: US frames, and MRI around it as name → (uint16 array, index_to_lps)."""

    patient: SimulatedPatient
    frames: tuple[SimulatedFrame, ...]
    mri: Mapping[str, tuple[np.ndarray, np.ndarray]]

    @property
    def malignant(self) -> bool:
        """The label."""
        return self.patient.evidence.malignant


def training_case(seed: int, null_arm: bool = False, views: tuple[str, ...] = VIEWS) -> SimulatedCase:
    """Simulate the neighbourhood of one patient's lesion."""
    patient = simulate(seed, null_arm)
    half = patient.lesion.radius_mm + MARGIN_MM
    columns, rows, slices = (int(np.ceil(2 * half / step)) for step in FINE_STEP_MM)
    x, y, z = (float(c) for c in patient.lesion.centre_mm - half)
    grid = mri.Grid((x, y, z), FINE_STEP_MM, (slices, rows, columns))
    labels = body_tissue(grid.points(), (patient.breast,))
    maps = mri.tissue_maps(grid, labels, patient.lesion, patient.bpe)
    frames = tuple(patient.frame(view) for view in views)
    return SimulatedCase(patient, frames, acquire_all(maps, patient.stream("mri"), phases=2))


def acquire_all(
    maps: mri.TissueMaps, rng: np.random.Generator, phases: int
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """All series of the protocol: t1wi, t2wi, dwi_b0, dwi_b800, dce_1 … dce_n."""
    signals = {
        "t1wi": (mri.spin_echo(maps, 450.0, 10.0), mri.SPIN_ECHO),
        "t2wi": (mri.without_fat(mri.spin_echo(maps, 4000.0, 85.0), maps), mri.SPIN_ECHO),
        "dwi_b0": (mri.diffusion(maps, 0.0), mri.ECHO_PLANAR),
        "dwi_b800": (mri.diffusion(maps, 800.0), mri.ECHO_PLANAR),
    }
    series = {name: mri.acquire(signal, maps.grid, kind, rng) for name, (signal, kind) in signals.items()}
    for number, delay_s in enumerate(mri.PHASE_DELAYS_S[:phases], 1):
        series[f"dce_{number}"] = mri.acquire(mri.dynamic(maps, delay_s), maps.grid, mri.GRADIENT_ECHO, rng)
    return series
