"""A first pose from the report's words or from the marks, and the body that they are looked up in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from breastview.errors import RegistrationError
from breastview.imaging.geometry import frozen
from breastview.registration.parameters import Method, RegistrationParameters
from breastview.registration.skin import (
    GRID_MM,
    SKIN_REACH_MM,
    Body,
    find_body,
    midline_x_mm,
    nipple_mm,
    side_of,
    skin_near,
)
from breastview.registration.start import (
    ORIENTATIONS,
    USUAL_DEPTH_MM,
    expected_place,
    orientation_of,
    skin_from_nipple,
    start_from_clock_face,
    start_from_mri_mark,
    usual_angles_deg,
)
from breastview.registration.transform import angles_deg, map_points, rotation
from tests.registration.examples import angles, places, volume_of

MIDDLE_MM = 10.0  # the simulated woman does not lie in the scanner's middle
CHEST_MM, RADIUS_MM, APART_MM = 30.0, 60.0, 75.0
TIP_Y_MM = CHEST_MM - 1.3 * RADIUS_MM


def prone(lps: np.ndarray) -> np.ndarray:
    """A chest behind y = 30 mm with two half ellipsoids in front of it; noise around."""
    x, y, z = np.moveaxis(lps, -1, 0)
    chest = (y > CHEST_MM) & (np.abs(x - MIDDLE_MM) < 160.0)
    breasts = [
        ((x - MIDDLE_MM - side * APART_MM) ** 2 + ((y - CHEST_MM) / 1.3) ** 2 + z**2) < RADIUS_MM**2
        for side in (-1, 1)
    ]
    noise = 10.0 * np.abs(np.sin(37.0 * x + 17.0 * y + 7.0 * z))
    return np.where(chest | breasts[0] | breasts[1], 500.0, noise)


def axial(first_mm, shape, spacing_mm=(5.0, 2.0, 2.0)):
    matrix = np.eye(4)
    matrix[:3, :3] = np.eye(3)[:, ::-1] * spacing_mm
    matrix[:3, 3] = first_mm
    return volume_of(prone, shape, frozen(matrix))


@pytest.fixture(scope="module")
def body():
    return find_body(axial((-185.0, -70.0, -80.0), (33, 65, 186)))


def test_the_body_is_found_in_a_volume_of_any_orientation(body):
    sagittal = np.eye(4)
    sagittal[:3, :3] = np.array([[-3.0, 0.0, 0.0], [0.0, 0.0, 2.0], [0.0, -2.0, 0.0]])
    sagittal[:3, 3] = (190.0, -70.0, 80.0)
    turned = find_body(volume_of(prone, (126, 80, 65), frozen(sagittal)))
    assert midline_x_mm(turned) == pytest.approx(MIDDLE_MM, abs=GRID_MM)
    np.testing.assert_allclose(nipple_mm(turned, "L"), nipple_mm(body, "L"), atol=GRID_MM)


def test_the_midline_is_the_body_s_and_not_the_scanner_s(body):
    assert midline_x_mm(body) == pytest.approx(MIDDLE_MM, abs=GRID_MM)


def test_where_one_breast_is_covered_the_scanner_s_middle_is_the_midline():
    assert midline_x_mm(find_body(axial((20.0, -70.0, -80.0), (33, 65, 80)))) == 0.0


@pytest.mark.parametrize(("side", "sign"), [("R", -1), ("L", 1)])
def test_the_nipple_is_the_most_anterior_point_of_its_breast(body, side, sign):
    expected = (MIDDLE_MM + sign * APART_MM, TIP_Y_MM, 0.0)
    np.testing.assert_allclose(nipple_mm(body, side), expected, atol=1.5 * GRID_MM)


def test_no_breast_on_a_side_is_an_error():
    one = find_body(axial((20.0, -70.0, -80.0), (33, 65, 80)))
    with pytest.raises(RegistrationError) as raised:
        nipple_mm(one, "R")
    assert raised.value.message.code == "registration.no_breast"


def test_an_empty_volume_has_no_body():
    volume = axial((-185.0, -70.0, -80.0), (10, 65, 186))
    empty = find_body(
        type(volume)(volume.key, volume.role, volume.array * 0, volume.index_to_lps, (0.0, 1.0))
    )
    assert not empty.mask.any()
    assert midline_x_mm(empty) == 0.0
    with pytest.raises(RegistrationError):
        nipple_mm(empty, "L")


@pytest.mark.parametrize(("x_mm", "z_mm"), [(0.0, 0.0), (20.0, 10.0), (-25.0, -20.0)])
def test_the_skin_lies_where_the_breast_begins(body, x_mm, z_mm):
    expected = CHEST_MM - 1.3 * np.sqrt(RADIUS_MM**2 - x_mm**2 - z_mm**2)
    place = np.array([MIDDLE_MM + APART_MM + x_mm, expected, z_mm])
    skin = skin_near(body, (place[0], expected + 15.0, z_mm))
    assert np.linalg.norm(skin - place, axis=1).min() < 1.5 * GRID_MM


def test_where_there_is_no_body_there_is_no_skin():
    assert skin_near(Body(np.zeros((20, 6, 20), bool), np.zeros(3)), (30.0, 9.0, 30.0)).shape == (0, 3)


def test_what_faces_back_is_no_skin():
    slab = np.zeros((20, 16, 20), bool)
    slab[3:17, 5:11, 3:17] = True
    skin = skin_near(Body(slab, np.zeros(3)), (30.0, 40.0, 30.0))
    within = skin[(np.abs(skin[:, [0, 2]] - 30.0) < 10.0).all(axis=1)]
    np.testing.assert_allclose(within[:, 1], 5 * GRID_MM, atol=GRID_MM)


def test_the_side_of_a_point_is_told_by_the_body_s_midline(body):
    assert side_of((MIDDLE_MM - 5.0, 0.0, 0.0), body) == "R"
    assert side_of((MIDDLE_MM + 5.0, 0.0, 0.0), body) == "L"


@pytest.mark.parametrize("side", ["R", "L"])
@pytest.mark.parametrize(
    ("clock_h", "towards"),
    [(12.0, (0, 1)), (3.0, (1, 0)), (6.0, (0, -1)), (9.0, (-1, 0)), (1.5, (0.7071, 0.7071))],
)
def test_the_clock_is_seen_facing_the_patient_in_either_breast(body, side, clock_h, towards):
    """12 is superior; 3 is at the patient's left."""
    nipple = np.array(nipple_mm(body, side))
    place = np.array(expected_place(body, side, clock_h, 30.0, depth_mm=12.0).point_mm)
    away = (place - nipple)[[0, 2]]
    assert np.linalg.norm(away) > 15.0
    assert away @ towards / np.linalg.norm(away) > np.cos(np.deg2rad(20.0))


