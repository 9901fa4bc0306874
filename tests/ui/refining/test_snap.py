"""Snap: a better pose is searched, shown, taken or left."""

from __future__ import annotations

import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QToolButton

from breastview.language import Language
from breastview.messages import message
from breastview.records.concordance import us_outline
from breastview.registration import proposal as gate
from breastview.registration import search, snap
from breastview.registration.parameters import LandmarkPair
from breastview.registration.transform import moved
from breastview.review.actions import RemoveSecondView
from breastview.review.registering import SetRegistration
from breastview.ui import snapping
from breastview.ui.snapping import SnapRequest
from tests.ui.conftest import say
from tests.ui.hands import back_in, hold, let_go, press, push, texts

SNAP_MS = 120_000
LOST, ASTRAY = (-3.0, 2.0, 3.0), (3.0, 2.0, -4.0)  # mm along the US plane
ELSEWHERE = (5.0, 0.0, 0.0)  # a pose from which no search ever ends
FOUND, OTHER = 1, 0  # views; of the first snap finds the pose again from LOST


@pytest.fixture(scope="module")
def quick_snap():
    """The search with few starts; one that was made before from the same pose is not made again."""
    known = {}

    def proposed(stack, frame, volumes, present, *rest):
        place = (stack.key, frame, present)
        if place not in known:
            known[place] = snap.propose_snap(stack, frame, volumes, present, *rest)
        return known[place]

    with pytest.MonkeyPatch.context() as patch:
        for name, few in (("SCATTERED", 256), ("STARTS", 4), ("FINALISTS", 2)):
            patch.setattr(search, name, few)
        for name, open_ in (("LEAST_SHARE", 0.0), ("MOST_SPREAD_MM", 99.0), ("LEAST_SURETY", 0.0)):
            patch.setattr(gate, name, open_)  # a coarse MRI tells less of a place than the gate asks for
        patch.setattr(snapping, "propose_snap", proposed)
        yield


@pytest.fixture
def lose(session, record):
    """Hang one view with its pose some millimetres off; returns that pose."""

    def lost(number, by=LOST):
        entry = record.registrations[number]
        session.show_us(entry.frames_key, entry.frame)
        pose = moved(entry.parameters, by)
        session.dispatch(SetRegistration(entry.frames_key, entry.frame, pose))
        return session.registration

    return lost


@pytest.fixture
def searched(qtbot, application, panel, quick_snap):
    """Push Snap and wait for what it says."""

    def search():
        push(panel.snap.search)
        qtbot.waitUntil(lambda: application.snapping.proposal is not None, timeout=SNAP_MS)
        return application.snapping.proposal

    return search


@pytest.fixture
def held_search(monkeypatch, quick_snap):
    """Keep every search from ending once it has got anywhere, as on a large case."""
    told, propose = threading.Event(), snapping.propose_snap

    def held(*asked):
        *asked, progress = asked

        def wait(fraction, doing):
            progress(fraction, doing)
            assert not fraction or told.wait(SNAP_MS / 1000)

        return propose(*asked, wait)

    monkeypatch.setattr(snapping, "propose_snap", held)
    yield
    told.set()


def test_a_proposed_pose_is_looked_at_and_accepted_as_one_step(session, view, panel, lose, searched):
    lost = lose(FOUND)
    proposal = searched()
    assert proposal.offered and panel.snap.accept.isVisible() and not panel.snap.search.isVisible()
    told = panel.snap.told.text()
    assert "17 got such an offer: 12 then had the lesion within 3 mm, 5 did not" in told
    assert "none was worse than before" in told
    assert f"{100 * proposal.before:.0f} %" in told and f"{100 * proposal.after:.0f} %" in told
    assert f"Moves {proposal.moved_mm:.1f} mm, turns " in told
    assert f"is {100 * proposal.surety:.0f} % sure of this place" in told
    hold(panel.snap.hold)
    assert "Proposed" in texts(view.mri.canvas) and session.registration == lost
    let_go(panel.snap.hold)
    assert "Proposed" not in texts(view.mri.canvas)
    push(panel.snap.accept)
    assert session.registration == proposal.parameters and panel.snap.search.isVisible()
    press(view, "Ctrl+Z")
    assert session.registration == lost


def test_what_a_search_by_key_found_is_in_sight_in_a_low_window(qtbot, session, view, panel, lose, searched):
    lose(FOUND)
    size = view.size()
    view.resize(1366, 500)
    qtbot.waitUntil(lambda: panel.snap.search.visibleRegion().isEmpty(), timeout=SNAP_MS)
    press(view, "S")
    qtbot.waitUntil(lambda: not panel.snap.accept.visibleRegion().isEmpty(), timeout=SNAP_MS)
    view.resize(size)


