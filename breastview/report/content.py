"""What a report says, as frozen values: codes and numbers, no sentences; it prints in any language."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from breastview.fusion.reading import Reading
from breastview.fusion.spec import ModelSpec
from breastview.imaging.case import Patient, Role, ScannedCase
from breastview.imaging.dynamic import exam_day, of_one_exam
from breastview.messages import Message, message
from breastview.records.concordance import box_size_mm, mark_distance_mm, objections_to_views
from breastview.records.expected import lesion_grade
from breastview.records.values import Lesion, ReviewRecord, UsMark
from breastview.registration.agreement import correspondence_residuals_mm, rms_mm
from breastview.registration.grade import Grade
from breastview.registration.landmarks import fit_landmarks
from breastview.registration.parameters import RegistrationParameters
from breastview.registration.plane import UsPlane
from breastview.registration.skin import Body
from breastview.report.images import KeyImage

UNREAD_ROLES = frozenset({Role.LOCALIZER, Role.MIP, Role.SUBTRACTION})


@dataclass(frozen=True)
class Note:
    """Something to know about an image: `image` is "" (the case), "US", or the role of a volume."""

    image: str
    told: Message


@dataclass(frozen=True)
class RegistrationContent:
    """How US and MRI were brought together: what that is worth, method, correspondences, residual in mm, and
    what stays open."""

    grade: str
    method: str
    pairs: int
    contours: int
    rms_mm: float | None
    left_out_mm: float | None
    marks_apart_mm: float | None
    scale: float
    notes: tuple[Message, ...]


@dataclass(frozen=True, eq=False)
class LesionContent:
    """One lesion with everything that is printed about it. `size_mm` is (width, depth) on US, and
    `second_size_mm` in the second view; `of_views` is what headers say against its US images."""

    lesion: Lesion
    mri_side: str | None
    size_mm: tuple[float, float] | None
    registration: RegistrationContent | None
    reading: Reading | None
    images: tuple[KeyImage, ...]
    second_size_mm: tuple[float, float] | None = None
    of_views: tuple[Message, ...] = ()


@dataclass(frozen=True, eq=False)
class ReportContent:
    """A whole report. `us_dates` are the days of the US images that show its lesions, or of the latest."""

    patient: Patient
    us_dates: tuple[datetime.date, ...]
    mri_date: datetime.date | None
    has_us: bool
    has_mri: bool
    simulated: bool
    lesions: tuple[LesionContent, ...]
    overview: tuple[KeyImage, ...]
    problem_count: int
    notes: tuple[Note, ...]
    spec: ModelSpec | None
    printed: datetime.datetime


def build_content(
    case: ScannedCase,
    record: ReviewRecord,
    images: Sequence[KeyImage],
    readings: Mapping[str, Reading],
    spec: ModelSpec | None,
    sides: Mapping[str, str | None],
    planes: Mapping[str, UsPlane] | None = None,
    printed: datetime.datetime | None = None,
    problems: Sequence[Message] = (),
    body: Body | None = None,
) -> ReportContent:
    """Gather a report; `sides`: each lesion's side by the MRI midline, `planes`: US images with a scale.

    `problems` are what went wrong in loading; `body` is where the MRI shows the patient.
    """
    lesions = tuple(
        LesionContent(
            lesion=lesion,
            mri_side=sides.get(lesion.lesion_id),
            size_mm=_size(lesion.us, planes or {}),
            second_size_mm=_size(lesion.second_us, planes or {}),
            registration=_registration(record, lesion, planes or {}, body),
            reading=readings.get(lesion.lesion_id),
            of_views=objections_to_views(case, lesion),
            images=tuple(image for image in images if image.lesion_id == lesion.lesion_id),
        )
        for lesion in record.lesions
    )
    return ReportContent(
        patient=case.patient,
        us_dates=_us_dates(case, record),
        mri_date=exam_day(case.volumes),
        has_us=bool(case.frames),
        has_mri=bool(case.volumes),
        simulated=case.simulated,
        lesions=lesions,
        overview=tuple(image for image in images if not image.lesion_id),
        problem_count=len(case.problems),
        notes=(*_notes(case, problems), *_motion_notes(case, record), *_distortion_notes(case, record)),
        spec=spec,
        printed=printed or datetime.datetime.now(),
    )


def _us_dates(case: ScannedCase, record: ReviewRecord) -> tuple[datetime.date, ...]:
    marked = {mark.frames_key for lesion in record.lesions for mark in lesion.views}
    return tuple(sorted({frames.exam_date for frames in case.frames_shown(marked) if frames.exam_date}))


def _notes(case: ScannedCase, problems: Sequence[Message]) -> tuple[Note, ...]:
    """Each thing once; nothing of volumes that nobody reads."""
    notes = [Note("", told) for told in (*case.notes, *problems)]
    notes += [Note("US", told) for frames in case.frames for told in frames.notes]
    for volume in of_one_exam(case.volumes):
        if volume.role.role not in UNREAD_ROLES:
            notes += [Note(volume.role.role.value.upper(), told) for told in volume.notes]
    return tuple(note for place, note in enumerate(notes) if note not in notes[:place])


def _motion_notes(case: ScannedCase, record: ReviewRecord) -> tuple[Note, ...]:
    """How each phase was corrected, or why a doubtful one was not; nothing of one that lay still."""
    number = {volume.key: volume.role.phase or 0 for volume in case.volumes}
    notes = []
    for motion in record.motions:
        phase = number.get(motion.volume_key, 0)
        if motion.reason is None:
            told = message("motion.told", phase=phase, mm=round(motion.most_mm, 1))
            notes.append(Note("DCE", told))
        elif motion.reason.code != "motion.still":
            notes.append(Note("DCE", message("motion.left", phase=phase, why=motion.reason)))
    return tuple(notes)


def _distortion_notes(case: ScannedCase, record: ReviewRecord) -> tuple[Note, ...]:
    """What a registration cannot promise of echo-planar images."""
    diffusion = any(volume.role.role is Role.DWI for volume in of_one_exam(case.volumes))
    return (Note("DWI", message("diffusion.distorted")),) if diffusion and record.registrations else ()


def _size(mark: UsMark | None, planes: Mapping[str, UsPlane]) -> tuple[float, float] | None:
    plane = planes.get(mark.frames_key) if mark else None
    return box_size_mm(mark, plane) if mark and plane else None


def _registration(
    record: ReviewRecord, lesion: Lesion, planes: Mapping[str, UsPlane], body: Body | None
) -> RegistrationContent | None:
    if lesion.us is None:
        return None
    parameters = record.registration(lesion.us.frames_key, lesion.us.frame)
    plane = planes.get(lesion.us.frames_key)
    grade = lesion_grade(record, lesion, plane, body)
    if parameters is None or grade is None:
        return None
    apart = mark_distance_mm(record, lesion, plane) if plane and grade.allows_measuring else None
    return _described(parameters, grade, apart)


def _described(parameters: RegistrationParameters, grade: Grade, apart: float | None) -> RegistrationContent:
    """What is printed of a registration. What points alone would tell is nothing to print beside lines and
    surfaces, which turned the plane too."""
    pairs = parameters.placed
    notes: tuple[Message, ...] = ()
    left_out = None
    if pairs and not parameters.contours:
        fit = fit_landmarks(pairs, parameters)
        notes = fit.notes
        left_out = max(fit.left_out_mm) if fit.left_out_mm else None
    return RegistrationContent(
        grade=grade.value,
        method=parameters.method.value,
        pairs=len(pairs),
        contours=len(parameters.contours),
        rms_mm=rms_mm(correspondence_residuals_mm(parameters)),
        left_out_mm=left_out,
        marks_apart_mm=apart,
        scale=parameters.scale,
        notes=notes,
    )
