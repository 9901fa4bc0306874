"""A small exam with every series of the protocol: pixels that tell slice and volume apart, known geometry."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from breastview.phantom.dicom.dialect import Dialect
from breastview.phantom.dicom.enhanced import write_enhanced
from breastview.phantom.dicom.mr import write_classic
from breastview.phantom.dicom.series import SERIES, by_kind
from breastview.phantom.patient import SimulatedPatient

SLICES, ROWS, COLUMNS = 5, 36, 40
Volume = tuple[np.ndarray, np.ndarray]


def volumes() -> dict[str, Volume]:
    """Name in the protocol → (uint16 (slice, row, column), index_to_lps)."""
    return {name: _volume(number, SERIES[name].kind) for number, name in enumerate(SERIES)}


def _volume(number: int, kind: str) -> Volume:
    rng = np.random.default_rng(number)
    array = rng.integers(0, 4096, (SLICES, ROWS, COLUMNS), np.uint16)
    step_mm = {"dwi": (5.0, 2.2, 2.2), "dce": (2.0, 1.1, 1.1)}.get(kind, (5.0, 1.1, 1.1))
    matrix = np.array([[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]]) @ np.diag([*step_mm, 1])
    matrix[:3, 3] = -170.05 + step_mm[2] / 2, -50.3, -74.5
    return array, matrix


def write_mri(folder: Path, patient: SimulatedPatient, dialect: Dialect) -> dict[str, Volume]:
    """Write the exam in a dialect; returns what was written."""
    folder.mkdir()
    made = volumes()
    for acquired in by_kind(made).values():
        (write_enhanced if dialect.enhanced else write_classic)(folder, patient, dialect, acquired)
    return made
