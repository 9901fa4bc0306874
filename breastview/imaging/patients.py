"""Whose images these are, and which images are somebody else's."""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from breastview.imaging.case import Patient
from breastview.imaging.header import Header

EXAM_DATES = ("AcquisitionDate", "SeriesDate", "StudyDate", "ContentDate")


@dataclass(frozen=True)
class Identity:
    """What tells patients apart; every part may be blank. Case and padding do not count."""

    patient_id: str
    name: str
    birth_date: str

    @property
    def blank(self) -> bool:
        """Whether the image names nobody."""
        return not self.patient_id and not self.name

    def is_other_than(self, ours: Identity) -> bool:
        """Whether this is somebody else than `ours`: a part that one of them leaves blank tells nothing.

        Departments number patients differently: name and birth date together outweigh the number.
        """
        if self.name and self.name == ours.name and self.birth_date and self.birth_date == ours.birth_date:
            return False
        if self.patient_id and ours.patient_id:
            return self.patient_id != ours.patient_id
        return bool(self.name and ours.name and self.name != ours.name)


def who(header: Header) -> Identity:
    """The patient whom an image names."""
    return _identity(header.text("PatientID"), header.text("PatientName"), header.text("PatientBirthDate"))


@lru_cache(maxsize=64)
def _identity(patient_id: str, name: str, birth_date: str) -> Identity:
    return Identity(
        patient_id.casefold(), " ".join(re.split(r"[\s^=]+", name.casefold())).strip(), birth_date
    )


def patient_of(headers: Sequence[Header]) -> Identity:
    """The patient whom most images name; blank where none names anybody."""
    counted = Counter(who(header) for header in headers)
    known = [(count, identity) for identity, count in counted.items() if not identity.blank]
    return max(known, key=lambda pair: pair[0])[1] if known else Identity("", "", "")


def identify(headers: Sequence[Header]) -> Patient:
    """Read the identification from the first header that has each part of it."""

    def first(keyword: str) -> str:
        return next((text for header in headers if (text := header.text(keyword))), "")

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
    dates = (parse_date(header.text(word)) for word in EXAM_DATES)
    return next((date for date in dates if date), None)


def parse_date(text: str) -> datetime.date | None:
    """Parse a DICOM date; None for anything else."""
    try:
        return (
            datetime.date(int(text[:4]), int(text[4:6]), int(text[6:]))
            if re.fullmatch(r"\d{8}", text)
            else None
        )
    except ValueError:
        return None


def is_simulated(header: Header) -> bool:
    """Whether the image says of itself that it is simulated."""
    places = ("ImageType", "ImageComments", "PatientName", "Manufacturer", "SeriesDescription")
    return any("SIMULATED" in header.text(place).upper() for place in places)
