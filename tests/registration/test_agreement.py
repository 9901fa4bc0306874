"""Correspondences of every kind are judged by the others; one that disagrees is pointed at."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from breastview.registration import adopt
from breastview.registration.agreement import agreement, correspondence_residuals_mm, rms_mm
from breastview.registration.estimate import estimate
from breastview.registration.outline import Outline
from breastview.registration.parameters import ContourKind, RegistrationParameters
from tests.registration.test_estimate import LESION_US, pairs, start, surface


def moved(pair, by_mm):
    x, y, z = pair.mri_mm
    return replace(pair, mri_mm=(x + by_mm, y, z))


def test_a_registration_keeps_points_and_contours_apart_by_what_it_misses():
    found = estimate(pairs(5), [], start())
    pose = adopt.rigid(found, LESION_US, RegistrationParameters((0.0, 0.0, 0.0)))
    kept = replace(pose, landmarks=tuple(pairs(5)), contours=(surface(ContourKind.SURFACE, 22.0),))
    residuals = correspondence_residuals_mm(kept)
    assert len(residuals) == 6 and max(residuals) < 7.0
    bent = correspondence_residuals_mm(adopt.with_warp(found, LESION_US, kept))
    assert rms_mm(bent) < 0.5 * rms_mm(residuals)
    assert rms_mm(()) is None


def test_two_correspondences_cannot_judge_each_other():
    assert agreement(pairs(2), [], start()) is None


def test_correspondences_that_agree_have_no_odd_one():
    layer = surface(ContourKind.SURFACE, 22.0)
    for seed in range(3):
        judged = agreement(pairs(5, click_mm=0.7, seed=seed), [layer], start())
        assert judged.odd is None and len(judged.left_out_mm) == 6


def test_a_point_on_the_lesion_may_be_off_by_what_the_lesion_s_outline_leaves_open():
    clicked = pairs(5, click_mm=0.5)
    clicked[2] = moved(clicked[2], 10.0)
    x, y = clicked[2].us_mm
    wide = Outline(x - 20.0, y, x, y + 20.0)
    assert agreement(clicked, [], start()).odd == 2
    assert agreement(clicked, [], start(), wide).odd is None


@pytest.mark.parametrize(("wrong", "by_mm"), [(0, 25.0), (4, 14.0)])
def test_the_one_that_disagrees_is_found_among_points_and_surfaces(wrong, by_mm):
    clicked = pairs(5, click_mm=0.5)
    clicked[wrong] = moved(clicked[wrong], by_mm)
    judged = agreement(clicked, [surface(ContourKind.SURFACE, 22.0)], start())
    assert judged.odd == wrong
    assert judged.left_out_mm[wrong] == pytest.approx(by_mm, abs=3.0)


def test_a_contour_can_be_the_one_that_disagrees():
    layer = surface(ContourKind.SURFACE, 22.0)
    deep = replace(layer, mri_mm=tuple(np.add(layer.mri_mm, (0.0, 14.0, 0.0)).tolist()))
    judged = agreement(pairs(5, click_mm=0.5), [deep], start())
    assert judged.odd == 5
