"""What can be seen: lines of the case column, and the panes in pixels of their pictures and of the screen."""

from __future__ import annotations

import numpy as np
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QTreeWidgetItemIterator

ATTENTION = "model attention, not lesion outline"


def rows(view):
    """(text, tooltip) of every line of the case column."""
    items, walk = [], QTreeWidgetItemIterator(view.case.tree)
    while walk.value() is not None:
        items.append((walk.value().text(0), walk.value().toolTip(0)))
        walk += 1
    return items


def seen(canvas):
    """Picture pixels (column, row) at the middle of the pane, and columns a widget pixel."""
    middle = canvas.viewport().rect().center()
    per_px = 100 / (canvas.to_widget(100, 0).x() - canvas.to_widget(0, 0).x())
    origin = canvas.to_widget(0, 0)
    down = 100 / (canvas.to_widget(0, 100).y() - origin.y())
    return (middle.x() - origin.x()) * per_px, (middle.y() - origin.y()) * down, per_px


def picture(canvas):
    """What a canvas shows, uint8 (row, column, RGBA)."""
    image = canvas.grab().toImage().convertToFormat(QImage.Format.Format_RGBA8888)
    return np.array(image.constBits()).reshape(image.height(), image.width(), 4)


def corners(first, last):
    return [first.x(), first.y(), last.x(), last.y()]


def heated(application, canvas):
    """The (left, top, right, bottom) of what showing the heatmaps changes, below the words in the corner."""
    plain = picture(canvas)
    application.window.tools.show_heatmaps(True)
    rows, columns = np.nonzero((picture(canvas) != plain)[60:].any(axis=2))
    return columns.min(), rows.min() + 60, columns.max(), rows.max() + 60
