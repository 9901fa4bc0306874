"""Landmark pairs: an exact pose is found exactly, noise is told as residuals, what stays open is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breastview.errors import RegistrationError
from breastview.registration.landmarks import fit_landmarks, residuals_mm
from breastview.registration.parameters import LandmarkPair, Method, RegistrationParameters, WarpPoint
from breastview.registration.transform import map_points, rotation, us_to_mri
from tests.registration.examples import poses

START = RegistrationParameters((40.0, -90.0, 5.0), (10.0, 20.0, -5.0))
FOUR = ((-15.0, 5.0), (12.0, 8.0), (3.0, 30.0), (-6.0, 22.0))
LINE = ((0.0, 5.0), (0.0, 15.0), (0.0, 30.0))


def seen(pose: RegistrationParameters, us_mm) -> tuple[LandmarkPair, ...]:
    """Pairs as a pose sees them, without any error."""
    return tuple(LandmarkPair(us, tuple(map_points(pose, us).tolist())) for us in us_mm)


def codes(fit) -> list[str]:
    return [note.code for note in fit.notes]


@given(pose=poses)
def test_a_known_similarity_is_recovered_exactly(pose):
    fit = fit_landmarks(seen(pose, FOUR), START, allow_scale=True)
    np.testing.assert_allclose(us_to_mri(fit.parameters), us_to_mri(pose), atol=1e-4)
    assert fit.rms_mm < 1e-5 and max(fit.residuals_mm) < 1e-5 and max(fit.left_out_mm) < 1e-4


@given(pose=poses)
def test_a_known_rigid_pose_is_recovered_from_three_pairs(pose):
    rigid = replace(pose, scale=1.0)
    fit = fit_landmarks(seen(rigid, FOUR[:3]), START)
    np.testing.assert_allclose(us_to_mri(fit.parameters), us_to_mri(rigid), atol=1e-4)
    assert fit.parameters.scale == 1.0
    assert codes(fit) == ["registration.plane_only", "registration.no_spare_pair"]


def test_the_fit_keeps_its_pairs_and_says_how_it_was_made():
    pairs = seen(START, FOUR)
    fitted = fit_landmarks(pairs, replace(START, method=Method.MANUAL)).parameters
    assert (fitted.method, fitted.landmarks) == (Method.LANDMARKS, pairs)


def test_points_of_one_plane_say_nothing_of_deformation_through_it():
    assert codes(fit_landmarks(seen(START, FOUR), START)) == ["registration.plane_only"]


def test_a_scale_is_not_fitted_unless_it_is_freed():
    fit = fit_landmarks(seen(replace(START, scale=1.2), FOUR), START)
    assert fit.parameters.scale == 1.0
    assert fit.rms_mm > 1.0


@pytest.mark.parametrize(("scale", "percent"), [(1.2, 20), (0.85, -15)])
def test_a_fitted_scale_beyond_ten_percent_is_flagged(scale, percent):
    fit = fit_landmarks(seen(replace(START, scale=scale), FOUR), START, allow_scale=True)
    assert fit.parameters.scale == pytest.approx(scale)
    assert codes(fit) == ["registration.plane_only", "registration.scale_flagged"]
    assert fit.notes[1].params == {"percent": percent}


def test_noise_is_told_as_residuals_and_the_error_elsewhere_is_larger():
    rng = np.random.default_rng(7)
    pose = RegistrationParameters((60.0, -110.0, 20.0), (-10.0, 5.0, 30.0))
    rms, left_out, target = [], [], []
    for _ in range(200):
        exact = seen(pose, FOUR)
        noisy = [replace(p, mri_mm=tuple(rng.normal(p.mri_mm, 0.7).tolist())) for p in exact]
        fit = fit_landmarks(noisy, START)
        assert fit.rms_mm == pytest.approx(float(np.sqrt(np.mean(np.square(fit.residuals_mm)))))
        rms.append(fit.rms_mm)
        left_out.append(np.mean(fit.left_out_mm))
        target.append(residuals_mm(fit.parameters, seen(pose, [(0.0, 40.0)]))[0])
    # expected square of the residual: 3·0.7² · (1 − 6 / (3 · 4 pairs)) (Sibson 1979)
    assert np.mean(np.square(rms)) == pytest.approx(3 * 0.7**2 * 0.5, rel=0.1)
    assert np.mean(target) > 1.2 * np.mean(rms)
    assert np.mean(left_out) > 2 * np.mean(rms)


def test_more_pairs_bring_the_error_down():
    rng = np.random.default_rng(8)
    grid = [(x, y) for x in (-15.0, 0.0, 15.0) for y in (5.0, 20.0, 35.0)]

    def error(us_mm) -> float:
        errors = []
        for _ in range(100):
            noisy = [replace(p, mri_mm=tuple(rng.normal(p.mri_mm, 0.7).tolist())) for p in seen(START, us_mm)]
            errors.append(residuals_mm(fit_landmarks(noisy, START).parameters, seen(START, [(5.0, 15.0)]))[0])
        return float(np.mean(errors))

    assert error(grid) < 0.75 * error(grid[:4])


def test_a_heavier_pair_is_met_more_closely():
    pairs = list(seen(START, FOUR))
    off = replace(pairs[0], mri_mm=tuple(np.add(pairs[0].mri_mm, (0.0, 0.0, 6.0)).tolist()))
    light = fit_landmarks([off, *pairs[1:]], START).residuals_mm[0]
    heavy = fit_landmarks([replace(off, weight=20.0), *pairs[1:]], START).residuals_mm[0]
    assert heavy < 0.3 * light


def test_the_left_out_error_of_a_wrong_pair_stands_out():
    pairs = list(seen(START, (*FOUR, (15.0, 30.0))))
    pairs[2] = replace(pairs[2], mri_mm=tuple(np.add(pairs[2].mri_mm, (0.0, 0.0, 9.0)).tolist()))
    fit = fit_landmarks(pairs, START)
    assert np.argmax(fit.left_out_mm) == 2
    assert fit.left_out_mm[2] == pytest.approx(9.0, abs=0.01)


def test_no_pair_is_an_error():
    with pytest.raises(RegistrationError) as raised:
        fit_landmarks([], START)
    assert raised.value.message.code == "registration.no_pairs"
    assert residuals_mm(START, []) == ()


def test_one_pair_moves_without_turning_and_says_so():
    fit = fit_landmarks([LandmarkPair((5.0, 10.0), (70.0, -80.0, 0.0))], START, allow_scale=True)
    assert fit.parameters.angles_deg == pytest.approx(START.angles_deg)
    assert fit.residuals_mm == pytest.approx((0.0,), abs=1e-12)
    assert fit.left_out_mm is None
    assert codes(fit) == ["registration.position_only"]


@pytest.mark.parametrize("us_mm", [LINE, LINE[:2], ((-20.0, 10.0), (0.0, 10.2), (20.0, 10.0))])
def test_places_on_a_line_leave_the_turn_about_it_open_and_say_so(us_mm):
    fit = fit_landmarks(seen(replace(START, scale=1.1), us_mm), START, allow_scale=True)
    assert codes(fit)[0] == "registration.turn_open"
    assert fit.parameters.scale == 1.0
    np.testing.assert_allclose(rotation(fit.parameters), rotation(START), atol=1e-9)


@given(pose=poses)
def test_two_pairs_are_met_by_the_smallest_turn(pose):
    rigid = replace(pose, scale=1.0)
    fit = fit_landmarks(seen(rigid, LINE[:2]), START)
    assert max(fit.residuals_mm) < 1e-5
    along = np.array([0.0, 1.0, 0.0])
    before, after = rotation(START) @ along, rotation(rigid) @ along
    turned = rotation(fit.parameters) @ rotation(START).T
    smallest = np.arctan2(np.linalg.norm(np.cross(before, after)), before @ after)
    assert np.arccos(np.clip((np.trace(turned) - 1) / 2, -1, 1)) == pytest.approx(smallest, abs=1e-5)


def test_two_pairs_that_point_backwards_turn_the_plane_by_half_a_circle():
    upright = RegistrationParameters((0.0, 0.0, 0.0))
    pairs = [LandmarkPair((0.0, 0.0), (0.0, 10.0, 0.0)), LandmarkPair((0.0, 10.0), (0.0, 0.0, 0.0))]
    fit = fit_landmarks(pairs, upright)
    assert max(fit.residuals_mm) < 1e-9


@pytest.mark.parametrize("many", [2, 3])
def test_one_mri_point_for_several_us_points_moves_without_turning(many):
    pairs = [LandmarkPair(us, (50.0, -80.0, 10.0)) for us in FOUR[:many]]
    fit = fit_landmarks(pairs, START)
    assert codes(fit)[0] == "registration.position_only"
    np.testing.assert_allclose(rotation(fit.parameters), rotation(START), atol=1e-9)


def test_mri_points_on_a_line_leave_the_turn_about_it_open_and_say_so():
    pairs = [LandmarkPair(us, (us[1], -80.0, 10.0)) for us in FOUR]
    assert codes(fit_landmarks(pairs, START)) == ["registration.turn_open"]


def test_pairs_that_contradict_each_other_never_make_a_scale_of_nothing():
    """US and MRI places that have nothing to do with each other: their covariance is 0."""
    us = [(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0), (0.0, 0.0)]
    mri = [(4.0, 1.0, 0.0), (-4.0, 1.0, 0.0), (-4.0, 1.0, 0.0), (4.0, 1.0, 0.0), (0.0, -4.0, 0.0)]
    pairs = [LandmarkPair(*places) for places in zip(us, mri, strict=True)]
    fit = fit_landmarks(pairs, START, allow_scale=True)
    assert fit.parameters.scale == 0.5
    assert codes(fit) == ["registration.plane_only", "registration.scale_flagged"]


@settings(max_examples=300)
@given(
    pairs=st.lists(
        st.builds(
            LandmarkPair,
            us_mm=st.tuples(*[st.integers(-3, 3)] * 2).map(lambda p: tuple(map(float, p))),
            mri_mm=st.tuples(*[st.integers(-3, 3)] * 3).map(lambda p: tuple(map(float, p))),
        ),
        min_size=1,
        max_size=5,
    ),
    allow_scale=st.booleans(),
)
def test_whatever_is_clicked_the_plane_stays_a_plane(pairs, allow_scale):
    fit = fit_landmarks(pairs, START, allow_scale)
    turn = rotation(fit.parameters)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(turn) == pytest.approx(1.0)
    assert np.isfinite([*fit.parameters.centre_mm, fit.parameters.scale, fit.rms_mm]).all()


def test_pairs_are_fitted_through_the_warp_that_is_there():
    bent = replace(START, warp=(WarpPoint((0.0, 15.0), (4.0, -3.0, 2.0), 25.0),))
    pose = replace(bent, centre_mm=(55.0, -100.0, 0.0), angles_deg=(-5.0, 10.0, 15.0))
    fit = fit_landmarks(seen(pose, FOUR), bent)
    assert fit.rms_mm < 1e-9
    assert fit.parameters.warp == bent.warp
