"""Correspondences, fit, regions and grade in the window, with the mouse and the keyboard."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QGraphicsPathItem, QGraphicsSimpleTextItem, QToolButton

from breastview.imaging.geometry import frozen
from breastview.records.values import MriMark, Side
from breastview.registration.parameters import ContourKind, LandmarkPair, Method
from breastview.registration.skin import GRID_MM, Body
from breastview.registration.start import start_from_mri_mark
from breastview.registration.transform import map_points
from breastview.review.actions import ConfirmSide, MarkMri, SetPlace
from breastview.review.registering import AddContour, AddLandmark, RemoveLandmark, SetRegistration
from breastview.ui.panes.canvas import Tool
from tests.ui.conftest import say
from tests.ui.hands import LEFT, PLAIN, click, drag, enter, press, push, texts

AROUND = ((-4.0, 2.0), (4.0, 2.0), (-4.0, 9.0), (4.0, 9.0), (0.0, 2.5))


@pytest.fixture
def session(application, exam, blank_record, open_exam):
    """One lesion marked on ultrasound at x 0, y 5 mm, whose middle the registration has at (15, 20, 6) mm."""
    opened = open_exam(application, exam, blank_record)
    view = application.window.view
    press(view, "B")
    drag(view.us.canvas, (60, 50), (100, 70))
    opened.dispatch(SetRegistration(opened.us_key, 0, start_from_mri_mark((0.0, 5.0), (15.0, 20.0, 6.0))))
    press(view, "Ctrl+2")
    return opened


@pytest.fixture
def panel(application, session):
    return application.window.rail.panels["register"]


@pytest.fixture
def matched(session):
    """Five pairs where the registration has them, 2 mm further to the left."""
    for us_mm in AROUND:
        x, y, z = map_points(session.registration, np.array(us_mm))
        pair = LandmarkPair(us_mm, (float(x) + 2.0, float(y), float(z)))
        session.dispatch(AddLandmark(session.us_key, 0, pair))


def hill() -> Body:
    """A half ellipsoid in front of a chest behind y = 45 mm, its tip at y −6 mm."""
    x, y, z = (np.arange(a, b, GRID_MM) for a, b in ((-60, 90), (-30, 75), (-60, 75)))
    x, y, z = np.meshgrid(x, y, z, indexing="ij")
    breast = ((x - 15) / 50) ** 2 + ((y - 45) / 51) ** 2 + ((z - 7) / 50) ** 2 < 1
    return Body(frozen(breast | (y > 45)), np.array([-60.0, -30.0, -60.0]))


def rows(panel):
    return [panel.found.item(row, 0).text() for row in range(panel.found.rowCount())]


def drawn(canvas, style):
    """How many outlines are drawn in a pen's style."""
    shapes = [item for item in canvas.scene().items() if isinstance(item, QGraphicsPathItem)]
    return sum(shape.pen().style() == style for shape in shapes)


def dashed(canvas):
    return drawn(canvas, Qt.PenStyle.DashLine)


def dotted(canvas):
    return drawn(canvas, Qt.PenStyle.DotLine)


def names(canvas):
    """What is written beside the marks."""
    labels = [item for item in canvas.scene().items() if isinstance(item, QGraphicsSimpleTextItem)]
    return {label.text() for label in labels if label.text()}


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


def test_the_one_that_disagrees_is_pointed_at_and_weighs_less(session, matched, view, panel):
    assert panel.odd.text() == ""
    pairs = session.registration.landmarks
    wrong = replace(pairs[2], mri_mm=tuple(np.add(pairs[2].mri_mm, (0.0, 0.0, 30.0)).tolist()))
    changed = replace(session.registration, landmarks=(*pairs[:2], wrong, *pairs[3:]))
    session.dispatch(SetRegistration(session.us_key, 0, changed))
    assert rows(panel) == ["1", "2", "⚠ 3", "4", "5"]
    assert panel.odd.text().startswith("⚠ 3 disagrees with the others: ")
    panel.found.setCurrentCell(2, 0)
    enter(panel.weight, "0.2")
    assert [pair.weight for pair in session.registration.landmarks] == [1.0, 1.0, 0.2, 1.0, 1.0]


def test_the_error_of_each_when_left_out_stands_beside_its_residual(session, matched, view, panel):
    heads = [panel.found.horizontalHeaderItem(column).text() for column in range(4)]
    assert heads == ["", "residual", "left out", "weight"] and panel.found.horizontalHeader().isVisible()
    pairs = session.registration.landmarks
    wrong = replace(pairs[2], mri_mm=tuple(np.add(pairs[2].mri_mm, (0.0, 0.0, 12.0)).tolist()))
    changed = replace(session.registration, landmarks=(*pairs[:2], wrong, *pairs[3:]))
    session.dispatch(SetRegistration(session.us_key, 0, changed))

    def left_out():
        return [float(panel.found.item(row, 2).text().removesuffix(" mm")) for row in range(5)]

    tissue = left_out()
    assert max(tissue) == tissue[2] == pytest.approx(12.0, abs=2.0)
    assert f"leave-one-out error up to {tissue[2]:.1f} mm" in panel.told.text()
    assert panel.told.property("role") == "registration"
    QTest.keyClick(panel.model, Qt.Key.Key_Down)
    assert left_out() != tissue and f"{max(left_out()):.1f} mm" in panel.told.text()
    session.dispatch(RemoveLandmark(session.us_key, 0, 4))
    session.dispatch(RemoveLandmark(session.us_key, 0, 3))
    assert panel.found.item(0, 2).text() == "–", "three say nothing of one another in a rigid fit"


