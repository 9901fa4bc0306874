"""Nothing that was entered is lost: full disks, second windows, late images, typing meanwhile."""

from __future__ import annotations

import threading

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMessageBox

import breastview.ui.images as images_module
from breastview.records import autosave
from breastview.records import store as store_module
from breastview.records.values import BiRads, GreyWindow, Lesion, MriMark
from breastview.registration.skin import find_body
from breastview.review.actions import AddLesion, MarkMri, RemoveLesion, SetFinding, SetWindow
from tests.imaging.dicom_files import dce_series, save_all, us_still
from tests.ui.conftest import WAIT_MS, say
from tests.ui.hands import press, texts

MINE = SetFinding("L1", BiRads.C5, "mine")


@pytest.fixture
def window(make_window):
    """A program of its own."""
    with make_window() as made:
        yield made


@pytest.fixture
def other(tmp_path):
    """Another patient's folder."""
    folder = tmp_path / "other"
    save_all(folder, us_still(number=77, PatientName="DOE^JANE", PatientID="X", SOPInstanceUID="1.2.3.77"))
    return folder


@pytest.fixture
def full_disk(monkeypatch):
    """Nothing can be written from when it is called on; called with False, it can again."""
    write = store_module.write_whole

    def refuse(path, data):
        raise OSError(28, "full")

    return lambda is_full=True: monkeypatch.setattr(store_module, "write_whole", refuse if is_full else write)


@pytest.fixture
def answers(monkeypatch):
    """What the reader answers when asked about leaving, and how often that was."""
    asked = []

    def choose(button):
        def exec_(box):
            asked.append(box.text())
            next(each for each in box.buttons() if each.text() == button).click()
            return 0

        monkeypatch.setattr(QMessageBox, "exec", exec_)
        return asked

    return choose


def entered(application, open_exam, folder):
    """A case with something entered, whether it can be saved or not."""
    session = open_exam(application, folder)
    session.dispatch(AddLesion())
    session.dispatch(MINE)
    return session


def test_what_cannot_be_saved_is_said_as_long_as_it_is_so(qtbot, window, exam, open_exam, full_disk):
    full_disk()
    session, view = entered(window, open_exam, exam), window.window.view
    qtbot.waitUntil(lambda: "⚠ not saved" in texts(view), timeout=WAIT_MS)
    view.hide_error()
    assert "⚠ not saved" in texts(view)
    full_disk(False)
    session.dispatch(SetFinding("L1", BiRads.C4A, "mine"))
    qtbot.waitUntil(lambda: "✓ saved" in texts(view), timeout=WAIT_MS)


def test_the_next_patient_is_not_opened_over_a_review_that_is_not_saved(
    window, exam, open_exam, other, full_disk, answers
):
    asked = answers("Stay")
    full_disk()
    session = entered(window, open_exam, exam)
    before = session.case.fingerprint
    open_exam(window, other)
    assert len(asked) == 1 and session.case.fingerprint == before and session.lesion.comment == "mine"
    full_disk(False)
    open_exam(window, other)
    assert len(asked) == 1 and session.case.fingerprint != before
    assert session._store.load(before).lesions[0].comment == "mine"


def test_what_is_saved_when_the_next_patient_is_opened_is_not_said_of_that_one(
    window, exam, open_exam, other, monkeypatch
):
    monkeypatch.setattr(autosave, "DELAY_S", 3600.0)
    session = entered(window, open_exam, exam)
    before = session.case.fingerprint
    open_exam(window, other)
    assert session._store.load(before).lesions[0].comment == "mine"
    assert "✓ saved" not in texts(window.window.view)


def test_a_review_that_cannot_be_saved_can_be_left(window, exam, open_exam, other, full_disk, answers):
    answers("Leave without saving")
    full_disk()
    session = entered(window, open_exam, exam)
    before = session.case.fingerprint
    open_exam(window, other)
    full_disk(False)
    assert session.case.fingerprint != before and session.save()
    assert session._store.load(before) is None


@pytest.mark.parametrize(("answer", "closes"), [("Stay", False), ("Leave without saving", True)])
def test_a_window_with_a_review_that_is_not_saved_asks_before_it_closes(
    window, exam, open_exam, full_disk, answers, answer, closes
):
    asked = answers(answer)
    full_disk()
    entered(window, open_exam, exam)
    assert window.window.view.close() is closes and len(asked) == 1
    full_disk(False)


def test_a_second_window_does_not_write_over_what_the_first_one_saved(make_window, exam, open_exam, answers):
    answers("Leave without saving")
    with make_window() as one, make_window() as two:
        two.session._store.folder = one.session._store.folder
        first, second = open_exam(one, exam), open_exam(two, exam)
        first.dispatch(AddLesion())
        first.dispatch(MINE)
        assert first.save()
        second.dispatch(SetWindow(GreyWindow(second.us_key, 100.0, 100.0)))
        assert not second.save()
        assert first._store.load(first.case.fingerprint).lesions[0].comment == "mine"
        open_exam(two, exam)
        assert second.lesion.comment == "mine"
        second.dispatch(SetFinding("L1", BiRads.C5, "ours"))
        assert second.save()


