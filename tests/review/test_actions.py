"""Every action: what it does to the review, and which parts it says to have changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from breastview.imaging.case import Role
from breastview.records.values import BiRads, Calibration, Pathology, RoleOverride
from breastview.registration.parameters import LandmarkPair, Method, WarpPoint
from breastview.registration.transform import map_points
from breastview.review import actions, registering
from breastview.review.actions import Refused
from breastview.review.history import Review
from breastview.review.state import Part, open_state
from tests.records.examples import MOVED, MRI, STILL
from tests.review.examples import (
    ELSEWHERE,
    POSE,
    US_MARK,
    case,
    code,
    marked,
    opened,
    parts,
    read,
    reading,
    us_still,
)

OTHER = "1.2.840.2"  # another US picture
SECOND_MARK = replace(US_MARK, frames_key=OTHER, left=110.0)


def test_lesions_are_numbered_and_the_new_one_is_chosen():
    review = opened()
    assert review.dispatch(actions.AddLesion()) == parts(Part.LESIONS, Part.SELECTION)
    review.dispatch(actions.AddLesion())
    assert [lesion.lesion_id for lesion in review.state.record.lesions] == ["L1", "L2"]
    assert review.state.lesion_id == "L2"


def test_a_removed_lesion_takes_marks_and_reading_along_and_its_number_is_free():
    review = read()
    review.dispatch(actions.AddLesion())
    changed = review.dispatch(actions.RemoveLesion("L1"))
    assert changed == parts(Part.LESIONS, Part.MARKS, Part.READING, Part.SELECTION)
    assert review.state.record.readings == ()
    assert review.state.lesion_id == "L2"
    review.dispatch(actions.AddLesion())
    assert [lesion.lesion_id for lesion in review.state.record.lesions] == ["L2", "L1"]
    assert review.state.record.lesion("L1").us is None


def test_removing_the_last_lesion_leaves_none_chosen():
    review = marked()
    review.dispatch(actions.RemoveLesion("L1"))
    assert review.state.lesion_id is None


def test_choosing_a_lesion_is_no_step_of_the_history():
    review = marked()
    review.dispatch(actions.AddLesion())
    assert review.dispatch(actions.SelectLesion("L1")) == parts(Part.SELECTION)
    assert review.state.lesion_id == "L1"
    review.undo()
    assert [lesion.lesion_id for lesion in review.state.record.lesions] == ["L1"]


@pytest.mark.parametrize(
    ("drawn", "first", "second"),
    [
        (replace(US_MARK, left=90.0), replace(US_MARK, left=90.0), None),
        (replace(US_MARK, frame=3), replace(US_MARK, frame=3), None),
        (SECOND_MARK, US_MARK, SECOND_MARK),
    ],
)
def test_a_box_on_the_marked_picture_moves_the_mark_and_on_another_it_is_the_second_view(
    drawn, first, second
):
    review = read()
    assert review.dispatch(actions.MarkUs("L1", drawn)) == parts(Part.MARKS, Part.READING)
    lesion = review.state.record.lesion("L1")
    assert (lesion.us, lesion.second_us) == (first, second)
    assert review.state.record.readings == ()


def test_the_first_box_is_the_mark_and_each_further_one_moves_the_view_of_its_picture():
    review = opened()
    review.dispatch(actions.AddLesion())
    moved, third = replace(SECOND_MARK, frame=2), replace(SECOND_MARK, frames_key="1.2.840.3")
    for drawn, views in (
        (US_MARK, (US_MARK,)),
        (SECOND_MARK, (US_MARK, SECOND_MARK)),
        (moved, (US_MARK, moved)),
        (replace(US_MARK, top=70.0), (replace(US_MARK, top=70.0), moved)),
        (third, (replace(US_MARK, top=70.0), third)),
    ):
        review.dispatch(actions.MarkUs("L1", drawn))
        assert review.state.record.lesion("L1").views == views


def with_two_views() -> Review:
    """A review whose lesion the model read in two US pictures."""
    review = Review(open_state(case(us_still(), us_still(OTHER)), read().state.record))
    review.dispatch(actions.MarkUs("L1", SECOND_MARK))
    review.dispatch(actions.KeepReading(reading(review)))
    return review


@pytest.mark.parametrize(
    ("action", "views"),
    [
        (actions.SwapViews("L1"), (SECOND_MARK, US_MARK)),
        (actions.RemoveSecondView("L1"), (US_MARK,)),
    ],
)
def test_views_are_swapped_and_the_second_is_removed_without_the_reading_and_undo_brings_all_back(
    action, views
):
    review = with_two_views()
    before = review.state.record
    assert review.dispatch(action) == parts(Part.MARKS, Part.READING)
    assert review.state.record.lesion("L1").views == views
    assert review.state.record.readings == () and review.state.record.registrations == before.registrations
    review.undo()
    assert review.state.record == before and before.readings


def test_one_view_cannot_be_swapped():
    with pytest.raises(Refused) as raised:
        marked().dispatch(actions.SwapViews("L1"))
    assert code(raised) == "review.no_second_view"


@pytest.mark.parametrize(
    "action", [actions.Calibrate(OTHER, (0.2, 0.2)), registering.SetRegistration(OTHER, 0, ELSEWHERE)]
)
def test_scale_and_registration_of_the_second_view_leave_the_reading(action):
    review = with_two_views()
    review.dispatch(action)
    assert review.state.record.readings == (reading(review),)


def test_the_report_s_words_and_the_assessment_are_kept():
    review = marked()
    assert review.dispatch(actions.SetPlace("L1", 2.5, 35.0, 12.0)) == parts(Part.LESIONS)
    assert review.dispatch(actions.SetFinding("L1", BiRads.C3, "smooth")) == parts(Part.FINDING)
    assert review.dispatch(actions.SetPathology("L1", Pathology.BENIGN)) == parts(Part.FINDING)
    lesion = review.state.record.lesion("L1")
    assert (lesion.clock_h, lesion.nipple_distance_mm, lesion.depth_mm) == (2.5, 35.0, 12.0)
    assert (lesion.bi_rads, lesion.comment, lesion.pathology) == (BiRads.C3, "smooth", Pathology.BENIGN)


def test_a_registration_is_set_for_its_frame():
    review = marked()
    review.dispatch(registering.SetRegistration(STILL, 1, ELSEWHERE))
    assert review.state.record.registration(STILL, 0) == POSE
    assert review.state.record.registration(STILL, 1) == ELSEWHERE
    review.dispatch(registering.SetRegistration(STILL, 0, ELSEWHERE))
    assert review.state.record.registration(STILL, 0) == ELSEWHERE
    assert len(review.state.record.registrations) == 2


def test_pairs_leave_the_pose_until_they_are_fitted():
    review = marked()
    for us in ((-15.0, 5.0), (12.0, 8.0), (3.0, 30.0), (-6.0, 22.0)):
        pair = LandmarkPair(us, tuple(map_points(ELSEWHERE, us).tolist()))
        assert review.dispatch(registering.AddLandmark(STILL, 0, pair)) == parts(
            Part.REGISTRATION, Part.READING
        )
    assert review.state.record.registration(STILL, 0).centre_mm == POSE.centre_mm
    assert review.dispatch(registering.FitLandmarks(STILL, 0)) == parts(Part.REGISTRATION, Part.READING)
    fitted = review.state.record.registration(STILL, 0)
    assert fitted.centre_mm == pytest.approx(ELSEWHERE.centre_mm)
    assert fitted.angles_deg == pytest.approx(ELSEWHERE.angles_deg)
    assert (fitted.method, len(fitted.landmarks)) == (Method.LANDMARKS, 4)


def test_a_pose_whose_pairs_were_changed_is_no_longer_called_fitted():
    review = marked()
    pairs = tuple(LandmarkPair((float(n), 0.0), (0.0, 0.0, 0.0)) for n in range(3))
    review.dispatch(
        registering.SetRegistration(STILL, 0, replace(POSE, method=Method.LANDMARKS, landmarks=pairs))
    )
    review.dispatch(registering.RemoveLandmark(STILL, 0, 1))
    left = review.state.record.registration(STILL, 0)
    assert left.landmarks == (pairs[0], pairs[2])
    assert left.method is Method.MANUAL
    for place in (-1, 2):
        with pytest.raises(IndexError):
            review.dispatch(registering.RemoveLandmark(STILL, 0, place))
    assert review.state.record.registration(STILL, 0) is left


@pytest.mark.parametrize(
    "action",
    [
        registering.AddLandmark(STILL, 4, LandmarkPair((0.0, 0.0), (0.0, 0.0, 0.0))),
        registering.RemoveLandmark(STILL, 4, 0),
        registering.FitLandmarks(STILL, 4),
    ],
)
def test_pairs_need_a_registration_first(action):
    review = marked()
    before = review.state
    with pytest.raises(Refused) as raised:
        review.dispatch(action)
    assert code(raised) == "review.no_registration"
    assert review.state is before


def test_an_overruled_role_is_in_the_case_and_in_the_record():
    review = opened()
    review.dispatch(actions.OverrideRole(MRI, Role.DWI, b_value=50.0))
    review.dispatch(actions.OverrideRole(MRI, Role.DWI, b_value=800.0))
    choice = review.state.case.volume(MRI).role
    assert (choice.role, choice.b_value, choice.reason.code) == (Role.DWI, 800.0, "role.user")
    assert review.state.record.roles == (RoleOverride(MRI, Role.DWI, b_value=800.0),)


def test_a_calibration_replaces_an_older_one_of_the_same_image():
    review = opened()
    review.dispatch(actions.Calibrate(STILL, (0.2, 0.2)))
    review.dispatch(actions.Calibrate(STILL, (0.3, 0.3)))
    assert review.state.record.calibrations == (Calibration(STILL, (0.3, 0.3)),)


def test_places_clicked_on_ultrasound_stay_on_their_pixels_when_the_scale_changes():
    """The header said 0.1 mm a pixel; the reader measures twice that, then half again across."""
    pose = replace(
        POSE,
        landmarks=(LandmarkPair((-8.0, 12.0), (1.0, 2.0, 3.0)),),
        warp=(WarpPoint((4.0, 15.0), (1.0, 0.0, 0.0), 10.0),),
    )
    review = marked()
    review.dispatch(registering.SetRegistration(STILL, 0, pose))
    review.dispatch(registering.SetRegistration("other", 0, pose))
    review.dispatch(actions.Calibrate(STILL, (0.2, 0.2)))
    review.dispatch(actions.Calibrate(STILL, (0.2, 0.3)))
    kept = review.state.record.registration(STILL, 0)
    assert kept.landmarks[0].us_mm == pytest.approx((-24.0, 24.0))
    assert kept.landmarks[0].mri_mm == (1.0, 2.0, 3.0)
    assert kept.warp[0].us_mm == pytest.approx((12.0, 30.0))
    assert kept.centre_mm == pose.centre_mm
    assert review.state.record.registration("other", 0) == pose


def test_a_snapshot_keeps_its_places_on_their_pixels_too():
    pose = replace(POSE, landmarks=(LandmarkPair((-8.0, 12.0), (1.0, 2.0, 3.0)),))
    review = marked()
    review.dispatch(registering.SetRegistration(STILL, 0, pose))
    review.dispatch(registering.KeepSnapshot(STILL, 0, "A"))
    review.dispatch(actions.Calibrate(STILL, (0.2, 0.2)))
    stayed = review.state.record.registration(STILL, 0)
    review.dispatch(registering.TakeSnapshot(STILL, 0, "A"))
    assert review.state.record.registration(STILL, 0).landmarks == stayed.landmarks != pose.landmarks


def test_a_first_scale_has_nothing_to_move():
    review = Review(open_state(case(us_still(spacing_mm=None)), None))
    review.dispatch(registering.SetRegistration(STILL, 0, POSE))
    review.dispatch(actions.Calibrate(STILL, (0.2, 0.2)))
    assert review.state.record.registration(STILL, 0) == POSE


def test_another_role_drops_the_motion_that_was_found_between_the_former_phases():
    review = marked()
    review.dispatch(actions.CorrectMotion((MOVED,)))
    review.dispatch(actions.OverrideRole(MRI, Role.OTHER))
    assert review.state.record.motions == ()
