"""Ultrasound of a patient: the lesion in view, the truth beside it, sweeps and volumes through it."""

from __future__ import annotations

import numpy as np
import pytest

from breastview.phantom.patient import VIEW_PAIRS, SimulatedPatient, simulate
from breastview.phantom.stills import SimulatedFrame, still
from breastview.phantom.sweeps import abus, sweep
from breastview.registration.plane import UsPlane
from breastview.registration.transform import map_points


@pytest.fixture(scope="module")
def patient() -> SimulatedPatient:
    return simulate(6)


@pytest.fixture(scope="module")
def frames(patient) -> dict[str, SimulatedFrame]:
    return {view: still(patient, view) for view in patient.views}


def test_views_are_transverse_and_sagittal_or_radial_and_antiradial():
    assert {simulate(seed).views for seed in (6, 7)} == set(VIEW_PAIRS)


def test_the_same_seed_takes_the_same_picture(patient, frames):
    view = patient.views[0]
    assert np.array_equal(still(simulate(6), view).grey, frames[view].grey)


def test_each_view_shows_the_lesion_inside_its_sector(frames):
    for frame in frames.values():
        left, top, right, bottom = frame.lesion_box_px
        rows, columns = np.nonzero(frame.lesion_mask)
        assert (columns.min(), rows.min(), columns.max(), rows.max()) == (left, top, right, bottom)
        assert frame.sector.left <= left < right < frame.sector.right
        assert frame.sector.top <= top < bottom < frame.sector.bottom


def test_the_lesion_is_never_simply_in_the_middle():
    offsets = []
    for seed in range(8):
        other = simulate(seed)
        frame = still(other, other.views[0])
        left, _, right, _ = frame.lesion_box_px
        offsets.append((left + right) / 2 - frame.sector.face_middle_px[0])
    assert np.std(offsets) > 15


def test_the_registered_centre_of_the_mark_is_the_lesion_in_mri(patient, frames):
    for frame in frames.values():
        left, top, right, bottom = frame.lesion_box_px
        middle = np.array([(left + right) / 2, (top + bottom) / 2])
        us_mm = UsPlane(frame.sector.face_middle_px, frame.spacing_mm).px_to_mm(middle)
        missed = map_points(frame.registration, us_mm) - patient.lesion.centre_mm
        assert np.linalg.norm(missed) < 0.5 * patient.lesion.radius_mm + 1.5


def test_the_focus_marker_stands_where_the_beam_is_focused(frames):
    for frame in frames.values():
        beside = frame.grey[frame.sector.top : frame.sector.bottom, frame.sector.right + 4]
        focus_px = frame.settings.focus_mm / frame.spacing_mm[0]
        assert np.flatnonzero(beside).tolist() == [round(focus_px)]


def test_the_two_views_cross_at_the_lesion(patient, frames):
    planes = [frame.probe.pose for frame in frames.values()]
    normals = [map_points(p, np.eye(3))[2] - p.centre_mm for p in planes]
    assert abs(normals[0] @ normals[1]) < 0.5
    for frame in frames.values():
        assert abs(frame.probe.to_us(patient.lesion.centre_mm[None])[0, 2]) < 3.0


def test_a_sweep_passes_through_the_lesion(patient):
    swept = sweep(patient, patient.views[1], frames=5, step_mm=patient.lesion.radius_mm)
    seen = swept.lesion_mask.sum(axis=(1, 2))
    assert swept.grey.shape == swept.lesion_mask.shape and len(swept.z_mm) == 5
    assert seen[2] > seen[0] and seen[2] > seen[4]


def test_a_volume_holds_the_lesion_where_its_truth_says(patient):
    volume = abus(patient, frames=3, step_mm=4.0)
    assert volume.spacing_mm == (4.0, 0.1, 0.1)
    centre = volume.probe.to_us(patient.lesion.centre_mm[None])
    missed = map_points(volume.registration, centre)[0] - patient.lesion.centre_mm
    assert np.linalg.norm(missed) < 0.01
    assert volume.lesion_mask[1].any()
