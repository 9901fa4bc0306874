"""What a lesion is made of for the magnet: by its family and by how malignant it looks in MRI, nothing else.

Relaxation: T2 of malignant lesions 83 ± 15 ms, of benign ones 95 ± 27 ms (Liu et al., J Int Med Res 46:1928,
2018); T1 of cancers longer than of benign lesions (Meng et al., Cancer Imaging 20:88, 2020). Curves are named
by what the signal does after its early peak (Kuhl et al., Radiology 211:101, 1999).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from breastview.phantom import mri
from breastview.phantom.lesion import Lesion
from breastview.phantom.tissue import Tissue

RISE_S = {"persistent": 180.0, "plateau": 35.0, "wash-out": 25.0}
WASH_OUT_FALL = 0.18  # of the early peak's signal, lost by the last phase
EARLY, LATE = 0.91, 0.85  # shares of rise and of wash-out that the early peak and the last phase have reached
ADC_SPREAD = 0.08
COARSE = 0.4  # factor on coordinates: the same texture, its grains two and a half times as large

Matter = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Inside:
    """Points inside a lesion: depth under its outline in mm, unit noise with small and with large grains."""

    lesion: Lesion
    depth: np.ndarray
    fine: np.ndarray
    coarse: np.ndarray
    tissues: mri.Substance

    @property
    def look(self) -> float:
        """How malignant the lesion looks in MRI, 0…1."""
        return self.lesion.look_mri

    def of(self, tissue: Tissue) -> mri.Substance:
        """A tissue's properties at all points."""
        return self.tissues.at(np.full(len(self.depth), tissue))


def lesion_matter(lesion: Lesion, points: np.ndarray, tissues: mri.Substance) -> Matter:
    """Properties by name, (n,) each, of the lesion's points (n, 3) in LPS mm."""
    depth = np.clip(-lesion.level(points, "mri"), 0, None)
    fine, coarse = lesion.texture.at(points), lesion.texture.at(points * np.float32(COARSE))
    made = _FAMILIES[lesion.family](Inside(lesion, depth, fine, coarse, tissues))
    made.setdefault("adc", lesion.adc * (1 + ADC_SPREAD * coarse))
    made["rise_s"] = np.full(len(points), RISE_S[lesion.curve], np.float32)
    made["kept"] = _kept(lesion.curve, made["peak_mmol"], tissues)
    return made


def _kept(curve: str, peak_mmol: np.ndarray, tissues: mri.Substance) -> np.ndarray:
    """Share of the medium that stays, so that a wash-out loses `WASH_OUT_FALL` of its early signal."""
    if curve != "wash-out":
        return np.ones_like(peak_mmol)
    piece = tissues.at(np.full(len(peak_mmol), Tissue.LESION))
    gain = mri.spoiled(piece, peak_mmol) / mri.spoiled(piece, np.zeros_like(peak_mmol)) - 1
    late = ((1 - WASH_OUT_FALL) * (1 + EARLY * gain) - 1) / np.maximum(gain, 1e-3)
    return np.clip(1 - (1 - late) / LATE, 0.05, 1.0)


def _peak(look: float) -> float:
    """Concentration of a solid lesion in mmol/l; at 1.5 T, about 60 to 170 % of signal."""
    return 0.14 + 0.36 * look


def _solid(at: Inside) -> Matter:
    return {
        "t1_ms": 1130.0 + 100.0 * at.look + 30.0 * at.coarse,
        "t2_ms": np.maximum(112.0 - 34.0 * at.look + (3.0 + 6.0 * at.look) * at.coarse, 45.0),
        "density": np.full_like(at.depth, 0.9),
        "fat": np.zeros_like(at.depth),
    }


def _mass(at: Inside) -> Matter:
    """Homogeneous with dark septa at a low look, patchy and then rim-enhancing at a high one."""
    core = smooth(at.depth / at.lesion.radius_mm, 0.15, 0.65)
    patchy = np.clip(1 + 0.5 * at.look * at.coarse, 0.25, 1.8)
    septa = 1 - 0.6 * (1 - at.look) * np.exp(-((at.coarse / 0.12) ** 2))
    rim = 1 - 0.8 * smooth(np.asarray(at.look), 0.45, 1.0) * core
    return _solid(at) | {"peak_mmol": _peak(at.look) * patchy * septa * rim}


def _cystic(at: Inside) -> Matter:
    """Fluid behind a rim that grows thicker, more irregular and brighter with the look."""
    wall_mm = (0.5 + 0.3 * at.look * at.lesion.radius_mm) * np.clip(1 + 0.5 * at.look * at.coarse, 0.3, 2)
    fluid = smooth(at.depth - wall_mm, -0.6, 0.6)
    solid = _solid(at)
    return {
        "t1_ms": _mix(fluid, 2700.0 - 1200.0 * at.look, solid["t1_ms"]),
        "t2_ms": _mix(fluid, 260.0 - 90.0 * at.look, solid["t2_ms"]),
        "density": _mix(fluid, 1.0, solid["density"]),
        "fat": solid["fat"],
        "peak_mmol": (1 - fluid) * _peak(at.look) * smooth(np.asarray(at.look), -0.1, 0.7),
    }


def _non_mass(at: Inside) -> Matter:
    """Clumps in glandular tissue, faint and few at a low look."""
    clump = smooth(at.coarse, 0.5 - 0.5 * at.look, 1.1 - 0.5 * at.look)
    solid, gland = _solid(at), at.of(Tissue.GLAND)
    return {
        "t1_ms": _mix(clump, solid["t1_ms"], gland.t1_ms),
        "t2_ms": _mix(clump, solid["t2_ms"], gland.t2_ms),
        "density": gland.density,
        "fat": gland.fat,
        "peak_mmol": gland.peak_mmol + clump * (0.05 + 0.4 * at.look),
        "adc": _mix(clump, at.lesion.adc, (at.lesion.adc + gland.adc) / 2),
    }


def _fatty(at: Inside) -> Matter:
    """Fat behind a rim of solid tissue that grows thicker with the look."""
    share = (0.12 + 0.5 * at.look) * np.clip(1 + 0.4 * at.look * at.coarse, 0.4, 2)
    core = smooth(at.depth - at.lesion.radius_mm * share, -0.6, 0.6)
    fat = at.of(Tissue.FAT)
    mixed = {name: _mix(core, getattr(fat, name), value) for name, value in _solid(at).items()}
    return mixed | {"peak_mmol": (1 - core) * _peak(at.look), "adc": _mix(core, fat.adc, at.lesion.adc)}


_FAMILIES = {"mass": _mass, "cystic": _cystic, "non-mass": _non_mass, "fatty": _fatty}


def smooth(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """Smooth step from 0 at `low` to 1 at `high`."""
    share = np.clip((value - low) / (high - low), 0, 1)
    return share * share * (3 - 2 * share)


def _mix(share: np.ndarray, one: np.ndarray | float, other: np.ndarray | float) -> np.ndarray:
    return share * one + (1 - share) * other
