"""The US pane: which frame is shown, its marks and its heatmap."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QObject

from breastview.imaging.display import to_uint8
from breastview.imaging.volume import FrameStack
from breastview.language import Language
from breastview.messages import Message, message
from breastview.records.values import UsMark
from breastview.review.actions import MarkUs
from breastview.review.state import Part
from breastview.ui.expecting import Expecting
from breastview.ui.names import clock_text, loading_text
from breastview.ui.panes.canvas import MIN_BOX_PX, Tool
from breastview.ui.panes.drafting import Drafting
from breastview.ui.panes.heatmaps import Heatmaps
from breastview.ui.panes.tools import Tools
from breastview.ui.panes.us_marks import UsMarks
from breastview.ui.panes.view import PaneView
from breastview.ui.panes.windows import Windows
from breastview.ui.session import Session

FULL_WINDOW = (127.5, 255.0)


class UsPresenter(QObject):
    """Shows the session's US frame and turns gestures into actions."""

    def __init__(
        self,
        view: PaneView,
        session: Session,
        tools: Tools,
        expecting: Expecting,
        marks: UsMarks,
        drafting: Drafting,
        language: Language,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._view, self._session, self._tools, self._language = view, session, tools, language
        self._marks = marks
        self._heatmaps = Heatmaps(view.canvas, session, tools, language)
        self._windows = Windows(session, narrowest=2.0)
        canvas = view.canvas
        canvas.scrolled.connect(self._scroll)
        canvas.windowed.connect(self._change_window)
        canvas.window_set.connect(self._windows.keep)
        canvas.box_drawn.connect(self._mark)
        canvas.clicked.connect(tools.us_clicked)
        canvas.line_drawn.connect(tools.us_line)
        canvas.finished.connect(tools.us_finished)
        canvas.hovered.connect(self._hover)
        drafting.changed.connect(self.draw_marks)
        expecting.pivot_changed.connect(self.draw_marks)
        tools.changed.connect(self._choose_tool)
        tools.heatmaps_changed.connect(self.draw_marks)
        session.scanning.connect(self.draw)
        session.previewed.connect(self.draw)
        session.loaded.connect(self._loaded)
        session.missed.connect(self._loaded)
        session.opened.connect(self._opened)
        session.changed.connect(self._changed)
        session.moved.connect(self.draw_marks)
        self.draw()

    def draw(self) -> None:
        """Show the hung frame."""
        canvas, stack = self._view.canvas, self._session.stack or self._session.preview
        self._view.title.setText(self._title())
        if stack is None:
            canvas.show_image(None, (0, 0, 1, 1))
            canvas.show_marks([])
            self._heatmaps.clear()
            for corner in ("bl", "br"):
                canvas.texts.set_corner(corner, "")
            canvas.texts.set_corner("tl", self._empty_text(), "muted")
            return
        self._show(stack, self._session.us_frame)
        self.draw_marks()

    def _show(self, stack: FrameStack, frame: int) -> None:
        pixels = stack.frames[frame]
        window = self._window(stack)
        shown = pixels if window == FULL_WINDOW else to_uint8(pixels, window)
        plane = self._session.plane if self._session.review else None
        canvas = self._view.canvas
        rows, columns = pixels.shape[:2]
        aspect = plane.spacing_mm[0] / plane.spacing_mm[1] if plane else 1.0
        canvas.show_image(shown, (0, 0, columns, rows), aspect)
        canvas.texts.set_mm_per_px(plane.spacing_mm[1] if plane else None)
        self._draw_corners(stack)

    def _draw_corners(self, stack: FrameStack) -> None:
        canvas, text = self._view.canvas, self._language.text
        plane = self._session.plane if self._session.review else None
        count = len(stack.frames)
        words = [f"{self._session.us_frame + 1}/{count}"] if count > 1 else []
        words += [text("not the latest ultrasound")] if self._session.earlier_us else []
        canvas.texts.set_corner("tl", " · ".join(words), "caution" if self._session.earlier_us else "small")
        if plane is None:
            canvas.texts.set_corner("bl", "⚠ " + text("no scale: nothing is in mm"), "caution")
        else:
            canvas.texts.set_corner(
                "bl", f"{plane.spacing_mm[1]:.3f} mm · {self._language.say(self._source(stack))}"
            )
        centre, width = self._window(stack)
        canvas.texts.set_corner("br", f"W {width:.0f} L {centre:.0f}")

    def _source(self, stack: FrameStack) -> Message:
        """Where the millimetres come from."""
        if stack.scale is None or self._session.state.record.calibrated_mm(stack.key) is not None:
            return message("scale.user")
        return stack.scale.reason

    def _title(self) -> str:
        text = self._language.text
        case = self._session.case
        if case is None or self._session.us_key is None:
            return text("Ultrasound")
        keys = [item.key for item in case.frames]
        lesion = self._session.lesion
        side = f"{lesion.side} " if lesion and lesion.side else ""
        clock = f"{clock_text(lesion.clock_h, self._language)} · " if lesion and lesion.clock_h else ""
        place = keys.index(self._session.us_key) + 1 if self._session.us_key in keys else 1
        earlier = self._session.earlier_us
        day = f" · {earlier.exam_date}" if earlier else ""
        return f"{side}{clock}{text('Ultrasound')} {place}/{len(keys)}{day}"

    def _empty_text(self) -> str:
        text = self._language.text
        if self._session.case is None:
            return ""
        if self._session.us_key is None:
            return text("No ultrasound in this folder. Read MRI only.")
        return loading_text(self._session.us_key in self._session.images.unread, self._language)

    def draw_marks(self) -> None:
        """Draw the marks and, when asked for, the heatmap."""
        session = self._session
        if session.review is None or session.stack is None:
            return
        self._view.canvas.show_marks(self._marks.all())
        self._heatmaps.over_us(session.stack)

    def _choose_tool(self) -> None:
        wanted = {
            "us_box": Tool.BOX,
            "us_point": Tool.POINT,
            "us_contour": Tool.POINT,
            "us_line": Tool.LINE,
        }
        self._view.canvas.tool = wanted.get(self._tools.name, Tool.BROWSE)
        self.draw_marks()

    def _mark(self, left: float, top: float, right: float, bottom: float) -> None:
        session, stack = self._session, self._session.stack
        if session.lesion is None or session.us_key is None or stack is None:
            return
        rows, columns = stack.frames.shape[1:3]
        left, right = np.clip((left, right), 0, columns).tolist()
        top, bottom = np.clip((top, bottom), 0, rows).tolist()
        if min(right - left, bottom - top) < MIN_BOX_PX:
            session.tell(message("mark.beside"))
            return
        mark = UsMark(session.us_key, session.us_frame, left, top, right, bottom)
        session.dispatch(MarkUs(session.lesion.lesion_id, mark))
        self._tools.browse()

    def _scroll(self, steps: int, fine: bool) -> None:
        session, stack = self._session, self._session.stack
        if session.case is None:
            return
        if stack is not None and len(stack.frames) > 1:
            frame = min(max(session.us_frame + steps, 0), len(stack.frames) - 1)
            session.show_us(stack.key, frame)
            return
        keys = [item.key for item in session.case.frames]
        if session.us_key in keys and len(keys) > 1:
            session.show_us(keys[(keys.index(session.us_key) + steps) % len(keys)])

    def _window(self, stack: FrameStack) -> tuple[float, float]:
        return self._windows.of(stack.key, FULL_WINDOW)

    def _change_window(self, centre: float, width: float) -> None:
        stack = self._session.stack
        if stack is not None:
            self._windows.change(stack.key, FULL_WINDOW, centre, width)
            self.draw()

    def _hover(self, x: float, y: float) -> None:
        stack = self._session.stack
        if stack is None:
            return
        rows, columns = stack.frames.shape[1:3]
        if not (0 <= x < columns and 0 <= y < rows):
            self._tools.position.emit("")
            return
        value = int(stack.grey(self._session.us_frame)[int(y), int(x)])
        plane = self._session.plane if self._session.review else None
        if plane is None:
            self._tools.position.emit(f"US {x:.0f}, {y:.0f} px · {value}")
            return
        mm = plane.px_to_mm(np.array([x, y]))
        self._tools.position.emit(f"US x {mm[0]:+.1f}  y {mm[1]:.1f} mm · {value}")

    def _loaded(self, key: str) -> None:
        if key == self._session.us_key:
            self.draw()

    def _opened(self) -> None:
        self._windows.forget()
        self.draw()

    def _changed(self, parts: frozenset[Part]) -> None:
        if parts & {Part.SELECTION, Part.SCALE, Part.WINDOW}:
            self.draw()
        else:
            self._view.title.setText(self._title())
            self.draw_marks()
