"""A small scanned case, an open review of it, and readings that belong to it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from breastview.imaging.case import (
    Patient,
    PixelScale,
    Role,
    RoleChoice,
    ScannedCase,
    ScannedFrames,
    ScannedVolume,
)
from breastview.messages import message
from breastview.records.inputs import input_hash
from breastview.records.values import BiRads, KeptReading, MriMark, Side, UsMark
from breastview.registration.parameters import RegistrationParameters
from breastview.review import actions, registering
from breastview.review.actions import Refused
from breastview.review.history import Review
from breastview.review.state import Part, open_state
from tests.records.examples import FINGERPRINT, MRI, READING, STILL

POSE = RegistrationParameters((60.0, -120.0, 12.0))
ELSEWHERE = RegistrationParameters((50.0, -110.0, 20.0), (5.0, -3.0, 12.0))
US_MARK = UsMark(STILL, 0, left=100.0, top=80.0, right=160.0, bottom=120.0)
MRI_MARK = MriMark(MRI, (61.0, -104.0, 13.0))


def scanned(key: str, role: Role) -> ScannedVolume:
    return ScannedVolume(
        key=key,
        series_uid=key,
        study_uid="1.2.3",
        frame_of_reference_uid="1.2",
        description="",
        series_number=1,
        role=RoleChoice(role, message("role.unknown")),
        sources=(),
        shape=(10, 20, 30),
        index_to_lps=np.eye(4),
        orientation="axial",
    )


def us_still(key: str = STILL, spacing_mm: tuple[float, float] | None = (0.1, 0.1)) -> ScannedFrames:
    return ScannedFrames(
        key=key,
        series_uid="1.2.3.4",
        study_uid="1.2.3",
        description="",
        role=RoleChoice(Role.US_STILL, message("role.us_still")),
        sources=(),
        rows=400,
        columns=500,
        scale=PixelScale(spacing_mm, message("scale.region")) if spacing_mm else None,
    )


def case(*frames: ScannedFrames) -> ScannedCase:
    volumes = (scanned(MRI, Role.T1WI), scanned("1.2.3.51", Role.OTHER))
    return ScannedCase(Path("case"), Patient(), volumes, frames or (us_still(),), (), FINGERPRINT)


def opened() -> Review:
    """A review in which nothing was done yet."""
    return Review(open_state(case(), None))


def marked() -> Review:
    """A review with one lesion marked in both images, registered and assessed."""
    review = opened()
    for action in (
        actions.AddLesion(),
        actions.ConfirmSide("L1", Side.LEFT),
        actions.MarkUs("L1", US_MARK),
        actions.MarkMri("L1", MRI_MARK),
        registering.SetRegistration(STILL, 0, POSE),
        actions.SetFinding("L1", BiRads.C4A),
    ):
        review.dispatch(action)
    return review


def reading(review: Review, lesion_id: str = "L1") -> KeptReading:
    """A reading of what stands in the review."""
    own = input_hash(review.state.record, lesion_id, READING.model_sha256)
    return replace(READING, lesion_id=lesion_id, input_sha256=own)


def read() -> Review:
    """A review whose lesion was read by the reader, then by the model."""
    review = marked()
    review.dispatch(actions.CommitFirstRead())
    review.dispatch(actions.RevealModel())
    review.dispatch(actions.KeepReading(reading(review)))
    return review


def parts(*changed: Part) -> frozenset[Part]:
    return frozenset(changed)


def code(raised: pytest.ExceptionInfo[Refused]) -> str:
    return raised.value.message.code
