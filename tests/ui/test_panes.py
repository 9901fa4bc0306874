"""The two panes: window and level, zoom, pan, scrolling, layouts, texts, the shared view in the US plane."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QToolButton

from breastview.records.values import MriMark
from breastview.review.actions import AddLesion, MarkMri
from breastview.review.registering import SetRegistration
from breastview.ui.panes.canvas import Tool
from tests.imaging.dicom_files import mr_slice, save_all, us_pixels, us_still
from tests.ui.conftest import MARK_MM, say
from tests.ui.hands import CTRL, LEFT, PLAIN, RIGHT, click, drag, press, push, texts, wheel
from tests.ui.looks import picture, seen


def test_a_right_drag_changes_centre_and_width(view):
    canvas = view.us.canvas
    assert "W 255 L 128" in texts(canvas)
    before = canvas.grab().toImage()
    drag(canvas, (80, 60), (60, 60), RIGHT)
    narrower = next(text for text in texts(canvas) if text.startswith("W "))
    width, centre = (int(word) for word in narrower.split()[1::2])
    assert 2 <= width < 255 and centre == 128
    assert canvas.grab().toImage() != before


def test_the_window_belongs_to_the_volume_and_is_given_back(application, session, view):
    canvas = view.mri.canvas
    subtracted = next(text for text in texts(canvas) if text.startswith("W "))
    drag(canvas, (20, 20), (30, 20), RIGHT)
    changed = next(text for text in texts(canvas) if text.startswith("W "))
    assert changed != subtracted
    first = session.case.volumes[0].key
    session.show_mri(first)
    assert changed not in texts(canvas)
    session.show_mri("subtraction")
    assert changed in texts(canvas)


def test_the_grey_values_come_back_with_the_case(application, session, exam, open_exam, view):
    for canvas in (view.us.canvas, view.mri.canvas):
        drag(canvas, (20, 30), (30, 20), RIGHT)
    set_ = [corner(canvas) for canvas in (view.us.canvas, view.mri.canvas)]
    assert set_[0] != "W 255 L 128" and session.state.record.window(session.us_key) is not None
    open_exam(application, exam)
    assert [corner(canvas) for canvas in (view.us.canvas, view.mri.canvas)] == set_


def test_undo_takes_back_what_was_entered_and_leaves_the_grey_values(session, view):
    press(view, "N")
    drag(view.us.canvas, (20, 30), (30, 20), RIGHT)
    changed = corner(view.us.canvas)
    press(view, "Ctrl+Z")
    assert session.lesion is None and corner(view.us.canvas) == changed != "W 255 L 128"
    press(view, "Ctrl+Y")
    assert session.lesion is not None and corner(view.us.canvas) == changed


def corner(canvas):
    """What a pane says of its window."""
    return next(text for text in texts(canvas) if text.startswith("W "))


def test_ctrl_and_the_wheel_zoom_about_the_pointer(view):
    canvas = view.us.canvas
    before = seen(canvas)[2]
    place = canvas.to_widget(100, 40)
    wheel(canvas, -1, CTRL, at=(100, 40))
    assert before / seen(canvas)[2] == pytest.approx(1.15, abs=0.01)
    after = canvas.to_widget(100, 40)
    assert (after.x(), after.y()) == pytest.approx((place.x(), place.y()), abs=2)
    wheel(canvas, 1, CTRL, at=(100, 40))
    assert seen(canvas)[2] == pytest.approx(before, rel=0.01)


def test_keys_zoom_and_zero_shows_the_whole(view):
    canvas = view.us.canvas
    whole = seen(canvas)
    canvas.setFocus()
    press(view, "+")
    press(view, "+")
    assert whole[2] / seen(canvas)[2] == pytest.approx(1.15**2, abs=0.01)
    press(view, "-")
    assert whole[2] / seen(canvas)[2] == pytest.approx(1.15, abs=0.01)
    press(view, "0")
    assert seen(canvas) == pytest.approx(whole, abs=0.01)


def test_a_left_drag_pans_where_no_tool_is_in_hand(session, view):
    canvas = view.us.canvas
    column, row, per_px = seen(canvas)
    drag(canvas, (80, 60), (100, 50))
    assert seen(canvas) == pytest.approx((column - 20, row + 10, per_px), abs=1)
    assert session.lesion is None


def test_a_zoomed_picture_stays_where_it_is_while_the_window_is_used(session, view):
    canvas = view.us.canvas
    wheel(canvas, -3, CTRL)
    zoomed = seen(canvas)
    session.changed.emit(frozenset({"selection"}))
    assert seen(canvas) == pytest.approx(zoomed)


def test_the_wheel_scrolls_slices_and_stops_at_the_ends(view):
    canvas = view.mri.canvas
    assert "slice 4/6" in texts(canvas)
    wheel(canvas, 1)
    assert "slice 5/6" in texts(canvas)
    wheel(canvas, 4)
    assert "slice 6/6" in texts(canvas)
    wheel(canvas, -9)
    assert "slice 1/6" in texts(canvas)


def test_the_wheel_scrolls_the_frames_of_a_cine(application, open_exam, tmp_path):
    frames = np.stack([us_pixels() + shift for shift in (0, 10, 20)])
    save_all(tmp_path, us_still(pixels=frames, frames=True))
    session = open_exam(application, tmp_path)
    canvas = application.window.view.us.canvas
    assert "1/3" in texts(canvas)
    wheel(canvas, 2)
    assert session.us_frame == 2 and "3/3" in texts(canvas)
    wheel(canvas, 1)
    assert session.us_frame == 2


def test_the_pointer_tells_place_and_value(view, session):
    canvas = view.us.canvas
    place = canvas.to_widget(80.3, 60.3).toPoint()
    QTest.mouseMove(canvas.viewport(), place)
    told = next(text for text in texts(view) if text.startswith("US x"))
    x, y, value = (float(number) for number in re.findall(r"[-+]?\d+\.?\d*", told))
    assert (x, y) == pytest.approx((0.0, 5.0), abs=0.11)
    assert value == us_pixels()[60, 80]
    click(view.mri.canvas, 8, 8)
    QTest.mouseMove(view.mri.canvas.viewport(), view.mri.canvas.to_widget(10.5, 20.5).toPoint())
    told = next(text for text in texts(view) if text.startswith("MRI ") and "·" in text)
    assert told.split("·")[1].strip() == "50", "the later phase is brighter by 50"


def test_a_box_is_drawn_on_the_picture_and_nowhere_else(session, view):
    canvas = view.us.canvas
    press(view, "B")
    drag(canvas, (-2000, -2000), (-1500, -1500))
    assert session.lesion.us is None and say("mark.beside") in view.error
    drag(canvas, (-500, 20), (60, 60))
    assert (session.lesion.us.left, session.lesion.us.right) == (0, pytest.approx(60, abs=1))


def test_a_point_beside_the_mri_is_no_mark(session, view):
    canvas = view.mri.canvas
    press(view, "M")
    click(canvas, -20, -20)
    assert session.lesion.mri is None and say("mark.beside") in view.error
    click(canvas, 20, 20)
    assert session.lesion.mri is not None


def test_images_that_make_no_stack_take_no_mark(application, open_exam, tmp_path):
    heights = [0.0, 3.0, 6.0, 9.0]
    places = ([40.0 * (n % 2), -6.0, z] for n, z in enumerate(heights))
    save_all(tmp_path, (mr_slice(n, ImagePositionPatient=place) for n, place in enumerate(places)))
    session, view = open_exam(application, tmp_path), application.window.view
    press(view, "M")
    click(view.mri.canvas, 10, 10)
    assert session.lesion.mri is None and say("scan.no_depth") in view.error
    assert session.body is None


def test_tab_folds_the_side_columns_and_brings_them_back(view):
    view.us.canvas.setFocus()
    press(view, "Tab")
    assert not view.case.isVisible() and not view.rail.isVisible()
    assert view.us.canvas.hasFocus()
    press(view, "F9")
    assert view.case.isVisible() and view.rail.isVisible()


def test_a_double_click_gives_a_pane_the_whole_middle(view):
    for mine, other in ((view.us, view.mri), (view.mri, view.us)):
        middle = mine.canvas.viewport().rect().center()
        QTest.mouseDClick(mine.canvas.viewport(), LEFT, PLAIN, middle)
        assert mine.isVisible() and not other.isVisible()
        QTest.mouseDClick(mine.canvas.viewport(), LEFT, PLAIN, mine.canvas.viewport().rect().center())
        assert mine.isVisible() and other.isVisible()


def test_keys_and_buttons_choose_the_layout(view):
    press(view, "1")
    assert view.us.isVisible() and not view.mri.isVisible()
    press(view, "3")
    assert view.mri.isVisible() and not view.us.isVisible()
    push(next(button for button in view.findChildren(QToolButton) if button.text() == "US | MRI"))
    assert view.us.isVisible() and view.mri.isVisible()


def test_t_hides_the_texts_and_a_redraw_does_not_bring_them_back(session, view):
    canvases = (view.us.canvas, view.mri.canvas)
    assert all(texts(canvas) for canvas in canvases)
    press(view, "T")
    session.changed.emit(frozenset({"selection"}))
    wheel(view.mri.canvas)
    assert [texts(canvas) for canvas in canvases] == [[], []]
    press(view, "T")
    assert all(texts(canvas) for canvas in canvases)


def test_words_are_read_on_a_bright_image_and_only_they_darken_it(view):
    canvas = view.us.canvas
    canvas.show_image(np.full((60, 400), 255, np.uint8), (0, 0, 400, 60))
    canvas.fit((100, 20, 40, 20))
    grey = picture(canvas)[:, :, 0]
    label = next(each for each in canvas.findChildren(QLabel) if each.text().startswith("W 255"))
    assert grey[label.y(), label.x() : label.x() + label.width()].max() < 60
    assert grey[8:20, grey.shape[1] // 2].min() == 255, "no letter stands there"


def test_linked_images_grow_back_when_a_banner_goes(qtbot, view, registered):
    push(next(button for button in view.mri.findChildren(QToolButton) if button.text() == "US plane"))
    view.resize(1600, 500)  # so that height is what there is least of
    qtbot.waitUntil(lambda: view.us.canvas.height() < 450)
    view.us.canvas.fit()
    whole = [seen(canvas) for canvas in (view.us.canvas, view.mri.canvas)]
    heights = view.us.canvas.height()
    view.show_error("Something failed.")
    qtbot.waitUntil(lambda: view.us.canvas.height() < heights)
    view.hide_error()
    qtbot.waitUntil(lambda: view.us.canvas.height() == heights)
    for canvas, before in zip((view.us.canvas, view.mri.canvas), whole, strict=True):
        assert seen(canvas)[2] == pytest.approx(before[2], rel=0.01)


def test_in_the_us_plane_both_images_share_zoom_and_place(view, registered):
    us, mri = view.us.canvas, view.mri.canvas
    push(next(button for button in view.mri.findChildren(QToolButton) if button.text() == "US plane"))
    assert view.mri.title.text() == "DCE 2 − 1 · in the US plane"
    assert seen(mri) == pytest.approx(seen(us), abs=0.5)
    wheel(us, -2, CTRL)
    assert seen(mri) == pytest.approx(seen(us), abs=0.5)
    drag(mri, (80, 60), (70, 66))
    assert seen(us) == pytest.approx(seen(mri), abs=0.5)
    push(next(button for button in view.mri.findChildren(QToolButton) if button.text() == "Acquired"))
    alone = seen(mri)
    wheel(us, -1, CTRL)
    assert seen(mri) == pytest.approx(alone), "acquired slices stand alone"


def test_in_the_us_plane_the_wheel_says_what_it_needs_to_go_through_it(view, session, registered):
    canvas, hint = view.mri.canvas, "Through the plane: R, wheel"
    push(next(button for button in view.mri.findChildren(QToolButton) if button.text() == "US plane"))
    wheel(canvas)
    assert hint in texts(canvas) and session.registration == registered
    press(view, "R")
    assert hint not in texts(canvas)
    wheel(canvas)
    assert hint not in texts(canvas) and session.registration != registered


def test_escape_takes_a_drag_in_hand_back(session, view, registered):
    before = session.registration
    press(view, "R")
    canvas = view.mri.canvas
    QTest.mousePress(canvas.viewport(), LEFT, PLAIN, canvas.to_widget(40, 40).toPoint())
    QTest.mouseMove(canvas.viewport(), canvas.to_widget(48, 44).toPoint())
    assert session.registration != before
    press(view, "Esc")
    assert session.registration == before
    assert canvas.tool is Tool.BROWSE
    QTest.mouseRelease(canvas.viewport(), LEFT, PLAIN, canvas.to_widget(48, 44).toPoint())
    assert session.registration == before
    session.undo()
    assert session.registration is None, "the drag is no step"


def test_an_unregistered_case_has_no_plane_to_show(session, view):
    modes = {b.text(): b for b in view.mri.findChildren(QToolButton)}
    assert modes["Acquired"].isChecked()
    assert not modes["US plane"].isEnabled() and not modes["Fused"].isEnabled()
    press(view, "R")
    assert view.mri.title.text() == "DCE 2 − 1"
    drag(view.mri.canvas, (20, 20), (25, 25))
    assert session.registration is None and view.mri.canvas.tool is Tool.BROWSE


def test_the_slice_of_a_new_mark_is_shown_where_the_us_plane_is_shown_no_more(session, view, registered):
    push(next(button for button in view.mri.findChildren(QToolButton) if button.text() == "US plane"))
    press(view, "Ctrl+Z")
    assert session.registration is None and "slice 4/6" in texts(view.mri.canvas)
    session.dispatch(AddLesion())
    session.dispatch(MarkMri("L1", MriMark(session.case.volumes[0].key, MARK_MM)))
    assert "slice 3/6" in texts(view.mri.canvas)


def test_the_opacity_slider_is_there_only_where_it_works(view, registered):
    buttons = {b.text(): b for b in view.mri.findChildren(QToolButton)}
    slider = view.mri._opacity
    push(buttons["Fused"])
    assert slider.isVisible()
    half = view.mri.canvas.grab().toImage()
    slider.setValue(90)
    assert view.mri.canvas.grab().toImage() != half
    push(buttons["US plane"])
    assert not slider.isVisible()


def test_the_us_plane_says_where_it_looks(session, view, registered):
    def letters():
        return list(view.mri.canvas.texts.edges)

    push(next(button for button in view.mri.findChildren(QToolButton) if button.text() == "US plane"))
    assert letters() == ["R", "A", "L", "P"]
    turned = replace(registered, angles_deg=(0.0, 0.0, -60.0))
    session.dispatch(SetRegistration(session.us_key, 0, turned))
    assert letters() == ["PR", "RA", "AL", "LP"]


def test_the_next_patient_is_shown_whole_and_without_heatmaps(
    application, exam, blank_record, open_exam, session
):
    window, record = application.window, session.state.record
    press(window.view, "1")
    window.tools.show_heatmaps(True, 0.9)
    window.rail.report._written(exam / "report.pdf")
    assert window.rail.panels["report"].open.isEnabled()
    open_exam(application, exam, record)
    assert window.view.mri.isVisible()
    assert (window.tools.heatmaps, window.rail.panels["model"].opacity.value()) == (False, 55)
    assert not window.rail.panels["report"].open.isEnabled()
