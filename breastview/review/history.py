"""One way to change a review, with undo and redo; one drag is one step."""

from __future__ import annotations

from dataclasses import replace

from breastview.records.inputs import is_current
from breastview.review.actions import Action
from breastview.review.state import Part, ReviewState, in_its_breast

EVERYTHING = frozenset(Part)


class Review:
    """The open review. `dispatch` is the only way to change it; the answer says what changed."""

    def __init__(self, state: ReviewState) -> None:
        """Open at `state` with an empty history."""
        self.state = state
        self._undo: list[ReviewState] = []
        self._redo: list[ReviewState] = []
        self._stroke: ReviewState | None = None

    def dispatch(self, action: Action) -> frozenset[Part]:
        """Apply an action; raises `Refused` (and changes nothing) when the state does not allow it."""
        before = self.state
        acted, parts = action(before)
        self.state = after = in_its_breast(acted)
        if after is not acted:
            parts |= {Part.ROLES, Part.MOTION}
        if action.is_barrier:
            self._undo.clear()
            self._redo.clear()
            self._stroke = None if self._stroke is None else after
        elif action.is_undoable and self._stroke is None:
            self._remember(before)
        return parts

    def begin(self) -> None:
        """Start a stroke: what is dispatched until `commit` becomes one step. A stroke left open is ended."""
        self.commit()
        self._stroke = self.state

    def commit(self) -> None:
        """End the stroke."""
        start, self._stroke = self._stroke, None
        if start is not None and start is not self.state:
            self._remember(start)

    def abort(self) -> frozenset[Part]:
        """End the stroke and go back to where it began."""
        start, self._stroke = self._stroke, None
        if start is None or start is self.state:
            return frozenset()
        self.state = start
        return EVERYTHING

    @property
    def in_hand(self) -> bool:
        """Whether a stroke has begun and is not ended."""
        return self._stroke is not None

    def undo(self) -> frozenset[Part]:
        """Go back one step; returns what changed, nothing when there is no step."""
        return self._step(self._undo, self._redo)

    def redo(self) -> frozenset[Part]:
        """Go forward one step again."""
        return self._step(self._redo, self._undo)

    def _remember(self, before: ReviewState) -> None:
        self._undo.append(before)
        self._redo.clear()

    def _step(self, source: list[ReviewState], target: list[ReviewState]) -> frozenset[Part]:
        if not source or self._stroke is not None:
            return frozenset()
        target.append(self.state)
        self.state = _seen_as(self.state, source.pop())
        return EVERYTHING


def _seen_as(present: ReviewState, other: ReviewState) -> ReviewState:
    """Another state, its images in the grey values that they are shown in now, with the readings that came
    since and hold for it."""
    came = tuple(reading for reading in present.record.readings if is_current(other.record, reading))
    lesions = {reading.lesion_id for reading in came}
    kept = tuple(reading for reading in other.record.readings if reading.lesion_id not in lesions)
    record = replace(other.record, windows=present.record.windows, readings=(*kept, *came))
    return other if record == other.record else other.with_record(record)
