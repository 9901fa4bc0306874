"""Ultrasound of more than one plane: a cine sweep by hand, and a volume as an automated scanner makes it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from breastview.imaging.geometry import frozen
from breastview.phantom.backscatter import STEP_MM
from breastview.phantom.deformation import Probe, put_probe
from breastview.phantom.patient import SimulatedPatient
from breastview.phantom.stills import aim, machine_settings, plane_points, register, scan_plane
from breastview.phantom.ultrasound import Settings
from breastview.registration.parameters import RegistrationParameters

_SWEEP, _VOLUME = 20, 21  # random streams, apart from those of the stills
SWEEP_FRAMES, SWEEP_STEP_MM = 24, 0.9
VOLUME_WIDTH_MM, VOLUME_DEPTH_MM = 90.0, 45.0
VOLUME_FRAMES, VOLUME_STEP_MM = 36, 2.0
PLATE_PRESSED = 0.22  # a plate presses harder than a hand


@dataclass(frozen=True, eq=False)
class SimulatedVolume:
    """Parallel US planes with their truth.

    `grey` uint8 and `lesion_mask` bool are read-only (frame, row, column), `spacing_mm` likewise; the frame's
    z in the probe's frame is `z_mm` (frame,). `registration` is the best rigid one of the plane z = 0, exact
    at the lesion's centre.
    """

    grey: np.ndarray
    lesion_mask: np.ndarray
    spacing_mm: tuple[float, float, float]
    settings: Settings
    z_mm: np.ndarray
    registration: RegistrationParameters
    probe: Probe


def sweep(
    patient: SimulatedPatient, view: str, frames: int = SWEEP_FRAMES, step_mm: float = SWEEP_STEP_MM
) -> SimulatedVolume:
    """Sweep a hand-held probe through the lesion, across one of the patient's views."""
    rng = patient.stream("us", _SWEEP, patient.views.index(view))
    probe, size_mm = aim(patient, view, rng)
    return _scan(patient, probe, size_mm, frames, step_mm, rng)


def abus(
    patient: SimulatedPatient, frames: int = VOLUME_FRAMES, step_mm: float = VOLUME_STEP_MM
) -> SimulatedVolume:
    """Scan the breast under a plate, as automated breast ultrasound does, in planes along the first view."""
    rng = patient.stream("us", _VOLUME)
    by_hand, _ = aim(patient, patient.views[0], rng)
    footprint = (VOLUME_WIDTH_MM, frames * step_mm)
    probe = put_probe(patient.breast, patient.supine, by_hand.pose, PLATE_PRESSED, footprint)
    return _scan(patient, probe, (VOLUME_WIDTH_MM, VOLUME_DEPTH_MM), frames, step_mm, rng)


def _scan(
    patient: SimulatedPatient,
    probe: Probe,
    size_mm: tuple[float, float],
    frames: int,
    step_mm: float,
    rng: np.random.Generator,
) -> SimulatedVolume:
    z_mm = (np.arange(frames) - (frames - 1) / 2) * step_mm
    planes = [scan_plane(patient, probe, size_mm, rng, float(z)) for z in z_mm]
    return SimulatedVolume(
        grey=frozen(np.stack([grey for grey, _, _ in planes])),
        lesion_mask=frozen(np.stack([mask for _, mask, _ in planes])),
        spacing_mm=(step_mm, STEP_MM, STEP_MM),
        settings=machine_settings(patient, size_mm[1]),
        z_mm=frozen(z_mm),
        registration=register(patient, probe, plane_points(size_mm)),
        probe=probe,
    )
