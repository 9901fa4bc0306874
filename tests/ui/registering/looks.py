"""What step 2 draws and lists, and a breast for it."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGraphicsPathItem, QGraphicsSimpleTextItem

from breastview.imaging.geometry import frozen
from breastview.registration.skin import GRID_MM, Body

AROUND = ((-4.0, 2.0), (4.0, 2.0), (-4.0, 9.0), (4.0, 9.0), (0.0, 2.5))


def hill() -> Body:
    """A half ellipsoid in front of a chest behind y = 45 mm, its tip at y −6 mm."""
    x, y, z = (np.arange(a, b, GRID_MM) for a, b in ((-60, 90), (-30, 75), (-60, 75)))
    x, y, z = np.meshgrid(x, y, z, indexing="ij")
    breast = ((x - 15) / 50) ** 2 + ((y - 45) / 51) ** 2 + ((z - 7) / 50) ** 2 < 1
    return Body(frozen(breast | (y > 45)), np.array([-60.0, -30.0, -60.0]))


def rows(panel):
    return [panel.found.item(row, 0).text() for row in range(panel.found.rowCount())]


def drawn(canvas, style):
    """How many outlines are drawn in a pen's style."""
    shapes = [item for item in canvas.scene().items() if isinstance(item, QGraphicsPathItem)]
    return sum(shape.pen().style() == style for shape in shapes)


def dashed(canvas):
    return drawn(canvas, Qt.PenStyle.DashLine)


def dotted(canvas):
    return drawn(canvas, Qt.PenStyle.DotLine)


def names(canvas):
    """What is written beside the marks."""
    labels = [item for item in canvas.scene().items() if isinstance(item, QGraphicsSimpleTextItem)]
    return {label.text() for label in labels if label.text()}
