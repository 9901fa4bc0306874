"""What a hand can take hold of while it registers: the picture, a ring around the pivot, handles on the ring.

The ring has one size on the screen, whatever the zoom.
"""

from __future__ import annotations

from enum import StrEnum
from math import hypot, sqrt

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QCursor, QPainter, QPainterPath, QPen, QPixmap
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from breastview.ui import style

RADIUS_SHARE = 0.32  # of the pane's smaller side
REACH_PX = 9  # this near to a handle, the hand takes it
RING_REACH_PX = 7
TIP_PX = 6  # from a handle's middle to the tip of its arrows
FAINT = 150  # alpha of what the pointer does not touch
CURSOR_PX = 24


class Grip(StrEnum):
    """What a drag does."""

    MOVE = "move"
    SPIN = "spin"  # in the plane
    TILT = "tilt"  # about the plane's x
    SWING = "swing"  # about the plane's y
    THROUGH = "through"  # along the plane's z


HANDLES = {
    Grip.TILT: ((0.0, -1.0), (0.0, 1.0)),
    Grip.SWING: ((-1.0, 0.0), (1.0, 0.0)),
    Grip.THROUGH: ((sqrt(0.5), sqrt(0.5)),),
}


def grip_at(offset: QPointF, radius_px: float) -> Grip:
    """What lies at an offset from the ring's middle, in pixels of the screen."""
    for grip, places in HANDLES.items():
        if any(_far(offset, place, radius_px) <= REACH_PX for place in places):
            return grip
    near = abs(hypot(offset.x(), offset.y()) - radius_px) <= RING_REACH_PX
    return Grip.SPIN if near else Grip.MOVE


def _far(offset: QPointF, place: tuple[float, float], radius_px: float) -> float:
    return hypot(offset.x() - radius_px * place[0], offset.y() - radius_px * place[1])


class Ring(QGraphicsItem):
    """The ring with its handles: faint, and bright where the pointer is."""

    def __init__(self) -> None:
        super().__init__()
        self.radius_px = 0.0
        self.lit = Grip.MOVE
        self.setFlag(QGraphicsItem.GraphicsItemFlag.ItemIgnoresTransformations)
        self.setCacheMode(QGraphicsItem.CacheMode.DeviceCoordinateCache)
        self.setZValue(20)

    def resize(self, radius_px: float) -> None:
        """Take another radius, in pixels of the screen."""
        self.prepareGeometryChange()
        self.radius_px = radius_px

    def light(self, grip: Grip) -> None:
        """Brighten what the pointer is on."""
        self.lit = grip
        self.update()

    def boundingRect(self) -> QRectF:
        """The ring with its handles."""
        half = self.radius_px + 2 * TIP_PX
        return QRectF(-half, -half, 2 * half, 2 * half)

    def paint(
        self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None
    ) -> None:
        """Draw over a dark edge: a bright picture would swallow a thin line."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ring = QPainterPath()
        ring.addEllipse(QPointF(0, 0), self.radius_px, self.radius_px)
        self._stroke(painter, ring, Grip.SPIN)
        for grip, places in HANDLES.items():
            for x, y in places:
                painter.save()
                painter.translate(self.radius_px * x, self.radius_px * y)
                self._handle(painter, grip)
                painter.restore()

    def _handle(self, painter: QPainter, grip: Grip) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(style.BLACK))
        painter.drawEllipse(QPointF(0, 0), TIP_PX + 2, TIP_PX + 2)
        self._stroke(painter, _glyph(grip), grip)

    def _stroke(self, painter: QPainter, path: QPainterPath, grip: Grip) -> None:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(0, 0, 0, FAINT), 3))
        painter.drawPath(path)
        colour = QColor(style.REGISTRATION)
        colour.setAlpha(255 if grip is self.lit else FAINT)
        painter.setPen(QPen(colour, 2 if grip is self.lit else 1.2))
        painter.drawPath(path)


def _glyph(grip: Grip) -> QPainterPath:
    """Arrows along the drag; for the way through the plane, an arrow's tip seen from ahead."""
    path = QPainterPath()
    if grip is Grip.THROUGH:
        path.addEllipse(QPointF(0, 0), TIP_PX - 1, TIP_PX - 1)
        path.addEllipse(QPointF(0, 0), 0.8, 0.8)
        return path
    for sign in (-1, 1):
        corners = [(-3, sign * 2), (0, sign * TIP_PX), (3, sign * 2)]
        points = [QPointF(x, y) if grip is Grip.TILT else QPointF(y, x) for x, y in corners]
        path.moveTo(points[0])
        for point in points[1:]:
            path.lineTo(point)
    return path


def cursor(grip: Grip) -> QCursor:
    """The pointer's shape over a grip."""
    if grip is Grip.SPIN:
        return _turning()
    shapes = {Grip.MOVE: Qt.CursorShape.SizeAllCursor, Grip.SWING: Qt.CursorShape.SizeHorCursor}
    return QCursor(shapes.get(grip, Qt.CursorShape.SizeVerCursor))


def _turning() -> QCursor:
    """Three quarters of a circle that end in an arrow: no desktop has such a pointer."""
    path = QPainterPath()
    box = QRectF(5, 5, CURSOR_PX - 10, CURSOR_PX - 10)
    path.arcMoveTo(box, 60)
    path.arcTo(box, 60, 290)
    tip = path.currentPosition()
    for x, y in ((5, 1), (-3, 4)):
        path.moveTo(tip)
        path.lineTo(tip + QPointF(x, y))
    picture = QPixmap(CURSOR_PX, CURSOR_PX)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for colour, width in ((style.BLACK, 4), (style.TEXT, 2)):
        painter.setPen(QPen(QColor(colour), width))
        painter.drawPath(path)
    painter.end()
    return QCursor(picture, CURSOR_PX // 2, CURSOR_PX // 2)
