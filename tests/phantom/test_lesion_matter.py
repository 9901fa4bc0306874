"""What a lesion is made of in MRI: by family and MRI look alone."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from breastview.phantom import mri
from breastview.phantom.evidence import Evidence
from breastview.phantom.lesion import FAMILIES, Lesion, make_lesion
from breastview.phantom.lesion_matter import lesion_matter
from breastview.phantom.scanner import PHASE_DELAYS_S
from breastview.phantom.tissue import Tissue

LOOKS = np.linspace(0.02, 0.98, 25)
CURVES = ("persistent", "plateau", "wash-out")
GROWN = make_lesion(
    np.random.default_rng(4), Evidence(False, 0.0, -2.0, 20.0), np.zeros(3), np.array([0.0, -50.0, 0.0])
)


def lesion(family: str, look: float, curve: str = "plateau") -> Lesion:
    return replace(GROWN, family=family, look_mri=look, curve=curve, radius_mm=10.0, axes=np.ones(3), adc=1.2)


def probes(reach: float = 0.8) -> np.ndarray:
    """Points within a share of the radius."""
    q = np.random.default_rng(0).uniform(-10, 10, (6000, 3)).astype(np.float32)
    return q[np.linalg.norm(q, axis=1) < 10 * reach]


def substance(of: Lesion, points: np.ndarray) -> mri.Substance:
    pieces = mri.tissues().at(np.full(len(points), Tissue.LESION))
    return replace(pieces, **lesion_matter(of, points, mri.tissues()))


def mean(of: Lesion, name: str, reach: float = 0.8) -> float:
    return float(np.mean(lesion_matter(of, probes(reach), mri.tissues())[name]))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_worse_look_takes_up_more(family):
    uptake = [mean(lesion(family, look), "peak_mmol", reach=0.97) for look in (0.05, 0.3, 0.6, 0.95)]
    assert uptake[0] < uptake[-1]
    assert uptake[0] < uptake[1] < uptake[2]


@pytest.mark.parametrize("family", FAMILIES)
def test_appearance_is_a_smooth_function_of_the_look(family):
    points = probes()
    maps = [substance(lesion(family, look), points) for look in LOOKS]
    for name in ("t2_ms", "peak_mmol"):
        steps = [np.abs(getattr(b, name) - getattr(a, name)).mean() for a, b in pairwise(maps)]
        span = np.ptp([getattr(one, name).mean() for one in maps]) + steps[0]
        assert max(steps) < 0.35 * span + 1.0 * (name == "t2_ms")


@pytest.mark.parametrize("family", FAMILIES)
def test_what_ultrasound_shows_changes_nothing(family):
    one, other = (
        lesion_matter(replace(lesion(family, 0.6), look_us=look), probes(), mri.tissues())
        for look in (0.1, 0.9)
    )
    assert all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("look", [0.15, 0.5, 0.95])
def test_the_curve_shows_in_the_signal_by_ten_percent_after_the_early_peak(curve, look):
    piece = substance(lesion("mass", look, curve), probes(0.95))
    signal = np.array([mri.dynamic(piece, t).mean() for t in PHASE_DELAYS_S])
    change = signal[-1] / signal[1:3].max() - 1
    low, high = {"persistent": (0.1, 1), "plateau": (-0.1, 0.1), "wash-out": (-0.35, -0.1)}[curve]
    assert low < change < high


def test_a_suspicious_mass_enhances_at_its_rim():
    points = probes(0.97)
    deep = np.linalg.norm(points, axis=1) < 3.0
    shallow = np.linalg.norm(points, axis=1) > 8.5
    uptake = {
        look: lesion_matter(lesion("mass", look), points, mri.tissues())["peak_mmol"] for look in (0.1, 0.95)
    }
    assert uptake[0.95][shallow].mean() > 2 * uptake[0.95][deep].mean()
    assert uptake[0.1][shallow].mean() == pytest.approx(uptake[0.1][deep].mean(), rel=0.25)


def test_a_simple_cyst_holds_fluid_that_takes_up_nothing():
    assert mean(lesion("cystic", 0.05), "peak_mmol", reach=0.7) == 0
    assert mean(lesion("cystic", 0.05), "t2_ms", reach=0.7) == pytest.approx(255, abs=5)


def test_fat_necrosis_keeps_fat_in_its_middle_and_its_rim_grows_with_the_look():
    rims = [1 - mean(lesion("fatty", look), "fat", reach=0.97) for look in (0.05, 0.5, 0.9)]
    assert mean(lesion("fatty", 0.05), "fat", reach=0.6) == 1
    assert rims[0] < rims[1] < rims[2]


def test_the_adc_is_the_lesions_own_with_a_mild_spread():
    adc = lesion_matter(lesion("mass", 0.8), probes(), mri.tissues())["adc"]
    assert adc.mean() == pytest.approx(1.2, rel=0.06)
    assert 0.04 < adc.std() / adc.mean() < 0.12


def test_non_mass_enhancement_is_clumped():
    uptake = lesion_matter(lesion("non-mass", 0.9), probes(), mri.tissues())["peak_mmol"]
    background = mri.tissues().peak_mmol[Tissue.GLAND]
    assert 0.15 < (uptake < 1.2 * background).mean() < 0.85
    assert uptake.max() > 5 * background
