"""DICOM headers, read fast.

`read_headers` gives the wanted values of one file as plain Python values, one `Header` a frame. A lean walker
reads plain little-endian files without sequences that matter; everything else is left to pydicom, and both
give the same values.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pydicom
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import UID

from breastview.imaging.charset import decode_text
from breastview.imaging.quiet import quiet

FIRST_READ = 16 * 1024

WANTED = [
    "SpecificCharacterSet",
    "ImageType",
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyDate",
    "SeriesDate",
    "AcquisitionDate",
    "ContentDate",
    "AcquisitionTime",
    "ContentTime",
    "SeriesTime",
    "Modality",
    "Manufacturer",
    "StudyDescription",
    "SeriesDescription",
    "ManufacturerModelName",
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "BodyPartExamined",
    "ScanningSequence",
    "SequenceVariant",
    "ScanOptions",
    "MRAcquisitionType",
    "SequenceName",
    "SliceThickness",
    "RepetitionTime",
    "EchoTime",
    "InversionTime",
    "EchoNumbers",
    "SpacingBetweenSlices",
    "ProtocolName",
    "ContrastBolusAgent",
    "TriggerTime",
    "FlipAngle",
    "PatientPosition",
    "DiffusionBValue",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SeriesNumber",
    "AcquisitionNumber",
    "InstanceNumber",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "FrameOfReferenceUID",
    "Laterality",
    "ImageLaterality",
    "TemporalPositionIdentifier",
    "NumberOfTemporalPositions",
    "ImageComments",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "PixelSpacing",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "WindowCenter",
    "WindowWidth",
    "RescaleIntercept",
    "RescaleSlope",
    "FrameTime",
    "BurnedInAnnotation",
]
PRIVATE = {0x00431039: "GeBValue", 0x0019100C: "SiemensBValue", 0x20011003: "PhilipsBValue"}
_PRIVATE_VR = {0x00431039: "IS", 0x0019100C: "IS", 0x20011003: "FL"}
_KEYWORDS = {int(Tag(word)): word for word in WANTED} | PRIVATE
_VRS = {int(Tag(word)): dictionary_VR(word) for word in WANTED} | _PRIVATE_VR
_SEQUENCES_THAT_MATTER = {0x00186011, 0x52009229, 0x52009230}  # US regions, functional groups
_PIXEL_DATA = 0x7FE00010
_LONG_VRS = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
_NUMBERS = {"US": "H", "UL": "I", "SS": "h", "SL": "i", "FL": "f", "FD": "d"}
_TEXTS_BY_CHARSET = {"PN", "LO", "SH", "LT", "ST", "UT", "UC"}
_UNCOMPRESSED_LE = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1"}
_WALKED = (
    _UNCOMPRESSED_LE
    | {f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 57, 70, 80, 81, 90, 91, 201, 202, 203)}
    | {"1.2.840.10008.1.2.5"}
)


class NotDicom(Exception):
    """The file is no DICOM file."""


class BrokenHeader(Exception):
    """The file starts as DICOM and cannot be read on."""


@dataclass(frozen=True)
class Header:
    """The wanted values of one frame. `values` maps DICOM keywords to str, int, float or tuples of them.

    `offset` is where the frame's pixels start in the file when they lie there as they are, little endian,
    uncompressed; None when they must be decoded. `dataset` is kept where sequences matter (US, enhanced).
    """

    path: Path
    frame: int
    transfer_syntax: str
    file_size: int
    values: dict[str, Any]
    offset: int | None = None
    has_pixels: bool = True
    dataset: Dataset | None = field(default=None, repr=False)

    def get(self, keyword: str, default: Any = None) -> Any:
        """Return a value, or `default` when it is absent or empty."""
        value = self.values.get(keyword)
        return default if value is None or value == "" or value == () else value

    @property
    def frame_bytes(self) -> int:
        """Bytes of one uncompressed frame."""
        return (
            int(self.get("Rows", 0))
            * int(self.get("Columns", 0))
            * int(self.get("SamplesPerPixel", 1))
            * (int(self.get("BitsAllocated", 16)) // 8)
        )


class _Complicated(Exception):
    """The walker leaves this file to pydicom."""


class _TooShort(_Complicated):
    """The bytes read so far end inside the header."""


def read_header(path: Path) -> Header:
    """Read one file's header.

    Raises:
        NotDicom: the file does not look like DICOM.
        BrokenHeader: it does, and cannot be read.
        OSError: it cannot be opened.
    """
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(FIRST_READ)
        if not _looks_like_dicom(head):
            raise NotDicom
        try:
            return _walk_growing(path, file, head, size)
        except (_Complicated, struct.error, ValueError, IndexError):
            return _read_with_pydicom(path, size)


def _looks_like_dicom(head: bytes) -> bool:
    if head[128:132] == b"DICM":
        return True
    if len(head) < 8:
        return False
    group, element = struct.unpack_from("<HH", head)
    return (group in (0x0002, 0x0008) and element < 0x0100 and element % 2 == 0) or head[:4] == b"\x00\x08\x00\x05"


def _walk_growing(path: Path, file: io.FileIO, head: bytes, size: int) -> Header:
    while True:
        try:
            return _walk(path, head, size)
        except _TooShort:
            more = file.read(8 * len(head))
            if not more:
                raise
            head += more


def _walk(path: Path, data: bytes, size: int) -> Header:
    if data[128:132] != b"DICM":
        raise _Complicated
    syntax, start = _read_meta(data)
    if syntax not in _WALKED:
        raise _Complicated
    values: dict[str, Any] = {}
    raw: dict[int, tuple[str, bytes]] = {}
    offset = None
    has_pixels = False
    implicit = syntax == "1.2.840.10008.1.2"
    for tag, vr, position, length in _elements(data, start, implicit):
        if tag == _PIXEL_DATA:
            has_pixels = True
            offset = position if syntax in _UNCOMPRESSED_LE and length != 0xFFFFFFFF else None
            break
        if tag in _SEQUENCES_THAT_MATTER:
            raise _Complicated
        if tag in _KEYWORDS:
            if position + length > len(data):
                raise _TooShort
            raw[tag] = (_VRS[tag] if vr in ("UN", "") else vr, data[position : position + length])
    for tag, (vr, value) in raw.items():
        values[_KEYWORDS[tag]] = _plain(vr, value)
    if not has_pixels and size > len(data):
        raise _TooShort
    return Header(path, 0, syntax, size, values, offset, has_pixels)


def _read_meta(data: bytes) -> tuple[str, int]:
    """Return the transfer syntax and where the data set starts."""
    position, syntax = 132, ""
    unpack = struct.unpack_from
    while data[position : position + 2] == b"\x02\x00":
        element, vr, length = unpack("<2xH2sH", data, position)
        position += 8
        if vr in _LONG_VRS:
            (length,) = unpack("<I", data, position)
            position += 4
        if element == 0x0010:
            syntax = data[position : position + length].rstrip(b"\0 ").decode("ascii")
        position += length
    return syntax, position


def _elements(data: bytes, position: int, implicit: bool) -> Iterator[tuple[int, str, int, int]]:
    """Yield (tag, VR, value position, length) of the top level, in order; sequences are stepped over."""
    unpack_head = struct.Struct("<HH2sH").unpack_from
    unpack_implicit = struct.Struct("<HHI").unpack_from
    unpack_length = struct.Struct("<I").unpack_from
    end = len(data)
    while position + 12 <= end:
        if implicit:
            group, element, length = unpack_implicit(data, position)
            vr = b""
            position += 8
        else:
            group, element, vr, length = unpack_head(data, position)
            position += 8
            if vr in _LONG_VRS:
                (length,) = unpack_length(data, position)
                position += 4
        tag = group << 16 | element
        if length == 0xFFFFFFFF and tag != _PIXEL_DATA:
            yield tag, "SQ", position, 0
            position = _end_of_sequence(data, position, implicit)
            continue
        yield tag, vr.decode("latin-1"), position, length
        position += length


def _end_of_sequence(data: bytes, position: int, implicit: bool) -> int:
    """Step over a sequence of undefined length; returns the position behind its delimiter."""
    while position + 8 <= len(data):
        group, element, length = struct.unpack_from("<HHI", data, position)
        position += 8
        if (group, element) == (0xFFFE, 0xE0DD):
            return position
        if (group, element) != (0xFFFE, 0xE000):
            raise _Complicated
        if length == 0xFFFFFFFF:
            position = _end_of_item(data, position, implicit)
        else:
            position += length
    raise _TooShort


def _end_of_item(data: bytes, position: int, implicit: bool) -> int:
    for tag, _vr, start, _length in _elements(data, position, implicit):
        if tag == 0xFFFEE00D:
            return start
    raise _TooShort


def _plain(vr: str, value: bytes) -> Any:
    """Turn a raw value into what `_from_pydicom` gives for the same element."""
    if vr in _NUMBERS:
        code = _NUMBERS[vr]
        numbers = struct.unpack(f"<{len(value) // struct.calcsize(code)}{code}", value)
        return numbers[0] if len(numbers) == 1 else numbers
    if vr in _TEXTS_BY_CHARSET and not value.isascii():
        raise _Complicated
    if b"\x1b" in value:
        raise _Complicated
    text = value.decode("latin-1")
    if vr in ("LT", "ST", "UT"):
        return text.rstrip("\0 ")
    if vr == "UI":
        text = text.rstrip("\0 ")
    parts = [_one(vr, part) for part in text.split("\\")] if text else []
    return (parts[0] if len(parts) == 1 else tuple(parts)) if parts else None


def _one(vr: str, text: str) -> Any:
    text = text.rstrip("\0 ") if vr not in ("DS", "IS", "CS") else text.strip("\0 ")
    if vr == "DS":
        return float(text) if text else None
    if vr == "IS":
        return int(text) if text else None
    return text.strip() if vr in ("CS", "AS", "DA", "TM") else text


def _read_with_pydicom(path: Path, size: int) -> Header:
    try:
        with quiet():
            dataset = pydicom.dcmread(path, stop_before_pixels=True, force=True)
            if "SOPClassUID" not in dataset and "Modality" not in dataset:
                raise BrokenHeader
            values = from_dataset(dataset)
    except BrokenHeader:
        raise
    except Exception as error:
        raise BrokenHeader from type(error)()
    meta = getattr(dataset, "file_meta", None)
    syntax = str(getattr(meta, "TransferSyntaxUID", "1.2.840.10008.1.2"))
    return Header(path, 0, syntax, size, values, None, "Rows" in values, dataset)


def from_dataset(dataset: Dataset) -> dict[str, Any]:
    """Return the wanted values of a pydicom data set as plain values."""
    values: dict[str, Any] = {}
    declared = _charsets(dataset)
    for tag, keyword in _KEYWORDS.items():
        if tag not in dataset:
            continue
        raw = dataset.get_item(tag)
        if isinstance(raw, RawDataElement) and _is_foreign_text(tag, raw.value):
            values[keyword] = decode_text(raw.value, declared)
        else:
            element = dataset[tag]
            values[keyword] = _from_pydicom(element.VR, element.value, _PRIVATE_VR.get(tag))
    return values


def _charsets(dataset: Dataset) -> tuple[str, ...]:
    declared = dataset.get("SpecificCharacterSet") or ()
    return (declared,) if isinstance(declared, str) else tuple(str(name) for name in declared)


def _is_foreign_text(tag: int, value: bytes | None) -> bool:
    return _VRS[tag] in _TEXTS_BY_CHARSET and value is not None and (not value.isascii() or b"\x1b" in value)


def _from_pydicom(vr: str, value: Any, private_vr: str | None) -> Any:
    if value is None or value == "":
        return None
    if isinstance(value, bytes):
        return _plain(private_vr, value) if private_vr else value
    if isinstance(value, (pydicom.multival.MultiValue, list, tuple)):
        return tuple(_from_pydicom(vr, part, private_vr) for part in value)
    if vr == "IS":
        return int(value)
    if vr in ("DS", "FL", "FD"):
        return float(value)
    if vr in _NUMBERS:
        return int(value)
    return str(value)


def pixel_offset(path: Path) -> int | None:
    """Where uncompressed pixels start in a file, found without reading them; None when they are not plain."""
    with quiet(), path.open("rb") as file:
        dataset = pydicom.dcmread(file, defer_size=1024)
        raw = dataset.get_item("PixelData")
    return getattr(raw, "value_tell", None)


def is_uncompressed_little_endian(syntax: str) -> bool:
    """Whether pixels of this transfer syntax lie in the file as they are."""
    return syntax in _UNCOMPRESSED_LE


def storage_name(uid: str) -> str:
    """The standard's name of a SOP class."""
    return UID(uid).name
