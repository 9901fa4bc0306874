"""x_mri = R·s·(x_us + warp(x_us)) + t: parameters to points and back, and the moves of a hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from breastview.registration.parameters import LandmarkPair, Method, RegistrationParameters, WarpPoint
from breastview.registration.start import ORIENTATIONS, usual_angles_deg
from breastview.registration.transform import (
    Pivot,
    angles_deg,
    dragged,
    map_points,
    moved,
    pivot_us_mm,
    rotation,
    spun,
    to_us_plane,
    turn_from,
    turned,
    us_to_mri,
    with_matrix,
    with_turn,
)
from tests.registration.examples import angles, places, poses

REFERENCE = RegistrationParameters((10.0, -100.0, 30.0))
spots = st.tuples(*[st.floats(-40.0, 40.0)] * 2)
US = np.array([[0.0, 0.0, 0.0], [-15.0, 20.0, 0.0], [12.0, 35.0, 4.0]])
WARP = (WarpPoint((0.0, 15.0), (3.0, -2.0, 1.0), 10.0), WarpPoint((6.0, 18.0), (-1.0, 2.0, 0.0), 8.0))


def test_the_reference_pose_looks_from_the_front():
    """Right on the screen is the patient's left, down is posterior, the third axis is superior."""
    np.testing.assert_allclose(map_points(REFERENCE, [[7.0, 20.0]]), [[17.0, -80.0, 30.0]])
    np.testing.assert_allclose(map_points(REFERENCE, [[0.0, 0.0, 5.0]]), [[10.0, -100.0, 35.0]])


def test_a_sagittal_plane_has_the_head_at_the_left_of_the_screen():
    sagittal = replace(REFERENCE, angles_deg=usual_angles_deg("sagittal"))
    np.testing.assert_allclose(map_points(sagittal, [[7.0, 20.0]]), [[10.0, -80.0, 23.0]], atol=1e-12)


def test_the_formula_is_what_the_parameters_say():
    pose = RegistrationParameters((10.0, -100.0, 30.0), (20.0, -30.0, 40.0), scale=1.1)
    x, y, z = (Rotation.from_euler(a, v, degrees=True) for a, v in zip("xyz", pose.angles_deg, strict=True))
    turn = (x * y * z).as_matrix()
    np.testing.assert_allclose(map_points(pose, US), US @ turn.T * 1.1 + pose.centre_mm)
    np.testing.assert_allclose(us_to_mri(pose)[:3, :3], turn * 1.1)
    np.testing.assert_allclose(us_to_mri(pose)[3], [0, 0, 0, 1])


def test_points_of_the_plane_may_leave_out_the_third_number():
    np.testing.assert_allclose(map_points(REFERENCE, US[:2, :2]), map_points(REFERENCE, US[:2]))
    assert map_points(REFERENCE, np.zeros((4, 5, 2))).shape == (4, 5, 3)


@given(pose=poses)
def test_a_point_comes_back_from_the_mri(pose):
    np.testing.assert_allclose(to_us_plane(pose, map_points(pose, US)), US, atol=1e-9)


@given(pose=poses, start=poses)
def test_a_pose_comes_back_from_its_matrix(pose, start):
    known = with_matrix(start, us_to_mri(pose))
    np.testing.assert_allclose(us_to_mri(known), us_to_mri(pose), atol=1e-5)
    assert known.scale == pytest.approx(pose.scale)


@given(y=st.floats(-89.0, 89.0), x=angles, z=angles)
def test_angles_come_back_from_the_rotation(x, y, z):
    turn = rotation(RegistrationParameters((0.0, 0.0, 0.0), (x, y, z)))
    back = angles_deg(turn)
    assert back[1] == pytest.approx(y, abs=1e-6)
    np.testing.assert_allclose(np.exp(1j * np.deg2rad(back)), np.exp(1j * np.deg2rad((x, y, z))), atol=1e-9)


@pytest.mark.parametrize("y", [-90.0, 90.0])
def test_a_sagittal_pose_survives_though_two_of_its_angles_are_one(y):
    pose = RegistrationParameters((0.0, 0.0, 0.0), (25.0, y, 10.0))
    known = with_matrix(REFERENCE, us_to_mri(pose))
    np.testing.assert_allclose(rotation(known), rotation(pose), atol=1e-9)
    assert known.angles_deg[2] == 0.0


