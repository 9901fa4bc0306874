"""The case column: a tree of what the folder holds, and the files with problems."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from PySide6.QtCore import QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QIcon, QImage, QPainter, QPixmap
from PySide6.QtWidgets import (
    QHeaderView,
    QLabel,
    QMenu,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from breastview.ui import keys, style

THUMB_PX = 32
SENTENCE_PX = style.CASE_PX - 32  # beside indentation and scroll bar
_KEY = Qt.ItemDataRole.UserRole


@dataclass(frozen=True)
class Row:
    """One line of the tree."""

    key: str
    text: str
    detail: str
    tip: str
    warns: bool = False


class CaseView(QWidget):
    """Lists ultrasound, MRI and problems; the presenter fills it."""

    chosen = Signal(str)
    role_wanted = Signal(str, str)  # key, role
    motion_wanted = Signal()

    def __init__(self, title: str, empty: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        heading = QLabel(title, self)
        heading.setProperty("role", "muted")
        heading.setContentsMargins(style.GRID_PX, style.GRID_PX, style.GRID_PX, 4)
        self.tree = QTreeWidget(self)
        self.tree.setHeaderHidden(True)
        self.tree.setRootIsDecorated(False)
        self.tree.setIndentation(6)
        self.tree.setColumnCount(2)
        header = self.tree.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self.tree.setIconSize(QSize(THUMB_PX, THUMB_PX))
        self.tree.setWordWrap(True)
        self.tree.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.tree.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.tree.itemClicked.connect(self._clicked)
        self.tree.customContextMenuRequested.connect(self._menu)
        self._empty = QLabel(empty, self)
        self._empty.setWordWrap(True)
        self._empty.setProperty("role", "muted")
        self._empty.setContentsMargins(style.GRID_PX, style.GRID_PX, style.GRID_PX, style.GRID_PX)
        blank = QPixmap(THUMB_PX, THUMB_PX)
        blank.fill(QColor(style.BLACK))
        self._no_picture = QIcon(blank)
        self.motion = QPushButton(self)
        self.motion.clicked.connect(self.motion_wanted)
        self.motion_told = QLabel(self)
        self.motion_told.setWordWrap(True)
        self.motion_told.setProperty("role", "muted")
        self.motion_told.setContentsMargins(style.GRID_PX, 4, style.GRID_PX, 4)
        self._roles: list[tuple[str, str]] = []
        self._items: dict[str, QTreeWidgetItem] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(heading)
        layout.addWidget(self._empty)
        layout.addWidget(self.tree, 1)
        layout.addWidget(self.motion_told)
        layout.addWidget(self.motion)
        self.show_motion("", "", "")

    def fill(self, groups: list[tuple[str, list[Row]]], roles: list[tuple[str, str]]) -> None:
        """Show groups of rows; `roles` are the (name, text) that a volume's role can be overruled with."""
        self.tree.clear()
        self._items.clear()
        self._roles = roles
        self._empty.setVisible(not groups)
        for title, rows in groups:
            head = QTreeWidgetItem(self.tree, [title, ""])
            head.setFlags(Qt.ItemFlag.ItemIsEnabled)
            head.setForeground(0, QColor(style.MUTED))
            for row in rows:
                item = QTreeWidgetItem(head, [row.text, row.detail])
                item.setData(0, _KEY, row.key)
                item.setToolTip(0, row.tip)
                item.setToolTip(1, row.tip)
                item.setForeground(1, QColor(style.MUTED))
                item.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                if row.warns:
                    item.setForeground(0, QColor(style.CAUTION))
                if row.key:
                    item.setIcon(0, self._no_picture)
                    self._items[row.key] = item
                else:
                    self._give_lines(item)
            head.setExpanded(True)

    def _give_lines(self, item: QTreeWidgetItem) -> None:
        """Let a sentence have as many lines as it needs: the tree by itself gives it one."""
        item.setFirstColumnSpanned(True)
        room = QRect(0, 0, SENTENCE_PX, 0)
        needed = self.tree.fontMetrics().boundingRect(room, Qt.TextFlag.TextWordWrap, item.text(0))
        item.setSizeHint(0, QSize(0, needed.height() + style.GRID_PX))

    def show_motion(self, action: str, told: str, tip: str) -> None:
        """Offer an action on the motion between phases, and say what was found; nothing where empty."""
        self.motion.setText(action)
        self.motion.setVisible(bool(action))
        self.motion_told.setText(told)
        self.motion_told.setVisible(bool(told))
        for widget in (self.motion, self.motion_told):
            widget.setToolTip(tip)

    def set_thumbnail(self, key: str, picture: np.ndarray) -> None:
        """Put a small uint8 picture (row, column) or (row, column, RGB) beside a row."""
        item = self._items.get(key)
        if item is None:
            return
        rows, columns = picture.shape[:2]
        kind = QImage.Format.Format_Grayscale8 if picture.ndim == 2 else QImage.Format.Format_RGB888
        data = np.ascontiguousarray(picture)
        image = QImage(data.data, columns, rows, data.strides[0], kind).copy()
        scaled = QPixmap.fromImage(image).scaled(
            THUMB_PX, THUMB_PX, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        )
        square = QPixmap(THUMB_PX, THUMB_PX)
        square.fill(QColor(style.BLACK))
        painter = QPainter(square)
        painter.drawPixmap((THUMB_PX - scaled.width()) // 2, (THUMB_PX - scaled.height()) // 2, scaled)
        painter.end()
        item.setIcon(0, QIcon(square))

    def resume(self, other: CaseView) -> None:
        """Show the pictures that another view of the case shows: some are made once, while a case opens."""
        for key, item in self._items.items():
            if key in other._items:
                item.setIcon(0, other._items[key].icon(0))

    def set_current(self, keys: set[str]) -> None:
        """Mark the rows whose images are hung."""
        for key, item in self._items.items():
            font = item.font(0)
            font.setBold(key in keys)
            item.setFont(0, font)
            item.setForeground(1, QColor(style.ACCENT if key in keys else style.MUTED))

    def _clicked(self, item: QTreeWidgetItem) -> None:
        key = item.data(0, _KEY)
        keys.give_back(self.tree)  # a letter typed now is meant for the images
        if key:
            self.chosen.emit(key)

    def _menu(self, at: QPoint) -> None:
        item = self.tree.itemAt(at)
        key = item.data(0, _KEY) if item else None
        if not key or not self._roles:
            return
        menu = QMenu(self)
        for name, text in self._roles:
            menu.addAction(text, partial(self.role_wanted.emit, key, name))
        menu.exec(self.tree.viewport().mapToGlobal(at))
