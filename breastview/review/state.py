"""The open review as one frozen value, and the parts of it that a change can touch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from breastview.imaging.case import ScannedCase
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
    for override in record.roles:
        case = case.with_override(override.key, override.role, override.b_value, override.phase)
    first = record.lesions[0].lesion_id if record.lesions else None
    return ReviewState(case, record, first, model_revealed=bool(record.readings))
