"""The pose by hand: numbers, keys and the scale."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QObject

from breastview.registration.parameters import Method, Point3, RegistrationParameters
from breastview.registration.start import usual_angles_deg
from breastview.registration.transform import Pivot, moved, turn_from, turned, with_turn
from breastview.review.registering import SetRegistration
from breastview.ui.expecting import Expecting
from breastview.ui.rail.numbers import put
from breastview.ui.rail.register.panel import RegisterPanel
from breastview.ui.session import Session


class PosePresenter(QObject):
    """Keeps the pose's fields in step with the session."""

    def __init__(self, panel: RegisterPanel, session: Session, expecting: Expecting, parent: QObject) -> None:
        super().__init__(parent)
        self._panel, self._session, self._expecting = panel, session, expecting
        panel.free_scale.clicked.connect(self._free_scale)
        for place, field in enumerate(panel.fields.values()):
            field.valueChanged.connect(partial(self._typed, place))
        panel.scale.valueChanged.connect(self._typed_scale)
        panel.orientation.currentIndexChanged.connect(lambda: self.show(session.registration))
        panel.pivot.activated.connect(lambda: expecting.turn_about(Pivot(panel.pivot.currentData())))

    @property
    def usual_deg(self) -> Point3:
        """The angles of a probe that is held as the reader said."""
        lesion = self._session.lesion
        clock_h = lesion.clock_h if lesion is not None else None
        return usual_angles_deg(str(self._panel.orientation.currentData()), clock_h)

    def nudge(self, axis: str, step: float) -> None:
        """Move along or turn about one axis of the plane: "x", "y", "z", "rx", "ry" or "rz"."""
        present = self._session.registration
        if present is None:
            return
        if axis.startswith("r"):
            self._set(turned(present, axis[1], step, self._expecting.pivot_mm))
        else:
            shift = [0.0, 0.0, 0.0]
            shift["xyz".index(axis)] = step
            self._set(moved(present, shift))

    def show(self, present: RegistrationParameters | None) -> None:
        """Show the numbers."""
        panel = self._panel
        for widget in (*panel.fields.values(), panel.pivot, panel.free_scale):
            widget.setEnabled(present is not None)
        values = (*present.centre_mm, *turn_from(present, self.usual_deg)) if present else (0.0,) * 6
        for field, value in zip(panel.fields.values(), values, strict=True):
            put(field, value)
        put(panel.scale, present.scale if present else 1.0)
        if present and present.scale != 1.0:
            panel.free_scale.setChecked(True)
        panel.scale.setEnabled(present is not None and panel.free_scale.isChecked())

    def show_pivots(self, present: RegistrationParameters | None) -> None:
        """Show which points a turn can leave where they are."""
        there = {
            Pivot.LESION: self._expecting.us_mm is not None,
            Pivot.PROBE: True,
            Pivot.LANDMARK: bool(present and present.landmarks),
        }
        self._panel.show_pivots(there, self._expecting.pivot)

    def _set(self, parameters: RegistrationParameters) -> None:
        key = self._session.us_key
        if key is not None:
            self._session.dispatch(SetRegistration(key, self._session.us_frame, parameters))

    def _typed(self, place: int, value: float) -> None:
        """Take one number; the others keep the digits that their fields do not show."""
        present = self._session.registration
        if present is None:
            return
        usual_deg = self.usual_deg
        numbers = [*present.centre_mm, *turn_from(present, usual_deg)]
        numbers[place] = value
        x, y, z, rx, ry, rz = numbers
        if place < 3:
            self._set(present.remade(Method.MANUAL, centre_mm=(x, y, z)))
        else:
            self._set(with_turn(present, (rx, ry, rz), usual_deg, self._expecting.pivot_mm))

    def _typed_scale(self, value: float) -> None:
        present = self._session.registration
        if present is not None:
            self._set(present.remade(Method.MANUAL, scale=value))

    def _free_scale(self, free: bool) -> None:
        present = self._session.registration
        self._panel.scale.setEnabled(free and present is not None)
        if not free and present is not None and present.scale != 1.0:
            self._set(present.remade(Method.MANUAL, scale=1.0))