@pytest.mark.parametrize(
    ("start", "most_deg"),
    [
        ((0.0, 85.0, 0.0), 2.0),
        ((35.0, 90.0, 0.0), 2.0),
        ((4.0, -86.0, -3.0), 90.0),
    ],  # the last one passes by
)
def test_a_hand_that_turns_on_past_90_degrees_never_turns_the_fields_over(start, most_deg):
    pose = RegistrationParameters((0.0, 0.0, 0.0), start)
    for axis, step in [("y", 1.0)] * 12 + [("y", -1.0)] * 24 + [("z", 1.0)] * 5:
        after = turned(pose, axis, step)
        assert np.abs(np.subtract(after.angles_deg, pose.angles_deg)).max() < most_deg
        assert np.abs(after.angles_deg).max() <= 180.0
        expected = rotation(pose) @ Rotation.from_euler(axis, step, degrees=True).as_matrix()
        np.testing.assert_allclose(rotation(after), expected, atol=1e-9)
        pose = after


@pytest.mark.parametrize("view", sorted(ORIENTATIONS))
@pytest.mark.parametrize("tilt", [(0.0, 0.0, 0.0), (4.0, -3.0, 2.0), (-40.0, 30.0, 35.0), (5.0, 80.0, -10.0)])
def test_a_small_turn_changes_the_shown_numbers_a_little_around_every_usual_view(view, tilt):
    for clock_h in range(1, 13):
        usual_deg = usual_angles_deg(view, clock_h)
        pose = with_turn(REFERENCE, tilt, usual_deg)
        assert turn_from(pose, usual_deg) == pytest.approx(tilt, abs=1e-5)
        for axis in "xyz":
            after = turned(pose, axis, 0.5)
            shown = np.subtract(turn_from(after, usual_deg), turn_from(pose, usual_deg))
            assert 0.4 < np.linalg.norm(shown) < 0.6


def test_of_two_triples_the_nearer_one_is_given():
    turn = rotation(RegistrationParameters((0.0, 0.0, 0.0), (3.0, 95.0, -2.0)))
    assert angles_deg(turn) == pytest.approx((-177.0, 85.0, 178.0))
    assert angles_deg(turn, (0.0, 89.0, 0.0)) == pytest.approx((3.0, 95.0, -2.0))
    assert angles_deg(turn, (-170.0, 89.0, 170.0)) == pytest.approx((-177.0, 85.0, 178.0))


@pytest.mark.parametrize("y", [-90.0, 90.0])
def test_in_a_sagittal_plane_the_fields_stay_as_they_were(y):
    pose = RegistrationParameters((0.0, 0.0, 0.0), (25.0, y, 10.0))
    assert angles_deg(rotation(pose), pose.angles_deg) == pytest.approx(pose.angles_deg)


def test_putting_in_a_matrix_keeps_everything_else():
    marked = replace(REFERENCE, method=Method.LANDMARKS, warp=WARP)
    known = with_matrix(marked, us_to_mri(replace(REFERENCE, scale=0.9)))
    assert (known.method, known.warp, known.scale) == (Method.LANDMARKS, WARP, 0.9)


@given(pose=poses, shift=places)
def test_a_shift_runs_along_the_plane_s_own_axes(pose, shift):
    after = moved(pose, shift)
    expected = map_points(pose, US) + rotation(pose) @ shift
    np.testing.assert_allclose(map_points(after, US), expected, atol=1e-9)
    assert after.method is Method.MANUAL


@given(pose=poses, axis=st.sampled_from("xyz"), angle=angles, pivot=places)
def test_a_turn_leaves_its_pivot_where_it_is(pose, axis, angle, pivot):
    after = turned(pose, axis, angle, pivot)
    np.testing.assert_allclose(map_points(after, pivot), map_points(pose, pivot), atol=1e-4)
    own = Rotation.from_euler(axis, angle, degrees=True).as_matrix()
    np.testing.assert_allclose(rotation(after), rotation(pose) @ own, atol=1e-6)
    assert after.scale == pose.scale


