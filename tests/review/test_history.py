"""Undo and redo: one drag is one step, barriers are not crossed, what is refused changes nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breastview.imaging.case import Role
from breastview.records.inputs import is_current
from breastview.records.values import BiRads, Side
from breastview.review import actions, registering
from breastview.review.actions import Refused
from breastview.review.history import EVERYTHING
from breastview.review.state import Part
from tests.records.examples import MRI, READING, STILL
from tests.review.examples import MRI_MARK, POSE, US_MARK, marked, opened, read, reading


def shifted(x: float) -> registering.SetRegistration:
    return registering.SetRegistration(STILL, 0, replace(POSE, centre_mm=(x, -120.0, 12.0)))


def x_mm(review) -> float:
    return review.state.record.registration(STILL, 0).centre_mm[0]


def test_steps_are_undone_and_redone_one_by_one():
    review = marked()
    states = [review.state]
    for x in (1.0, 2.0, 3.0):
        review.dispatch(shifted(x))
        states.append(review.state)
    for state in reversed(states[:-1]):
        assert review.undo() == EVERYTHING
        assert review.state is state
    for state in states[1:]:
        assert review.redo() == EVERYTHING
        assert review.state is state
    assert review.redo() == frozenset()


def test_an_empty_history_has_nothing_to_undo():
    review = opened()
    assert review.undo() == frozenset() == review.redo()


def test_a_new_change_ends_the_redo():
    review = marked()
    review.dispatch(shifted(1.0))
    review.undo()
    review.dispatch(shifted(2.0))
    assert review.redo() == frozenset() and x_mm(review) == 2.0


def test_undoing_a_role_undoes_it_in_the_case_too():
    review = opened()
    review.dispatch(actions.OverrideRole(MRI, Role.DCE, phase=1))
    review.undo()
    assert review.state.case.volume(MRI).role.role is Role.T1WI
    assert review.state.record.roles == ()


def test_a_drag_is_one_step():
    review = marked()
    before = review.state
    review.begin()
    for x in range(50):
        assert review.dispatch(shifted(float(x))) == {Part.REGISTRATION, Part.READING}
    review.commit()
    assert x_mm(review) == 49.0
    review.undo()
    assert review.state is before
    review.redo()
    assert x_mm(review) == 49.0


def test_a_drag_that_is_given_up_leaves_no_trace():
    review = marked()
    review.dispatch(shifted(1.0))
    review.undo()
    before = review.state
    review.begin()
    review.dispatch(shifted(5.0))
    assert review.abort() == EVERYTHING
    assert review.state is before
    review.redo()
    assert x_mm(review) == 1.0


def test_a_drag_that_moved_nothing_is_no_step():
    review = marked()
    review.dispatch(shifted(1.0))
    review.begin()
    review.commit()
    review.begin()
    assert review.abort() == frozenset()
    review.undo()
    assert x_mm(review) == 60.0


def test_nothing_is_undone_in_the_middle_of_a_drag():
    review = marked()
    review.begin()
    review.dispatch(shifted(1.0))
    assert review.undo() == frozenset()
    assert x_mm(review) == 1.0
    review.commit()
    review.undo()
    assert x_mm(review) == 60.0


def test_a_drag_whose_end_was_missed_is_a_step_of_its_own():
    review = marked()
    review.begin()
    review.dispatch(shifted(1.0))
    review.begin()
    review.dispatch(shifted(2.0))
    review.commit()
    review.undo()
    assert x_mm(review) == 1.0
    review.undo()
    assert x_mm(review) == 60.0


def test_ending_what_was_not_begun_does_nothing():
    review = marked()
    before = review.state
    review.commit()
    assert review.abort() == frozenset()
    assert review.state is before


@pytest.mark.parametrize("barrier", [actions.CommitFirstRead(), actions.RevealModel()])
def test_undo_does_not_cross_a_barrier(barrier):
    review = marked()
    if isinstance(barrier, actions.RevealModel):
        review.dispatch(actions.CommitFirstRead())
        review.dispatch(actions.SetFinding("L1", BiRads.C5))
    review.dispatch(barrier)
    beyond = review.state
    assert review.undo() == frozenset() == review.redo()
    review.dispatch(shifted(1.0))
    review.undo()
    assert review.undo() == frozenset()
    assert review.state is beyond


@pytest.mark.parametrize("end", ["commit", "abort"])
def test_a_barrier_in_the_middle_of_a_drag_is_not_crossed_either(end):
    review = marked()
    review.begin()
    review.dispatch(shifted(1.0))
    review.dispatch(actions.CommitFirstRead())
    review.dispatch(shifted(2.0))
    getattr(review, end)()
    review.undo()
    review.undo()
    assert review.state.record.first_read_committed
    assert x_mm(review) == 1.0


def test_what_is_refused_changes_neither_state_nor_history():
    review = marked()
    review.dispatch(shifted(1.0))
    review.undo()
    before = review.state
    for action in (actions.RevealModel(), registering.FitLandmarks(STILL, 7)):
        with pytest.raises(Refused):
            review.dispatch(action)
    assert review.state is before
    review.redo()
    assert x_mm(review) == 1.0


def test_a_reading_dropped_by_a_change_returns_with_its_undo():
    review = read()
    kept = review.state.record.readings
    review.dispatch(actions.MarkMri("L1", replace(MRI_MARK, point_mm=(0.0, 0.0, 0.0))))
    assert review.state.record.readings == ()
    review.undo()
    assert review.state.record.readings == kept


EDITS = st.sampled_from(
    [
        actions.AddLesion(),
        actions.RemoveLesion("L1"),
        actions.MarkUs("L1", US_MARK),
        actions.MarkUs("L1", replace(US_MARK, frame=1)),
        actions.MarkMri("L1", MRI_MARK),
        actions.MarkMri("L1", replace(MRI_MARK, point_mm=(1.0, 2.0, 3.0))),
        actions.ConfirmSide("L1", Side.RIGHT),
        registering.SetRegistration(STILL, 0, POSE),
        registering.SetRegistration(STILL, 1, replace(POSE, scale=1.1)),
        registering.ConfirmRegistration(STILL, 0),
        actions.OverrideRole(MRI, Role.T2WI),
        actions.Calibrate(STILL, (0.2, 0.2)),
        actions.SetFinding("L1", BiRads.C3),
        "read",
        "undo",
        "redo",
        "begin",
        "commit",
        "abort",
    ]
)


@given(edits=st.lists(EDITS, max_size=25))
def test_whatever_is_done_no_reading_is_ever_stale(edits):
    review = read()
    for edit in edits:
        known = [lesion.lesion_id for lesion in review.state.record.lesions]
        if edit == "read":
            for lesion_id in known:
                review.dispatch(actions.KeepReading(reading(review, lesion_id)))
        elif isinstance(edit, str):
            getattr(review, edit)()
        elif getattr(edit, "lesion_id", "L1") in known or isinstance(edit, actions.AddLesion):
            review.dispatch(edit)
        record = review.state.record
        assert all(is_current(record, kept) for kept in record.readings)
        assert review.state.lesion_id in {None, *(lesion.lesion_id for lesion in record.lesions)}
        assert record.first_read_committed and review.state.model_revealed


def test_undo_leaves_a_reading_that_came_since_and_still_holds():
    review = read()
    review.dispatch(actions.SetFinding("L1", BiRads.C4A, "typed while the model ran"))
    late = replace(reading(review), probability=0.9)
    review.dispatch(actions.KeepReading(late))
    review.undo()
    assert review.state.record.lesion("L1").comment == "" and review.state.record.readings == (late,)


def test_undo_leaves_no_reading_of_what_is_undone():
    review = read()
    review.dispatch(shifted(5.0))
    review.dispatch(actions.KeepReading(replace(reading(review), probability=0.9)))
    review.undo()
    assert [one.probability for one in review.state.record.readings] == [READING.probability]
    review.redo()
    assert all(is_current(review.state.record, one) for one in review.state.record.readings)
