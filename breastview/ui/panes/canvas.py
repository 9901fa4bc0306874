"""One image on black: zoom, pan, window/level and tools by mouse; marks on top; texts in the corners.

The canvas knows pixels of its picture and nothing of medicine: presenters decide.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QWidget

from breastview.ui import style
from breastview.ui.panes.grips import RADIUS_SHARE, Grip, Ring, cursor, grip_at
from breastview.ui.panes.marks import Drawn, Mark
from breastview.ui.panes.texts import Texts

ZOOM_STEP = 1.15
MIN_BOX_PX = 2
STEPS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}
_PLAIN = (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier)
pg.setConfigOptions(imageAxisOrder="row-major", antialias=True, background=style.BLACK)


class Tool(StrEnum):
    """What the left button does."""

    BROWSE = "browse"
    BOX = "box"
    POINT = "point"
    MOVE = "move"
    LINE = "line"
    EXTENT = "extent"  # a click is a point, a drag a box


class Press(NamedTuple):
    """A button that is held: where the pointer was last seen in the widget, and where it went down in the
    picture."""

    button: Qt.MouseButton
    at: QPointF
    start: QPointF


class Canvas(pg.GraphicsView):
    """A picture with marks. Positions in signals are picture pixels (column, row)."""

    scrolled = Signal(int, bool)  # steps, whether Shift was held
    hovered = Signal(float, float)
    left = Signal()
    clicked = Signal(float, float)
    box_drawn = Signal(float, float, float, float)
    line_drawn = Signal(float, float, float, float)
    drag_began = Signal(float, float, object)  # the grip
    dragged = Signal(float, float)
    drag_ended = Signal()
    pointed = Signal(object)  # the grip under the pointer, where there is a ring
    windowed = Signal(float, float)  # shares of the present width: centre, width
    window_set = Signal()  # the hand that changed the window has let go
    double_clicked = Signal()
    finished = Signal()  # what is being drawn: Enter, or a double click
    stepped = Signal(int, int)  # an arrow key: to the right, down
    columns_wanted = Signal()  # fold the side columns away, or bring them back
    view_changed = Signal(QRectF, bool)  # what is seen, and whether it is less than the whole by hand

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("pane")
        self.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        self.viewport().setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)  # nothing shines through
        self._box = pg.ViewBox(enableMenu=False, invertY=True, lockAspect=True)
        self._box.setMouseEnabled(False, False)
        self.setCentralItem(self._box)
        self._image = pg.ImageItem()
        self._overlay = pg.ImageItem()
        self._overlay.setZValue(5)
        self._box.addItem(self._image)
        self._box.addItem(self._overlay)
        self._marks: list[Drawn] = []
        self._rubber: Drawn | None = None
        self._ring = Ring()
        self._ring.hide()
        self._box.addItem(self._ring, ignoreBounds=True)
        self.texts = Texts(self)
        self._rect = QRectF()
        self._press: Press | None = None
        self._moved: QPointF | None = None  # how far the hand has come since the picture was painted
        self._painted = True  # what the hand did last
        self._zoomed = False
        self._leader: Canvas | None = None
        self._taking_view = False
        self._tool = Tool.BROWSE
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._box.sigRangeChanged.connect(self._range_changed)

    @property
    def tool(self) -> Tool:
        """What the left button does; the pointer is a cross where it marks something."""
        return self._tool

    @tool.setter
    def tool(self, tool: Tool) -> None:
        self._tool = tool
        self._shape_pointer()

    def _shape_pointer(self) -> None:
        if self.tool in (Tool.BROWSE, Tool.MOVE):
            self.viewport().unsetCursor()
        else:
            self.viewport().setCursor(Qt.CursorShape.CrossCursor)

    def show_image(
        self,
        picture: np.ndarray | None,
        rect: tuple[float, float, float, float],
        aspect: float = 1.0,
        whole: tuple[float, float, float, float] | None = None,
    ) -> None:
        """Show uint8 (row, column) or (row, column, RGB) over `rect` (left, top, width, height) in pixels.

        `aspect` is the height of a pixel over its width; `whole` is what fills the pane, by default `rect`.
        The zoom stays while that place stays.
        """
        if picture is None:
            self._image.clear()
            self._rect = QRectF()
            self._tell_zoom()
            return
        self._image.setImage(picture, autoLevels=False)
        self._image.setRect(QRectF(*rect))
        self._box.setAspectLocked(True, ratio=1 / aspect)
        place = QRectF(*(whole or rect))
        if place != self._rect:
            self._rect = place
            self.fit()
            self._tell_zoom()

    def show_overlay(
        self,
        rgba: np.ndarray | None,
        rect: tuple[float, float, float, float] = (0, 0, 1, 1),
        opacity: float = 1.0,
    ) -> None:
        """Lay uint8 (row, column, RGBA) over the picture, or take it away."""
        if rgba is None:
            if self._overlay.image is not None:
                self._overlay.clear()
            return
        self._overlay.setImage(rgba, autoLevels=False)
        self._overlay.setRect(QRectF(*rect))
        self._overlay.setOpacity(opacity)

    def fit(self, rect: tuple[float, float, float, float] | None = None) -> None:
        """Show the whole picture, or a part of it (left, top, width, height)."""
        place = QRectF(*rect) if rect else self._rect
        self._zoomed = rect is not None
        if not place.isEmpty():
            self._box.setRange(place, padding=0.01)

    def follow(self, leader: Canvas | None) -> None:
        """Share zoom and place with another canvas that shows the same plane; None: stand alone."""
        if leader is self._leader:
            return
        if self._leader is not None:
            self._leader.view_changed.disconnect(self._take_view)
            self.view_changed.disconnect(self._leader._take_view)
        self._leader = leader
        if leader is not None:
            self._take_view(leader._box.viewRect(), leader._zoomed)
            leader.view_changed.connect(self._take_view)
            self.view_changed.connect(leader._take_view)

    def resume(self, other: Canvas) -> None:
        """Show the part that another canvas of the same picture shows; one that follows has its leader's."""
        if other._zoomed and self._leader is None:
            self._zoomed = True
            self._box.setRange(other._box.viewRect(), padding=0)

    def _take_view(self, rect: QRectF, zoomed: bool) -> None:
        self._taking_view, self._zoomed = True, zoomed
        self._box.setRange(rect, padding=0)
        self._taking_view = False

    def _range_changed(self) -> None:
        self._tell_zoom()
        if not self._taking_view:
            self.view_changed.emit(self._box.viewRect(), self._zoomed)

    def show_marks(self, marks: list[Mark]) -> None:
        """Draw marks in the place of those that were there; what looks alike moves, what stays is left."""
        free, self._marks = self._marks, []
        for mark in marks:
            alike = next((drawn for drawn in free if drawn.looks_like(mark)), None)
            if alike is None:
                alike = Drawn(mark)
                self._box.addItem(alike.item, ignoreBounds=True)
            else:
                free.remove(alike)
                alike.move(mark)
            self._marks.append(alike)
        for drawn in free:
            self._box.removeItem(drawn.item)

    def show_ring(self, place: tuple[float, float] | None) -> None:
        """Draw the ring of grips around a place, or take it away."""
        if place is not None:
            self._ring.setPos(*place)
        elif self._ring.isVisible():
            self._point_at(Grip.MOVE)
            self._shape_pointer()
        self._ring.setVisible(place is not None)

    def _grip(self, position: QPointF) -> Grip:
        """What the pointer takes hold of."""
        if not self._ring.isVisible():
            return Grip.MOVE
        middle = self.to_widget(self._ring.x(), self._ring.y())
        return grip_at(position - middle, self._ring.radius_px)

    def _point_at(self, grip: Grip) -> None:
        """Say by the pointer's shape what a drag from here does."""
        self.viewport().setCursor(cursor(grip))
        if grip is not self._ring.lit:
            self._ring.light(grip)
            self.pointed.emit(grip)

    def to_widget(self, column: float, row: float) -> QPointF:
        """Where a picture pixel lies in this widget."""
        return QPointF(self.mapFromScene(self._box.mapViewToScene(QPointF(column, row))))

    def _to_picture(self, position: QPointF) -> QPointF:
        return self._box.mapSceneToView(self.mapToScene(position.toPoint()))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a gesture of the tool in hand; another button has to wait until it ends."""
        event.accept()
        held = self._press.button if self._press is not None else event.button()
        if event.button() is not held and event.buttons() & held:
            return
        self.setFocus()
        self._moved, self._painted = None, True
        place = self._to_picture(event.position())
        self._press = Press(event.button(), event.position(), place)
        if event.button() is Qt.MouseButton.LeftButton and self.tool is Tool.MOVE:
            shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self.drag_began.emit(place.x(), place.y(), Grip.SPIN if shift else self._grip(event.position()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Go on with the gesture, or tell what lies under the pointer: of a hand that moves things, where it
        lets go."""
        place, press = self._to_picture(event.position()), self._press
        if press is None:
            self.hovered.emit(place.x(), place.y())
            if self._ring.isVisible():
                self._point_at(self._grip(event.position()))
            return
        left = press.button is Qt.MouseButton.LeftButton
        if left and self.tool is Tool.MOVE:
            self._moved = place - press.start
            if self._painted:
                self._follow_hand()
            return
        self.hovered.emit(place.x(), place.y())
        if left and self.tool is not Tool.BROWSE:
            self._drag_tool(press.start, place)
            return
        moved = event.position() - press.at
        self._press = press._replace(at=event.position())
        if press.button is Qt.MouseButton.RightButton:
            self.windowed.emit(-moved.y() / 300, moved.x() / 300)
        else:
            self._pan(moved)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End the gesture and tell what was drawn."""
        if self._press is None or event.button() is not self._press.button:
            return
        press, self._press = self._press, None
        if press.button is Qt.MouseButton.RightButton:
            self.window_set.emit()
        if press.button is not Qt.MouseButton.LeftButton:
            return
        place, start = self._to_picture(event.position()), press.start
        if self._rubber is not None:
            self._box.removeItem(self._rubber.item)
            self._rubber = None
        if self.tool is Tool.MOVE:
            self._follow_hand()
            self.drag_ended.emit()
            self.hovered.emit(place.x(), place.y())
        elif self.tool in (Tool.BOX, Tool.EXTENT) and _is_box(start, place):
            rect = QRectF(start, place).normalized()
            self.box_drawn.emit(rect.left(), rect.top(), rect.right(), rect.bottom())
        elif self.tool is Tool.LINE:
            self.line_drawn.emit(start.x(), start.y(), place.x(), place.y())
        elif self.tool is not Tool.BROWSE or press.at == event.position():
            self.clicked.emit(place.x(), place.y())

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Ask for the pane to fill the window, or to leave it; end what is being drawn."""
        if event.button() is not Qt.MouseButton.LeftButton:
            return
        if self.tool is Tool.BROWSE:
            self.double_clicked.emit()
        elif self.tool is Tool.POINT:
            self.finished.emit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll; with Ctrl, zoom."""
        delta = event.angleDelta().y() or event.angleDelta().x()
        if not delta:
            return
        steps = 1 if delta > 0 else -1
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self._zoom(ZOOM_STEP**-steps, self._to_picture(event.position()))
        else:
            self.scrolled.emit(-steps, bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier))
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Zoom by keys; end what is being drawn; step by the arrows."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.finished.emit()
        elif (step := STEPS.get(Qt.Key(event.key()))) and event.modifiers() in _PLAIN:
            self.stepped.emit(*step)
        elif event.key() in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self._zoom(1 / ZOOM_STEP, None)
        elif event.key() == Qt.Key.Key_Minus:
            self._zoom(ZOOM_STEP, None)
        elif event.key() == Qt.Key.Key_0:
            self.fit()
        else:
            event.ignore()

    def leaveEvent(self, event: QEvent) -> None:
        """Tell that nothing lies under the pointer."""
        self.left.emit()
        super().leaveEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep texts in the corners and the picture whole."""
        super().resizeEvent(event)
        if hasattr(self, "texts"):
            self.texts.place()
            self._ring.resize(RADIUS_SHARE * min(self.width(), self.height()))
            if not self._zoomed:
                self.fit()

    def focusNextPrevChild(self, following: bool) -> bool:
        """Tab folds the side columns: an image has no field to go to next."""
        self.columns_wanted.emit()
        return True

    def _drag_tool(self, start: QPointF, place: QPointF) -> None:
        if self.tool is Tool.POINT:
            return
        left, right = sorted((start.x(), place.x()))
        top, bottom = sorted((start.y(), place.y()))
        if self.tool is Tool.LINE:
            drawn = Mark("line", (start.x(), start.y(), place.x(), place.y()), style.LESION)
        else:
            drawn = Mark("box", (left, top, right, bottom), style.LESION)
        if self._rubber is None:
            self._rubber = Drawn(drawn)
            self._box.addItem(self._rubber.item, ignoreBounds=True)
        else:
            self._rubber.move(drawn)

    def _follow_hand(self) -> None:
        """Tell how far the hand has come: once a paint, however often the mouse reports."""
        moved, self._moved = self._moved, None
        if moved is not None:
            self._painted = False
            self.viewport().update(0, 0, 1, 1)
            self.dragged.emit(moved.x(), moved.y())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint, then go on to where the hand has got meanwhile."""
        super().paintEvent(event)
        self._painted = True
        if self._moved is not None:
            QTimer.singleShot(0, self._follow_hand)

    def _pan(self, moved: QPointF) -> None:
        self._zoomed = True
        start, end = self._to_picture(QPointF(0, 0)), self._to_picture(moved)
        self._box.translateBy(x=start.x() - end.x(), y=start.y() - end.y())

    def _zoom(self, factor: float, centre: QPointF | None) -> None:
        self._zoomed = True
        self._box.scaleBy((factor, factor), center=centre)

    def _tell_zoom(self) -> None:
        """Tell the scale bar how large a pixel of the picture is seen."""
        across = abs(self.to_widget(100, 0).x() - self.to_widget(0, 0).x()) / 100
        self.texts.set_zoom(None if self._rect.isEmpty() else across)


def _is_box(start: QPointF, end: QPointF) -> bool:
    return min(abs(end.x() - start.x()), abs(end.y() - start.y())) >= MIN_BOX_PX
