"""One review from the folder to the report, by mouse and keyboard in the real window."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pypdfium2
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from breastview.app import Application, make_application
from breastview.imaging.dynamic import SUBTRACTION
from breastview.imaging.geometry import slice_through
from breastview.records.store import RecordStore
from breastview.records.store import read as read_record
from breastview.records.values import BiRads, Side, clock_label
from breastview.registration.parameters import Method
from breastview.registration.transform import map_points, rotation
from tests.ui.hands import SHIFT, click, drag, drop, enter, press, push, texts, wheel

ATTENTION = "model attention, not lesion outline"
WAIT_MS = 60_000


def content_of(folder):
    """One hash over the names, sizes, times and bytes of everything in a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        told = path.stat()
        digest.update(f"{path.relative_to(folder)} {told.st_size} {told.st_mtime_ns}".encode())
        digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()


def text_of(pdf):
    with pypdfium2.PdfDocument(pdf) as document:
        return "\n".join(page.get_textpage().get_text_bounded() for page in document)


class Reader:
    """A reader at the window, who knows where the lesion is."""

    def __init__(self, qtbot, store, model):
        make_application()
        self.qtbot = qtbot
        self.application = Application(store, "en", model)
        self.session = self.application.session
        self.view = self.application.window.view
        self.panels = self.application.window.rail.panels
        self.us, self.mri = self.view.us.canvas, self.view.mri.canvas
        with qtbot.waitActive(self.view):
            self.view.activateWindow()

    def wait(self, condition):
        self.qtbot.waitUntil(condition, timeout=WAIT_MS)

    def open(self, folder):
        drop(self.view, folder)
        self.wait(lambda: SUBTRACTION in self.session.volumes and not self.session.tasks.busy)

    @property
    def record(self):
        return self.session.state.record

    @property
    def registration(self):
        return self.session.registration

    def leave(self):
        self.view.close()
        self.application.close()
        self.view.deleteLater()


@pytest.fixture
def truth(simulated_patient):
    return read_record(simulated_patient.record_file).lesions[0]


@pytest.fixture
def sit_down(qtbot, tmp_path, small_bundle):
    """Close the program where it is open, and open it anew."""
    readers = []

    def stand_up():
        while readers:
            readers.pop().leave()

    def sit():
        stand_up()
        readers.append(Reader(qtbot, RecordStore(tmp_path / "records"), small_bundle))
        return readers[-1]

    yield sit
    stand_up()


def test_a_review_from_the_folder_to_the_report(sit_down, simulated_patient, truth, tmp_path):
    before = content_of(simulated_patient.folder)
    reader = sit_down()
    open_the_folder(reader, simulated_patient.folder)
    mark_the_lesion(reader, truth)
    register_by_hand(reader, truth)
    correct_with_a_landmark_pair(reader)
    commit_the_first_read(reader)
    probability = run_the_model(reader)
    move_on_and_run_again(reader, probability)
    export_the_report(reader, tmp_path / "report.pdf")
    record = reader.record
    open_again(sit_down(), simulated_patient.folder, record)
    assert content_of(simulated_patient.folder) == before


def open_the_folder(reader, folder):
    reader.open(folder)
    assert reader.view.windowTitle() == "BreastView"
    assert "SIMULATED" in texts(reader.view) and reader.view.error == ""
    assert reader.view.us.title.text() == "Ultrasound 1/5"
    assert reader.view.mri.title.text() == "DCE 2 − 1"
    count = reader.session.volume.array.shape[0]
    assert f"slice {count // 2 + 1}/{count}" in texts(reader.mri), "the middle slice hangs first"