def test_both_breasts_are_mirrors_of_each_other(body):
    one, other = (
        expected_place(body, side, clock_h, 30.0, 12.0) for side, clock_h in (("L", 2.0), ("R", 10.0))
    )
    mirror = np.array([-1.0, 1.0, 1.0])
    away = [e.centre_mm - nipple_mm(body, e.side) for e in (one, other)]
    assert away[0] == pytest.approx(mirror * away[1], abs=GRID_MM)
    assert one.covariance_mm2 == pytest.approx(np.outer(mirror, mirror) * other.covariance_mm2)


def test_the_way_from_the_nipple_runs_along_the_skin(body):
    way = skin_from_nipple(body, "L", 12.0)
    shape = [CHEST_MM - 1.3 * np.sqrt(max(RADIUS_MM**2 - z**2, 0.0)) for z in way.skin_mm[:, 2]]
    front = way.skin_mm[:, 1] < CHEST_MM - 50
    assert way.skin_mm[front, 1] == pytest.approx(np.array(shape)[front], abs=2 * GRID_MM)
    assert np.diff(way.arc_mm).min() > 0
    along = np.gradient(way.skin_mm, axis=0)
    assert np.abs((along * way.inward).sum(axis=1)).max() < 1e-9
    assert way.inward[0] == pytest.approx([0.0, 1.0, 0.0], abs=0.2)


def test_a_report_without_depth_gets_the_usual_one(body):
    assert expected_place(body, "L", 12.0, 20.0, None).point_mm == (
        expected_place(body, "L", 12.0, 20.0, USUAL_DEPTH_MM).point_mm
    )


def test_the_expected_place_is_less_sure_far_from_the_nipple_and_deep(body):
    near, far, deep = (
        np.linalg.eigvalsh(expected_place(body, "L", 12.0, d, depth).covariance_mm2)
        for d, depth in ((10.0, 12.0), (50.0, 12.0), (10.0, 25.0))
    )
    assert (far > near).all() and (deep > near).all()
    assert 3.0 < np.sqrt(near[0]) < np.sqrt(far[-1]) < 12.0


