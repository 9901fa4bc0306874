"""MR signal against its closed formulas."""

from __future__ import annotations

from math import cos, exp, radians, sin

import numpy as np
import pytest

from breastview.phantom import mri
from breastview.phantom.tissue import MAGNETIC, Tissue


def spin_echo_by_hand(tissue: Tissue, repetition_ms: float, echo_ms: float) -> float:
    p = MAGNETIC[tissue]
    return p.density * (1 - exp(-repetition_ms / p.t1_ms)) * exp(-echo_ms / p.t2_ms)


@pytest.mark.parametrize(
    ("repetition_ms", "echo_ms", "fat_over_gland"), [(450.0, 10.0, 3.42), (4000.0, 85.0, 3.07)]
)
def test_spin_echo_contrast_is_the_formulas(repetition_ms, echo_ms, fat_over_gland):
    signal = mri.spin_echo(mri.tissues(), repetition_ms, echo_ms)
    expected = [spin_echo_by_hand(tissue, repetition_ms, echo_ms) for tissue in (Tissue.FAT, Tissue.GLAND)]
    assert signal[[Tissue.FAT, Tissue.GLAND]] == pytest.approx(expected, rel=1e-5)
    assert expected[0] / expected[1] == pytest.approx(fat_over_gland, abs=0.01)


def test_a_cyst_lights_up_on_t2_and_a_muscle_does_not():
    signal = mri.spin_echo(mri.tissues(), 4000.0, 85.0)
    assert signal[Tissue.CYST] > 8 * signal[Tissue.MUSCLE]


def test_flowing_blood_is_dark_in_a_spin_echo_and_bright_in_a_gradient_echo_after_contrast_medium():
    all_tissues = mri.tissues()
    assert mri.spin_echo(all_tissues, 450.0, 10.0)[Tissue.BLOOD] < 0.1
    after = mri.dynamic(all_tissues, 60.0)
    assert after[Tissue.BLOOD] > 2 * after[Tissue.GLAND]


def test_diffusion_decays_with_b_times_adc():
    pieces = mri.tissues().at(np.array([Tissue.GLAND, Tissue.LESION]))
    ratio = mri.diffusion(pieces, 800.0) / mri.diffusion(pieces, 0.0)
    assert ratio == pytest.approx([exp(-0.8 * 1.9), exp(-0.8 * 1.4)], rel=1e-5)


def test_at_3_t_gland_and_fat_take_longer_to_recover():
    one, three = mri.tissues(1.5), mri.tissues(3.0)
    assert one.t1_ms[[Tissue.GLAND, Tissue.FAT]].tolist() == [1266.0, 296.0]
    assert three.t1_ms[[Tissue.GLAND, Tissue.FAT]].tolist() == [1445.0, 367.0]


def test_the_dynamic_signal_is_the_spoiled_gradient_echo_with_the_medium_added_to_the_rate():
    gland = mri.tissues().at(np.array([Tissue.GLAND]))
    decay = exp(-0.005 * (1000 / 1266 + mri.RELAXIVITY * 0.3))
    expected = 5.0 * 0.85 * sin(radians(12)) * (1 - decay) / (1 - decay * cos(radians(12)))
    assert mri.spoiled(gland, np.array([0.3])) == pytest.approx([expected], rel=1e-5)


def test_nothing_has_arrived_before_the_injection():
    all_tissues = mri.tissues()
    before = mri.spoiled(all_tissues, np.zeros_like(all_tissues.peak_mmol))
    assert np.array_equal(mri.dynamic(all_tissues, 0.0), before)


def test_blood_is_brightest_first_and_the_gland_last():
    phases = np.stack([mri.dynamic(mri.tissues(), t) for t in (0.0, 60.0, 120.0, 180.0, 240.0, 300.0)])
    assert phases[:, Tissue.BLOOD].argmax() == 1
    assert phases[:, Tissue.GLAND].argmax() == 5
