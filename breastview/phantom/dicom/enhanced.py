"""Enhanced MR images: many frames in one file, what tells them apart in functional groups.

Siemens files a phase an object; Philips all volumes of a series in one, slice by slice.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import EnhancedMRImageStorage

from breastview.phantom.dicom import vendors
from breastview.phantom.dicom.dialect import Dialect, Vendor
from breastview.phantom.dicom.files import Template, describe_pixels
from breastview.phantom.dicom.header import EXAM_DATES, SIMULATED, base, item, uid
from breastview.phantom.dicom.mr import STORED_BITS, stored, timing
from breastview.phantom.dicom.series import GRADIENT, PLANAR, Acquired, acquisition_time, decimals, start_time
from breastview.phantom.patient import SimulatedPatient

_FLAVOURS = {"t1wi": "T1", "t2wi": "T2", "dwi": "DIFFUSION", "dce": "DYNAMIC"}
_STACK, _POSITION, _TEMPORAL = 0x00209056, 0x00209057, 0x00209128
_FRAME_CONTENT = 0x00209111
Frames = list[tuple[Acquired, int]]


def write_enhanced(
    folder: Path, patient: SimulatedPatient, dialect: Dialect, volumes: Sequence[Acquired]
) -> None:
    """Write the volumes of one series of the protocol as one object or, Siemens' phases, an object each."""
    for number, group in enumerate(_objects(dialect.vendor, volumes), 1):
        frames = [(acquired, place) for place in range(len(group[0].array)) for acquired in group]
        dataset = _header(patient, dialect, frames, number)
        pixels = np.stack([stored(dialect.vendor, acquired.array[place]) for acquired, place in frames])
        describe_pixels(dataset, pixels[0], STORED_BITS[dialect.vendor])
        kind = group[0].series.kind
        changes = item(SOPInstanceUID=uid(patient, "enhanced", kind, number))
        Template(dataset).save(folder / f"{kind.upper()}_{number:04d}", pixels, changes)


def _objects(vendor: Vendor, volumes: Sequence[Acquired]) -> list[list[Acquired]]:
    if vendors.own_series(vendor, volumes[0].series):
        return [[acquired] for acquired in volumes]
    return [list(volumes)]


def _header(patient: SimulatedPatient, dialect: Dialect, frames: Frames, number: int) -> FileDataset:
    acquired = frames[0][0]
    series = acquired.series
    dataset = base(patient, dialect, "MR", EnhancedMRImageStorage)
    dataset.SeriesNumber = vendors.series_number(dialect, series)
    dataset.SeriesInstanceUID = uid(patient, "mri", dataset.SeriesNumber)
    dataset.SeriesDescription = dataset.ProtocolName = vendors.describe(dialect.vendor, series)
    dataset.InstanceNumber = dataset.AcquisitionNumber = number
    dataset.FrameOfReferenceUID = uid(patient, "mri frame")
    dataset.PositionReferenceIndicator = ""
    dataset.PatientPosition = "HFP"
    dataset.MagneticFieldStrength = patient.exam.tesla
    dataset.ImageType = _frame_type(acquired)
    dataset.AcquisitionDateTime = dataset.ContentTime = ""
    if dialect.timed:
        dataset.AcquisitionDateTime = _moment(start_time(series))
        dataset.ContentTime = start_time(series)
    dataset.NumberOfFrames = len(frames)
    dataset.AcquisitionContextSequence = Items()
    _pulse_sequence(dataset, dialect.vendor, acquired)
    dataset.SpectrallySelectedSuppression = "FAT" if series.fat_suppressed(patient.exam) else "NONE"
    _dimensions(dataset, patient, number)
    dataset.SharedFunctionalGroupsSequence = Items([_shared(dialect.vendor, acquired)])
    dataset.PerFrameFunctionalGroupsSequence = Items(
        _own(dialect, acquired, place) for acquired, place in frames
    )
    return dataset


def _frame_type(acquired: Acquired) -> list[str]:
    return ["ORIGINAL", "PRIMARY", _FLAVOURS[acquired.series.kind], "NONE", SIMULATED]


