"""The pictures of an ultrasound exam: what the probe saw, framed by the machine, and marked SIMULATED."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from breastview.phantom.backscatter import STEP_MM
from breastview.phantom.dicom import us
from breastview.phantom.dicom.dialect import Dialect
from breastview.phantom.dicom.header import SIMULATED
from breastview.phantom.machine import picture
from breastview.phantom.patient import SimulatedPatient
from breastview.phantom.stills import SimulatedFrame
from breastview.phantom.sweeps import SimulatedVolume
from breastview.registration.transform import us_to_mri

FRAME_MS = 50.0  # of a sweep


def write_stills(
    folder: Path, patient: SimulatedPatient, dialect: Dialect, frames: Mapping[str, SimulatedFrame]
) -> None:
    """Write the stills of a lesion, by view."""
    for number, (view, frame) in enumerate(frames.items(), 1):
        regions = [us.region(frame.sector, frame.spacing_mm)]
        still = us.Still(view, _annotation(patient, view), labelled(frame.grey), regions)
        us.write_still(folder / f"US{number:04d}", patient, dialect, still, (number, 1))


def write_cine(folder: Path, patient: SimulatedPatient, dialect: Dialect, sweep: SimulatedVolume) -> None:
    """Write a sweep across the patient's first view as a cine."""
    pictures = np.stack([labelled(picture(grey, STEP_MM)[0]) for grey in sweep.grey])
    regions = [us.region(picture(sweep.grey[0], STEP_MM)[1], sweep.spacing_mm[1:])]
    text = _annotation(patient, patient.views[0])
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


def labelled(grey: np.ndarray) -> np.ndarray:
    """Write SIMULATED into the picture's black border."""
    image = Image.fromarray(grey.copy())
    ImageDraw.Draw(image).text((44, 10), SIMULATED, fill=210)
    return np.asarray(image)


def _annotation(patient: SimulatedPatient, view: str) -> str:
    return us.annotation(patient.side, *patient.clock_place(), view)
