"""Tissues, and what they are to a magnet and to a sound beam.

T1 and T2 at 1.5 and 3 T: gland and the T1 of fat Rakow-Penner et al., J Magn Reson Imaging 23:87 (2006); T2
of fat as a train of echoes sees it Edden et al., J Magn Reson Imaging 32:982 (2010); muscle, cartilage, blood
Stanisz et al., Magn Reson Med 54:507 (2005); marrow and the T2 of muscle at 3 T de Bazelaire et al.,
Radiology 230:652 (2004); skin, nodes and solid lesions after Bottomley et al., Med Phys 11:425 (1984) and
14:1 (1987), with the T1 of 3 T a fifth longer, as de Bazelaire found on average; myocardium and its uptake
against blood Sharma et al., J Magn Reson Imaging 23:323 (2006). Fluids and fibrous tissues are estimates.
ADC: malignant 1.06, benign 1.57 (b 0 and 800, Gupta et al., 2016), fibroadenoma 1.94, normal tissue 1.81
(b 0 and 600, Parsian et al., Radiology 265:696, 2012).
Attenuation: breast fat 0.73 ± 0.23 dB/cm/MHz in vivo at 7 MHz (Nasief et al., PMC4618705, 2015), gland and
cyst after a numerical phantom (PMC5087608, table I), skin, muscle across its fibres and blood after a table
in Diagnostics 13:855 (2023), bone within the range of Sensors 23:5942 (2023), whose table A2 also gives the
impedance of skin, fat, muscle and bone. The rest lies between those. Echogenicity is relative, set by eye
against fat, the reference of the BI-RADS lexicon.
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
    ORGAN = 19  # myocardium, liver


@dataclass(frozen=True)
class Magnetic:
    """T1 and T2 in ms at 1.5 T and at 3 T, proton density, ADC in 10⁻³ mm²/s, uptake of contrast medium.

    Uptake: concentration reached in mmol/l, time constant of its rise, share that is kept when it washes out.
    `fat` is the share of the signal that is fat's, `flow` the share of a spin echo that is lost to flow.
    """

    t1_ms: float
    t2_ms: float
    t1_3t_ms: float
    t2_3t_ms: float
    density: float
    adc: float
    peak_mmol: float = 0.0
    rise_s: float = 120.0
    kept: float = 1.0
    fat: float = 0.0
    flow: float = 0.0


@dataclass(frozen=True)
class Acoustic:
    """Backscatter amplitude, attenuation in dB/cm/MHz, and impedance in MRayl."""

    echo: float
    attenuation: float
    impedance: float


MAGNETIC: dict[Tissue, Magnetic] = {
    Tissue.AIR: Magnetic(1000, 50, 1000, 50, 0.0, 0.0),
    Tissue.SKIN: Magnetic(890, 35, 1070, 33, 0.75, 1.2, peak_mmol=0.14),
    Tissue.FAT: Magnetic(296, 154, 367, 154, 1.0, 0.2, fat=1.0),
    Tissue.GLAND: Magnetic(1266, 58, 1445, 54, 0.85, 1.9, peak_mmol=0.07, rise_s=160),
    Tissue.LIGAMENT: Magnetic(1000, 40, 1200, 38, 0.7, 1.2, peak_mmol=0.02),
    Tissue.MUSCLE: Magnetic(1008, 35, 1412, 29, 0.8, 1.5, peak_mmol=0.07, rise_s=60),
    Tissue.CYST: Magnetic(2800, 280, 3000, 260, 1.0, 2.6),
    Tissue.LESION: Magnetic(1180, 85, 1420, 80, 0.9, 1.4, peak_mmol=0.3),
    Tissue.LUNG: Magnetic(1000, 40, 1200, 38, 0.08, 0.8, peak_mmol=0.15, rise_s=10, kept=0.6),
    Tissue.BONE: Magnetic(250, 4, 306, 3, 0.10, 0.3),
    Tissue.NIPPLE: Magnetic(900, 45, 1080, 42, 0.8, 1.3, peak_mmol=0.25, rise_s=90),
    Tissue.MARROW: Magnetic(490, 50, 586, 49, 0.85, 0.5, peak_mmol=0.03, rise_s=60, fat=0.75),
    Tissue.CARTILAGE: Magnetic(1024, 30, 1168, 27, 0.7, 1.4, peak_mmol=0.01),
    Tissue.BLOOD: Magnetic(1441, 290, 1932, 275, 0.9, 2.4, peak_mmol=1.0, rise_s=8, kept=0.55, flow=0.75),
    Tissue.VESSEL: Magnetic(1441, 290, 1932, 275, 0.9, 2.4, peak_mmol=0.8, rise_s=14, kept=0.6, flow=0.55),
    Tissue.DUCT: Magnetic(1800, 120, 2100, 110, 0.95, 2.0),
    Tissue.FASCIA: Magnetic(1000, 35, 1200, 33, 0.6, 1.2, peak_mmol=0.03),
    Tissue.NODE: Magnetic(1050, 75, 1260, 70, 0.9, 1.1, peak_mmol=0.35, rise_s=30, kept=0.75),
    Tissue.FIBROADENOMA: Magnetic(1200, 95, 1440, 90, 0.95, 1.9, peak_mmol=0.25, rise_s=140),
    Tissue.ORGAN: Magnetic(1070, 50, 1220, 45, 0.85, 1.4, peak_mmol=0.46, rise_s=15, kept=0.6, flow=0.2),
}

ACOUSTIC: dict[Tissue, Acoustic] = {
    Tissue.AIR: Acoustic(0.0, 7.5, 0.9),
    Tissue.SKIN: Acoustic(0.95, 0.35, 1.99),
    Tissue.FAT: Acoustic(0.42, 0.73, 1.39),
    Tissue.GLAND: Acoustic(1.25, 0.75, 1.54),
    Tissue.LIGAMENT: Acoustic(0.5, 1.2, 1.58),
    Tissue.MUSCLE: Acoustic(0.45, 0.96, 1.68),
    Tissue.CYST: Acoustic(0.006, 0.02, 1.5),
    Tissue.LESION: Acoustic(0.22, 0.8, 1.55),
    Tissue.LUNG: Acoustic(0.2, 8.0, 0.9),
    Tissue.BONE: Acoustic(0.8, 6.9, 4.0),
    Tissue.NIPPLE: Acoustic(0.7, 1.8, 1.7),
    Tissue.MARROW: Acoustic(0.2, 3.0, 1.45),
    Tissue.CARTILAGE: Acoustic(0.2, 1.6, 1.8),
    Tissue.BLOOD: Acoustic(0.03, 0.15, 1.62),
    Tissue.VESSEL: Acoustic(0.1, 0.15, 1.6),
    Tissue.DUCT: Acoustic(0.28, 0.4, 1.53),
    Tissue.FASCIA: Acoustic(0.6, 1.2, 1.75),
    Tissue.NODE: Acoustic(0.25, 0.6, 1.58),
    Tissue.FIBROADENOMA: Acoustic(0.24, 0.65, 1.57),
    Tissue.ORGAN: Acoustic(0.45, 0.8, 1.65),
}


def magnetic(name: str) -> np.ndarray:
    """One magnetic property of all tissues as float32 (tissues,), indexed by label."""
    return np.array([getattr(MAGNETIC[tissue], name) for tissue in Tissue], np.float32)


def acoustic(name: str) -> np.ndarray:
    """One acoustic property of all tissues as float32 (tissues,), indexed by label."""
    return np.array([getattr(ACOUSTIC[tissue], name) for tissue in Tissue], np.float32)
