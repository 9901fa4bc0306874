"""The values that are kept, as frozen dataclasses. `breastview.records.store` writes and reads them."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field, replace
from enum import StrEnum

from breastview.imaging.case import Role, ScannedCase, ScannedFrames, ScannedVolume
from breastview.messages import Message
from breastview.registration.parameters import PhaseMotion, Point3, RegistrationParameters
from breastview.registration.transform import carried

SCHEMA = "breastview.review/1"


class Side(StrEnum):
    """Which breast."""

    RIGHT = "R"
    LEFT = "L"


class BiRads(StrEnum):
    """BI-RADS assessment categories (ACR BI-RADS Atlas, 5th edition)."""

    C0 = "0"
    C1 = "1"
    C2 = "2"
    C3 = "3"
    C4A = "4A"
    C4B = "4B"
    C4C = "4C"
    C5 = "5"
    C6 = "6"


class Pathology(StrEnum):
    """What histology or follow-up said."""

    BENIGN = "benign"
    HIGH_RISK = "high_risk"  # B3 lesions: neither trains nor counts as benign
    MALIGNANT = "malignant"


@dataclass(frozen=True)
class UsMark:
    """The lesion's box on one US frame, in pixels: columns [left, right], rows [top, bottom]."""

    frames_key: str
    frame: int
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class MriMark:
    """The lesion's centre in LPS mm, its extent along x, y, z in mm where drawn, and its volume."""

    volume_key: str
    point_mm: Point3
    extent_mm: Point3 | None = None


@dataclass(frozen=True)
class Lesion:
    """One lesion. `side` is what the reader confirmed; `clock_h` 1–12.5; distances in mm from the report.

    `second_us` is its box on another US picture, across the first: the model reads both, and the registration
    is that of `us`. `first_bi_rads` is the reader's category before the model spoke; nothing changes it
    afterwards.
    """

    lesion_id: str
    side: Side | None = None
    clock_h: float | None = None
    nipple_distance_mm: float | None = None
    depth_mm: float | None = None
    us: UsMark | None = None
    mri: MriMark | None = None
    bi_rads: BiRads | None = None
    comment: str = ""
    pathology: Pathology | None = None
    first_bi_rads: BiRads | None = None
    second_us: UsMark | None = None

    @property
    def views(self) -> tuple[UsMark, ...]:
        """Its boxes on US: the registered one first, then that of the second view."""
        return tuple(mark for mark in (self.us, self.second_us) if mark is not None)

    def view_on(self, frames_key: str | None, frame: int) -> UsMark | None:
        """Its box on this US frame, or None."""
        return next((m for m in self.views if (m.frames_key, m.frame) == (frames_key, frame)), None)


@dataclass(frozen=True)
class FrameRegistration:
    """The registration of one US frame's plane into the MRI.

    With `step_mm`, the way from plane to plane of a US volume, it is that of all its planes, as `frame` has
    it.
    """

    frames_key: str
    frame: int
    parameters: RegistrationParameters
    step_mm: float | None = None

    def covers(self, frames_key: str, frame: int) -> bool:
        """Whether it says where a US frame lies."""
        return frames_key == self.frames_key and (frame == self.frame or self.step_mm is not None)

    def seen_from(self, frame: int) -> RegistrationParameters:
        """The parameters as a frame that it covers has them."""
        if frame == self.frame or self.step_mm is None:
            return self.parameters
        return carried(self.parameters, (frame - self.frame) * self.step_mm)


@dataclass(frozen=True)
class Snapshot:
    """A registration of a US frame that was put aside under a name, to be compared or taken up again."""

    name: str
    frames_key: str
    frame: int
    parameters: RegistrationParameters


@dataclass(frozen=True)
class RoleOverride:
    """The user's word on a volume's role."""

    key: str
    role: Role
    b_value: float | None = None
    phase: int | None = None


@dataclass(frozen=True)
class Calibration:
    """Millimetres a pixel (row, column) that the user measured on a US image without a trustworthy scale."""

    frames_key: str
    spacing_mm: tuple[float, float]


@dataclass(frozen=True)
class GreyWindow:
    """Centre and width of the grey values that the reader shows of a volume or US image."""

    key: str
    centre: float
    width: float


