"""A pane: a canvas under a thin bar of buttons."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QSlider, QToolButton, QVBoxLayout, QWidget

from breastview.ui import style
from breastview.ui.elided import Elided
from breastview.ui.panes.canvas import Canvas


class PaneView(QWidget):
    """One image with its title and, where given, a choice of modes."""

    mode_chosen = Signal(str)
    opacity_changed = Signal(float)

    def __init__(self, modes: list[tuple[str, str, str]], parent: QWidget | None = None) -> None:
        """`modes` holds (name, text, tooltip)."""
        super().__init__(parent)
        self.setObjectName("panel")
        self.canvas = Canvas(self)
        self.title = Elided(self)
        self.title.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction)
        head = QWidget(self)
        head.setFixedHeight(style.BAR_PX)
        bar = QHBoxLayout(head)
        bar.setContentsMargins(style.GRID_PX, 0, style.GRID_PX, 0)
        bar.addWidget(self.title, 1)
        self._opacity = QSlider(Qt.Orientation.Horizontal, self)
        self._opacity.setRange(0, 100)
        self._opacity.setFixedWidth(90)
        self._opacity.valueChanged.connect(lambda value: self.opacity_changed.emit(value / 100))
        self._opacity.hide()
        bar.addWidget(self._opacity)
        self._modes = QButtonGroup(self)
        self._buttons: dict[str, QToolButton] = {}
        for name, text, tip in modes:
            button = QToolButton(self)
            button.setText(text)
            button.setToolTip(tip)
            button.setCheckable(True)
            button.clicked.connect(lambda _=False, name=name: self.mode_chosen.emit(name))
            self._modes.addButton(button)
            self._buttons[name] = button
            bar.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(head)
        layout.addWidget(self.canvas, 1)

    def set_mode(self, name: str, enabled: dict[str, bool]) -> None:
        """Show which mode is on and which can be."""
        for key, button in self._buttons.items():
            button.setChecked(key == name)
            button.setEnabled(enabled.get(key, True))

    def set_opacity(self, value: float | None, tip: str = "") -> None:
        """Show the opacity slider at a value 0…1, or hide it."""
        self._opacity.setVisible(value is not None)
        self._opacity.setToolTip(tip)
        if value is not None:
            self._opacity.blockSignals(True)
            self._opacity.setValue(round(value * 100))
            self._opacity.blockSignals(False)
