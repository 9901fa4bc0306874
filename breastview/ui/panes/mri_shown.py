"""What of the MRI its pane shows: a slice as it was acquired, or the US plane; and where its pixels lie."""

from __future__ import annotations

import numpy as np

from breastview.imaging.geometry import apply, nearest_slice, slice_plane
from breastview.imaging.volume import Volume
from breastview.messages import Message, message
from breastview.registration.parameters import Point3, RegistrationParameters
from breastview.registration.plane import UsPlane
from breastview.registration.transform import map_points, us_to_mri
from breastview.ui.session import Session

ACQUIRED, PLANE, FUSED = "acquired", "plane", "fused"


class MriShown:
    """The mode of the MRI pane, and the slice of each volume that has been seen."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._slices: dict[str, int] = {}
        self.mode = ACQUIRED

    def begin(self) -> None:
        """Another case is open: a registered one is shown in the US plane."""
        self._slices = {}
        self.mode = ACQUIRED if self._session.registration is None else PLANE

    def resume(self, other: MriShown) -> None:
        """Show what another pane shows."""
        self.mode, self._slices = other.mode, dict(other._slices)

    @property
    def foreign(self) -> tuple[Message, Message] | None:
        """Why nothing that is kept has a place in the hung volume: the words over it, and those for whoever
        marks it. None where it has one."""
        if not self._session.other_space:
            return None
        if self._session.other_exam is not None:
            return message("hung.other_exam"), message("mark.other_exam")
        return message("hung.other_space"), message("mark.other_space")

    @property
    def registered(self) -> tuple[RegistrationParameters, UsPlane] | None:
        """The registration that holds for the hung volume, with its US plane."""
        return self._session.registered if self.foreign is None else None

    @property
    def plane(self) -> tuple[RegistrationParameters, UsPlane] | None:
        """The registration and its US plane, where that is what is shown; None: acquired slices are."""
        return None if self.mode == ACQUIRED else self.registered

    def slice_number(self, volume: Volume) -> int:
        """Which slice of a volume is shown: at first that of the chosen lesion, or the middle one."""
        if volume.key not in self._slices:
            lesion = self._session.lesion
            self._slices[volume.key] = len(volume.array) // 2
            if lesion is not None and lesion.mri is not None:
                self.go_to(volume, lesion.mri.point_mm)
        return self._slices[volume.key]

    def go_to(self, volume: Volume, point_mm: Point3) -> None:
        """Show the slice that is nearest to a place."""
        self._slices[volume.key] = nearest_slice(volume.index_to_lps, len(volume.array), point_mm)

    def scroll(self, volume: Volume, steps: int) -> None:
        """Go on by so many slices, as far as there are any."""
        self._slices[volume.key] = min(max(self.slice_number(volume) + steps, 0), len(volume.array) - 1)

    def place(self, x: float, y: float) -> Point3 | None:
        """The LPS place of a picture pixel; None where nothing is shown."""
        if shown := self.plane:
            parameters, plane = shown
            point = map_points(parameters, plane.px_to_mm(np.array([x, y])))
        else:
            volume = self._session.volume
            if volume is None:
                return None
            point = apply(volume.index_to_lps, np.array([self.slice_number(volume), y - 0.5, x - 0.5]))
        return float(point[0]), float(point[1]), float(point[2])

    def picture(self) -> np.ndarray | None:
        """The (4, 4) from picture pixels to LPS mm, without the local warp; None where nothing is shown."""
        volume = self._session.volume
        if shown := self.plane:
            parameters, plane = shown
            return us_to_mri(parameters) @ plane.matrix()
        return None if volume is None else slice_plane(volume.index_to_lps, self.slice_number(volume))