@given(pose=poses, start=spots, end=spots)
def test_what_a_hand_drags_stays_under_it(pose, start, end):
    """The MRI point that lay under the hand at the start lies under it at the end."""
    held = map_points(pose, [start])
    np.testing.assert_allclose(to_us_plane(dragged(pose, start, end), held)[0], [*end, 0.0], atol=1e-6)


@given(pose=poses, angle=st.floats(-170.0, 170.0))
def test_what_a_hand_turns_stays_under_it_and_the_pivot_stays_put(pose, angle):
    pivot, start = np.array([4.0, 15.0]), np.array([14.0, 15.0])
    end = pivot + 10.0 * np.array([np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))])
    turned_pose = spun(pose, start, end, pivot)
    held = map_points(pose, [start])
    np.testing.assert_allclose(to_us_plane(turned_pose, held)[0], [*end, 0.0], atol=1e-6)
    np.testing.assert_allclose(map_points(turned_pose, [pivot]), map_points(pose, [pivot]), atol=1e-6)


def test_a_warp_shifts_most_at_its_point_and_nothing_beyond_its_radius():
    warp = (WarpPoint((0.0, 15.0), (3.0, -2.0, 1.0), radius_mm=10.0),)
    pose = replace(REFERENCE, angles_deg=(20.0, -30.0, 40.0), scale=1.1, warp=warp)
    plain = replace(pose, warp=())
    points = np.array([[0.0, 15.0, 0.0], [5.0, 15.0, 0.0], [0.0, 25.0, 0.0], [9.0, 22.0, 0.0]])
    shift = 1.1 * rotation(pose) @ [3.0, -2.0, 1.0]
    shares = np.array([1.0, (1 - 0.25) ** 2, 0.0, 0.0])
    np.testing.assert_allclose(
        map_points(pose, points) - map_points(plain, points), shares[:, None] * shift, atol=1e-12
    )


@given(pose=poses, x=st.floats(-20.0, 20.0), y=st.floats(0.0, 40.0))
def test_a_point_comes_back_through_a_warp(pose, x, y):
    bent = replace(pose, warp=WARP)
    np.testing.assert_allclose(to_us_plane(bent, map_points(bent, [x, y])), [x, y, 0.0], atol=1e-6)


@pytest.mark.parametrize(
    ("scale", "flagged"), [(0.89, True), (0.91, False), (1.0, False), (1.09, False), (1.11, True)]
)
def test_a_scale_beyond_ten_percent_is_flagged(scale, flagged):
    assert replace(REFERENCE, scale=scale).scale_flagged is flagged


@given(
    pose=poses,
    wanted=st.tuples(*[st.floats(-100, 100)] * 3),
    pivot=spots,
    view=st.sampled_from(sorted(ORIENTATIONS)),
)
def test_a_typed_turn_leaves_the_pivot_where_it_is(pose, wanted, pivot, view):
    usual_deg = usual_angles_deg(view, 10.0)
    there = with_turn(pose, wanted, usual_deg, (*pivot, 0.0))
    assert turn_from(there, usual_deg) == pytest.approx(wanted, abs=1e-5)
    assert there.method is Method.MANUAL
    np.testing.assert_allclose(
        map_points(there, np.array(pivot)), map_points(pose, np.array(pivot)), atol=1e-9
    )


def test_the_pivot_is_what_was_chosen_or_else_the_probe():
    pairs = (LandmarkPair((1.0, 2.0), (0.0, 0.0, 0.0)), LandmarkPair((-3.0, 4.0), (0.0, 0.0, 0.0)))
    matched = replace(REFERENCE, landmarks=pairs)
    assert pivot_us_mm(Pivot.LANDMARK, matched, (5.0, 6.0)) == (-3.0, 4.0, 0.0)
    assert pivot_us_mm(Pivot.LESION, matched, (5.0, 6.0)) == (5.0, 6.0, 0.0)
    assert pivot_us_mm(Pivot.PROBE, matched, (5.0, 6.0)) == (0.0, 0.0, 0.0)
    assert pivot_us_mm(Pivot.LESION, matched, None) == (0.0, 0.0, 0.0)
    assert pivot_us_mm(Pivot.LANDMARK, REFERENCE, (5.0, 6.0)) == (0.0, 0.0, 0.0)
