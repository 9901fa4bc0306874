"""Makes the small DICOM files that the tests run on. Pixels are simulated, people are invented."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gdcm
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import (
    UID,
    EnhancedMRImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
)

ROOT = "1.2.826.0.1.3680043.8.498"
AXIAL = [1, 0, 0, 0, 1, 0]
SAGITTAL = [0, 1, 0, 0, 0, -1]
ROWS, COLUMNS = 40, 48  # the least that JPEG 2000 with its five levels takes


def dataset(sop_class: str, uid: str, **values: Any) -> FileDataset:
    """A data set with its file meta; a value of None leaves the element out."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = UID(uid)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset("", Dataset(), file_meta=meta, preamble=b"\0" * 128)
    everywhere = {
        "SOPClassUID": sop_class,
        "SOPInstanceUID": uid,
        "StudyInstanceUID": f"{ROOT}.1",
        "PatientName": "SIMULATED^ONE",
        "PatientID": "SIM-1",
        "PatientBirthDate": "19740102",
        "PatientSex": "F",
        "StudyDate": "20260305",
        "Manufacturer": "SIMULATED",
    }
    for keyword, value in {**everywhere, **values}.items():
        if value is not None:
            setattr(made, keyword, value)
    return made


def put_pixels(
    made: Dataset, pixels: np.ndarray, photometric: str = "MONOCHROME2", frames: bool = False
) -> None:
    """Set PixelData and what describes it; colour is (…, row, column, 3)."""
    colour = photometric not in ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR")
    made.SamplesPerPixel = 3 if colour else 1
    made.PhotometricInterpretation = photometric
    if colour:
        made.PlanarConfiguration = 0
    plane = pixels.shape[1:] if frames else pixels.shape
    made.Rows, made.Columns = plane[0], plane[1]
    if frames:
        made.NumberOfFrames = len(pixels)
    bits = pixels.dtype.itemsize * 8
    made.BitsAllocated, made.BitsStored, made.HighBit = bits, bits, bits - 1
    made.PixelRepresentation = int(pixels.dtype.kind == "i")
    raw = pixels.tobytes()
    made.PixelData = raw + b"\0" * (len(raw) % 2)
    made["PixelData"].VR = "OW" if bits == 16 else "OB"


def mr_pixels(number: int, dtype: str = "uint16") -> np.ndarray:
    """One simulated slice whose mean tells its number."""
    ramp = np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS)
    return (ramp + 100 * number).astype(dtype)


def mr_slice(number: int = 0, series: int = 1, spacing_mm: float = 3.0, **values: Any) -> FileDataset:
    """One axial slice of series `series`, `number` × `spacing_mm` above the first."""
    uid = values.pop("SOPInstanceUID", f"{ROOT}.2.{series}.{values.get('AcquisitionNumber', 1)}.{number + 1}")
    pixels = values.pop("pixels", mr_pixels(number))
    made = dataset(
        MRImageStorage,
        uid,
        **{
            "Modality": "MR",
            "ImageType": ["ORIGINAL", "PRIMARY", "M"],
            "SeriesInstanceUID": f"{ROOT}.3.{series}",
            "FrameOfReferenceUID": f"{ROOT}.4",
            "SeriesNumber": series,
            "InstanceNumber": number + 1,
            "SeriesDescription": "t1_tse_tra",
            "ScanningSequence": "SE",
            "RepetitionTime": 600,
            "EchoTime": 10,
            "SliceThickness": 3,
            "ImagePositionPatient": [-8.0, -6.0, number * spacing_mm],
            "ImageOrientationPatient": AXIAL,
            "PixelSpacing": [1.5, 1.0],
            **values,
        },
    )
    put_pixels(made, pixels)
    return made


def mr_series(count: int = 5, **values: Any) -> Iterator[FileDataset]:
    """The slices of one series."""
    return (mr_slice(number, **values) for number in range(count))


