"""Of several phases, acquisitions and exams: what is read, and what can be looked at beside it."""

from __future__ import annotations

from breastview.imaging.case import Role
from breastview.imaging.dynamic import SUBTRACTION, phases
from breastview.records.values import MriMark, Side
from breastview.registration.start import start_from_mri_mark
from breastview.review.actions import AddLesion, ConfirmSide, MarkMri, OverrideRole
from breastview.review.registering import SetRegistration
from tests.imaging.dicom_files import dce_series, mr_series, save_all, two_breasts, us_still
from tests.ui.conftest import WAIT_MS, say
from tests.ui.hands import click, press, texts, wheel
from tests.ui.looks import rows


def test_phases_that_cannot_be_subtracted_leave_one_of_them_hung(qtbot, application, open_exam, tmp_path):
    *slices, _ = dce_series(phases=2, count=6)
    save_all(tmp_path, slices)
    session, view = open_exam(application, tmp_path), application.window.view
    assert say("dynamic.grids_differ") in view.error
    assert session.volume.role.phase == 2 and view.mri.title.text() == "DCE 2/2"
    session.show_mri("subtraction")
    qtbot.waitUntil(lambda: not session.tasks.busy, timeout=WAIT_MS)
    assert view.mri.title.text() == "DCE 2/2"


def test_the_subtraction_follows_a_role_that_was_overruled(qtbot, application, open_exam, tmp_path):
    save_all(tmp_path, dce_series(phases=3, count=4))
    session, view = open_exam(application, tmp_path), application.window.view
    assert (session.volume.array.max(), view.mri.title.text()) == (50, "DCE 2 − 1")
    second, third = phases(session.case.volumes)[1:]
    session.dispatch(OverrideRole(second.key, Role.OTHER))
    qtbot.waitUntil(lambda: not session.tasks.busy, timeout=WAIT_MS)
    assert (session.volume.array.max(), view.mri.title.text()) == (100, "DCE 3 − 1")
    session.dispatch(OverrideRole(third.key, Role.OTHER))
    assert session.volume.role.phase == 1, "one phase alone is not subtracted"


def test_the_subtraction_is_of_the_breast_that_is_read(qtbot, application, open_exam, tmp_path):
    save_all(tmp_path, us_still(8), two_breasts())
    session, view = open_exam(application, tmp_path), application.window.view
    assert (session.volume.array.max(), view.mri.title.text()) == (50, "DCE R 2 − 1")
    names = [name for name, _ in rows(view)]
    assert names[-5:] == ["DCE R 2 − 1", "DCE L 1/2", "DCE L 2/2", "DCE R 1/2", "DCE R 2/2"]
    session.dispatch(AddLesion())
    session.dispatch(ConfirmSide("L1", Side.LEFT))
    qtbot.waitUntil(lambda: not session.tasks.busy, timeout=WAIT_MS)
    assert (session.volume.array.max(), view.mri.title.text()) == (80, "DCE L 2 − 1")
    assert "DCE L 2 − 1" in [name for name, _ in rows(view)]
    session.dispatch(MarkMri("L1", MriMark(SUBTRACTION, (-70.0, -40.0, 40.0))))
    qtbot.waitUntil(lambda: not session.tasks.busy, timeout=WAIT_MS)
    assert (session.volume.array.max(), view.mri.title.text()) == (50, "DCE R 2 − 1")
    session.undo()
    qtbot.waitUntil(lambda: not session.tasks.busy, timeout=WAIT_MS)
    assert (session.volume.array.max(), view.mri.title.text()) == (80, "DCE L 2 − 1")


def test_a_phase_that_was_exported_twice_is_not_subtracted_from_itself(
    qtbot, application, open_exam, tmp_path
):
    again = dce_series(1, series=19, AcquisitionNumber=7)
    save_all(tmp_path, us_still(8), again, dce_series(phases=2, count=4))
    session, view = open_exam(application, tmp_path), application.window.view
    assert say("dynamic.same_images") in view.error and view.mri.title.text() == "DCE 2/3"
    session.dispatch(OverrideRole(phases(session.case.volumes)[1].key, Role.OTHER))
    qtbot.waitUntil(lambda: not session.tasks.busy, timeout=WAIT_MS)
    session.show_mri(SUBTRACTION)
    qtbot.waitUntil(lambda: not session.tasks.busy, timeout=WAIT_MS)
    assert (session.volume.array.max(), view.mri.title.text()) == (50, "DCE 3 − 1")


def test_the_exam_before_has_a_place_of_its_own(application, open_exam, tmp_path):
    now, before = ({"StudyInstanceUID": f"1.2.{day}", "StudyDate": f"{day}"} for day in (20260305, 20250305))
    save_all(tmp_path, mr_series(4, series=2, **before), dce_series(phases=2, count=4, **now))
    open_exam(application, tmp_path)
    view = application.window.view
    names = [name for name, _ in rows(view)]
    assert names[:5] == ["MRI", "DCE 2 − 1", "DCE 1/2", "DCE 2/2", "MRI 2025-03-05"]
    assert "⚠ " + say("case.several_exams") in names
    assert any("MRI 2026-03-05" in text for text in texts(view))


