"""Training cases: the neighbourhood of the lesion, from the same code as the whole patient."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from breastview.phantom.anatomy import body_tissue
from breastview.phantom.maps import Grid, TissueMaps, tissue_maps
from breastview.phantom.patient import BPE, SimulatedPatient, simulate
from breastview.phantom.scanner import Scanned, scan
from breastview.phantom.stills import SimulatedFrame, still

FINE_STEP_MM = (1.1, 1.1, 1.0)
MARGIN_MM = 20.0  # at least,
MARGIN_SHARE = 1.25  # of the longest axis: holds nearly all of 2.5 times the box, by which MRI is scaled
PHASES = 2  # before and after contrast medium: what the network is given


@dataclass(frozen=True, eq=False)
class SimulatedCase:
    """One lesion for training: its US frames, and MRI around it as name → (uint16 array, index_to_lps)."""

    patient: SimulatedPatient
    frames: tuple[SimulatedFrame, ...]
    mri: Mapping[str, Scanned]

    @property
    def malignant(self) -> bool:
        """The label."""
        return self.patient.evidence.malignant


def training_case(seed: int, null_arm: bool = False) -> SimulatedCase:
    """Simulate the neighbourhood of one patient's lesion, and all of its views."""
    patient = simulate(seed, null_arm)
    frames = tuple(still(patient, view) for view in patient.views)
    scanned = scan(maps_near(patient), patient.exam, patient.stream("mri"), phases=PHASES)
    return SimulatedCase(patient, frames, scanned)


def maps_near(patient: SimulatedPatient) -> TissueMaps:
    """What lies around the lesion: its margin follows its size."""
    margin_mm = max(MARGIN_MM, MARGIN_SHARE * patient.evidence.size_mm)
    half = np.array(patient.lesion.extent_mm) / 2 + margin_mm
    columns, rows, slices = (int(np.ceil(2 * h / step)) for h, step in zip(half, FINE_STEP_MM, strict=True))
    x, y, z = (float(c) for c in patient.lesion.centre_mm - half)
    return maps_on(patient, Grid((x, y, z), FINE_STEP_MM, (slices, rows, columns)), both=False)


def maps_on(patient: SimulatedPatient, grid: Grid, both: bool = True, threads: int = 1) -> TissueMaps:
    """The patient's tissue on any grid; the other breast only where it is in view (`both`)."""
    breasts = (patient.breast, patient.other_breast()) if both else (patient.breast,)
    with ThreadPoolExecutor(threads) as pool:
        parts = np.array_split(grid.points(), threads)
        labels = np.concatenate(list(pool.map(lambda p: body_tissue(p, breasts, patient.trunk), parts)))
    patches = patient.breast.fields["uptake"]
    return tissue_maps(grid, labels, patient.lesion, BPE[patient.bpe], patches, patient.exam.tesla)
