"""What a reader's hands do: real events on the window's widgets. Places are picture pixels (column, row)."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QKeySequence, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDoubleSpinBox, QLabel, QPushButton, QWidget

LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
PLAIN = Qt.KeyboardModifier.NoModifier
SHIFT, CTRL = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier


def press(window, keys):
    """Press a key, or keys together, where the keyboard's focus is."""
    QTest.keySequence(window.focusWidget() or window, QKeySequence(keys))


def click(canvas, column, row):
    QTest.mouseClick(canvas.viewport(), LEFT, PLAIN, canvas.to_widget(column, row).toPoint())


def drag(canvas, start, end, button=LEFT, keys=PLAIN):
    """Press at `start`, move to `end` in three steps, and release there."""
    first, last = canvas.to_widget(*start), canvas.to_widget(*end)
    QTest.mousePress(canvas.viewport(), button, keys, first.toPoint())
    for share in (0.3, 0.7, 1.0):
        QTest.mouseMove(canvas.viewport(), (first + share * (last - first)).toPoint())
    QTest.mouseRelease(canvas.viewport(), button, keys, last.toPoint())


def wheel(canvas, steps=1, keys=PLAIN, at=None):
    """Turn the wheel towards the hand (`steps` > 0: on through the slices) or away from it."""
    place = canvas.to_widget(*at) if at else QPointF(canvas.viewport().rect().center())
    turn = QPoint(0, -120 if steps > 0 else 120)
    for _ in range(abs(steps)):
        everywhere = QPointF(canvas.viewport().mapToGlobal(place))
        event = QWheelEvent(
            place,
            everywhere,
            QPoint(),
            turn,
            Qt.MouseButton.NoButton,
            keys,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(canvas.viewport(), event)


def enter(field: QDoubleSpinBox, text: str):
    """Type into a field in the place of what is there."""
    QTest.keySequence(field, QKeySequence("Ctrl+A"))
    QTest.keyClicks(field, text)
    QTest.keyClick(field, Qt.Key.Key_Return)


def push(button: QPushButton):
    assert button.isVisible() and button.isEnabled()
    QTest.mouseClick(button, LEFT)


def drop(window: QWidget, folder: Path):
    """Drag a folder from a file manager into the middle of the window."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(folder))])
    middle = window.rect().center()
    target = window.childAt(middle)
    place = target.mapFrom(window, middle)
    copy = Qt.DropAction.CopyAction
    entering = QDragEnterEvent(place, copy, data, LEFT, PLAIN)
    QApplication.sendEvent(target, entering)
    assert entering.isAccepted()
    QApplication.sendEvent(target, QDropEvent(QPointF(place), copy, data, LEFT, PLAIN))


def texts(widget: QWidget) -> list[str]:
    """Every text that can be read on a widget now."""
    return [label.text() for label in widget.findChildren(QLabel) if label.isVisible() and label.text()]


def hold(button):
    QTest.mousePress(button, LEFT)


def let_go(button):
    QTest.mouseRelease(button, LEFT)


def back_in(view):
    """Leave a closed dialog for the window, as a desktop does."""
    view.activateWindow()
    assert QTest.qWaitForWindowActive(view)
