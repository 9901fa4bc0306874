"""What is drawn over the ultrasound image: lesions, correspondences, regions, and what is being drawn."""

from __future__ import annotations

import numpy as np

from breastview.language import Language
from breastview.records.values import Lesion, UsMark
from breastview.registration.parameters import RegistrationParameters
from breastview.registration.plane import UsPlane
from breastview.registration.region import region_in_us
from breastview.registration.transform import to_us_plane
from breastview.ui import style
from breastview.ui.expecting import Expecting
from breastview.ui.panes.drafting import Drafting
from breastview.ui.panes.marks import Mark, Stroke, dots, off_plane, outline
from breastview.ui.panes.pivot import pivot_marks
from breastview.ui.panes.tools import Tools
from breastview.ui.session import Session

HERE_MM = 0.5  # a line of another plane of the volume is further off, and not drawn


class UsMarks:
    """The marks of the hung frame, in pixels of its picture."""

    def __init__(
        self, session: Session, tools: Tools, expecting: Expecting, drafting: Drafting, language: Language
    ) -> None:
        self._session, self._tools, self._language = session, tools, language
        self._expecting, self._drafting = expecting, drafting

    def all(self) -> list[Mark]:
        """Everything to draw now."""
        plane, parameters = self._session.plane, self._session.registration
        marks = self._lesions()
        if plane is not None:
            marks += self._draft(plane)
            if parameters is not None:
                marks += pivot_marks(self._tools, self._expecting)
                marks += self._correspondences(plane, parameters) + self._mri_lesion(plane, parameters)
        return marks

    def _lesions(self) -> list[Mark]:
        session, marks = self._session, []
        for lesion in session.state.record.lesions:
            mark = lesion.view_on(session.us_key, session.us_frame)
            if mark is not None:
                chosen = lesion.lesion_id == session.state.lesion_id
                stroke = Stroke.SOLID if chosen else Stroke.DASHED
                place = (mark.left, mark.top, mark.right, mark.bottom)
                marks.append(Mark("box", place, style.LESION, self._name(lesion, mark), stroke=stroke))
        return marks

    def _name(self, lesion: Lesion, mark: UsMark) -> str:
        if mark is lesion.us:
            return lesion.lesion_id
        return f"{lesion.lesion_id} · {self._language.text('2nd view')}"

    def _correspondences(self, plane: UsPlane, parameters: RegistrationParameters) -> list[Mark]:
        marks = []
        for number, pair in enumerate(parameters.landmarks, 1):
            x, y = plane.mm_to_px(np.array(pair.us_mm))
            name = off_plane(str(number), pair.elevation_mm)
            marks.append(Mark("point", (float(x), float(y)), style.REGISTRATION, name))
        for contour in parameters.contours:
            if abs(contour.elevation_mm) > HERE_MM:
                continue
            line = plane.mm_to_px(np.array(contour.us_mm))
            marks.append(Mark("line", tuple(line.ravel().tolist()), style.REGISTRATION))
        return marks

    def _mri_lesion(self, plane: UsPlane, parameters: RegistrationParameters) -> list[Mark]:
        """Where the registration puts the lesion that is marked in the MRI, and where it may be."""
        lesion = self._session.lesion
        if lesion is None or lesion.mri is None:
            return []
        place = to_us_plane(parameters, np.array(lesion.mri.point_mm))
        x, y = plane.mm_to_px(place[:2])
        marks = [Mark("point", (float(x), float(y)), style.LESION, off_plane("MRI", place[2]))]
        region = self._expecting.mri_region
        if region is not None:
            seen = region_in_us(parameters, region)
            marks += outline(seen.section(plane.matrix()), style.REGISTRATION)
        return marks

    def _draft(self, plane: UsPlane) -> list[Mark]:
        drawn = self._drafting.us_mm
        if not drawn:
            return []
        places = plane.mm_to_px(np.array(drawn))
        if self._drafting.kind is None:
            number = str(self._drafting.number)
            return [Mark("point", tuple(places[0].tolist()), style.REGISTRATION, number)]
        return [*outline(places, style.REGISTRATION, Stroke.DOTTED), *dots(places, style.REGISTRATION)]
