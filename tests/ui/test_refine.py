"""What follows the hand in step 2: snapshots, snap, registration files, on a small simulated patient."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import SimpleITK as sitk  # noqa: N813
from PySide6.QtCore import Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QLineEdit, QToolButton

from breastview.language import Language
from breastview.messages import message
from breastview.records.concordance import us_outline
from breastview.records.store import read
from breastview.registration import proposal as gate
from breastview.registration import search, snap
from breastview.registration.parameters import LandmarkPair, Method
from breastview.registration.transform import moved
from breastview.review.actions import RemoveSecondView
from breastview.review.registering import SetRegistration
from breastview.ui import snapping
from breastview.ui.snapping import SnapRequest
from tests.ui.conftest import say
from tests.ui.hands import LEFT, PLAIN, press, push, texts

SNAP_MS = 120_000
FILE_MS = 60_000
LOST, ASTRAY = (-3.0, 2.0, 3.0), (3.0, 2.0, -4.0)  # mm along the US plane
ELSEWHERE = (5.0, 0.0, 0.0)  # a pose from which no search ever ends
FOUND, OTHER = 1, 0  # views; of the first snap finds the pose again from LOST


@pytest.fixture(scope="module")
def record(simulated_patient):
    return read(simulated_patient.record_file)


@pytest.fixture
def session(application, simulated_patient, record, open_exam):
    opened = open_exam(application, simulated_patient.folder, record)
    press(application.window.view, "Ctrl+2")
    application.window.view.us.canvas.setFocus()
    return opened


@pytest.fixture
def panel(application, session):
    return application.window.rail.panels["refine"]


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
def choose(tmp_path):
    """Type a name into the next file dialog, after choosing a kind of file, and press Return."""

    def soon(path: Path, kind: str = ""):
        def type_name():
            dialog = QApplication.activeModalWidget()
            assert isinstance(dialog, QFileDialog)
            if kind:
                dialog.selectNameFilter(kind)
                dialog.filterSelected.emit(kind)
            name = dialog.findChild(QLineEdit, "fileNameEdit")
            name.setText(str(path))
            QTest.keyClick(name, Qt.Key.Key_Return)

        QTimer.singleShot(0, type_name)

    return soon


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


def hold(button):
    QTest.mousePress(button, LEFT)


def let_go(button):
    QTest.mouseRelease(button, LEFT)


def back_in(view):
    """Leave a closed dialog for the window, as a desktop does."""
    view.activateWindow()
    assert QTest.qWaitForWindowActive(view)


def picture(view):
    return view.mri.canvas.grab().toImage()


def kept(panel):
    return [panel.snapshots.kept.item(row).text() for row in range(panel.snapshots.kept.count())]


def test_a_snapshot_is_kept_looked_at_and_taken_up_again(session, view, panel):
    first = session.registration
    push(panel.snapshots.keep)
    assert kept(panel) == ["A  ·  known from the simulation  ·  present"]
    assert not panel.snapshots.hold.isEnabled() and not panel.snapshots.take.isEnabled()
    assert panel.snapshots.take.toolTip().endswith("It is the present registration.")
    press(view, "Alt+Right")
    second, before, title = session.registration, picture(view), view.mri.title.text()
    hold(panel.snapshots.hold)
    assert view.mri.title.text() == "DCE 2 − 1 · over ultrasound" and "A" in texts(view.mri.canvas)
    assert picture(view) != before and session.registration == second
    let_go(panel.snapshots.hold)
    assert view.mri.title.text() == title and picture(view) == before
    push(panel.snapshots.take)
    assert session.registration == first
    press(view, "Ctrl+Z")
    assert session.registration == second
    press(view, "Ctrl+Z")
    assert session.registration == first, "looking left no step"


def test_snapshots_have_names_and_a_name_holds_one(session, view, panel):
    push(panel.snapshots.keep)
    QTest.keyClicks(panel.snapshots.name, "skin line")
    QTest.keyClick(panel.snapshots.name, Qt.Key.Key_Return)
    assert panel.snapshots.name.text() == "" and panel.snapshots.name.placeholderText() == "B"
    press(view, "Alt+Right")
    QTest.keyClicks(panel.snapshots.name, "A")
    push(panel.snapshots.keep)
    assert [line.split("  ·  ")[0] for line in kept(panel)] == ["skin line", "A"]
    assert kept(panel)[1] == "A  ·  by hand  ·  present"
    assert panel.snapshots.kept.currentRow() == 1
    QTest.keyClick(panel.snapshots.kept, Qt.Key.Key_Up)
    push(panel.snapshots.take)
    assert session.registration.method is Method.TRUTH


def test_a_snapshot_is_removed_and_brought_back_by_undo(session, view, panel):
    before = session.registration
    for _ in range(2):
        push(panel.snapshots.keep)
    assert panel.snapshots.kept.currentRow() == 1
    push(panel.snapshots.remove)
    assert [line.split("  ·  ")[0] for line in kept(panel)] == ["A"] and session.registration == before
    push(panel.snapshots.remove)
    assert kept(panel) == [] and not panel.snapshots.remove.isVisible()
    press(view, "Ctrl+Z")
    press(view, "Ctrl+Z")
    assert [line.split("  ·  ")[0] for line in kept(panel)] == ["A", "B"]


def test_a_snapshot_belongs_to_its_picture(session, record, panel):
    push(panel.snapshots.keep)
    other = record.registrations[FOUND].frames_key
    session.show_us(other if other != session.us_key else record.registrations[OTHER].frames_key)
    assert kept(panel) == [] and not panel.snapshots.hold.isVisible()


@pytest.mark.parametrize("focus", ["canvas", "list"])
def test_a_key_compares_as_long_as_it_is_held(session, view, panel, focus):
    push(panel.snapshots.keep)
    press(view, "Alt+Right")
    widget = panel.snapshots.kept if focus == "list" else view.us.canvas
    widget.setFocus()
    before = view.mri.title.text()
    QTest.keyPress(widget, Qt.Key.Key_C)
    assert view.mri.title.text().endswith("over ultrasound") and view.mri.title.text() != before
    QTest.keyRelease(widget, Qt.Key.Key_C)
    assert view.mri.title.text() == before


def test_a_hand_on_the_image_takes_the_registration_itself(session, view, panel):
    push(panel.snapshots.keep)
    press(view, "Alt+Shift+Right")
    present = session.registration
    press(view, "R")
    view.us.canvas.setFocus()
    QTest.keyPress(view.us.canvas, Qt.Key.Key_C)
    canvas = view.mri.canvas
    middle = canvas.viewport().rect().center()
    QTest.mousePress(canvas.viewport(), LEFT, PLAIN, middle)
    assert "A" not in texts(canvas) and session.registered[0] == present
    QTest.mouseRelease(canvas.viewport(), LEFT, PLAIN, middle)
    QTest.keyRelease(view.us.canvas, Qt.Key.Key_C)
    press(view, "Esc")
    assert session.registration == present


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


@pytest.mark.parametrize(
    ("kind", "suffix"), [("ITK transform (*.tfm)", ".tfm"), ("DICOM registration (*.dcm)", ".dcm")]
)
def test_a_registration_goes_out_and_comes_back(qtbot, session, view, panel, choose, tmp_path, kind, suffix):
    sent = session.registration
    choose(tmp_path / "pose", kind)
    push(panel.files.export)
    qtbot.waitUntil(lambda: panel.files.told.text() != "", timeout=FILE_MS)
    file = f"pose{suffix}"
    assert panel.files.told.text() == say("registration.exported", file=file)
    assert [path.name for path in tmp_path.iterdir()] == [file]
    back_in(view)
    press(view, "Alt+Right")
    changed = session.registration
    assert changed != sent
    choose(tmp_path / file)
    push(panel.files.import_)
    qtbot.waitUntil(lambda: session.registration != changed, timeout=FILE_MS)
    assert session.registration == sent
    assert panel.files.told.text() == say("registration.imported", file=file)
    back_in(view)
    press(view, "Ctrl+Z")
    assert session.registration == changed


def test_nothing_is_written_into_the_patient_folder(qtbot, session, view, panel, choose, simulated_patient):
    before = sorted(simulated_patient.folder.rglob("*"))
    choose(simulated_patient.folder / "pose")
    push(panel.files.export)
    qtbot.waitUntil(lambda: view.error == "✖ " + say("registration.file_inside_case"), timeout=FILE_MS)
    assert sorted(simulated_patient.folder.rglob("*")) == before and not panel.files.told.isVisible()


def test_a_file_that_is_no_registration_is_refused(qtbot, session, view, panel, choose, tmp_path):
    (tmp_path / "notes.tfm").write_text("not a transform", encoding="ascii")
    present = session.registration
    choose(tmp_path / "notes.tfm")
    push(panel.files.import_)
    refused = "✖ " + say("registration.file_unreadable", file="notes.tfm")
    qtbot.waitUntil(lambda: view.error == refused, timeout=FILE_MS)
    assert session.registration == present and panel.files.import_.isEnabled()


def test_what_another_program_s_file_leaves_open_is_said(qtbot, session, panel, choose, tmp_path):
    transform = sitk.Euler3DTransform()
    transform.SetTranslation(session.registration.centre_mm)
    sitk.WriteTransform(transform, str(tmp_path / "other.tfm"))
    choose(tmp_path / "other.tfm")
    push(panel.files.import_)
    qtbot.waitUntil(lambda: session.registration.method is Method.FILE, timeout=FILE_MS)
    assert say("registration.file_unnamed", file="other.tfm") in panel.files.told.text()


def test_a_search_that_found_nothing_is_no_loss_when_the_pose_moves(session, view, panel, application, lose):
    present = lose(FOUND)
    request = SnapRequest(session.us_key, session.us_frame, session.stack, session.plane, present, None)
    proposal = SimpleNamespace(parameters=present, offered=False, reasons=(message("snap.stays"),))
    application.snapping.request = request
    application.snapping.proposal = proposal
    back_in(view)
    press(view, "Alt+Right")
    assert application.snapping.proposal is None and panel.snap.reasons.text() == ""
