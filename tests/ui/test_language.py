"""A switch of the language changes the words, and nothing else that the reader sees."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QScrollArea, QSlider, QToolButton

from breastview.language import Language
from breastview.records.values import BiRads, MriMark, UsMark
from breastview.registration.parameters import LandmarkPair
from breastview.registration.start import start_from_mri_mark
from breastview.registration.transform import Pivot
from breastview.review.actions import CommitFirstRead, MarkMri, MarkUs, SetFinding
from breastview.review.registering import AddLandmark, KeepSnapshot, SetRegistration
from breastview.ui.panes.canvas import Tool
from tests.ui.hands import CTRL, click, drag, enter, press, push, texts, wheel
from tests.ui.looks import seen


@pytest.fixture
def window(make_window, exam, blank_record, open_exam):
    """A program with a lesion marked and registered, in English."""
    with make_window() as application:
        session = open_exam(application, exam, blank_record)
        press(application.window.view, "B")
        drag(application.window.view.us.canvas, (60, 50), (100, 70))
        session.dispatch(MarkMri("L1", MriMark(session.mri_key, (15.0, 20.0, 6.0))))
        pose = start_from_mri_mark((0.0, 5.0), (15.0, 20.0, 6.0))
        session.dispatch(SetRegistration(session.us_key, 0, pose))
        press(application.window.view, "Ctrl+2")
        yield application


def switch(application):
    """Push the button that names the other language; the new window."""
    view = application.window.view
    push(next(button for button in view.findChildren(QToolButton) if button.text() in ("中文", "English")))
    assert application.window.view is not view
    assert QTest.qWaitForWindowActive(application.window.view)
    return application.window


def mode(view, name):
    push(next(button for button in view.mri.findChildren(QToolButton) if button.text() == name))


def test_the_panes_show_what_they_showed(window):
    view = window.window.view
    mode(view, "Fused")
    view.mri.findChild(QSlider).setValue(80)
    for _ in range(3):
        wheel(view.us.canvas, -1, CTRL, at=(40, 60))
    before = [seen(pane.canvas) for pane in (view.us, view.mri)]
    press(view, "T")
    after = switch(window).view
    assert window.window.mri.mode == "fused" and after.mri.findChild(QSlider).value() == 80
    assert [seen(pane.canvas) for pane in (after.us, after.mri)] == [
        pytest.approx(s, rel=0.01) for s in before
    ]
    assert "W 255 L 128" not in texts(after.us.canvas)
    press(after, "T")
    assert "W 255 L 128" in texts(after.us.canvas)


def test_the_acquired_slice_its_zoom_and_the_layout_stay(window):
    view = window.window.view
    wheel(view.mri.canvas, 2)
    for _ in range(4):
        wheel(view.mri.canvas, -1, CTRL, at=(20, 30))
    press(view, "3")
    press(view, "F9")
    QTest.qWait(50)
    place, before = next(t for t in texts(view.mri.canvas) if t.startswith("slice ")), seen(view.mri.canvas)
    after = switch(window).view
    QTest.qWait(50)
    text = Language("zh_CN").text
    assert place.replace("slice", text("slice")) in texts(after.mri.canvas)
    assert seen(after.mri.canvas) == pytest.approx(before, rel=0.01)
    assert not after.us.isVisible() and not after.case.isVisible() and not after.rail.isVisible()
    for key in ("F9", "2"):
        press(after, key)
    QTest.qWait(50)
    assert after.case.isVisible() and after.us.width() == pytest.approx(after.mri.width(), rel=0.1)


def test_the_case_keeps_its_pictures_and_stays_saved(window):
    view = window.window.view
    tall = np.zeros((30, 10), np.uint8) + 200
    window.session.thumbnail.emit(window.session.case.volumes[-1].key, tall)
    view.set_saved(True)
    before = [icon.pixmap(32).toImage() for icon in icons(view)]
    after = switch(window).view
    assert [icon.pixmap(32).toImage() for icon in icons(after)] == before
    assert "✓ " + Language("zh_CN").text("saved") in texts(after)


def icons(view):
    items = view.case.tree.findItems("", Qt.MatchFlag.MatchContains | Qt.MatchFlag.MatchRecursive)
    return [item.icon(0) for item in items if not item.icon(0).isNull()]


def test_what_was_chosen_for_the_registration_stays(window):
    panel = window.window.rail.panels["register"]
    for choice, times in ((panel.orientation, 2), (panel.model, 1), (panel.pivot, 1)):
        for _ in range(times):
            QTest.keyClick(choice, Qt.Key.Key_Down)
    panel.free_scale.click()
    window.window.rail.panels["refine"].snapshots.name.setText("first try")
    after = switch(window)
    panel = after.rail.panels["register"]
    assert panel.isVisible()
    assert (panel.orientation.currentData(), panel.model.currentData()) == ("radial", "rigid")
    assert panel.pivot.currentData() == Pivot.PROBE
    assert panel.free_scale.isChecked() and panel.scale.isEnabled()
    assert after.rail.panels["refine"].snapshots.name.text() == "first try"


def test_the_language_of_the_report_follows_until_it_is_chosen(window):
    language = switch(window).rail.panels["report"].language
    assert language.currentData() == "zh_CN"
    language.setCurrentIndex(0)
    assert switch(window).rail.panels["report"].language.currentData() == "en"
    assert switch(window).rail.panels["report"].language.currentData() == "zh_CN"


def test_the_tool_stays_in_hand_with_what_it_has_drawn(window):
    view = window.window.view
    press(view, "F")
    for place in ((70, 40), (90, 45)):
        click(view.us.canvas, *place)
    after = switch(window)
    assert after.view.us.canvas.tool is Tool.POINT and after.rail.panels["register"].surface.isChecked()
    assert len(after.rail.register.drafting.us_mm) == 2
    press(after.view, "Esc")
    press(after.view, "R")
    after = switch(window)
    assert after.view.mri.canvas.tool is Tool.MOVE and after.rail.panels["register"].drag.isChecked()
    enter(after.rail.panels["register"].fields["rz"], "5")
    assert window.session.registration.angles_deg[2] == pytest.approx(5.0)


@pytest.mark.parametrize("step", ["mark", "register", "read", "model", "report"])
def test_no_step_is_wider_than_the_column(window, step):
    session = window.session
    session.dispatch(KeepSnapshot(session.us_key, 0, "A"))
    session.dispatch(MarkUs("L1", UsMark("another image", 0, 60, 50, 100, 70)))
    pair = LandmarkPair((0.0, 5.0), (15.0, 20.0, 6.0))
    session.dispatch(AddLandmark(session.us_key, 0, pair))
    session.dispatch(SetFinding("L1", BiRads.C6, ""))
    session.dispatch(CommitFirstRead())
    for shown in (lambda: window.window, lambda: switch(window)):
        rail = shown().rail.view
        rail.open(step)
        QTest.qWait(20)
        area = rail.findChild(QScrollArea)
        assert area.widget().width() <= area.viewport().width()
