"""Prone, supine, pressed: volume is kept, nothing folds, and every map has its inverse."""

from __future__ import annotations

import numpy as np
import pytest

from breastview.phantom import chest
from breastview.phantom.anatomy import places
from breastview.phantom.backscatter import STEP_MM
from breastview.phantom.deformation import best_rigid, jacobian
from breastview.phantom.patient import SimulatedPatient, simulate
from breastview.phantom.stills import SimulatedFrame, plane_points, still
from breastview.registration.transform import map_points

SEEDS = range(4)


@pytest.fixture(scope="module", params=SEEDS)
def patient(request) -> SimulatedPatient:
    return simulate(request.param)


@pytest.fixture(scope="module")
def frame(patient) -> SimulatedFrame:
    return still(patient, patient.views[0])


def plane(frame: SimulatedFrame) -> np.ndarray:
    sector = frame.sector
    size_mm = ((sector.right - sector.left) * STEP_MM, (sector.bottom - sector.top) * STEP_MM)
    return plane_points(size_mm)[::25, ::25].reshape(-1, 3)


def test_chest_coordinates_lead_there_and_back():
    points = np.random.default_rng(0).uniform([-140, -40, -60], [140, 120, 60], (500, 3))
    assert chest.from_chart(chest.to_chart(points)) == pytest.approx(points, abs=1e-9)
    volume = np.linalg.det(jacobian(chest.from_chart, chest.to_chart(points)))
    assert np.abs(volume) == pytest.approx(np.full(500, chest.WIDTH_MM), rel=1e-4)


def test_gravity_keeps_volume_and_its_inverse_is_exact(patient):
    prone = places(patient.breast, np.random.default_rng(1), 400)
    supine = patient.supine.gravity.to_supine(prone)
    assert patient.supine.gravity.to_prone(supine) == pytest.approx(prone, abs=1e-6)
    assert np.linalg.det(jacobian(patient.supine.gravity.to_prone, supine)) == pytest.approx(1, abs=1e-4)


def test_the_chest_wall_stays_where_it_is(patient):
    theta = np.linspace(-1.0, 1.0, 20)
    wall = chest.from_chart(np.stack([theta, np.zeros(20), np.full(20, -5.0)], axis=1))
    moved = patient.supine.gravity.to_prone(wall)
    assert chest.height_mm(moved) == pytest.approx(chest.height_mm(wall), abs=1e-9)


def test_the_supine_breast_is_flatter(patient):
    nipple = patient.breast.nipple_mm[None]
    assert chest.height_mm(patient.supine.to_supine(nipple))[0] < 0.85 * chest.height_mm(nipple)[0]


def test_the_whole_map_nowhere_folds_and_nearly_keeps_volume(frame):
    change = np.linalg.det(jacobian(frame.probe.to_prone, plane(frame)))
    assert change.min() > 0.05
    assert np.median(change) == pytest.approx(1, abs=0.12)


def test_the_inverse_is_known_to_five_hundredths_of_a_millimetre(frame):
    us_mm = plane(frame)
    assert frame.probe.to_us(frame.probe.to_prone(us_mm)) == pytest.approx(us_mm, abs=0.05)


def test_the_rigid_registration_is_exact_at_the_lesion_and_nowhere_else(patient, frame):
    centre = frame.probe.to_us(patient.lesion.centre_mm[None])
    assert map_points(frame.registration, centre)[0] == pytest.approx(patient.lesion.centre_mm, abs=1e-3)
    us_mm = plane(frame)
    missed = np.linalg.norm(map_points(frame.registration, us_mm) - frame.probe.to_prone(us_mm), axis=1)
    assert missed.max() > 2.0
    worse = best_rigid(frame.probe, us_mm, us_mm[0])
    assert np.linalg.norm(map_points(worse, centre)[0] - patient.lesion.centre_mm) > 0.3


def test_a_stiff_lesion_keeps_its_shape_and_a_soft_one_is_flattened():
    def flattening(seed: int) -> tuple[float, float]:
        patient = simulate(seed)
        strain = jacobian(patient.supine.to_prone, patient.supine.supine_mm[None])[0]
        stretches = np.linalg.svd(strain)[1]
        return patient.lesion.stiffness, float(stretches[0] / stretches[2])

    told = np.array([flattening(seed) for seed in range(24)])
    deep = told[told[:, 1] > 1.02]
    assert np.corrcoef(deep.T)[0, 1] < -0.5
    assert told[told[:, 0] > 0.9, 1].max() < 1.5


def test_lesion_and_nipple_part_as_published():
    changes = []
    for seed in range(60):
        patient = simulate(seed)
        prone = np.stack([patient.lesion.centre_mm, patient.breast.nipple_mm])
        before, after = np.diff(prone, axis=0)[0], np.diff(patient.supine.to_supine(prone), axis=0)[0]
        changes.append(np.abs(np.abs(after) - np.abs(before)))
    sideways, _, vertical = np.median(changes, axis=0)
    assert sideways == pytest.approx(8, abs=3)
    assert vertical == pytest.approx(5, abs=2.5)
    assert np.max(changes, axis=0)[[0, 2]].max() < 60
