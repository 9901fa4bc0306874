"""Step 2: put the US plane where it lies in the MRI."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QCheckBox, QComboBox, QListWidget

from breastview.errors import BreastViewError
from breastview.language import Language
from breastview.messages import message
from breastview.records.concordance import mark_distance_mm, us_centre_px
from breastview.records.values import Lesion
from breastview.registration.landmarks import fit_landmarks, residuals_mm
from breastview.registration.parameters import LandmarkPair, Method, Point2, Point3, RegistrationParameters
from breastview.registration.plane import UsPlane
from breastview.registration.start import start_from_clock_face, start_from_mri_mark, usual_angles_deg
from breastview.registration.transform import moved, turned
from breastview.review.actions import Calibrate
from breastview.review.registering import AddLandmark, FitLandmarks, RemoveLandmark, SetRegistration
from breastview.review.state import Part
from breastview.ui.panes.tools import Tools
from breastview.ui.rail.parts import Panel, button, number, put
from breastview.ui.rail.view import RailView
from breastview.ui.session import Session

KNOWN_LENGTH_MM = 10.0


class RegisterPanel(Panel):
    """The fields of step 2."""

    def __init__(self, language: Language) -> None:
        super().__init__()
        self._make_start(language)
        self._make_hand(language)
        self._make_pose(language)
        self._make_pairs(language)
        self._make_calibration(language)

    def _make_start(self, language: Language) -> None:
        text = language.text
        self.orientation = QComboBox(self)
        self.orientation.addItem(text("Transverse"), "transverse")
        self.orientation.addItem(text("Sagittal"), "sagittal")
        self.orientation.addItem(text("Radial"), "radial")
        self.orientation.addItem(text("Antiradial"), "antiradial")
        self.row(self.orientation, label=text("Probe"))
        self.from_mark = button(text("Start from marks"), text("Put the US lesion onto the MRI mark"))
        self.from_clock = button(
            text("From clock face"), text("Start from side, clock face, nipple distance and depth")
        )
        self.row(self.from_mark, self.from_clock)

    def _make_hand(self, language: Language) -> None:
        text = language.text
        self.drag = button(
            text("Drag"),
            text("Drag the MRI under the ultrasound; Shift turns, the wheel goes through the plane") + " (R)",
            checkable=True,
        )
        self.pair = button(
            text("Add pair"),
            text("Click a point on ultrasound, then the same point in the MRI") + " (L)",
            checkable=True,
        )
        self.row(self.drag, self.pair)
        self.hint = self.label("registration")

    def _make_pose(self, language: Language) -> None:
        text = language.text
        self.fields = {
            "x": number(-400, 400, "mm", 0.1, 1),
            "y": number(-400, 400, "mm", 0.1, 1),
            "z": number(-400, 400, "mm", 0.1, 1),
            "rx": number(-180, 180, "°", 0.1, 1),
            "ry": number(-180, 180, "°", 0.1, 1),
            "rz": number(-180, 180, "°", 0.1, 1),
        }
        self.heading(text("Centre of the probe face: left, posterior, superior"))
        self.row(self.fields["x"], self.fields["y"], self.fields["z"])
        self.heading(text("Turn about the plane's x, y, z"))
        self.row(self.fields["rx"], self.fields["ry"], self.fields["rz"])
        self.free_scale = QCheckBox(text("Free the scale"))
        self.scale = number(0.5, 2.0, "×", 0.01, 3)
        self.row(self.free_scale, self.scale)

    def _make_pairs(self, language: Language) -> None:
        text = language.text
        self.pairs = QListWidget(self)
        self.pairs.setMaximumHeight(112)
        self.column.addWidget(self.pairs)
        self.fit = button(text("Fit to pairs"), text("Move the plane to the best fit of the pairs"))
        self.remove = button(text("Remove pair"), text("Remove the chosen pair"))
        self.row(self.fit, self.remove)
        self.told = self.label("registration")
        self.notes = self.label("muted")

    def _make_calibration(self, language: Language) -> None:
        """Shown only while the ultrasound image has no scale of its own."""
        text = language.text
        self.length = number(1, 100, "mm", 1, 0)
        self.length.setValue(KNOWN_LENGTH_MM)
        self.calibrate = button(
            text("Draw known length"),
            text("Draw a line of this length on ultrasound, along its ruler"),
            checkable=True,
        )
        self.calibration = [self.heading(text("Scale")), self.length, self.calibrate]
        self.row(self.length, self.calibrate)


class RegisterPresenter(QObject):
    """Keeps step 2 in step with the session."""

    def __init__(
        self,
        panel: RegisterPanel,
        rail: RailView,
        session: Session,
        tools: Tools,
        language: Language,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._panel, self._rail, self._session = panel, rail, session
        self._tools, self._language = tools, language
        self._us_point: tuple[tuple[str | None, int], Point2] | None = None  # the frame, and mm in its plane
        panel.from_mark.clicked.connect(self.start_from_marks)
        panel.from_clock.clicked.connect(self.start_from_clock)
        panel.drag.clicked.connect(lambda: tools.choose("mri_move"))
        panel.pair.clicked.connect(self.add_pair)
        panel.fit.clicked.connect(self._fit)
        panel.remove.clicked.connect(self._remove)
        panel.calibrate.clicked.connect(lambda: tools.choose("us_line"))
        panel.free_scale.toggled.connect(self._free_scale)
        for place, field in enumerate(panel.fields.values()):
            field.valueChanged.connect(partial(self._typed, place))
        panel.scale.valueChanged.connect(self._typed_scale)
        tools.changed.connect(self._show_tool)
        tools.us_clicked.connect(self._us_clicked)
        tools.mri_clicked.connect(self._mri_clicked)
        tools.us_line.connect(self._calibrate)
        session.opened.connect(self.show)
        session.loaded.connect(self.show)
        session.changed.connect(self._changed)
        self.show()

    def start_from_marks(self) -> None:
        """Put the US lesion onto its MRI mark."""
        lesion, plane = self._session.lesion, self._session.plane
        if lesion is None or lesion.us is None or lesion.mri is None:
            self._session.tell(message("registration.needs_marks"))
            return
        if plane is None:
            self._session.tell(message("registration.no_scale"))
            return
        self._set(start_from_mri_mark(self._us_mm(lesion, plane), lesion.mri.point_mm, self._angles()))

    def start_from_clock(self) -> None:
        """Put the plane where the report's words say."""
        lesion, body = self._session.lesion, self._session.body
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
        plane = self._session.plane
        us = self._us_mm(lesion, plane) if lesion.us is not None and plane is not None else None
        try:
            start = start_from_clock_face(
                body,
                lesion.side,
                lesion.clock_h,
                lesion.nipple_distance_mm,
                lesion.depth_mm,
                us,
                self._angles(),
            )
        except BreastViewError as error:
            self._session.tell(error.message)
            return
        self._set(start)

    def add_pair(self) -> None:
        """Begin a landmark pair: first US, then MRI."""
        self._us_point = None
        self._tools.choose("us_point")

    def nudge(self, axis: str, step: float) -> None:
        """Move along or turn about one axis of the plane: "x", "y", "z", "rx", "ry" or "rz"."""
        present = self._session.registration
        if present is None:
            return
        if axis.startswith("r"):
            self._set(turned(present, axis[1], step, (0.0, 15.0, 0.0)))
        else:
            shift = [0.0, 0.0, 0.0]
            shift["xyz".index(axis)] = step
            self._set(moved(present, shift))

    def show(self) -> None:
        """Show the registration of the hung frame."""
        session, panel, text = self._session, self._panel, self._language.text
        is_open = session.case is not None
        panel.setEnabled(is_open)
        if not is_open:
            self._rail.set_state("register", "")
            return
        present = session.registration
        for name in ("fit", "remove", "drag", "pair", "free_scale"):
            getattr(panel, name).setEnabled(present is not None)
        for field in (*panel.fields.values(), panel.scale):
            field.setEnabled(present is not None)
        needs_scale = session.stack is not None and session.stack.scale is None
        for widget in panel.calibration:
            widget.setVisible(needs_scale)
        self._show_numbers(present)
        self._show_pairs(present)
        self._show_state(present)
        if present is None:
            panel.told.setText(text("Not registered. Start from the marks or from the clock face."))

    def _show_numbers(self, present: RegistrationParameters | None) -> None:
        panel = self._panel
        values = (*present.centre_mm, *present.angles_deg) if present else (0.0,) * 6
        for field, value in zip(panel.fields.values(), values, strict=True):
            put(field, value)
        put(panel.scale, present.scale if present else 1.0)
        if present and present.scale != 1.0:
            panel.free_scale.setChecked(True)
        panel.scale.setEnabled(present is not None and panel.free_scale.isChecked())

    def _show_pairs(self, present: RegistrationParameters | None) -> None:
        panel, say = self._panel, self._language.say
        row = panel.pairs.currentRow()
        panel.pairs.clear()
        panel.notes.setText("")
        if present is None or not present.landmarks:
            panel.told.setText("" if present is None else say(message(f"method.{present.method}")))
            panel.pairs.setVisible(False)
            return
        panel.pairs.setVisible(True)
        residuals = residuals_mm(present, present.landmarks)
        for number_, residual in enumerate(residuals, 1):
            panel.pairs.addItem(f"{number_}   {residual:5.1f} mm")
        panel.pairs.setCurrentRow(min(max(row, 0), len(residuals) - 1))
        rms = float(np.sqrt(np.mean(np.square(residuals))))
        told = self._language.text("{count} pairs, residual {rms:.1f} mm rms").format(
            count=len(residuals), rms=rms
        )
        panel.told.setText(told)
        fit = fit_landmarks(present.landmarks, present, panel.free_scale.isChecked())
        lines = [say(note) for note in fit.notes]
        if fit.left_out_mm:
            worst = max(fit.left_out_mm)
            lines.insert(0, self._language.text("leave-one-out error up to {mm:.1f} mm").format(mm=worst))
        panel.notes.setText("\n".join(lines))

    def _show_state(self, present: RegistrationParameters | None) -> None:
        text = self._language.text
        if present is None:
            self._rail.set_state("register", text("not registered"))
            return
        words = ["✓ " + self._language.say(message(f"method.{present.method}"))]
        lesion, plane = self._session.lesion, self._session.plane
        if lesion is not None and plane is not None:
            distance = mark_distance_mm(self._session.state.record, lesion, plane)
            if distance is not None:
                words.append(text("marks {mm:.0f} mm apart").format(mm=distance))
        if present.scale_flagged:
            words.append("⚠ " + text("scale {scale:.2f}").format(scale=present.scale))
        self._rail.set_state("register", " · ".join(words), "registration")

    def _us_mm(self, lesion: Lesion, plane: UsPlane) -> tuple[float, float]:
        x, y = plane.px_to_mm(np.array(us_centre_px(lesion)))
        return float(x), float(y)

    def _angles(self) -> Point3:
        lesion = self._session.lesion
        clock_h = lesion.clock_h if lesion is not None else None
        return usual_angles_deg(str(self._panel.orientation.currentData()), clock_h)

    def _set(self, parameters: RegistrationParameters) -> None:
        key, present = self._session.us_key, self._session.registration
        if key is None:
            return
        if present is not None and not parameters.landmarks:
            parameters = replace(parameters, landmarks=present.landmarks)
        self._session.dispatch(SetRegistration(key, self._session.us_frame, parameters))

    def _typed(self, place: int, value: float) -> None:
        """Take one number; the others keep the digits that their fields do not show."""
        present = self._session.registration
        if present is None:
            return
        numbers = [*present.centre_mm, *present.angles_deg]
        numbers[place] = value
        x, y, z, rx, ry, rz = numbers
        self._set(replace(present, centre_mm=(x, y, z), angles_deg=(rx, ry, rz), method=Method.MANUAL))

    def _typed_scale(self, value: float) -> None:
        present = self._session.registration
        if present is not None:
            self._set(replace(present, scale=value, method=Method.MANUAL))

    def _free_scale(self, free: bool) -> None:
        present = self._session.registration
        self._panel.scale.setEnabled(free and present is not None)
        if not free and present is not None and present.scale != 1.0:
            self._set(replace(present, scale=1.0, method=Method.MANUAL))

    def _fit(self) -> None:
        key = self._session.us_key
        if key is not None:
            self._session.dispatch(
                FitLandmarks(key, self._session.us_frame, self._panel.free_scale.isChecked())
            )

    def _remove(self) -> None:
        key, row = self._session.us_key, self._panel.pairs.currentRow()
        if key is not None and row >= 0:
            self._session.dispatch(RemoveLandmark(key, self._session.us_frame, row))

    def _us_clicked(self, x: float, y: float) -> None:
        plane = self._session.plane
        if self._tools.name != "us_point" or plane is None:
            return
        mm = plane.px_to_mm(np.array([x, y]))
        self._us_point = (self._hung(), (float(mm[0]), float(mm[1])))
        self._tools.choose("mri_pair")

    def _hung(self) -> tuple[str | None, int]:
        return self._session.us_key, self._session.us_frame

    def _mri_clicked(self, place: Point3) -> None:
        key = self._session.us_key
        if self._tools.name != "mri_pair" or self._us_point is None or key is None:
            return
        (hung, us_mm), self._us_point = self._us_point, None
        if hung != self._hung():  # the pair was begun on another image
            self._tools.choose("us_point")
            return
        pair = LandmarkPair(us_mm, place)
        self._session.dispatch(AddLandmark(key, self._session.us_frame, pair))
        self._tools.browse()

    def _calibrate(self, x1: float, y1: float, x2: float, y2: float) -> None:
        key, length_px = self._session.us_key, float(np.hypot(x2 - x1, y2 - y1))
        if key is not None and length_px > 0:
            spacing = self._panel.length.value() / length_px
            self._session.dispatch(Calibrate(key, (spacing, spacing)))
        self._tools.browse()

    def _show_tool(self) -> None:
        panel, text, name = self._panel, self._language.text, self._tools.name
        panel.drag.setChecked(name == "mri_move")
        panel.pair.setChecked(name in ("us_point", "mri_pair"))
        panel.calibrate.setChecked(name == "us_line")
        hints = {
            "us_point": text("Click a point on ultrasound."),
            "mri_pair": text("Click the same point in the MRI."),
            "mri_move": text("Drag moves, Shift turns, the wheel goes through the plane."),
        }
        panel.hint.setText(hints.get(name, ""))
        panel.hint.setVisible(name in hints)

    def _changed(self, parts: frozenset[Part]) -> None:
        if parts & {Part.REGISTRATION, Part.MARKS, Part.SELECTION, Part.SCALE, Part.LESIONS}:
            self.show()
