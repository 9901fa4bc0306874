"""Numbers that a reader types: with units, as they are said, and unknown where nothing was told."""

from __future__ import annotations

import re

from PySide6.QtCore import QPoint, Qt, QTimer
from PySide6.QtGui import QFocusEvent, QKeyEvent, QValidator
from PySide6.QtWidgets import QDoubleSpinBox, QSizePolicy, QToolTip

from breastview.records.values import clock_label
from breastview.ui import keys, style

FIELD_PX = 48
UNKNOWN = "–"
_NUMBER = re.compile(r"([+-]?\d+(?:[.,]\d*)?)\s*(\D*)")
_TIME = re.compile(r"(\d{1,2}):([0-5]\d)\s*h?")
_FACTORS = {("cm", "mm"): 10.0}  # from a unit that may be typed to a field's own


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
        meant = _meant(words, self._unit)
        if meant is None:
            return None
        value = round(meant, self.decimals())
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


def _meant(words: str, unit: str) -> float | None:
    """The number that words mean in `unit`; None where they mean none."""
    if unit == "h" and (time := _TIME.fullmatch(words)):
        return int(time[1]) + int(time[2]) / 60
    found = _NUMBER.fullmatch(words)
    if found is None:
        return None
    said = found[2].strip() or unit
    factor = 1.0 if said == unit else _FACTORS.get((said, unit))
    return None if factor is None else factor * float(found[1].replace(",", "."))


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
