"""A correspondence while it is drawn: first in the ultrasound image, then in the MRI."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QObject, Signal

from breastview.errors import RegistrationError
from breastview.messages import message
from breastview.registration.contours import contour_of
from breastview.registration.parameters import Contour, ContourKind, LandmarkPair, Point2, Point3
from breastview.registration.plane import probe_face_mm
from breastview.registration.region import Region
from breastview.registration.skin import skin_near
from breastview.registration.tracing import trace_surface
from breastview.registration.transform import rotation
from breastview.review.registering import AddContour, AddLandmark, PlaceLandmark
from breastview.ui.expecting import Expecting
from breastview.ui.panes.tools import Tools
from breastview.ui.session import Session

STAGES = {"us_point", "mri_pair", "us_contour", "mri_contour"}
SKIN = "skin"  # the name of the contour that the skin makes, in a record


class Drafting(QObject):
    """Takes the clicks of a pair, a line or a surface, and keeps them until all of it is there."""

    changed = Signal()

    def __init__(self, session: Session, tools: Tools, expecting: Expecting, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._tools, self._expecting = session, tools, expecting
        self._frame: tuple[str | None, int] = (None, 0)
        self.kind: ContourKind | None = None  # None: a pair
        self.us_mm: list[Point2] = []
        self.mri_mm: list[Point3] = []
        self.followed: np.ndarray | None = None  # points (n, 3) of the surface through the clicks in the MRI
        self.partner: Region | None = None  # where the partner of a US point is expected
        self._moved = False  # whether the reader has moved it
        self._again: LandmarkPair | None = None  # whose partner is placed anew
        tools.changed.connect(self._tool_changed)
        tools.us_clicked.connect(self._us_clicked)
        tools.mri_clicked.connect(self._mri_clicked)
        tools.us_finished.connect(self._us_finished)
        tools.mri_finished.connect(self._mri_finished)

    @property
    def seen_mm(self) -> np.ndarray:
        """What there is of the contour in the MRI (n, 3): the clicks, and what was followed from them."""
        clicks = np.array(self.mri_mm).reshape(-1, 3)
        return clicks if self.followed is None else np.concatenate([clicks, self.followed])

    @property
    def number(self) -> int:
        """Which of the registration's pairs is in hand, counted from 1."""
        present = self._session.registration
        pairs = present.landmarks if present is not None else ()
        return (pairs.index(self._again) if self._again in pairs else len(pairs)) + 1

    def begin(self, kind: ContourKind | None) -> None:
        """Take a pair, a line or a surface in hand; begun twice, it is laid down."""
        first = "us_point" if kind is None else "us_contour"
        again = self._tools.name == first and self.kind is kind
        self._tools.browse()
        if again:
            return
        if (why := self._session.unregistered) is not None:
            self._session.tell(why)
            return
        self.kind = kind
        self._tools.choose(first)

    def take_back(self) -> bool:
        """Take the last click of what is being drawn back; False where there is none to take."""
        name = self._tools.name
        if name not in STAGES or self._again is not None or not self._is_here():
            return False
        if name == "mri_contour" and self.mri_mm:
            self.mri_mm.pop()
            self._follow()
        elif name == "mri_contour":
            self._tools.choose("us_contour")
        elif name == "us_contour":
            self.us_mm.pop()
        else:
            self._forget()
            self._tools.choose("us_point")
        self.changed.emit()
        return True

    def resume(self, other: Drafting) -> None:
        """Go on with what another one has drawn."""
        self._frame, self.kind, self._again = other._frame, other.kind, other._again
        self.us_mm, self.mri_mm, self.followed = other.us_mm, other.mri_mm, other.followed
        self.partner, self._moved = other.partner, other._moved
        self.changed.emit()

    def place_again(self, pair: LandmarkPair) -> None:
        """Take the partner of a pair of the hung frame in hand: a click or the arrows place it."""
        self._tools.browse()
        self._frame = (self._session.us_key, self._session.us_frame)
        self.us_mm, self._again = [pair.us_mm], pair
        self._expect("mri_pair")
        self.changed.emit()

    def add_skin(self) -> None:
        """Let the probe's face lie on the skin of the MRI near it: a surface without a click."""
        session = self._session
        if (why := session.unregistered) is not None:
            session.tell(why)
            return
        registered, stack, body = session.registered, session.stack, session.body
        expected = self._expecting.partner((0.0, 0.0))
        if registered is None or stack is None or expected is None:
            return
        skin = skin_near(body, expected.point_mm) if body is not None else ()
        if len(skin) == 0:
            session.tell(message("registration.no_skin"))
            return
        cloud = tuple((float(x), float(y), float(z)) for x, y, z in skin)
        face = probe_face_mm(stack, registered[1])
        skin_found = Contour(ContourKind.SURFACE, face, cloud, SKIN)
        session.dispatch(AddContour(str(session.us_key), session.us_frame, skin_found))

    def move_partner(self, place: Point3) -> None:
        """Expect the partner elsewhere: the reader has moved it."""
        if self.partner is not None:
            self.partner, self._moved = Region(np.array(place), self.partner.covariance_mm2), True
            self.changed.emit()

    def _us_clicked(self, x: float, y: float) -> None:
        plane, name = self._session.plane, self._tools.name
        if plane is None or name not in ("us_point", "us_contour"):
            return
        if not self._is_here():
            self.us_mm = []
        self._frame = (self._session.us_key, self._session.us_frame)
        across, down = plane.px_to_mm(np.array([x, y]))
        self.us_mm.append((float(across), float(down)))
        if name == "us_point":
            self._expect("mri_pair")
        self.changed.emit()

    def _us_finished(self) -> None:
        if self._tools.name == "us_contour" and self._is_here():
            if len(self.us_mm) < 2:
                self._session.tell(message("registration.contour_short"))
            else:
                self._expect("mri_contour")

    def _expect(self, tool: str) -> None:
        """Go on in the MRI, where the middle of what was drawn is expected."""
        expected = self._expecting.partner(self.us_mm[len(self.us_mm) // 2])
        self.partner, self._moved = expected if tool == "mri_pair" else None, False
        self._tools.choose(tool)
        if expected is not None:
            self._tools.mri_wanted.emit(expected.point_mm)

    def _mri_clicked(self, place: Point3) -> None:
        name = self._tools.name
        if name not in ("mri_pair", "mri_contour"):
            return
        if not self._is_here():  # it was begun on another image
            self._tools.choose("us_point" if name == "mri_pair" else "us_contour")
            self._forget()
        elif name == "mri_pair":
            self._add(LandmarkPair(self.us_mm[0], place))
        else:
            self.mri_mm.append(place)
            self._follow()
        self.changed.emit()

    def _mri_finished(self) -> None:
        if not self._is_here():
            return
        if self._tools.name == "mri_pair" and self.partner is not None:
            self._add(LandmarkPair(self.us_mm[0], self.partner.point_mm, predicted=not self._moved))
        elif self._tools.name == "mri_contour" and self.kind is not None:
            try:
                contour = contour_of(self.kind, self.us_mm, self.mri_mm, followed=self.followed)
            except RegistrationError as error:
                self._session.tell(error.message)
            else:
                self._add(contour)

    def _follow(self) -> None:
        """Follow a surface from its clicks: the probe looks at it squarely, or nearly so."""
        volume, present = self._session.volume, self._session.registration
        self.followed = None
        if self.kind is ContourKind.SURFACE and self.mri_mm and volume is not None and present is not None:
            found = trace_surface(volume, self.mri_mm, rotation(present)[:, 1])
            self.followed = found if len(found) else None

    def _add(self, found: LandmarkPair | Contour) -> None:
        key, frame = self._session.us_key, self._session.us_frame
        if key is None:
            return
        present, again = self._session.registration, self._again
        if isinstance(found, Contour):
            self._session.dispatch(AddContour(key, frame, found))
        elif present is not None and again in present.landmarks:
            place = present.landmarks.index(again)
            self._session.dispatch(PlaceLandmark(key, frame, place, found.mri_mm, found.predicted))
        else:
            self._session.dispatch(AddLandmark(key, frame, found))
        self._tools.browse()

    def _is_here(self) -> bool:
        return bool(self.us_mm) and self._frame == (self._session.us_key, self._session.us_frame)

    def _tool_changed(self) -> None:
        if self._tools.name not in STAGES and (self.us_mm or self.kind is not None):
            self.kind = None
            self._forget()
            self.changed.emit()

    def _forget(self) -> None:
        self.us_mm, self.mri_mm, self.followed, self.partner = [], [], None, None
        self._again = None
