"""Small pieces that every step is made of."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from breastview.ui import keys, style


class Panel(QWidget):
    """A step's body: widgets under one another."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(4, 4, 0, style.GRID_PX)
        self.column.setSpacing(6)

    def row(self, *widgets: QWidget, label: str = "", narrow: bool = False) -> QHBoxLayout:
        """Lay widgets side by side, after a label of common width; `narrow`: what is written on them fills
        them, so that more of them fit."""
        row = QHBoxLayout()
        row.setSpacing(6)
        if label:
            name = QLabel(label, self)
            name.setMinimumWidth(84)
            name.setProperty("role", "muted")
            row.addWidget(name)
        for widget in widgets:
            if narrow:
                widget.setProperty("narrow", "true")
            row.addWidget(widget, 0 if isinstance(widget, QToolButton) else 1)
        self.column.addLayout(row)
        return row

    def label(self, role: str = "muted") -> QLabel:
        """Add an empty sentence."""
        label = QLabel(self)
        label.setWordWrap(True)
        label.setProperty("role", role)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.column.addWidget(label)
        return label

    def heading(self, text: str) -> QLabel:
        """Add a small heading."""
        label = QLabel(text, self)
        label.setProperty("role", "small")
        label.setContentsMargins(0, 6, 0, 0)
        label.setWordWrap(True)
        self.column.addWidget(label)
        return label


def button(text: str, tip: str, checkable: bool = False) -> QPushButton:
    """A push button; `tip` names the action and its key."""
    made = QPushButton(text)
    made.setToolTip(tip)
    made.setProperty("tip", tip)
    made.setCheckable(checkable)
    return made


def offer(made: QPushButton, why_not: str) -> None:
    """Enable a `button`, or disable it and say why, where the pointer rests on it."""
    made.setEnabled(not why_not)
    made.setToolTip("\n".join(filter(None, (made.property("tip"), why_not))))


class Choice(QComboBox):
    """A list that is folded. A letter goes to what it begins; a pick out of the open list, and Enter, give
    the keyboard back. Its longest line widens the open list, not the column."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(1)

    def showPopup(self) -> None:
        """Unfold the list, wide enough for its longest line."""
        self.view().setMinimumWidth(self.view().sizeHintForColumn(0) + 2 * style.GRID_PX)
        super().showPopup()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Go through the list, or leave it; Alt with up or down opens it."""
        if event.key() in keys.ENTER:
            keys.give_back(self)
        elif not keys.moves_plane(event) or _opens_list(event):
            super().keyPressEvent(event)

    def hidePopup(self) -> None:
        """Fold the list: the choice is made. Qt also asks for it where none was open."""
        was_open = self.view().isVisible()
        super().hidePopup()
        if was_open:
            keys.give_back(self)


def _opens_list(event: QKeyEvent) -> bool:
    return event.key() in keys.UP_DOWN and event.modifiers() == Qt.KeyboardModifier.AltModifier
