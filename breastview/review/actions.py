"""Everything that can be done to a review: an action is a value that turns one state into the next.

Whatever changes what a reading was computed from drops that reading in the same action.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from breastview.errors import BreastViewError
from breastview.imaging.case import Role
from breastview.messages import message
from breastview.records.inputs import is_current
from breastview.records.values import (
    BiRads,
    Calibration,
    FrameRegistration,
    GreyWindow,
    KeptReading,
    Lesion,
    MriMark,
    Pathology,
    ReviewRecord,
    RoleOverride,
    Side,
    Snapshot,
    UsMark,
)
from breastview.registration.parameters import PhaseMotion, RegistrationParameters
from breastview.review.state import Part, ReviewState

Applied = tuple[ReviewState, frozenset[Part]]
Posed = TypeVar("Posed", FrameRegistration, Snapshot)


class Refused(BreastViewError):
    """The state does not allow this action."""


class Action(Protocol):
    """One change. `is_barrier`: undo does not cross it. `is_undoable`: it enters the history."""

    is_barrier: bool
    is_undoable: bool

    def __call__(self, state: ReviewState) -> Applied: ...


@dataclass(frozen=True)
class Plain:
    """An ordinary change: enters the history, and undo may cross it."""

    is_barrier = False
    is_undoable = True


@dataclass(frozen=True)
class AddLesion(Plain):
    """Add the next lesion (L1, L2, …) and choose it."""

    def __call__(self, state: ReviewState) -> Applied:
        taken = {lesion.lesion_id for lesion in state.record.lesions}
        number = next(n for n in range(1, len(taken) + 2) if f"L{n}" not in taken)
        lesion = Lesion(f"L{number}")
        state = replace(state, record=state.record.with_lesion(lesion), lesion_id=lesion.lesion_id)
        return state, frozenset({Part.LESIONS, Part.SELECTION})


@dataclass(frozen=True)
class RemoveLesion(Plain):
    """Remove a lesion with its marks and readings."""

    lesion_id: str

    def __call__(self, state: ReviewState) -> Applied:
        rest = tuple(lesion for lesion in state.record.lesions if lesion.lesion_id != self.lesion_id)
        record = _without_reading(replace(state.record, lesions=rest), self.lesion_id)
        chosen = rest[0].lesion_id if rest else None
        return (
            replace(state, record=record, lesion_id=chosen),
            frozenset({Part.LESIONS, Part.MARKS, Part.READING, Part.SELECTION}),
        )


@dataclass(frozen=True)
class SelectLesion:
    """Choose the lesion that the steps speak of."""

    lesion_id: str
    is_barrier = False
    is_undoable = False

    def __call__(self, state: ReviewState) -> Applied:
        state.record.lesion(self.lesion_id)
        return replace(state, lesion_id=self.lesion_id), frozenset({Part.SELECTION})


@dataclass(frozen=True)
class MarkUs(Plain):
    """Set a lesion's box on a US frame: on the picture of its first view, or where it has none, it is that
    view; on any other picture it is the second."""

    lesion_id: str
    mark: UsMark

    def __call__(self, state: ReviewState) -> Applied:
        lesion = state.record.lesion(self.lesion_id)
        is_first = lesion.us is None or lesion.us.frames_key == self.mark.frames_key
        marked = replace(lesion, us=self.mark) if is_first else replace(lesion, second_us=self.mark)
        return _changed_input(state, state.record.with_lesion(marked), self.lesion_id, Part.MARKS)


@dataclass(frozen=True)
class SwapViews(Plain):
    """Let a lesion's second view be the first, whose registration counts, and the first the second."""

    lesion_id: str

    def __call__(self, state: ReviewState) -> Applied:
        lesion = state.record.lesion(self.lesion_id)
        if lesion.second_us is None:
            raise Refused(message("review.no_second_view"))
        swapped = replace(lesion, us=lesion.second_us, second_us=lesion.us)
        return _changed_input(state, state.record.with_lesion(swapped), self.lesion_id, Part.MARKS)


@dataclass(frozen=True)
class RemoveSecondView(Plain):
    """Forget a lesion's box on the second US picture."""

    lesion_id: str

    def __call__(self, state: ReviewState) -> Applied:
        lesion = replace(state.record.lesion(self.lesion_id), second_us=None)
        return _changed_input(state, state.record.with_lesion(lesion), self.lesion_id, Part.MARKS)


