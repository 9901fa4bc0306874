"""Heatmaps over the images, where the reader asked for them, and the words that say what they are."""

from __future__ import annotations

import numpy as np

from breastview.fusion.overlay import Rect, heatmap_rgba, rect_in_slice, within
from breastview.fusion.reading import Heatmap
from breastview.imaging.volume import FrameStack
from breastview.language import Language
from breastview.registration.plane import UsPlane
from breastview.ui.names import heatmap_note
from breastview.ui.panes.canvas import Canvas
from breastview.ui.panes.tools import Tools
from breastview.ui.session import Session


class Heatmaps:
    """Lays the chosen lesion's heatmap over one pane's image; where there is none the image stays bare."""

    def __init__(self, canvas: Canvas, session: Session, tools: Tools, language: Language) -> None:
        self._canvas, self._session, self._tools, self._language = canvas, session, tools, language

    def over_us(self, stack: FrameStack) -> None:
        """The map of the very frame that is hung."""
        session, lesion, reading = self._session, self._session.lesion, self._session.reading
        mark = lesion.view_on(session.us_key, session.us_frame) if lesion else None
        if lesion is None or mark is None or reading is None or not self._tools.heatmaps:
            self.clear()
            return
        heatmap = reading.heatmap("us", second_view=mark is lesion.second_us)
        if heatmap is None:
            self.clear()
            return
        rect = (heatmap.left, heatmap.top, heatmap.width, heatmap.height)
        self._show(heatmap, within(heatmap_rgba(heatmap), rect, stack.sector), rect)

    def over_plane(self, plane: UsPlane, stack: FrameStack) -> None:
        """A map of registered MRI lies in the plane of the lesion's first view, and in no other."""
        heatmap = self._mri()
        if heatmap is not None and heatmap.plane is not None:
            self.clear(self._language.text("heatmap on the acquired slices"))
            return
        if heatmap is None or self._session.outline is None:
            self.clear()
            return
        left, top = plane.mm_to_px(np.array([heatmap.left, heatmap.top]))
        width = heatmap.width / plane.spacing_mm[1]
        height = heatmap.height / plane.spacing_mm[0]
        rect = (float(left), float(top), width, height)
        self._show(heatmap, within(heatmap_rgba(heatmap), rect, stack.sector), rect)

    def over_slice(self, picture: np.ndarray) -> None:
        """A map of native MRI lies on the slice through the mark, in every volume of that orientation;
        `picture` (4, 4) leads from the slice's pixels to LPS mm."""
        heatmap = self._mri()
        if heatmap is not None and heatmap.plane is None:
            self.clear(self._language.text("heatmap in the US plane"))
            return
        rect = rect_in_slice(heatmap, picture) if heatmap else None
        if heatmap is None or rect is None:
            self.clear()
            return
        self._show(heatmap, heatmap_rgba(heatmap), rect)

    def clear(self, told: str = "") -> None:
        """Take the map away, and say why if there is something to say."""
        self._canvas.show_overlay(None)
        self._canvas.texts.set_corner("tr", told, "model" if told else "small")

    def _mri(self) -> Heatmap | None:
        reading = self._session.reading if self._tools.heatmaps else None
        return reading.heatmap("mri") if reading else None

    def _show(self, heatmap: Heatmap, rgba: np.ndarray, rect: Rect) -> None:
        self._canvas.show_overlay(rgba, rect, self._tools.heatmap_opacity)
        self._canvas.texts.set_corner("tr", heatmap_note(heatmap, self._language), "model")
