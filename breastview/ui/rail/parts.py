"""Small pieces that every step is made of."""

from __future__ import annotations

import re

from PySide6.QtCore import QPoint, Qt, QTimer
from PySide6.QtGui import QFocusEvent, QKeyEvent, QValidator
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QToolTip,
    QVBoxLayout,
    QWidget,
)

from breastview.records.values import clock_label
from breastview.ui import keys, style

FIELD_PX = 48
UNKNOWN = "–"
_TYPED = re.compile(r"([+-]?\d+(?:[.,]\d*)?)\s*(\D*)")
_TIME = re.compile(r"(\d{1,2}):(\d\d)\s*h?")


class Panel(QWidget):
    """A step's body: widgets under one another."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(4, 4, 0, style.GRID_PX)
        self.column.setSpacing(6)

    def row(self, *widgets: QWidget, label: str = "") -> QHBoxLayout:
        """Lay widgets side by side, after a label of common width."""
        row = QHBoxLayout()
        row.setSpacing(6)
        if label:
            name = QLabel(label, self)
            name.setMinimumWidth(84)
            name.setProperty("role", "muted")
            row.addWidget(name)
        for widget in widgets:
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


def dress(label: QLabel, role: str) -> None:
    """Let a label look as its role does."""
    if label.property("role") != role:
        label.setProperty("role", role)
        label.style().unpolish(label)
        label.style().polish(label)


class Field(QDoubleSpinBox):
    """A number that a click selects: what is typed takes its place, also that of the "–" of an unknown.

    Ctrl with up and down steps it by ten; other keys that move the plane do nothing here. Enter takes the
    number and gives the keyboard back. Millimetres may be typed in centimetres ("4.5 cm"), a clock face as a
    time ("10:30"); nothing, where `optional`, is unknown. What is no number of the field's unit, or beyond
    its range, is not taken: the field shows its value again and, beside it, what it takes.
    """

    def __init__(self, low: float, unit: str, optional: bool) -> None:
        super().__init__()
        self._low, self._unit, self._optional = low, unit or "mm", optional
        self.setSuffix(f" {unit}" if unit else "")
        self.setKeyboardTracking(False)

    def validate(self, typed: str, place: int) -> tuple[QValidator.State, str, int]:
        """Let everything be typed; only what can be read can be taken."""
        state = QValidator.State.Intermediate if self._read(typed) is None else QValidator.State.Acceptable
        return state, typed, place

    def valueFromText(self, typed: str) -> float:
        """What was typed, in the field's unit."""
        read = self._read(typed)
        return self.value() if read is None else read

    def textFromValue(self, value: float) -> str:
        """What a person told is shown as short as it was told."""
        if not self._optional:
            return super().textFromValue(value)
        return clock_label(value) if self._unit == "h" else f"{value:g}"

    def fixup(self, typed: str) -> str:
        """Say what the field takes."""
        low, high = (self.textFromValue(end) for end in (self._low, self.maximum()))
        told = f"{typed.strip()} ✗   {low} … {high} {self._unit}"
        QToolTip.showText(self.mapToGlobal(QPoint(0, self.height() // 2)), told, self)
        return typed

    def _read(self, typed: str) -> float | None:
        """The value that a text means, None where it means none within the range."""
        words = typed.removesuffix(self.suffix()).strip()
        if self._optional and words in ("", UNKNOWN):
            return self.minimum()
        time, number = _TIME.fullmatch(words), _TYPED.fullmatch(words)
        if time and self._unit == "h" and int(time[2]) < 60:
            value = int(time[1]) + int(time[2]) / 60
        elif number and number[2].strip() in ("", self._unit):
            value = float(number[1].replace(",", "."))
        elif number and (number[2].strip(), self._unit) == ("cm", "mm"):
            value = 10 * float(number[1].replace(",", "."))
        else:
            return None
        value = round(value, self.decimals())
        return value if self._low <= value <= self.maximum() else None

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Step, type, or leave."""
        with_ctrl = event.modifiers() == Qt.KeyboardModifier.ControlModifier
        if keys.moves_plane(event) and (event.key() in keys.PAGES or not with_ctrl):
            return
        super().keyPressEvent(event)
        if event.key() in keys.ENTER:
            keys.give_back(self)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Select everything, once the click that gave the focus has set its cursor."""
        super().focusInEvent(event)
        QTimer.singleShot(0, self, self.selectAll)


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


def number(
    low: float, high: float, unit: str, step: float, decimals: int, optional: bool = False
) -> QDoubleSpinBox:
    """A numeric field with its unit, "" where that is mm and stands beside it; where optional, its lowest
    value reads as "–" and means unknown."""
    field = Field(low, unit, optional)
    field.setDecimals(decimals)
    field.setRange(low - step if optional else low, high)
    field.setSingleStep(step)
    field.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
    field.setAlignment(Qt.AlignmentFlag.AlignRight)
    field.setFixedHeight(style.CONTROL_PX)
    field.setMinimumWidth(FIELD_PX)
    field.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    if optional:
        field.setSpecialValueText(UNKNOWN)
        field.setValue(field.minimum())
    return field


def known(field: QDoubleSpinBox) -> float | None:
    """The value of an optional field, None where it is unknown."""
    return None if field.value() == field.minimum() else field.value()


def put(field: QDoubleSpinBox, value: float | None) -> None:
    """Write into a field without a signal."""
    field.blockSignals(True)
    field.setValue(field.minimum() if value is None else value)
    field.blockSignals(False)
