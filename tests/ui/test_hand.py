"""The hand that registers: what each grip does, one step a drag; then by mouse and keys in the window."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from breastview.imaging.geometry import lps_text
from breastview.registration.parameters import RegistrationParameters
from breastview.registration.plane import UsPlane
from breastview.registration.start import start_from_mri_mark
from breastview.registration.transform import map_points, rotation
from breastview.review.registering import SetRegistration
from breastview.review.state import Part
from breastview.ui.panes.canvas import Tool
from breastview.ui.panes.grips import REACH_PX, Grip, grip_at
from breastview.ui.panes.hand import Hand
from tests.ui.conftest import say
from tests.ui.hands import LEFT, PLAIN, RIGHT, press, push, texts

POSE = RegistrationParameters((15.0, 15.0, 6.0))
PIVOT_MM = (0.0, 5.0, 0.0)
RADIUS_PX = 100.0


class FakeSession:
    """A registration without a review, and what was asked of the history."""

    us_key, us_frame = "still", 0

    def __init__(self, plane):
        self.registration, self.plane, self.strokes = POSE, plane, []

    @property
    def registered(self):
        return self.registration, self.plane

    def begin(self):
        self.strokes.append("begin")

    def commit(self):
        self.strokes.append("commit")

    def abort(self):
        self.strokes.append("abort")

    def dispatch(self, action):
        self.registration = action.parameters


@pytest.fixture
def fake():
    return FakeSession(UsPlane((0.0, 0.0), (0.1, 0.1)))


@pytest.fixture
def hand(fake):
    return Hand(fake, SimpleNamespace(pivot_mm=PIVOT_MM))


@pytest.mark.parametrize(
    ("grip", "start", "by", "angles_deg", "told"),
    [
        (Grip.SPIN, (100, 50), (-100, 100), (0.0, 0.0, -90.0), "90.0°"),
        (Grip.TILT, (0, 150), (7, 10), (-np.rad2deg(0.1), 0.0, 0.0), "5.7°"),
        (Grip.SWING, (100, 50), (10, 7), (0.0, np.rad2deg(0.1), 0.0), "5.7°"),
    ],
)
def test_a_grip_turns_about_its_axis_and_leaves_the_pivot(fake, hand, grip, start, by, angles_deg, told):
    hand.begin(*start, grip)
    hand.drag(30.0, 40.0)
    hand.drag(*by)
    assert fake.registration.angles_deg == pytest.approx(angles_deg, abs=1e-6), "from the start of the drag"
    there = np.array(PIVOT_MM)
    assert map_points(fake.registration, there) == pytest.approx(map_points(POSE, there))
    assert hand.amount == told
    hand.end()
    assert fake.strokes == ["begin", "commit"] and hand.amount == ""


def test_a_grip_goes_through_the_plane(fake, hand):
    hand.begin(70, 120, Grip.THROUGH)
    hand.drag(25.0, -30.0)
    assert np.subtract(fake.registration.centre_mm, POSE.centre_mm) == pytest.approx((0.0, 0.0, -3.0))
    assert fake.registration.angles_deg == POSE.angles_deg and hand.amount == "3.0 mm"
    hand.abort()
    assert fake.strokes == ["begin", "abort"]


@pytest.mark.parametrize(
    ("x", "y", "grip"),
    [
        (0, 0, Grip.MOVE),
        (87, -50, Grip.SPIN),
        (-RADIUS_PX - REACH_PX, 0, Grip.SWING),
        (0, RADIUS_PX, Grip.TILT),
        (71, 71, Grip.THROUGH),
        (RADIUS_PX + 20, 0, Grip.MOVE),
    ],
)
def test_the_ring_and_its_handles_are_where_they_are_drawn(x, y, grip):
    assert grip_at(QPointF(x, y), RADIUS_PX) is grip


@pytest.fixture
def session(application, exam, blank_record, open_exam):
    """A registration whose pivot, the probe's middle, lies at pixel (80, 10) of the US picture."""
    opened = open_exam(application, exam, blank_record)
    opened.dispatch(SetRegistration(opened.us_key, 0, start_from_mri_mark((0.0, 5.0), (15.0, 20.0, 6.0))))
    press(application.window.view, "Ctrl+2")
    return opened


