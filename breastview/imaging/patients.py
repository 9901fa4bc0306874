"""Whose images these are, and which images are somebody else's."""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Sequence

from breastview.imaging.case import Patient
from breastview.imaging.header import Header

EXAM_DATES = ("AcquisitionDate", "SeriesDate", "StudyDate", "ContentDate")


def who(header: Header) -> str:
    """The key that two images of one patient share: PatientID, or the name where there is no ID."""
    return str(header.get("PatientID", "")).strip() or str(header.get("PatientName", "")).strip().casefold()


def patient_of(headers: Sequence[Header]) -> str:
    """The patient whom most images belong to; images without any identification belong to everybody."""
    counted = Counter(who(header) for header in headers if who(header))
    return counted.most_common(1)[0][0] if counted else ""


def identify(headers: Sequence[Header]) -> Patient:
    """Read the identification from the first header that has each part of it."""

    def first(keyword: str) -> str:
        return next((str(h.get(keyword)).strip() for h in headers if h.get(keyword)), "")

    age = re.fullmatch(r"(\d{3})Y", first("PatientAge"))
    return Patient(
        name=first("PatientName"),
        patient_id=first("PatientID"),
        birth_date=parse_date(first("PatientBirthDate")),
        sex=first("PatientSex"),
        age_y=int(age[1]) if age else None,
    )


def exam_date(header: Header) -> datetime.date | None:
    """The day of the exam, or None where the header is blank."""
    dates = (parse_date(str(header.get(word, ""))) for word in EXAM_DATES)
    return next((date for date in dates if date), None)


def parse_date(text: str) -> datetime.date | None:
    """Parse a DICOM date; None for anything else."""
    try:
        return datetime.datetime.strptime(text, "%Y%m%d").date()
    except ValueError:
        return None


def is_simulated(header: Header) -> bool:
    """Whether the image says of itself that it is simulated."""
    places = ("ImageType", "ImageComments", "PatientName", "Manufacturer", "SeriesDescription")
    return any("SIMULATED" in str(header.get(place, "")).upper() for place in places)
