"""Names as they were meant: Chinese ones arrive as GB18030, as GBK without a label, or mislabelled."""

from __future__ import annotations

from pydicom.charset import convert_encodings, decode_bytes

_ESCAPE = b"\x1b"
_DELIMITERS = {0x0A, 0x0C, 0x0D, 0x09, 0x3D, 0x5E, 0x5C}
_LATIN = {"", "ISO_IR 6", "ISO_IR 100", "ISO 2022 IR 6", "ISO 2022 IR 100"}


def decode_text(raw: bytes, declared: tuple[str, ...]) -> str:
    """Decode a text value by its declared SpecificCharacterSet, or by its bytes where the label is wrong.

    Never raises: what no reading fits is read as Latin-1.
    """
    raw = raw.rstrip(b"\0 ")
    if raw.isascii() and _ESCAPE not in raw:
        return raw.decode("ascii")
    if _ESCAPE in raw:
        return str(decode_bytes(raw, convert_encodings(list(declared) or ["ISO 2022 IR 6"]), _DELIMITERS))
    label = declared[0] if declared else ""
    if label not in _LATIN:
        try:
            return raw.decode(convert_encodings([label])[0])
        except (UnicodeDecodeError, LookupError):
            pass
    return _guess(raw)


def _guess(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        pass
    if _high_bytes_come_in_pairs(raw):
        try:
            return raw.decode("gb18030")
        except UnicodeDecodeError:
            pass
    return raw.decode("latin-1")


def _high_bytes_come_in_pairs(raw: bytes) -> bool:
    """Whether every byte above 0xA0 stands beside another: GB2312, and hardly ever a European name."""
    run = 0
    for byte in raw + b" ":
        if byte >= 0xA1:
            run += 1
        elif run % 2 or byte >= 0x80:
            return False
        else:
            run = 0
    return True
