"""What a report is going to say, as values: measurements, registration, notes."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from breastview.imaging.case import Patient, Role, RoleChoice, ScannedCase, ScannedFrames, ScannedVolume
from breastview.messages import message
from breastview.records.values import CaseIdentity, FrameRegistration, Lesion, MriMark, ReviewRecord, UsMark
from breastview.registration.parameters import (
    Contour,
    ContourKind,
    LandmarkPair,
    Method,
    PhaseMotion,
    RegistrationParameters,
)
from breastview.registration.plane import UsPlane
from breastview.report.content import Note, build_content

PLANE = UsPlane(origin_px=(100.0, 0.0), spacing_mm=(0.1, 0.2))
LESION = Lesion("L1", us=UsMark("us", 0, 80, 100, 120, 200), mri=MriMark("dce", (0.0, 18.0, 0.0)))


def frames(*notes, date=None) -> ScannedFrames:
    role = RoleChoice(Role.US_STILL, message("role.us_still"))
    return ScannedFrames("us", "1.1", "1", "", role, (), 300, 200, None, exam_date=date, notes=notes)


def volume(role: Role, *notes, date=None) -> ScannedVolume:
    choice = RoleChoice(role, message("role.user"))
    return ScannedVolume(
        "dce",
        "1.2",
        "1",
        "1.3",
        "",
        2,
        choice,
        (),
        (2, 2, 2),
        np.eye(4),
        "axial",
        exam_date=date,
        notes=notes,
    )


def case(frames=(), volumes=(), notes=()) -> ScannedCase:
    return ScannedCase(Path("case"), Patient(), tuple(volumes), tuple(frames), (), "f" * 64, tuple(notes))


def content_of(record_lesions=(LESION,), parameters=None, planes=None, of=None, **more):
    registrations = (FrameRegistration("us", 0, parameters),) if parameters else ()
    record = ReviewRecord(CaseIdentity("f" * 64), lesions=tuple(record_lesions), registrations=registrations)
    return build_content(of or case(), record, (), {}, None, {}, planes, **more)


def test_the_us_size_is_width_by_depth_in_mm_of_the_images_own_scale():
    assert content_of(planes={"us": PLANE}).lesions[0].size_mm == pytest.approx((8.0, 10.0))


def test_without_a_scale_nothing_has_a_size():
    assert content_of(planes={}).lesions[0].size_mm is None


def test_the_second_view_has_a_size_of_its_own_where_it_has_a_scale():
    lesion = replace(LESION, second_us=UsMark("across", 0, 10, 20, 40, 60))
    across = UsPlane(origin_px=(0.0, 0.0), spacing_mm=(0.3, 0.4))
    (both,) = content_of([lesion], planes={"us": PLANE, "across": across}).lesions
    assert both.size_mm == pytest.approx((8.0, 10.0)) and both.second_size_mm == pytest.approx((12.0, 12.0))
    assert content_of([lesion], planes={"us": PLANE}).lesions[0].second_size_mm is None
    assert content_of(planes={"us": PLANE}).lesions[0].second_size_mm is None


def test_the_distance_of_the_marks_is_the_registrations_own():
    shifted = RegistrationParameters((0.0, 0.0, 4.0), method=Method.MANUAL)
    registration = content_of(parameters=shifted, planes={"us": PLANE}).lesions[0].registration
    assert (registration.grade, registration.method) == ("side", "manual")
    assert registration.pairs == 0 and registration.rms_mm is None
    assert registration.marks_apart_mm is None, "nothing bears out a distance between the images"
    known = replace(shifted, method=Method.TRUTH)
    registration = content_of(parameters=known, planes={"us": PLANE}).lesions[0].registration
    assert registration.marks_apart_mm == pytest.approx(5.0)  # 3 mm in depth, 4 mm through the plane


def test_landmarks_bring_their_residual_and_the_honest_error():
    us = [(-10.0, 5.0), (10.0, 5.0), (-10.0, 25.0), (10.0, 25.0)]
    errors = [1.0, -1.0, -1.0, 1.0]
    pairs = tuple(LandmarkPair(p, (p[0], p[1], e)) for p, e in zip(us, errors, strict=True))
    fitted = RegistrationParameters((0.0, 0.0, 0.0), method=Method.LANDMARKS, landmarks=pairs)
    registration = content_of(parameters=fitted, planes={"us": PLANE}).lesions[0].registration
    assert (registration.grade, registration.method, registration.pairs) == ("landmarks", "landmarks", 4)
    assert registration.rms_mm == pytest.approx(1.0)
    assert registration.left_out_mm > 2.0
    assert "registration.plane_only" in [note.code for note in registration.notes]


def test_beside_lines_and_surfaces_nothing_is_printed_of_what_points_alone_would_tell():
    pair = LandmarkPair((0.0, 5.0), (0.0, 5.0, 0.0))
    flat = ((-9.0, 0.0, -4.0), (9.0, 0.0, -4.0), (0.0, 0.0, 4.0))
    skin = Contour(ContourKind.SURFACE, ((-9.0, 0.0), (9.0, 0.0)), flat)
    fitted = RegistrationParameters(
        (0.0, 0.0, 0.0), method=Method.LANDMARKS, landmarks=(pair,), contours=(skin,)
    )
    alone = content_of(parameters=replace(fitted, contours=()), planes={"us": PLANE}).lesions[0].registration
    assert [note.code for note in alone.notes] == ["registration.position_only"]
    both = content_of(parameters=fitted, planes={"us": PLANE}).lesions[0].registration
    assert both.contours == 1 and both.notes == () and both.left_out_mm is None


def test_an_unregistered_lesion_has_no_registration():
    assert content_of(planes={"us": PLANE}).lesions[0].registration is None


def test_dates_are_those_of_the_images():
    us, mri = datetime.date(2026, 3, 2), datetime.date(2026, 3, 5)
    content = content_of(of=case([frames(date=us)], [volume(Role.DCE), volume(Role.T1WI, date=mri)]))
    assert (content.us_dates, content.mri_date) == ((us,), mri)
    assert content.has_us and content.has_mri and not content.simulated


def test_the_ultrasound_is_that_which_shows_the_lesions_or_the_latest():
    days = [datetime.date(2025, 3, 2), datetime.date(2026, 3, 2)]
    early, late = frames(date=days[0]), replace(frames(date=days[1]), key="late")
    of = case([early, late, replace(frames(), key="undated")])
    across = replace(LESION, second_us=replace(LESION.us, frames_key="late"))
    assert content_of(of=of).us_dates == (days[0],)
    assert content_of([across], of=of).us_dates == tuple(days)
    assert content_of((), of=of).us_dates == (days[1],)


def test_notes_come_once_with_their_image_and_leave_unread_volumes_out():
    missing, scale = message("scan.slices_missing", count=2), message("scan.no_scale")
    other, broken = message("case.other_patient", count=1), message("problem.undecodable", what="dwi")
    mri = [volume(Role.DCE, missing), volume(Role.DCE, missing), volume(Role.LOCALIZER, missing)]
    content = content_of(of=case([frames(scale)], mri, [other]), problems=[broken])
    assert content.notes == (
        Note("", other),
        Note("", broken),
        Note("US", scale),
        Note("DCE", missing),
    )


def test_nothing_is_said_of_the_exam_before():
    missing = message("scan.slices_missing", count=2)
    before = replace(volume(Role.DWI, missing, date=datetime.date(2025, 3, 5)), study_uid="before")
    now = volume(Role.T1WI, date=datetime.date(2026, 3, 5))
    pose = RegistrationParameters((0.0, 0.0, 0.0))
    assert content_of(of=case([frames()], [before, now]), parameters=pose).notes == ()


def test_corrected_motion_and_displaced_diffusion_are_said():
    exam = case([frames()], [volume(Role.DWI)])
    moved = PhaseMotion("dce", "pre", (0.0,) * 3, (0.0,) * 3, (0.0, 0.0, 3.0), mean_mm=3.0, most_mm=3.0)
    still = replace(moved, reason=message("motion.still", mm=0.2))
    pose = FrameRegistration("us", 0, RegistrationParameters((0.0, 0.0, 0.0)))
    record = ReviewRecord(CaseIdentity("f" * 64), registrations=(pose,), motions=(moved, still))
    said = build_content(exam, record, [], {}, None, {}).notes
    assert [(note.image, note.told.code) for note in said] == [
        ("DCE", "motion.told"),
        ("DWI", "diffusion.distorted"),
    ]
    refused = replace(moved, reason=message("motion.no_gain"))
    quiet = replace(record, motions=(refused,), registrations=())
    assert [n.told.code for n in build_content(exam, quiet, [], {}, None, {}).notes] == ["motion.left"]
