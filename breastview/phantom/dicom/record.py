"""The review record that a reader who knew everything would leave of a simulated patient."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from breastview.imaging.case import Role, ScannedCase
from breastview.imaging.scan import scan_folder
from breastview.phantom.dicom.us import still_uid
from breastview.phantom.patient import SimulatedPatient
from breastview.phantom.stills import SimulatedFrame
from breastview.records.values import (
    FrameRegistration,
    Lesion,
    MriMark,
    Pathology,
    ReviewRecord,
    Side,
    UsMark,
    new_record,
)
from breastview.registration.plane import UsPlane


def true_record(
    folder: Path,
    patient: SimulatedPatient,
    frames: Mapping[str, SimulatedFrame],
    facts: Mapping[str, Any],
) -> ReviewRecord:
    """Scan a patient's folder and say what is true of it, with those `facts` that are single figures.

    `frames` are the plain stills by view.
    """
    case = scan_folder(folder)
    registrations = tuple(
        FrameRegistration(still_uid(patient, view), 0, frame.registration) for view, frame in frames.items()
    )
    lesion = _lesion(case, patient, frames)
    record = new_record(case)
    return ReviewRecord(
        record.case, lesions=(lesion,), registrations=registrations, simulated=True, extra=_as_text(facts)
    )


def _lesion(case: ScannedCase, patient: SimulatedPatient, frames: Mapping[str, SimulatedFrame]) -> Lesion:
    """The lesion with its boxes on the first two stills."""
    marks = [UsMark(still_uid(patient, view), 0, *frame.lesion_box_px) for view, frame in frames.items()]
    phase = next(v for v in case.volumes if v.role.role is Role.DCE and v.role.phase == 2)
    clock_h, distance_mm = patient.clock_place()
    x, y, z = map(float, patient.lesion.centre_mm)
    return Lesion(
        "L1",
        side=Side(patient.side),
        clock_h=clock_h,
        nipple_distance_mm=distance_mm,
        depth_mm=_depth_mm(next(iter(frames.values()))),
        us=marks[0],
        second_us=next(iter(marks[1:]), None),
        mri=MriMark(phase.key, (x, y, z), patient.lesion.extent_mm),
        pathology=Pathology.MALIGNANT if patient.evidence.malignant else Pathology.BENIGN,
    )


def _depth_mm(frame: SimulatedFrame) -> float:
    plane = UsPlane(frame.sector.face_middle_px, frame.spacing_mm)
    left, top, right, bottom = frame.lesion_box_px
    return float(round(plane.px_to_mm(np.array([(left + right) / 2, (top + bottom) / 2]))[1]))


def _as_text(facts: Mapping[str, Any]) -> dict[str, str]:
    """A record's extra values are words."""
    figures = {name: value for name, value in facts.items() if not isinstance(value, Mapping)}
    return {n: f"{value:.4f}" if isinstance(value, float) else str(value) for n, value in figures.items()}
