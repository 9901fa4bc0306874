"""The MRI pane: draws acquired slices, MRI in the US plane, or both fused; registration by hand."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QObject

from breastview.fusion.overlay import blend, fitted
from breastview.imaging.display import to_uint8
from breastview.imaging.dynamic import SUBTRACTION, subtraction_name
from breastview.imaging.geometry import (
    edge_letters,
    lps_text,
    slice_plane,
)
from breastview.imaging.volume import FrameStack, Volume
from breastview.language import Language
from breastview.registration.parameters import Point3, RegistrationParameters
from breastview.registration.plane import UsPlane, sector_grid
from breastview.registration.resample import resample_plane
from breastview.registration.transform import map_points, rotation, us_to_mri
from breastview.review.state import Part
from breastview.ui.expecting import Expecting
from breastview.ui.names import grip_text, loading_text, role_name
from breastview.ui.panes.canvas import Canvas, Tool
from breastview.ui.panes.drafting import Drafting
from breastview.ui.panes.grips import Grip
from breastview.ui.panes.hand import Hand
from breastview.ui.panes.heatmaps import Heatmaps
from breastview.ui.panes.mri_clicks import MriClicks
from breastview.ui.panes.mri_marks import MriMarks
from breastview.ui.panes.mri_shown import ACQUIRED, FUSED, PLANE, MriShown
from breastview.ui.panes.tools import Tools
from breastview.ui.panes.view import PaneView
from breastview.ui.panes.windows import Windows
from breastview.ui.session import Session

VIEW_STEP_MM, MOVING_STEP_MM = 0.2, 0.4
COARSE_MM, FINE_MM = 1.0, 0.1
OPACITY = 0.5  # of the MRI over ultrasound
UNSEEN = frozenset({Part.FINDING, Part.FIRST_READ})  # parts that no image shows


class MriPresenter(QObject):
    """Shows the session's MRI volume; follows the hand through its slices and in the US plane."""

    def __init__(
        self,
        view: PaneView,
        us_canvas: Canvas,
        session: Session,
        tools: Tools,
        expecting: Expecting,
        drafting: Drafting,
        language: Language,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._view, self._session, self._tools, self._language = view, session, tools, language
        self._us_canvas, self._expecting = us_canvas, expecting
        self._shown = MriShown(session)
        MriClicks(view.canvas, session, self._shown, tools, drafting, self)
        self._heatmaps = Heatmaps(view.canvas, session, tools, language)
        self._marks = MriMarks(session, tools, expecting, drafting)
        self._windows = Windows(session, narrowest=1.0)
        self._opacity = OPACITY
        self._under: tuple[FrameStack, int, np.ndarray] | None = None
        self._hand = Hand(session, expecting)
        self._grip = Grip.MOVE
        canvas = view.canvas
        canvas.scrolled.connect(self._scroll)
        canvas.windowed.connect(self._change_window)
        canvas.window_set.connect(self._windows.keep)
        tools.mri_wanted.connect(self._go_to)
        drafting.changed.connect(self.draw)
        expecting.pivot_changed.connect(self.draw)
        canvas.drag_began.connect(self._hand.begin)
        canvas.dragged.connect(self._hand.drag)
        canvas.drag_ended.connect(self._hand.end)
        canvas.drag_ended.connect(self._tell_hand)
        canvas.pointed.connect(self._tell_grip)
        view.mode_chosen.connect(self._choose_mode)
        view.opacity_changed.connect(self._set_opacity)
        tools.changed.connect(self._choose_tool)
        tools.heatmaps_changed.connect(self.draw)
        session.loaded.connect(self._loaded)
        session.missed.connect(self._loaded)
        session.opened.connect(self._opened)
        session.changed.connect(self._changed)
        session.moved.connect(self.draw)
        self.draw()

    @property
    def mode(self) -> str:
        """What is shown: "acquired", "plane" or "fused"."""
        return self._shown.mode

    def set_mode(self, mode: str) -> None:
        """Show acquired slices, MRI in the US plane, or the fused view."""
        self._shown.mode = mode
        self.draw()

    def resume(self, other: MriPresenter) -> None:
        """Show what another one shows."""
        self._shown.resume(other._shown)
        self._opacity = other._opacity
        self.draw()

    def _choose_mode(self, mode: str) -> None:
        """The hand lets go where the US plane is not seen: a drag would mean nothing there."""
        if mode == ACQUIRED and self._tools.name == "mri_move":
            self._tools.browse()
        self.set_mode(mode)

    def _loaded(self, key: str) -> None:
        if key in (self._session.mri_key, self._session.us_key):
            self.draw()

    def _opened(self) -> None:
        self._shown.begin()
        self._opacity = OPACITY
        self._windows.forget()
        self.draw()

    def draw(self) -> None:
        """Draw everything anew."""
        volume, shown = self._session.volume, self._shown.plane
        registered = self._shown.registered is not None
        mode = self._shown.mode if registered else ACQUIRED
        self._view.set_mode(mode, {ACQUIRED: True, PLANE: registered, FUSED: registered})
        self._view.set_opacity(
            self._opacity if mode == FUSED else None, self._language.text("MRI over ultrasound")
        )
        self._view.title.setText(self._title(volume, mode))
        if volume is None:
            self._draw_empty()
        elif shown is None:
            self._draw_acquired(volume)
        else:
            self._draw_in_plane(volume, *shown)

    def _title(self, volume: Volume | None, mode: str) -> str:
        text = self._language.text
        if self._session.case is None or self._session.mri_key is None:
            return text("MRI")
        name = self._volume_name(self._session.mri_key)
        if other := self._session.other_exam:
            return f"{name} · {other.exam_date or text('date unknown')}"
        if mode == ACQUIRED or volume is None:
            return name
        return f"{name} · {text('in the US plane') if mode == PLANE else text('over ultrasound')}"

    def _volume_name(self, key: str) -> str:
        """What a volume is called on screen."""
        case = self._session.case
        if case is None:
            return ""
        if key == SUBTRACTION:
            return subtraction_name(case.volumes)
        return role_name(case.volume(key).role, self._language)

    def _draw_empty(self) -> None:
        canvas, text = self._view.canvas, self._language.text
        canvas.show_image(None, (0, 0, 1, 1))
        canvas.show_marks([])
        canvas.show_ring(None)
        self._heatmaps.clear()
        canvas.texts.set_edges(("", "", "", ""))
        for corner in ("bl", "br"):
            canvas.texts.set_corner(corner, "")
        told = ""
        if self._session.mri_key is not None:
            told = loading_text(self._session.mri_key in self._session.images.unread, self._language)
        elif self._session.case is not None:
            told = text("No MRI in this folder. Read ultrasound only.")
        canvas.texts.set_corner("tl", told, "muted")

    def _window(self, volume: Volume) -> tuple[float, float]:
        return self._windows.of(volume.key, volume.window)

    def _draw_acquired(self, volume: Volume) -> None:
        canvas = self._view.canvas
        canvas.follow(None)
        canvas.show_ring(None)
        number = self._shown.slice_number(volume)
        rows, columns = volume.array.shape[1:]
        step = np.linalg.norm(volume.index_to_lps[:3, :3], axis=0)
        canvas.show_image(
            to_uint8(volume.array[number], self._window(volume)), (0, 0, columns, rows), step[1] / step[2]
        )
        canvas.texts.set_mm_per_px(float(step[2]))
        canvas.texts.set_edges(edge_letters(volume.index_to_lps[:3, 2], volume.index_to_lps[:3, 1]))
        self._corners(volume, f"{self._language.text('slice')} {number + 1}/{len(volume.array)}")
        if foreign := self._shown.foreign:
            canvas.show_marks([])
            self._heatmaps.clear()
            canvas.texts.set_corner("tl", self._language.say(foreign[0]), "caution")
            return
        canvas.show_marks(self._marks.in_slice(volume, number))
        self._heatmaps.over_slice(slice_plane(volume.index_to_lps, number))

    def _go_to(self, point_mm: Point3) -> None:
        """Let a place be seen, and take the keys where a tool waits for them."""
        volume = self._session.volume
        if volume is not None:
            self._shown.go_to(volume, point_mm)
            self.draw()
        if self._tools.name.startswith("mri"):
            self._view.canvas.setFocus()

    def _draw_in_plane(self, volume: Volume, parameters: RegistrationParameters, plane: UsPlane) -> None:
        canvas, stack = self._view.canvas, self._session.stack
        if stack is None:
            return
        grid = sector_grid(stack, plane, MOVING_STEP_MM if self._session.moving else VIEW_STEP_MM)
        sampled = resample_plane(
            volume.array, volume.index_to_lps, us_to_mri(parameters), grid, warp=parameters.warp
        )
        picture = to_uint8(sampled, self._window(volume))
        aspect = plane.spacing_mm[0] / plane.spacing_mm[1]
        if self._shown.mode == FUSED:
            picture = blend(self._sector(stack, picture.shape), picture, self._opacity)
        rows, columns = stack.frames.shape[1:3]
        sector = stack.sector
        rect = (sector.left, sector.top, sector.right - sector.left, sector.bottom - sector.top)
        canvas.show_image(picture, rect, aspect, (0, 0, columns, rows))
        canvas.follow(self._us_canvas)
        canvas.texts.set_mm_per_px(plane.spacing_mm[1])
        axes = rotation(parameters)
        canvas.texts.set_edges(edge_letters(axes[:, 0], axes[:, 1]))
        self._corners(volume, lps_text(map_points(parameters, np.zeros(3))), self._hand_text())
        canvas.show_marks(self._marks.in_plane(parameters, plane))
        self._heatmaps.over_plane(plane, stack)
        canvas.show_ring(self._expecting.pivot_px if self._tools.name == "mri_move" else None)

    def _sector(self, stack: FrameStack, shape: tuple[int, ...]) -> np.ndarray:
        """The hung frame's sector in that many rows and columns, kept from one step of a drag to the next."""
        frame, sector = self._session.us_frame, stack.sector
        kept = self._under
        if kept is None or kept[0] is not stack or kept[1] != frame or kept[2].shape != shape:
            grey = stack.grey(frame)[sector.top : sector.bottom, sector.left : sector.right]
            kept = self._under = (stack, frame, fitted(grey, shape))
        return kept[2]

    def _tell_grip(self, grip: Grip) -> None:
        self._grip = grip
        self._tell_hand()

    def _tell_hand(self) -> None:
        if words := self._hand_text():
            self._view.canvas.texts.set_corner("tl", words, "registration")

    def _hand_text(self) -> str:
        """What a drag from here does, and how far the one in hand has come; nothing where no hand is."""
        session = self._session
        is_own = session.registered is not None and session.registered[0] is session.registration
        if self._tools.name != "mri_move" or not is_own:  # a glance writes its name there
            return ""
        return " ".join(filter(None, (grip_text(self._grip, self._language), self._hand.amount)))

    def _corners(self, volume: Volume, place: str, hand: str = "") -> None:
        canvas = self._view.canvas
        centre, width = self._window(volume)
        canvas.texts.set_corner("tl", hand, "registration")
        canvas.texts.set_corner("bl", place)
        canvas.texts.set_corner("br", f"W {width:.0f} L {centre:.0f}")

    def _choose_tool(self) -> None:
        wanted = {
            "mri_point": Tool.EXTENT,
            "mri_pair": Tool.POINT,
            "mri_contour": Tool.POINT,
            "mri_move": Tool.MOVE,
        }
        self._view.canvas.tool = wanted.get(self._tools.name, Tool.BROWSE)
        if self._tools.name != "mri_move":
            self._hand.abort()
        if self._tools.name == "mri_move" and self._shown.mode == ACQUIRED:
            self.set_mode(FUSED)
        elif self._shown.mode != ACQUIRED:
            self.draw()

    def _scroll(self, steps: int, fine: bool) -> None:
        volume = self._session.volume
        if volume is None:
            return
        if self._shown.plane is None:
            self._shown.scroll(volume, steps)
            self.draw()
            return
        if self._tools.name == "mri_move":
            self._hand.step(steps * (FINE_MM if fine else COARSE_MM))
        else:  # the plane is the registration's, which no wheel may change unasked
            told = self._language.text("Through the plane: R, wheel")
            self._view.canvas.texts.set_corner("tl", told, "registration")

    def _change_window(self, centre: float, width: float) -> None:
        volume = self._session.volume
        if volume is not None:
            self._windows.change(volume.key, volume.window, centre, width)
            self.draw()

    def _set_opacity(self, value: float) -> None:
        self._opacity = value
        self.draw()

    def _changed(self, parts: frozenset[Part]) -> None:
        if not parts - UNSEEN:
            return
        lesion, volume = self._session.lesion, self._session.volume
        if Part.MARKS in parts and lesion and lesion.mri and volume is not None and self._shown.plane is None:
            self._shown.go_to(volume, lesion.mri.point_mm)
        self.draw()
