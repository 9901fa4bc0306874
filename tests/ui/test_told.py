"""What a key shows, what is said where it can do nothing, and how long a sentence stays."""

from __future__ import annotations

import threading

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from breastview.errors import ReportError
from breastview.messages import message
from breastview.registration.start import start_from_mri_mark
from breastview.review.registering import SetRegistration
from breastview.ui.panes.canvas import Tool
from breastview.ui.rail import report as report_module
from tests.imaging.dicom_files import mr_series, save_all, us_still
from tests.ui.conftest import WAIT_MS, say
from tests.ui.hands import click, press, push

CROSS = Qt.CursorShape.CrossCursor
OF_GRIPS = (Qt.CursorShape.SizeAllCursor, Qt.CursorShape.SizeHorCursor, Qt.CursorShape.SizeVerCursor)
POSE = start_from_mri_mark((0.0, 5.0), (15.0, 20.0, 6.0))


@pytest.fixture
def session(application, exam, blank_record, open_exam):
    opened = open_exam(application, exam, blank_record)
    press(application.window.view, "Ctrl+3")
    application.window.view.us.canvas.setFocus()
    return opened


@pytest.mark.parametrize(("key", "step"), [("N", "mark"), ("B", "mark"), ("M", "mark"), ("G", "model")])
def test_a_key_opens_the_step_in_which_its_effect_is_seen(session, view, key, step):
    press(view, key)
    assert view.rail.step == step


def test_the_pointer_is_a_cross_where_a_click_marks(session, view, registered):
    us, mri = view.us.canvas.viewport(), view.mri.canvas.viewport()
    press(view, "B")
    assert us.cursor().shape() is CROSS and mri.cursor().shape() is not CROSS
    press(view, "M")
    assert mri.cursor().shape() is CROSS and us.cursor().shape() is not CROSS
    press(view, "R")
    QTest.mouseMove(mri, mri.rect().center())
    assert mri.cursor().shape() not in (CROSS, us.cursor().shape()), "the grips have their own"
    press(view, "L")
    assert us.cursor().shape() is CROSS and mri.cursor().shape() not in (CROSS, *OF_GRIPS)
    press(view, "Esc")
    assert us.cursor().shape() is not CROSS


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("S", "review.no_registration"),
        ("K", "review.no_registration"),
        ("L", "review.no_registration"),
        ("H", "model.no_heatmaps"),
    ],
)
def test_a_key_that_can_do_nothing_says_why(application, session, view, key, code):
    press(view, key)
    assert view.error == "✖ " + say(code)
    assert not application.window.tools.heatmaps, "nothing is asked for unseen"


def test_a_refusal_goes_once_something_is_done(session, view):
    press(view, "L")
    assert view.error
    session.dispatch(SetRegistration(session.us_key, 0, POSE))
    assert view.error == ""


def test_what_failed_by_itself_stays_until_it_is_closed(session, view, registered):
    session.failed.emit(message("case.gone"))
    press(view, "N")
    assert say("case.gone") in view.error
    press(view, "Esc")
    assert view.error == ""


def test_who_closes_a_message_keeps_what_is_being_drawn(session, view, registered):
    press(view, "F")
    click(view.us.canvas, 60, 40)
    press(view, "Return")
    assert view.error == "✖ " + say("registration.contour_short")
    press(view, "Esc")
    assert view.error == "" and view.us.canvas.tool is Tool.POINT
    click(view.us.canvas, 90, 42)
    press(view, "Return")
    assert view.mri.canvas.tool is Tool.POINT, "both clicks were there"
    press(view, "Esc")
    assert view.mri.canvas.tool is Tool.BROWSE


def test_a_report_that_could_not_be_written_is_forgotten_once_it_is(
    qtbot, application, session, view, monkeypatch, tmp_path
):
    written, report = [], application.window.rail.report

    def refuse(*_):
        raise ReportError.of("report.unwritable")

    for write in (refuse, lambda *arguments: written.append(arguments)):
        monkeypatch.setattr(report_module, "write_pdf", write)
        report.export(tmp_path / "report.pdf")
        qtbot.waitUntil(lambda: not session.tasks.busy, timeout=WAIT_MS)
        assert bool(view.error) is not bool(written)


def test_what_is_worth_knowing_is_not_told_as_a_failure(session, view):
    session.failed.emit(message("report.of_case_before", file="report.pdf"))
    assert view.error.startswith("✓ ")
    session.failed.emit(message("record.carried"))
    assert view.error.startswith("⚠ ")


def test_the_images_stay_where_they_are_when_work_begins(qtbot, session, view):
    before, hold = view.us.canvas.height(), threading.Event()
    session.tasks.start("held", lambda progress: (progress(None, message("doing.snap")), hold.wait(20)), id)
    qtbot.waitUntil(view._progress.isVisible, timeout=WAIT_MS)
    QTest.qWait(20)
    assert view.us.canvas.height() == before
    hold.set()
    qtbot.waitUntil(lambda: not session.tasks.busy, timeout=WAIT_MS)


def test_the_place_under_the_pointer_is_forgotten_where_it_leaves_the_image(session, view):
    QTest.mouseMove(view.us.canvas.viewport(), view.us.canvas.to_widget(60, 40).toPoint())
    assert view._position.text().startswith("US x")
    view.us.canvas.left.emit()
    assert view._position.text() == ""


@pytest.mark.parametrize(
    ("images", "key", "code"),
    [
        (us_still, "M", "mark.no_mri"),
        (us_still, "R", "registration.no_mri"),
        (us_still, "L", "registration.no_mri"),
        (mr_series, "B", "mark.no_us"),
        (mr_series, "S", "registration.no_us"),
        (mr_series, "K", "registration.no_us"),
    ],
)
def test_a_case_of_one_modality_says_what_it_lacks(application, open_exam, tmp_path, images, key, code):
    save_all(tmp_path, images())
    session, view = open_exam(application, tmp_path), application.window.view
    press(view, key)
    assert view.error == "✖ " + say(code)
    assert application.window.tools.name == "browse" and session.lesion is None


def test_step_2_of_a_case_of_one_modality_asks_for_no_start(application, open_exam, tmp_path):
    save_all(tmp_path, us_still())
    open_exam(application, tmp_path)
    view, panel = application.window.view, application.window.rail.panels["register"]
    press(view, "Ctrl+2")
    assert panel.told.text() == say("registration.no_mri")
    for start in (panel.from_mark, panel.from_clock):
        push(start)
        assert view.error == "✖ " + say("registration.no_mri")
