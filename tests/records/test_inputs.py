"""The input hash: changes with whatever a reading depends on, and with nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from breastview.imaging.case import Role
from breastview.records.inputs import input_hash
from breastview.records.store import decode, encode
from breastview.records.values import (
    BiRads,
    Calibration,
    CaseIdentity,
    FrameRegistration,
    MriMark,
    Pathology,
    RoleOverride,
    Side,
)
from breastview.registration.parameters import Method, RegistrationParameters
from tests.records.examples import LESION, MRI, POSE, RECORD, STILL

MODEL = "ab" * 32
HASH = input_hash(RECORD, "L1", MODEL)

DEPENDS = {
    "images": replace(RECORD, case=CaseIdentity("0" * 64)),
    "US mark": RECORD.with_lesion(replace(LESION, us=replace(LESION.us, left=101.0))),
    "MRI mark": RECORD.with_lesion(replace(LESION, mri=None)),
    "side": RECORD.with_lesion(replace(LESION, side=Side.RIGHT)),
    "registration": RECORD.with_registration(FrameRegistration(STILL, 0, replace(POSE, scale=1.0))),
    "role": replace(RECORD, roles=()),
    "b-value": replace(RECORD, roles=(RECORD.roles[0], RoleOverride("1.2.3.51", Role.DWI, b_value=50.0))),
    "motion": replace(RECORD, motions=()),
    "scale": replace(RECORD, calibrations=(Calibration(STILL, (0.08, 0.09)),)),
}
APART = {
    "where the pose began": RECORD.with_registration(
        FrameRegistration(STILL, 0, replace(POSE, start=Method.MRI_MARK))
    ),
    "finding": RECORD.with_lesion(replace(LESION, bi_rads=BiRads.C5, comment="")),
    "pathology": RECORD.with_lesion(replace(LESION, pathology=Pathology.BENIGN)),
    "reading": replace(RECORD, readings=()),
    "grey values": replace(RECORD, windows=()),
    "motion that is left": replace(RECORD, motions=RECORD.motions[:1]),
    "order of roles": replace(RECORD, roles=RECORD.roles[::-1]),
    "registration of another frame": RECORD.with_registration(FrameRegistration(STILL, 7, POSE)),
    "scale of another image": replace(
        RECORD, calibrations=(*RECORD.calibrations, Calibration("9.9", (1.0, 1.0)))
    ),
}


@pytest.mark.parametrize("what", DEPENDS)
def test_the_hash_changes_with(what):
    assert input_hash(DEPENDS[what], "L1", MODEL) != HASH


@pytest.mark.parametrize("what", APART)
def test_the_hash_does_not_change_with(what):
    assert input_hash(APART[what], "L1", MODEL) == HASH


def test_model_and_lesion_are_part_of_it():
    assert input_hash(RECORD, "L1", "0" * 64) != HASH
    assert input_hash(RECORD, "L2", MODEL) != HASH


def test_the_hash_is_the_same_after_a_night_on_disk():
    whole = FrameRegistration(STILL, 0, RegistrationParameters((1, 2, 3), (0, 90, 0), scale=1))
    record = RECORD.with_registration(whole).with_lesion(replace(LESION, mri=MriMark(MRI, (1, 2, 3))))
    assert input_hash(decode(encode(record)), "L1", MODEL) == input_hash(record, "L1", MODEL)
