"""The rail: five steps in one column; each says what it holds; one is open at a time."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from breastview.ui import style


class RailView(QWidget):
    """Holds the steps' panels, and at its foot what stays in sight of one. Ctrl+1 … Ctrl+5 open them."""

    opened = Signal(str)

    def __init__(self, steps: list[tuple[str, str, QWidget]], parent: QWidget | None = None) -> None:
        """`steps` holds (name, title, panel)."""
        super().__init__(parent)
        self.setObjectName("panel")
        inner = QWidget(self)
        inner.setObjectName("panel")
        self._column = QVBoxLayout(inner)
        self._column.setContentsMargins(style.GRID_PX, 0, style.GRID_PX, style.GRID_PX)
        self._column.setSpacing(4)
        self._panels: dict[str, QWidget] = {}
        self._heads: dict[str, QPushButton] = {}
        self._states: dict[str, QLabel] = {}
        for number, (name, title, panel) in enumerate(steps, 1):
            self._add(name, f"{number}  {title}", panel, f"Ctrl+{number}")
        self._column.addStretch(1)
        self._area = area = QScrollArea(self)
        area.setWidget(inner)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._outer = QVBoxLayout(self)
        self._outer.setContentsMargins(0, 0, 0, 0)
        self._outer.setSpacing(0)
        self._outer.addWidget(area)
        self._feet: dict[str, QWidget] = {}
        if steps:
            self.open(steps[0][0])

    def _add(self, name: str, title: str, panel: QWidget, key: str) -> None:
        head = QPushButton(self)
        head.setText(title)
        head.setToolTip(f"{title} ({key})")
        head.setProperty("step", "true")
        head.setCheckable(True)
        head.clicked.connect(lambda: self.open(name))
        state = QLabel(self)
        state.setProperty("role", "muted")
        state.setWordWrap(True)
        state.setContentsMargins(18, 0, 0, 4)
        for widget in (head, state, panel):
            self._column.addWidget(widget)
        self._heads[name], self._states[name], self._panels[name] = head, state, panel
        QShortcut(QKeySequence(key), self).activated.connect(lambda: self.open(name))

    def set_foot(self, name: str, foot: QWidget) -> None:
        """Show a widget below the steps as long as a step is open, however far that is scrolled."""
        self._feet[name] = foot
        self._outer.addWidget(foot)
        foot.setVisible(name == self.step)

    def open(self, name: str) -> None:
        """Open one step and close the others."""
        for key, panel in self._panels.items():
            panel.setVisible(key == name)
            self._heads[key].setChecked(key == name)
            self._states[key].setMinimumHeight(0)
        for key, foot in self._feet.items():
            foot.setVisible(key == name)
        self.opened.emit(name)

    def reveal(self, part: QWidget) -> None:
        """Scroll a part of the open step into sight, once it has its place."""
        QTimer.singleShot(0, part, lambda: self._area.ensureWidgetVisible(part, 0, style.GRID_PX))

    @property
    def step(self) -> str:
        """The step that is open."""
        return next(name for name, head in self._heads.items() if head.isChecked())

    def set_state(self, name: str, sentence: str, role: str = "muted") -> None:
        """Say in one line what a step holds. If it takes two, the room stays until a step is opened: what
        lies below must not move to and fro under a hand that drags."""
        label = self._states[name]
        label.setText(sentence)
        if label.isVisible():
            label.setMinimumHeight(max(label.minimumHeight(), label.heightForWidth(label.width())))
        label.setVisible(bool(sentence))
        style.dress(label, role)
