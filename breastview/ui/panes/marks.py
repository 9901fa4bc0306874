"""What is drawn over a picture: boxes, points and lines, with a text beside them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from pyqtgraph.functions import arrayToQPolygonF
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen, QPolygonF, QTransform
from PySide6.QtWidgets import (
    QGraphicsItem,
    QGraphicsPathItem,
    QGraphicsSimpleTextItem,
    QStyleOptionGraphicsItem,
    QWidget,
)

CROSS_PX, RING_PX, DOT_PX, PIVOT_PX = 26, 16, 4, 9
PEN_PX, TEXT_MARGIN_PX = 1.5, 4
BESIDE, ABOVE = (-0.1, 1.25), (0.0, 1.0)  # of a mark's text
TEXT_ANCHORS = {"box": ABOVE, "line": ABOVE, "point": BESIDE, "ring": BESIDE, "dots": ABOVE, "pivot": BESIDE}


class Stroke(StrEnum):
    """How a mark is drawn: what lies here; what is derived, an extent, or another lesion than the chosen one;
    what is not placed yet."""

    SOLID = "solid"
    DASHED = "dashed"
    DOTTED = "dotted"


@dataclass(frozen=True)
class Mark:
    """Something drawn over the picture, in picture pixels. `kind`: "box" (left, top, right, bottom), "point"
    (x, y), "ring", where a point is expected (x, y), "pivot", what a turn leaves in place (x, y), "line" and
    "dots" (x1, y1, x2, y2, …)."""

    kind: str
    place: tuple[float, ...]
    colour: str
    text: str = ""
    stroke: Stroke = Stroke.SOLID


def outline(points: np.ndarray, colour: str, stroke: Stroke = Stroke.DASHED) -> list[Mark]:
    """A dashed or dotted line through points (n, 2); nothing where there are none."""
    if len(points) == 0:
        return []
    return [Mark("line", tuple(points.ravel().tolist()), colour, stroke=stroke)]


def dots(points: np.ndarray, colour: str, text: str = "") -> list[Mark]:
    """A dot at each of points (n, 2)."""
    return [Mark("dots", tuple(points.ravel().tolist()), colour, text)] if len(points) else []


def off_plane(name: str, distance_mm: float) -> str:
    """A point's name with its distance from the plane, where there is any to speak of."""
    return name if abs(distance_mm) < 0.5 else f"{name} {distance_mm:+.0f} mm"


class Drawn:
    """A mark in the scene. Lines, crosses and texts keep their width and size at every zoom."""

    def __init__(self, mark: Mark) -> None:
        self.mark = mark
        self.item = _Shape()
        self.item.setPen(_pen(mark))
        self.item.setZValue(10)
        self._text = QGraphicsSimpleTextItem(self.item)
        self._text.setFlag(QGraphicsItem.GraphicsItemFlag.ItemIgnoresTransformations)
        self._text.setBrush(QColor(mark.colour))
        if mark.kind in _SYMBOLS:
            self.item.setFlag(QGraphicsItem.GraphicsItemFlag.ItemIgnoresTransformations)
            self.item.setPath(_SYMBOLS[mark.kind]())
        self._show()

    def looks_like(self, mark: Mark) -> bool:
        """Whether another mark differs in its place and text alone."""
        own = self.mark
        return (own.kind, own.colour, own.stroke) == (mark.kind, mark.colour, mark.stroke)

    def move(self, mark: Mark) -> None:
        """Become a mark that looks alike."""
        if mark != self.mark:
            self.mark = mark
            self._show()

    def _show(self) -> None:
        mark = self.mark
        if mark.kind in _SYMBOLS:
            self.item.setPos(*mark.place)
        else:
            self.item.setPath(_PATHS[mark.kind](mark.place))
            self._text.setPos(*mark.place[:2])
        if self._text.text() != mark.text:
            self._text.setText(mark.text)
            size, (across, down) = self._text.boundingRect(), TEXT_ANCHORS[mark.kind]
            width, height = size.width() + 2 * TEXT_MARGIN_PX, size.height() + 2 * TEXT_MARGIN_PX
            left, top = TEXT_MARGIN_PX - across * width, TEXT_MARGIN_PX - down * height
            self._text.setTransform(QTransform.fromTranslate(left, top))


class _Shape(QGraphicsPathItem):
    """A path without steps at its edges."""

    def paint(
        self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None
    ) -> None:
        """Draw it smoothly, however the view draws its picture."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        super().paint(painter, option, widget)


def _pen(mark: Mark) -> QPen:
    pen = QPen(QColor(mark.colour), DOT_PX if mark.kind == "dots" else PEN_PX)
    pen.setCosmetic(True)
    if mark.kind == "dots":
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    pen.setStyle(_STROKES[mark.stroke])
    return pen


def _box(place: tuple[float, ...]) -> QPainterPath:
    path = QPainterPath()
    path.addRect(QRectF(QPointF(*place[:2]), QPointF(*place[2:])))
    return path


def _line(place: tuple[float, ...]) -> QPainterPath:
    path = QPainterPath()
    path.addPolygon(arrayToQPolygonF(np.array(place[0::2]), np.array(place[1::2])))
    return path


def _dots(place: tuple[float, ...]) -> QPainterPath:
    """Strokes of hardly any length: the pen's round ends are the dots."""
    path = QPainterPath()
    for x, y in zip(place[0::2], place[1::2], strict=True):
        path.moveTo(x, y)
        path.lineTo(x + 1e-3, y)
    return path


def _cross() -> QPainterPath:
    """A cross that leaves its middle free: nothing covers what it points at."""
    path = QPainterPath()
    for x, y in ((1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)):
        path.moveTo(0.2 * CROSS_PX * x, 0.2 * CROSS_PX * y)
        path.lineTo(0.5 * CROSS_PX * x, 0.5 * CROSS_PX * y)
    return path


def _ring() -> QPainterPath:
    path = QPainterPath()
    path.addEllipse(QPointF(0, 0), RING_PX / 2, RING_PX / 2)
    return path


def _diamond() -> QPainterPath:
    path = QPainterPath()
    high, wide = 0.5 * PIVOT_PX, 0.4 * PIVOT_PX
    path.addPolygon(QPolygonF([QPointF(*p) for p in ((0, -high), (-wide, 0), (0, high), (wide, 0))]))
    path.closeSubpath()
    return path


_STROKES = {
    Stroke.SOLID: Qt.PenStyle.SolidLine,
    Stroke.DASHED: Qt.PenStyle.DashLine,
    Stroke.DOTTED: Qt.PenStyle.DotLine,
}
_PATHS = {"box": _box, "line": _line, "dots": _dots}  # in pixels of the picture
_SYMBOLS = {"point": _cross, "ring": _ring, "pivot": _diamond}  # in pixels of the screen
