"""b-values, wherever a vendor keeps them, and the choice among diffusion volumes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from breastview.imaging.case import Role, ScannedVolume
from breastview.imaging.header import Header
from breastview.messages import Message, message

MODEL_MIN_B = 400.0  # s/mm²; below, perfusion and T2 outweigh diffusion
_SEQUENCE_NAME_B = re.compile(r"ep_b(\d+)(?:t|#|$)", re.IGNORECASE)
_GE_OFFSET = 1_000_000_000


def b_value(header: Header) -> tuple[float, Message] | None:
    """The b-value in s/mm² and where it stands, or None when the header has none."""
    standard = header.get("DiffusionBValue")
    if standard is not None:
        return float(standard), message("role.b_standard")
    ge = header.get("GeBValue")
    if ge is not None:
        first = ge[0] if isinstance(ge, tuple) else ge
        if isinstance(first, (int, float)):
            return float(first % _GE_OFFSET), message("role.b_ge")
    siemens = header.get("SiemensBValue")
    if isinstance(siemens, (int, float)):
        return float(siemens), message("role.b_siemens")
    philips = header.get("PhilipsBValue")
    if isinstance(philips, (int, float)):
        return float(philips), message("role.b_philips")
    named = _SEQUENCE_NAME_B.search(str(header.get("SequenceName", "")))
    return (float(named[1]), message("role.b_sequence_name")) if named else None


def highest_b(volumes: Iterable[ScannedVolume]) -> ScannedVolume | None:
    """The diffusion volume with the highest b-value of at least `MODEL_MIN_B`, or None."""
    known = [v for v in volumes if v.role.role is Role.DWI and (v.role.b_value or 0) >= MODEL_MIN_B]
    return max(known, key=lambda v: v.role.b_value or 0, default=None)