def test_a_proposal_is_discarded(session, panel, lose, searched):
    lost = lose(FOUND)
    searched()
    push(panel.snap.discard)
    assert session.registration == lost
    assert not panel.snap.accept.isVisible() and panel.snap.told.text() == ""


def test_a_proposal_of_a_pose_that_is_gone_disappears(session, view, panel, lose, searched):
    lose(FOUND)
    searched()
    press(view, "Alt+Right")
    changed = session.registration
    assert panel.snap.reasons.text() == "⚠ " + say("snap.stale")
    assert not panel.snap.accept.isVisible() and panel.snap.search.isEnabled()
    QTest.keyClick(view.us.canvas, Qt.Key.Key_C)
    assert session.registration == changed


def test_what_is_not_offered_says_why_and_cannot_be_accepted(session, panel, lose, searched, monkeypatch):
    monkeypatch.setattr(gate, "LEAST_SHARE", 1.0)
    lost = lose(OTHER, ASTRAY)
    proposal = searched()
    assert not proposal.offered and session.registration == lost
    assert panel.snap.reasons.text().split("\n") == [
        "⚠ " + Language().say(reason) for reason in proposal.reasons
    ]
    assert not panel.snap.accept.isVisible() and not panel.snap.hold.isVisible()
    assert panel.snap.search.isVisible()


def test_a_mark_on_another_image_is_not_taken_for_one_on_this(application, session, record, view):
    (lesion,) = record.lesions
    elsewhere = next(r for r in record.registrations if r.frames_key != lesion.us.frames_key)
    session.show_us(elsewhere.frames_key, elsewhere.frame)
    push(application.window.rail.panels["register"].from_mark)
    assert view.error == "✖ " + say("registration.of_first_view"), "the second view is marked here"
    session.dispatch(RemoveSecondView(lesion.lesion_id))
    push(application.window.rail.panels["register"].from_mark)
    assert view.error == "✖ " + say("registration.marked_elsewhere")
    assert session.registration == elsewhere.parameters
    assert not any("mm apart" in words for words in texts(view))


def test_a_search_is_cancelled(qtbot, session, view, panel, lose, held_search):
    lost = lose(FOUND, ELSEWHERE)
    push(panel.snap.search)
    qtbot.waitUntil(lambda: panel.snap.bar.value() > 0, timeout=SNAP_MS)
    assert panel.snap.told.text() == say("doing.snap") and not panel.snap.search.isVisible()
    push(panel.snap.cancel)
    assert panel.snap.search.isVisible() and not panel.snap.bar.isVisible()
    assert not session.tasks.busy and session.registration == lost and view.error == ""


def test_a_search_knows_the_lesion_that_was_clicked(application, session, record, panel, quick_snap):
    (lesion,) = record.lesions
    session.show_us(lesion.us.frames_key, lesion.us.frame)
    outline = us_outline(lesion, session.plane)
    pair = LandmarkPair(outline.middle_mm, lesion.mri.point_mm)
    for placed, known in (((), None), ((pair,), outline)):
        pose = replace(moved(session.registration, ELSEWHERE), landmarks=placed)
        session.dispatch(SetRegistration(lesion.us.frames_key, lesion.us.frame, pose))
        push(panel.snap.search)
        assert application.snapping.request.lesion == known
        push(panel.snap.cancel)


def test_a_change_of_the_registration_ends_the_search_from_it(qtbot, session, view, panel, lose, held_search):
    lose(FOUND, ELSEWHERE)
    press(view, "S")
    qtbot.waitUntil(lambda: panel.snap.bar.value() > 0, timeout=SNAP_MS)
    press(view, "Alt+Right")
    assert not session.tasks.busy and panel.snap.reasons.text() == "⚠ " + say("snap.stale")


def test_a_proposal_outlives_the_switch_of_the_language(application, session, view, panel, lose, searched):
    lose(FOUND)
    proposal = searched()
    push(next(button for button in view.findChildren(QToolButton) if button.text() == "中文"))
    view, panel = application.window.view, application.window.rail.panels["refine"]
    assert QTest.qWaitForWindowActive(view)
    press(view, "Ctrl+2")
    assert panel.snap.accept.text() == Language("zh_CN").text("Accept") != "Accept"
    push(panel.snap.accept)
    assert session.registration == proposal.parameters
    push(next(button for button in view.findChildren(QToolButton) if button.text() == "English"))


def test_a_search_that_found_nothing_is_no_loss_when_the_pose_moves(session, view, panel, application, lose):
    present = lose(FOUND)
    request = SnapRequest(session.us_key, session.us_frame, session.stack, session.plane, present, None)
    proposal = SimpleNamespace(parameters=present, offered=False, reasons=(message("snap.stays"),))
    application.snapping.request = request
    application.snapping.proposal = proposal
    back_in(view)
    press(view, "Alt+Right")
    assert application.snapping.proposal is None and panel.snap.reasons.text() == ""
