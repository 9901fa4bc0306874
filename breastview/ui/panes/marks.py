"""What is drawn over a picture: boxes, points and lines, with a text beside them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainterPath
from PySide6.QtWidgets import QGraphicsItem, QGraphicsRectItem

CROSS_PX, RING_PX, DOT_PX, PIVOT_PX = 26, 16, 4, 9
_SYMBOLS = {
    "point": (None, CROSS_PX),
    "ring": ("o", RING_PX),
    "dots": ("o", DOT_PX),
    "pivot": ("d", PIVOT_PX),
}
BESIDE, ABOVE = (-0.1, 1.25), (0.0, 1.0)  # of a mark's text
TEXT_ANCHORS = {"box": ABOVE, "line": ABOVE, "point": BESIDE, "ring": BESIDE, "dots": ABOVE, "pivot": BESIDE}


@dataclass(frozen=True)
class Mark:
    """Something drawn over the picture, in picture pixels. `kind`: "box" (left, top, right, bottom), "point"
    (x, y), "ring", where a point is expected (x, y), "pivot", what a turn leaves in place (x, y), "line" and
    "dots" (x1, y1, x2, y2, …)."""

    kind: str
    place: tuple[float, ...]
    colour: str
    text: str = ""
    dashed: bool = False


def outline(points: np.ndarray, colour: str, text: str = "") -> list[Mark]:
    """A dashed line through points (n, 2); nothing where there are none."""
    if len(points) == 0:
        return []
    return [Mark("line", tuple(points.ravel().tolist()), colour, text, dashed=True)]


def dots(points: np.ndarray, colour: str, text: str = "") -> list[Mark]:
    """A dot at each of points (n, 2)."""
    return [Mark("dots", tuple(points.ravel().tolist()), colour, text)] if len(points) else []


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
        symbol, size = _SYMBOLS[mark.kind]
        at = (mark.place[0], mark.place[1])
        made.append(
            pg.ScatterPlotItem(
                list(mark.place[0::2]),
                list(mark.place[1::2]),
                symbol=_open_cross() if symbol is None else symbol,
                size=size,
                pen=pg.mkPen(mark.colour, width=1.5),
                brush=pg.mkBrush(mark.colour if mark.kind == "dots" else None),
            )
        )
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
