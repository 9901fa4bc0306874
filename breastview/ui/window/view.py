"""The main window: header, case column, two panes, step rail, status line. It lays out and emits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import (
    QCloseEvent,
    QDragEnterEvent,
    QDropEvent,
    QKeyEvent,
    QKeySequence,
    QResizeEvent,
    QShortcut,
)
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QSplitter,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from breastview.language import Language
from breastview.ui import keys, style
from breastview.ui.case.view import CaseView
from breastview.ui.elided import Elided
from breastview.ui.panes.view import PaneView
from breastview.ui.rail.view import RailView

SIZE = (1600, 900)
_ROLES = {"⚠": "caution", "✓": "muted"}  # of a sentence with this sign


class WindowView(QMainWindow):
    """What the reader sees; the presenter listens."""

    folder_chosen = Signal(Path)
    language_wanted = Signal()
    layout_wanted = Signal(str)
    undo_wanted = Signal()
    redo_wanted = Signal()
    texts_wanted = Signal()
    cancel_wanted = Signal()
    escaped = Signal()

    def __init__(
        self, language: Language, case: CaseView, us: PaneView, mri: PaneView, rail: RailView
    ) -> None:
        super().__init__()
        self._language = language
        self._is_saved: bool | None = None
        self.may_close: Callable[[], bool] = lambda: True
        self.case, self.us, self.mri, self.rail = case, us, mri, rail
        self.setWindowTitle("BreastView")
        self.resize(*SIZE)
        self.setAcceptDrops(True)
        centre = QWidget(self)
        centre.setObjectName("panel")
        layout = QVBoxLayout(centre)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._make_header())
        layout.addWidget(self._make_banner())
        layout.addWidget(self._make_body(), 1)
        self.setCentralWidget(centre)
        self._make_status()
        self._make_shortcuts()
        self.setFocus()

    def _make_header(self) -> QWidget:
        text = self._language.text
        header = QWidget(self)
        header.setObjectName("panel")
        row = QHBoxLayout(header)
        row.setContentsMargins(style.GRID_PX, 4, style.GRID_PX, 4)
        open_button = QPushButton(text("Open folder…"), header)
        open_button.setToolTip(text("Open a patient folder") + " (Ctrl+O)")
        open_button.clicked.connect(self.choose_folder)
        self._patient = Elided(header)
        self._patient.setProperty("role", "large")
        self._dates = QLabel(header)
        self._dates.setProperty("role", "muted")
        self._flags = QLabel(header)
        self._flags.setProperty("role", "caution")
        row.addWidget(open_button)
        row.addSpacing(style.GRID_PX)
        row.addWidget(self._patient)
        row.addSpacing(style.GRID_PX)
        row.addWidget(self._flags)
        row.addStretch(1)
        row.addWidget(self._dates)
        for name, label, tip in (
            ("both", "US | MRI", text("Side by side") + " (2)"),
            ("us", "US", text("Ultrasound alone") + " (1)"),
            ("mri", "MRI", text("MRI alone") + " (3)"),
        ):
            button = QToolButton(header)
            button.setText(label)
            button.setToolTip(tip)
            button.clicked.connect(lambda _=False, name=name: self.layout_wanted.emit(name))
            row.addWidget(button)
        other = QToolButton(header)
        other.setText("中文" if self._language.code == "en" else "English")
        other.setToolTip(text("Switch the language"))
        other.clicked.connect(self.language_wanted)
        row.addWidget(other)
        return header

    def _make_banner(self) -> QWidget:
        """The one place where errors are shown."""
        self._banner = QWidget(self)
        self._banner.setObjectName("panel")
        row = QHBoxLayout(self._banner)
        row.setContentsMargins(style.GRID_PX, 2, style.GRID_PX, 2)
        self._banner_text = QLabel(self._banner)
        self._banner_text.setProperty("role", "error")
        self._banner_text.setWordWrap(True)
        close = QToolButton(self._banner)
        close.setText("×")
        close.setToolTip(self._language.text("Close this message") + " (Esc)")
        close.clicked.connect(self._banner.hide)
        row.addWidget(self._banner_text, 1)
        row.addWidget(close)
        self._banner.hide()
        return self._banner

    def _make_body(self) -> QWidget:
        self._images = QSplitter(Qt.Orientation.Horizontal, self)
        self._images.addWidget(self.us)
        self._images.addWidget(self.mri)
        self._images.setChildrenCollapsible(False)
        self._images.setHandleWidth(2)
        self._images.splitterMoved.connect(self._divide_by_hand)
        for place in (0, 1):
            self._images.setStretchFactor(place, 1)
        self._is_divided_by_hand = False
        self._halve()
        self._body = QStackedWidget(self)
        self._body.addWidget(self._make_welcome())
        self._body.addWidget(self._images)
        body = QWidget(self)
        body.setObjectName("panel")
        row = QHBoxLayout(body)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(1)
        self.case.setFixedWidth(style.CASE_PX)
        self.rail.setFixedWidth(style.RAIL_PX)
        row.addWidget(self.case)
        row.addWidget(self._body, 1)
        row.addWidget(self.rail)
        return body

    def _divide_by_hand(self) -> None:
        self._is_divided_by_hand = True

    def _halve(self) -> None:
        """Give both images the same room, unless a hand has divided it."""
        if not self._is_divided_by_hand:
            self._images.setSizes([10_000, 10_000])

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the images as wide as one another."""
        super().resizeEvent(event)
        self._halve()

    def _make_welcome(self) -> QWidget:
        text = self._language.text
        page = QWidget(self)
        page.setObjectName("pane")
        layout = QVBoxLayout(page)
        layout.setAlignment(Qt.AlignmentFlag.AlignCenter)
        title = QLabel(text("Open a patient folder to begin."), page)
        title.setProperty("role", "large")
        hint = QLabel(
            text("Drop a folder here, or press Ctrl+O. The folder is read and never changed."), page
        )
        hint.setProperty("role", "muted")
        for label in (title, hint):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            layout.addWidget(label)
        return page

    def _make_status(self) -> None:
        bar = self.statusBar()
        bar.setSizeGripEnabled(False)
        bar.setFixedHeight(style.BAR_PX)  # the images must not move when work begins
        self._position, self._summary, self._saved = QLabel(self), QLabel(self), QLabel(self)
        self._doing = QLabel(self)
        self._progress = QProgressBar(self)
        self._progress.setFixedWidth(140)
        self._progress.setTextVisible(False)
        self._cancel = QToolButton(self)
        self._cancel.setText(self._language.text("Cancel"))
        self._cancel.clicked.connect(self.cancel_wanted)
        for label in (self._position, self._summary, self._saved, self._doing):
            label.setProperty("role", "muted")
        bar.addWidget(self._position, 1)
        bar.addPermanentWidget(self._doing)
        bar.addPermanentWidget(self._progress)
        bar.addPermanentWidget(self._cancel)
        bar.addPermanentWidget(self._summary)
        self._position.setContentsMargins(style.GRID_PX, 0, 0, 0)
        self._saved.setContentsMargins(0, 0, style.GRID_PX, 0)
        bar.addPermanentWidget(self._saved)
        self.set_progress(None, "")

    def _make_shortcuts(self) -> None:
        for key, slot in (
            ("Ctrl+O", self.choose_folder),
            ("Ctrl+Z", self.undo_wanted.emit),
            ("Ctrl+Shift+Z", self.redo_wanted.emit),
            ("Ctrl+Y", self.redo_wanted.emit),
            ("T", self.texts_wanted.emit),
            ("1", lambda: self.layout_wanted.emit("us")),
            ("2", lambda: self.layout_wanted.emit("both")),
            ("3", lambda: self.layout_wanted.emit("mri")),
            ("Esc", self._escape),
            ("F9", self.toggle_columns),
        ):
            QShortcut(QKeySequence(key), self).activated.connect(slot)

    def _escape(self) -> None:
        """Close the message, and only where there is none lay down the tool and take back the drag in hand:
        who closes a message must not lose what is being drawn."""
        if self._banner.isVisible():
            self._banner.hide()
        else:
            self.escaped.emit()

    def choose_folder(self) -> None:
        """Ask for a folder."""
        folder = QFileDialog.getExistingDirectory(self, self._language.text("Open a patient folder"))
        if folder:
            self.folder_chosen.emit(Path(folder))

    def show_patient(self, patient: str, flags: str, dates: str) -> None:
        """Write the header: who, what to look out for, and when."""
        self._patient.setText(patient)
        self._flags.setText(flags)
        self._dates.setText(dates)

    def show_images(self) -> None:
        """Show the panes."""
        self._body.setCurrentWidget(self._images)

    def show_welcome(self) -> None:
        """Show how to begin."""
        self._body.setCurrentIndex(0)

    def show_layout(self, name: str) -> None:
        """Show "us", "mri" or "both"."""
        self.us.setVisible(name != "mri")
        self.mri.setVisible(name != "us")

    def toggle_columns(self) -> None:
        """Fold both side columns away, or bring them back."""
        visible = not self.case.isVisible()
        self.case.setVisible(visible)
        self.rail.setVisible(visible)

    def resume_place(self, other: WindowView) -> None:
        """Stand where another window stands, in its size, also where the screen holds less."""
        self.restoreGeometry(other.saveGeometry())
        if not other.isMaximized():
            self.resize(other.size())

    def resume(self, other: WindowView) -> None:
        """Lay the window out as another one is."""
        self.case.resume(other.case)
        self.set_saved(other._is_saved)
        if other.case.isHidden():
            self.toggle_columns()
        if not (other.us.isHidden() or other.mri.isHidden()):  # one that is hidden has no size to take
            self._images.setSizes(other._images.sizes())

    def show_error(self, sentence: str) -> None:
        """Show a sentence, its sign before it, until it is closed."""
        self._banner_text.setText(sentence)
        style.dress(self._banner_text, _ROLES.get(sentence[0], "error"))
        self._banner.show()

    @property
    def error(self) -> str:
        """The sentence that is shown, or nothing."""
        return self._banner_text.text() if self._banner.isVisibleTo(self) else ""

    def hide_error(self) -> None:
        """Take the sentence away."""
        self._banner.hide()

    def set_position(self, sentence: str) -> None:
        """Write what lies under the pointer."""
        self._position.setText(sentence)

    def set_summary(self, sentence: str) -> None:
        """Write the status line's summary."""
        self._summary.setText(sentence)

    def set_saved(self, saved: bool | None) -> None:
        """Say whether the review is on disk; None: nothing is known of it."""
        text = self._language.text
        self._is_saved = saved
        self._saved.setText({None: "", True: "✓ " + text("saved"), False: "⚠ " + text("not saved")}[saved])
        style.dress(self._saved, "caution" if saved is False else "muted")

    def leaves_unsaved(self) -> bool:
        """Ask whether to leave a review that could not be saved."""
        text, box = self._language.text, QMessageBox(self)
        box.setIcon(QMessageBox.Icon.Warning)
        box.setWindowTitle(text("The review is not saved"))
        box.setText(
            text("This review could not be saved. What was entered since it was last saved would be lost.")
        )
        box.addButton(text("Stay"), QMessageBox.ButtonRole.RejectRole)
        leave = box.addButton(text("Leave without saving"), QMessageBox.ButtonRole.DestructiveRole)
        box.exec()
        return box.clickedButton() is leave

    def set_progress(self, fraction: float | None, doing: str) -> None:
        """Show what is being done, or hide it (empty `doing`)."""
        busy = bool(doing)
        for widget in (self._doing, self._progress, self._cancel):
            widget.setVisible(busy)
        self._doing.setText(doing)
        self._progress.setRange(0, 0 if busy and fraction is None else 100)
        self._progress.setValue(round(100 * (fraction or 0)))

    def event(self, event: QEvent) -> bool:
        """Leave keys to the field or list that has the keyboard, before a shortcut takes them."""
        is_override = event.type() == QEvent.Type.ShortcutOverride
        if is_override and isinstance(event, QKeyEvent) and keys.is_kept(self.focusWidget(), event):
            event.accept()
            return True
        return super().event(event)

    def focusNextPrevChild(self, following: bool) -> bool:
        """Go to the next widget; from one that is gone or greyed the keyboard must not fall into a field."""
        left = self.focusWidget()
        if left is None or (left.isVisible() and left.isEnabled()):
            return super().focusNextPrevChild(following)
        keys.give_back(self)
        return True

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Welcome files and folders."""
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open the dropped folder, or that of the dropped file."""
        for url in event.mimeData().urls():
            path = Path(url.toLocalFile())
            if url.isLocalFile():
                self.folder_chosen.emit(path.parent if path.is_file() else path)
                return

    def closeEvent(self, event: QCloseEvent) -> None:
        """Close, unless what was entered would be lost."""
        if self.may_close():
            super().closeEvent(event)
        else:
            event.ignore()
