"""Poses put aside: kept, looked at, taken up again."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from breastview.registration.parameters import Method
from tests.ui.hands import LEFT, PLAIN, hold, let_go, press, push, texts


def picture(view):
    return view.mri.canvas.grab().toImage()


def kept(panel):
    return [panel.snapshots.kept.item(row).text() for row in range(panel.snapshots.kept.count())]


def test_a_snapshot_is_kept_looked_at_and_taken_up_again(session, view, panel):
    first = session.registration
    push(panel.snapshots.keep)
    assert kept(panel) == ["A  ·  known from the simulation  ·  present"]
    assert not panel.snapshots.hold.isEnabled() and not panel.snapshots.take.isEnabled()
    assert panel.snapshots.take.toolTip().endswith("It is the present registration.")
    press(view, "Alt+Right")
    second, before, title = session.registration, picture(view), view.mri.title.text()
    hold(panel.snapshots.hold)
    assert view.mri.title.text() == "DCE 2 − 1 · over ultrasound" and "A" in texts(view.mri.canvas)
    assert picture(view) != before and session.registration == second
    let_go(panel.snapshots.hold)
    assert view.mri.title.text() == title and picture(view) == before
    push(panel.snapshots.take)
    assert session.registration == first
    press(view, "Ctrl+Z")
    assert session.registration == second
    press(view, "Ctrl+Z")
    assert session.registration == first, "looking left no step"


def test_snapshots_have_names_and_a_name_holds_one(session, view, panel):
    push(panel.snapshots.keep)
    QTest.keyClicks(panel.snapshots.name, "skin line")
    QTest.keyClick(panel.snapshots.name, Qt.Key.Key_Return)
    assert panel.snapshots.name.text() == "" and panel.snapshots.name.placeholderText() == "B"
    press(view, "Alt+Right")
    QTest.keyClicks(panel.snapshots.name, "A")
    push(panel.snapshots.keep)
    assert [line.split("  ·  ")[0] for line in kept(panel)] == ["skin line", "A"]
    assert kept(panel)[1] == "A  ·  by hand  ·  present"
    assert panel.snapshots.kept.currentRow() == 1
    QTest.keyClick(panel.snapshots.kept, Qt.Key.Key_Up)
    push(panel.snapshots.take)
    assert session.registration.method is Method.TRUTH


def test_a_snapshot_is_removed_and_brought_back_by_undo(session, view, panel):
    before = session.registration
    for _ in range(2):
        push(panel.snapshots.keep)
    assert panel.snapshots.kept.currentRow() == 1
    push(panel.snapshots.remove)
    assert [line.split("  ·  ")[0] for line in kept(panel)] == ["A"] and session.registration == before
    push(panel.snapshots.remove)
    assert kept(panel) == [] and not panel.snapshots.remove.isVisible()
    press(view, "Ctrl+Z")
    press(view, "Ctrl+Z")
    assert [line.split("  ·  ")[0] for line in kept(panel)] == ["A", "B"]


def test_a_snapshot_belongs_to_its_picture(session, record, panel):
    push(panel.snapshots.keep)
    session.show_us(next(e.frames_key for e in record.registrations if e.frames_key != session.us_key))
    assert kept(panel) == [] and not panel.snapshots.hold.isVisible()


@pytest.mark.parametrize("focus", ["canvas", "list"])
def test_a_key_compares_as_long_as_it_is_held(session, view, panel, focus):
    push(panel.snapshots.keep)
    press(view, "Alt+Right")
    widget = panel.snapshots.kept if focus == "list" else view.us.canvas
    widget.setFocus()
    before = view.mri.title.text()
    QTest.keyPress(widget, Qt.Key.Key_C)
    assert view.mri.title.text().endswith("over ultrasound") and view.mri.title.text() != before
    QTest.keyRelease(widget, Qt.Key.Key_C)
    assert view.mri.title.text() == before


def test_a_hand_on_the_image_takes_the_registration_itself(session, view, panel):
    push(panel.snapshots.keep)
    press(view, "Alt+Shift+Right")
    present = session.registration
    press(view, "R")
    view.us.canvas.setFocus()
    QTest.keyPress(view.us.canvas, Qt.Key.Key_C)
    canvas = view.mri.canvas
    middle = canvas.viewport().rect().center()
    QTest.mousePress(canvas.viewport(), LEFT, PLAIN, middle)
    assert "A" not in texts(canvas) and session.registered[0] == present
    QTest.mouseRelease(canvas.viewport(), LEFT, PLAIN, middle)
    QTest.keyRelease(view.us.canvas, Qt.Key.Key_C)
    press(view, "Esc")
    assert session.registration == present
