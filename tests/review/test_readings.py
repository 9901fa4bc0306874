"""When the model may speak, and what drops or refuses its reading."""

from __future__ import annotations

from dataclasses import replace

import pytest

from breastview.imaging.case import Role
from breastview.records.values import BiRads, Pathology, Side
from breastview.registration.parameters import Contour, ContourKind, LandmarkPair
from breastview.review import actions, registering
from breastview.review.actions import Refused
from breastview.review.state import Part
from tests.records.examples import LEFT, MOVED, STILL
from tests.review.examples import (
    ELSEWHERE,
    MRI_MARK,
    US_MARK,
    code,
    marked,
    opened,
    parts,
    read,
    reading,
)

LINE = Contour(ContourKind.LINE, ((-9.0, 5.0), (9.0, 5.0)), ((1.0, 2.0, 3.0), (19.0, 2.0, 3.0)))


@pytest.mark.parametrize(
    ("action", "field", "changed"),
    [
        (actions.MarkUs("L1", replace(US_MARK, left=90.0)), "us", Part.MARKS),
        (actions.MarkUs("L1", replace(US_MARK, frame=1)), "us", Part.MARKS),
        (actions.MarkUs("L1", replace(US_MARK, frames_key="1.2.840.2")), "second_us", Part.MARKS),
        (actions.MarkMri("L1", replace(MRI_MARK, extent_mm=(1.0, 2.0, 3.0))), "mri", Part.MARKS),
        (actions.MarkMri("L1", replace(MRI_MARK, point_mm=(1.0, 2.0, 3.0))), "mri", Part.MARKS),
        (actions.ConfirmSide("L1", Side.RIGHT), "side", Part.LESIONS),
    ],
)
def test_what_the_reading_depends_on_drops_it_in_the_same_action(action, field, changed):
    review = read()
    assert review.dispatch(action) == parts(changed, Part.READING)
    expected = action.side if field == "side" else action.mark
    assert getattr(review.state.record.lesion("L1"), field) == expected
    assert review.state.record.readings == ()


@pytest.mark.parametrize(
    ("action", "changed"),
    [
        (registering.SetRegistration(STILL, 0, ELSEWHERE), parts(Part.REGISTRATION, Part.READING)),
        (registering.AddContour(STILL, 0, LINE), parts(Part.REGISTRATION, Part.READING)),
        (actions.OverrideRole("1.2.3.51", Role.T2WI), parts(Part.ROLES, Part.MOTION, Part.READING)),
        (actions.Calibrate(STILL, (0.2, 0.2)), parts(Part.SCALE, Part.REGISTRATION, Part.READING)),
        (
            registering.AddLandmark(STILL, 0, LandmarkPair((0.0, 0.0), (1.0, 2.0, 3.0))),
            parts(Part.REGISTRATION, Part.READING),
        ),
    ],
)
def test_registration_role_and_scale_drop_the_reading_in_the_same_action(action, changed):
    review = read()
    assert review.dispatch(action) == changed
    assert review.state.record.readings == ()


@pytest.mark.parametrize(
    "action",
    [
        registering.SetRegistration(STILL, 3, ELSEWHERE),
        registering.ConfirmRegistration(STILL, 0),
        registering.KeepSnapshot(STILL, 0, "A"),
        actions.SetPlace("L1", 3.0, 20.0, None),
        actions.SetFinding("L1", BiRads.C5, "larger now"),
        actions.SetPathology("L1", Pathology.MALIGNANT),
        actions.AddLesion(),
    ],
)
def test_what_the_reading_does_not_depend_on_leaves_it(action):
    review = read()
    review.dispatch(action)
    assert review.state.record.readings == (reading(review),)


def test_the_reading_of_another_lesion_stays():
    review = read()
    review.dispatch(actions.AddLesion())
    review.dispatch(actions.MarkUs("L2", replace(US_MARK, frame=1)))
    review.dispatch(registering.SetRegistration(STILL, 1, ELSEWHERE))
    assert [kept.lesion_id for kept in review.state.record.readings] == ["L1"]


def test_the_first_read_needs_a_lesion_and_a_category_for_each():
    review = opened()
    for prepare in ((), (actions.AddLesion(),)):
        for action in prepare:
            review.dispatch(action)
        with pytest.raises(Refused) as raised:
            review.dispatch(actions.CommitFirstRead())
        assert code(raised) == "review.first_read_open"
    assert not review.state.record.first_read_committed


def test_the_model_is_silent_until_the_first_read_is_committed():
    review = marked()
    with pytest.raises(Refused) as raised:
        review.dispatch(actions.RevealModel())
    assert code(raised) == "review.model_locked"
    assert review.dispatch(actions.CommitFirstRead()) == parts(Part.FIRST_READ)
    assert review.state.record.first_read_committed and not review.state.model_revealed
    assert review.dispatch(actions.RevealModel()) == parts(Part.READING)
    assert review.state.model_revealed


def test_the_first_category_stays_whatever_the_reader_thinks_after_the_model_spoke():
    review = read()
    review.dispatch(actions.SetFinding("L1", BiRads.C5))
    review.dispatch(actions.RevealModel())
    lesion = review.state.record.lesion("L1")
    assert (lesion.first_bi_rads, lesion.bi_rads) == (BiRads.C4A, BiRads.C5)


def test_a_lesion_added_after_the_first_read_needs_its_own_before_the_model_speaks_again():
    review = read()
    review.dispatch(actions.AddLesion())
    with pytest.raises(Refused) as raised:
        review.dispatch(actions.RevealModel())
    assert code(raised) == "review.first_read_open"
    review.dispatch(actions.SetFinding("L2", BiRads.C3))
    review.dispatch(actions.RevealModel())
    assert review.state.record.lesion("L2").first_bi_rads is BiRads.C3


def test_a_reading_of_what_stands_here_is_kept_and_replaces_the_older_one():
    review = read()
    newer = replace(reading(review), probability=0.25)
    assert review.dispatch(actions.KeepReading(newer)) == parts(Part.READING)
    assert review.state.record.readings == (newer,)


def test_a_reading_of_an_earlier_state_is_refused():
    review = marked()
    old = reading(review)
    review.dispatch(actions.MarkUs("L1", replace(US_MARK, left=99.0)))
    before = review.state
    with pytest.raises(Refused) as raised:
        review.dispatch(actions.KeepReading(old))
    assert code(raised) == "review.stale_reading"
    assert review.state is before


def test_a_reading_by_another_model_s_hash_is_refused():
    review = marked()
    with pytest.raises(Refused) as raised:
        review.dispatch(actions.KeepReading(replace(reading(review), model_sha256="0" * 64)))
    assert code(raised) == "review.stale_reading"


def test_a_reading_of_a_lesion_that_was_removed_meanwhile_is_refused():
    review = marked()
    late = reading(review)
    review.dispatch(actions.RemoveLesion("L1"))
    with pytest.raises(Refused) as raised:
        review.dispatch(actions.KeepReading(late))
    assert code(raised) == "review.stale_reading"


def test_correcting_motion_drops_the_reading_and_a_phase_that_is_left_does_not():
    review = read()
    review.dispatch(actions.CorrectMotion((LEFT,)))
    assert review.state.record.readings and review.state.record.motions == (LEFT,)
    assert Part.MOTION in review.dispatch(actions.CorrectMotion((MOVED, LEFT)))
    assert not review.state.record.readings
    review.undo()
    assert review.state.record.motions == (LEFT,)
