"""Points, lines and surfaces are placed with the mouse and the keyboard."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QToolButton

from breastview.imaging.geometry import frozen
from breastview.registration.parameters import ContourKind, LandmarkPair, Method
from breastview.registration.start import start_from_mri_mark
from breastview.registration.transform import map_points
from breastview.review.registering import AddContour, AddLandmark, SetRegistration
from breastview.ui.panes.canvas import Tool
from tests.ui.conftest import say
from tests.ui.hands import LEFT, PLAIN, click, press, push, texts
from tests.ui.registering.looks import dashed, dotted, hill, names, rows


def test_the_partner_of_a_click_is_expected_moved_by_arrows_and_taken_by_enter(session, view, panel):
    press(view, "L")
    click(view.us.canvas, 100, 60)
    assert "slice 3/6" in texts(view.mri.canvas), "the slice at z 6 mm"
    assert panel.hints.keys.text().startswith("Dotted: where it lies 9 times in 10. Arrows move ")
    assert view.mri.canvas.hasFocus() and dotted(view.mri.canvas) == 1
    for key in ("Right", "Right", "Down"):
        press(view, key)
    press(view, "Return")
    expected = map_points(session.registration, np.array(session.registration.landmarks[0].us_mm))
    assert session.registration.landmarks[0].mri_mm == pytest.approx(
        expected + np.array([1.0, 0.5, 0.0]), abs=0.01
    )
    assert view.mri.canvas.tool is Tool.BROWSE and rows(panel) == ["1"]
    assert not session.registration.landmarks[0].predicted


@pytest.mark.parametrize("how", ["click", "arrow"])
def test_a_partner_that_is_taken_unmoved_counts_once_it_is_placed(session, view, panel, how):
    press(view, "L")
    click(view.us.canvas, 100, 60)
    press(view, "Return")
    (pair,) = session.registration.landmarks
    assert pair.predicted and session.registration.correspondences == ()
    assert [panel.found.item(0, column).text() for column in range(4)] == ["1", "not placed", "", ""]
    assert not panel.fit.isEnabled() and say("grade.few", fewest=3, found=0) in texts(panel)
    push(panel.place)
    if how == "click":
        click(view.mri.canvas, 25, 28)
    else:
        press(view, "Right")
        press(view, "Return")
    (placed,) = session.registration.landmarks
    assert not placed.predicted and placed.us_mm == pair.us_mm and placed.mri_mm != pair.mri_mm
    assert panel.found.item(0, 1).text().endswith(" mm") and panel.fit.isEnabled()
    press(view, "Ctrl+Z")
    assert session.registration.landmarks == (pair,)


def test_where_the_lesion_lies_is_drawn_otherwise_than_where_a_partner_is_expected(
    session, matched, view, panel
):
    push(next(b for b in view.mri.findChildren(QToolButton) if b.text() == "US plane"))
    assert (dashed(view.mri.canvas), dotted(view.mri.canvas)) == (2, 0), "the US mark, and its region"
    assert any(text.endswith("(9 in 10, dashed)") for text in texts(panel))
    press(view, "L")
    click(view.us.canvas, 90, 110)
    for shown in ("US plane", "Acquired"):
        push(next(b for b in view.mri.findChildren(QToolButton) if b.text() == shown))
        assert dotted(view.mri.canvas) == 1 and any(name.startswith("6") for name in names(view.mri.canvas))
    assert "6" in names(view.us.canvas)
    press(view, "Esc")
    assert dotted(view.mri.canvas) == 0
    press(view, "F")
    for place in ((70, 40), (90, 45)):
        click(view.us.canvas, *place)
    assert dotted(view.us.canvas) == 1
    press(view, "Esc")


def test_a_line_is_clicked_along_in_both_images(session, view, panel):
    push(panel.line)
    for place in ((70, 40), (90, 45)):
        click(view.us.canvas, *place)
    QTest.mouseDClick(view.us.canvas.viewport(), LEFT, PLAIN, view.us.canvas.to_widget(90, 45).toPoint())
    for place in ((20, 12), (26, 12), (30, 14)):
        click(view.mri.canvas, *place)
    press(view, "Return")
    (line,) = session.registration.contours
    assert line.kind is ContourKind.LINE and rows(panel) == ["Line 1"]
    assert line.us_mm[0] == pytest.approx((-1.0, 3.0), abs=0.1) and line.mri_mm[0][2] == 6.0
    assert not panel.line.isChecked()
    push(panel.remove)
    assert session.registration.contours == () and rows(panel) == []


def test_undo_takes_back_the_clicks_of_a_drawing_and_leaves_the_pose(application, session, view, panel):
    press(view, "Alt+Left")
    moved, drafting = session.registration, application.window.rail.register.drafting
    push(panel.line)
    for place in ((70, 40), (80, 42), (90, 45)):
        click(view.us.canvas, *place)
    press(view, "Ctrl+Z")
    assert len(drafting.us_mm) == 2
    press(view, "Return")
    click(view.mri.canvas, 20, 12)
    for left in (0, 0):
        press(view, "Ctrl+Z")
        assert len(drafting.mri_mm) == left
    assert view.us.canvas.tool is Tool.POINT and len(drafting.us_mm) == 2
    for _ in range(2):
        press(view, "Ctrl+Z")
    assert drafting.us_mm == [] and session.registration == moved
    press(view, "Ctrl+Z")
    assert session.registration != moved, "nothing is drawn: the step before it"
    press(view, "Esc")


def test_undo_takes_the_point_on_ultrasound_back(application, session, view):
    before = session.registration
    press(view, "L")
    click(view.us.canvas, 80, 60)
    press(view, "Ctrl+Z")
    assert view.us.canvas.tool is Tool.POINT and application.window.rail.register.drafting.us_mm == []
    assert session.registration == before
    press(view, "Esc")


def test_a_surface_needs_more_than_one_line_of_places(session, view, panel):
    press(view, "F")
    click(view.us.canvas, 70, 40)
    press(view, "Return")
    assert view.error == "✖ " + say("registration.contour_short")
    click(view.us.canvas, 90, 40)
    press(view, "Return")
    for place in ((20, 20), (26, 20), (30, 20)):
        click(view.mri.canvas, *place)
    press(view, "Return")
    assert view.error == "✖ " + say("registration.surface_on_line")
    click(view.mri.canvas, 26, 30)
    press(view, "Return")
    assert rows(panel) == ["Surface 1"]
    press(view, "F")
    click(view.us.canvas, 70, 40)
    press(view, "Esc")
    assert view.us.canvas.tool is Tool.BROWSE and rows(panel) == ["Surface 1"]


def test_a_surface_is_followed_from_one_click_in_the_mri(session, view, panel):
    volume = session.volume
    lps_y = volume.index_to_lps[1, 3] + volume.index_to_lps[1, 1] * np.arange(volume.array.shape[1])
    layers = np.broadcast_to(np.where(lps_y < 30.0, 800, 100)[:, None], volume.array.shape)
    session.volumes[session.mri_key] = replace(volume, array=frozen(layers.astype(np.uint16)))
    press(view, "F")
    for place in ((70, 80), (90, 80)):
        click(view.us.canvas, *place)
    press(view, "Return")
    assert panel.hints.hint.text() == "Click on the same one in the MRI: it is followed from there."
    click(view.mri.canvas, 24, 24)
    assert panel.hints.hint.text() == "Followed as far as the dots go. Further clicks correct it."
    press(view, "Return")
    (surface,) = session.registration.contours
    places = np.array(surface.mri_mm)
    assert rows(panel) == ["Surface 1"] and len(places) > 100
    assert places[:, 1] == pytest.approx(30.0, abs=1.6) and np.ptp(places[:, 0]) > 30


def test_a_new_point_is_the_chosen_one_though_the_skin_stands_below_it(session, view, panel):
    session.images.body = hill()
    push(panel.skin)
    session.dispatch(AddLandmark(session.us_key, 0, LandmarkPair((0.0, 5.0), (15.0, 20.0, 6.0))))
    assert rows(panel) == ["1", "Skin"] and panel.found.currentRow() == 0
    session.dispatch(AddLandmark(session.us_key, 0, LandmarkPair((2.0, 7.0), (17.0, 22.0, 6.0))))
    assert panel.found.currentRow() == 1
    push(panel.remove)
    assert rows(panel) == ["1", "Skin"], "what was placed last goes, not the skin"


def test_the_numbers_follow_the_hand_at_every_step_of_a_drag(session, panel):
    session.begin()
    for x in (16.0, 18.5):
        pose = start_from_mri_mark((0.0, 5.0), (x, 20.0, 6.0))
        session.dispatch(SetRegistration(session.us_key, 0, pose))
        assert panel.fields["x"].value() == pytest.approx(pose.centre_mm[0])
    session.abort()
    assert panel.fields["x"].value() == pytest.approx(session.registration.centre_mm[0])


def test_the_skin_needs_no_click(session, view, panel):
    session.images.body = hill()
    push(panel.skin)
    (skin,) = session.registration.contours
    assert rows(panel) == ["Skin"] and not panel.skin.isEnabled()
    assert {depth for _, depth in skin.us_mm} == {0.0}
    before = session.registration.centre_mm
    push(panel.fit)
    assert session.registration.method is Method.LANDMARKS
    assert session.registration.centre_mm[1] < before[1], "towards the skin, which lies in front"


def test_the_skin_leaves_the_plane_in_the_hand(session, view, panel):
    session.images.body = hill()
    press(view, "R")
    press(view, "K")
    assert rows(panel) == ["Skin"] and view.mri.canvas.tool is Tool.MOVE


def test_a_structure_is_listed_once(session, view, panel):
    session.images.body = hill()
    press(view, "K")
    skin = session.registration.contours[0]
    session.dispatch(AddContour(session.us_key, 0, replace(skin, name="")))
    assert view.error == "✖ " + say("registration.contour_twice") and rows(panel) == ["Skin"]
