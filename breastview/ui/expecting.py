"""Where the lesion is expected, and what the registration is worth: derived, and kept while it is true.

The steps and the panes ask the same one, so that no two places of the window say different things.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, Signal

from breastview.messages import Message, message
from breastview.records.expected import lesion_region, start_of, told_place
from breastview.records.values import Lesion
from breastview.registration.agreement import Agreement, agreement
from breastview.registration.estimate import Start
from breastview.registration.grade import Grade, grade_of, lacking
from breastview.registration.parameters import Method, Point2, Point3
from breastview.registration.region import Region, region_around, region_of, unsure_start
from breastview.registration.transform import Pivot, pivot_us_mm
from breastview.ui.session import Session


class Expecting(QObject):
    """Answers for the chosen lesion on the hung US frame. While a drag is in hand, correspondences do not
    change, and the answers that cost time stay as they were."""

    pivot_changed = Signal()

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._kept: dict[str, tuple[tuple[object, ...], Any]] = {}
        self.pivot = Pivot.LESION

    def turn_about(self, pivot: Pivot) -> None:
        """Choose what a turn leaves in place."""
        self.pivot = pivot
        self.pivot_changed.emit()

    @property
    def pivot_mm(self) -> Point3:
        """The place (x, y, z) of the US plane that a turn leaves where it is."""
        present = self._session.registration
        return (0.0, 0.0, 0.0) if present is None else pivot_us_mm(self.pivot, present, self.us_mm)

    @property
    def pivot_px(self) -> Point2 | None:
        """The same on the hung US picture; None while that has no scale."""
        plane = self._session.plane
        if plane is None:
            return None
        column, row = plane.mm_to_px(np.array(self.pivot_mm[:2]))
        return float(column), float(row)

    @property
    def us_mm(self) -> Point2 | None:
        """The middle of the lesion's mark on the hung frame, (x, y) mm."""
        outline = self._session.outline
        return outline.middle_mm if outline is not None else None

    @property
    def start(self) -> Start | None:
        """Where the report's words put the lesion, with the probe held as the registration shows."""
        session, lesion, us_mm = self._session, self._session.lesion, self.us_mm
        present = session.registration
        if lesion is None or us_mm is None or present is None:
            return None
        return self._known("start", lambda: start_of(lesion, us_mm, session.body, present))

    @property
    def region(self) -> Region | None:
        """Where the lesion lies in the MRI, nine times in ten; from the report's words alone while there is
        no registration. None where nothing tells."""
        session, lesion = self._session, self._session.lesion
        if lesion is None:
            return None
        if session.registration is None:
            return told_place(lesion, session.body)
        plane = session.plane if self._marked_here() is not None else None
        if plane is None:
            return None
        record = session.state.record
        return self._known("region", lambda: lesion_region(record, lesion, plane, session.body))

    @property
    def mri_region(self) -> Region | None:
        """How sure the place is where the lesion is marked in the MRI; None where nothing tells."""
        lesion, present, start = self._session.lesion, self._session.registration, self.start
        if lesion is None or lesion.mri is None or present is None or present.method is Method.TRUTH:
            return None
        if start is None and not present.correspondences:
            return None
        point_mm = lesion.mri.point_mm
        return self._known("mri", lambda: region_around(present, point_mm, start, self._session.outline))

    @property
    def grade(self) -> Grade | None:
        """What the registration of the hung frame is worth; None where there is none."""
        present = self._session.registration
        if present is None:
            return None
        return grade_of(present, self.region, self._mark_mm, self._session.outline)

    @property
    def lacking(self) -> Message | None:
        """Why the registration of the hung frame cannot be confirmed; None where it can."""
        present = self._session.registration
        if present is None:
            return message("review.no_registration")
        if self._session.shows_second_view:
            return message("registration.of_first_view")
        return lacking(present, self.region, self._mark_mm, self._session.outline)

    @property
    def _mark_mm(self) -> Point3 | None:
        """Where the lesion of the hung frame is marked in the MRI."""
        lesion = self._marked_here()
        return lesion.mri.point_mm if lesion and lesion.mri else None

    @property
    def agreement(self) -> Agreement | None:
        """How the correspondences judge one another."""
        present = self._session.registration
        if present is None:
            return None
        middle = self.us_mm or present.middle_mm
        start = self.start or (unsure_start(present, middle) if middle is not None else None)
        if start is None:
            return None
        outline = self._session.outline
        return self._known("agreement", lambda: agreement(present.placed, present.contours, start, outline))

    def partner(self, us_mm: Point2) -> Region | None:
        """Where a place of the US plane is expected in the MRI."""
        present = self._session.registration
        return None if present is None else region_of(present, us_mm, self.start, self._session.outline)

    def _marked_here(self) -> Lesion | None:
        session, lesion = self._session, self._session.lesion
        if lesion is None or lesion.us is None:
            return None
        here = (lesion.us.frames_key, lesion.us.frame) == (session.us_key, session.us_frame)
        return lesion if here else None

    def _known(self, name: str, make: Callable[[], Any]) -> Any:
        session = self._session
        now = (session.us_key, session.us_frame, session.lesion, session.plane, session.body)
        key = (*now, session.registration)
        in_hand = session.review is not None and session.review.in_hand
        if name in self._kept:
            before, answer = self._kept[name]
            if before == key or (in_hand and before[:-1] == now):
                return answer
        answer = make()
        self._kept[name] = (key, answer)
        return answer
