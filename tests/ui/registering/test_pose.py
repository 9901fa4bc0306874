"""Step 2 itself: its numbers, its pivot and its keys, and what it keeps of the case before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from breastview.records.values import MriMark
from breastview.registration.start import start_from_mri_mark
from breastview.registration.transform import map_points
from breastview.review.actions import MarkMri
from breastview.review.registering import SetRegistration
from tests.ui.conftest import WAIT_MS
from tests.ui.hands import enter, press, push, texts
from tests.ui.registering.looks import hill


def test_a_typed_turn_leaves_the_chosen_pivot_in_place(session, matched, view, panel):
    last = np.array(session.registration.landmarks[-1].us_mm)
    there, lesion = (map_points(session.registration, at) for at in (last, np.array([0.0, 5.95])))
    for _ in range(2):
        QTest.keyClick(panel.pivot, Qt.Key.Key_Down)
    assert panel.pivot.currentText() == "about last point"
    enter(panel.fields["rz"], "25")
    assert map_points(session.registration, last) == pytest.approx(there)
    assert np.linalg.norm(map_points(session.registration, np.array([0.0, 5.95])) - lesion) > 1.0


def test_a_nudge_in_a_sagittal_view_changes_its_own_number(session, view, panel):
    session.dispatch(MarkMri("L1", MriMark(session.mri_key, (15.0, 20.0, 6.0))))
    QTest.keyClick(panel.orientation, Qt.Key.Key_Down)
    push(panel.from_mark)
    turns = [panel.fields[axis] for axis in ("rx", "ry", "rz")]
    assert [field.text() for field in turns] == ["0.0 °", "0.0 °", "0.0 °"]
    for keys, shown in (("Ctrl+Up", [-1, 0, 0]), ("Ctrl+Right", [-1, 0, 1]), ("Ctrl+PgUp", [-1, 1, 1])):
        press(view, keys)
        assert [field.value() for field in turns] == pytest.approx(shown, abs=0.11)
    enter(turns[2], "20")
    assert [field.value() for field in turns] == pytest.approx([-1, 1, 20], abs=0.11)
    QTest.keyClick(panel.orientation, Qt.Key.Key_Up)
    assert turns[1].value() == pytest.approx(90, abs=2), "as seen from the transverse view"


def test_a_pivot_that_is_not_there_is_not_offered(session, view, panel):
    QTest.keyClick(panel.pivot, Qt.Key.Key_Home)
    assert panel.pivot.currentText() == "about lesion"
    QTest.keyClick(panel.pivot, Qt.Key.Key_End)
    assert panel.pivot.currentText() == "about probe", "there is no landmark to turn about"


@pytest.mark.parametrize("key", ["R", "L", "F", "K"])
def test_a_key_of_the_step_opens_it_where_its_hints_are_read(session, view, panel, key):
    session.images.body = hill()
    press(view, "Ctrl+1")
    press(view, key)
    assert panel.isVisible()
    press(view, "Esc")


def test_how_the_last_patient_s_probe_was_held_says_nothing_of_the_next(
    application, exam, blank_record, open_exam, session, panel
):
    for choice in (panel.orientation, panel.model):
        QTest.keyClick(choice, Qt.Key.Key_Down)
    for ticked in (panel.bend, panel.free_scale):
        ticked.click()
    QTest.keyClick(panel.pivot, Qt.Key.Key_Down)
    session.dispatch(SetRegistration(session.us_key, 0, replace(session.registration, scale=1.1)))
    scaled = session.state.record
    open_exam(application, exam, blank_record)
    assert (panel.orientation.currentText(), panel.model.currentText()) == ("Transverse", "tissue")
    assert not panel.bend.isChecked() and not panel.free_scale.isChecked()
    session.dispatch(SetRegistration(session.us_key, 0, start_from_mri_mark((0.0, 5.0), (15.0, 20.0, 6.0))))
    assert panel.pivot.currentText() == "about probe" and not panel.scale.isEnabled(), "nothing is marked"
    open_exam(application, exam, scaled)
    assert panel.free_scale.isChecked() and session.registration.scale == 1.1, "a record keeps its scale"
    assert panel.pivot.currentText() == "about lesion"


def test_a_number_that_is_not_there_looks_it(application, exam, blank_record, open_exam):
    open_exam(application, exam, blank_record)
    press(application.window.view, "Ctrl+2")
    panel = application.window.rail.panels["register"]

    def brightest(widget):
        image = widget.grab().toImage()
        return max(
            image.pixelColor(x, y).lightness() for x in range(image.width()) for y in range(image.height())
        )

    for widget in (panel.fields["x"], panel.free_scale):
        dim = brightest(widget)
        widget.setEnabled(True)
        assert brightest(widget) > dim + 40
        widget.setEnabled(False)


def test_saved_is_said_of_the_open_case(qtbot, application, exam, blank_record, open_exam):
    session, view = open_exam(application, exam, blank_record), application.window.view
    press(view, "N")
    qtbot.waitUntil(lambda: "✓ saved" in texts(view), timeout=WAIT_MS)
    open_exam(application, exam, blank_record)
    assert "✓ saved" not in texts(view) and session.lesion is None
