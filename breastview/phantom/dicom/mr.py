"""Classic MR images: one file a slice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import MRImageStorage

from breastview.phantom.dicom import vendors
from breastview.phantom.dicom.dialect import Dialect, Vendor
from breastview.phantom.dicom.files import Template, describe_pixels
from breastview.phantom.dicom.header import base, item, uid
from breastview.phantom.dicom.series import GRADIENT, Acquired, decimals
from breastview.phantom.patient import SimulatedPatient

STORED_BITS = {Vendor.GE: 16, Vendor.SIEMENS: 12, Vendor.PHILIPS: 16}


def write_classic(
    folder: Path, patient: SimulatedPatient, dialect: Dialect, volumes: Sequence[Acquired]
) -> None:
    """Write the volumes of one series of the protocol, each slice a file."""
    phases = sum(acquired.series.delay_s is not None for acquired in volumes)
    first = 1
    for acquired in volumes:
        dataset = _header(patient, dialect, acquired, phases)
        template = Template(dataset)
        for number, image in enumerate(stored(dialect.vendor, acquired.array)):
            name = _name(acquired)
            changes = _slice(acquired, number)
            changes.InstanceNumber = first + number
            changes.SOPInstanceUID = uid(patient, name, number)
            template.save(folder / f"{name}_{number + 1:04d}", image, changes)
        first = 1 if vendors.own_series(dialect.vendor, acquired.series) else first + len(acquired.array)


def stored(vendor: Vendor, array: np.ndarray) -> np.ndarray:
    """The values that stand in the file: signed at GE's, doubled at Philips' and rescaled."""
    if vendor is Vendor.GE:
        return array.astype(np.int16)
    return array * np.uint16(1 / vendors.PHILIPS_SLOPE) if vendor is Vendor.PHILIPS else array


def timing(dataset: Dataset, acquired: Acquired) -> None:
    """The sequence's times and angle."""
    series = acquired.series
    dataset.RepetitionTime, dataset.EchoTime = series.repetition_ms, series.echo_ms
    dataset.FlipAngle, dataset.EchoTrainLength = series.flip_deg, 1


def _name(acquired: Acquired) -> str:
    """Start of the file names of a volume."""
    series = acquired.series
    part = f"_{series.phase}" if series.phase else "" if series.b_value is None else f"_B{series.b_value}"
    return series.kind.upper() + part


def _header(patient: SimulatedPatient, dialect: Dialect, acquired: Acquired, phases: int) -> FileDataset:
    series = acquired.series
    dataset = base(patient, dialect, "MR", MRImageStorage)
    vendors.classic(dataset, dialect, acquired, phases)
    dataset.SeriesInstanceUID = uid(patient, "mri", dataset.SeriesNumber)
    dataset.FrameOfReferenceUID = uid(patient, "mri frame")
    dataset.PositionReferenceIndicator = ""
    dataset.PatientPosition = "HFP"
    dataset.ScanningSequence, dataset.SequenceVariant = series.sequence, "NONE"
    dataset.ScanOptions = "FS" if series.fat_suppressed(patient.exam) else ""
    dataset.MRAcquisitionType = "3D" if series.sequence == GRADIENT else "2D"
    dataset.MagneticFieldStrength = patient.exam.tesla
    timing(dataset, acquired)
    if series.phase > 1:
        dataset.ContrastBolusAgent = "SIMULATED gadolinium"
    _geometry(dataset, acquired)
    describe_pixels(dataset, stored(dialect.vendor, acquired.array[0]), STORED_BITS[dialect.vendor])
    return dataset


def _geometry(dataset: Dataset, acquired: Acquired) -> None:
    slice_mm, row_mm, column_mm = acquired.spacing_mm
    dataset.SliceThickness, dataset.SpacingBetweenSlices = acquired.series.thickness_mm, round(slice_mm, 6)
    dataset.PixelSpacing = decimals((row_mm, column_mm))
    dataset.ImageOrientationPatient = decimals(acquired.orientation, 9)


def _slice(acquired: Acquired, number: int) -> Dataset:
    position = decimals(acquired.position(number))
    return item(ImagePositionPatient=position, SliceLocation=position[2])
