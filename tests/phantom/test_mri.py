"""The MRI scanner against its closed formulas."""

from __future__ import annotations

from math import exp, pi, sqrt

import numpy as np
import pytest

from breastview.phantom import mri
from breastview.phantom.tissue import MAGNETIC, Tissue

CURVES = ("persistent", "plateau", "wash-out")


def stripes(*tissues: Tissue, curve: str = "persistent") -> mri.TissueMaps:
    """Tissues that alternate from column to column, on a grid of 1 mm."""
    grid = mri.Grid((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (16, 40, 40))
    labels = np.resize(np.array(tissues, np.uint8), grid.shape)
    maps = mri.tissue_maps(grid, labels.ravel(), None, bpe=1.0)
    return mri.TissueMaps(**{**vars(maps), "curve": curve})


def spin_echo_by_hand(tissue: Tissue, repetition_ms: float, echo_ms: float) -> float:
    p = MAGNETIC[tissue]
    return p.density * (1 - exp(-repetition_ms / p.t1_ms)) * exp(-echo_ms / p.t2_ms)


@pytest.mark.parametrize(
    ("repetition_ms", "echo_ms", "fat_over_gland"), [(450.0, 10.0, 3.02), (4000.0, 85.0, 1.07)]
)
def test_acquired_spin_echo_contrast_is_the_formulas(repetition_ms, echo_ms, fat_over_gland):
    maps = stripes(Tissue.FAT, Tissue.GLAND)
    signal = mri.spin_echo(maps, repetition_ms, echo_ms)
    stored, _ = mri.acquire(signal, maps.grid, mri.SPIN_ECHO, np.random.default_rng(0))
    measured = stored[..., 0::2].mean() / stored[..., 1::2].mean()
    expected = [spin_echo_by_hand(tissue, repetition_ms, echo_ms) for tissue in (Tissue.FAT, Tissue.GLAND)]
    assert expected[0] / expected[1] == pytest.approx(fat_over_gland, abs=0.01)
    assert measured == pytest.approx(expected[0] / expected[1], rel=0.03)


def test_a_cyst_lights_up_on_t2_and_a_muscle_does_not():
    cyst, muscle = mri.spin_echo(stripes(Tissue.CYST, Tissue.MUSCLE), 4000.0, 85.0)[0, 0, :2]
    assert cyst > 4 * muscle


def test_diffusion_decays_with_b_times_adc():
    maps = stripes(Tissue.GLAND, Tissue.LESION)
    ratio = (mri.diffusion(maps, 800.0) / mri.diffusion(maps, 0.0))[0, 0, :2]
    assert ratio == pytest.approx([exp(-0.8 * 1.9), exp(-0.8 * 1.4)], rel=1e-5)


def test_fat_suppression_leaves_twelve_percent_of_fat_and_all_of_gland():
    maps = stripes(Tissue.FAT, Tissue.GLAND)
    signal = np.ones(maps.grid.shape, np.float32)
    assert mri.without_fat(signal, maps)[0, 0, :2] == pytest.approx([0.12, 1.0])


def test_curves_wash_in_fast_and_out_late_in_the_order_of_their_names():
    early = [mri.concentration(curve, 60.0) for curve in CURVES]
    late = [mri.concentration(curve, 300.0) / mri.concentration(curve, 90.0) - 1 for curve in CURVES]
    assert early[0] < early[1] < early[2]
    assert late[0] > 0.4 and 0 < late[1] < 0.15 and late[2] < -0.3
    assert [mri.concentration(curve, 0.0) for curve in CURVES] == [0.0, 0.0, 0.0]


def test_the_lesions_signal_follows_its_curve_and_the_glands_does_not():
    early, late = {}, {}
    for curve in CURVES:
        maps = stripes(Tissue.LESION, Tissue.GLAND, curve=curve)
        before, early[curve], late[curve] = (mri.dynamic(maps, t)[0, 0, :2] for t in (0.0, 120.0, 300.0))
        assert (early[curve] > before).all()
    change = {curve: late[curve][0] - early[curve][0] for curve in CURVES}
    assert change["persistent"] > change["plateau"] > 0 > change["wash-out"]
    assert late["persistent"][1] == late["plateau"][1] == late["wash-out"][1]


def test_noise_in_air_is_rician():
    maps = stripes(Tissue.AIR)
    silence = np.zeros(maps.grid.shape, np.float32)
    stored, _ = mri.acquire(silence, maps.grid, mri.SPIN_ECHO, np.random.default_rng(0))
    rayleigh_mean = mri.SPIN_ECHO.noise * sqrt(pi / 2) * mri.COUNTS
    assert stored.mean() + 0.5 == pytest.approx(rayleigh_mean, rel=0.03)


def test_slices_average_their_thickness_and_skip_the_gap():
    maps = stripes(Tissue.GLAND)
    ramp = np.broadcast_to(np.arange(16, dtype=np.float32)[:, None, None] / 10, maps.grid.shape)
    stored, matrix = mri.acquire(ramp, maps.grid, mri.SPIN_ECHO, np.random.default_rng(0))
    assert stored.shape == (3, 40, 40)
    assert matrix[:3, 0].tolist() == [0.0, 0.0, 5.0]
    assert matrix[:3, 3].tolist() == [0.0, 0.0, 1.5]
    middles = matrix[2, 3] + 5.0 * np.arange(3)
    profile = stored.mean(axis=(1, 2))
    assert profile / profile[1] == pytest.approx(middles / middles[1], rel=0.1)
