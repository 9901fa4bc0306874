"""What a scan finds: a case of MRI volumes and US images, each with a role and a reason. Headers only."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import numpy as np

from breastview.errors import CaseError
from breastview.imaging.geometry import lies_in
from breastview.messages import Message, message


class Role(StrEnum):
    """What a volume or frame stack is for."""

    US_STILL = "us_still"
    US_CINE = "us_cine"
    US_VOLUME = "us_volume"
    T1WI = "t1wi"
    T2WI = "t2wi"
    STIR = "stir"
    DWI = "dwi"
    ADC = "adc"
    DCE = "dce"
    SUBTRACTION = "subtraction"
    MIP = "mip"
    LOCALIZER = "localizer"
    OTHER = "other"


@dataclass(frozen=True)
class RoleChoice:
    """A role with the reason for it. `b_value` in s/mm² (DWI); `phase` 1…`phase_count` and `delay_s`
    after the first phase (DCE), and of which `acquisition` of the case, by number; None where unknown or not
    applicable. `label` tells the acquisitions of one exam apart: the breast that one shows, "R" or "L", a
    letter where that does not tell; empty where there is no other."""

    role: Role
    reason: Message
    b_value: float | None = None
    phase: int | None = None
    phase_count: int | None = None
    delay_s: float | None = None
    acquisition: int | None = None
    label: str = ""

    @property
    def side(self) -> str:
        """The one breast that a DCE phase shows, "R" or "L"; empty where it shows both, or nothing tells."""
        return self.label[:1] if self.label.startswith(("R", "L")) else ""


@dataclass(frozen=True)
class FileProblem:
    """A file that takes no part in the case, and why. `path` is relative to the case folder."""

    path: str
    reason: Message


@dataclass(frozen=True)
class ImageSource:
    """Where one slice or frame lies: a file, the 0-based frame in it, and its SOP instance.

    `index` is the slice it fills in the volume. `offset` is where its pixels start in the file when they lie
    there uncompressed and little endian as `dtype`; None when they must be decoded. Stored values become the
    scanner's own numbers by `slope` · value + `intercept`.
    """

    path: Path
    frame: int
    sop_uid: str
    index: int = 0
    offset: int | None = None
    dtype: str = "<u2"
    slope: float = 1.0
    intercept: float = 0.0


@dataclass(frozen=True)
class Patient:
    """Identification as the headers say it, decoded. Never logged, never written but into the report."""

    name: str = ""
    patient_id: str = ""
    birth_date: datetime.date | None = None
    sex: str = ""
    age_y: int | None = None

    @property
    def readable_name(self) -> str:
        """The name for people: the groups that "=" parts (Latin, ideographic, phonetic; DICOM PS3.5 6.2.1)
        side by side, without the signs between their components; empty where there is none."""
        groups = (" ".join(group.replace("^", " ").split()) for group in self.name.split("="))
        return " · ".join(filter(None, groups))


@dataclass(frozen=True)
class PixelScale:
    """Millimetres a US pixel, (row, column), and where they come from. Never invented."""

    spacing_mm: tuple[float, float]
    reason: Message


def has_depth(notes: Iterable[Message]) -> bool:
    """Whether the notes of a volume leave its places known."""
    return all(note.code != "scan.no_depth" for note in notes)


@dataclass(frozen=True, eq=False)
class ScannedVolume:
    """One MRI volume, found by its headers and not yet loaded.

    `key` names the volume across scans: `<SeriesInstanceUID>` or `<SeriesInstanceUID>#<part>`.
    `index_to_lps` is a read-only float64 (4, 4) from (slice, row, column, 1) to DICOM LPS mm.
    `sources` holds one entry a slice, in slice order. `window` is (centre, width) from the middle one.
    `in_breast` says of one of several DCE acquisitions that it shows the breast that is read.
    """

    key: str
    series_uid: str
    study_uid: str
    frame_of_reference_uid: str
    description: str
    series_number: int | None
    role: RoleChoice
    sources: tuple[ImageSource, ...]
    shape: tuple[int, int, int]
    index_to_lps: np.ndarray
    orientation: str
    window: tuple[float, float] | None = None
    exam_date: datetime.date | None = None
    manufacturer: str = ""
    simulated: bool = False
    notes: tuple[Message, ...] = ()
    in_breast: bool = False

    @property
    def has_depth(self) -> bool:
        """Whether its slices make a stack: without, no place in it is known."""
        return has_depth(self.notes)

    def holds(self, point_mm: Sequence[float]) -> bool:
        """Whether there is a voxel at an LPS point."""
        return lies_in(self.shape, self.index_to_lps, point_mm)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """(slice, row, column) spacing in mm."""
        slice_mm, row_mm, column_mm = np.linalg.norm(self.index_to_lps[:3, :3], axis=0)
        return float(slice_mm), float(row_mm), float(column_mm)


@dataclass(frozen=True, eq=False)
class ScannedFrames:
    """One US still, cine or volume, found by its header and not yet loaded.

    `key` is its SOPInstanceUID; `doppler` says that colour flow is laid over a part of it. `step_mm` is the
    way from one plane of a volume to the next along US z (lateral × depth); None where planes are not
    parallel and evenly spaced, or nothing says so.
    """

    key: str
    series_uid: str
    study_uid: str
    description: str
    role: RoleChoice
    sources: tuple[ImageSource, ...]
    rows: int
    columns: int
    scale: PixelScale | None
    region: tuple[int, int, int, int] | None = None
    step_mm: float | None = None
    doppler: bool = False
    laterality: str = ""
    exam_date: datetime.date | None = None
    manufacturer: str = ""
    simulated: bool = False
    notes: tuple[Message, ...] = ()


@dataclass(frozen=True, eq=False)
class ScannedCase:
    """A patient folder after the scan. `fingerprint` is a sha256 over the sorted SOP instance UIDs."""

    folder: Path
    patient: Patient
    volumes: tuple[ScannedVolume, ...]
    frames: tuple[ScannedFrames, ...]
    problems: tuple[FileProblem, ...]
    fingerprint: str
    notes: tuple[Message, ...] = ()

    def volume(self, key: str) -> ScannedVolume:
        """Return the volume called `key`; raises `KeyError`."""
        return {volume.key: volume for volume in self.volumes}[key]

    def frame_set(self, key: str) -> ScannedFrames:
        """Return the US image called `key`; raises `KeyError`."""
        return {frames.key: frames for frames in self.frames}[key]

    @property
    def latest_frames(self) -> tuple[ScannedFrames, ...]:
        """The US images of the latest day, and those whose day is unknown."""
        latest = max((frames.exam_date for frames in self.frames if frames.exam_date), default=None)
        return tuple(frames for frames in self.frames if frames.exam_date in (None, latest))

    def frames_shown(self, keys: Collection[str]) -> tuple[ScannedFrames, ...]:
        """The US images of these keys; without any, the latest."""
        return tuple(frames for frames in self.frames if frames.key in keys) or self.latest_frames

    def with_override(
        self, key: str, role: Role, b_value: float | None = None, phase: int | None = None
    ) -> ScannedCase:
        """Return the case with one volume's or US image's role set by the reader; a b-value that the header
        tells stays known, and so does which phase it was."""
        told = next((v.role for v in self.volumes if v.key == key), RoleChoice(role, message("role.user")))
        choice = replace(
            told,
            role=role,
            reason=message("role.user"),
            b_value=told.b_value if b_value is None else b_value,
            phase=told.phase if phase is None else phase,
        )
        return replace(
            self,
            volumes=tuple(replace(v, role=choice) if v.key == key else v for v in self.volumes),
            frames=tuple(replace(f, role=choice) if f.key == key else f for f in self.frames),
        )

    @property
    def age_y(self) -> int | None:
        """Years at the exam, as the header says them, or else from the birth date to the last exam."""
        born = self.patient.birth_date
        images: tuple[ScannedFrames | ScannedVolume, ...] = (*self.frames, *self.volumes)
        days = [image.exam_date for image in images if image.exam_date]
        if self.patient.age_y is not None or born is None or not days:
            return self.patient.age_y
        day = max(days)
        return day.year - born.year - ((day.month, day.day) < (born.month, born.day))

    @property
    def simulated(self) -> bool:
        """Whether any image of the case says that it is simulated."""
        return any(v.simulated for v in self.volumes) or any(f.simulated for f in self.frames)


def refuse_inside(folder: Path, place: Path) -> None:
    """Raise CaseError when `place` is the patient folder or lies inside it: that folder is never written."""
    place, folder = place.resolve(), folder.resolve()
    if place == folder or folder in place.parents:
        raise CaseError.of("case.never_written")
