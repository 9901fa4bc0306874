"""The steps mark, register and read: what their fields do, what they warn of, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QToolTip

from breastview.records.values import BiRads, Side
from breastview.registration.parameters import LandmarkPair, Method
from breastview.registration.start import start_from_mri_mark
from breastview.registration.transform import map_points
from breastview.review.actions import SelectLesion
from breastview.review.registering import AddLandmark, SetRegistration
from breastview.ui.panes.canvas import Tool
from breastview.ui.rail.view import RailView
from tests.imaging.dicom_files import dce_series, save_all, us_still
from tests.ui.conftest import say
from tests.ui.hands import click, drag, enter, press, push, texts, wheel

BOX = (60, 50, 100, 80)  # px of the US image
CENTRE = (30, 12)  # px of the MRI slice: x 22, y 12 mm


@pytest.fixture
def session(application, exam, blank_record, open_exam):
    opened = open_exam(application, exam, blank_record)
    press(application.window.view, "Ctrl+1")
    application.window.view.us.canvas.setFocus()
    return opened


@pytest.fixture
def marked(session, view):
    """One lesion, marked on both images."""
    press(view, "B")
    drag(view.us.canvas, BOX[:2], BOX[2:])
    press(view, "M")
    click(view.mri.canvas, *CENTRE)
    return session.lesion


@pytest.fixture
def pose(session):
    """The US image's middle lies in the MRI's middle."""
    found = start_from_mri_mark((0.0, 5.0), (15.0, 20.0, 6.0))
    session.dispatch(SetRegistration(session.us_key, 0, found))
    return found


def test_a_tool_is_laid_down_by_its_own_key(session, view, panels):
    press(view, "B")
    assert panels["mark"].box.isChecked() and session.lesion.lesion_id == "L1"
    press(view, "B")
    assert not panels["mark"].box.isChecked()
    drag(view.us.canvas, BOX[:2], BOX[2:])
    assert session.lesion.us is None, "without the tool a drag pans"


def test_a_click_draws_no_box(session, view):
    press(view, "B")
    click(view.us.canvas, 80, 60)
    assert session.lesion.us is None


def test_a_box_drawn_backwards_is_the_same_box(session, view, panels):
    press(view, "B")
    drag(view.us.canvas, BOX[2:], BOX[:2])
    mark = session.lesion.us
    assert (mark.left, mark.top, mark.right, mark.bottom) == pytest.approx(BOX, abs=1)
    assert panels["mark"].us.text() == "US: 4 × 3 mm"


def test_a_box_in_the_mri_gives_centre_and_extent(session, view, panels):
    press(view, "M")
    drag(view.mri.canvas, (20, 10), (30, 18))
    mark = session.lesion.mri
    assert mark.point_mm == pytest.approx((16.5, 14.25, 9.0), abs=0.3)
    assert mark.extent_mm == pytest.approx((10.0, 12.0, 0.0), abs=0.4)
    enter(panels["mark"].extent[2], "7")
    assert session.lesion.mri.extent_mm == (*mark.extent_mm[:2], 7.0)


def test_the_wrong_side_is_warned_of_until_it_is_right(session, marked, panels, view):
    panel = panels["mark"]
    assert panel.side_told.text() == "⚠ Left by the MRI midline: confirm."
    push(panel.right)
    assert session.lesion.side is Side.RIGHT
    assert panel.side_told.text() == "⚠ The MRI mark lies on the other side: Left."
    assert panel.same.text() == "⚠ " + say("concordance.no_correlate")
    assert panel.same.property("role") == "caution" and "⚠ L1 R · not one lesion" in texts(view.rail)
    push(panel.left)
    assert panel.side_told.text() == "" and "✓ L1 L" in texts(view.rail)
    press(view, "Ctrl+Z")
    assert session.lesion.side is Side.RIGHT and panel.right.isChecked()


def test_marks_that_nothing_was_told_of_are_not_called_one_lesion(session, marked, panels):
    panel, untold = panels["mark"], say("concordance.place_untold")
    assert panel.same.text() == f"◐ {say('concordance.open')}\n{untold}"
    push(panel.left)
    assert panel.same.text() == f"◐ {say('concordance.open')}\n{untold}"
    assert panel.same.property("role") == "muted"


def test_a_second_lesion_has_its_own_marks(session, marked, view, panels):
    press(view, "N")
    assert session.lesion.lesion_id == "L2" and panels["mark"].us.text() == "US: not marked"
    press(view, "B")
    drag(view.us.canvas, (30, 20), (50, 40))
    first, second = session.state.record.lesions
    assert first == marked
    assert (second.us.left, second.us.top) == pytest.approx((30, 20), abs=1)
    choice = panels["mark"].lesions
    QTest.keyClick(choice, Qt.Key.Key_Up)
    assert session.lesion == first and panels["mark"].us.text() == "US: 4 × 3 mm"
    push(panels["mark"].remove)
    assert [lesion.lesion_id for lesion in session.state.record.lesions] == ["L2"]
    press(view, "Ctrl+Z")
    assert len(session.state.record.lesions) == 2


def test_typing_in_a_field_is_not_a_shortcut(qtbot, session, marked, view, panels):
    clock = panels["mark"].clock
    QTest.mouseClick(clock.lineEdit(), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(clock.lineEdit().hasSelectedText)
    QTest.keyClicks(clock, "3")
    assert view.us.isVisible() and view.mri.isVisible(), "3 is a number here, not a layout"
    QTest.keyClick(clock, Qt.Key.Key_Return)
    assert session.lesion.clock_h == 3.0


def test_a_start_needs_what_it_is_computed_from(session, view, panels):
    press(view, "Ctrl+2")
    push(panels["register"].from_mark)
    assert view.error == "✖ " + say("registration.needs_marks")
    push(panels["register"].from_clock)
    assert view.error == "✖ " + say("registration.needs_clock")
    press(view, "Esc")
    assert view.error == ""


def test_an_image_without_scale_is_calibrated_and_then_registered(application, open_exam, tmp_path):
    save_all(tmp_path, us_still(regions=[]), dce_series(phases=2, count=6))
    session, view = open_exam(application, tmp_path), application.window.view
    panels = application.window.rail.panels
    assert "⚠ no scale: nothing is in mm" in texts(view.us.canvas)
    press(view, "B")
    drag(view.us.canvas, BOX[:2], BOX[2:])
    press(view, "M")
    click(view.mri.canvas, *CENTRE)
    press(view, "Ctrl+1")
    assert panels["mark"].us.text() == "US: marked; no scale"
    press(view, "Ctrl+2")
    push(panels["register"].from_mark)
    assert view.error == "✖ " + say("registration.no_scale") and session.registration is None
    enter(panels["register"].length, "20")
    push(panels["register"].calibrate)
    drag(view.us.canvas, (30, 100), (130, 100))
    assert session.plane.spacing_mm == pytest.approx((0.2, 0.2), abs=0.004)
    assert any(text.startswith(("0.199 mm", "0.200 mm", "0.201 mm")) for text in texts(view.us.canvas))
    push(panels["register"].from_mark)
    middle = session.plane.px_to_mm(np.array([80.0, 65.0]))
    assert map_points(session.registration, middle) == pytest.approx(session.lesion.mri.point_mm, abs=0.3)
    assert "◐ region · from the lesion marks" in texts(view.rail)


def test_typed_numbers_are_the_pose(session, pose, view, panels):
    press(view, "Ctrl+2")
    fields = panels["register"].fields
    assert [field.value() for field in fields.values()] == pytest.approx([15.0, 15.0, 6.0, 0, 0, 0])
    enter(fields["x"], "12.5")
    enter(fields["rz"], "-30")
    assert session.registration.centre_mm == (12.5, 15.0, 6.0)
    assert session.registration.angles_deg == pytest.approx((0.0, 0.0, -30.0))
    assert session.registration.method is Method.MANUAL
    press(view, "Ctrl+Z")
    press(view, "Ctrl+Z")
    assert session.registration == pose


def test_a_typed_number_leaves_the_others_as_they_are(session, view, panels):
    fine = start_from_mri_mark((0.0, 5.0), (15.123, 20.456, 6.789), (1.234, 5.678, 9.012))
    session.dispatch(SetRegistration(session.us_key, 0, fine))
    press(view, "Ctrl+2")
    enter(panels["register"].fields["x"], "12.5")
    assert session.registration.centre_mm == (12.5, *fine.centre_mm[1:])
    assert session.registration.angles_deg == fine.angles_deg


@pytest.mark.parametrize(
    ("keys", "axis", "step"),
    [("Alt+Right", 0, 1.0), ("Alt+Up", 1, -1.0), ("Alt+PgUp", 2, 1.0), ("Alt+Shift+Left", 0, -0.1)],
)
def test_keys_nudge_the_plane(session, pose, view, keys, axis, step):
    press(view, keys)
    moved = np.array(session.registration.centre_mm) - pose.centre_mm
    assert moved[axis] == pytest.approx(step) and np.count_nonzero(np.round(moved, 6)) == 1
    press(view, "Ctrl+Z")
    assert session.registration == pose


def test_a_freed_scale_is_flagged_beyond_a_tenth_and_given_back(session, pose, view, panels):
    press(view, "Ctrl+2")
    panel = panels["register"]
    assert not panel.scale.isEnabled()
    panel.free_scale.click()
    enter(panel.scale, "1.15")
    assert session.registration.scale == 1.15
    assert any("⚠ scale 1.15" in text for text in texts(view.rail))
    panel.free_scale.click()
    assert session.registration.scale == 1.0 and not panel.scale.isEnabled()


def test_pairs_are_listed_fitted_and_removed(session, pose, view, panels):
    press(view, "Ctrl+2")
    panel = panels["register"]
    for us, shift in (((-4.0, 2.0), 1.0), ((4.0, 2.0), 1.0), ((0.0, 9.0), 1.0), ((2.0, 6.0), 3.0)):
        x, y, z = map_points(pose, np.array(us))
        pair = LandmarkPair(us, (float(x) + shift, float(y), float(z)))
        session.dispatch(AddLandmark(session.us_key, 0, pair))
    assert [panel.found.item(n, 1).text() for n in range(4)] == ["1.0 mm", "1.0 mm", "1.0 mm", "3.0 mm"]
    assert panel.found.currentRow() == 3, "what was added last is chosen"
    push(panel.remove)
    assert panel.found.rowCount() == 3 and panel.told.text().startswith("3 pairs, residual 1.0 mm rms\n")
    QTest.keyClick(panel.model, Qt.Key.Key_Down)
    push(panel.fit)
    assert panel.told.text() == "3 pairs, residual 0.0 mm rms"
    assert session.registration.centre_mm == pytest.approx((16.0, 15.0, 6.0))
    assert say("registration.no_spare_pair") in panel.notes.text()


def test_a_pair_is_of_one_image(application, open_exam, tmp_path):
    save_all(tmp_path, us_still(1), us_still(2), dce_series(phases=2, count=6))
    session, view = open_exam(application, tmp_path), application.window.view
    first = session.us_key
    for frames in session.case.frames:
        session.dispatch(SetRegistration(frames.key, 0, start_from_mri_mark((0.0, 5.0), (15.0, 20.0, 6.0))))
    press(view, "L")
    click(view.us.canvas, 60, 40)
    wheel(view.us.canvas)
    assert session.us_key != first
    click(view.mri.canvas, 20, 12)
    assert [entry.parameters.landmarks for entry in session.state.record.registrations] == [(), ()]
    click(view.us.canvas, 60, 40)
    click(view.mri.canvas, 20, 12)
    assert len(session.registration.landmarks) == 1


def test_a_tool_does_not_reach_the_next_case(session, view, application, exam, open_exam):
    press(view, "B")
    assert view.us.canvas.tool is Tool.BOX
    open_exam(application, exam)
    assert view.us.canvas.tool is Tool.BROWSE


@pytest.mark.parametrize(
    ("field", "told", "typed", "value", "shown"),
    [
        ("distance", "nipple_distance_mm", "6 cm", 60.0, "60 mm"),
        ("distance", "nipple_distance_mm", "4.5", 4.5, "4.5 mm"),
        ("distance", "nipple_distance_mm", "4,5cm", 45.0, "45 mm"),
        ("distance", "nipple_distance_mm", "7 mm", 7.0, "7 mm"),
        ("distance", "nipple_distance_mm", "160", None, "–"),
        ("distance", "nipple_distance_mm", "6 h", None, "–"),
        ("distance", "nipple_distance_mm", "about 6", None, "–"),
        ("clock", "clock_h", "10:30", 10.5, "10:30 h"),
        ("clock", "clock_h", "10.5", 10.5, "10:30 h"),
        ("clock", "clock_h", "9", 9.0, "9 h"),
        ("clock", "clock_h", "12 h", 12.0, "12 h"),
        ("clock", "clock_h", "14", None, "–"),
        ("clock", "clock_h", "0", None, "–"),
        ("clock", "clock_h", "10:75", None, "–"),
    ],
)
def test_what_is_typed_is_taken_as_it_was_meant_or_not_at_all(
    session, marked, panels, field, told, typed, value, shown
):
    number = getattr(panels["mark"], field)
    enter(number, typed)
    assert getattr(session.lesion, told) == value and number.text() == shown


def test_what_is_not_taken_leaves_the_value_and_says_what_is_taken(session, marked, panels):
    field = panels["mark"].clock
    enter(field, "3")
    enter(field, "31")
    assert session.lesion.clock_h == 3.0 and field.text() == "3 h"
    assert QToolTip.text() == "31 h ✗   1 … 12:30 h"


def test_an_emptied_field_is_unknown_again(session, marked, panels):
    field = panels["mark"].distance
    enter(field, "40")
    QTest.keySequence(field, QKeySequence("Ctrl+A"))
    QTest.keyClick(field, Qt.Key.Key_Delete)
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert session.lesion.nipple_distance_mm is None and field.text() == "–"


def test_the_first_read_needs_a_category(session, marked, view, panels):
    press(view, "Ctrl+3")
    panel = panels["read"]
    assert not panel.commit.isEnabled() and "◐ no category yet" in texts(view.rail)
    for _ in range(5):
        QTest.keyClick(panel.bi_rads, Qt.Key.Key_Down)
    assert session.lesion.bi_rads is BiRads.C4A
    push(panel.commit)
    assert session.state.record.first_read_committed and not panel.commit.isEnabled()
    assert any(text.startswith("First read committed") for text in texts(panel))


def test_of_several_lesions_the_step_says_whose_category_it_shows(session, marked, view, panels):
    press(view, "Ctrl+3")
    QTest.keyClick(panels["read"].bi_rads, Qt.Key.Key_Down)
    assert "◐ BI-RADS 0" in texts(view.rail)
    press(view, "N")
    assert "◐ L2 · no category yet" in texts(view.rail)
    session.dispatch(SelectLesion("L1"))
    assert "◐ L1 · BI-RADS 0" in texts(view.rail)


def test_without_a_model_the_review_goes_on(session, marked, view, panels):
    press(view, "Ctrl+4")
    assert "no model" in texts(view.rail)
    assert not panels["model"].run.isEnabled()


def test_a_state_that_wrapped_keeps_its_room_until_a_step_is_opened(qtbot):
    rail = RailView([("one", "One", QLabel("panel")), ("two", "Two", QLabel("other"))])
    qtbot.addWidget(rail)
    rail.resize(220, 400)
    rail.show()
    qtbot.waitExposed(rail)
    panel = next(label for label in rail.findChildren(QLabel) if label.text() == "panel")

    def top() -> int:
        QApplication.processEvents()
        return panel.y()

    rail.set_state("one", "side only")
    short = top()
    rail.set_state("one", "landmarks, seen to ±6 mm · ⚠ marks 12 mm apart · ⚠ scale 1.12")
    long = top()
    rail.set_state("one", "side only")
    assert short < long == top()
    rail.open("two")
    rail.open("one")
    assert top() == short