def test_ultrasound_of_the_latest_day_is_hung_first_and_that_before_is_named(
    application, open_exam, tmp_path
):
    before = us_still(1, StudyDate="20250305", StudyInstanceUID="1.2.5", SeriesInstanceUID="1.2.5.1")
    save_all(tmp_path, before, us_still(2, StudyDate="20260301"))
    session, view = open_exam(application, tmp_path), application.window.view
    names = [name for name, _ in rows(view)]
    assert names[:4] == ["Ultrasound", "US still 2", "US 2025-03-05", "US still 1"]
    assert "⚠ " + say("case.several_us_days") in names
    assert any("US 2026-03-01" in text for text in texts(view))
    assert session.us_key.endswith(".2") and view.us.title.text() == "Ultrasound 2/2"
    wheel(view.us.canvas)
    assert session.us_key.endswith(".1") and view.us.title.text() == "Ultrasound 1/2 · 2025-03-05"
    assert "not the latest ultrasound" in texts(view.us.canvas)
    wheel(view.us.canvas)
    assert "not the latest ultrasound" not in texts(view.us.canvas)


def test_the_exam_before_can_be_looked_at_and_takes_nothing(qtbot, application, open_exam, tmp_path):
    now, before = ({"StudyInstanceUID": f"1.2.{day}", "StudyDate": f"{day}"} for day in (20260305, 20250305))
    save_all(tmp_path, us_still(), mr_series(4, series=2, **before), dce_series(phases=2, count=4, **now))
    session, view = open_exam(application, tmp_path), application.window.view
    place = (10.0, 20.0, 6.0)
    session.dispatch(AddLesion())
    session.dispatch(MarkMri("L1", MriMark(session.mri_key, place)))
    session.dispatch(SetRegistration(session.us_key, 0, start_from_mri_mark((0, 5.0), place)))
    application.window.mri.set_mode("fused")
    assert "over ultrasound" in view.mri.title.text() and view.mri.canvas._marks
    (prior,) = (volume for volume in session.case.volumes if str(volume.exam_date) == "2025-03-05")
    assert prior.key not in session.volumes, "what is read is loaded first"
    session.show_mri(prior.key)
    qtbot.waitUntil(lambda: not session.tasks.busy, timeout=WAIT_MS)
    assert view.mri.title.text().endswith(" · 2025-03-05")
    assert "not the exam that is read" in texts(view.mri.canvas) and not view.mri.canvas._marks
    for key in ("M", "L"):
        press(view, key)
        click(view.mri.canvas, 20, 20)
        assert view.error.count(say("mark.other_exam")) == 1
        view.hide_error()
    assert session.lesion.mri.point_mm == place and not session.registration.landmarks
    session.show_mri(SUBTRACTION)
    qtbot.waitUntil(lambda: not session.tasks.busy, timeout=WAIT_MS)
    assert view.mri.title.text().startswith("DCE 2 − 1 · ") and view.mri.canvas._marks


def test_images_in_another_frame_of_reference_show_no_marks_and_take_none(
    qtbot, application, open_exam, tmp_path
):
    save_all(
        tmp_path, us_still(7), mr_series(4, series=2, FrameOfReferenceUID="1.2.9"), dce_series(2, count=4)
    )
    session, view = open_exam(application, tmp_path), application.window.view
    assert "⚠ " + say("case.several_spaces") in [name for name, _ in rows(view)]
    session.dispatch(AddLesion())
    session.dispatch(MarkMri("L1", MriMark(session.mri_key, (10.0, 20.0, 6.0))))
    session.dispatch(SetRegistration(session.us_key, 0, start_from_mri_mark((0, 5.0), (10.0, 20.0, 6.0))))
    (moved,) = (v for v in session.case.volumes if v.frame_of_reference_uid == "1.2.9")
    session.show_mri(moved.key)
    application.window.mri.set_mode("fused")
    assert view.mri.title.text() == "T1WI" and not view.mri.canvas._marks
    assert "another frame of reference: no marks here" in texts(view.mri.canvas)
    press(view, "M")
    click(view.mri.canvas, 20, 20)
    assert say("mark.other_space") in view.error and session.lesion.mri.volume_key == SUBTRACTION
    session.show_mri(SUBTRACTION)
    assert view.mri.canvas._marks


def test_the_body_is_not_found_in_the_exam_before(qtbot, application, open_exam, tmp_path):
    now, before = ({"StudyInstanceUID": f"1.2.{day}", "StudyDate": f"{day}"} for day in (20260305, 20250305))
    stir = {"SeriesDescription": "tirm", "ScanningSequence": "IR", "InversionTime": 170}
    save_all(tmp_path, mr_series(4, series=2, **before), mr_series(3, series=3, **stir, **now))
    session = open_exam(application, tmp_path)
    (prior,) = (volume for volume in session.case.volumes if str(volume.exam_date) == "2025-03-05")
    session.show_mri(prior.key)
    qtbot.waitUntil(lambda: not session.tasks.busy, timeout=WAIT_MS)
    assert session.volume is not None and session.body is None
