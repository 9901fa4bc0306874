"""The US scanner: speckle, the picture, and the true registration of what it shows."""

from __future__ import annotations

import numpy as np
import pytest

from breastview.phantom import ultrasound
from breastview.phantom.patient import VIEWS, simulate
from breastview.registration.parameters import Method
from breastview.registration.plane import UsPlane
from breastview.registration.transform import map_points, to_us_plane

IN_PLANE_MM = 1.5  # a box goes around the section's spikes too, so its middle is not quite the lesion's
THROUGH_PLANE_MM = 2.1  # three times the hand's 0.7 mm


def test_homogeneous_tissue_shows_fully_developed_speckle():
    tissue = np.ones((300, 400), np.float32)
    ratios = []
    for seed in range(6):
        envelope = ultrasound._envelope(tissue, np.random.default_rng(seed))
        ratios.append(envelope.mean() / envelope.std())
    assert np.mean(ratios) == pytest.approx(1.91, abs=0.03)
    assert ratios == pytest.approx([1.91] * 6, abs=0.1)


@pytest.mark.parametrize("seed", range(1, 7))
@pytest.mark.parametrize("view", VIEWS)
def test_the_true_registration_puts_the_us_box_onto_the_lesion(seed, view):
    patient = simulate(seed)
    frame = patient.frame(view)
    left, top, right, bottom = frame.lesion_box_px
    plane = UsPlane(frame.sector.face_middle_px, frame.spacing_mm)
    middle_mm = plane.px_to_mm(np.array([(left + right) / 2, (top + bottom) / 2]))
    lesion = to_us_plane(frame.registration, patient.lesion.centre_mm)
    assert np.linalg.norm(lesion[:2] - middle_mm) < IN_PLANE_MM
    assert abs(lesion[2]) < THROUGH_PLANE_MM
    apart = np.linalg.norm(map_points(frame.registration, middle_mm) - patient.lesion.centre_mm)
    assert apart < np.hypot(IN_PLANE_MM, THROUGH_PLANE_MM)
    assert frame.registration.method is Method.TRUTH and frame.registration.scale == 1.0
    assert 0 < frame.deformation_mm < 5


def test_the_lesion_lies_inside_the_sector_and_looks_darker_than_what_surrounds_it():
    darker = []
    for seed in range(1, 9):
        frame = simulate(seed).frame("transverse")
        left, top, right, bottom = (round(v) for v in frame.lesion_box_px)
        sector = frame.sector
        assert sector.left <= left < right < sector.right and sector.top <= top < bottom < sector.bottom
        quarter = (right - left) // 4, (bottom - top) // 4
        inside = frame.grey[top + quarter[1] : bottom - quarter[1], left + quarter[0] : right - quarter[0]]
        band = frame.grey[top:bottom, sector.left : sector.right]
        darker.append(inside.mean() < band.mean())
    assert sum(darker) >= 7


def test_the_same_seed_gives_the_same_picture_and_views_differ():
    first, again = simulate(11).frame("sagittal"), simulate(11).frame("sagittal")
    assert np.array_equal(first.grey, again.grey)
    assert first.registration == again.registration
    assert first.registration != simulate(11).frame("transverse").registration
    assert not np.array_equal(first.grey, simulate(12).frame("sagittal").grey)
