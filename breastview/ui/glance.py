"""A glance at another pose: it is seen in the fused view as long as a button or a key is held."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QPushButton, QWidget

from breastview.ui.panes.mri import MriPresenter
from breastview.ui.panes.mri_shown import FUSED
from breastview.ui.panes.view import PaneView
from breastview.ui.session import Session

COMPARE_KEY = Qt.Key.Key_C
_HANDS = (QEvent.Type.MouseButtonPress, QEvent.Type.Wheel)


class Glance(QObject):
    """Shows the session's glance in the MRI pane and gives the pane its own view back."""

    def __init__(self, session: Session, pane: PaneView, mri: MriPresenter, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._pane, self._mri = session, pane, mri
        self._mode: str | None = None
        session.glance(None)
        session.glanced.connect(self._show)

    def _show(self, name: str) -> None:
        viewport = self._pane.canvas.viewport()
        if name:
            if self._mode is None:
                self._mode = self._mri.mode
                viewport.installEventFilter(self)
            self._mri.set_mode(FUSED)
            self._pane.canvas.texts.set_corner("tl", name, "registration")
        elif self._mode is not None:
            mode, self._mode = self._mode, None
            viewport.removeEventFilter(self)
            self._mri.set_mode(mode)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """A hand on the image takes the registration itself, never the pose that is glanced at."""
        if event.type() in _HANDS:
            self._session.glance(None)
        return False


def on_hold(button: QPushButton, begin: Callable[[], object], end: Callable[[], object]) -> None:
    """Call `begin` when a button goes down and `end` when it comes up."""
    button.pressed.connect(begin)
    button.released.connect(end)


class HoldKey(QObject):
    """A key that does something as long as it is held, in a window and in the lists that keep letters."""

    def __init__(self, window: QWidget, begin: Callable[[], object], end: Callable[[], object]) -> None:
        super().__init__(window)
        self._begin, self._end = begin, end
        self.watch(window)

    def watch(self, widget: QWidget) -> None:
        """Hear the key on a widget."""
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Begin and end; a window that is left lets go."""
        if event.type() == QEvent.Type.WindowDeactivate:
            self._end()
        if not isinstance(event, QKeyEvent) or event.key() != COMPARE_KEY:
            return False
        if event.type() == QEvent.Type.KeyRelease and not event.isAutoRepeat():
            self._end()
            return True
        if event.type() != QEvent.Type.KeyPress or event.modifiers() != Qt.KeyboardModifier.NoModifier:
            return False
        if not event.isAutoRepeat():
            self._begin()
        return True
