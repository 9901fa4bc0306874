"""The trunk: its layers from skin to heart."""

from __future__ import annotations

import numpy as np
import pytest

from breastview.phantom import chest
from breastview.phantom.tissue import Tissue
from breastview.phantom.trunk import make_trunk

TRUNK = make_trunk(np.random.default_rng(1))
Z = np.arange(-60.0, 61.0, 2.0)


def along_normal(theta_deg: float, heights_mm: np.ndarray, z: np.ndarray = Z) -> np.ndarray:
    """Labels (z, height) on lines into the body at an angle from the front."""
    level = heights_mm / chest.DEPTH_MM + chest.FASCIA_LEVEL
    x = chest.WIDTH_MM * level * np.sin(np.deg2rad(theta_deg))
    y = chest.CENTRE_Y_MM - chest.DEPTH_MM * level * np.cos(np.deg2rad(theta_deg))
    points = np.array([(a, b, c) for c in z for a, b in zip(x, y, strict=True)], np.float32)
    return TRUNK.tissue(points).reshape(len(z), len(heights_mm))


@pytest.mark.parametrize("theta_deg", [0.0, 30.0, -80.0])
def test_skin_is_two_millimetres_thick_where_the_chart_has_it(theta_deg):
    labels = along_normal(theta_deg, np.array([20.1, 19.8, 19.0, 16.0]))
    assert (labels[:, 0] == Tissue.AIR).all()
    assert (labels[:, 1:3] == Tissue.SKIN).all()
    assert (labels[:, 3] != Tissue.SKIN).all()


def test_the_breast_rests_on_fat_and_then_on_muscle():
    labels = along_normal(30.0, np.array([3.0, -4.0]), Z[Z > -40])
    assert (labels[:, 0] == Tissue.FAT).mean() == 1
    assert (labels[:, 1] == Tissue.MUSCLE).mean() > 0.7


def test_ribs_lie_a_rib_distance_apart_with_muscle_between_and_lung_behind():
    depth = np.interp(45.0, (22.0, 45.0), (14.0, 15.0))
    z = np.arange(-70.0, 70.0, 1.0)
    labels = along_normal(45.0, np.array([-depth, -depth - 8.0]), z)
    marrow = np.flatnonzero(labels[:, 0] == Tissue.MARROW)
    starts = marrow[np.diff(marrow, prepend=-9) > 1]
    assert np.diff(starts) == pytest.approx(np.full(len(starts) - 1, 26.0), abs=1.0)
    assert not np.isin(labels[:, 1], (Tissue.BONE, Tissue.MARROW, Tissue.MUSCLE)).any()


def test_the_sternum_has_marrow_in_cortex_and_mammary_vessels_beside_it():
    labels = along_normal(0.0, np.arange(4.0, -10.0, -0.5))
    assert (labels == Tissue.MARROW).any(axis=1).all()
    assert (labels == Tissue.BONE).any(axis=1).all()
    sides = np.array(
        [(s * x, y, z) for s in (-1, 1) for x in (23.0, 27.5) for y in np.arange(76, 88, 0.5) for z in Z]
    )
    assert (TRUNK.tissue(sides) == Tissue.VESSEL).any()


def test_the_heart_lies_left_and_holds_blood_in_walls():
    x, y, z = np.meshgrid(np.arange(-120, 121, 3.0), np.arange(80, 180, 3.0), np.arange(-60, 10, 3.0))
    points = np.stack([x.ravel(), y.ravel(), z.ravel()], axis=1)
    labels = TRUNK.tissue(points)
    blood = points[labels == Tissue.BLOOD]
    assert 200 < len(blood) * 27 / 1000 < 900  # ml
    assert blood[:, 0].mean() > 0
    assert (labels == Tissue.ORGAN).any() and (labels == Tissue.LUNG).mean() > 0.3


def test_patients_differ_and_the_same_seed_does_not():
    points = np.random.default_rng(0).uniform((-60, 50, -60), (60, 170, 60), (9000, 3))
    one, again, other = (make_trunk(np.random.default_rng(s)).tissue(points) for s in (1, 1, 2))
    assert np.array_equal(one, again)
    assert 0.02 < (one != other).mean() < 0.6


def test_points_may_come_in_any_number_and_order():
    points = (
        np.random.default_rng(0).uniform((-170, 40, -70), (170, 180, 70), (300_000, 3)).astype(np.float32)
    )
    whole = TRUNK.tissue(points)
    some = np.arange(0, 300_000, 997)
    assert np.array_equal(TRUNK.tissue(points[some]), whole[some])
