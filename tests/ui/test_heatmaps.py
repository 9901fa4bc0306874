"""Heatmaps over the panes: where they lie, and what is said of them."""

from __future__ import annotations

import numpy as np
import pytest

from breastview.fusion.reading import Eligibility, Heatmap, Reading
from breastview.imaging.geometry import slice_through
from breastview.records.inputs import input_hash
from breastview.records.values import MriMark, UsMark
from breastview.review.actions import AddLesion, MarkMri, MarkUs
from tests.ui.conftest import MARK_MM
from tests.ui.hands import texts, wheel
from tests.ui.looks import ATTENTION, corners, heated, picture


@pytest.fixture
def looked_at(application, session):
    """L1 is marked in both images, and a model of native MRI looked at 12 × 12 mm around its mark."""
    frames, volume = session.case.frames[0].key, session.case.volumes[0].key
    session.dispatch(AddLesion())
    session.dispatch(MarkUs("L1", UsMark(frames, 0, 60, 45, 100, 75)))
    session.dispatch(MarkMri("L1", MriMark(volume, MARK_MM)))
    yield session
    application.window.tools.show_heatmaps(False)


def take_reading(session, place=(-6.0, -6.0, 12.0, 12.0), native=True):
    """A reading of what stands, all of whose MRI, at this place of its plane in mm, is alike to the model."""
    plane = np.eye(4)
    plane[:3, 3] = MARK_MM
    heat = Heatmap("mri", np.ones((4, 4), np.float32), 1.0, *place, plane if native else None)
    own = input_hash(session.state.record, "L1", "model")
    answer = Reading("L1", Eligibility(True), False, "TEST", "model", own, "CPU", True, heatmaps=(heat,))
    session.take_reading(answer)


def test_the_heatmap_of_native_mri_lies_around_the_mark_on_its_slice(application, looked_at, view):
    take_reading(looked_at)
    canvas, matrix = view.mri.canvas, looked_at.volume.index_to_lps
    _, row, column = slice_through(matrix, MARK_MM)
    down, right = 6.0 / np.linalg.norm(matrix[:3, 1:3], axis=0)
    ends = [canvas.to_widget(column + 0.5 + k * right, row + 0.5 + k * down) for k in (-1, 1)]
    assert heated(application, canvas) == pytest.approx(corners(*ends), abs=3)
    assert ATTENTION in texts(canvas)
    wheel(canvas)
    assert ATTENTION not in texts(canvas)
    beside = picture(canvas)
    application.window.tools.show_heatmaps(False)
    assert np.array_equal(picture(canvas), beside)


def test_in_the_us_plane_a_heatmap_of_native_mri_is_told_of_and_not_drawn(
    application, looked_at, registered, view
):
    take_reading(looked_at)
    application.window.mri.set_mode("plane")
    plain = picture(view.mri.canvas)
    application.window.tools.show_heatmaps(True)
    assert "heatmap on the acquired slices" in texts(view.mri.canvas)
    assert np.array_equal(picture(view.mri.canvas)[60:], plain[60:])


def test_the_heatmap_of_registered_mri_lies_in_the_us_plane_and_on_no_slice(
    application, looked_at, registered, view
):
    take_reading(looked_at, (-2.0, 4.0, 4.0, 3.0), native=False)
    canvas, plane = view.mri.canvas, looked_at.registered[1]
    application.window.mri.set_mode("plane")
    ends = [canvas.to_widget(*plane.mm_to_px(np.array(corner))) for corner in ((-2.0, 4.0), (2.0, 7.0))]
    assert heated(application, canvas) == pytest.approx(corners(*ends), abs=3)
    application.window.mri.set_mode("acquired")
    assert ATTENTION not in texts(canvas) and "heatmap in the US plane" in texts(canvas)
