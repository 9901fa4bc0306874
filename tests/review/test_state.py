"""Reopening a case restores its review: from the record on disk alone."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path

import pytest

from breastview.imaging.case import ImageSource, Role, RoleChoice, ScannedCase, ScannedVolume
from breastview.messages import message
from breastview.records.store import RecordStore
from breastview.records.values import BiRads, new_record
from breastview.review import actions
from breastview.review.history import Review
from breastview.review.state import carried_over, open_state
from tests.records.examples import FINGERPRINT, MOVED, MRI
from tests.review.examples import case, marked, read, scanned, us_still


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


def test_diffusion_that_is_given_its_role_back_keeps_its_b_value():
    diffusion = replace(
        scanned("d", Role.DWI), role=RoleChoice(Role.DWI, message("role.dwi_unknown"), b_value=800.0)
    )
    review = Review(open_state(replace(case(), volumes=(diffusion,)), None))
    for role in (Role.OTHER, Role.DWI):
        review.dispatch(actions.OverrideRole("d", role))
    assert review.state.case.volume("d").role.b_value == 800.0


def test_a_role_of_a_volume_that_is_gone_does_no_harm(tmp_path):
    review = marked()
    review.dispatch(actions.OverrideRole("9.9", Role.DCE))
    assert reopened(review, tmp_path).case.volume(MRI).role.role is Role.T1WI


def on_disk(*volumes: ScannedVolume) -> ScannedCase:
    """The case, its still with a file, and more volumes."""
    still = replace(us_still(), sources=(ImageSource(Path("still"), 0, "1.2"),))
    return replace(case(still), volumes=(*case().volumes, *volumes))


def later(**changes) -> ScannedVolume:
    """A phase of a dynamic series that came after the review."""
    return replace(dynamic("1.2.3.7", 2), **changes)


def dynamic(key: str, phase: int) -> ScannedVolume:
    return replace(scanned(key, Role.DCE), role=RoleChoice(Role.DCE, message("role.dce_alone"), phase=phase))


@pytest.mark.parametrize(
    ("came", "goes_on"),
    [
        (later(), True),
        (later(frame_of_reference_uid="1.3"), False),
        (later(study_uid="1.2.4", exam_date=datetime.date(2026, 3, 5)), False),
        (later(study_uid="1.2.4", role=RoleChoice(Role.MIP, message("role.mip"))), True),
    ],
    ids=["the same", "another space", "another exam", "an exam that is not read"],
)
def test_marks_are_carried_over_where_the_same_exam_is_read_in_the_same_space(came, goes_on):
    record = replace(marked().state.record, case=new_record(on_disk()).case)
    carried = carried_over(record, on_disk(came))
    assert (carried is not None) is goes_on


def test_the_motion_is_carried_over_where_the_same_phases_are_read():
    first = replace(case(), volumes=(*case().volumes, dynamic("1.2.3.5", 1), dynamic("1.2.3.6", 2)))
    motion = replace(MOVED, onto_key="1.2.3.5", volume_key="1.2.3.6")
    record = replace(new_record(first), motions=(motion,))
    still = replace(first, frames=(*first.frames, us_still("1.2.3.9")))
    assert carried_over(record, still).motions == (motion,)
    earlier = [dynamic("1.2.3.4", 1), dynamic("1.2.3.5", 2), dynamic("1.2.3.6", 3)]
    assert carried_over(record, replace(first, volumes=(*case().volumes, *earlier))).motions == ()


def test_a_record_changed_by_hand_loses_the_readings_that_no_longer_belong_to_it(tmp_path):
    review = read()
    review.state = review.state.with_record(replace(review.state.record, registrations=()))
    state = reopened(review, tmp_path)
    assert state.record.readings == ()
    assert not state.model_revealed