def dce_series(phases: int = 3, count: int = 4, **values: Any) -> Iterator[FileDataset]:
    """One gradient echo series a phase; the later ones are brighter."""
    for phase in range(phases):
        for number in range(count):
            yield mr_slice(
                number,
                **{
                    "series": 20 + phase,
                    "SeriesDescription": "t1_fl3d_dyn",
                    "ScanningSequence": "GR",
                    "RepetitionTime": 4.5,
                    "EchoTime": 1.7,
                    "AcquisitionNumber": 1,
                    "pixels": mr_pixels(number) + 50 * phase,
                    **values,
                },
            )


def two_breasts(count: int = 10) -> Iterator[FileDataset]:
    """Two phases of a sagittal slab a breast, acquired by turns: the right one over x −90…−54 mm takes up 50,
    the left one over 30…66 mm 80."""
    for turn, (x_mm, uptake) in enumerate(((-90.0, 0), (30.0, 0), (-90.0, 50), (30.0, 80))):
        for number in range(count):
            yield mr_slice(
                number,
                series=40 + turn,
                SeriesDescription="t1_fl3d_sag_dyn",
                ScanningSequence="GR",
                RepetitionTime=4.5,
                EchoTime=1.7,
                ImageOrientationPatient=SAGITTAL,
                ImagePositionPatient=[x_mm + 4.0 * number, -60.0, 60.0],
                AcquisitionTime=f"10{turn:02d}00",
                pixels=mr_pixels(number) + uptake,
            )


def enhanced_mr(count: int = 4, b_values: Sequence[float] = (0.0, 800.0), **values: Any) -> FileDataset:
    """One enhanced multi-frame file: `count` slices for each b-value, interleaved by slice."""
    order = [(number, b) for number in range(count) for b in b_values]
    made = dataset(
        EnhancedMRImageStorage,
        f"{ROOT}.5.1",
        **{
            "Modality": "MR",
            "SeriesInstanceUID": f"{ROOT}.3.50",
            "SeriesNumber": 50,
            "SeriesDescription": "DWI",
            "ImageType": ["ORIGINAL", "PRIMARY", "DIFFUSION", "NONE"],
            "EchoPulseSequence": "SPIN",
            "EchoPlanarPulseSequence": "YES",
            **values,
        },
    )
    shared = Dataset()
    shared.PlaneOrientationSequence = [_item(ImageOrientationPatient=AXIAL)]
    shared.PixelMeasuresSequence = [_item(PixelSpacing=[1.5, 1.0], SliceThickness=4)]
    shared.MRTimingAndRelatedParametersSequence = [_item(RepetitionTime=5000)]
    made.SharedFunctionalGroupsSequence = [shared]
    made.PerFrameFunctionalGroupsSequence = DicomSequence(_frame_groups(number, b) for number, b in order)
    pixels = np.stack([mr_pixels(number) + int(b) for number, b in order])
    put_pixels(made, pixels, frames=True)
    return made


def _frame_groups(number: int, b_value: float) -> Dataset:
    groups = Dataset()
    groups.PlanePositionSequence = [_item(ImagePositionPatient=[-8.0, -6.0, 4.0 * number])]
    groups.MRDiffusionSequence = [_item(DiffusionBValue=b_value)]
    groups.MREchoSequence = [_item(EffectiveEchoTime=80.0)]
    groups.PixelValueTransformationSequence = [_item(RescaleSlope=1, RescaleIntercept=0)]
    return groups


def _item(**values: Any) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def us_pixels(rows: int = 120, columns: int = 160) -> np.ndarray:
    """A grey picture with a black border: the image lies in rows 10…109, columns 20…139."""
    picture = np.zeros((rows, columns), np.uint8)
    speckle = np.random.default_rng(3).integers(60, 200, (100, 120))
    picture[10:110, 20:140] = speckle
    return picture


