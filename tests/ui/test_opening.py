"""Opening a folder: what is seen while it is scanned, what is wrong with it, and what stays when it fails."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QToolButton

import breastview.ui.images as images_module
import breastview.ui.session as session_module
from breastview.imaging.dynamic import SUBTRACTION, phases
from breastview.imaging.scan import scan_folder
from breastview.messages import message
from breastview.records.values import UsMark
from breastview.registration.skin import find_body
from breastview.review.actions import AddLesion, MarkUs
from tests.imaging.dicom_files import (
    dce_series,
    region,
    save_all,
    us_pixels,
    us_still,
)
from tests.ui.conftest import WAIT_MS, say
from tests.ui.hands import LEFT, drop, press, push, texts
from tests.ui.looks import rows


@pytest.fixture
def held_scan(monkeypatch):
    """Keep every scan from ending until this event is set, as a slow disk would."""
    told = threading.Event()

    def scan(folder, progress, on_found):
        case = scan_folder(folder, progress, on_found)
        assert told.wait(WAIT_MS / 1000)
        progress(1.0, message("doing.scan", done=1, count=1))
        return case

    monkeypatch.setattr(session_module, "scan_folder", scan)
    yield told
    told.set()


def holiday(path):
    """A coloured photograph."""
    colours = np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)
    Image.fromarray(colours).save(path)


def marks_on(canvas):
    """Whether anything coloured is drawn on a grey picture, or on none."""
    image = canvas.grab().toImage()
    places = ((x, y) for x in range(image.width()) for y in range(image.height()))
    return any(image.pixelColor(x, y).saturation() > 100 for x, y in places)


@pytest.fixture
def window(make_window):
    """A program of its own for a test that needs one where nothing was opened."""
    with make_window() as made:
        yield made


def test_an_empty_window_says_how_to_begin(window):
    assert "Open a patient folder to begin." in texts(window.window.view)
    assert "Nothing is open yet." in texts(window.window.view.case)


def test_the_first_ultrasound_is_seen_before_the_scan_ends(qtbot, window, held_scan, tmp_path):
    session, view = window.session, window.window.view
    save_all(tmp_path, us_still())
    with qtbot.waitSignal(session.previewed, timeout=WAIT_MS):
        session.open_folder(tmp_path)
    assert session.case is None and session.tasks.is_running("scan")
    shown = view.us.canvas.grab().toImage()
    assert shown.pixelColor(shown.width() // 2, shown.height() // 2).value() > 0, "no longer black"
    held_scan.set()
    qtbot.waitUntil(lambda: session.case is not None, timeout=WAIT_MS)
    assert [frames.key for frames in session.case.frames] == [session.us_key]


def test_a_preview_does_not_outlive_its_scan(qtbot, window, held_scan, tmp_path):
    session, view = window.session, window.window.view
    save_all(tmp_path / "first", us_still())
    save_all(tmp_path / "second", dce_series(phases=2, count=4))
    with qtbot.waitSignal(session.previewed, timeout=WAIT_MS):
        session.open_folder(tmp_path / "first")
    session.open_folder(tmp_path / "second")
    assert session.preview is None
    held_scan.set()
    qtbot.waitUntil(lambda: session.case is not None, timeout=WAIT_MS)
    press(view, "2")
    assert texts(view.us.canvas) == ["No ultrasound in this folder. Read MRI only."]


def test_what_was_computed_of_the_case_before_does_not_reach_the_next(
    qtbot, window, exam, open_exam, monkeypatch, tmp_path
):
    told = threading.Event()

    def held(volume):
        assert told.wait(WAIT_MS / 1000)
        return find_body(volume)

    monkeypatch.setattr(images_module, "find_body", held)
    session = window.session
    session.open_folder(exam)
    qtbot.waitUntil(lambda: session.tasks.is_running("body"), timeout=WAIT_MS)
    save_all(tmp_path, us_still())
    session.open_folder(tmp_path)
    qtbot.waitUntil(lambda: session.case is not None and session.case.folder == tmp_path, timeout=WAIT_MS)
    told.set()
    qtbot.waitUntil(lambda: bool(session.stacks) and not session.tasks.busy, timeout=WAIT_MS)
    assert session.body is None and session.volumes == {}


def test_a_running_scan_is_cancelled_and_the_case_before_it_stays(
    qtbot, window, exam, open_exam, held_scan, tmp_path
):
    held_scan.set()
    session, view = open_exam(window, exam), window.window.view
    before = session.case
    held_scan.clear()
    save_all(tmp_path, us_still())
    session.open_folder(tmp_path)
    qtbot.waitUntil(lambda: say("doing.scan", done=0, count=1) in texts(view), timeout=WAIT_MS)
    cancel = next(button for button in view.findChildren(QToolButton) if button.text() == "Cancel")
    push(cancel)
    assert not session.tasks.busy and not cancel.isVisible()
    held_scan.set()
    assert open_exam(window, exam).case is not before
    assert session.case.folder == exam and view.error == ""


def test_a_cancelled_first_scan_leaves_nothing_of_its_folder_on_screen(qtbot, window, held_scan, tmp_path):
    save_all(tmp_path, us_still())
    session, view = window.session, window.window.view
    held_scan.clear()
    session.open_folder(tmp_path)
    qtbot.waitUntil(lambda: session.preview is not None, timeout=WAIT_MS)
    assert view.us.isVisible()
    push(next(button for button in view.findChildren(QToolButton) if button.text() == "Cancel"))
    assert session.preview is None and not view.us.isVisible()
    held_scan.set()


def test_a_folder_dropped_over_the_images_is_opened(qtbot, application, exam, open_exam, tmp_path):
    session = open_exam(application, exam)
    save_all(tmp_path, us_still(number=7))
    drop(application.window.view, tmp_path)
    qtbot.waitUntil(lambda: session.case.folder == tmp_path, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: not session.tasks.busy, timeout=WAIT_MS)


def test_a_folder_that_is_gone_when_it_is_dropped_does_not_open_the_one_around_it(
    qtbot, application, exam, open_exam, tmp_path
):
    session, view = open_exam(application, exam), application.window.view
    save_all(tmp_path / "other", us_still(number=7))
    drop(view, tmp_path / "pulled out")
    qtbot.waitUntil(lambda: not session.tasks.busy, timeout=WAIT_MS)
    assert session.case.folder == exam and say("case.no_folder") in view.error


@pytest.mark.parametrize("when", ["while it is loaded", "later"])
def test_a_folder_that_vanishes_is_told_of_and_nothing_waits_for_it(
    qtbot, application, open_exam, tmp_path, when
):
    folder, away = tmp_path / "stick", tmp_path / "pulled out"
    save_all(folder, us_still(), dce_series(phases=3, count=4))
    session, view = application.session, application.window.view
    if when == "later":
        open_exam(application, folder)
        folder.rename(away)
        session.show_mri(phases(session.case.volumes)[2].key)
        qtbot.waitUntil(lambda: not session.tasks.busy, timeout=WAIT_MS)
    else:
        session.opened.connect(lambda: folder.rename(away), Qt.ConnectionType.SingleShotConnection)
        open_exam(application, folder)
        assert texts(view.us.canvas) == ["Could not be read."]
    assert say("case.gone") in view.error
    assert "Could not be read." in texts(view.mri.canvas)
    away.rename(folder)
    open_exam(application, folder)
    assert session.mri_key == SUBTRACTION and session.volume is not None and view.error == ""


def test_junk_is_listed_with_its_reasons_and_the_rest_is_read(application, open_exam, tmp_path):
    save_all(tmp_path, us_still(), dce_series(phases=2, count=4))
    good = (tmp_path / "IM0001").read_bytes()
    (tmp_path / "cut short").write_bytes(good[:-50])
    (tmp_path / "notes.txt").write_text("nothing", encoding="utf-8")
    holiday(tmp_path / "beach.jpg")
    session, view = open_exam(application, tmp_path), application.window.view
    assert session.case is not None and len(session.case.volumes) == 2
    listed = dict(rows(view))
    assert listed["⚠ cut short"] == f"cut short: {say('problem.truncated')}"
    assert listed["⚠ beach.jpg"] == f"beach.jpg: {say('problem.photograph')}"
    assert "⚠ " + say("case.strangers", count=1) in listed
    assert "Problems (2)" in listed
    tree = view.case.tree
    problems = tree.topLevelItem(tree.topLevelItemCount() - 1)
    sentence, file = (tree.visualItemRect(problems.child(n)).height() for n in (0, 1))
    assert sentence > 1.5 * file, "a sentence has as many lines as it needs"
    assert "SIMULATED  ·  ⚠ 2 files with problems" in texts(view)


def test_without_ultrasound_mri_has_all_the_room_and_the_empty_pane_says_what_to_do(
    application, open_exam, tmp_path
):
    save_all(tmp_path, dce_series(phases=2, count=4))
    open_exam(application, tmp_path)
    view = application.window.view
    assert view.mri.isVisible() and not view.us.isVisible()
    assert any(text.startswith("no ultrasound · MRI ") for text in texts(view))
    press(view, "2")
    assert view.mri.isVisible()
    assert texts(view.us.canvas) == ["No ultrasound in this folder. Read MRI only."]


def test_nothing_of_the_patient_before_stays_in_an_empty_pane(
    application, exam, blank_record, open_exam, tmp_path
):
    session, canvas = open_exam(application, exam, blank_record), application.window.view.us.canvas
    session.dispatch(AddLesion())
    session.dispatch(MarkUs(session.lesion.lesion_id, UsMark(session.us_key, 0, 20, 20, 60, 50)))
    assert any(text.endswith(" mm") for text in texts(canvas)) and marks_on(canvas)
    save_all(tmp_path, dce_series(phases=2, count=4))
    open_exam(application, tmp_path)
    press(application.window.view, "2")
    assert texts(canvas) == ["No ultrasound in this folder. Read MRI only."] and not marks_on(canvas)


def test_a_cine_is_opened_at_the_frame_that_is_marked(application, open_exam, tmp_path):
    frames = np.stack([us_pixels() + shift for shift in (0, 10, 20)])
    save_all(tmp_path, us_still(number=5, pixels=frames, frames=True))
    session = open_exam(application, tmp_path)
    session.dispatch(AddLesion())
    session.dispatch(MarkUs("L1", UsMark(session.us_key, 2, 60, 45, 100, 75)))
    assert open_exam(application, tmp_path).us_frame == 2


def test_without_mri_ultrasound_has_all_the_room_and_the_empty_pane_says_what_to_do(
    application, exam, open_exam, tmp_path
):
    save_all(tmp_path, us_still())
    open_exam(application, tmp_path)
    view = application.window.view
    assert view.us.isVisible() and not view.mri.isVisible()
    assert any(text.endswith(" · no MRI") for text in texts(view))
    press(view, "2")
    assert texts(view.mri.canvas) == ["No MRI in this folder. Read ultrasound only."]
    press(view, "1")
    open_exam(application, exam)
    assert view.us.isVisible() and view.mri.isVisible()


@pytest.mark.parametrize("code", ["case.empty", "case.photographs", "case.no_folder", "case.only_problems"])
def test_a_folder_without_an_exam_is_refused_and_the_case_before_it_stays(
    code, application, exam, open_exam, tmp_path
):
    before = open_exam(application, exam).case
    folder = tmp_path / "gone" if code == "case.no_folder" else tmp_path
    if code == "case.photographs":
        holiday(tmp_path / "beach.jpg")
        holiday(tmp_path / "mountain.jpg")
    if code == "case.only_problems":
        save_all(tmp_path, us_still())
        (tmp_path / "IM0000").write_bytes((tmp_path / "IM0000").read_bytes()[:-50])
    session = open_exam(application, folder)
    params = {"count": 1} if code == "case.only_problems" else {}
    assert application.window.view.error == "✖ " + say(code, **params)
    assert session.case is before
    QTest.keyClick(application.window.view, "\x1b")


def test_the_column_tells_doppler_and_cine_from_plain_stills(application, open_exam, tmp_path):
    flow = region(50, 30, 99, 69)
    flow.RegionDataType = 2
    coloured = us_still(2, regions=[region(20, 10, 139, 109), flow])
    cine = us_still(3, pixels=np.stack([us_pixels()] * 3), frames=True)
    save_all(tmp_path, us_still(1), coloured, cine)
    open_exam(application, tmp_path)
    ultrasound = application.window.view.case.tree.topLevelItem(0)
    told = [[ultrasound.child(n).text(k) for k in (0, 1)] for n in range(ultrasound.childCount())]
    assert told == [["US still 1", ""], ["US still 2", "Doppler"], ["US cine 3", "3"]]


def test_the_context_menu_overrules_a_role(application, exam, open_exam):
    session, view = open_exam(application, exam), application.window.view
    second = next(v for v in session.case.volumes if v.role.phase == 2)
    assert ("DCE 2/2", f"t1_fl3d_dyn\nDCE 2/2: {say(second.role.reason.code, count=2)}") in rows(view)
    view.case.role_wanted.emit(second.key, "t2wi")
    assert session.state.record.roles[0].key == second.key
    assert session.case.volume(second.key).role.role == "t2wi"
    assert "T2WI" in [text for text, _ in rows(view)]
    assert "DCE 2 − 1" not in [text for text, _ in rows(view)], "one phase makes no subtraction"
    session.undo()
    assert "DCE 2/2" in [text for text, _ in rows(view)]


def test_a_click_in_the_case_column_hangs_an_image(qtbot, application, exam, open_exam):
    session, view = open_exam(application, exam), application.window.view
    tree = view.case.tree
    item = next(
        tree.topLevelItem(1).child(n)
        for n in range(tree.topLevelItem(1).childCount())
        if tree.topLevelItem(1).child(n).text(0) == "DCE 2/2"
    )
    QTest.mouseClick(tree.viewport(), LEFT, pos=tree.visualItemRect(item).center())
    assert session.case.volume(session.mri_key).role.phase == 2
    assert view.mri.title.text() == "DCE 2/2" and item.font(0).bold()


def test_a_long_name_does_not_widen_the_window(application, open_exam, tmp_path):
    name = "LONG^" + "NAME " * 12
    save_all(tmp_path, us_still(PatientName=name), dce_series(phases=2, count=4, PatientName=name))
    open_exam(application, tmp_path)
    view = application.window.view
    assert view.minimumSizeHint().width() <= 1280
    view.resize(1280, 720)
    assert view._patient.text().count("NAME") == 12
    assert 0 < view._patient.width() < view._patient.sizeHint().width()
    assert view._dates.width() >= view._dates.sizeHint().width(), "the days are whole"
    view._patient.grab()
    assert view._patient.toolTip() == view._patient.text()


def test_the_images_are_as_wide_as_one_another_in_a_window_of_any_size(application, exam, open_exam):
    open_exam(application, exam)
    view = application.window.view
    for width in (900, 1600):
        view.resize(width, 800)
        QTest.qWait(20)
    assert abs(view.us.width() - view.mri.width()) <= 1
    view._images.moveSplitter(700, 1)
    by_hand = view.us.width()
    view.resize(1604, 800)
    QTest.qWait(20)
    assert abs(view.us.width() - by_hand) < 8, "as a hand divided it"