def test_words_that_lead_outside_the_body_are_an_error(body):
    with pytest.raises(RegistrationError) as raised:
        expected_place(body, "L", 3.0, 320.0, None)
    assert raised.value.message.code == "registration.outside_body"


@pytest.mark.parametrize(
    ("view", "clock_h", "lateral"),
    [
        ("transverse", 10.0, (1, 0, 0)),
        ("sagittal", 10.0, (0, 0, -1)),
        ("radial", 12.0, (0, 0, 1)),
        ("radial", 3.0, (1, 0, 0)),
        ("antiradial", 12.0, (1, 0, 0)),
        ("antiradial", 3.0, (0, 0, -1)),
    ],
)
def test_a_probe_is_held_as_its_name_says(view, clock_h, lateral):
    """A radial picture runs from the nipple, at its left, outward; an antiradial one clockwise across it."""
    turn = rotation(RegistrationParameters((0.0, 0.0, 0.0), usual_angles_deg(view, clock_h)))
    np.testing.assert_allclose(turn[:, 0], lateral, atol=1e-12)
    np.testing.assert_allclose(turn[:, 1], (0, 1, 0), atol=1e-12)


@pytest.mark.parametrize("view", ORIENTATIONS)
def test_a_start_from_the_clock_face_puts_the_us_lesion_there(body, view):
    point = expected_place(body, "R", 10.0, 25.0, 14.0).point_mm
    held = usual_angles_deg(view, 10.0)
    start = start_from_clock_face(body, "R", 10.0, 25.0, 14.0, (-6.0, 17.0), held)
    np.testing.assert_allclose(map_points(start, (-6.0, 17.0)), point, atol=1e-9)
    assert (start.method, start.angles_deg, start.scale) == (Method.CLOCK_FACE, held, 1.0)


def test_a_start_without_us_mark_puts_the_picture_s_middle_line_there(body):
    point = expected_place(body, "R", 10.0, 25.0, 14.0).point_mm
    start = start_from_clock_face(body, "R", 10.0, 25.0, 14.0)
    np.testing.assert_allclose(map_points(start, (0.0, 14.0)), point, atol=1e-9)


@given(point=places, turn=st.tuples(angles, angles, angles))
def test_a_start_from_the_mri_mark_brings_the_marks_together(point, turn):
    start = start_from_mri_mark((4.0, 18.0), point, turn)
    np.testing.assert_allclose(map_points(start, (4.0, 18.0)), point, atol=1e-9)
    assert start.method is Method.MRI_MARK
    assert start.angles_deg == turn


def test_a_transverse_start_looks_straight_from_the_front():
    start = start_from_mri_mark((0.0, 20.0), (60.0, -40.0, 5.0))
    np.testing.assert_array_equal(rotation(start), np.eye(3))
    assert start.centre_mm == (60.0, -60.0, 5.0)


def test_the_skin_around_a_place_lies_on_the_breast_and_nowhere_else(body):
    middle = np.array([MIDDLE_MM + APART_MM, CHEST_MM, 0.0])
    skin = skin_near(body, (MIDDLE_MM + APART_MM, TIP_Y_MM + 20.0, 10.0))
    out = np.linalg.norm((skin - middle) / [RADIUS_MM, 1.3 * RADIUS_MM, RADIUS_MM], axis=1)
    assert len(skin) > 50 and np.abs(out - 1).mean() * RADIUS_MM < GRID_MM
    assert np.linalg.norm(skin - skin.mean(axis=0), axis=1).max() <= 2 * SKIN_REACH_MM


@pytest.mark.parametrize("clock_h", [None, 2.0, 10.0])
@pytest.mark.parametrize("name", ["transverse", "sagittal", "radial"])
def test_a_pose_tilted_by_the_hand_still_says_how_the_probe_was_held(name, clock_h):
    tilted = rotation(RegistrationParameters((0.0, 0.0, 0.0), usual_angles_deg(name, clock_h)))
    tilted = tilted @ rotation(RegistrationParameters((0.0, 0.0, 0.0), (10.0, 0.0, -12.0)))
    found = orientation_of(angles_deg(tilted), clock_h)
    assert usual_angles_deg(found, clock_h) == pytest.approx(usual_angles_deg(name, clock_h), abs=1e-6)
