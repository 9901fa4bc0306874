"""The dialects that scanners speak in their headers, and which one a simulated patient was filed in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)


class Vendor(StrEnum):
    """Whose habits a header follows, as that vendor writes its name."""

    GE = "GE MEDICAL SYSTEMS"
    SIEMENS = "SIEMENS"
    PHILIPS = "Philips Medical Systems"


UTF8, CHINESE, LATIN = "ISO_IR 192", "GB18030", "ISO_IR 100"
CHARACTER_SETS = (UTF8, CHINESE, LATIN)
SYNTAXES = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    JPEG2000Lossless,
    RLELossless,
)
_SPOKEN = (  # (vendor, enhanced), by the remainder of the seed
    (Vendor.SIEMENS, True),
    (Vendor.SIEMENS, False),
    (Vendor.PHILIPS, True),
    (Vendor.GE, False),
    (Vendor.PHILIPS, False),
)
_UNTIMED = 0.25  # share of patients whose times an archive has blanked
_STREAM = 1226


@dataclass(frozen=True)
class Dialect:
    """How a patient's images are written down.

    `enhanced` MRI is multi-frame. Where it is not `timed`, acquisition times are blank and Siemens' private
    tags are gone, as in exports that were de-identified.
    """

    vendor: Vendor
    enhanced: bool = False
    timed: bool = True
    character_set: str = UTF8
    syntax: UID = ExplicitVRLittleEndian

    @property
    def name(self) -> str:
        """A short name for tables."""
        return f"{self.vendor.name.lower()} {'enhanced' if self.enhanced else 'classic'}"

    @property
    def manufacturer(self) -> str:
        """The vendor's name first, where readers look for it, and what it really is behind."""
        return f"{self.vendor} dialect, SIMULATED"


def dialect_of(seed: int) -> Dialect:
    """The dialect of a patient; five patients with seeds in a row speak five."""
    rng = np.random.default_rng([seed, _STREAM])
    vendor, enhanced = _SPOKEN[seed % len(_SPOKEN)]
    return Dialect(
        vendor,
        enhanced,
        timed=bool(rng.random() >= _UNTIMED),
        character_set=CHARACTER_SETS[rng.integers(len(CHARACTER_SETS))],
        syntax=SYNTAXES[rng.integers(len(SYNTAXES))],
    )