def test_a_fit_bends_and_straightens_without_losing_the_pose(session, matched, view, panel):
    push(panel.fit)
    lesion = map_points(session.registration, np.array([0.0, 5.0]))
    assert lesion == pytest.approx((17.0, 20.0, 6.0), abs=0.7)
    pose = session.registration
    push(panel.bend)
    bent = session.registration
    assert bent.warp and bent.centre_mm == pytest.approx(pose.centre_mm, abs=0.1)
    assert panel.notes.text().startswith("Bent: no part of the plane is pressed below ")
    push(panel.straighten)
    assert session.registration == replace(bent, warp=()) and not panel.bend.isChecked()
    press(view, "Ctrl+Z")
    assert session.registration == bent


def test_a_fit_that_leaves_correspondences_further_apart_says_so_until_something_changes(
    session, view, panel
):
    for us_mm, off_mm, weight in [*((place, 0.0, 0.2) for place in AROUND), ((0.0, 6.0), 15.0, 5.0)]:
        x, y, z = map_points(session.registration, np.array(us_mm))
        pair = LandmarkPair(us_mm, (float(x) + off_mm, float(y), float(z)), weight=weight)
        session.dispatch(AddLandmark(session.us_key, 0, pair))
    assert "apart than before" not in panel.odd.text()
    push(panel.fit)
    assert "further apart than before: 6.1 mm rms" in panel.odd.text() and panel.odd.isVisible()
    press(view, "Ctrl+Z")
    assert "apart than before" not in panel.odd.text()


@pytest.mark.parametrize(("x", "told"), [(17.0, 0), (77.0, 1)])
def test_a_mark_where_the_lesion_can_hardly_be_is_told_beside_where_it_is_expected(
    session, matched, panel, x, told
):
    session.dispatch(MarkMri("L1", MriMark(session.mri_key, (x, 20.0, 6.0))))
    assert sum("⚠ the MRI mark lies 60 mm away: elsewhere" in text for text in texts(panel)) == told


def test_a_registration_is_graded_confirmed_and_taken_back_by_a_nudge(session, matched, view, panel):
    assert "✓ landmarks · from the lesion marks" in texts(view.rail)
    assert any(text.startswith("Lesion within ±") for text in texts(panel))
    push(panel.confirm)
    assert session.registration.confirmed
    assert any(text.startswith("registration: confirmed") for text in texts(view))
    press(view, "Alt+Right")
    assert not session.registration.confirmed and not panel.confirm.isChecked()
    assert "✓ landmarks · by hand" in texts(view.rail)


def test_without_correspondences_there_is_nothing_to_confirm(session, view, panel):
    assert "◐ region · from the lesion marks" in texts(view.rail)
    assert not panel.confirm.isEnabled() and not panel.fit.isEnabled()
    why_not = say("grade.few", fewest=3, found=0)
    assert why_not in texts(panel) and panel.confirm.toolTip().endswith(why_not)
    assert "Nothing to fit" in panel.fit.toolTip()


def test_a_start_that_is_turned_by_hand_stays_a_region(session, view, panel):
    session.dispatch(MarkMri("L1", MriMark(session.mri_key, (15.0, 20.0, 6.0))))
    push(panel.from_mark)
    for _ in range(3):
        press(view, "Ctrl+Right")
    assert "◐ region · by hand" in texts(view.rail)
    for _ in range(12):
        press(view, "Alt+PgUp")
    assert "◐ side only · by hand" in texts(view.rail)


def test_what_keeps_a_registration_from_being_confirmed_is_said_until_it_is_gone(session, matched, panel):
    assert panel.confirm.isEnabled() and panel.lacking.isHidden()
    assert panel.confirm.toolTip() == panel.confirm.property("tip")
    session.dispatch(MarkMri("L1", MriMark(session.mri_key, (15.0, 20.0, 60.0))))
    assert not panel.confirm.isEnabled()
    assert say("grade.contradicted") in texts(panel)
    session.undo()
    assert panel.confirm.isEnabled() and panel.lacking.isHidden()


def test_the_words_of_a_report_draw_a_region_before_anything_is_registered(
    application, exam, blank_record, open_exam
):
    session, view = open_exam(application, exam, blank_record), application.window.view
    press(view, "N")
    session.images.body = hill()
    assert dashed(view.mri.canvas) == 0
    session.dispatch(ConfirmSide("L1", Side.LEFT))
    session.dispatch(SetPlace("L1", 12.0, 10.0, 20.0))
    assert dashed(view.mri.canvas) == 1


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


def test_the_skin_leaves_the_plane_in_the_hand(session, view, panel):
    session.images.body = hill()
    press(view, "R")
    press(view, "K")
    assert rows(panel) == ["Skin"] and view.mri.canvas.tool is Tool.MOVE


@pytest.mark.parametrize("key", ["R", "L", "F", "K"])
def test_a_key_of_the_step_opens_it_where_its_hints_are_read(session, view, panel, key):
    session.images.body = hill()
    press(view, "Ctrl+1")
    press(view, key)
    assert panel.isVisible()
    press(view, "Esc")


def test_a_structure_is_listed_once(session, view, panel):
    session.images.body = hill()
    press(view, "K")
    skin = session.registration.contours[0]
    session.dispatch(AddContour(session.us_key, 0, replace(skin, name="")))
    assert view.error == "✖ " + say("registration.contour_twice") and rows(panel) == ["Skin"]


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
    qtbot.waitUntil(lambda: "✓ saved" in texts(view), timeout=5000)
    open_exam(application, exam, blank_record)
    assert "✓ saved" not in texts(view) and session.lesion is None