@dataclass(frozen=True)
class KeptReading:
    """A model's answer as it is kept: probabilities, what made them, and what they are worth."""

    lesion_id: str
    model_name: str
    model_sha256: str
    input_sha256: str
    device: str
    demonstration: bool
    research_override: bool
    eligible: bool
    reasons: tuple[Message, ...]
    probability: float | None = None
    probability_us: float | None = None
    probability_mri: float | None = None
    weight_us: float | None = None
    weight_mri: float | None = None
    cautions: tuple[Message, ...] = ()
    us_only: bool = False
    views: int = 1


@dataclass(frozen=True)
class CaseIdentity:
    """Which images a record is about: fingerprint and UIDs; no name, no patient identifier."""

    fingerprint: str
    study_uids: tuple[str, ...] = ()
    series_uids: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReviewRecord:
    """Everything the reader decided about one case. With `pathology`, a training case to be."""

    case: CaseIdentity
    schema: str = SCHEMA
    modified: datetime.datetime | None = None
    lesions: tuple[Lesion, ...] = ()
    registrations: tuple[FrameRegistration, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()
    roles: tuple[RoleOverride, ...] = ()
    calibrations: tuple[Calibration, ...] = ()
    motions: tuple[PhaseMotion, ...] = ()
    windows: tuple[GreyWindow, ...] = ()
    readings: tuple[KeptReading, ...] = ()
    first_read_committed: bool = False
    simulated: bool = False
    extra: dict[str, str] = field(default_factory=dict)

    def lesion(self, lesion_id: str) -> Lesion:
        """Return the lesion called `lesion_id`; raises `KeyError`."""
        return {lesion.lesion_id: lesion for lesion in self.lesions}[lesion_id]

    def told(self, lesion_id: str, name: str) -> str:
        """Return what `extra` tells of a lesion, as "L1.name" of one or "name" of all; else an empty text."""
        return self.extra.get(f"{lesion_id}.{name}", self.extra.get(name, ""))

    def registration(self, frames_key: str, frame: int) -> RegistrationParameters | None:
        """Return the registration of a US frame, its own or its volume's, or None."""
        covering = (entry for entry in self.registrations if entry.covers(frames_key, frame))
        return next((entry.seen_from(frame) for entry in covering), None)

    def calibrated_mm(self, frames_key: str) -> tuple[float, float] | None:
        """Return the (row, column) mm a pixel that the user measured on a US image, or None."""
        return next((c.spacing_mm for c in self.calibrations if c.frames_key == frames_key), None)

    def window(self, key: str) -> tuple[float, float] | None:
        """Return (centre, width) of the grey values that the reader set for an image, or None."""
        return next(((w.centre, w.width) for w in self.windows if w.key == key), None)

    def in_its_roles(self, case: ScannedCase) -> ScannedCase:
        """Return the case with the roles that the reader set."""
        for override in self.roles:
            case = case.with_override(override.key, override.role, override.b_value, override.phase)
        return case

    def with_lesion(self, lesion: Lesion) -> ReviewRecord:
        """Return the record with `lesion` added, or put in the place of its namesake."""
        ids = [known.lesion_id for known in self.lesions]
        if lesion.lesion_id not in ids:
            return replace(self, lesions=(*self.lesions, lesion))
        return replace(
            self, lesions=tuple(lesion if k.lesion_id == lesion.lesion_id else k for k in self.lesions)
        )

    def with_registration(self, entry: FrameRegistration) -> ReviewRecord:
        """Return the record with the registration of one US frame, or of a whole US volume, set."""
        others = tuple(
            r
            for r in self.registrations
            if not (r.covers(entry.frames_key, entry.frame) or entry.covers(r.frames_key, r.frame))
        )
        return replace(self, registrations=(*others, entry))


def clock_label(clock_h: float) -> str:
    """A place on the clock face as it is said: "9", "2:30"."""
    hours, minutes = divmod(round(clock_h * 60), 60)
    return f"{hours}:{minutes:02d}" if minutes else str(hours)


def new_record(case: ScannedCase) -> ReviewRecord:
    """An empty record for a case."""
    items: list[ScannedVolume | ScannedFrames] = [*case.volumes, *case.frames]
    identity = CaseIdentity(
        fingerprint=case.fingerprint,
        study_uids=tuple(sorted({item.study_uid for item in items if item.study_uid})),
        series_uids=tuple(sorted({item.series_uid for item in items if item.series_uid})),
    )
    return ReviewRecord(identity, simulated=case.simulated)
