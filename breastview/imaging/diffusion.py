"""b-values, wherever a vendor keeps them, and the choice among diffusion volumes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from breastview.imaging.case import Role, ScannedVolume
from breastview.imaging.header import Header
from breastview.messages import Message, message

MODEL_MIN_B = 400.0  # s/mm²; below, perfusion and T2 outweigh diffusion
_SEQUENCE_NAME_B = re.compile(r"_b(\d+)(?:t|#|_|$)", re.IGNORECASE)
_NAMED_B = re.compile(r"(?<![a-z0-9])b[ =_-]?(\d{1,4})(?!\d)", re.IGNORECASE)
_GE_OFFSET = 1_000_000_000
_TAGS = (  # where the b-value stands, and whose private tag means something else at that place
    ("DiffusionBValue", (), message("role.b_standard")),
    ("GeBValue", ("SIEMENS", "PHILIPS"), message("role.b_ge")),
    ("SiemensBValue", ("GE ", "PHILIPS"), message("role.b_siemens")),
    ("PhilipsBValue", ("GE ", "SIEMENS"), message("role.b_philips")),
)


def b_value(header: Header) -> tuple[float, Message] | None:
    """The b-value in s/mm² and where it stands, or None when the header has none."""
    for keyword, other_makers, where in _TAGS:
        value = header.number(keyword, -1.0)
        if value >= 0 and not (other_makers and header.text("Manufacturer").upper().startswith(other_makers)):
            return value % _GE_OFFSET, where
    named = _SEQUENCE_NAME_B.search(header.text("SequenceName"))
    return (float(named[1]), message("role.b_sequence_name")) if named else None


def named_b_value(text: str) -> float | None:
    """The b-value that a description names, as in "DWI b800"."""
    named = _NAMED_B.search(text)
    return float(named[1]) if named else None


def highest_b(volumes: Iterable[ScannedVolume]) -> ScannedVolume | None:
    """The diffusion volume with the highest b-value of at least `MODEL_MIN_B`, or None."""
    known = [v for v in volumes if v.role.role is Role.DWI and (v.role.b_value or 0) >= MODEL_MIN_B]
    return max(known, key=lambda v: v.role.b_value or 0, default=None)
