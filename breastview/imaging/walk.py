"""A lean walk over the elements of a plain little-endian DICOM file, straight over its bytes.

It gives exactly the values that `breastview.imaging.header.from_dataset` draws from pydicom, several times
faster, and raises `Complicated` for whatever is not plain: then pydicom reads the file.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Any

from breastview.imaging.charset import decode_text
from breastview.imaging.tags import (
    ENCAPSULATED,
    IMPLICIT_LE,
    KEYWORDS,
    PIXEL_DATA,
    RLE,
    SEQUENCES_THAT_MATTER,
    TEXT_VRS,
    UNCOMPRESSED_LE,
    VRS,
)

UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_LONG_VRS = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)
_NUMBERS = {"US": "H", "UL": "I", "SS": "h", "SL": "i", "FL": "f", "FD": "d"}
_TEXTS = frozenset({"CS", "DA", "TM", "DT", "AS", "UI", "LO", "SH", "PN", "AE"})
_PLAIN_TEXTS = frozenset({"LT", "ST", "UT"})
_PADDING = "\0 "
_explicit = struct.Struct("<HH2sH").unpack_from
_implicit = struct.Struct("<HHI").unpack_from
_length = struct.Struct("<I").unpack_from


class Complicated(Exception):
    """The walk leaves this file to pydicom."""


class TooShort(Complicated):
    """The bytes given end inside the header."""


class ForeignText(Complicated):
    """Text beyond ASCII, whose reading depends on the declared character set."""


def charsets(values: dict[str, Any]) -> tuple[str, ...]:
    """The declared character sets among the values of a header."""
    declared = values.get("SpecificCharacterSet") or ()
    return (declared,) if isinstance(declared, str) else declared


def read_meta(data: bytes) -> tuple[str, int]:
    """Return the transfer syntax and where the data set starts; raises `Complicated` without a preamble."""
    if data[128:132] != b"DICM":
        raise Complicated
    position, syntax = 132, ""
    while data[position : position + 2] == b"\x02\x00":
        _, element, vr, length = _explicit(data, position)
        position += 8
        if vr in _LONG_VRS:
            (length,) = _length(data, position)
            position += 4
        if element == 0x0010:
            syntax = data[position : position + length].rstrip(b"\0 ").decode("latin-1")
        position += length
    return syntax, position


def walk(data: bytes) -> tuple[str, dict[str, Any], int | None, int]:  # noqa: C901, PLR0912  calls would double it
    """Walk the start of a file.

    Returns the transfer syntax, the wanted values by keyword, and where the value of PixelData starts with
    its length; a start of None says that `data` was walked to its end and holds no pixels.

    Raises:
        TooShort: give more bytes; with the whole file given, it is truncated or damaged.
        Complicated: leave the file to pydicom.
    """
    syntax, position = read_meta(data)
    if syntax not in UNCOMPRESSED_LE and syntax != RLE and not syntax.startswith(ENCAPSULATED):
        raise Complicated
    implicit = syntax == IMPLICIT_LE
    values: dict[str, Any] = {}
    end = len(data)
    while position + 8 <= end:
        if implicit:
            group, element, length = _implicit(data, position)
            vr = b""
            position += 8
        else:
            group, element, vr, length = _explicit(data, position)
            position += 8
            if vr in _LONG_VRS:
                if position + 4 > end:
                    raise TooShort
                (length,) = _length(data, position)
                position += 4
        tag = group << 16 | element
        if tag == PIXEL_DATA:
            return syntax, values, position, length
        if tag in SEQUENCES_THAT_MATTER:
            raise Complicated
        if length == UNDEFINED:
            position = _end_of_sequence(data, position, implicit or vr == b"UN")
            continue
        keyword = KEYWORDS.get(tag)
        if keyword is not None:
            if position + length > end:
                raise TooShort
            raw = data[position : position + length]
            try:
                values[keyword] = value_of(tag, vr, raw)
            except ForeignText:
                values[keyword] = decode_text(raw, charsets(values))
        position += length
    if position != end:
        raise TooShort
    return syntax, values, None, 0


def _end_of_sequence(data: bytes, position: int, implicit: bool) -> int:
    """Step over a sequence of undefined length; returns the position behind its delimiter."""
    while position + 8 <= len(data):
        group, element, length = _implicit(data, position)
        tag = group << 16 | element
        position += 8
        if tag == _SEQUENCE_END:
            return position
        if tag != _ITEM:
            raise Complicated
        position = _end_of_item(data, position, implicit) if length == UNDEFINED else position + length
    raise TooShort


def _end_of_item(data: bytes, position: int, implicit: bool) -> int:
    while position + 8 <= len(data):
        group, element, length = _implicit(data, position)
        if (group << 16 | element) == _ITEM_END:
            return position + 8
        vr = b""
        if not implicit:
            _, _, vr, length = _explicit(data, position)
        position += 8
        if vr in _LONG_VRS:
            if position + 4 > len(data):
                break
            (length,) = _length(data, position)
            position += 4
        position = (
            _end_of_sequence(data, position, implicit or vr == b"UN")
            if length == UNDEFINED
            else position + length
        )
    raise TooShort


@lru_cache(maxsize=4096)
def value_of(tag: int, vr: bytes, raw: bytes) -> Any:
    """Turn an element's bytes into a plain value: str, int, float, a tuple of them, or None when empty.

    Slices of one volume repeat most of their values, so they are remembered.
    """
    name = VRS[tag] if vr in (b"", b"UN") else vr.decode("latin-1")
    if name in _NUMBERS:
        return _numbers(_NUMBERS[name], raw)
    if name in TEXT_VRS and (not raw.isascii() or b"\x1b" in raw):
        raise ForeignText
    text = raw.decode("latin-1")
    if name in ("DS", "IS"):
        return _decimals(name, text.rstrip(_PADDING))
    if name in _PLAIN_TEXTS:
        return text.rstrip(_PADDING) or None
    if name not in _TEXTS:
        raise Complicated
    if name in TEXT_VRS and name != "PN":
        return _single([part.rstrip(_PADDING) for part in text.split("\\")])
    return _single(text.rstrip(_PADDING).split("\\"))


def _numbers(code: str, raw: bytes) -> Any:
    size = struct.calcsize(code)
    if not raw:
        return None
    if len(raw) % size:
        raise Complicated
    return _single(list(struct.unpack(f"<{len(raw) // size}{code}", raw)))


def _decimals(vr: str, text: str) -> Any:
    """None for what is no number: pydicom raises there."""
    read = float if vr == "DS" else whole_number
    try:
        return _single([read(part) if part else None for part in text.split("\\")])
    except ValueError:
        return None


def whole_number(text: str) -> int:
    """Read an integer string; some scanners write "8.0". Raises ValueError."""
    try:
        return int(text)
    except ValueError:
        if float(text).is_integer():
            return int(float(text))
        raise


def _single(parts: list[Any]) -> Any:
    if len(parts) > 1:
        return tuple(parts)
    return None if parts[0] == "" else parts[0]
