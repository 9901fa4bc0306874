"""Reopening a case restores its review: from the record on disk alone."""

from __future__ import annotations

from dataclasses import replace

from breastview.imaging.case import Role
from breastview.records.store import RecordStore
from breastview.records.values import BiRads
from breastview.review import actions
from breastview.review.state import open_state
from tests.records.examples import FINGERPRINT, MRI
from tests.review.examples import case, marked, read


def reopened(review, folder):
    """Save the review, forget it, scan the case again and open it."""
    RecordStore(folder).save(review.state.record)
    return open_state(case(), RecordStore(folder).load(FINGERPRINT))


def test_a_new_case_opens_empty():
    state = open_state(case(), None)
    assert state.record.case.fingerprint == FINGERPRINT
    assert (state.record.lesions, state.lesion_id, state.model_revealed) == ((), None, False)


def test_reopening_restores_marks_registration_assessment_and_reading(tmp_path):
    review = read()
    state = reopened(review, tmp_path)
    assert replace(state.record, modified=None) == review.state.record
    assert state.record.readings[0].probability == 0.8125
    assert state.record.lesion("L1").bi_rads is BiRads.C4A
    assert state.lesion_id == "L1"
    assert state.model_revealed


def test_reopening_before_the_model_spoke_keeps_it_silent(tmp_path):
    assert not reopened(marked(), tmp_path).model_revealed


def test_reopening_applies_overruled_roles_to_the_case(tmp_path):
    review = marked()
    review.dispatch(actions.OverrideRole(MRI, Role.DCE, phase=2))
    role = reopened(review, tmp_path).case.volume(MRI).role
    assert (role.role, role.phase, role.reason.code) == (Role.DCE, 2, "role.user")


def test_a_role_of_a_volume_that_is_gone_does_no_harm(tmp_path):
    review = marked()
    review.dispatch(actions.OverrideRole("9.9", Role.DCE))
    assert reopened(review, tmp_path).case.volume(MRI).role.role is Role.T1WI


def test_a_record_changed_by_hand_loses_the_readings_that_no_longer_belong_to_it(tmp_path):
    review = read()
    review.state = review.state.with_record(replace(review.state.record, registrations=()))
    state = reopened(review, tmp_path)
    assert state.record.readings == ()
    assert not state.model_revealed
