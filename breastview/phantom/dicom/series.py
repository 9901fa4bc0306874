"""The MRI series of a simulated exam: what was acquired, with which sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from breastview.phantom import mri, scanner
from breastview.phantom.exam import Exam

SPIN, PLANAR, GRADIENT = "SE", "EP", "GR"
_SAMPLED = {SPIN: scanner.SPIN_ECHO, PLANAR: scanner.ECHO_PLANAR, GRADIENT: scanner.GRADIENT_ECHO}
_BEGIN_MIN = {"t1wi": 5, "t2wi": 10, "dwi": 15, "dce": 20}  # after ten o'clock


@dataclass(frozen=True)
class Series:
    """One volume of the protocol. `kind` names the series it belongs to: "t1wi", "t2wi", "dwi", "dce"."""

    kind: str
    sequence: str
    repetition_ms: float
    echo_ms: float
    flip_deg: float = 90.0
    b_value: int | None = None
    phase: int = 0
    delay_s: float | None = None

    @property
    def thickness_mm(self) -> float:
        """Of a slice, without the gap."""
        return _SAMPLED[self.sequence].thickness_mm

    def fat_suppressed(self, exam: Exam) -> bool:
        """Whether fat is dark in it."""
        return exam.t2_fat_suppressed if self.kind == "t2wi" else self.kind != "t1wi"


SERIES = {
    "t1wi": Series("t1wi", SPIN, 450.0, 10.0),
    "t2wi": Series("t2wi", SPIN, 4000.0, 85.0),
    "dwi_b0": Series("dwi", PLANAR, 6000.0, 70.0, b_value=0),
    "dwi_b800": Series("dwi", PLANAR, 6000.0, 70.0, b_value=800),
    **{
        f"dce_{phase}": Series(
            "dce", GRADIENT, mri.DYNAMIC_MS, 2.0, mri.DYNAMIC_FLIP_DEG, phase=phase, delay_s=delay_s
        )
        for phase, delay_s in enumerate(scanner.PHASE_DELAYS_S, 1)
    },
}


@dataclass(frozen=True, eq=False)
class Acquired:
    """A volume as it left the scanner: uint16 (slice, row, column) and its index_to_lps (4, 4)."""

    series: Series
    array: np.ndarray
    index_to_lps: np.ndarray

    @property
    def orientation(self) -> list[float]:
        """ImageOrientationPatient: direction along a row, then along a column."""
        directions = self.index_to_lps[:3, :3] / np.linalg.norm(self.index_to_lps[:3, :3], axis=0)
        return [*map(float, directions[:, 2]), *map(float, directions[:, 1])]

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Between slices, rows and columns."""
        slice_mm, row_mm, column_mm = np.linalg.norm(self.index_to_lps[:3, :3], axis=0)
        return float(slice_mm), float(row_mm), float(column_mm)

    def position(self, number: int) -> list[float]:
        """ImagePositionPatient of slice `number`, from 0."""
        return [float(mm) for mm in self.index_to_lps[:3, 3] + number * self.index_to_lps[:3, 0]]


def by_kind(volumes: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, list[Acquired]]:
    """Group the scanner's volumes, by their names in `SERIES`, into the series of the protocol."""
    groups: dict[str, list[Acquired]] = {}
    for name, (array, index_to_lps) in volumes.items():
        groups.setdefault(SERIES[name].kind, []).append(Acquired(SERIES[name], array, index_to_lps))
    return groups


def start_time(series: Series) -> str:
    """When the acquisition began that a volume belongs to, as DICOM writes it."""
    return f"10{_BEGIN_MIN[series.kind]:02d}00"


def acquisition_time(series: Series) -> str:
    """When a volume was acquired, as DICOM writes it."""
    second = _BEGIN_MIN[series.kind] * 60 + (series.delay_s or 0.0)
    return f"10{int(second // 60):02d}{second % 60:06.3f}"


def decimals(values: Sequence[float], digits: int = 6) -> list[float]:
    """Numbers as short as a decimal string takes them."""
    return [round(value, digits) + 0.0 for value in values]
