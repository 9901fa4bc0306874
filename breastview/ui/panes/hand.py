"""The hand that registers: it drags the MRI under the ultrasound. One drag is one step of the history."""

from __future__ import annotations

import numpy as np

from breastview.registration.parameters import RegistrationParameters
from breastview.registration.transform import dragged, moved, spun
from breastview.review.registering import SetRegistration
from breastview.ui.expecting import Expecting
from breastview.ui.session import Session


class Hand:
    """Turns a drag over the MRI in the US plane, in pixels of the US picture, into registrations."""

    def __init__(self, session: Session, expecting: Expecting) -> None:
        self._session, self._expecting = session, expecting
        self._start: tuple[RegistrationParameters, np.ndarray, bool] | None = None

    def begin(self, x: float, y: float, turn: bool) -> None:
        """Take hold at a pixel; `turn` turns about the pivot, otherwise the plane moves."""
        registered = self._session.registered
        if registered is not None:
            self._session.begin()
            self._start = (registered[0], np.array([x, y]), turn)

    def drag(self, dx: float, dy: float) -> None:
        """Follow the hand, (dx, dy) pixels from where the drag began."""
        registered = self._session.registered
        if self._start is None or registered is None:
            return
        start, place, turn = self._start
        plane = registered[1]
        before, after = plane.px_to_mm(place), plane.px_to_mm(np.add(place, (dx, dy)))
        pivot = np.array(self._expecting.pivot_mm[:2])
        self._set(spun(start, before, after, pivot) if turn else dragged(start, before, after))

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