@dataclass(frozen=True)
class MarkMri(Plain):
    """Set a lesion's place in the MRI."""

    lesion_id: str
    mark: MriMark

    def __call__(self, state: ReviewState) -> Applied:
        lesion = replace(state.record.lesion(self.lesion_id), mri=self.mark)
        return _changed_input(state, state.record.with_lesion(lesion), self.lesion_id, Part.MARKS)


@dataclass(frozen=True)
class ConfirmSide(Plain):
    """The reader's word on the side."""

    lesion_id: str
    side: Side

    def __call__(self, state: ReviewState) -> Applied:
        lesion = replace(state.record.lesion(self.lesion_id), side=self.side)
        return _changed_input(state, state.record.with_lesion(lesion), self.lesion_id, Part.LESIONS)


@dataclass(frozen=True)
class SetPlace(Plain):
    """Clock face (hours) and distances (mm) as the US report gives them."""

    lesion_id: str
    clock_h: float | None
    nipple_distance_mm: float | None
    depth_mm: float | None

    def __call__(self, state: ReviewState) -> Applied:
        lesion = replace(
            state.record.lesion(self.lesion_id),
            clock_h=self.clock_h,
            nipple_distance_mm=self.nipple_distance_mm,
            depth_mm=self.depth_mm,
        )
        return state.with_record(state.record.with_lesion(lesion)), frozenset({Part.LESIONS})


@dataclass(frozen=True)
class SetFinding(Plain):
    """The reader's assessment of a lesion."""

    lesion_id: str
    bi_rads: BiRads | None
    comment: str = ""

    def __call__(self, state: ReviewState) -> Applied:
        lesion = replace(state.record.lesion(self.lesion_id), bi_rads=self.bi_rads, comment=self.comment)
        return state.with_record(state.record.with_lesion(lesion)), frozenset({Part.FINDING})


@dataclass(frozen=True)
class SetPathology(Plain):
    """What histology or follow-up said."""

    lesion_id: str
    pathology: Pathology | None

    def __call__(self, state: ReviewState) -> Applied:
        lesion = replace(state.record.lesion(self.lesion_id), pathology=self.pathology)
        return state.with_record(state.record.with_lesion(lesion)), frozenset({Part.FINDING})


@dataclass(frozen=True)
class OverrideRole(Plain):
    """The user's word on what a volume is."""

    key: str
    role: Role
    b_value: float | None = None
    phase: int | None = None

    def __call__(self, state: ReviewState) -> Applied:
        others = tuple(role for role in state.record.roles if role.key != self.key)
        override = RoleOverride(self.key, self.role, self.b_value, self.phase)
        record = replace(state.record, roles=(*others, override), motions=(), readings=())
        case = state.case.with_override(self.key, self.role, self.b_value, self.phase)
        return replace(state, case=case, record=record), frozenset({Part.ROLES, Part.MOTION, Part.READING})


@dataclass(frozen=True)
class CorrectMotion(Plain):
    """Lay the DCE phases onto the one before contrast medium; without motions, leave them as acquired."""

    motions: tuple[PhaseMotion, ...]

    def __call__(self, state: ReviewState) -> Applied:
        record = replace(state.record, motions=self.motions)
        current = tuple(reading for reading in record.readings if is_current(record, reading))
        return state.with_record(replace(record, readings=current)), frozenset({Part.MOTION, Part.READING})


@dataclass(frozen=True)
class SetWindow:
    """Keep the grey values that are shown of a volume or US image. Undo leaves them as they are."""

    window: GreyWindow
    is_barrier = False
    is_undoable = False

    def __call__(self, state: ReviewState) -> Applied:
        others = tuple(w for w in state.record.windows if w.key != self.window.key)
        record = replace(state.record, windows=(*others, self.window))
        return state.with_record(record), frozenset({Part.WINDOW})