def _moment(time: str) -> str:
    return f"{EXAM_DATES['MR']:%Y%m%d}{time}"


def _pulse_sequence(dataset: Dataset, vendor: Vendor, acquired: Acquired) -> None:
    series = acquired.series
    dataset.PulseSequenceName = vendors.pulse_sequence(vendor, series)
    dataset.MRAcquisitionType = "3D" if series.sequence == GRADIENT else "2D"
    dataset.EchoPulseSequence = "GRADIENT" if series.sequence == GRADIENT else "SPIN"
    dataset.EchoPlanarPulseSequence = "YES" if series.sequence == PLANAR else "NO"
    dataset.PixelPresentation, dataset.VolumetricProperties = "MONOCHROME", "VOLUME"
    dataset.VolumeBasedCalculationTechnique, dataset.ComplexImageComponent = "NONE", "MAGNITUDE"
    dataset.AcquisitionContrast = {"dwi": "DIFFUSION", "t2wi": "T2"}.get(series.kind, "T1")
    dataset.ContentQualification, dataset.PresentationLUTShape = "RESEARCH", "IDENTITY"


def _dimensions(dataset: Dataset, patient: SimulatedPatient, number: int) -> None:
    organisation = uid(patient, "dimensions", dataset.SeriesNumber, number)
    dataset.DimensionOrganizationSequence = Items([item(DimensionOrganizationUID=organisation)])
    dataset.DimensionIndexSequence = Items(
        item(
            DimensionOrganizationUID=organisation,
            DimensionIndexPointer=pointer,
            FunctionalGroupPointer=_FRAME_CONTENT,
        )
        for pointer in (_STACK, _POSITION, _TEMPORAL)
    )


def _shared(vendor: Vendor, acquired: Acquired) -> Dataset:
    slice_mm, row_mm, column_mm = acquired.spacing_mm
    times = item()
    timing(times, acquired)
    del times.EchoTime
    return item(
        PixelMeasuresSequence=[
            item(
                PixelSpacing=decimals((row_mm, column_mm)),
                SliceThickness=acquired.series.thickness_mm,
                SpacingBetweenSlices=round(slice_mm, 6),
            )
        ],
        PlaneOrientationSequence=[item(ImageOrientationPatient=decimals(acquired.orientation, 9))],
        MRTimingAndRelatedParametersSequence=[times],
        MREchoSequence=[item(EffectiveEchoTime=acquired.series.echo_ms)],
        MRImageFrameTypeSequence=[item(FrameType=_frame_type(acquired))],
        PixelValueTransformationSequence=[_rescaling(vendor)],
        FrameAnatomySequence=[item(FrameLaterality="B")],
    )


def _own(dialect: Dialect, acquired: Acquired, place: int) -> Dataset:
    series = acquired.series
    groups = item(
        FrameContentSequence=[_content(dialect, acquired, place)],
        PlanePositionSequence=[item(ImagePositionPatient=decimals(acquired.position(place)))],
    )
    if series.b_value is not None:
        groups.MRDiffusionSequence = [item(DiffusionBValue=float(series.b_value))]
    if series.delay_s is not None and dialect.vendor is Vendor.PHILIPS and dialect.timed:
        delay = item(NominalCardiacTriggerDelayTime=series.delay_s * 1000)
        groups.CardiacSynchronizationSequence = [delay]
    return groups


def _content(dialect: Dialect, acquired: Acquired, place: int) -> Dataset:
    series = acquired.series
    number = max(series.phase, 1)
    content = item(
        StackID="1",
        InStackPositionNumber=place + 1,
        TemporalPositionIndex=number,
        FrameAcquisitionNumber=number,
        DimensionIndexValues=[1, place + 1, number],
    )
    if dialect.timed:
        content.FrameReferenceDateTime = _moment(acquisition_time(series))
        content.FrameAcquisitionDateTime = _moment(acquisition_time(series))
    return content


def _rescaling(vendor: Vendor) -> Dataset:
    slope = vendors.PHILIPS_SLOPE if vendor is Vendor.PHILIPS else 1
    return item(RescaleIntercept=0, RescaleSlope=slope, RescaleType="US")
