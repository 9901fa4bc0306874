"""What is drawn over a picture: boxes, points and lines, with a text beside them."""

from __future__ import annotations

from dataclasses import dataclass

import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainterPath
from PySide6.QtWidgets import QGraphicsItem, QGraphicsRectItem

CROSS_PX = 26
TEXT_ANCHORS = {"box": (0.0, 1.0), "line": (0.0, 1.0), "point": (-0.1, 1.25)}  # of a mark's text, beside it


@dataclass(frozen=True)
class Mark:
    """Something drawn over the picture, in picture pixels. `kind`: "box" (left, top, right, bottom), "point"
    (x, y), "line" (x1, y1, x2, y2, …)."""

    kind: str
    place: tuple[float, ...]
    colour: str
    text: str = ""
    dashed: bool = False


def off_plane(name: str, distance_mm: float) -> str:
    """A point's name with its distance from the plane, where there is any to speak of."""
    return name if abs(distance_mm) < 0.5 else f"{name} {distance_mm:+.0f} mm"


def items(mark: Mark) -> list[QGraphicsItem]:
    """The scene's items for one mark; lines keep their width at every zoom."""
    pen = pg.mkPen(mark.colour, width=1.5)
    pen.setCosmetic(True)
    if mark.dashed:
        pen.setStyle(Qt.PenStyle.DashLine)
    made: list[QGraphicsItem] = []
    if mark.kind == "box":
        left, top, right, bottom = mark.place
        box = QGraphicsRectItem(QRectF(left, top, right - left, bottom - top))
        box.setPen(pen)
        made.append(box)
        at = (left, top)
    elif mark.kind == "line":
        made.append(pg.PlotCurveItem(list(mark.place[0::2]), list(mark.place[1::2]), pen=pen))
        at = (mark.place[0], mark.place[1])
    else:
        at = (mark.place[0], mark.place[1])
        cross = pg.ScatterPlotItem(
            [at[0]], [at[1]], symbol=_open_cross(), size=CROSS_PX, pen=pg.mkPen(mark.colour, width=1.5)
        )
        made.append(cross)
    if mark.text:
        text = pg.TextItem(mark.text, color=QColor(mark.colour), anchor=TEXT_ANCHORS[mark.kind])
        text.setPos(*at)
        made.append(text)
    for item in made:
        item.setZValue(10)
    return made


def _open_cross() -> QPainterPath:
    """A cross that leaves its middle free: nothing covers what it points at."""
    path = QPainterPath()
    for x, y in ((1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)):
        path.moveTo(0.2 * x, 0.2 * y)
        path.lineTo(0.5 * x, 0.5 * y)
    return path
