"""Names as they were meant: Chinese ones arrive as GB18030, as GBK without a label, or mislabelled."""

from __future__ import annotations

import codecs
import unicodedata

from pydicom.charset import convert_encodings, decode_bytes

from breastview.imaging.quiet import quiet

_ESCAPE = b"\x1b"
_TO_GB2312 = "\x1b$)A"  # pydicom trusts Python to strip it, and Python does not
_DELIMITERS = {0x0A, 0x0C, 0x0D, 0x09, 0x3D, 0x5E, 0x5C}
_LATIN = codecs.lookup("latin-1")  # also what pydicom takes an absent or unknown label for


def decode_text(raw: bytes, declared: tuple[str, ...]) -> str:
    """Decode a text value by its declared SpecificCharacterSet, or by its bytes where the label is wrong.

    Never raises and never loses a value: what no reading fits is read as Latin-1.
    """
    raw = raw.rstrip(b"\0 ")
    if _ESCAPE in raw:
        return _decode_escaped(raw, declared)
    if raw.isascii():
        return raw.decode("ascii")
    unicode = _try(raw, "utf-8")
    if unicode is not None and _has_ideographs(unicode):
        return unicode
    (label,) = _encodings([declared[0].strip() if declared else ""])
    if codecs.lookup(label).name != _LATIN.name:
        labelled = _try(raw, label)
        if labelled is not None:
            return labelled
    chinese = _try(raw, "gb18030")
    if chinese is not None and _reads_as_chinese(chinese):
        return chinese
    return unicode if unicode is not None else raw.decode("latin-1")


def _decode_escaped(raw: bytes, declared: tuple[str, ...]) -> str:
    """Text that switches its code within, ISO 2022; without a label the switches say enough."""
    labels = [name for name in declared if name] or ["ISO 2022 IR 6"]
    for name in ("ISO 2022 IR 58", "ISO 2022 IR 87", "ISO 2022 IR 149"):
        if name not in labels:
            labels.append(name)
    try:
        with quiet():
            text = str(decode_bytes(raw, _encodings(labels), _DELIMITERS))
    except (ValueError, LookupError):  # the label names a codec that is none of text
        return raw.decode("latin-1")
    return text.replace(_TO_GB2312, "")


def _encodings(labels: list[str]) -> list[str]:
    """Python's names of DICOM's character sets; what pydicom does not know is Latin-1."""
    try:
        with quiet():
            return list(convert_encodings(labels))
    except ValueError:  # a NUL in a damaged label
        return ["latin-1"]


def _try(raw: bytes, encoding: str) -> str | None:
    try:
        return raw.decode(encoding)
    except (ValueError, LookupError):
        return None


def _has_ideographs(text: str) -> bool:
    return any(_is_ideograph(letter) for letter in text)


def _is_ideograph(letter: str) -> bool:
    return unicodedata.name(letter, "").startswith("CJK ")


def _reads_as_chinese(text: str) -> bool:
    """Whether every foreign character is an ideograph (or its punctuation) and none touches a Latin letter.

    A European name in Latin-1 has its accents between plain letters: read as GBK, an ideograph swallows one
    and leaves its neighbour.
    """
    foreign = [not letter.isascii() for letter in text]
    if not all(
        _is_ideograph(letter) or letter in "·（）〇　，、。－"
        for letter, odd in zip(text, foreign, strict=True)
        if odd
    ):
        return False
    pairs = zip(text, text[1:], foreign, foreign[1:], strict=False)
    return not any((a.isalpha() and b.isalpha()) and odd_a != odd_b for a, b, odd_a, odd_b in pairs)
