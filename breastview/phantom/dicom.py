"""A simulated patient as an ordinary DICOM folder, labelled SIMULATED in every place a label can stand."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage, UltrasoundImageStorage, generate_uid

from breastview.imaging.scan import scan_folder
from breastview.phantom import mri
from breastview.phantom.anatomy import body_tissue
from breastview.phantom.crops import FINE_STEP_MM, acquire_all
from breastview.phantom.evidence import bayes_auc
from breastview.phantom.patient import VIEWS, SimulatedPatient, simulate
from breastview.phantom.ultrasound import SimulatedFrame
from breastview.records.store import write
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

MANUFACTURER = "BreastView SIMULATED"
US_DATE, MRI_DATE = datetime.date(2026, 3, 2), datetime.date(2026, 3, 5)
_GRADIENT, _SPIN, _PLANAR = "GR", "SE", "EP"


@dataclass(frozen=True)
class Series:
    """How one series is described in its header."""

    number: int
    text: str
    sequence: str
    repetition_ms: float
    echo_ms: float
    b_value: int | None = None
    delay_s: float | None = None
    thickness_mm: float = 4.0


SERIES = {
    "t1wi": Series(2, "SIMULATED T1 SE axial", _SPIN, 450.0, 10.0),
    "t2wi": Series(3, "SIMULATED T2 SE FS axial", _SPIN, 4000.0, 85.0),
    "dwi_b0": Series(4, "SIMULATED DWI axial", _PLANAR, 6000.0, 70.0, b_value=0),
    "dwi_b800": Series(4, "SIMULATED DWI axial", _PLANAR, 6000.0, 70.0, b_value=800),
    **{
        f"dce_{n}": Series(5, "SIMULATED DCE axial", _GRADIENT, 5.0, 2.0, delay_s=delay, thickness_mm=2.0)
        for n, delay in enumerate(mri.PHASE_DELAYS_S, 1)
    },
}


@dataclass(frozen=True)
class Size:
    """The fine grid that a whole patient is simulated on: steps and extent in mm (x, y, z)."""

    step_mm: tuple[float, float, float]
    extent_mm: tuple[float, float, float]


FULL = Size(FINE_STEP_MM, (340.0, 230.0, 150.0))
SMALL = Size((2.6, 2.6, 2.0), (330.0, 200.0, 130.0))


def write_patient(
    folder: Path, seed: int, record_file: Path | None = None, size: Size = FULL
) -> ReviewRecord:
    """Write a simulated patient's DICOM into `folder`, and its review record beside it.

    The record holds the truth: marks, side, registration of both US frames and pathology. It is written to
    `record_file`, by default `<folder>.review.json` next to the folder.
    """
    patient = simulate(seed)
    folder.mkdir(parents=True, exist_ok=True)
    frames = {view: patient.frame(view) for view in VIEWS}
    for number, (view, frame) in enumerate(frames.items(), 1):
        _write_us(folder, patient, frame, view, number)
    series = acquire_all(whole_maps(patient, size), patient.stream("mri"), phases=len(mri.PHASE_DELAYS_S))
    for name, (array, matrix) in series.items():
        _write_mri(folder, patient, name, array, matrix)
    record = truth(folder, patient, frames)
    write(record_file or folder.with_name(folder.name + ".review.json"), record)
    return record


def whole_maps(patient: SimulatedPatient, size: Size) -> mri.TissueMaps:
    """Both breasts and the trunk behind them on one grid."""
    shape = tuple(int(extent / step) for extent, step in zip(size.extent_mm, size.step_mm, strict=True))
    corner = (-size.extent_mm[0] / 2, -50.0, -size.extent_mm[2] / 2)
    grid = mri.Grid(corner, size.step_mm, (shape[2], shape[1], shape[0]))
    labels = body_tissue(grid.points(), (patient.breast, patient.other_breast()))
    return mri.tissue_maps(grid, labels, patient.lesion, patient.bpe)


def truth(folder: Path, patient: SimulatedPatient, frames: Mapping[str, SimulatedFrame]) -> ReviewRecord:
    """The review record that a reader who knew everything would leave."""
    case = scan_folder(folder)
    scanned = {frame.description: frame for frame in case.frames}
    dce = next(v for v in case.volumes if v.role.phase == 2)
    lesion, registrations = None, []
    x, y, z = patient.lesion.centre_mm
    for view, simulated in frames.items():
        found = scanned[_us_text(view)]
        registrations.append(FrameRegistration(found.key, 0, simulated.registration))
        if lesion is None:
            mark = UsMark(found.key, 0, *simulated.lesion_box_px)
            clock, distance = clock_place(patient)
            lesion = Lesion(
                "L1",
                side=Side(patient.side),
                clock_h=clock,
                nipple_distance_mm=distance,
                depth_mm=_depth(simulated),
                us=mark,
                mri=MriMark(dce.key, (float(x), float(y), float(z)), patient.lesion.extent_mm),
                pathology=Pathology.MALIGNANT if patient.evidence.malignant else Pathology.BENIGN,
            )
    assert lesion is not None
    evidence = {"evidence_us": f"{patient.evidence.us:.4f}", "evidence_mri": f"{patient.evidence.mri:.4f}"}
    best = {f"bayes_auc_{name}": f"{value:.4f}" for name, value in bayes_auc().items()}
    deformation = {f"deformation_mm_{view}": f"{frame.deformation_mm:.2f}" for view, frame in frames.items()}
    blank = new_record(case)
    return ReviewRecord(
        blank.case,
        lesions=(lesion,),
        registrations=tuple(registrations),
        simulated=True,
        extra={"seed": str(patient.seed), "density": patient.density, **evidence, **best, **deformation},
    )


def clock_place(patient: SimulatedPatient) -> tuple[float, float]:
    """Clock face in hours, seen facing the patient, to the half hour, and distance from the nipple in mm."""
    away = patient.lesion.centre_mm - patient.breast.nipple_mm
    hours = np.rad2deg(np.arctan2(away[0], away[2])) / 30.0 % 12
    rounded = round(hours * 2) / 2
    return float(rounded + 12 if rounded < 1 else rounded), float(round(np.hypot(away[0], away[2])))


def _depth(frame: SimulatedFrame) -> float:
    plane = UsPlane(frame.sector.face_middle_px, frame.spacing_mm)
    left, top, right, bottom = frame.lesion_box_px
    return float(round(plane.px_to_mm(np.array([(left + right) / 2, (top + bottom) / 2]))[1]))


def _us_text(view: str) -> str:
    return f"SIMULATED breast {view}"


def _uid(patient: SimulatedPatient, *parts: object) -> UID:
    return generate_uid(entropy_srcs=["breastview simulated", str(patient.seed), *map(str, parts)])


def _base(patient: SimulatedPatient, modality: str, date: datetime.date) -> FileDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationVersionName = "BREASTVIEW"
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = f"SIMULATED^{patient.seed:04d}=模拟患者"
    dataset.PatientID = f"SIM-{patient.seed:04d}"
    age = 35 + patient.seed % 40
    dataset.PatientBirthDate = f"{US_DATE.year - age}0101"
    dataset.PatientSex = "F"
    dataset.PatientAge = f"{age:03d}Y"
    dataset.PatientComments = "SIMULATED PATIENT"
    dataset.StudyInstanceUID = _uid(patient, modality, "study")
    dataset.StudyID = "SIMULATED"
    dataset.StudyDescription = "SIMULATED breast"
    dataset.AccessionNumber = ""
    dataset.ReferringPhysicianName = ""
    dataset.Modality = modality
    dataset.Manufacturer = MANUFACTURER
    dataset.ManufacturerModelName = "SIMULATED"
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = dataset.AcquisitionDate = f"{date:%Y%m%d}"
    dataset.StudyTime = "090000"
    dataset.ImageComments = "SIMULATED"
    dataset.BodyPartExamined = "BREAST"
    dataset.BurnedInAnnotation = "NO"
    return dataset


def _write_us(folder: Path, patient: SimulatedPatient, frame: SimulatedFrame, view: str, number: int) -> None:
    dataset = _base(patient, "US", US_DATE)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = UltrasoundImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = _uid(patient, "us", view)
    dataset.SeriesInstanceUID = _uid(patient, "us series")
    dataset.SeriesNumber, dataset.InstanceNumber = 1, number
    dataset.SeriesDescription = _us_text(view)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "BREAST", "SIMULATED"]
    dataset.ContentTime = dataset.AcquisitionTime = f"0901{number:02d}"
    dataset.ImageLaterality = patient.side
    dataset.TransducerType = "LINEAR"
    dataset.BurnedInAnnotation = "YES"
    sector, (row_mm, column_mm) = frame.sector, frame.spacing_mm
    region = Dataset()
    region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 2
    region.RegionLocationMinX0, region.RegionLocationMinY0 = sector.left, sector.top
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = sector.right - 1, sector.bottom - 1
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX, region.PhysicalDeltaY = column_mm / 10, row_mm / 10
    dataset.SequenceOfUltrasoundRegions = Sequence([region])
    _put_pixels(dataset, _labelled(frame.grey), 8)
    dataset.save_as(folder / f"US{number:04d}", enforce_file_format=True)


def _labelled(grey: np.ndarray) -> np.ndarray:
    """Write SIMULATED into the picture's black border."""
    image = Image.fromarray(grey.copy())
    ImageDraw.Draw(image).text((44, 10), "SIMULATED", fill=210)
    return np.asarray(image)


