"""Every correspondence helps, says how far it can be believed, and is no surer than it may be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from breastview.registration import adopt
from breastview.registration.estimate import RADIUS, Start, estimate
from breastview.registration.landmarks import fit_landmarks
from breastview.registration.parameters import Contour, ContourKind, LandmarkPair, RegistrationParameters
from breastview.registration.population import AVERAGE, Population, calibration, independent, linear_of
from breastview.registration.transform import map_points, rotation
from tests.benchmarks.rigid_error import rigid_error

LESION_US = np.array([3.0, 18.0, 0.0])
LESION_MRI = np.array([60.0, -10.0, 20.0])
TURN = rotation(RegistrationParameters((0.0, 0.0, 0.0), (12.0, 75.0, -8.0)))
FLATTENED = np.diag([0.85, 1.4, 0.85])  # what the probe and lying down do to the breast
AROUND = np.array([[-14.0, 10.0, 0], [15.0, 9.0, 0], [-10.0, 30.0, 0], [12.0, 28.0, 0], [2.0, 33.0, 0]])


STRAIGHT = Population(bowl=0.0, bent=(0.0, 0.0, 0.0), field_mm=0.0)
RIGID = independent(np.eye(3), np.where(np.eye(3, dtype=bool), 0.02, 0.3), -0.65)
BESIDE_US = np.array([3.0, 18.0, 12.0])


def truth(us_mm: np.ndarray) -> np.ndarray:
    """A bent map: turned, flattened, and curved along its depth."""
    bent = us_mm - LESION_US
    bent = bent @ FLATTENED.T + np.column_stack([0.01 * bent[:, 1] ** 2, 0 * bent[:, 0], 0.06 * bent[:, 1]])
    return LESION_MRI + bent @ TURN.T


def start(error_mm=(8.0, -6.0, 5.0), turned_deg=10.0) -> Start:
    usual = rotation(RegistrationParameters((0.0, 0.0, 0.0), (0.0, 75.0 + turned_deg, 0.0)))
    return Start(LESION_US, LESION_MRI + np.array(error_mm), np.diag([100.0, 100.0, 64.0]), usual)


def pairs(count: int, click_mm: float = 0.0, seed: int = 0) -> list[LandmarkPair]:
    rng = np.random.default_rng(seed)
    us, mri = AROUND[:count], truth(AROUND[:count])
    us = us[:, :2] + rng.normal(0, click_mm, (count, 2))
    mri = mri + rng.normal(0, click_mm, (count, 3))
    return [
        LandmarkPair((float(u[0]), float(u[1])), (float(m[0]), float(m[1]), float(m[2])))
        for u, m in zip(us, mri, strict=True)
    ]


def surface(kind: ContourKind, depth_mm: float) -> Contour:
    """A layer at one depth: a line of clicks in US, a cloud of points in MRI."""
    across = np.column_stack([np.linspace(-16, 16, 7), np.full(7, depth_mm), np.zeros(7)])
    x, z = (g.ravel() for g in np.meshgrid(np.linspace(-30, 30, 13), np.linspace(-30, 30, 13)))
    if kind is ContourKind.LINE:
        x, z = np.linspace(-30, 30, 25), np.zeros(25)
    cloud = truth(np.column_stack([x, np.full(len(x), depth_mm), z]))
    return Contour(
        kind,
        tuple((float(p[0]), float(p[1])) for p in across),
        tuple((float(p[0]), float(p[1]), float(p[2])) for p in cloud),
    )


def missed_mm(found) -> float:
    return float(np.linalg.norm(found.at(LESION_US)[0][0] - LESION_MRI))


def size_mm(found) -> float:
    """Mean semi-axis of the 90 % ellipsoid."""
    return float(RADIUS * np.sqrt(np.linalg.eigvalsh(found.at(LESION_US)[1][0])).mean())


def test_without_correspondences_the_answer_is_the_start_and_its_spread():
    found = estimate([], [], start())
    place, covariance = found.at(LESION_US)
    assert place[0] == pytest.approx(start().mri_mm)
    expected = np.diag(start().covariance_mm2) + Population().field_mm ** 2
    assert np.diag(covariance[0]) == pytest.approx(expected)


def test_each_pair_brings_the_lesion_nearer_and_the_ellipsoid_smaller():
    found = [estimate(pairs(count), [], start()) for count in range(6)]
    sizes = [size_mm(one) for one in found]
    assert sizes == sorted(sizes, reverse=True)
    assert missed_mm(found[0]) > 10 > missed_mm(found[2]) and missed_mm(found[5]) < 1.5


def test_pairs_of_one_plane_leave_the_way_through_it_less_sure():
    covariance = estimate(pairs(5), [], start()).at(BESIDE_US)[1][0]
    own = np.sqrt(np.diag(TURN.T @ covariance @ TURN))
    assert own[0] > 1.5 and own[1] > 1.5
    assert own.max() < np.sqrt(np.diag(estimate([], [], start()).at(BESIDE_US)[1][0])).max()


@pytest.mark.parametrize("kind", list(ContourKind))
def test_a_surface_fixes_the_depth_and_a_line_the_way_across_too(kind):
    found = estimate(pairs(1), [surface(kind, 2.0), surface(kind, 34.0)], start())
    plain = estimate(pairs(1), [], start())
    assert missed_mm(found) < missed_mm(plain) and size_mm(found) < size_mm(plain)
    off = TURN.T @ (found.at(LESION_US)[0][0] - LESION_MRI)
    assert abs(off[1]) < 1.5
    if kind is ContourKind.LINE:
        assert abs(off[2]) < 2.5


def test_more_points_on_one_surface_do_not_make_its_match_surer_without_end():
    few = surface(ContourKind.SURFACE, 34.0)
    many = replace(few, us_mm=tuple((float(x), 34.0) for x in np.linspace(-16, 16, 49)))
    below = np.array([0.0, 34.0, 0.0])
    across_mm = [
        float(np.sqrt((TURN.T @ estimate([], [one], start()).at(below)[1][0] @ TURN)[1, 1]))
        for one in (few, many)
    ]
    assert across_mm[1] > 0.9 and across_mm[1] > 0.6 * across_mm[0]


def test_the_error_of_a_click_is_found_from_how_well_the_pairs_agree():
    def drawn(click_mm: float) -> float:
        rng = np.random.default_rng(3)
        us = rng.uniform([-18, 4, 0], [18, 36, 0], (14, 3))
        mri = LESION_MRI + (us - LESION_US) @ TURN.T + rng.normal(0, click_mm, us.shape)
        seen = us[:, :2] + rng.normal(0, click_mm, (14, 2))
        clicked = [LandmarkPair(tuple(u), tuple(m)) for u, m in zip(seen, mri, strict=True)]
        return estimate(clicked, [], replace(start(), linear=RIGID), STRAIGHT).click_mm

    assert [drawn(0.5), drawn(1.0), drawn(2.2)] == pytest.approx([0.5, 1.0, 2.2], rel=0.35)


def test_a_weight_pulls():
    agreed, odd = pairs(3), LandmarkPair((2.0, 20.0), (75.0, -10.0, 20.0), weight=0.01)
    trusted = LandmarkPair(odd.us_mm, odd.mri_mm, weight=4.0)
    assert missed_mm(estimate([*agreed, odd], [], start())) < missed_mm(
        estimate([*agreed, trusted], [], start())
    )


def test_the_ellipsoid_holds_the_truth_nine_times_in_ten():
    """The map is drawn from the population that the estimate believes in, without a bend or a field."""
    rng, held = np.random.default_rng(1), []
    for _ in range(200):
        begin = start((0.0, 0.0, 0.0))
        linear = rng.multivariate_normal(AVERAGE.mean.ravel(), AVERAGE.covariance).reshape(3, 3)
        place = rng.normal(0, np.sqrt(np.diag(begin.turn.T @ begin.covariance_mm2 @ begin.turn)))

        def drawn(us_mm, linear=linear, place=place, begin=begin):
            return begin.mri_mm + ((us_mm - LESION_US) @ linear.T + place) @ begin.turn.T

        clicked = [
            LandmarkPair(
                (float(u[0] + rng.normal()), float(u[1] + rng.normal())), tuple(m + rng.normal(0, 1, 3))
            )
            for u, m in zip(AROUND, drawn(AROUND), strict=True)
        ]
        mean, covariance = estimate(clicked, [], begin, STRAIGHT).at(LESION_US)
        off = mean[0] - drawn(LESION_US[None])[0]
        held.append(off @ np.linalg.solve(covariance[0], off) < RADIUS**2)
    assert 0.85 < np.mean(held) < 0.96


def test_what_is_kept_goes_through_the_estimate_at_the_lesion():
    found = estimate(pairs(5), [], start())
    pose = adopt.rigid(found, LESION_US, RegistrationParameters((0.0, 0.0, 0.0)))
    expected = found.at(LESION_US)[0]
    assert map_points(pose, LESION_US[None]) == pytest.approx(expected, abs=1e-6)
    assert (pose.scale, pose.warp) == (1.0, ())


def test_a_local_warp_follows_the_estimate_where_a_pose_cannot():
    found = estimate(pairs(5), [], start())
    pose = adopt.rigid(found, LESION_US, RegistrationParameters((0.0, 0.0, 0.0)))
    warped = adopt.with_warp(found, LESION_US, pose)
    stiff, bent = (
        np.linalg.norm(map_points(kept, AROUND) - truth(AROUND), axis=1).mean() for kept in (pose, warped)
    )
    assert bent < 0.5 * stiff
    assert map_points(warped, LESION_US[None]) == pytest.approx(found.at(LESION_US)[0], abs=0.1)
    assert adopt.FOLDED <= adopt.least_area(warped.warp) < 1.0


def test_a_warp_that_turns_the_plane_over_is_known_to_fold():
    mirror = [LandmarkPair((x, 20.0), (60.0 - 3 * x, -10.0, 20.0)) for x in (-12.0, 0.0, 12.0)]
    begin = Start(LESION_US, LESION_MRI, np.eye(3), np.eye(3))
    found = estimate(mirror, [], begin)
    kept = adopt.with_warp(found, LESION_US, RegistrationParameters(tuple(LESION_MRI - LESION_US)))
    assert adopt.relative_area(kept.warp, AROUND[:, :2]).min() >= adopt.FOLDED


@pytest.mark.parametrize("click_mm", [0.7, 1.5])
def test_after_a_rigid_fit_the_ellipsoid_holds_the_truth_nine_times_in_ten(click_mm):
    pose, rng, held = (
        RegistrationParameters((40.0, -60.0, 10.0), (20.0, 30.0, 5.0)),
        np.random.default_rng(2),
        [],
    )
    for _ in range(300):
        us = AROUND[:, :2] + rng.normal(0, click_mm, (5, 2))
        mri = map_points(pose, AROUND) + rng.normal(0, click_mm, (5, 3))
        clicked = [LandmarkPair(tuple(u), tuple(m)) for u, m in zip(us, mri, strict=True)]
        fitted = fit_landmarks(clicked, RegistrationParameters((0.0, 0.0, 0.0))).parameters
        told = rigid_error(clicked, fitted, (3.0, 18.0))
        off = map_points(fitted, LESION_US) - map_points(pose, LESION_US)
        held.append(off @ np.linalg.solve(told.covariance_mm2, off) < told.radius**2)
    assert 0.85 < np.mean(held) < 0.96


def test_a_rigid_fit_is_surest_amid_its_pairs():
    fitted = fit_landmarks(pairs(5, 1.0), RegistrationParameters((0.0, 0.0, 0.0))).parameters
    middle = tuple(np.mean([pair.us_mm for pair in pairs(5)], axis=0))
    beside = (middle[0] + 40.0, middle[1])
    amid, off = (
        np.trace(rigid_error(pairs(5, 1.0), fitted, place).covariance_mm2) for place in (middle, beside)
    )
    assert amid < off / 2


@pytest.mark.parametrize("side", ["L", "R"])
def test_under_a_flank_the_tissue_is_pressed_from_the_side(side):
    """A step into the depth of the picture leads back, and inward from the skin that the probe stands on."""
    inward = np.array([-0.8 if side == "L" else 0.8, 0.6, 0.0])
    step = linear_of(side, inward, np.eye(3)).mean @ np.array([0.0, 1.0, 0.0])
    assert step[1] > 1.0 and step[0] * inward[0] > 0.05


def test_the_linear_part_is_the_same_map_however_the_probe_is_turned():
    inward = np.array([0.3, 0.9, 0.3])
    straight, turned = (linear_of("L", inward, turn) for turn in (np.eye(3), TURN))
    both = np.kron(TURN, TURN)
    assert TURN @ turned.mean @ TURN.T == pytest.approx(straight.mean)
    assert both @ turned.covariance @ both.T == pytest.approx(straight.covariance)
    assert both @ turned.by_place @ TURN.T == pytest.approx(straight.by_place)


def test_an_ellipsoid_is_stretched_where_contours_were_matched_and_less_with_more_pairs():
    assert calibration(1, 2, 1.5) > calibration(3, 2, 1.5) > 1 > calibration(3, 0, 0.7)
    found = estimate(pairs(3), [], start())
    plain = replace(found, stretch=1.0).at(LESION_US)[1]
    assert found.at(LESION_US)[1] == pytest.approx(calibration(3, 0, found.click_mm) * plain)
    assert estimate([], [], start()).stretch == 1.0
