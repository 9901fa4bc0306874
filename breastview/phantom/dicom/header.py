"""What every file of a simulated patient says: who it is not, and SIMULATED wherever a label can stand."""

from __future__ import annotations

import datetime
from typing import Any

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, generate_uid

from breastview.phantom.dicom.dialect import LATIN, Dialect
from breastview.phantom.patient import SimulatedPatient

SIMULATED = "SIMULATED"
EXAM_DATES = {"US": datetime.date(2026, 3, 2), "MR": datetime.date(2026, 3, 5)}


def uid(patient: SimulatedPatient, *parts: object) -> UID:
    """A UID that is the same whenever the patient is written."""
    return generate_uid(entropy_srcs=["breastview simulated", str(patient.seed), *map(str, parts)])


def base(patient: SimulatedPatient, dialect: Dialect, modality: str, sop_class: UID) -> FileDataset:
    """A data set with the patient, the study and the equipment; `modality` is "US" or "MR"."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.TransferSyntaxUID = dialect.syntax
    meta.ImplementationVersionName = "BREASTVIEW"
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SpecificCharacterSet = dialect.character_set
    dataset.SOPClassUID = sop_class
    dataset.Modality = modality
    dataset.BodyPartExamined = "BREAST"
    dataset.ImageComments = SIMULATED
    dataset.BurnedInAnnotation, dataset.LossyImageCompression = "NO", "00"
    _patient(dataset, patient, dialect)
    _study(dataset, patient, modality)
    _equipment(dataset, dialect)
    return dataset


def _patient(dataset: Dataset, patient: SimulatedPatient, dialect: Dialect) -> None:
    other = "^Señora" if dialect.character_set == LATIN else "=模拟患者"
    dataset.PatientName = f"{SIMULATED}^{patient.seed:04d}{other}"
    dataset.PatientID = f"{SIMULATED}-{patient.seed:04d}"
    age = 35 + patient.seed % 40
    dataset.PatientBirthDate = f"{EXAM_DATES['US'].year - age}0101"
    dataset.PatientSex = "F"
    dataset.PatientAge = f"{age:03d}Y"
    dataset.PatientComments = f"{SIMULATED} PATIENT"
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = f"{SIMULATED}: there is no such person"


def _study(dataset: Dataset, patient: SimulatedPatient, modality: str) -> None:
    dataset.StudyInstanceUID = uid(patient, modality, "study")
    dataset.StudyID = SIMULATED
    dataset.StudyDescription = f"{SIMULATED} breast"
    dataset.AccessionNumber = dataset.ReferringPhysicianName = ""
    day = f"{EXAM_DATES[modality]:%Y%m%d}"
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = dataset.AcquisitionDate = day
    dataset.StudyTime = "090000"


def _equipment(dataset: Dataset, dialect: Dialect) -> None:
    dataset.Manufacturer = dialect.manufacturer
    dataset.ManufacturerModelName = f"{SIMULATED} {dialect.name}"
    dataset.InstitutionName = dataset.StationName = SIMULATED
    dataset.SoftwareVersions = f"{SIMULATED} BreastView"


def item(**values: Any) -> Dataset:
    """One item of a sequence."""
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made