def mark_the_lesion(reader, truth):
    session, mark = reader.session, truth.us
    leaf_to(reader, mark.frames_key)
    press(reader.view, "B")
    drag(reader.us, (mark.left, mark.top), (mark.right, mark.bottom))
    drawn = session.lesion.us
    assert (drawn.left, drawn.top, drawn.right, drawn.bottom) == pytest.approx(
        (mark.left, mark.top, mark.right, mark.bottom), abs=2
    )
    volume = session.volume
    number, row, column = slice_through(volume.index_to_lps, truth.mri.point_mm)
    count = volume.array.shape[0]
    wheel(reader.mri, round(number) - count // 2)
    assert f"slice {round(number) + 1}/{count}" in texts(reader.mri)
    press(reader.view, "M")
    click(reader.mri, column + 0.5, row + 0.5)
    step_mm = float(np.linalg.norm(volume.index_to_lps[:3, :3], axis=0).max())
    assert session.lesion.mri.point_mm == pytest.approx(truth.mri.point_mm, abs=step_mm)
    panel = reader.panels["mark"]
    name, button = {Side.LEFT: ("Left", panel.left), Side.RIGHT: ("Right", panel.right)}[truth.side]
    assert panel.side_told.text() == f"⚠ {name} by the MRI midline: confirm."
    push(button)
    enter(panel.clock, f"{truth.clock_h:g}")
    enter(panel.distance, f"{truth.nipple_distance_mm:g}")
    lesion = session.lesion
    told = (truth.side, truth.clock_h, truth.nipple_distance_mm)
    assert (lesion.side, lesion.clock_h, lesion.nipple_distance_mm) == told
    place = f"L1 {truth.side} {clock_label(truth.clock_h)} h"
    assert panel.side_told.text() == "" and any(place in words for words in texts(reader.view.rail))


def leaf_to(reader, key):
    """Leaf through all ultrasound images once, and on to one of them."""
    keys = [frames.key for frames in reader.session.case.frames]
    for step in range(1, len(keys) + 1):
        wheel(reader.us)
        place = step % len(keys)
        assert reader.session.us_key == keys[place]
        assert reader.view.us.title.text().endswith(f"Ultrasound {place + 1}/{len(keys)}")
    wheel(reader.us, keys.index(key))


def register_by_hand(reader, truth):
    session, panel, view = reader.session, reader.panels["register"], reader.view
    press(view, "Ctrl+2")
    push(panel.from_mark)
    start = reader.registration
    box = session.lesion.us
    middle = ((box.left + box.right) / 2, (box.top + box.bottom) / 2)
    plane = session.plane
    assert start.method is Method.MRI_MARK
    assert map_points(start, plane.px_to_mm(np.array(middle))) == pytest.approx(session.lesion.mri.point_mm)
    reader.mri.setFocus()
    press(view, "R")
    assert view.mri.title.text() == "DCE 2 − 1 · over ultrasound"
    drag(reader.mri, middle, (middle[0] + 30, middle[1] - 20))
    dragged = reader.registration
    moved_mm = rotation(start).T @ (np.array(dragged.centre_mm) - start.centre_mm)
    spacing = plane.spacing_mm
    assert moved_mm == pytest.approx([-30 * spacing[1], 20 * spacing[0], 0], abs=0.3)
    drag(reader.mri, (middle[0] + 100, middle[1]), (middle[0] + 97, middle[1] + 17), keys=SHIFT)
    turned = reader.registration
    assert np.array(turned.angles_deg) - dragged.angles_deg == pytest.approx([0, 0, -10], abs=1)
    wheel(reader.mri)
    wheel(reader.mri, keys=SHIFT)
    through = np.array(reader.registration.centre_mm) - turned.centre_mm
    assert rotation(turned).T @ through == pytest.approx([0, 0, 1.1])
    last = reader.registration
    for expected in (None, turned, dragged, start):
        press(view, "Ctrl+Z")
        assert expected in (None, reader.registration)
    for _ in range(4):
        press(view, "Ctrl+Shift+Z")
    assert reader.registration == last


def correct_with_a_landmark_pair(reader):
    session, panel, view = reader.session, reader.panels["register"], reader.view
    press(view, "L")
    click(reader.us, 250, 200)
    assert "Click the same point in the MRI." in texts(panel.hints)
    click(reader.mri, 270, 200)
    expected_mm = 20 * session.plane.spacing_mm[1]
    shown_mm = float(panel.found.item(0, 1).text().removesuffix(" mm"))
    assert len(reader.registration.landmarks) == 1
    assert shown_mm == pytest.approx(expected_mm, abs=0.2)
    assert panel.told.text() == f"1 pair, residual {shown_mm:.1f} mm rms"
    QTest.keyClick(panel.model, Qt.Key.Key_Down)
    push(panel.fit)
    assert panel.told.text() == "1 pair, residual 0.0 mm rms"
    assert panel.notes.text() == "One place: position only. The angles are as they were."
    assert reader.registration.method is Method.LANDMARKS


def commit_the_first_read(reader):
    press(reader.view, "G")
    assert reader.view.error == "✖ Commit your first read; then the model may speak."
    press(reader.view, "Ctrl+3")
    panel = reader.panels["read"]
    for _ in range(6):
        QTest.keyClick(panel.bi_rads, Qt.Key.Key_Down)
    assert panel.bi_rads.currentText().startswith("4B")
    QTest.keyClicks(panel.comment, "Ill-defined; G, H and 1 are letters here.")
    push(panel.commit)
    assert reader.record.first_read_committed
    assert (reader.session.lesion.bi_rads, reader.session.lesion.comment[:11]) == (BiRads.C4B, "Ill-defined")
    press(reader.view, "Ctrl+Z")
    assert reader.record.first_read_committed, "undo does not cross the first read"


def run_the_model(reader):
    reader.us.setFocus()
    press(reader.view, "Ctrl+4")
    press(reader.view, "G")
    reader.wait(lambda: "L1" in reader.session.readings)
    reading = reader.session.readings["L1"]
    panel = reader.panels["model"]
    assert 0 < reading.probability < 1 and reading.eligibility.reasons == ()
    assert panel.bars["fused"][2].text() == f"{reading.probability:.2f}"
    assert panel.bars["us"][2].text() == f"{reading.probability_us:.2f}"
    assert f"✓ {reading.probability:.2f}" in texts(reader.view.rail)
    plain = [canvas.grab().toImage() for canvas in (reader.us, reader.mri)]
    press(reader.view, "H")
    for canvas, image in zip((reader.us, reader.mri), plain, strict=True):
        assert ATTENTION in texts(canvas)
        assert canvas.grab().toImage() != image
    return reading.probability


def move_on_and_run_again(reader, probability):
    panel = reader.panels["model"]
    press(reader.view, "Alt+Right")
    assert reader.session.readings == {} and reader.record.readings == ()
    assert panel.bars["fused"][2].text() == "–" and "not run" in texts(reader.view.rail)
    assert ATTENTION not in texts(reader.us) + texts(reader.mri)
    press(reader.view, "G")
    reader.wait(lambda: "L1" in reader.session.readings)
    again = reader.session.readings["L1"]
    assert again.probability != probability, "another plane is another input"
    assert ATTENTION in texts(reader.us) and ATTENTION in texts(reader.mri)


def export_the_report(reader, path):
    reader.application.window.rail.report.export(path)
    reader.wait(lambda: not reader.session.tasks.busy)
    press(reader.view, "Ctrl+5")
    assert f"✓ Written: {path.name}" in texts(reader.view.rail)
    told = text_of(path)
    for expected in (
        "SIMULATED",
        "SIMULATED-0003",
        "4B",
        "Ill-defined",
        f"{reader.session.readings['L1'].probability:.2f}",
        "DEMONSTRATION",
        "Not cleared for diagnosis",
    ):
        assert expected in told


def open_again(reader, folder, record):
    reader.open(folder)
    assert replace(reader.record, modified=None) == replace(record, modified=None)
    assert reader.session.us_key == record.lesions[0].us.frames_key
    assert reader.view.mri.title.text() == "DCE 2 − 1 · in the US plane"
    press(reader.view, "Ctrl+4")
    shown = reader.panels["model"].bars["fused"][2].text()
    assert shown == f"{record.readings[0].probability:.2f}"
    assert not reader.panels["model"].heatmaps.isEnabled(), "heatmaps are computed, not kept"
