"""Tissues, and what they are to a magnet and to a sound beam.

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
    LIGAMENT = 4  # Cooper's ligaments and the fibrous strands between lobules
    MUSCLE = 5
    CYST = 6
    LESION = 7
    LUNG = 8
    BONE = 9  # cortical
    NIPPLE = 10
    MARROW = 11
    CARTILAGE = 12
    BLOOD = 13  # the heart's chambers and great vessels
    VESSEL = 14  # of the breast
    DUCT = 15
    FASCIA = 16
    NODE = 17  # cortex of a lymph node
    FIBROADENOMA = 18  # one that is not the lesion


@dataclass(frozen=True)
class Magnetic:
    """T1, T2 in ms, proton density, ADC in 10⁻³ mm²/s, peak relative enhancement."""

    t1_ms: float
    t2_ms: float
    density: float
    adc: float
    uptake: float


@dataclass(frozen=True)
class Acoustic:
    """Backscatter amplitude, and attenuation in dB/cm/MHz."""

    echo: float
    attenuation: float


MAGNETIC: dict[Tissue, Magnetic] = {
    Tissue.AIR: Magnetic(1000, 50, 0.0, 0.0, 0.0),
    Tissue.SKIN: Magnetic(890, 35, 0.75, 1.2, 0.15),
    Tissue.FAT: Magnetic(296, 53, 1.0, 0.2, 0.02),
    Tissue.GLAND: Magnetic(1266, 58, 0.85, 1.9, 0.20),
    Tissue.LIGAMENT: Magnetic(1000, 40, 0.7, 1.2, 0.05),
    Tissue.MUSCLE: Magnetic(1010, 40, 0.8, 1.5, 0.25),
    Tissue.CYST: Magnetic(2800, 280, 1.0, 2.6, 0.0),
    Tissue.LESION: Magnetic(1100, 70, 0.9, 1.4, 1.0),
    Tissue.LUNG: Magnetic(1000, 40, 0.08, 0.0, 0.1),
    Tissue.BONE: Magnetic(400, 40, 0.10, 0.3, 0.02),
    Tissue.NIPPLE: Magnetic(900, 45, 0.8, 1.3, 0.5),
    Tissue.MARROW: Magnetic(550, 50, 0.8, 0.4, 0.05),
    Tissue.CARTILAGE: Magnetic(1000, 30, 0.6, 1.4, 0.05),
    Tissue.BLOOD: Magnetic(1440, 200, 0.9, 2.0, 1.2),
    Tissue.VESSEL: Magnetic(1440, 200, 0.9, 2.0, 1.3),
    Tissue.DUCT: Magnetic(1800, 120, 0.95, 2.0, 0.05),
    Tissue.FASCIA: Magnetic(1000, 35, 0.6, 1.2, 0.05),
    Tissue.NODE: Magnetic(1050, 75, 0.9, 1.1, 0.9),
    Tissue.FIBROADENOMA: Magnetic(1200, 90, 0.95, 1.7, 0.6),
}

ACOUSTIC: dict[Tissue, Acoustic] = {
    Tissue.AIR: Acoustic(0.0, 0.0),
    Tissue.SKIN: Acoustic(1.9, 0.9),
    Tissue.FAT: Acoustic(0.55, 0.5),
    Tissue.GLAND: Acoustic(1.7, 0.7),
    Tissue.LIGAMENT: Acoustic(2.2, 0.9),
    Tissue.MUSCLE: Acoustic(0.6, 0.9),
    Tissue.CYST: Acoustic(0.02, 0.05),
    Tissue.LESION: Acoustic(0.22, 0.8),
    Tissue.LUNG: Acoustic(0.3, 3.0),
    Tissue.BONE: Acoustic(2.5, 4.0),
    Tissue.NIPPLE: Acoustic(0.8, 1.8),
    Tissue.MARROW: Acoustic(0.4, 6.0),
    Tissue.CARTILAGE: Acoustic(0.4, 1.5),
    Tissue.BLOOD: Acoustic(0.05, 0.2),
    Tissue.VESSEL: Acoustic(0.06, 0.2),
    Tissue.DUCT: Acoustic(0.15, 0.4),
    Tissue.FASCIA: Acoustic(2.4, 0.9),
    Tissue.NODE: Acoustic(0.3, 0.6),
    Tissue.FIBROADENOMA: Acoustic(0.3, 0.6),
}


def magnetic(name: str) -> np.ndarray:
    """One magnetic property of all tissues as float32 (tissues,), indexed by label."""
    return np.array([getattr(MAGNETIC[tissue], name) for tissue in Tissue], np.float32)


def acoustic(name: str) -> np.ndarray:
    """One acoustic property of all tissues as float32 (tissues,), indexed by label."""
    return np.array([getattr(ACOUSTIC[tissue], name) for tissue in Tissue], np.float32)
