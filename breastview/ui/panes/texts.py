"""Texts over an image: in its corners, directions at its edges, and a scale bar below."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QLabel, QWidget

from breastview.ui import style

MARGIN_PX = 8
BAR_MM = (5, 10, 20, 50, 100)
SHORTEST_BAR_PX = 60
BACKDROP = "background: rgba(0, 0, 0, 80%);"  # words are read on a bright image too


class Texts:
    """What is written over an image; the mouse does not see it."""

    def __init__(self, pane: QWidget) -> None:
        self._pane = pane
        self._corners = {name: QLabel(pane) for name in ("tl", "tr", "bl", "br")}
        self._edges = {name: QLabel(pane) for name in ("l", "t", "r", "b")}
        self._bar = QLabel(pane)
        self._bar.setStyleSheet(
            f"{BACKDROP} border: none; border-bottom: 2px solid {style.TEXT}; color: {style.TEXT};"
            f"font-size: {style.SMALL_PT}pt;"
        )
        self._mm_per_px: float | None = None
        self._zoom: float | None = None
        for label in self._all:
            label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        for label in (*self._corners.values(), *self._edges.values()):
            label.setProperty("role", "small")
            label.setStyleSheet(BACKDROP)
            _fit(label)

    @property
    def _all(self) -> tuple[QLabel, ...]:
        return (*self._corners.values(), *self._edges.values(), self._bar)

    @property
    def edges(self) -> tuple[str, ...]:
        """Patient directions at the left, top, right and bottom edge."""
        return tuple(label.text() for label in self._edges.values())

    def set_corner(self, corner: str, text: str, role: str = "small") -> None:
        """Write into a corner: "tl", "tr", "bl" or "br"."""
        label = self._corners[corner]
        if (label.text(), label.property("role")) == (text, role):
            return
        style.dress(label, role)
        label.setText(text)
        _fit(label)
        self._place_corner(corner)

    def set_edges(self, letters: tuple[str, str, str, str]) -> None:
        """Write patient directions at the left, top, right and bottom edge."""
        if letters == self.edges:
            return
        for label, letter in zip(self._edges.values(), letters, strict=True):
            label.setText(letter)
            _fit(label)
        self._place_edges()

    def set_mm_per_px(self, mm_per_px: float | None) -> None:
        """Millimetres of a picture pixel across, for the scale bar; None: there is none."""
        if mm_per_px != self._mm_per_px:
            self._mm_per_px = mm_per_px
            self._draw_bar()

    def set_zoom(self, zoom: float | None) -> None:
        """Screen pixels of a picture pixel across, for the scale bar; None: there is no picture."""
        if zoom != self._zoom:
            self._zoom = zoom
            self._draw_bar()

    def set_visible(self, visible: bool) -> None:
        """Show or hide all."""
        for label in self._all:
            label.setVisible(visible)

    def place(self) -> None:
        """Put all where it belongs in a pane that has another size."""
        for corner in self._corners:
            self._place_corner(corner)
        self._place_edges()
        self._draw_bar()

    def _place_corner(self, corner: str) -> None:
        label, m = self._corners[corner], MARGIN_PX
        x = m if corner[1] == "l" else self._pane.width() - label.width() - m
        y = m if corner[0] == "t" else self._pane.height() - label.height() - m
        label.move(x, y)

    def _place_edges(self) -> None:
        width, height, m = self._pane.width(), self._pane.height(), MARGIN_PX
        left, top, right, bottom = self._edges.values()
        left.move(m, (height - left.height()) // 2)
        right.move(width - right.width() - m, (height - right.height()) // 2)
        top.move((width - top.width()) // 2, m)
        bottom.move((width - bottom.width()) // 2, height - bottom.height() - m)

    def _draw_bar(self) -> None:
        bar = self._bar
        if self._mm_per_px is None or self._zoom is None:
            bar.setText("")
            bar.resize(0, 0)
            return
        px_per_mm = self._zoom / self._mm_per_px
        length_mm = next((n for n in BAR_MM if n * px_per_mm >= SHORTEST_BAR_PX), BAR_MM[-1])
        width = round(length_mm * px_per_mm)
        bar.setText(f"{length_mm} mm")
        bar.resize(max(width, 10), 18)
        bar.move((self._pane.width() - width) // 2, self._pane.height() - 46)


def _fit(label: QLabel) -> None:
    """Give a label the room that its words need, and none without words."""
    label.resize(label.sizeHint() if label.text() else QSize(0, 0))