def test_a_review_goes_on_when_an_image_comes_later(window, open_exam, tmp_path):
    save_all(tmp_path, us_still(), dce_series(phases=2, count=4))
    session = entered(window, open_exam, tmp_path)
    before = session.case.fingerprint
    save_all(tmp_path / "late", us_still(number=2))
    session = open_exam(window, tmp_path)
    assert session.case.fingerprint != before and len(session.case.frames) == 2
    assert session.lesion.comment == "mine" and say("record.carried") in window.window.view.error
    session.dispatch(SetFinding("L1", BiRads.C5, "ours"))
    assert session.save() and session._store.load(before).lesions[0].comment == "mine"


@pytest.mark.parametrize("marked", [True, False])
def test_what_is_marked_in_one_exam_is_not_carried_into_the_next(window, open_exam, tmp_path, marked):
    before = {"StudyInstanceUID": "1.2.3", "StudyDate": "20250305"}
    save_all(tmp_path, us_still(), dce_series(phases=2, count=4, **before))
    session = entered(window, open_exam, tmp_path)
    if marked:
        session.dispatch(MarkMri("L1", MriMark(session.mri_key, (2.0, 3.0, 6.0))))
        assert session.save()
    now = {"StudyInstanceUID": "1.2.4", "StudyDate": "20260305"}
    late = list(dce_series(phases=2, count=4, **now))
    for each in late:
        each.SeriesInstanceUID += ".9"
        each.SOPInstanceUID = each.file_meta.MediaStorageSOPInstanceUID = each.SOPInstanceUID + ".9"
    save_all(tmp_path / "late", late)
    session = open_exam(window, tmp_path)
    error = window.window.view.error
    assert (session.lesion is None) == (say("record.other_images") in error) == marked
    assert (say("record.carried") in error) != marked


def test_a_review_of_images_that_are_gone_is_told_of_and_kept(window, exam, open_exam, other):
    session = entered(window, open_exam, exam)
    before = session.case.fingerprint
    open_exam(window, other)
    assert session.state.record.lesions == () and say("record.other_images") in window.window.view.error
    assert session._store.load(before).lesions[0].comment == "mine"


def test_a_comment_cannot_be_undone_to_that_of_another_patient(window, exam, open_exam, other):
    session, comment = open_exam(window, exam), window.window.rail.panels["read"].comment
    session.dispatch(AddLesion())
    press(window.window.view, "Ctrl+3")
    comment.setFocus()
    QTest.keyClicks(comment, "ZHANG carcinoma")
    QTest.keySequence(comment, QKeySequence("Ctrl+A"))
    QTest.keyClick(comment, Qt.Key.Key_Delete)
    open_exam(window, other)
    session.dispatch(AddLesion())
    comment.setFocus()
    QTest.keySequence(comment, QKeySequence("Ctrl+Z"))
    assert (comment.toPlainText(), session.lesion.comment) == ("", "")


@pytest.mark.parametrize("by", ["another patient", "removal"])
def test_step_3_shows_nothing_of_a_lesion_that_is_gone(window, exam, open_exam, other, by):
    session, panel = entered(window, open_exam, exam), window.window.rail.panels["read"]
    assert (panel.comment.toPlainText(), panel.bi_rads.currentData()) == ("mine", "5")
    if by == "removal":
        session.dispatch(RemoveLesion("L1"))
    else:
        open_exam(window, other)
    assert (panel.comment.toPlainText(), panel.bi_rads.currentData(), panel.told.text()) == ("", None, "")


@pytest.mark.parametrize("step", ["mark", "register"])
def test_a_number_that_is_being_typed_is_not_touched_by_what_is_loaded(
    qtbot, window, exam, open_exam, blank_record, monkeypatch, step
):
    hold = threading.Event()
    monkeypatch.setattr(images_module, "find_body", lambda v: (hold.wait(20), find_body(v))[1])
    session = window.session
    session.open_folder(exam, blank_record.with_lesion(Lesion("L1", nipple_distance_mm=3.0)))
    qtbot.waitUntil(lambda: session.tasks.is_running("body"), timeout=WAIT_MS)
    panel = window.window.rail.panels[step]
    if step == "register":
        from breastview.registration.start import start_from_mri_mark
        from breastview.review.registering import SetRegistration

        session.dispatch(
            SetRegistration(session.us_key, 0, start_from_mri_mark((0.0, 5.0), (15.0, 20.0, 6.0)))
        )
    field = panel.distance if step == "mark" else panel.fields["x"]
    field.setFocus()
    QTest.qWait(20)
    QTest.keyClicks(field, "4")
    session.loaded.emit(session.us_key)
    hold.set()
    qtbot.waitUntil(lambda: session.body is not None, timeout=WAIT_MS)
    QTest.keyClicks(field, "5")
    QTest.keyClick(field, Qt.Key.Key_Return)
    typed = session.lesion.nipple_distance_mm if step == "mark" else session.registration.centre_mm[0]
    assert typed == pytest.approx(45.0)
