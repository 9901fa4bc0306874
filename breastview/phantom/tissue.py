"""Tissues and their properties at 1.5 T and under ultrasound.

T1, T2: Rakow-Penner et al., J Magn Reson Imaging 23:87 (2006) for fat and gland; Bottomley et al., Med Phys
14:1 (1987) for muscle, skin and tumour. ADC: Partridge et al.,
J Magn Reson Imaging 45:337 (2017): malignant ≈ 1.0, benign ≈ 1.5, normal gland ≈ 1.9 (10⁻³ mm²/s).
Attenuation and echogenicity: order of magnitude after Duck, Physical Properties of Tissue (1990);
echogenicity is in units where subcutaneous fat is about a half; fat is the reference of the BI-RADS lexicon.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np


class Tissue(IntEnum):
    """Labels of the anatomy."""

    AIR = 0
    SKIN = 1
    FAT = 2
    GLAND = 3
    LIGAMENT = 4
    MUSCLE = 5
    CYST = 6
    LESION = 7
    LUNG = 8
    BONE = 9
    NIPPLE = 10


@dataclass(frozen=True)
class Properties:
    """One value a tissue: T1, T2 in ms, proton density, ADC in 10⁻³ mm²/s, peak relative enhancement,
    backscatter amplitude, attenuation in dB/cm/MHz."""

    t1_ms: float
    t2_ms: float
    density: float
    adc: float
    uptake: float
    echo: float
    attenuation: float


PROPERTIES: dict[Tissue, Properties] = {
    Tissue.AIR: Properties(1000, 50, 0.0, 0.0, 0.0, 0.0, 0.0),
    Tissue.SKIN: Properties(890, 35, 0.75, 1.2, 0.15, 1.9, 0.9),
    Tissue.FAT: Properties(296, 53, 1.0, 0.2, 0.02, 0.55, 0.5),
    Tissue.GLAND: Properties(1266, 58, 0.85, 1.9, 0.20, 1.7, 0.7),
    Tissue.LIGAMENT: Properties(1000, 40, 0.7, 1.2, 0.05, 2.2, 0.9),
    Tissue.MUSCLE: Properties(1010, 40, 0.8, 1.5, 0.25, 0.6, 0.9),
    Tissue.CYST: Properties(2800, 280, 1.0, 2.6, 0.0, 0.02, 0.05),
    Tissue.LESION: Properties(1100, 70, 0.9, 1.4, 1.0, 0.22, 0.8),
    Tissue.LUNG: Properties(1000, 40, 0.08, 0.0, 0.1, 0.3, 3.0),
    Tissue.BONE: Properties(400, 40, 0.35, 0.3, 0.05, 2.5, 4.0),
    Tissue.NIPPLE: Properties(900, 45, 0.8, 1.3, 0.5, 0.8, 1.8),
}


def table(name: str) -> np.ndarray:
    """One property of all tissues as float32 (tissues,), indexed by label."""
    return np.array([getattr(PROPERTIES[tissue], name) for tissue in Tissue], np.float32)
