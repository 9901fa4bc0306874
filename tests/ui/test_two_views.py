"""A lesion in two ultrasound views: how it is boxed, shown, swapped, and what the model says of it."""

from __future__ import annotations

import numpy as np
import pytest

from breastview.fusion.reading import Eligibility, Heatmap, Reading
from breastview.fusion.spec import ModelSpec, Scope
from breastview.records.inputs import input_hash
from breastview.records.values import BiRads, new_record
from breastview.registration.start import start_from_mri_mark
from breastview.review.actions import CommitFirstRead, RemoveSecondView, SetFinding
from breastview.review.registering import SetRegistration
from breastview.ui.rail import model as model_module
from tests.imaging.dicom_files import dce_series, save_all, us_pixels, us_still
from tests.ui.conftest import say
from tests.ui.hands import click, drag, press, push, texts
from tests.ui.looks import ATTENTION, corners, heated

BOX, OTHER_BOX = (60, 50, 100, 80), (50, 40, 80, 60)  # px
SHA = "5" * 64


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A US still, a US cine of two frames, and a DCE."""
    made = tmp_path_factory.mktemp("two views") / "patient"
    cine = us_still(2, pixels=np.stack([us_pixels(), us_pixels() + 10]), frames=True)
    save_all(made, us_still(1), cine, dce_series(phases=2, count=6))
    return made


@pytest.fixture
def session(application, folder, open_exam):
    """The exam, opened anew at step 1."""
    opened = open_exam(application, folder)
    open_exam(application, folder, new_record(opened.case))
    press(application.window.view, "Ctrl+1")
    application.window.view.us.canvas.setFocus()
    yield opened
    application.window.tools.show_heatmaps(False)


@pytest.fixture
def boxed(session, view):
    """L1, boxed on the hung picture, then on the second frame of the cine."""
    first = session.us_key
    (second,) = (frames.key for frames in session.case.frames if frames.key != first)
    for key, frame, box in ((first, 0, BOX), (second, 1, OTHER_BOX)):
        session.show_us(key, frame)
        press(view, "B")
        drag(view.us.canvas, box[:2], box[2:])
    return session.lesion


def labels(view):
    """What is written beside the boxes on the hung picture."""
    return [drawn.mark.text for drawn in view.us.canvas._marks if drawn.mark.kind == "box"]


def test_the_second_view_is_boxed_on_another_picture_and_drawn_there_alone(session, boxed, view, panels):
    panel = panels["mark"]
    assert [mark.frames_key == session.us_key for mark in boxed.views] == [False, True]
    assert panel.us.text() == "US: 4 × 3 · 2nd view 3 × 2 mm"
    assert labels(view) == ["L1 · 2nd view"]
    session.show_us(boxed.second_us.frames_key, 0)
    assert labels(view) == []
    session.show_us(boxed.us.frames_key)
    assert labels(view) == ["L1"]


def test_views_are_swapped_and_the_second_is_removed_where_there_is_one(session, boxed, view, panels):
    panel = panels["mark"]
    push(panel.swap)
    assert session.lesion.views == (boxed.second_us, boxed.us)
    assert panel.us.text() == "US: 3 × 2 · 2nd view 4 × 3 mm" and labels(view) == ["L1"]
    push(panel.remove_second)
    assert session.lesion.views == (boxed.second_us,)
    assert not panel.swap.isVisible() and not panel.remove_second.isVisible()
    press(view, "Ctrl+Z")
    press(view, "Ctrl+Z")
    assert session.lesion == boxed and panel.swap.isVisible()


def test_the_box_button_says_how_to_come_by_a_second_view_where_there_can_be_one(
    application, session, boxed, view, panels, exam, blank_record, open_exam
):
    hint, panel = "A box on another picture becomes the lesion's second view", panels["mark"]
    assert hint not in panel.box.toolTip()
    push(panel.remove_second)
    assert panel.box.toolTip().split("\n") == ["Draw the lesion's box on ultrasound (B)", hint]
    press(view, "N")
    assert hint not in panel.box.toolTip(), "a first box is wanted first"
    open_exam(application, exam, blank_record)
    press(view, "B")
    drag(view.us.canvas, BOX[:2], BOX[2:])
    assert hint not in panel.box.toolTip(), "there is one picture alone"


def test_sizes_are_there_as_soon_as_the_pictures_are(application, open_exam, tmp_path):
    save_all(tmp_path, us_still(1), us_still(2))
    session = open_exam(application, tmp_path)
    for frames, box in zip(session.case.frames, (BOX, OTHER_BOX), strict=True):
        session.show_us(frames.key)
        press(application.window.view, "B")
        drag(application.window.view.us.canvas, box[:2], box[2:])
    open_exam(application, tmp_path, session.state.record)
    assert application.window.rail.panels["mark"].us.text() == "US: 4 × 3 · 2nd view 3 × 2 mm"


def test_a_second_view_is_not_registered_unless_it_becomes_the_first(session, boxed, view, panels):
    press(view, "M")
    click(view.mri.canvas, 30, 12)
    press(view, "Ctrl+2")
    push(panels["register"].from_mark)
    assert view.error == "✖ " + say("registration.of_first_view") and session.registration is None
    session.dispatch(SetRegistration(session.us_key, 1, start_from_mri_mark((0.0, 5.0), (15.0, 20.0, 6.0))))
    assert panels["register"].lacking.text() == say("registration.of_first_view")
    press(view, "Ctrl+1")
    push(panels["mark"].swap)
    press(view, "Ctrl+2")
    push(panels["register"].from_mark)
    assert session.registration is not None
    assert panels["register"].lacking.text() != say("registration.of_first_view")


def heat(box, **more):
    """A map that is alike all over a box of a picture, or of the US plane in mm."""
    left, top, right, bottom = box
    values = np.ones((4, 4), np.float32)
    return Heatmap(more.pop("modality", "us"), values, 1.0, left, top, right - left, bottom - top, **more)


def answer(session, views, *heatmaps):
    """Take a reading of what stands."""
    own = input_hash(session.state.record, "L1", SHA)
    told = {"probability": 0.8, "probability_us": 0.7, "heatmaps": heatmaps, "views": views}
    session.take_reading(Reading("L1", Eligibility(True), False, "TEST", SHA, own, "CPU", True, **told))


def test_each_view_shows_its_own_heatmap_on_the_very_frame_that_is_marked(application, session, boxed, view):
    answer(session, 2, heat((45, 35, 95, 85)), heat((30, 20, 60, 50), second_view=True))
    canvas = view.us.canvas
    for mark, (left, top, right, bottom) in zip(
        boxed.views, ((45, 35, 95, 85), (30, 20, 60, 50)), strict=True
    ):
        application.window.tools.show_heatmaps(False)
        session.show_us(mark.frames_key, mark.frame)
        ends = corners(canvas.to_widget(left, top), canvas.to_widget(right, bottom))
        assert heated(application, canvas) == pytest.approx(ends, abs=3)
        assert ATTENTION in texts(canvas)
    session.show_us(boxed.second_us.frames_key, 0)
    assert ATTENTION not in texts(canvas)


def test_a_heatmap_of_registered_mri_is_not_drawn_in_the_plane_of_the_second_view(
    application, session, boxed, view
):
    pose = start_from_mri_mark((0.0, 5.0), (15.0, 20.0, 6.0))
    for mark in boxed.views:
        session.dispatch(SetRegistration(mark.frames_key, mark.frame, pose))
    answer(session, 1, heat((-2, 4, 2, 7), modality="mri"))
    application.window.tools.show_heatmaps(True)
    application.window.mri.set_mode("plane")
    assert ATTENTION not in texts(view.mri.canvas)
    session.show_us(boxed.us.frames_key)
    assert ATTENTION in texts(view.mri.canvas)
    application.window.mri.set_mode("acquired")


def test_the_answer_says_in_how_many_views_the_lesion_was_read(session, boxed, view, panels, monkeypatch):
    spec = ModelSpec("TEST", True, None, None, Scope(), weights_sha256=SHA)
    monkeypatch.setattr(model_module, "read_spec", lambda folder: spec)
    session.dispatch(SetFinding("L1", BiRads.C4A))
    session.dispatch(CommitFirstRead())
    press(view, "Ctrl+4")
    told = panels["model"].views
    assert not told.isVisible()
    answer(session, 2)
    assert told.text() == "2 US views" and told.isVisible()
    answer(session, 1)
    assert told.text() == "Only the first US view was read." and told.isVisible()
    session.dispatch(RemoveSecondView("L1"))
    answer(session, 1)
    assert not told.isVisible(), "there was no other"


def test_views_of_two_breasts_and_a_side_that_the_image_denies_are_told(application, open_exam, tmp_path):
    stills = [us_still(number, ImageLaterality=side) for number, side in ((1, "R"), (2, "L"))]
    save_all(tmp_path, stills, dce_series(phases=2, count=4))
    session, view = open_exam(application, tmp_path), application.window.view
    panel = application.window.rail.panels["mark"]
    press(view, "Ctrl+1")
    for number, frames in enumerate(session.case.frames):
        session.show_us(frames.key)
        press(view, "B")
        drag(view.us.canvas, BOX[:2], BOX[2:])
        if number == 0:
            push(panel.left)
            assert "⚠ " + say("concordance.us_of_other_side", us="R", side="L") in texts(panel)
            push(panel.right)
            assert not panel.side_told.isVisible()
    assert "⚠ " + say("concordance.views_of_two_breasts") in texts(panel)
    push(panel.remove_second)
    assert not panel.side_told.isVisible()
