"""What a manifest says of a reviewed lesion: from the record, the headers, and what the hospital told."""

from __future__ import annotations

import datetime
from pathlib import Path

from breastview.imaging.case import ScannedCase, ScannedFrames, ScannedVolume
from breastview.imaging.dynamic import of_one_exam
from breastview.imaging.header import BrokenHeader, NotDicom, read_header
from breastview.records.concordance import us_size_mm
from breastview.records.store import NAME_LENGTH
from breastview.records.values import Lesion, Pathology, ReviewRecord
from breastview.registration.plane import UsPlane
from model_training.cohort.told import TOLD

Items = tuple[ScannedVolume | ScannedFrames, ...]
LABELS = {Pathology.MALIGNANT: True, Pathology.BENIGN: False}


class People:
    """Gives each person the name of the first of their cases: nothing in it can be traced back by guessing.

    Number, and name with birth date, each tell that two cases are one person's; a lesion's `patient` follows
    the one, its `group` the other, and a split keeps both together.
    """

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], str] = {}

    def names(self, case: ScannedCase) -> tuple[str, str]:
        """(patient, group) of a case."""
        own, person = case.fingerprint[:NAME_LENGTH], case.patient
        name = person.name.casefold() if person.birth_date else ""
        group = self._first.setdefault((name, str(person.birth_date)), own) if name else ""
        number = person.patient_id.casefold()
        patient = self._first.setdefault((number, ""), group or own) if number else group or own
        return patient, group or patient


def lesion_facts(
    case: ScannedCase, record: ReviewRecord, lesion: Lesion, plane: UsPlane | None, names: tuple[str, str]
) -> dict[str, object]:
    """A row of the manifest; what is unknown is empty. `names` are the (patient, group) of `People`."""
    told = {name: record.told(lesion.lesion_id, name) for name in TOLD}
    return {
        "case": f"{case.fingerprint[:NAME_LENGTH]}-{lesion.lesion_id}",
        "patient": names[0],
        "group": names[1],
        "source": "records",
        "part": "",
        "malignant": LABELS.get(lesion.pathology) if lesion.pathology else None,
        "pathology": lesion.pathology or "",
        "simulated": case.simulated,
        "age_y": case.age_y,
        "bi_rads": lesion.first_bi_rads or "",
        "size_mm": round(max(us_size_mm(lesion, plane)), 1) if lesion.us and plane else None,
        "scanner": _scanner(case),
        "us_and_mri": bool(case.frames and case.volumes),
        "us_mri_days": _days_between(case, lesion),
        **told,
    }


def _days_between(case: ScannedCase, lesion: Lesion) -> int | None:
    """Days between the US that shows the lesion and the MRI that is read, where they are nearest."""
    marked = {mark.frames_key for mark in lesion.views}
    us = _days(case.frames_shown(marked))
    mri = _days(tuple(of_one_exam(case.volumes)))
    return min((abs((a - b).days) for a in us for b in mri), default=None)


def _days(items: Items) -> set[datetime.date]:
    return {item.exam_date for item in items if item.exam_date}


def _scanner(case: ScannedCase) -> str:
    """Manufacturer and model of the scanner of the MRI that is read, or of the US one where there is none."""
    items: Items = (*of_one_exam(case.volumes), *case.frames)
    path = next((item.sources[0].path for item in items if item.manufacturer), None)
    return _maker(path) if path else ""


def _maker(path: Path) -> str:
    try:
        header = read_header(path)
    except (NotDicom, BrokenHeader, OSError):
        return ""
    return f"{header.text('Manufacturer')} {header.text('ManufacturerModelName')}".strip()
