"""The pictures of an ultrasound exam: what the probe saw, framed by the machine, and marked SIMULATED."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from breastview.phantom import machine
from breastview.phantom.backscatter import STEP_MM
from breastview.phantom.dicom import us
from breastview.phantom.dicom.dialect import Dialect
from breastview.phantom.machine import Calipers
from breastview.phantom.patient import SimulatedPatient
from breastview.phantom.stills import SimulatedFrame
from breastview.phantom.sweeps import SimulatedVolume
from breastview.registration.transform import us_to_mri

FRAME_MS = 50.0  # of a sweep
PICTOGRAM_MM = 80.0  # distance from the nipple at the rim of the body marker's breast
_DOPPLER = 30  # random stream of the vessels


def write_stills(
    folder: Path, patient: SimulatedPatient, dialect: Dialect, frames: Mapping[str, SimulatedFrame]
) -> None:
    """Write the stills of a lesion: each view plain and with calipers, the first with colour Doppler too."""
    count = 0
    for series, (view, frame) in enumerate(frames.items(), 1):
        for number, still in enumerate(_stills(patient, view, frame, doppler=series == 1), 1):
            count += 1
            us.write_still(folder / f"US{count:04d}", patient, dialect, still, (series, number))


def write_cine(folder: Path, patient: SimulatedPatient, dialect: Dialect, sweep: SimulatedVolume) -> None:
    """Write a sweep across the patient's first view as a cine."""
    text = annotation(patient, patient.views[0])
    framed = [machine.picture(grey, STEP_MM, sweep.settings.focus_mm) for grey in sweep.grey]
    pictures = np.stack([machine.labelled(grey, place, text) for grey, place in framed])
    regions = [us.region(framed[0][1], sweep.spacing_mm[1:], sweep.settings.frequency_mhz)]
    us.write_sweep(folder / "US_CINE", patient, dialect, text, pictures, regions, FRAME_MS)


def write_abus(folder: Path, patient: SimulatedPatient, dialect: Dialect, scanned: SimulatedVolume) -> None:
    """Write the volume of an automated scanner, in supine LPS as its plate lay."""
    index_to_supine = us_to_mri(scanned.probe.pose) @ index_to_us(scanned)
    us.write_volume(folder / "US_ABUS", patient, dialect, f"{patient.side}T", scanned.grey, index_to_supine)


def index_to_us(scanned: SimulatedVolume) -> np.ndarray:
    """The (4, 4) from (frame, row, column, 1) of parallel planes to mm of the probe's frame (x, y, z, 1)."""
    frame_mm, row_mm, column_mm = scanned.spacing_mm
    matrix = np.diag([column_mm, row_mm, frame_mm, 1.0])[:, [2, 1, 0, 3]]
    matrix[:3, 3] = -(scanned.grey.shape[2] - 1) / 2 * column_mm, 0.0, scanned.z_mm[0]
    return matrix


def annotation(patient: SimulatedPatient, view: str) -> str:
    """What stands on the pictures of one view."""
    return us.annotation(patient.side, *patient.clock_place(), view)


def across_lesion(mask: np.ndarray) -> list[Calipers]:
    """Distances along and across the axis of a mask, bool (row, column); none where it is empty."""
    places = np.argwhere(mask)[:, ::-1].astype(float)
    if len(places) < 2:
        return []
    away = places - places.mean(axis=0)
    long = np.linalg.svd(away, full_matrices=False)[2][0]
    return [_through(places, away, direction) for direction in (long, np.array([-long[1], long[0]]))]


def _through(places: np.ndarray, away: np.ndarray, direction: np.ndarray) -> Calipers:
    """A straight line through the middle, as far as the places (n, 2) reach along it."""
    middle, along = places.mean(axis=0), away @ direction
    start, end = (middle + bound * direction for bound in (along.min(), along.max()))
    return Calipers((float(start[0]), float(start[1])), (float(end[0]), float(end[1])))


def _stills(patient: SimulatedPatient, view: str, frame: SimulatedFrame, doppler: bool) -> Iterator[us.Still]:
    text = annotation(patient, view)
    tissue = us.region(frame.sector, frame.spacing_mm, frame.settings.frequency_mhz)
    yield us.Still(view, text, machine.labelled(frame.grey, frame.sector, text), [tissue])
    yield us.Still(f"{view} measured", text, _measured(patient, view, frame, text), [tissue])
    if doppler:
        rng = patient.stream("us", _DOPPLER)
        colour = machine.with_colour_doppler(
            frame.grey, frame.sector, frame.lesion_mask, patient.lesion.look_us, STEP_MM, rng
        )
        box = machine.doppler_box(frame.lesion_mask, frame.sector, STEP_MM)
        flow = [us.region(box, frame.spacing_mm, frame.settings.frequency_mhz, us.COLOUR_FLOW)] if box else []
        picture = machine.labelled(colour, frame.sector, text)
        yield us.Still(f"{view} doppler", text, picture, [tissue, *flow])


def _measured(patient: SimulatedPatient, view: str, frame: SimulatedFrame, text: str) -> np.ndarray:
    """The picture with calipers across the lesion and a body marker."""
    calipers = across_lesion(frame.lesion_mask)
    clock_h, distance_mm = patient.clock_place()
    turn_deg = {"transverse": 0.0, "sagittal": 90.0, "antiradial": 30 * clock_h}.get(view, 30 * clock_h - 90)
    drawn = machine.with_calipers(frame.grey, calipers)
    away = min(distance_mm / PICTOGRAM_MM, 0.9)
    drawn = machine.with_body_marker(drawn, frame.sector, clock_h, away, turn_deg)
    return machine.labelled(drawn, frame.sector, text, machine.distance_texts(calipers, STEP_MM))