@dataclass(frozen=True)
class Calibrate(Plain):
    """Millimetres a pixel (row, column) that the reader measured on a US image; places clicked there stay."""

    frames_key: str
    spacing_mm: tuple[float, float]

    def __call__(self, state: ReviewState) -> Applied:
        old = _spacing_mm(state, self.frames_key)
        record = state.record
        if old is not None:
            by = self.spacing_mm[1] / old[1], self.spacing_mm[0] / old[0]
            record = replace(
                record,
                registrations=self._rescaled(record.registrations, by),
                snapshots=self._rescaled(record.snapshots, by),
            )
        others = tuple(c for c in record.calibrations if c.frames_key != self.frames_key)
        calibrations = (*others, Calibration(self.frames_key, self.spacing_mm))
        record = without_readings_of(replace(record, calibrations=calibrations), self.frames_key, None)
        return state.with_record(record), frozenset({Part.SCALE, Part.REGISTRATION, Part.READING})

    def _rescaled(self, entries: tuple[Posed, ...], by: tuple[float, float]) -> tuple[Posed, ...]:
        """Those of the image with their places where they were clicked, the others as they are."""
        return tuple(
            replace(entry, parameters=_rescaled(entry.parameters, by))
            if entry.frames_key == self.frames_key
            else entry
            for entry in entries
        )


@dataclass(frozen=True)
class CommitFirstRead:
    """Close the first read: from here the model may speak. Undo does not cross it."""

    is_barrier = True
    is_undoable = False

    def __call__(self, state: ReviewState) -> Applied:
        record = _first_read(replace(state.record, first_read_committed=True))
        return state.with_record(record), frozenset({Part.FIRST_READ})


@dataclass(frozen=True)
class RevealModel:
    """Show the model's answer. Undo does not cross it. A lesion added later needs its own read first."""

    is_barrier = True
    is_undoable = False

    def __call__(self, state: ReviewState) -> Applied:
        if not state.record.first_read_committed:
            raise Refused(message("review.model_locked"))
        state = state.with_record(_first_read(state.record))
        return replace(state, model_revealed=True), frozenset({Part.READING})


@dataclass(frozen=True)
class KeepReading:
    """Keep a model's answer; refused when it was computed from something else than what stands here."""

    reading: KeptReading
    is_barrier = False
    is_undoable = False

    def __call__(self, state: ReviewState) -> Applied:
        reading = self.reading
        if not is_current(state.record, reading):
            raise Refused(message("review.stale_reading"))
        record = _without_reading(state.record, reading.lesion_id)
        record = replace(record, readings=(*record.readings, reading))
        return state.with_record(record), frozenset({Part.READING})


def _first_read(record: ReviewRecord) -> ReviewRecord:
    """The record with every lesion's first category fixed; raises `Refused` where one has none."""
    if not record.lesions or any(lesion.bi_rads is None for lesion in record.lesions):
        raise Refused(message("review.first_read_open"))
    lesions = tuple(
        replace(known, first_bi_rads=known.first_bi_rads or known.bi_rads) for known in record.lesions
    )
    return replace(record, lesions=lesions)


def _spacing_mm(state: ReviewState, frames_key: str) -> tuple[float, float] | None:
    """(row, column) mm a pixel of a US image as they stand."""
    scale = state.case.frame_set(frames_key).scale
    return state.record.calibrated_mm(frames_key) or (scale.spacing_mm if scale else None)


def _rescaled(parameters: RegistrationParameters, by: tuple[float, float]) -> RegistrationParameters:
    """Parameters whose places in the US plane lie on the same pixels after a change of scale, (x, y)."""
    return replace(
        parameters,
        landmarks=tuple(
            replace(p, us_mm=(p.us_mm[0] * by[0], p.us_mm[1] * by[1])) for p in parameters.landmarks
        ),
        warp=tuple(replace(p, us_mm=(p.us_mm[0] * by[0], p.us_mm[1] * by[1])) for p in parameters.warp),
        contours=tuple(
            replace(c, us_mm=tuple((x * by[0], y * by[1]) for x, y in c.us_mm)) for c in parameters.contours
        ),
        confirmed=False,
    )


def _changed_input(state: ReviewState, record: ReviewRecord, lesion_id: str, part: Part) -> Applied:
    return state.with_record(_without_reading(record, lesion_id)), frozenset({part, Part.READING})


def _without_reading(record: ReviewRecord, lesion_id: str) -> ReviewRecord:
    return replace(record, readings=tuple(r for r in record.readings if r.lesion_id != lesion_id))


def without_readings_of(record: ReviewRecord, frames_key: str, frame: int | None) -> ReviewRecord:
    """Drop the readings of every lesion whose first view is this US image (and frame, unless None): no
    reading depends on the scale and registration of a second view."""
    for lesion in record.lesions:
        mark = lesion.us
        if mark and mark.frames_key == frames_key and frame in (None, mark.frame):
            record = _without_reading(record, lesion.lesion_id)
    return record
