"""Motion between DCE phases in the case column: found in the background, applied, kept, and taken back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from breastview.imaging.dynamic import SUBTRACTION, phases
from breastview.records.values import Side
from breastview.registration.parameters import PhaseMotion
from breastview.review.actions import AddLesion, ConfirmSide
from breastview.ui.case import motion
from tests.imaging.dicom_files import save_all, two_breasts, us_still
from tests.ui.conftest import WAIT_MS
from tests.ui.hands import push

SHIFT_MM = (0.0, 0.0, 3.0)


@pytest.fixture
def session(application, exam, blank_record, open_exam):
    return open_exam(application, exam, blank_record)


@pytest.fixture
def view(application, session):
    return application.window.view.case


@pytest.fixture
def idle(qtbot, session):
    return lambda: qtbot.waitUntil(lambda: not session.tasks.busy, timeout=WAIT_MS)


@pytest.fixture(autouse=True)
def known_motion(monkeypatch):
    """The search finds that all later phases lie 3 mm higher."""

    def found(volumes, progress):
        pre, *later = volumes
        return tuple(PhaseMotion(v.key, pre.key, (0.0,) * 3, (0.0,) * 3, SHIFT_MM, 3.0, 3.0) for v in later)

    monkeypatch.setattr(motion, "find_motions", found)


def test_correcting_changes_phase_and_subtraction_and_undo_brings_them_back(session, view, idle):
    key = phases(session.case.volumes)[1].key
    before, shown = session.volumes[key].array, session.volumes[SUBTRACTION].array
    push(view.motion)
    idle()
    after = session.volumes[key]
    assert not np.array_equal(after.array, before)
    assert [note.code for note in after.notes] == ["motion.corrected"]
    assert [note.code for note in session.volumes[SUBTRACTION].notes] == ["motion.corrected"]
    assert not np.array_equal(session.volumes[SUBTRACTION].array, shown)
    assert view.motion_told.text() == "DCE: motion corrected, ≤ 3.0 mm"
    push(view.motion)
    idle()
    np.testing.assert_array_equal(session.volumes[key].array, before)
    np.testing.assert_array_equal(session.volumes[SUBTRACTION].array, shown)
    assert view.motion.text() == "Correct DCE motion"


def test_the_motion_of_a_breast_is_told_and_taken_back_by_itself(
    application, session, view, idle, open_exam, tmp_path
):
    save_all(tmp_path, us_still(8), two_breasts())
    open_exam(application, tmp_path)
    session.dispatch(AddLesion())
    idle()
    push(view.motion)
    idle()
    session.dispatch(ConfirmSide("L1", Side.LEFT))
    idle()
    assert (view.motion.text(), view.motion_told.text()) == ("Correct DCE motion", "")
    push(view.motion)
    idle()
    assert view.motion.text() == "DCE as acquired" and len(session.state.record.motions) == 2
    push(view.motion)
    idle()
    assert len(session.state.record.motions) == 1 and view.motion.text() == "Correct DCE motion"
    session.dispatch(ConfirmSide("L1", Side.RIGHT))
    idle()
    assert view.motion_told.text() == "DCE: motion corrected, ≤ 3.0 mm"


def test_a_kept_motion_is_applied_when_the_case_is_opened_again(application, session, exam, open_exam, view):
    pre, post = phases(session.case.volumes)[:2]
    kept = PhaseMotion(post.key, pre.key, (0.0,) * 3, (0.0,) * 3, SHIFT_MM, 3.0, 3.0)
    again = open_exam(application, exam, replace(session.state.record, motions=(kept,)))
    assert [note.code for note in again.volumes[post.key].notes] == ["motion.corrected"]
    assert view.motion.text() == "DCE as acquired"
