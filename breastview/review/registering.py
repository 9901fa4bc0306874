"""What can be done to the registration of a US frame: set, fit, confirm, put aside and take up again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from breastview.messages import message
from breastview.records.values import FrameRegistration, Snapshot
from breastview.registration import adopt
from breastview.registration.contours import run_together
from breastview.registration.estimate import Start, estimate
from breastview.registration.landmarks import fit_landmarks
from breastview.registration.outline import Outline
from breastview.registration.parameters import (
    Contour,
    LandmarkPair,
    Method,
    Point2,
    Point3,
    RegistrationParameters,
)
from breastview.registration.region import unsure_start
from breastview.review.actions import Applied, Plain, Refused, without_readings_of
from breastview.review.state import Part, ReviewState

T = TypeVar("T")


@dataclass(frozen=True)
class SetRegistration(Plain):
    """Set the registration of a US frame's plane."""

    frames_key: str
    frame: int
    parameters: RegistrationParameters

    def __call__(self, state: ReviewState) -> Applied:
        parameters, step_mm = replace(self.parameters, confirmed=False), _step_mm(state, self.frames_key)
        entry = FrameRegistration(self.frames_key, self.frame, parameters, step_mm)
        record = state.record.with_registration(entry)
        frame = self.frame if step_mm is None else None
        record = without_readings_of(record, self.frames_key, frame)
        return state.with_record(record), frozenset({Part.REGISTRATION, Part.READING})


@dataclass(frozen=True)
class AddLandmark(Plain):
    """Add a landmark pair to a US frame's registration; the pose stays until the pairs are fitted."""

    frames_key: str
    frame: int
    pair: LandmarkPair

    def __call__(self, state: ReviewState) -> Applied:
        present = _present(state, self.frames_key, self.frame)
        changed = replace(present, landmarks=(*present.landmarks, self.pair))
        return SetRegistration(self.frames_key, self.frame, changed)(state)


@dataclass(frozen=True)
class RemoveLandmark(Plain):
    """Remove the landmark pair at `place` (0-based)."""

    frames_key: str
    frame: int
    place: int

    def __call__(self, state: ReviewState) -> Applied:
        present = _present(state, self.frames_key, self.frame)
        rest = _without(present.landmarks, self.place)
        changed = replace(present, landmarks=rest)
        if present.method is Method.LANDMARKS:
            changed = changed.remade(Method.MANUAL)
        return SetRegistration(self.frames_key, self.frame, changed)(state)


@dataclass(frozen=True)
class PlaceLandmark(Plain):
    """Set where the partner of the landmark pair at `place` (0-based) lies in the MRI; the rest stays."""

    frames_key: str
    frame: int
    place: int
    mri_mm: Point3
    predicted: bool = False

    def __call__(self, state: ReviewState) -> Applied:
        present = _present(state, self.frames_key, self.frame)
        pairs = list(present.landmarks)
        pairs[self.place] = replace(pairs[self.place], mri_mm=self.mri_mm, predicted=self.predicted)
        changed = replace(present, landmarks=tuple(pairs))
        return SetRegistration(self.frames_key, self.frame, changed)(state)


@dataclass(frozen=True)
class FitLandmarks(Plain):
    """Set the pose to the best fit of the landmark pairs."""

    frames_key: str
    frame: int
    allow_scale: bool = False

    def __call__(self, state: ReviewState) -> Applied:
        present = _present(state, self.frames_key, self.frame)
        fit = fit_landmarks(present.placed, present, self.allow_scale)
        fitted = replace(fit.parameters, landmarks=present.landmarks)
        return SetRegistration(self.frames_key, self.frame, fitted)(state)


@dataclass(frozen=True)
class AddContour(Plain):
    """Add a line or a surface that both images show; the pose stays until everything is fitted.

    Refused where it lies on one that is there: one structure counted twice looks like more than it tells.
    """

    frames_key: str
    frame: int
    contour: Contour

    def __call__(self, state: ReviewState) -> Applied:
        present = _present(state, self.frames_key, self.frame)
        if any(run_together(self.contour, known) for known in present.contours):
            raise Refused(message("registration.contour_twice"))
        changed = replace(present, contours=(*present.contours, self.contour))
        return SetRegistration(self.frames_key, self.frame, changed)(state)


@dataclass(frozen=True)
class RemoveContour(Plain):
    """Remove the contour at `place` (0-based)."""

    frames_key: str
    frame: int
    place: int

    def __call__(self, state: ReviewState) -> Applied:
        present = _present(state, self.frames_key, self.frame)
        rest = _without(present.contours, self.place)
        return SetRegistration(self.frames_key, self.frame, replace(present, contours=rest))(state)


