"""The open review as one frozen value, and the parts of it that a change can touch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from breastview.imaging.case import ScannedCase
from breastview.imaging.dynamic import SUBTRACTION, of_one_space, phases
from breastview.records.breast import of_breast
from breastview.records.inputs import is_current
from breastview.records.values import ReviewRecord, new_record


class Part(StrEnum):
    """What a change touched; a view redraws when its parts did."""

    LESIONS = "lesions"
    MARKS = "marks"
    REGISTRATION = "registration"
    ROLES = "roles"
    MOTION = "motion"
    SCALE = "scale"
    FINDING = "finding"
    READING = "reading"
    FIRST_READ = "first_read"
    SELECTION = "selection"
    WINDOW = "window"
    BODY = "body"  # is found in the MRI; nothing that was entered has changed


@dataclass(frozen=True, eq=False)
class ReviewState:
    """The scanned case, what is kept of the review, and which lesion is chosen."""

    case: ScannedCase
    record: ReviewRecord
    lesion_id: str | None = None
    model_revealed: bool = False

    def with_record(self, record: ReviewRecord) -> ReviewState:
        """Return the state with another record."""
        return replace(self, record=record)


def open_state(case: ScannedCase, record: ReviewRecord | None) -> ReviewState:
    """Start or restore a review: overruled roles are applied to the case again, stale readings dropped."""
    record = record or new_record(case)
    current = tuple(reading for reading in record.readings if is_current(record, reading))
    record = replace(record, readings=current)
    case = record.in_its_roles(case)
    first = record.lesions[0].lesion_id if record.lesions else None
    return in_its_breast(ReviewState(case, record, first, model_revealed=bool(record.readings)))


def in_its_breast(state: ReviewState) -> ReviewState:
    """The state with the DCE acquisition chosen that shows the breast of the chosen lesion."""
    lesion = state.record.lesion(state.lesion_id) if state.lesion_id is not None else None
    case = of_breast(state.case, lesion)
    return state if case is state.case else replace(state, case=case)


def carried_over(record: ReviewRecord, case: ScannedCase) -> ReviewRecord | None:
    """The record of a case to which images have come since, as one of this case: all but the model's
    readings, which saw fewer, and the motion where other phases are read now. None where this case lacks a
    series of that one, or an image it speaks of, or where marks or registrations are of another exam, or in
    another space, than is read now."""
    here = new_record(case).case
    frames = {item.key: len(item.sources) for item in case.frames}
    marks = [mark for lesion in record.lesions for mark in lesion.views]
    places = [(mark.frames_key, mark.frame) for mark in marks]
    places += [(entry.frames_key, entry.frame) for entry in record.registrations]
    places += [(entry.frames_key, 0) for entry in record.calibrations]
    marked = {lesion.mri.volume_key for lesion in record.lesions if lesion.mri}
    volumes = marked - {SUBTRACTION} | {override.key for override in record.roles}
    case = record.in_its_roles(case)
    known = [volume for volume in case.volumes if volume.series_uid in record.case.series_uids]
    then, now = ({volume.key for volume in of_one_space(found)} for found in (known, case.volumes))
    if not (
        set(record.case.series_uids) <= set(here.series_uids)
        and (then & now or not (marked or record.registrations))
        and all(frame < frames.get(key, 0) for key, frame in places)
        and volumes <= {volume.key for volume in case.volumes}
    ):
        return None
    moved = {key for motion in record.motions for key in (motion.onto_key, motion.volume_key)}
    same = moved == {volume.key for volume in phases(case.volumes)}
    return replace(record, case=here, readings=(), motions=record.motions if same else ())
