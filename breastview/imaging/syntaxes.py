"""Which codings of pixels can be decoded here."""

from __future__ import annotations

from functools import lru_cache

from pydicom.pixels import get_decoder
from pydicom.uid import UID

_NATIVE = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"}


@lru_cache(maxsize=64)
def can_decode(syntax: str) -> bool:
    """Whether pixels of a transfer syntax can be decoded on this machine."""
    if syntax in _NATIVE:
        return True
    try:
        return get_decoder(UID(syntax)).is_available
    except NotImplementedError:
        return False


@lru_cache(maxsize=64)
def name(syntax: str) -> str:
    """The standard's name of a transfer syntax."""
    return UID(syntax).name
