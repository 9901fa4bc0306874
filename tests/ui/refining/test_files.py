"""Registration files: written, read, refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import SimpleITK as sitk  # noqa: N813
from PySide6.QtCore import Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QLineEdit

from breastview.registration.parameters import Method
from tests.ui.conftest import say
from tests.ui.hands import back_in, press, push

FILE_MS = 60_000


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
    qtbot.waitUntil(lambda: view.error == "✖ " + say("case.never_written"), timeout=FILE_MS)
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
