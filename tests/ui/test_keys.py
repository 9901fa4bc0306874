"""A field or a list that has the keyboard keeps its keys; the window's shortcuts get the rest."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QComboBox

from breastview.records.values import BiRads
from breastview.registration.parameters import LandmarkPair, RegistrationParameters
from breastview.review.actions import AddLesion
from breastview.review.registering import SetRegistration
from tests.ui.conftest import WAIT_MS
from tests.ui.hands import press

PAIR = LandmarkPair((1.0, 20.0), (16.0, 14.0, 7.5))
POSE = RegistrationParameters((15.0, -6.0, 7.5), landmarks=(PAIR,))


@pytest.fixture
def session(application, exam, blank_record, open_exam):
    opened = open_exam(application, exam, blank_record)
    opened.dispatch(AddLesion())
    opened.dispatch(SetRegistration(opened.us_key, 0, POSE))
    return opened


@pytest.fixture
def view(application, session):
    return in_front(application.window.view)


def in_front(window):
    """Without a screen a list that was open keeps the window's activation."""
    window.activateWindow()
    assert QTest.qWaitForWindowActive(window)
    return window


@pytest.fixture
def read(application, view):
    press(view, "Ctrl+3")
    return application.window.rail.panels["read"]


@pytest.fixture
def register(application, view):
    press(view, "Ctrl+2")
    return application.window.rail.panels["register"]


@pytest.fixture(autouse=True)
def new_search(view):
    """What the test before typed is forgotten; what this one types is one search, however slowly."""
    usual_ms = QApplication.keyboardInputInterval()
    QApplication.setKeyboardInputInterval(WAIT_MS)
    for choice in view.findChildren(QComboBox):
        choice.view().keyboardSearch("")
    yield
    QApplication.setKeyboardInputInterval(usual_ms)


def test_a_category_is_typed_and_no_tool_is_taken(application, session, read):
    read.bi_rads.setFocus()
    QTest.keyClicks(read.bi_rads, "4B")
    assert session.lesion.bi_rads is BiRads.C4B
    assert application.window.tools.name == "browse"


def test_the_open_list_keeps_its_letters_too(application, session, read):
    read.bi_rads.showPopup()
    QTest.keyClicks(read.bi_rads.view(), "4B")
    QTest.keyClick(read.bi_rads.view(), Qt.Key.Key_Return)
    assert session.lesion.bi_rads is BiRads.C4B
    assert application.window.tools.name == "browse"


@pytest.mark.parametrize("letter", ["r", "s", "1"])
def test_letters_choose_how_the_probe_is_held(application, session, view, register, letter):
    probe = register.orientation
    probe.setCurrentIndex(probe.findData("transverse"))
    probe.setFocus()
    QTest.keyClicks(probe, letter)
    wanted = {"r": "radial", "s": "sagittal", "1": "transverse"}[letter]
    assert probe.currentData() == wanted
    assert application.window.tools.name == "browse" and view.mri.isVisible()
    assert not session.tasks.busy


@pytest.mark.parametrize("leave", ["pick", "enter", "image"])
def test_the_images_get_the_keys_back(application, view, register, leave):
    probe = register.orientation
    probe.setFocus()
    if leave == "pick":
        probe.showPopup()
        QTest.keyClick(probe.view(), Qt.Key.Key_Return)
        in_front(view)
    elif leave == "enter":
        QTest.keyClick(probe, Qt.Key.Key_Return)
    else:
        QTest.mouseClick(view.us.canvas.viewport(), Qt.MouseButton.LeftButton)
    press(view, "R")
    assert application.window.tools.name == "mri_move"
    press(view, "Esc")


@pytest.mark.parametrize("keys", ["Alt+PgUp", "Alt+Up", "Ctrl+PgDown", "Alt+Shift+Left", "Ctrl+Shift+Right"])
@pytest.mark.parametrize("where", ["weight", "rx", "orientation"])
def test_in_a_field_or_a_list_no_key_moves_the_plane(session, view, register, where, keys):
    field = register.fields.get(where) or getattr(register, where)
    field.setFocus()
    before = (session.registration, register.orientation.currentIndex())
    press(view, keys)
    register.orientation.hidePopup()
    assert (session.registration, register.orientation.currentIndex()) == before


def test_after_enter_the_keys_move_the_plane_again(session, view, register):
    field = register.fields["x"]
    field.setFocus()
    QTest.keySequence(field, "Ctrl+A")
    QTest.keyClicks(field, "16.0")
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert session.registration.centre_mm == pytest.approx((16.0, -6.0, 7.5))
    press(view, "Alt+Right")
    assert session.registration.centre_mm == pytest.approx((17.0, -6.0, 7.5))


def test_after_a_click_in_the_case_column_letters_are_the_windows(application, session, view):
    tree = view.case.tree
    item = tree.topLevelItem(0).child(0)
    QTest.mouseClick(tree.viewport(), Qt.MouseButton.LeftButton, pos=tree.visualItemRect(item).center())
    press(view, "B")
    assert application.window.tools.name == "us_box"
    press(view, "Esc")


def test_the_keyboard_falls_into_no_field(application, session, view, read):
    read.bi_rads.setFocus()
    QTest.keyClicks(read.bi_rads, "3")
    read.commit.setFocus()
    press(view, "Space")
    assert session.state.record.first_read_committed and not read.commit.isEnabled()
    press(view, "B")
    assert application.window.tools.name == "us_box"
    press(view, "Ctrl+3")
    read.comment.setFocus()
    press(view, "Ctrl+2")
    press(view, "M")
    assert application.window.tools.name == "mri_point"
    press(view, "Esc")


def test_a_new_window_has_its_keys(make_window, exam, open_exam):
    with make_window() as made:
        open_exam(made, exam)
        press(made.window.view, "B")
        assert made.window.tools.name == "us_box"
