"""Whose a key is: a field or a list that has the keyboard keeps what is typed; the window gets the rest."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QWidget,
)

PAGES = (Qt.Key.Key_PageUp, Qt.Key.Key_PageDown)
UP_DOWN = (Qt.Key.Key_Up, Qt.Key.Key_Down)
ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
_MOVES = (Qt.Key.Key_Left, Qt.Key.Key_Right, *UP_DOWN, *PAGES)
_CTRL, _ALT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.AltModifier
_COMMAND = _CTRL | _ALT | Qt.KeyboardModifier.MetaModifier
_TYPED_INTO = (QAbstractItemView, QAbstractSpinBox, QComboBox, QLineEdit, QPlainTextEdit)


def is_kept(widget: QWidget | None, event: QKeyEvent) -> bool:
    """Whether the widget that has the keyboard keeps a key from the window's shortcuts.

    It keeps what types a character, and the keys that move and turn the plane: where a number is stepped
    or a list is gone through, the plane must not move.
    """
    if not isinstance(widget, _TYPED_INTO):
        return False
    types = bool(event.text()) and event.text().isprintable() and not event.modifiers() & _COMMAND
    return types or moves_plane(event)


def moves_plane(event: QKeyEvent) -> bool:
    """Whether the window moves or turns the plane by this key."""
    return event.key() in _MOVES and bool(event.modifiers() & (_CTRL | _ALT))


def give_back(widget: QWidget) -> None:
    """Let the window have the keyboard that a field or a list had."""
    widget.window().setFocus()
