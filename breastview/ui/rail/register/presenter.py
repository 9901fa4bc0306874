"""Keeps step 2 in step with the session: start, tools, calibration, and what the registration is worth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PySide6.QtCore import QObject

from breastview.errors import BreastViewError
from breastview.language import Language
from breastview.messages import message
from breastview.records.concordance import SAME_LESION_MM, mark_distance_mm
from breastview.registration.parameters import ContourKind, RegistrationParameters
from breastview.registration.region import is_open_through_plane, region_in_us
from breastview.registration.start import (
    orientation_of,
    start_from_clock_face,
    start_from_mri_mark,
)
from breastview.registration.transform import Pivot
from breastview.review.actions import Calibrate
from breastview.review.registering import ConfirmRegistration, SetRegistration
from breastview.review.state import Part
from breastview.ui.expecting import Expecting
from breastview.ui.names import grade_text
from breastview.ui.panes.drafting import Drafting
from breastview.ui.panes.tools import Tools
from breastview.ui.rail.parts import offer
from breastview.ui.rail.register.correspondences import CorrespondencesPresenter
from breastview.ui.rail.register.panel import KNOWN_LENGTH_MM, RegisterPanel
from breastview.ui.rail.register.pose import PosePresenter
from breastview.ui.rail.view import RailView
from breastview.ui.session import Session

SHOWN = {Part.REGISTRATION, Part.MARKS, Part.SELECTION, Part.SCALE, Part.LESIONS}


class RegisterPresenter(QObject):
    """Joins the parts of step 2."""

    def __init__(
        self,
        panel: RegisterPanel,
        rail: RailView,
        session: Session,
        tools: Tools,
        expecting: Expecting,
        drafting: Drafting,
        language: Language,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._panel, self._rail, self._session = panel, rail, session
        self._tools, self._language = tools, language
        self._expecting, self.drafting = expecting, drafting
        self.pose = PosePresenter(panel, session, expecting, self)
        self._correspondences = CorrespondencesPresenter(panel, session, expecting, drafting, language, self)
        self._hung: tuple[str | None, int] = (None, 0)
        panel.from_mark.clicked.connect(self.start_from_marks)
        panel.from_clock.clicked.connect(self.start_from_clock)
        panel.drag.clicked.connect(self.drag)
        panel.pair.clicked.connect(lambda: drafting.begin(None))
        panel.line.clicked.connect(lambda: drafting.begin(ContourKind.LINE))
        panel.surface.clicked.connect(lambda: drafting.begin(ContourKind.SURFACE))
        panel.skin.clicked.connect(drafting.add_skin)
        panel.confirm.clicked.connect(self._confirm)
        panel.calibrate.clicked.connect(lambda: tools.choose("us_line"))
        tools.changed.connect(self._show_tool)
        drafting.changed.connect(self._show_tool)
        tools.us_line.connect(self._calibrate)
        session.opened.connect(self._begin)
        session.loaded.connect(self._show_what_is_known)
        session.changed.connect(self._changed)
        session.moved.connect(self._follow)
        self.show()
        self._show_tool()

    def resume(self, other: RegisterPresenter) -> None:
        """Go on as another one left off."""
        self._hung = other._hung
        self._panel.resume(other._panel)
        self._expecting.turn_about(other._expecting.pivot)
        self.show()
        self.drafting.resume(other.drafting)

    def drag(self) -> None:
        """Take the plane in hand, or lay it down; without a registration there is nothing to hold."""
        if (why := self._session.unregistered) is not None:
            self._session.tell(why)
        else:
            self._tools.choose("mri_move")

    def start_from_marks(self) -> None:
        """Put the US lesion onto its MRI mark."""
        lesion, us_mm = self._session.lesion, self._expecting.us_mm
        if self._session.unpaired is not None:
            self._session.tell(self._session.unpaired)
        elif lesion is None or lesion.us is None or lesion.mri is None:
            self._session.tell(message("registration.needs_marks"))
        elif self._session.plane is None:
            self._session.tell(message("registration.no_scale"))
        elif self._session.shows_second_view:
            self._session.tell(message("registration.of_first_view"))
        elif us_mm is None:
            self._session.tell(message("registration.marked_elsewhere"))
        else:
            self._set(start_from_mri_mark(us_mm, lesion.mri.point_mm, self.pose.usual_deg))

    def start_from_clock(self) -> None:
        """Put the plane where the report's words say."""
        lesion, body = self._session.lesion, self._session.body
        if self._session.unpaired is not None:
            self._session.tell(self._session.unpaired)
            return
        if (
            lesion is None
            or lesion.side is None
            or lesion.clock_h is None
            or lesion.nipple_distance_mm is None
        ):
            self._session.tell(message("registration.needs_clock"))
            return
        if body is None:
            self._session.tell(message("registration.needs_mri"))
            return
        told = (lesion.side, lesion.clock_h, lesion.nipple_distance_mm, lesion.depth_mm)
        try:
            start = start_from_clock_face(body, *told, self._expecting.us_mm, self.pose.usual_deg)
        except BreastViewError as error:
            self._session.tell(error.message)
            return
        self._set(start)
        region = self._expecting.region
        if region is not None:
            self._tools.mri_wanted.emit(region.point_mm)

    def _begin(self) -> None:
        """Start anew with another case: nobody has said yet how its probe was held and how it is fitted."""
        for choice in (self._panel.orientation, self._panel.model):
            choice.setCurrentIndex(0)
        for ticked in (self._panel.bend, self._panel.free_scale):
            ticked.setChecked(False)
        self._panel.length.setValue(KNOWN_LENGTH_MM)
        self._expecting.turn_about(Pivot.LESION)
        self.show()

    def show(self) -> None:
        """Show the registration of the hung frame."""
        self._show_what_is_known()
        if self._session.case is not None:
            self.pose.show(self._session.registration)

    def _show_what_is_known(self) -> None:
        """Show all but the numbers of the pose: one may be being typed when an image comes."""
        session, panel = self._session, self._panel
        panel.setEnabled(session.case is not None)
        if session.case is None:
            self._rail.set_state("register", "")
            return
        present = session.registration
        needs_scale = session.stack is not None and session.stack.scale is None
        for widget in panel.calibration:
            widget.setVisible(needs_scale)
        self._show_orientation(present)
        offer(panel.drag, self._language.say(session.unregistered) if session.unregistered else "")
        self.pose.show_pivots(present)
        self._correspondences.show(present)
        self._show_worth(present)
        self._show_state(present)

    def _show_orientation(self, present: RegistrationParameters | None) -> None:
        """A frame that is hung says by its registration how the probe was held."""
        hung = (self._session.us_key, self._session.us_frame)
        if hung != self._hung and present is not None:
            lesion = self._session.lesion
            held = orientation_of(present.angles_deg, lesion.clock_h if lesion else None)
            self._panel.orientation.setCurrentIndex(self._panel.orientation.findData(held))
        self._hung = hung

    def _show_worth(self, present: RegistrationParameters | None) -> None:
        panel, text = self._panel, self._language.text
        region = self._expecting.region if present is not None else None
        lines = []
        if region is not None and present is not None:
            lines.append(text("Lesion within ±{mm:.0f} mm (9 in 10, dashed)").format(mm=region.radius_mm))
            mark = self._session.lesion.mri if self._session.lesion else None
            if mark is not None and not region.allows(mark.point_mm):
                away = text("the MRI mark lies {mm:.0f} mm away: elsewhere")
                lines.append("⚠ " + away.format(mm=region.away_mm(mark.point_mm)))
            if is_open_through_plane(region_in_us(present, region)):
                lines.append(text("Points of one plane say little of what lies through it."))
        panel.within.setText("\n".join(lines))
        panel.within.setVisible(bool(lines))
        lacking = self._expecting.lacking
        why_not = self._language.say(lacking) if lacking is not None else ""
        offer(panel.confirm, why_not)
        panel.confirm.setChecked(bool(present and present.confirmed))
        panel.lacking.setText(why_not)
        panel.lacking.setVisible(lacking is not None and present is not None)

    def _show_state(self, present: RegistrationParameters | None) -> None:
        text, grade = self._language.text, self._expecting.grade
        if present is None or grade is None:
            self._rail.set_state("register", text("not registered"))
            return
        sign = "✓" if grade.allows_measuring else "◐"
        words = [f"{sign} {grade_text(grade, present.method, self._language)}"]
        lesion, plane = self._session.lesion, self._session.plane
        here = lesion is not None and lesion.us is not None and lesion.us.frames_key == self._session.us_key
        if lesion is not None and here and plane is not None and grade.allows_measuring:
            distance = mark_distance_mm(self._session.state.record, lesion, plane)
            if distance is not None:
                caution = "⚠ " if distance > SAME_LESION_MM else ""
                words.append(caution + text("marks {mm:.0f} mm apart").format(mm=distance))
        if present.scale_flagged:
            words.append("⚠ " + text("scale {scale:.2f}").format(scale=present.scale))
        self._rail.set_state("register", " · ".join(words), "registration")

    def _set(self, start: RegistrationParameters) -> None:
        """Take a start; correspondences that are there stay."""
        key, present = self._session.us_key, self._session.registration
        if key is None:
            return
        if present is not None:
            start = replace(start, landmarks=present.landmarks, contours=present.contours)
        self._session.dispatch(SetRegistration(key, self._session.us_frame, start))

    def _confirm(self, confirmed: bool) -> None:
        key = self._session.us_key
        if key is not None:
            self._session.dispatch(ConfirmRegistration(key, self._session.us_frame, confirmed))

    def _calibrate(self, x1: float, y1: float, x2: float, y2: float) -> None:
        key, length_px = self._session.us_key, float(np.hypot(x2 - x1, y2 - y1))
        if key is not None and length_px > 0:
            spacing = self._panel.length.value() / length_px
            self._session.dispatch(Calibrate(key, (spacing, spacing)))
        self._tools.browse()

    def _show_tool(self) -> None:
        panel, name, kind = self._panel, self._tools.name, self.drafting.kind
        contour = kind if name in ("us_contour", "mri_contour") else None
        panel.drag.setChecked(name == "mri_move")
        panel.pair.setChecked(name in ("us_point", "mri_pair"))
        panel.line.setChecked(contour is ContourKind.LINE)
        panel.surface.setChecked(contour is ContourKind.SURFACE)
        panel.calibrate.setChecked(name == "us_line")
        panel.hints.tell(self._situation(contour))

    def _situation(self, contour: ContourKind | None) -> str:
        """What the hints are about."""
        name, drafting = self._tools.name, self.drafting
        if name != "mri_contour" or contour is not ContourKind.SURFACE:
            return name
        if not drafting.mri_mm:
            return "surface"
        return "surface lost" if drafting.followed is None else "surface followed"

    def _follow(self) -> None:
        """Show where a drag in hand has come."""
        self.pose.show(self._session.registration)

    def _changed(self, parts: frozenset[Part]) -> None:
        if parts & SHOWN:
            self.show()
        elif Part.BODY in parts:
            self._show_what_is_known()
