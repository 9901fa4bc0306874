"""Registrations out to files for other programs, and in from them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QFileDialog

from breastview.imaging.case import ScannedCase
from breastview.language import Language
from breastview.messages import Message, message
from breastview.pipeline import images_registered
from breastview.progress import Progress
from breastview.registration.exchange import Imported, RegisteredImages
from breastview.registration.files import DICOM, SUFFIXES, TFM, export_registration, import_registration
from breastview.registration.files import suggested_name as suggested
from breastview.review.registering import SetRegistration
from breastview.ui.rail.parts import Panel, button, offer
from breastview.ui.session import Session

KIND = "registration file"  # is read
WRITING = "registration file out"


class FilesPanel(Panel):
    """Import and export, and what a file left open."""

    def __init__(self, language: Language) -> None:
        super().__init__()
        text = language.text
        self.column.setContentsMargins(0, 0, 0, 0)
        self.heading(text("Registration files"))
        self.import_ = button(text("Import…"), text("Take the registration from a .tfm or DICOM file"))
        tip = text("Write the registration as .tfm or DICOM; a DICOM file names the patient")
        self.export = button(text("Export…"), tip)
        self.row(self.import_, self.export)
        self.told = self.label("muted")


class FilesPresenter(QObject):
    """Reads and writes registration files in the background."""

    def __init__(self, panel: FilesPanel, session: Session, language: Language, parent: QObject) -> None:
        super().__init__(parent)
        self._panel, self._session, self._language = panel, session, language
        self._told: tuple[Message, ...] = ()
        panel.import_.clicked.connect(self.choose_import)
        panel.export.clicked.connect(self.choose_export)
        session.exchanged.connect(self._exchanged)
        session.loaded.connect(self.show)
        session.opened.connect(self._opened)
        session.changed.connect(self.show)
        self.show()

    def show(self) -> None:
        """Say what can be done, and what the last file left open."""
        session, panel = self._session, self._panel
        lacking = self._lacking()
        offer(panel.import_, lacking)
        start_first = self._language.say(message("review.no_registration"))
        offer(panel.export, lacking or (start_first if session.registration is None else ""))
        panel.told.setText("\n".join(self._language.say(told) for told in self._told))
        panel.told.setVisible(bool(self._told))

    def _lacking(self) -> str:
        """What a registration file would be about, and is not here."""
        session, say = self._session, self._language.say
        if session.case is None or not session.case.volumes:
            return say(message("registration.needs_mri"))
        return say(message("registration.no_scale")) if session.plane is None else ""

    def choose_import(self) -> None:
        """Ask for a file."""
        text = self._language.text
        dialog = QFileDialog(self._panel, text("Import a registration"))
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        kinds = text("Registrations") + " (" + " ".join(f"*{suffix}" for suffix in SUFFIXES) + ")"
        dialog.setNameFilters([kinds, text("All files") + " (*)"])
        if dialog.exec():
            self.import_file(Path(dialog.selectedFiles()[0]))
        dialog.deleteLater()

    def choose_export(self) -> None:
        """Ask where to write; the name follows the chosen kind of file."""
        text, images = self._language.text, self._images()
        if images is None:
            return
        kinds = {
            text("ITK transform") + f" (*{TFM})": TFM,
            text("DICOM registration") + f" (*{DICOM})": DICOM,
        }
        dialog = QFileDialog(self._panel, text("Export the registration"))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilters(list(kinds))
        dialog.setDefaultSuffix(TFM)
        dialog.filterSelected.connect(lambda kind: dialog.setDefaultSuffix(kinds[kind]))
        dialog.selectFile(suggested(images, ""))
        if dialog.exec():
            self.export_file(Path(dialog.selectedFiles()[0]))
        dialog.deleteLater()

    def import_file(self, path: Path) -> None:
        """Take the hung frame's registration from a file: one step of the history."""
        session, images = self._session, self._images()
        key, frame = session.us_key, session.us_frame
        if key is None or images is None:
            return

        def work(progress: Progress) -> Imported:
            progress(None, message("doing.import"))
            return import_registration(path, images)

        session.tasks.start(KIND, work, partial(_take, session, key, frame, path.name))

    def export_file(self, path: Path) -> None:
        """Write the hung frame's registration."""
        session, parameters, images = self._session, self._session.registration, self._images()
        if parameters is None or images is None:
            return

        def work(progress: Progress) -> Message:
            progress(None, message("doing.export"))
            export_registration(path, parameters, images)
            return message("registration.exported", file=path.name)

        session.tasks.start(WRITING, work, partial(_tell_written, session, session.state.case))

    def _images(self) -> RegisteredImages | None:
        """What a registration of the hung frame joins; None while it has no scale."""
        session = self._session
        key, frame, plane = session.us_key, session.us_frame, session.plane
        if key is None or plane is None:
            return None
        return images_registered(session.state.case, session.state.record, key, frame, plane)

    def _exchanged(self, told: tuple[Message, ...]) -> None:
        self._told = told
        self.show()

    def _opened(self) -> None:
        self._told = ()
        self.show()


def _take(session: Session, frames_key: str, frame: int, file: str, imported: Imported) -> None:
    """Set what a file says; it is called when no presenter may be left that asked for it."""
    if session.dispatch(SetRegistration(frames_key, frame, imported.parameters)):
        session.exchanged.emit((message("registration.imported", file=file), *imported.notes))


def _tell_written(session: Session, case: ScannedCase, told: Message) -> None:
    """Say what was written; another case may be open."""
    if session.is_open(case):
        session.exchanged.emit((told,))
    else:
        session.failed.emit(told)
