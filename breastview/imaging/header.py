"""DICOM headers, read fast: the wanted values of one file as plain Python values.

`breastview.imaging.walk` reads plain little-endian files; everything else is left to pydicom. Both give the
same values.
"""

from __future__ import annotations

import math
import os
import struct
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import UID

from breastview.imaging.charset import decode_text
from breastview.imaging.quiet import quiet
from breastview.imaging.tags import IMPLICIT_LE, KEYWORDS, PIXEL_DATA, PRIVATE, TEXT_VRS, UNCOMPRESSED_LE, VRS
from breastview.imaging.walk import UNDEFINED, Complicated, TooShort, charsets, value_of, walk, whole_number

FIRST_READ = 16 * 1024
LONGEST_WALK = 64 * 1024 * 1024  # bytes; what has no pixels until here is not plain
_DEFLATED = "1.2.840.10008.1.2.1.99"
_INTEGERS = {"US", "UL", "SS", "SL"}


@lru_cache(maxsize=8192)
def _finite(value: Any) -> tuple[float, ...]:
    parts = value if isinstance(value, tuple) else (value,)
    try:
        numbers = tuple(float(part) for part in parts if isinstance(part, (int, float)))
    except OverflowError:  # an integer of hundreds of digits
        return ()
    return numbers if len(numbers) == len(parts) and all(map(math.isfinite, numbers)) else ()


class NotDicom(Exception):
    """The file is no DICOM file."""


class BrokenHeader(Exception):
    """The file starts as DICOM and cannot be read on."""


