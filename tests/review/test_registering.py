"""Correspondences, confirmation and snapshots of a registration."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from breastview.records.inputs import input_hash, is_current
from breastview.records.store import decode, encode
from breastview.registration.estimate import RADIUS
from breastview.registration.grade import SURE_MM, Grade, grade_of, lacking
from breastview.registration.outline import Outline
from breastview.registration.parameters import (
    Contour,
    ContourKind,
    LandmarkPair,
    Method,
    RegistrationParameters,
)
from breastview.registration.region import Region, region_of
from breastview.registration.transform import map_points, us_to_mri
from breastview.review import actions, registering
from breastview.review.actions import Refused
from breastview.review.history import Review
from breastview.review.state import Part
from tests.review.examples import POSE, STILL, marked, opened, read, reading

TRUE = RegistrationParameters((64.0, -112.0, 9.0), (5.0, 12.0, -4.0))
LESION_MM = (3.0, 16.0)
AROUND = ((-12.0, 8.0), (14.0, 9.0), (-9.0, 27.0), (11.0, 26.0), (1.0, 30.0))


def pair(us_mm: tuple[float, float]) -> LandmarkPair:
    x, y, z = map_points(TRUE, np.array(us_mm))
    return LandmarkPair(us_mm, (float(x), float(y), float(z)))


def layer(depth_mm: float) -> Contour:
    us = tuple((float(x), depth_mm) for x in np.linspace(-15, 15, 6))
    x, z = (g.ravel() for g in np.meshgrid(np.linspace(-24, 24, 9), np.linspace(-24, 24, 9)))
    cloud = map_points(TRUE, np.column_stack([x, np.full(len(x), depth_mm), z]))
    return Contour(ContourKind.SURFACE, us, tuple((float(a), float(b), float(c)) for a, b, c in cloud))


def present(review: Review) -> RegistrationParameters:
    found = review.state.record.registration(STILL, 0)
    assert found is not None
    return found


def matched() -> Review:
    """A review whose registration has five pairs."""
    review = marked()
    for us_mm in AROUND:
        review.dispatch(registering.AddLandmark(STILL, 0, pair(us_mm)))
    return review


def test_fitting_correspondences_brings_the_lesion_where_they_say():
    review = matched()
    review.dispatch(registering.FitCorrespondences(STILL, 0, LESION_MM))
    off = map_points(present(review), np.array(LESION_MM)) - map_points(TRUE, np.array(LESION_MM))
    assert np.linalg.norm(off) < 1.5
    assert (present(review).method, present(review).warp) == (Method.LANDMARKS, ())


def test_bending_adds_a_local_warp_that_can_be_taken_away_again():
    review = matched()
    review.dispatch(registering.FitCorrespondences(STILL, 0, LESION_MM, bend=True))
    bent = present(review)
    review.dispatch(registering.SetRegistration(STILL, 0, replace(bent, warp=())))
    assert bent.warp and not present(review).warp
    assert present(review).landmarks == bent.landmarks


def test_a_surface_can_be_all_that_there_is():
    review = marked()
    review.dispatch(registering.AddContour(STILL, 0, layer(0.0)))
    review.dispatch(registering.FitCorrespondences(STILL, 0, LESION_MM))
    depth = (map_points(present(review), np.array(LESION_MM)) - map_points(TRUE, np.array(LESION_MM)))[1]
    assert (
        abs(depth)
        < 6.0
        < abs((map_points(POSE, np.array(LESION_MM)) - map_points(TRUE, np.array(LESION_MM)))[1])
    )


def test_points_and_contours_are_weighed_alike():
    review = matched()
    review.dispatch(registering.AddContour(STILL, 0, layer(0.0)))
    review.dispatch(registering.Weigh(STILL, 0, 1, 0.5))
    review.dispatch(registering.Weigh(STILL, 0, len(AROUND), 2.0))
    weights = [item.weight for item in (*present(review).landmarks, *present(review).contours)]
    assert weights == [1.0, 0.5, 1.0, 1.0, 1.0, 2.0]
    assert present(review).centre_mm == POSE.centre_mm


def test_a_predicted_partner_moves_nothing_and_survives_a_fit():
    review = matched()
    guessed = LandmarkPair((20.0, 5.0), (0.0, 0.0, 0.0), predicted=True)
    review.dispatch(registering.FitCorrespondences(STILL, 0, LESION_MM))
    region = region_of(present(review), LESION_MM)
    review.dispatch(registering.AddLandmark(STILL, 0, guessed))
    assert region_of(present(review), LESION_MM).radius_mm == region.radius_mm
    for fit in (registering.FitCorrespondences(STILL, 0, LESION_MM), registering.FitLandmarks(STILL, 0)):
        review.dispatch(fit)
        assert present(review).landmarks[-1] == guessed
    review.dispatch(registering.RemoveLandmark(STILL, 0, len(AROUND)))
    rigid = present(review)
    review.dispatch(registering.FitLandmarks(STILL, 0))
    assert present(review).centre_mm == pytest.approx(rigid.centre_mm)


def test_a_pair_of_a_record_from_before_was_placed():
    old = encode(matched().state.record).replace(b'"predicted": false', b'"name": ""')
    assert b"predicted" not in old
    assert all(not pair.predicted for pair in decode(old).registration(STILL, 0).landmarks)


def test_without_correspondences_there_is_nothing_to_fit():
    with pytest.raises(Refused) as raised:
        marked().dispatch(registering.FitCorrespondences(STILL, 0, LESION_MM))
    assert raised.value.message.code == "registration.no_pairs"


def test_contours_are_removed_by_their_place_and_survive_the_disk():
    review = marked()
    for depth in (0.0, 30.0):
        review.dispatch(registering.AddContour(STILL, 0, layer(depth)))
    assert decode(encode(review.state.record)).registration(STILL, 0) == present(review)
    review.dispatch(registering.RemoveContour(STILL, 0, 0))
    assert present(review).contours == (layer(30.0),)
    with pytest.raises(IndexError):
        review.dispatch(registering.RemoveContour(STILL, 0, 5))


def test_a_change_of_scale_leaves_contours_on_their_pixels():
    review = marked()
    review.dispatch(registering.AddContour(STILL, 0, layer(10.0)))
    review.dispatch(actions.Calibrate(STILL, (0.2, 0.1)))
    assert present(review).contours[0].us_mm == tuple((x, 20.0) for x, _ in layer(10.0).us_mm)


def test_confirming_keeps_the_reading_and_any_change_takes_it_back():
    review = read()
    assert review.dispatch(registering.ConfirmRegistration(STILL, 0)) == {Part.REGISTRATION}
    assert present(review).confirmed and review.state.record.readings
    review.dispatch(registering.SetRegistration(STILL, 0, present(review)))
    assert not present(review).confirmed


def test_grades_rise_from_the_side_to_a_confirmed_place():
    region = region_of(matched_parameters(), LESION_MM)
    wide = Region(region.centre_mm, np.eye(3) * 400.0)
    by_hand = replace(POSE, method=Method.MANUAL)
    assert grade_of(by_hand, wide) is Grade.SIDE
    assert grade_of(replace(POSE, method=Method.CLOCK_FACE), wide) is Grade.REGION
    assert grade_of(matched_parameters(), wide) is Grade.REGION
    assert grade_of(matched_parameters(), region) is Grade.LANDMARKS
    assert grade_of(replace(matched_parameters(), confirmed=True), region) is Grade.CONFIRMED
    assert grade_of(replace(by_hand, confirmed=True), wide) is Grade.SIDE
    x, y, z = region.point_mm
    assert grade_of(matched_parameters(), region, (x + 2.0, y, z)) is Grade.LANDMARKS
    assert grade_of(replace(matched_parameters(), confirmed=True), region, (x + 30.0, y, z)) is Grade.REGION
    assert [g.allows_measuring for g in Grade] == [False, False, True, True]


@pytest.mark.parametrize(
    ("points", "layers", "grade"),
    [(1, 0, Grade.REGION), (2, 0, Grade.REGION), (1, 1, Grade.REGION), (2, 1, Grade.LANDMARKS)],
)
def test_fewer_than_three_correspondences_bear_nothing_out(points, layers, grade):
    near = tuple(pair(us_mm) for us_mm in (LESION_MM, (10.0, 20.0))[:points])
    told = replace(POSE, landmarks=near, contours=(layer(0.0),) * layers)
    region = region_of(told, LESION_MM)
    assert region.radius_mm < SURE_MM
    assert grade_of(told, region) is grade
    assert grade_of(replace(told, confirmed=True), region).allows_measuring is grade.allows_measuring


def test_a_point_on_the_lesion_is_no_surer_for_a_skin_that_fits():
    alone = region_of(replace(POSE, landmarks=(pair(LESION_MM),)), LESION_MM)
    with_skin = region_of(replace(POSE, landmarks=(pair(LESION_MM),), contours=(layer(0.0),)), LESION_MM)
    assert 5.0 < alone.radius_mm < 8.0 and with_skin.radius_mm > 5.0


def test_points_on_the_lesion_are_one_structure_and_share_its_error():
    lesion = Outline(-7.0, 11.0, 13.0, 21.0)
    border = tuple(pair(us_mm) for us_mm in ((-7.0, 16.0), (3.0, 11.0), (13.5, 16.0), (3.0, 20.5)))
    told = replace(POSE, landmarks=border, contours=(layer(0.0),))
    apart, together = (region_of(told, LESION_MM, lesion=mark) for mark in (None, lesion))
    assert apart.radius_mm < 3.0 and together.radius_mm > RADIUS * lesion.shared_mm > 4.0
    assert grade_of(told, apart) is Grade.LANDMARKS and grade_of(told, together, None, lesion) is Grade.REGION
    why_not = lacking(told, together, None, lesion)
    assert (why_not.code, why_not.params) == ("grade.few_apart", {"fewest": 3, "found": 2})
    beside = replace(told, landmarks=(*border, pair((18.0, 20.0))))
    assert grade_of(beside, region_of(beside, LESION_MM, lesion=lesion), None, lesion) is Grade.LANDMARKS


def test_a_place_in_another_plane_is_on_the_lesion_as_far_as_that_is_wide():
    lesion = Outline(-7.0, 11.0, 13.0, 21.0)
    assert lesion.middle_mm == LESION_MM and lesion.shared_mm == pytest.approx(1.77, abs=0.01)
    beside = [[3.0, 16.0, z] for z in (0.0, 10.9, 11.1)] + [[-8.1, 16.0, 0.0], [3.0, 9.9, 0.0]]
    assert lesion.holds(np.array(beside)).tolist() == [True, True, False, False, False]


def test_what_a_grade_lacks_is_told():
    region, wide = region_of(matched_parameters(), LESION_MM), Region(np.zeros(3), np.eye(3) * 400.0)
    x, y, z = region.point_mm
    assert lacking(matched_parameters(), region, (x, y, z)) is None
    assert lacking(replace(POSE, method=Method.TRUTH), None) is None
    told = {
        "grade.few": lacking(replace(POSE, landmarks=(pair(LESION_MM),)), region),
        "grade.no_mark": lacking(matched_parameters(), None),
        "grade.unsure": lacking(matched_parameters(), wide),
        "grade.contradicted": lacking(matched_parameters(), region, (x + 30.0, y, z)),
    }
    assert [found.code for found in told.values()] == list(told)
    assert told["grade.unsure"].params == {"mm": 50, "sure": 10}


def matched_parameters() -> RegistrationParameters:
    return present(matched())


def test_the_region_shrinks_with_every_correspondence_and_holds_the_lesion():
    alone = region_of(POSE, LESION_MM)
    told = region_of(matched_parameters(), LESION_MM)
    assert told.radius_mm < 8.0 < alone.radius_mm
    off = told.centre_mm - map_points(TRUE, np.array(LESION_MM))
    assert off @ np.linalg.solve(told.covariance_mm2, off) < 6.25


def test_a_regions_section_is_an_ellipse_in_the_plane_and_nothing_beside_it():
    region = Region(np.array([10.0, 20.0, 30.0]), np.diag([4.0, 9.0, 16.0]))
    plane = np.eye(4)
    plane[:3, 3] = (0.0, 0.0, 30.0)
    outline = region.section(plane)
    half = np.ptp(outline, axis=0) / 2
    assert outline.mean(axis=0) == pytest.approx([10.0, 20.0], abs=0.3)
    assert half == pytest.approx([5.0, 7.5], rel=0.01)
    plane[2, 3] = 30.0 + 10.1
    assert region.section(plane).shape == (0, 2)


def test_a_snapshot_brings_a_registration_back():
    review = matched()
    review.dispatch(registering.KeepSnapshot(STILL, 0, "pairs"))
    before = present(review)
    review.dispatch(registering.SetRegistration(STILL, 0, TRUE))
    review.dispatch(registering.TakeSnapshot(STILL, 0, "pairs"))
    assert present(review) == before
    assert us_to_mri(present(review)) == pytest.approx(us_to_mri(before))
    with pytest.raises(KeyError):
        review.dispatch(registering.TakeSnapshot(STILL, 0, "other"))


def test_a_snapshot_of_the_same_name_is_replaced_and_undo_brings_it_back():
    review = marked()
    review.dispatch(registering.KeepSnapshot(STILL, 0, "mine"))
    review.dispatch(registering.SetRegistration(STILL, 0, TRUE))
    review.dispatch(registering.KeepSnapshot(STILL, 0, "mine"))
    (kept,) = review.state.record.snapshots
    assert kept.parameters == TRUE
    review.undo()
    assert review.state.record.snapshots[0].parameters == POSE


def test_a_removed_snapshot_leaves_the_others_and_the_registration_and_comes_back_by_undo():
    review = read()
    for name in ("first", "second"):
        review.dispatch(registering.KeepSnapshot(STILL, 0, name))
    review.dispatch(registering.RemoveSnapshot(STILL, 0, "first"))
    assert [kept.name for kept in review.state.record.snapshots] == ["second"]
    assert present(review) == POSE and review.state.record.readings, "what was read stays true"
    review.undo()
    assert [kept.name for kept in review.state.record.snapshots] == ["first", "second"]
    with pytest.raises(KeyError):
        review.dispatch(registering.RemoveSnapshot(STILL, 0, "third"))


def test_there_is_nothing_to_put_aside_without_a_registration():
    with pytest.raises(Refused):
        opened().dispatch(registering.KeepSnapshot(STILL, 0, "none"))


STEP_MM = 2.0


def volume_review() -> Review:
    """A review like `marked`, whose US image is a volume with planes `STEP_MM` apart."""
    review = read()
    frames = tuple(
        replace(f, step_mm=STEP_MM, sources=f.sources * 5) if f.key == STILL else f
        for f in review.state.case.frames
    )
    return Review(replace(review.state, case=replace(review.state.case, frames=frames)))


def test_a_plane_of_a_volume_is_registered_with_all_others():
    review = volume_review()
    review.dispatch(registering.SetRegistration(STILL, 1, TRUE))
    record = review.state.record
    assert len(record.registrations) == 1 and record.readings == ()
    away = np.array([[4.0, 11.0, 3 * STEP_MM]])
    assert map_points(record.registration(STILL, 4), away - [0, 0, 3 * STEP_MM]) == pytest.approx(
        map_points(TRUE, away), abs=1e-9
    )
    assert decode(encode(record)) == record


def test_pairs_of_several_planes_are_fitted_together():
    review = volume_review()
    review.dispatch(registering.SetRegistration(STILL, 0, POSE))
    for frame, us_mm in enumerate(AROUND):
        z_mm = frame * STEP_MM
        x, y, z = map_points(TRUE, np.array([*us_mm, z_mm]))
        review.dispatch(
            registering.AddLandmark(STILL, frame, LandmarkPair(us_mm, (float(x), float(y), float(z))))
        )
    assert [p.elevation_mm for p in review.state.record.registration(STILL, 0).landmarks] == pytest.approx(
        [0.0, 2.0, 4.0, 6.0, 8.0]
    )
    review.dispatch(registering.FitLandmarks(STILL, 2))
    assert us_to_mri(review.state.record.registration(STILL, 0)) == pytest.approx(us_to_mri(TRUE), abs=1e-6)


def test_confirming_one_plane_confirms_its_volume_and_setting_one_sets_that_of_all():
    review = volume_review()
    review.dispatch(registering.SetRegistration(STILL, 1, TRUE))
    review.dispatch(registering.ConfirmRegistration(STILL, 3))
    assert review.state.record.registration(STILL, 0).confirmed
    assert review.state.record.registrations[0].parameters == replace(TRUE, confirmed=True)
    review.dispatch(registering.SetRegistration(STILL, 2, POSE))
    (entry,) = review.state.record.registrations
    assert (entry.frame, entry.parameters) == (2, POSE)


def test_confirming_another_plane_of_a_volume_leaves_the_reading():
    review = volume_review()
    review.dispatch(registering.SetRegistration(STILL, 3, TRUE))
    review.dispatch(actions.KeepReading(reading(review)))
    review.dispatch(registering.ConfirmRegistration(STILL, 1))
    (kept,) = review.state.record.readings
    assert is_current(review.state.record, kept)


def test_where_a_correspondence_was_seen_changes_no_input():
    record = matched().state.record
    (entry,) = record.registrations
    pairs = tuple(replace(p, elevation_mm=2.0) for p in entry.parameters.landmarks)
    beside = record.with_registration(
        replace(entry, parameters=replace(entry.parameters, landmarks=pairs, contours=()))
    )
    assert input_hash(beside, "L1", "model") == input_hash(record, "L1", "model")
