"""What clicks, boxes and arrow keys in the MRI do, and what the pointer tells there."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QObject

from breastview.imaging.geometry import beside, lps_text, slice_through
from breastview.messages import message
from breastview.records.values import MriMark
from breastview.registration.parameters import Point3
from breastview.review.actions import MarkMri
from breastview.ui.panes.canvas import Canvas
from breastview.ui.panes.drafting import Drafting
from breastview.ui.panes.mri_shown import MriShown
from breastview.ui.panes.tools import Tools
from breastview.ui.session import Session

PARTNER_MM = 0.5  # an arrow key moves an expected partner by this much


class MriClicks(QObject):
    """Marks the chosen lesion in the hung volume, and gives its places to whoever asked for some."""

    def __init__(
        self,
        canvas: Canvas,
        session: Session,
        shown: MriShown,
        tools: Tools,
        drafting: Drafting,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._session, self._shown, self._tools, self._drafting = session, shown, tools, drafting
        canvas.clicked.connect(self._click)
        canvas.box_drawn.connect(self._mark_extent)
        canvas.finished.connect(tools.mri_finished)
        canvas.stepped.connect(self._step_partner)
        canvas.hovered.connect(self._hover)

    def _click(self, x: float, y: float) -> None:
        place = self._shown.place(x, y)
        if place is None or not self._takes(place):
            return
        if self._tools.name == "mri_point":
            self._mark(place, None)
        else:
            self._tools.mri_clicked.emit(place)

    def _takes(self, place: Point3) -> bool:
        """Whether a place in the hung volume can be kept; why not is told."""
        volume, foreign = self._session.volume, self._shown.foreign
        if volume is None:
            return False
        if foreign is not None:
            self._session.tell(foreign[1])
        elif not volume.has_depth:
            self._session.tell(message("scan.no_depth"))
        elif not volume.holds(place):
            self._session.tell(message("mark.beside"))
        else:
            return True
        return False

    def _step_partner(self, right: int, down: int) -> None:
        """Move the expected partner along the picture."""
        partner, picture = self._drafting.partner, self._shown.picture()
        if partner is not None and picture is not None:
            x, y, z = beside(picture, partner.point_mm, (right * PARTNER_MM, down * PARTNER_MM, 0.0))
            self._drafting.move_partner((float(x), float(y), float(z)))

    def _mark_extent(self, left: float, top: float, right: float, bottom: float) -> None:
        """A box in the image gives the lesion's centre and its extent along the axes that the image shows."""
        middle = self._shown.place((left + right) / 2, (top + bottom) / 2)
        ends = [self._shown.place(x, y) for x, y in ((left, top), (right, top), (left, bottom))]
        if middle is None or None in ends or not self._takes(middle):
            return
        corner, along, down = (np.array(end) for end in ends)
        x, y, z = np.abs(along - corner) + np.abs(down - corner)
        self._mark(middle, (round(float(x), 1), round(float(y), 1), round(float(z), 1)))

    def _mark(self, place: Point3, extent: Point3 | None) -> None:
        lesion, key = self._session.lesion, self._session.mri_key
        if lesion is not None and key is not None:
            self._session.dispatch(MarkMri(lesion.lesion_id, MriMark(key, place, extent)))
            self._tools.browse()

    def _hover(self, x: float, y: float) -> None:
        place, volume = self._shown.place(x, y), self._session.volume
        if place is None or volume is None:
            return
        index = np.round(slice_through(volume.index_to_lps, place)).astype(int)
        value = f" · {volume.array[tuple(index)]:.0f}" if volume.holds(place) else ""
        self._tools.position.emit(f"MRI {lps_text(np.array(place))}{value}")