@dataclass(frozen=True)
class Header:
    """The wanted values of one frame. `values` maps DICOM keywords to str, int, float or tuples of them.

    `offset` is where the frame's pixels start in the file when they lie there as they are, little endian,
    uncompressed; None when they must be decoded. `truncated` says that the file ends before its pixels do.
    `dataset` is kept where sequences matter (US, enhanced).
    """

    path: Path
    frame: int
    transfer_syntax: str
    file_size: int
    values: dict[str, Any]
    offset: int | None = None
    has_pixels: bool = True
    truncated: bool = False
    dataset: Dataset | None = field(default=None, repr=False)

    def get(self, keyword: str, default: Any = None) -> Any:
        """Return a value, or `default` when it is absent or empty."""
        value = self.values.get(keyword)
        return default if value is None or value == "" or value == () else value

    def text(self, keyword: str) -> str:
        """Return a value as one string without its padding, "" when absent."""
        value = self.get(keyword, "")
        return "\\".join(map(str, value)) if isinstance(value, tuple) else str(value).strip()

    def words(self, keyword: str) -> tuple[str, ...]:
        """Return a value of one or several parts as strings without their padding."""
        value = self.get(keyword, ())
        return tuple(str(part).strip() for part in (value if isinstance(value, tuple) else (value,)))

    def numbers(self, keyword: str) -> tuple[float, ...]:
        """Return a value as finite numbers; () when it is absent or not all of it is finite numbers."""
        value = self.values.get(keyword)
        return () if value is None else _finite(value)

    def number(self, keyword: str, default: float = 0.0) -> float:
        """Return the first number of a value, or `default`."""
        numbers = self.numbers(keyword)
        return numbers[0] if numbers else default

    def count(self, keyword: str, default: int = 0) -> int:
        """Return a whole number of at least 0, or `default`."""
        return max(0, int(self.number(keyword, default)))

    @property
    def frame_count(self) -> int:
        """Frames in the file, at least 1."""
        return max(1, self.count("NumberOfFrames", 1))

    @property
    def frame_bytes(self) -> int:
        """Bytes of one uncompressed frame."""
        samples = self.count("SamplesPerPixel", 1) * max(1, self.count("BitsAllocated", 16) // 8)
        return self.count("Rows") * self.count("Columns") * samples


def read_header(path: Path) -> Header:
    """Read one file's header.

    Raises:
        NotDicom: the file does not look like DICOM.
        BrokenHeader: it does, and cannot be read.
        OSError: it cannot be opened.
    """
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123  half the time of Path.open, and there are many
        size = os.fstat(file.fileno()).st_size
        head = file.read(FIRST_READ)
        if not _looks_like_dicom(head):
            raise NotDicom
        try:
            return _walk_file(path, file, head, size)
        except (Complicated, struct.error, RecursionError):  # the last: sequences nested without end
            return _read_with_pydicom(path, file, size)


def _looks_like_dicom(head: bytes) -> bool:
    """By the preamble, or by a first element that data sets without one start with."""
    if head[128:132] == b"DICM":
        return True
    if len(head) < 8:
        return False
    group, element = struct.unpack_from("<HH", head)
    return (group in (0x0002, 0x0008) and element < 0x0100 and element % 2 == 0) or head[
        :4
    ] == b"\x00\x08\x00\x05"


def _walk_file(path: Path, file: BinaryIO, head: bytes, size: int) -> Header:
    while True:
        try:
            syntax, values, start, length = walk(head)
        except TooShort:
            start = None
            if len(head) >= min(size, LONGEST_WALK):
                raise
        else:
            if start is not None or len(head) >= size:
                break
        more = file.read(8 * len(head))
        if not more:
            raise Complicated
        head += more
    return _header(path, file, syntax, size, values, start, length)


def _header(
    path: Path,
    file: BinaryIO,
    syntax: str,
    size: int,
    values: dict[str, Any],
    start: int | None,
    length: int,
    dataset: Dataset | None = None,
) -> Header:
    """Put a header together; `start` and `length` are those of the value of PixelData."""
    plain = start is not None and syntax in UNCOMPRESSED_LE and length != UNDEFINED
    header = Header(
        path, 0, syntax, size, values, start if plain else None, start is not None, False, dataset
    )
    if start is None:
        cut = syntax != _DEFLATED and "Rows" in values
    elif length == UNDEFINED:
        cut = _fragment_overruns(file, start, size)
    else:
        cut = start + max(length, header.frame_bytes * header.frame_count if plain else 0) > size
    return (
        Header(path, 0, syntax, size, values, header.offset, header.has_pixels, cut, dataset)
        if cut
        else header
    )


def _fragment_overruns(file: BinaryIO, position: int, size: int) -> bool:
    """Whether the offset table or the first fragment of compressed pixels ends outside the file."""
    for _ in range(2):
        if position + 8 > size:
            return True
        head = os.pread(file.fileno(), 8, position) if hasattr(os, "pread") else _read_at(file, position)
        position += 8 + struct.unpack_from("<4xI", head)[0]
    return position > size


def _read_at(file: BinaryIO, position: int) -> bytes:
    file.seek(position)
    return file.read(8)


def _read_with_pydicom(path: Path, file: BinaryIO, size: int) -> Header:
    with quiet():
        dataset = _parsed(file)
        if dataset is None or ("SOPClassUID" not in dataset and "Modality" not in dataset):
            raise BrokenHeader
        values = from_dataset(dataset)
    meta = getattr(dataset, "file_meta", None)
    syntax = str(getattr(meta, "TransferSyntaxUID", "") or IMPLICIT_LE)
    if syntax == _DEFLATED:
        return Header(path, 0, syntax, size, values, None, "Rows" in values, False, dataset)
    little, implicit = dataset.original_encoding[1], dataset.original_encoding[0]
    start, length = _pixel_element(file, bool(little), bool(implicit))
    return _header(path, file, syntax, size, values, start, length, dataset)


def _parsed(file: BinaryIO) -> Dataset | None:
    """The data set up to its pixels, the file left standing there; None when pydicom gives up.

    What pydicom raises may quote values, so it goes no further.
    """
    file.seek(0)
    try:
        return pydicom.dcmread(file, stop_before_pixels=True, force=True)
    except Exception:  # noqa: BLE001
        return None


def _pixel_element(file: BinaryIO, little: bool, implicit: bool) -> tuple[int | None, int]:
    """(start, length) of the value of PixelData, at whose head the file stands; no start without it."""
    order = "<" if little else ">"
    position = file.tell()
    head = file.read(12)
    if len(head) < 12 or struct.unpack_from(f"{order}HH", head) != (PIXEL_DATA >> 16, PIXEL_DATA & 0xFFFF):
        return None, 0
    if implicit:
        return position + 8, struct.unpack_from(f"{order}4xI", head)[0]
    return position + 12, struct.unpack_from(f"{order}8xI", head)[0]


def from_dataset(dataset: Dataset) -> dict[str, Any]:
    """Return the wanted values of a pydicom data set as plain values; one that cannot be read is left out."""
    values: dict[str, Any] = {}
    for tag, keyword in KEYWORDS.items():
        if tag in dataset:
            try:
                values[keyword] = _value(dataset, tag, charsets(values))
            except Exception:  # noqa: BLE001  pydicom raises anything on a damaged value, and quotes it
                values[keyword] = None
    return values


def _value(dataset: Dataset, tag: int, declared: tuple[str, ...]) -> Any:
    raw = dataset.get_item(tag)
    if isinstance(raw, RawDataElement) and _is_foreign_text(tag, raw.value):
        return decode_text(raw.value, declared)
    element = dataset[tag]
    if isinstance(element.value, bytes):
        return value_of(tag, PRIVATE[tag][1].encode() if tag in PRIVATE else VRS[tag].encode(), element.value)
    return _plain(element.VR, element.value)


def _is_foreign_text(tag: int, value: bytes | None) -> bool:
    return VRS[tag] in TEXT_VRS and value is not None and (not value.isascii() or b"\x1b" in value)


def _plain(vr: str, value: Any) -> Any:
    if value is None or value == "":
        return None
    if isinstance(value, (MultiValue, list, tuple)):
        return tuple(_part(vr, part) for part in value)
    return _part(vr, value)


def _part(vr: str, value: Any) -> Any:
    if vr in ("DS", "IS") and value in (None, ""):
        return None
    if vr == "IS":
        return whole_number(str(value))
    if vr in _INTEGERS:
        return int(value)
    return float(value) if vr in ("DS", "FL", "FD") else str(value)


def storage_name(uid: str) -> str:
    """The standard's name of a SOP class."""
    return UID(uid).name
