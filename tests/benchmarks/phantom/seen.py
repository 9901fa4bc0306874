"""Simulated patients as the benchmark looks at them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from breastview.phantom.crops import SimulatedCase, maps_near, training_case
from breastview.phantom.maps import TissueMaps
from breastview.phantom.patient import SimulatedPatient
from breastview.phantom.scanner import Scanned, scan

LABELS = {"benign": False, "malignant": True}


@dataclass(frozen=True, eq=False)
class Seen:
    """A training case with all dynamic phases, and what truly lies there."""

    case: SimulatedCase
    maps: TissueMaps

    @property
    def patient(self) -> SimulatedPatient:
        return self.case.patient

    @property
    def label(self) -> str:
        return "malignant" if self.case.malignant else "benign"


def see(seed: int) -> Seen:
    """Simulate one patient's training case."""
    case = training_case(seed)
    maps = maps_near(case.patient)
    return Seen(replace(case, mri=scanned(case.patient, maps)), maps)


def scanned(patient: SimulatedPatient, maps: TissueMaps, *noise: int) -> dict[str, Scanned]:
    """All series; `noise` names another realisation of the noise than the patient's own."""
    return scan(maps, patient.exam, patient.stream("mri", *noise))