@dataclass(frozen=True)
class Weigh(Plain):
    """Set the weight of the correspondence at `place` (0-based; contours are counted on from the pairs)."""

    frames_key: str
    frame: int
    place: int
    weight: float

    def __call__(self, state: ReviewState) -> Applied:
        present = _present(state, self.frames_key, self.frame)
        pairs, contours = list(present.landmarks), list(present.contours)
        contour = self.place - len(pairs)
        if contour < 0:
            pairs[self.place] = replace(pairs[self.place], weight=self.weight)
        else:
            contours[contour] = replace(contours[contour], weight=self.weight)
        changed = replace(present, landmarks=tuple(pairs), contours=tuple(contours))
        return SetRegistration(self.frames_key, self.frame, changed)(state)


@dataclass(frozen=True, eq=False)
class FitCorrespondences(Plain):
    """Set the pose, and with `bend` a local warp, to what points, lines and surfaces tell of the lesion's
    place.

    `us_mm` is the lesion's place in the US plane, `start` where the report's words put it, `lesion` its mark.
    """

    frames_key: str
    frame: int
    us_mm: Point2
    start: Start | None = None
    bend: bool = False
    lesion: Outline | None = None

    def __call__(self, state: ReviewState) -> Applied:
        present = _present(state, self.frames_key, self.frame)
        if not present.correspondences:
            raise Refused(message("registration.no_pairs"))
        start = self.start or unsure_start(present, self.us_mm)
        found = estimate(present.placed, present.contours, start, lesion=self.lesion)
        fitted = adopt.rigid(found, np.array(self.us_mm), present)
        if self.bend:
            fitted = adopt.with_warp(found, np.array(self.us_mm), fitted)
        return SetRegistration(self.frames_key, self.frame, fitted)(state)


@dataclass(frozen=True)
class ConfirmRegistration(Plain):
    """The reader's word that a registration is right; any change of it takes the word back."""

    frames_key: str
    frame: int
    confirmed: bool = True

    def __call__(self, state: ReviewState) -> Applied:
        _present(state, self.frames_key, self.frame)
        registrations = tuple(
            replace(entry, parameters=replace(entry.parameters, confirmed=self.confirmed))
            if entry.covers(self.frames_key, self.frame)
            else entry
            for entry in state.record.registrations
        )
        record = replace(state.record, registrations=registrations)
        return state.with_record(record), frozenset({Part.REGISTRATION})


@dataclass(frozen=True)
class KeepSnapshot(Plain):
    """Put the registration of a US frame aside under a name; one of that name is replaced."""

    frames_key: str
    frame: int
    name: str

    def __call__(self, state: ReviewState) -> Applied:
        kept = Snapshot(self.name, self.frames_key, self.frame, _present(state, self.frames_key, self.frame))
        others = tuple(s for s in state.record.snapshots if not _is_named(s, self))
        record = replace(state.record, snapshots=(*others, kept))
        return state.with_record(record), frozenset({Part.REGISTRATION})


@dataclass(frozen=True)
class RemoveSnapshot(Plain):
    """Forget a registration that was put aside; the present one stays."""

    frames_key: str
    frame: int
    name: str

    def __call__(self, state: ReviewState) -> Applied:
        rest = tuple(s for s in state.record.snapshots if not _is_named(s, self))
        if rest == state.record.snapshots:
            raise KeyError(self.name)
        return state.with_record(replace(state.record, snapshots=rest)), frozenset({Part.REGISTRATION})


@dataclass(frozen=True)
class TakeSnapshot(Plain):
    """Take a registration up again that was put aside."""

    frames_key: str
    frame: int
    name: str

    def __call__(self, state: ReviewState) -> Applied:
        for kept in state.record.snapshots:
            if _is_named(kept, self):
                return SetRegistration(self.frames_key, self.frame, kept.parameters)(state)
        raise KeyError(self.name)


def _is_named(kept: Snapshot, action: KeepSnapshot | RemoveSnapshot | TakeSnapshot) -> bool:
    """Whether a snapshot is the one that an action names."""
    named = (action.name, action.frames_key, action.frame)
    return (kept.name, kept.frames_key, kept.frame) == named


def _without(items: tuple[T, ...], place: int) -> tuple[T, ...]:
    """The items but one; raises IndexError where there is none at `place`."""
    if not 0 <= place < len(items):
        raise IndexError(place)
    return (*items[:place], *items[place + 1 :])


def _present(state: ReviewState, frames_key: str, frame: int) -> RegistrationParameters:
    parameters = state.record.registration(frames_key, frame)
    if parameters is None:
        raise Refused(message("review.no_registration"))
    return parameters


def _step_mm(state: ReviewState, frames_key: str) -> float | None:
    """Between the planes of a volume, which share one registration; None for any other US image."""
    return next((frames.step_mm for frames in state.case.frames if frames.key == frames_key), None)