def region(left: int, top: int, right: int, bottom: int, delta_cm: float = 0.01, units: int = 3) -> Dataset:
    """One item of SequenceOfUltrasoundRegions; the corners are inclusive."""
    return _item(
        RegionSpatialFormat=1,
        RegionDataType=1,
        RegionFlags=0,
        RegionLocationMinX0=left,
        RegionLocationMinY0=top,
        RegionLocationMaxX1=right,
        RegionLocationMaxY1=bottom,
        PhysicalUnitsXDirection=units,
        PhysicalUnitsYDirection=units,
        PhysicalDeltaX=delta_cm,
        PhysicalDeltaY=delta_cm,
    )


def us_still(number: int = 1, pixels: np.ndarray | None = None, **values: Any) -> FileDataset:
    """One US still with one region around its image."""
    photometric = values.pop("photometric", "MONOCHROME2")
    frames = values.pop("frames", False)
    regions = values.pop("regions", [region(20, 10, 139, 109)])
    made = dataset(
        UltrasoundMultiFrameImageStorage if frames else UltrasoundImageStorage,
        f"{ROOT}.6.{number}",
        **{
            "Modality": "US",
            "SeriesInstanceUID": f"{ROOT}.3.60",
            "SeriesDescription": "Breast",
            "ImageType": ["ORIGINAL", "PRIMARY"],
            **values,
        },
    )
    if regions:
        made.SequenceOfUltrasoundRegions = regions
    put_pixels(made, us_pixels() if pixels is None else pixels, photometric, frames)
    return made


def coded(made: FileDataset, syntax: str) -> FileDataset:
    """The same data set in another transfer syntax that pydicom can write or encode."""
    syntax = UID(syntax)
    if syntax.is_compressed and not syntax.is_deflated:
        made.compress(syntax, generate_instance_uid=False)
        return made
    made.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian and made.BitsAllocated == 16:
        made.PixelData = np.frombuffer(made.PixelData, "<u2").astype(">u2").tobytes()
    return made


def with_fragments(
    made: FileDataset, syntax: str, streams: Sequence[bytes], photometric: str = ""
) -> FileDataset:
    """The same data set with pixels that were encoded elsewhere, one stream a frame."""
    made.file_meta.TransferSyntaxUID = UID(syntax)
    made.PixelData = encapsulate(list(streams))
    made["PixelData"].VR = "OB"
    made["PixelData"].is_undefined_length = True
    if photometric:
        made.PhotometricInterpretation = photometric
    return made


def recode_with_gdcm(path: Path, syntax: int) -> None:
    """Rewrite a file in one of GDCM's transfer syntaxes (JPEG lossless, extended)."""
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()


def save(made: FileDataset, path: Path) -> Path:
    """Write one file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    syntax = made.file_meta.TransferSyntaxUID
    pydicom.dcmwrite(
        path,
        made,
        implicit_vr=syntax == ImplicitVRLittleEndian,
        little_endian=syntax != ExplicitVRBigEndian,
        enforce_file_format=True,
    )
    return path


def save_all(folder: Path, *many: Any) -> list[Path]:
    """Write data sets, or iterables of them, as IM0000 … without suffix."""
    flat = [one for item in many for one in ([item] if isinstance(item, Dataset) else item)]
    start = len(list(folder.glob("IM*"))) if folder.exists() else 0
    return [save(made, folder / f"IM{start + place:04d}") for place, made in enumerate(flat)]


def raw_element(path: Path, keyword: str, raw: bytes) -> None:
    """Put bytes that pydicom would not write into an element of a written file, explicit little endian."""
    made = pydicom.dcmread(path)
    setattr(made, keyword, None)
    made.save_as(path)
    tag = pydicom.tag.Tag(keyword)
    head = struct.pack("<HH2s", tag.group, tag.element, pydicom.datadict.dictionary_VR(tag).encode())
    before, _, after = path.read_bytes().partition(head + b"\0\0")
    raw += b" " * (len(raw) % 2)
    path.write_bytes(before + head + struct.pack("<H", len(raw)) + raw + after)
