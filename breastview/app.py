"""The window's composition root: makes the parts and joins them. torch is never imported in this process."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import (
    QLibraryInfo,
    QLocale,
    QMessageLogContext,
    QObject,
    QTimer,
    QtMsgType,
    QTranslator,
    qInstallMessageHandler,
)
from PySide6.QtGui import QFontDatabase
from PySide6.QtWidgets import QApplication

from breastview.errors import ReportError
from breastview.jobs.process import WorkerProcess
from breastview.jobs.tasks import Tasks
from breastview.language import Language
from breastview.messages import Message, message
from breastview.pipeline import DEMONSTRATION
from breastview.records.store import RecordStore
from breastview.records.store import read as read_record
from breastview.report.images import FONTS
from breastview.ui import style
from breastview.ui.post import Post
from breastview.ui.session import Session
from breastview.ui.snapping import Snapping
from breastview.ui.window.build import Window, build_window

AT_REST = 60  # rounds without background work, each of `ROUND_S` or more
ROUND_S = 0.005


class Application(QObject):
    """One running window with its session; the language can switch at any time."""

    def __init__(self, store: RecordStore, language: str = "en", model: Path | None = None) -> None:
        super().__init__()
        self._post = Post(self)
        self._progress: Callable[[str, float | None, Message | None], None] = _unheard
        tasks = Tasks(self._post, self._failed, self._tell)
        self.worker = WorkerProcess()
        self.session = Session(tasks, store, self._post)
        self.snapping = Snapping(self.session)
        self._model = model or DEMONSTRATION
        self._translator: QTranslator | None = None
        self.window: Window
        self._show(language)

    def _show(self, code: str) -> None:
        """Make the window in a language; it goes on as an older one left off, which is closed."""
        old = getattr(self, "window", None)
        self._translate_dialogs(code)
        self.window = build_window(self.session, self.snapping, self.worker, self._model, Language(code))
        self._progress = self.window.presenter.progress
        self.window.view.language_wanted.connect(lambda: self._show("zh_CN" if code == "en" else "en"))
        if old is not None:
            self.window.view.resume_place(old.view)
            old.view.hide()
        self.window.view.show()
        if old is not None:
            self.window.resume(old)
            old.view.deleteLater()

    def _tell(self, kind: str, fraction: float | None, doing: Message | None) -> None:
        self._progress(kind, fraction, doing)
        self.session.progressed.emit(kind, fraction, doing)

    def tell_unforeseen(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        """The last net under the window: say that something failed, never what the error quotes."""
        self._failed(message("job.failed", kind=kind.__name__))
        if os.environ.get("BREASTVIEW_DEBUG"):
            sys.__excepthook__(kind, error, trace)

    def _failed(self, told: Message) -> None:
        self.session.failed.emit(told)

    def _translate_dialogs(self, code: str) -> None:
        application = QApplication.instance()
        if application is None:
            return
        if self._translator is not None:
            application.removeTranslator(self._translator)
            self._translator = None
        if code != "en":
            self._translator = QTranslator(self)
            folder = QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)
            if self._translator.load(QLocale(code), "qtbase", "_", folder):
                application.installTranslator(self._translator)

    def close(self) -> None:
        """Save, end background work and the model process."""
        self.session.close()
        self.worker.kill()


def _unheard(kind: str, fraction: float | None, doing: Message | None) -> None:
    """Progress before there is a window."""


def make_application() -> QApplication:
    """The one QApplication, dressed."""
    existing = QApplication.instance()
    application = existing if isinstance(existing, QApplication) else QApplication(sys.argv[:1])
    application.setApplicationName("BreastView")
    for font in sorted(FONTS.glob("*.ttf")):
        QFontDatabase.addApplicationFont(str(font))
    style.apply(application)
    return application


def run_window(folder: Path | None = None, language: str = "en", store: Path | None = None) -> int:
    """Open the window, its records in the folder `store`, and stay until it is closed; returns the exit
    status."""
    qt = make_application()
    application = Application(RecordStore(store), language)
    sys.excepthook = application.tell_unforeseen
    application.window.view.showMaximized()
    if folder is not None:
        QTimer.singleShot(0, lambda: application.session.open_folder(folder))
    QTimer.singleShot(1500, application.window.warm_model)
    status = qt.exec()
    application.close()
    return status


def screenshot(
    folder: Path,
    file: Path,
    size: tuple[int, int] = (1920, 1080),
    record: Path | None = None,
    language: str = "en",
    model: Path | None = None,
    timeout_s: float = 120.0,
    store: Path | None = None,
) -> None:
    """Render the window with a folder open into a PNG, without a screen; a given record is not saved again.
    Without one, the record that lies in the folder `store` is shown.

    With `model`, a bundle, the model reads the first lesion and both heatmaps are shown; the record's first
    read must be committed.

    Raises:
        BreastViewError: the record cannot be read, or the picture cannot be written. What the window would
            say of the folder is in the picture.
    """
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    with _quiet_plugin(), tempfile.TemporaryDirectory() as unused:
        qt = make_application()
        application = Application(RecordStore(Path(unused) if record else store), language, model)
        window, tasks = application.window, application.session.tasks
        window.view.resize(*size)
        application.session.open_folder(folder, read_record(record) if record else None)
        settle(qt, tasks, timeout_s)
        if model is not None:
            window.rail.view.open("model")
            window.rail.model.run()
            window.tools.show_heatmaps(True)
            settle(qt, tasks, timeout_s)
        picture = window.view.grab()
        window.view.hide()
        application.close()
    if not picture.save(str(file), "PNG"):
        raise ReportError.of("window.unwritable")


@contextmanager
def _quiet_plugin() -> Iterator[None]:
    handler = qInstallMessageHandler(_without_remarks)
    try:
        yield
    finally:
        qInstallMessageHandler(handler)


def _without_remarks(kind: QtMsgType, context: QMessageLogContext, text: str) -> None:
    """Pass on what Qt says, but for the offscreen plugin's remarks on what it lacks."""
    if "plugin does not support" not in text:
        sys.stderr.write(text + "\n")


def settle(qt: QApplication, tasks: Tasks, timeout_s: float) -> None:
    """Let the window draw until its background work has been at rest for a moment.

    The moment is counted in rounds: a busy machine may take longer than any time over a single one.
    """
    end, rounds = time.monotonic() + timeout_s, 0
    while time.monotonic() < end and rounds < AT_REST:
        qt.processEvents()
        rounds = 0 if tasks.busy else rounds + 1
        time.sleep(ROUND_S)