def on_ring(session, canvas, angle_deg):
    """A place of the widget on the ring, clockwise from the right."""
    middle = canvas.to_widget(*session.plane.mm_to_px(np.zeros(2)))
    radius, angle = canvas._ring.radius_px, np.deg2rad(angle_deg)
    return (middle + radius * QPointF(np.cos(angle), np.sin(angle))).toPoint()


def test_there_is_nothing_to_drag_before_a_registration(application, exam, blank_record, open_exam):
    open_exam(application, exam, blank_record)
    window = application.window
    press(window.view, "Ctrl+2")
    press(window.view, "R")
    assert window.view.error == "✖ " + say("review.no_registration")
    panel = window.rail.panels["register"]
    assert not panel.drag.isChecked() and not panel.hints.hint.isVisible()
    assert window.view.mri.canvas.tool is Tool.BROWSE


def test_the_ring_turns_in_one_step_and_escape_takes_a_drag_back(session, view):
    canvas, before = view.mri.canvas, session.registration
    assert not canvas._ring.isVisible()
    press(view, "R")
    assert canvas._ring.isVisible()
    first, last = on_ring(session, canvas, 20), on_ring(session, canvas, 70)
    QTest.mouseMove(canvas.viewport(), first)
    assert any(text.startswith("Turn in the plane") for text in texts(canvas))
    assert canvas.viewport().cursor().shape() is Qt.CursorShape.BitmapCursor
    QTest.mousePress(canvas.viewport(), LEFT, PLAIN, first)
    QTest.mouseMove(canvas.viewport(), on_ring(session, canvas, 60))
    QApplication.processEvents()
    QTest.mouseMove(canvas.viewport(), last)
    told = next(text for text in texts(canvas) if text.startswith("Turn in the plane"))
    assert float(told.split()[-1].removesuffix("°")) == pytest.approx(50, abs=1)
    QTest.mouseRelease(canvas.viewport(), LEFT, PLAIN, last)
    assert session.registration.angles_deg == pytest.approx((0, 0, -50), abs=1)
    assert session.registration.centre_mm == pytest.approx(before.centre_mm)
    press(view, "Ctrl+Z")
    assert session.registration == before
    handle = on_ring(session, canvas, 90)
    QTest.mousePress(canvas.viewport(), LEFT, PLAIN, handle)
    QTest.mouseMove(canvas.viewport(), handle + QPointF(0, 30).toPoint())
    assert session.registration.angles_deg[0] < -1
    press(view, "Esc")
    assert session.registration == before and not canvas._ring.isVisible()
    QTest.mouseRelease(canvas.viewport(), LEFT, PLAIN, handle)
    assert session.registration == before


def shown(canvas):
    return canvas._image.image.copy()


def test_half_the_resolution_while_the_hand_moves_all_of_it_once_it_lets_go(application, session, view):
    canvas, step = view.mri.canvas, QPointF(40, 20)
    grain = np.random.default_rng(3).integers(0, 200, session.volume.array.shape).astype(np.float32)
    session.volumes[session.mri_key] = replace(session.volume, array=grain, window=(100.0, 200.0))
    press(view, "R")
    whole, told = shown(canvas), []
    session.changed.connect(told.append)
    first = canvas.to_widget(40, 40)
    QTest.mousePress(canvas.viewport(), LEFT, PLAIN, first.toPoint())
    for number in (1, 2, 3):
        QTest.mouseMove(canvas.viewport(), (first + number * step).toPoint())
        QApplication.processEvents()
    assert shown(canvas).shape[0] == pytest.approx(whole.shape[0] / 2, abs=1)
    assert told == [{Part.REGISTRATION, Part.READING}], "the rail waits for the end"
    QTest.mouseRelease(canvas.viewport(), LEFT, PLAIN, (first + 3 * step).toPoint())
    assert len(told) == 2 and not session.moving
    after, pose = shown(canvas), session.registration
    assert after.shape == whole.shape and not np.array_equal(after, whole)
    press(view, "Ctrl+Z")
    assert np.array_equal(shown(canvas), whole)
    session.dispatch(SetRegistration(session.us_key, 0, pose))
    assert np.array_equal(shown(canvas), after), "as if it had been set at once"


