"""Step 5: the PDF."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFileDialog

from breastview.errors import CaseError, ModelError
from breastview.fusion.spec import read_spec
from breastview.imaging.case import ScannedCase, refuse_inside
from breastview.language import LANGUAGES, Language
from breastview.loaded import load_case
from breastview.messages import message
from breastview.pipeline import report_content
from breastview.progress import Progress
from breastview.report.pdf import write_pdf
from breastview.review.state import Part
from breastview.ui.rail.parts import Choice, Panel, button
from breastview.ui.rail.view import RailView
from breastview.ui.session import Session


class ReportPanel(Panel):
    """The fields of step 5."""

    def __init__(self, language: Language) -> None:
        super().__init__()
        text = language.text
        self.language = Choice(self)
        for code, name in zip(LANGUAGES, ("English", "中文"), strict=True):
            self.language.addItem(name, code)
        self.language.setCurrentIndex(LANGUAGES.index(language.code))
        self.row(self.language, label=text("Language"))
        self.holds = self.label()
        self.export = button(text("Export PDF…"), text("Write the report as PDF") + " (Ctrl+P)")
        self.open = button(text("Open"), text("Open the last report"))
        self.row(self.export, self.open)
        self.told = self.label()


class ReportPresenter(QObject):
    """Writes the report in the background."""

    def __init__(
        self,
        panel: ReportPanel,
        rail: RailView,
        session: Session,
        bundle: Path,
        language: Language,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._panel, self._rail, self._session = panel, rail, session
        self._bundle, self._language = bundle, language
        self._last: Path | None = None
        panel.export.clicked.connect(self.choose_file)
        panel.open.clicked.connect(self._open)
        session.reported.connect(self._written)
        session.opened.connect(self._begin)
        session.changed.connect(self._changed)
        self.show()

    def show(self) -> None:
        """Say what the report will hold."""
        session, panel, text = self._session, self._panel, self._language.text
        panel.setEnabled(session.case is not None)
        panel.open.setEnabled(self._last is not None)
        if session.case is None:
            panel.holds.setText("")
            self._rail.set_state("report", "")
            return
        record = session.state.record
        lines = [self._language.say(message("report.lesions", count=len(record.lesions)))]
        lines.append(text("registration") if record.registrations else text("no registration"))
        lines.append(text("model reading") if session.readings else text("no model reading"))
        panel.holds.setText(" · ".join(lines))

    def _begin(self) -> None:
        """Start anew with another case: the last report is of another patient."""
        self._last = None
        self._panel.told.setText("")
        self._rail.set_state("report", "")
        self.show()

    def resume(self, other: ReportPresenter) -> None:
        """Keep a language that was chosen for the report, and the report that another one wrote."""
        chosen = other._panel.language.currentIndex()
        if chosen != LANGUAGES.index(other._language.code):
            self._panel.language.setCurrentIndex(chosen)
        if other._last is not None and other._panel.told.text():
            self._written(other._last)
        self._last = other._last
        self._panel.open.setEnabled(self._last is not None)

    def choose_file(self) -> None:
        """Ask where to write."""
        name, _ = QFileDialog.getSaveFileName(
            self._panel, self._language.text("Export PDF"), "breastview-report.pdf", "PDF (*.pdf)"
        )
        if name:
            self.export(Path(name))

    def export(self, path: Path) -> None:
        """Write the report to `path` in the background."""
        session = self._session
        if session.case is None:
            return
        try:
            refuse_inside(session.case.folder, path)
        except CaseError as error:
            session.tell(error.message)
            return
        state, stacks, volumes = session.state, dict(session.stacks), dict(session.volumes)
        readings, language = dict(session.readings), Language(str(self._panel.language.currentData()))

        def work(progress: Progress) -> Path:
            progress(None, message("doing.report"))
            try:
                spec = read_spec(self._bundle)
            except ModelError:
                spec = None
            record = state.record
            loaded = load_case(state.case, progress, stacks, volumes, record.motions, lesions=record.lesions)
            write_pdf(report_content(loaded, record, readings, spec), path, language)
            return path

        session.tasks.start("report", work, partial(_take, session, state.case))

    def _written(self, path: Path) -> None:
        self._last = path
        self._panel.told.setText("✓ " + self._language.text("Written: {file}").format(file=path.name))
        self._panel.told.setToolTip(str(path))
        self._rail.set_state("report", "✓ PDF")
        self._panel.open.setEnabled(True)

    def _open(self) -> None:
        if self._last is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._last)))

    def _changed(self, parts: frozenset[Part]) -> None:
        self._panel.told.setText("")
        self._rail.set_state("report", "")
        self.show()


def _take(session: Session, case: ScannedCase, path: Path) -> None:
    """Tell of a report; it is called when another case may be open."""
    if session.is_open(case):
        session.reported.emit(path)
    else:
        session.failed.emit(message("report.of_case_before", file=path.name))
