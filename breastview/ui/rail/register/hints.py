"""What the tool in hand asks for, in a place of its own: nothing moves when it comes or goes."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel

from breastview.language import Language
from breastview.ui import style
from breastview.ui.names import keyboard_text
from breastview.ui.rail.parts import Panel

MARGIN_PX = 4


class Hints(Panel):
    """A sentence and the keys beside it, as high as the longest, and empty while no tool is in hand."""

    def __init__(self, language: Language) -> None:
        super().__init__()
        self.setObjectName("foot")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)  # its edge is drawn
        self.column.setContentsMargins(style.GRID_PX, MARGIN_PX, style.GRID_PX, MARGIN_PX)
        self.hint, self.keys = self.label("registration"), self.label("muted")
        self.column.addStretch(1)
        self._words = _words(language)
        self.setFixedHeight(max(self._height(*words) for words in self._words.values()))
        self.tell("")

    def tell(self, situation: str) -> None:
        """Show what a tool asks for: its name in `Tools`, of a surface in the MRI how far it is followed."""
        for label, words in zip((self.hint, self.keys), self._words.get(situation, ("", "")), strict=True):
            label.setText(words)
            label.setVisible(bool(words))

    def _height(self, hint: str, keys: str) -> int:
        width = style.RAIL_PX - 2 * style.GRID_PX
        heights = [_height(label, words, width) for label, words in ((self.hint, hint), (self.keys, keys))]
        return sum(heights) + 2 * self.column.spacing() + 2 * MARGIN_PX


def _height(label: QLabel, words: str, width: int) -> int:
    label.ensurePolished()
    label.setText(words)
    return label.heightForWidth(width) if words else 0


def _words(language: Language) -> dict[str, tuple[str, str]]:
    """Every sentence with its keys."""
    text = language.text
    ends = text("Enter or a double click ends, Ctrl+Z takes a click back, Esc cancels.")
    expected = text(
        "Dotted: where it lies 9 times in 10. "
        "Arrows move the expected place by 0.5 mm, Enter takes it. It counts once moved."
    )
    moves = text("Alt with arrows or page keys moves by 1 mm, Ctrl turns by 1°; with Shift by 0.1.")
    return {
        "us_point": (text("Click a point on ultrasound."), ""),
        "mri_pair": (text("Click the same point in the MRI."), expected),
        "us_contour": (text("Click along it on ultrasound."), ends),
        "mri_contour": (text("Click along the same one in the MRI."), ends),
        "surface": (text("Click on the same one in the MRI: it is followed from there."), ends),
        "surface followed": (text("Followed as far as the dots go. Further clicks correct it."), ends),
        "surface lost": (text("No edge to follow from there: click on several slices."), ends),
        "mri_move": (
            text("Drag moves, the ring or Shift turns, the wheel goes through the plane."),
            f"{moves} {keyboard_text(language)}",
        ),
    }