def test_positions_that_come_faster_than_paints_are_dropped_but_never_the_last(session, view):
    canvas, seen = view.mri.canvas, []
    press(view, "R")
    QApplication.processEvents()
    session.changed.connect(lambda parts: seen.append(session.registration))
    session.moved.connect(lambda: seen.append(session.registration))
    first = canvas.to_widget(40, 40)
    QTest.mousePress(canvas.viewport(), LEFT, PLAIN, first.toPoint())
    for number in range(1, 6):
        QTest.mouseMove(canvas.viewport(), (first + number * QPointF(4, 0)).toPoint())
    assert len(seen) == 1
    QTest.mouseRelease(canvas.viewport(), LEFT, PLAIN, (first + QPointF(20, 0)).toPoint())
    ways = [np.linalg.norm(np.subtract(pose.centre_mm, seen[0].centre_mm)) for pose in seen]
    assert len(seen) == 3 and ways[1] > 0 and ways[2] == ways[1]


def test_the_place_under_the_hand_is_told_where_it_lets_go(application, session, view):
    canvas, told = view.mri.canvas, []
    press(view, "R")
    first, last = (canvas.to_widget(*place).toPoint() for place in ((40, 40), (60, 48)))
    QTest.mousePress(canvas.viewport(), LEFT, PLAIN, first)
    application.window.tools.position.connect(told.append)
    QTest.mouseMove(canvas.viewport(), last)
    assert told == []
    QTest.mouseRelease(canvas.viewport(), LEFT, PLAIN, last)
    px = canvas._to_picture(QPointF(last))
    place = map_points(session.registration, session.plane.px_to_mm(np.array([px.x(), px.y()])))
    assert len(told) == 1 and told[0].startswith(f"MRI {lps_text(place)}")


def test_another_button_waits_until_the_drag_ends(session, view):
    canvas, before = view.mri.canvas, session.registration
    press(view, "R")
    first, last = canvas.to_widget(40, 40), canvas.to_widget(48, 44)
    QTest.mousePress(canvas.viewport(), LEFT, PLAIN, first.toPoint())
    mouse(canvas, QEvent.Type.MouseButtonPress, first, RIGHT, LEFT | RIGHT)
    mouse(canvas, QEvent.Type.MouseButtonRelease, first, RIGHT, LEFT)
    assert session.review.in_hand
    QTest.mouseMove(canvas.viewport(), last.toPoint())
    QTest.mouseRelease(canvas.viewport(), LEFT, PLAIN, last.toPoint())
    assert not session.review.in_hand and session.registration != before
    session.undo()
    assert session.registration == before


def mouse(canvas, kind, place, button, held):
    """An event of one button while others are held."""
    everywhere = QPointF(canvas.viewport().mapToGlobal(place))
    QApplication.sendEvent(canvas.viewport(), QMouseEvent(kind, place, everywhere, button, held, PLAIN))


def test_in_a_number_field_ctrl_and_arrows_step_the_number(application, session, view):
    before = session.registration
    field = application.window.rail.panels["register"].fields["x"]
    field.setFocus()
    press(view, "Ctrl+Up")
    after = session.registration
    assert after.angles_deg == before.angles_deg
    assert after.centre_mm[0] > before.centre_mm[0]


def test_the_hand_lets_go_of_acquired_slices(session, view):
    press(view, "R")
    push(next(b for b in view.mri._modes.buttons() if b.text() == "Acquired"))
    assert view.mri.canvas.tool is Tool.BROWSE and not view.mri.canvas._ring.isVisible()


@pytest.mark.parametrize(
    ("keys", "axis", "angle_deg"),
    [("Ctrl+Right", 2, 1.0), ("Ctrl+Up", 0, -1.0), ("Ctrl+PgUp", 1, 1.0), ("Ctrl+Shift+Left", 2, -0.1)],
)
def test_keys_turn_the_plane_about_the_pivot(session, view, keys, axis, angle_deg):
    before = session.registration
    press(view, keys)
    after = session.registration
    turn = rotation(before).T @ rotation(after)
    vector = np.rad2deg([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]]) / 2
    assert vector == pytest.approx(angle_deg * np.eye(3)[axis], abs=0.001)
    assert after.centre_mm == pytest.approx(before.centre_mm)
    press(view, "Ctrl+Z")
    assert session.registration == before
