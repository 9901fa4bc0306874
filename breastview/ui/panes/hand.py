"""The hand that registers: it drags the MRI under the ultrasound. One drag is one step of the history."""

from __future__ import annotations

import numpy as np

from breastview.registration.parameters import RegistrationParameters
from breastview.registration.transform import dragged, moved, rolled, spun, turn_deg
from breastview.review.registering import SetRegistration
from breastview.ui.expecting import Expecting
from breastview.ui.panes.grips import Grip
from breastview.ui.session import Session


class Hand:
    """Turns a drag over the MRI in the US plane, in pixels of the US picture, into registrations."""

    def __init__(self, session: Session, expecting: Expecting) -> None:
        self._session, self._expecting = session, expecting
        self._start: tuple[RegistrationParameters, np.ndarray, Grip] | None = None

    @property
    def amount(self) -> str:
        """How far the drag in hand has come, nothing where there is none."""
        present = self._session.registration
        if self._start is None or present is None:
            return ""
        start, _, grip = self._start
        if grip in (Grip.MOVE, Grip.THROUGH):
            return f"{np.linalg.norm(np.subtract(present.centre_mm, start.centre_mm)):.1f} mm"
        return f"{turn_deg(start, present):.1f}°"

    def begin(self, x: float, y: float, grip: Grip) -> None:
        """Take hold at a pixel. Turns leave the pivot where it is."""
        registered = self._session.registered
        if registered is not None:
            self._session.begin()
            self._start = (registered[0], np.array([x, y]), grip)

    def drag(self, dx: float, dy: float) -> None:
        """Follow the hand, (dx, dy) pixels from where the drag began."""
        registered = self._session.registered
        if self._start is None or registered is None:
            return
        start, place, grip = self._start
        plane = registered[1]
        before, after = plane.px_to_mm(place), plane.px_to_mm(np.add(place, (dx, dy)))
        self._set(self._followed(start, before, after, grip))

    def _followed(
        self, start: RegistrationParameters, before: np.ndarray, after: np.ndarray, grip: Grip
    ) -> RegistrationParameters:
        """Where a drag from one place (x, y) mm of the US plane to another brings the registration."""
        pivot = np.array(self._expecting.pivot_mm[:2])
        if grip is Grip.MOVE:
            return dragged(start, before, after)
        if grip is Grip.THROUGH:
            return moved(start, (0.0, 0.0, float(after[1] - before[1])))
        if grip is Grip.SPIN:
            return spun(start, before, after, pivot)
        return rolled(start, before, after, "x" if grip is Grip.TILT else "y", pivot)

    def end(self) -> None:
        """Let go: the drag stands as one step."""
        if self._start is not None:
            self._start = None
            self._session.commit()

    def abort(self) -> None:
        """Take the drag in hand back."""
        if self._start is not None:
            self._start = None
            self._session.abort()

    def step(self, distance_mm: float) -> None:
        """Go through the plane."""
        registered = self._session.registered
        if registered is not None:
            self._set(moved(registered[0], (0.0, 0.0, distance_mm)))

    def _set(self, parameters: RegistrationParameters) -> None:
        key = self._session.us_key
        if key is not None:
            self._session.dispatch(SetRegistration(key, self._session.us_frame, parameters))
