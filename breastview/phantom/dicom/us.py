"""Ultrasound: stills, sweeps and volumes, each with its scale where vendors put it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    EnhancedUSVolumeStorage,
    JPEGLSLossless,
    RLELossless,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
)

from breastview.imaging.volume import Sector
from breastview.phantom.dicom.dialect import Dialect, Vendor
from breastview.phantom.dicom.files import Template, describe_pixels
from breastview.phantom.dicom.header import EXAM_DATES, SIMULATED, base, item, uid
from breastview.phantom.dicom.series import decimals
from breastview.phantom.patient import SimulatedPatient

CENTIMETRES, TISSUE, COLOUR_FLOW = 3, 1, 2
SERIES_OF_SWEEPS, SERIES_OF_VOLUMES = 20, 30
KEPT_IN_COLOUR = {Vendor.GE: 0, Vendor.SIEMENS: None, Vendor.PHILIPS: 1}  # PlanarConfiguration of grey stills
_WORDS = {"transverse": "TRANS", "sagittal": "SAG", "radial": "RAD", "antiradial": "ARAD"}


def annotation(side: str, clock_h: float, distance_mm: float, view: str) -> str:
    """What a sonographer writes on a picture, as in "RT 10:00 4 cm FN RAD".

    Side ("R" or "L"), clock face to the half hour, distance from the nipple to half a cm, probe orientation.
    """
    minutes = 30 if clock_h % 1 else 0
    centimetres = f"{round(distance_mm / 5) / 2:g}"
    return f"{side}T {int(clock_h)}:{minutes:02d} {centimetres} cm FN {_WORDS[view]}"


def still_uid(patient: SimulatedPatient, name: str) -> str:
    """SOPInstanceUID of the still called `name`."""
    return str(uid(patient, "us", name))


@dataclass(frozen=True, eq=False)
class Still:
    """A picture to be written: uint8 (row, column) or (row, column, RGB).

    `name` is its own, `text` its annotation; pictures of one annotation share a series.
    """

    name: str
    text: str
    picture: np.ndarray
    regions: list[Dataset]


def write_still(
    path: Path, patient: SimulatedPatient, dialect: Dialect, still: Still, number: tuple[int, int]
) -> None:
    """Write a still; `number` is that of its series and its own in there, from 1."""
    series, instance = number
    dataset = _header(patient, dialect, UltrasoundImageStorage, still.text, series, still.regions)
    dataset.BurnedInAnnotation = "YES"
    dataset.ContentTime = dataset.AcquisitionTime = f"09{series:02d}{instance:02d}"
    picture, planar = _as_kept(still.picture, dialect)
    dataset.UltrasoundColorDataPresent = int(planar is not None)
    describe_pixels(dataset, picture, 8, planar)
    changes = item(SOPInstanceUID=still_uid(patient, still.name), InstanceNumber=instance)
    Template(dataset).save(path, picture, changes)


def _as_kept(picture: np.ndarray, dialect: Dialect) -> tuple[np.ndarray, int | None]:
    """A picture as the vendor keeps it, with its PlanarConfiguration, None in grey."""
    planar = KEPT_IN_COLOUR[dialect.vendor]
    if picture.ndim == 2 and planar is None:
        return picture, None
    colour = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
    return colour, 0 if dialect.syntax.is_encapsulated else planar or 0


def region(
    place: Sector, spacing_mm: tuple[float, float], frequency_mhz: float, kind: int = TISSUE
) -> Dataset:
    """An ultrasound region in centimetres; its reference pixel is the middle of the top edge."""
    row_mm, column_mm = spacing_mm
    return item(
        RegionSpatialFormat=1,
        RegionDataType=kind,
        RegionFlags=2,
        RegionLocationMinX0=place.left,
        RegionLocationMinY0=place.top,
        RegionLocationMaxX1=place.right - 1,
        RegionLocationMaxY1=place.bottom - 1,
        ReferencePixelX0=(place.right - place.left) // 2,
        ReferencePixelY0=0,
        PhysicalUnitsXDirection=CENTIMETRES,
        PhysicalUnitsYDirection=CENTIMETRES,
        ReferencePixelPhysicalValueX=0.0,
        ReferencePixelPhysicalValueY=0.0,
        PhysicalDeltaX=column_mm / 10,
        PhysicalDeltaY=row_mm / 10,
        TransducerFrequency=round(1000 * frequency_mhz),
    )


def write_sweep(
    path: Path,
    patient: SimulatedPatient,
    dialect: Dialect,
    text: str,
    pictures: np.ndarray,
    regions: list[Dataset],
    frame_ms: float,
) -> None:
    """Write a cine of grey pictures, uint8 (frame, row, column), `frame_ms` apart, without loss."""
    dataset = _header(
        patient, dialect, UltrasoundMultiFrameImageStorage, f"{text} sweep", SERIES_OF_SWEEPS, regions
    )
    kept = RLELossless if dialect.syntax == RLELossless else JPEGLSLossless
    dataset.file_meta.TransferSyntaxUID = kept
    dataset.NumberOfFrames, dataset.FrameTime = len(pictures), frame_ms
    dataset.FrameIncrementPointer = 0x00181063
    dataset.StartTrim, dataset.StopTrim = 1, len(pictures)
    dataset.CineRate = round(1000 / frame_ms)
    dataset.BurnedInAnnotation = "YES"
    describe_pixels(dataset, pictures[0], 8)
    changes = item(SOPInstanceUID=uid(patient, "us sweep", text), InstanceNumber=1)
    Template(dataset).save(path, pictures, changes)


def write_volume(
    path: Path,
    patient: SimulatedPatient,
    dialect: Dialect,
    text: str,
    array: np.ndarray,
    index_to_supine: np.ndarray,
) -> None:
    """Write an automated breast scan as an Enhanced US Volume (PS3.3 A.59).

    `array` is uint8 (slice, row, column), `index_to_supine` (4, 4) from (slice, row, column, 1) to mm in LPS
    directions of the supine patient: a frame of reference of its own, not the MRI's.
    """
    dataset = _header(patient, dialect, EnhancedUSVolumeStorage, f"{text} ABUS", SERIES_OF_VOLUMES, [])
    frame = uid(patient, "us volume frame")
    dataset.FrameOfReferenceUID = dataset.VolumeFrameOfReferenceUID = frame
    dataset.UltrasoundAcquisitionGeometry, dataset.PatientFrameOfReferenceSource = "PATIENT", "ESTIMATED"
    dataset.PositionReferenceIndicator = ""
    dataset.NumberOfFrames = len(array)
    dataset.AcquisitionDateTime = f"{EXAM_DATES['US']:%Y%m%d}090500"
    dataset.AcquisitionContextSequence = Sequence()
    dataset.PositionMeasuringDeviceUsed = "RIGID"
    _dimensions(dataset, patient)
    dataset.SharedFunctionalGroupsSequence = Sequence([_shared(index_to_supine)])
    dataset.PerFrameFunctionalGroupsSequence = Sequence(
        _own(index_to_supine, number) for number in range(len(array))
    )
    describe_pixels(dataset, array[0], 8)
    changes = item(SOPInstanceUID=uid(patient, "us volume", text), InstanceNumber=1)
    Template(dataset).save(path, array, changes)


def _header(
    patient: SimulatedPatient,
    dialect: Dialect,
    sop_class: UID,
    text: str,
    series: int,
    regions: list[Dataset],
) -> FileDataset:
    dataset = base(patient, dialect, "US", sop_class)
    dataset.SeriesInstanceUID = uid(patient, "us series", series)
    dataset.SeriesNumber = series
    dataset.SeriesDescription = dataset.ImageComments = f"{SIMULATED} {text}"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "BREAST", SIMULATED]
    dataset.ImageLaterality = patient.side
    dataset.TransducerType = "LINEAR"
    dataset.ContentTime = dataset.AcquisitionTime = "090100"
    if regions:
        dataset.SequenceOfUltrasoundRegions = Sequence(regions)
    return dataset


def _dimensions(dataset: Dataset, patient: SimulatedPatient) -> None:
    organisation = uid(patient, "us dimensions")
    dataset.DimensionOrganizationSequence = Sequence([item(DimensionOrganizationUID=organisation)])
    pointer = {"DimensionIndexPointer": 0x00209301, "FunctionalGroupPointer": 0x0020930E}
    dataset.DimensionIndexSequence = Sequence([item(DimensionOrganizationUID=organisation, **pointer)])
    dataset.DimensionOrganizationType = "3D"


def _shared(index_to_supine: np.ndarray) -> Dataset:
    slice_mm, row_mm, column_mm = np.linalg.norm(index_to_supine[:3, :3], axis=0)
    along = index_to_supine[:3, :3] / [slice_mm, row_mm, column_mm]
    cosines = decimals([*along[:, 2], *along[:, 1]], 9)
    measures = item(
        PixelSpacing=decimals([row_mm, column_mm]),
        SliceThickness=decimals([slice_mm])[0],
        SpacingBetweenSlices=decimals([slice_mm])[0],
    )
    description = item(
        FrameType=["ORIGINAL", "PRIMARY", "BREAST", SIMULATED],
        VolumetricProperties="VOLUME",
        VolumeBasedCalculationTechnique="NONE",
    )
    return item(
        PixelMeasuresSequence=[measures],
        PlaneOrientationVolumeSequence=[item(ImageOrientationVolume=cosines)],
        PlaneOrientationSequence=[item(ImageOrientationPatient=cosines)],
        USImageDescriptionSequence=[description],
        ImageDataTypeSequence=[item(DataType="TISSUE_INTENSITY", AliasedDataType="NO")],
        FrameVOILUTSequence=[item(WindowCenter=128, WindowWidth=256)],
    )


def _own(index_to_supine: np.ndarray, number: int) -> Dataset:
    position = decimals([*(index_to_supine[:3, 3] + number * index_to_supine[:3, 0])])
    moment = f"{EXAM_DATES['US']:%Y%m%d}090500"
    content = item(
        DimensionIndexValues=[number + 1],
        FrameAcquisitionDateTime=moment,
        FrameReferenceDateTime=moment,
    )
    return item(
        FrameContentSequence=[content],
        PlanePositionVolumeSequence=[item(ImagePositionVolume=position)],
        PlanePositionSequence=[item(ImagePositionPatient=position)],
    )
