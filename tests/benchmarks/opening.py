"""Opening: scan and load of one 800-slice dynamic series beside reading and keeping the same files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk  # noqa: N813
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from breastview.imaging.load import load_volume
from breastview.imaging.scan import scan_folder
from tests.benchmarks.row import Row, best_s

PHASES, SLICES, SIDE_PX = 5, 160, 448
SERIES = "1.2.826.0.1.3680043.8.498.1"
FIRST_PAINTED = "until the first slices can be painted"


def rows() -> Iterator[Row]:
    """Measure with a warm file cache; the reference is one `read` of every file, kept in memory."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_series(folder)
        read_s = best_s(lambda: read_and_keep(folder))
        yield _against(
            read_s, "scan + load, 800 files, 310 MiB", best_s(lambda: scan_and_load(folder)), "ratio ≤ 2"
        )
        yield _against(read_s, "scan alone, 800 files", best_s(lambda: scan_folder(folder)), "ratio ≤ 2")
        yield _against(
            read_s, "pydicom, headers and pixels", best_s(lambda: with_pydicom(folder), 1), "for comparison"
        )
        yield _against(
            read_s, "SimpleITK, five series readers", best_s(lambda: with_sitk(folder), 1), "for comparison"
        )


def _against(read_s: float, name: str, value_s: float, goal: str) -> Row:
    return Row(name, value_s, "s", "files read and kept", read_s, goal)


def read_and_keep(folder: Path) -> list[bytes]:
    """The floor: the files' bytes."""
    return [path.read_bytes() for path in sorted(folder.iterdir())]


def scan_and_load(folder: Path) -> list[np.ndarray]:
    """Our way: every phase as one array."""
    case = scan_folder(folder)
    arrays = [load_volume(volume).array for volume in case.volumes]
    assert [array.shape for array in arrays] == [(SLICES, SIDE_PX, SIDE_PX)] * PHASES
    return arrays


def with_pydicom(folder: Path) -> list[np.ndarray]:
    """Every file by pydicom: all header values and the pixels."""
    arrays = []
    for path in sorted(folder.iterdir()):
        dataset = pydicom.dcmread(path)
        assert all(element.value is not None for element in dataset)
        arrays.append(dataset.pixel_array)
    return arrays


def with_sitk(folder: Path) -> list[sitk.Image]:
    """One SimpleITK series reader a phase, its files already sorted for it."""
    paths = [str(path) for path in sorted(folder.iterdir())]
    return [sitk.ReadImage(paths[at : at + SLICES]) for at in range(0, len(paths), SLICES)]


def write_series(folder: Path, phases: int = PHASES) -> None:
    """Write `phases` × SLICES plain files with the header that a scanner writes, about 100 elements."""
    noise = np.random.default_rng(5).integers(0, 900, (SIDE_PX, SIDE_PX), np.int16)
    for phase in range(phases):
        for number in range(SLICES):
            dataset = header(phase, number)
            dataset.PixelData = (noise + np.int16(number + phase)).tobytes()
            dataset.save_as(folder / f"IM{phase:02d}{number:04d}", enforce_file_format=True)


def header(phase: int, number: int) -> FileDataset:
    """One slice's header."""
    uid = f"{SERIES}.{phase + 1}.{number + 1}"
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", Dataset(), file_meta=meta, preamble=b"\0" * 128)
    for keyword, value in {
        **_SAME_EVERYWHERE,
        "SOPInstanceUID": uid,
        "AcquisitionNumber": phase + 1,
        "AcquisitionTime": f"1010{phase:02d}.000000",
        "InstanceNumber": phase * SLICES + number + 1,
        "ImagePositionPatient": [-180.0, -170.0, -80.0 + 1.1 * number],
        "SliceLocation": -80.0 + 1.1 * number,
    }.items():
        setattr(dataset, keyword, value)
    private = dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    for element in range(0x08, 0x20):
        private.add_new(element, "LO", f"private value {element}")
    return dataset


_SAME_EVERYWHERE = {
    "SpecificCharacterSet": "ISO_IR 100",
    "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND", "NORM"],
    "SOPClassUID": MRImageStorage,
    "StudyDate": "20260305",
    "SeriesDate": "20260305",
    "AcquisitionDate": "20260305",
    "ContentDate": "20260305",
    "StudyTime": "100000",
    "SeriesTime": "101000",
    "ContentTime": "101000",
    "AccessionNumber": "SIM",
    "Modality": "MR",
    "Manufacturer": "SIMULATED",
    "InstitutionName": "Simulated hospital",
    "StudyDescription": "Breast",
    "SeriesDescription": "t1_fl3d_tra_dyna_1+4",
    "ManufacturerModelName": "Simulated",
    "PatientName": "SIMULATED^BENCH",
    "PatientID": "SIM-BENCH",
    "PatientBirthDate": "19740101",
    "PatientSex": "F",
    "PatientAge": "052Y",
    "BodyPartExamined": "BREAST",
    "ScanningSequence": "GR",
    "SequenceVariant": ["SP", "OSP"],
    "ScanOptions": "FS",
    "MRAcquisitionType": "3D",
    "SequenceName": "*fl3d1",
    "SliceThickness": "1.1",
    "RepetitionTime": "4.6",
    "EchoTime": "1.7",
    "NumberOfAverages": "1",
    "ImagingFrequency": "123.2",
    "ImagedNucleus": "1H",
    "EchoNumbers": "1",
    "MagneticFieldStrength": "3",
    "EchoTrainLength": "1",
    "PercentSampling": "100",
    "PixelBandwidth": "400",
    "SoftwareVersions": "simulated",
    "ProtocolName": "t1_fl3d_tra_dyna_1+4",
    "ContrastBolusAgent": "simulated",
    "FlipAngle": "10",
    "PatientPosition": "FFP",
    "StudyInstanceUID": f"{SERIES}.9",
    "SeriesInstanceUID": SERIES,
    "StudyID": "1",
    "SeriesNumber": "8",
    "ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"],
    "FrameOfReferenceUID": f"{SERIES}.8",
    "PositionReferenceIndicator": "",
    "SamplesPerPixel": 1,
    "PhotometricInterpretation": "MONOCHROME2",
    "Rows": SIDE_PX,
    "Columns": SIDE_PX,
    "PixelSpacing": ["0.8", "0.8"],
    "BitsAllocated": 16,
    "BitsStored": 16,
    "HighBit": 15,
    "PixelRepresentation": 1,
    "SmallestImagePixelValue": 0,
    "LargestImagePixelValue": 1000,
    "WindowCenter": "450",
    "WindowWidth": "900",
}