def _write_mri(
    folder: Path, patient: SimulatedPatient, name: str, array: np.ndarray, matrix: np.ndarray
) -> None:
    series = SERIES[name]
    phase = int(name.split("_")[1]) if name.startswith("dce") else 0
    base = _base(patient, "MR", MRI_DATE)
    base.SOPClassUID = base.file_meta.MediaStorageSOPClassUID = MRImageStorage
    base.SeriesInstanceUID = _uid(patient, "mri", series.number)
    base.FrameOfReferenceUID = _uid(patient, "mri frame")
    base.PositionReferenceIndicator = ""
    base.SeriesNumber, base.AcquisitionNumber = series.number, max(phase, 1)
    base.SeriesDescription = series.text
    base.PatientPosition = "HFP"
    base.ImageType = ["ORIGINAL", "PRIMARY", "M", "SIMULATED"]
    base.ScanningSequence, base.SequenceVariant, base.ScanOptions = series.sequence, "NONE", ""
    base.MRAcquisitionType = "3D" if series.sequence == _GRADIENT else "2D"
    base.RepetitionTime, base.EchoTime, base.EchoTrainLength = series.repetition_ms, series.echo_ms, 1
    base.FlipAngle = 12 if series.sequence == _GRADIENT else 90
    base.MagneticFieldStrength = 1.5
    if series.sequence == _GRADIENT:
        base.ContrastBolusAgent = "SIMULATED gadolinium" if phase > 1 else ""
    if series.b_value is not None:
        base.DiffusionBValue = float(series.b_value)
        base.add_new(0x00430010, "LO", "GEMS_PARM_01")
        base.add_new(0x00431039, "IS", [series.b_value, 8, 0, 0])
    second = int(series.delay_s or 0)
    base.AcquisitionTime = base.ContentTime = f"10{20 + second // 60:02d}{second % 60:02d}"
    step = np.linalg.norm(matrix[:3, :3], axis=0)
    base.SliceThickness, base.SpacingBetweenSlices = series.thickness_mm, round(float(step[0]), 4)
    base.PixelSpacing = [round(float(step[1]), 6), round(float(step[2]), 6)]
    base.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    for number, image in enumerate(array, 1):
        place = matrix[:3, 3] + matrix[:3, 0] * (number - 1)
        base.ImagePositionPatient = [round(float(v), 4) for v in place]
        base.SliceLocation = round(float(place[2]), 4)
        base.InstanceNumber = number + (max(phase, 1) - 1) * len(array)
        base.SOPInstanceUID = base.file_meta.MediaStorageSOPInstanceUID = _uid(patient, name, number)
        _put_pixels(base, image, 16)
        base.save_as(folder / f"{name.upper()}_{number:04d}", enforce_file_format=True)


def _put_pixels(dataset: Dataset, image: np.ndarray, bits: int) -> None:
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = image.shape
    dataset.BitsAllocated, dataset.BitsStored = bits, min(bits, 12) if bits == 16 else bits
    dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, 0
    dataset.PixelData = np.ascontiguousarray(image).tobytes()
    dataset["PixelData"].VR = "OW" if bits == 16 else "OB"
