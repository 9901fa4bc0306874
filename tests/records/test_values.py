"""The record as a value: what is looked up in it and put into it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from breastview.imaging.case import (
    Patient,
    Role,
    RoleChoice,
    ScannedCase,
    ScannedFrames,
    ScannedVolume,
)
from breastview.messages import message
from breastview.records.values import BiRads, FrameRegistration, Lesion, clock_label, new_record
from breastview.registration.parameters import RegistrationParameters
from tests.records.examples import FINGERPRINT, LESION, POSE, RECORD, STILL


def test_a_lesion_is_found_by_its_name():
    assert RECORD.lesion("L1") is LESION
    with pytest.raises(KeyError):
        RECORD.lesion("L9")


def test_a_lesion_takes_the_place_of_its_namesake():
    changed = RECORD.with_lesion(replace(LESION, bi_rads=BiRads.C5))
    assert [lesion.lesion_id for lesion in changed.lesions] == ["L1", "L2"]
    assert changed.lesion("L1").bi_rads is BiRads.C5
    assert [lesion.lesion_id for lesion in RECORD.with_lesion(Lesion("L3")).lesions] == ["L1", "L2", "L3"]


def test_a_registration_is_kept_for_each_frame():
    other = RegistrationParameters((0.0, 0.0, 0.0))
    record = RECORD.with_registration(FrameRegistration(STILL, 1, other))
    assert record.registration(STILL, 0) is POSE
    assert record.registration(STILL, 1) is other
    assert record.registration(STILL, 2) is None
    assert len(record.with_registration(FrameRegistration(STILL, 1, POSE)).registrations) == 2


def test_a_new_record_names_the_images_and_not_the_patient():
    volume = ScannedVolume(
        key="v",
        series_uid="1.5",
        study_uid="1.1",
        frame_of_reference_uid="",
        description="",
        series_number=1,
        role=RoleChoice(Role.T1WI, message("role.user")),
        sources=(),
        shape=(0, 0, 0),
        index_to_lps=np.eye(4),
        orientation="axial",
        simulated=True,
    )
    frames = ScannedFrames(
        key="f",
        series_uid="1.4",
        study_uid="1.1",
        description="",
        role=RoleChoice(Role.US_STILL, message("role.us_still")),
        sources=(),
        rows=1,
        columns=1,
        scale=None,
    )
    patient = Patient(name="SIMULATED^ONE", patient_id="SIM-1")
    record = new_record(ScannedCase(Path("x"), patient, (volume,), (frames,), (), FINGERPRINT))
    assert record.case.fingerprint == FINGERPRINT
    assert record.case.study_uids == ("1.1",)
    assert record.case.series_uids == ("1.4", "1.5")
    assert record.simulated and not record.lesions
    assert "SIM" not in repr(record)


def test_a_place_on_the_clock_face_is_said_in_hours_and_minutes():
    assert [clock_label(clock_h) for clock_h in (9.0, 2.5, 12.5)] == ["9", "2:30", "12:30"]
