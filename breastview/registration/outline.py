"""The lesion as its mark outlines it in the US plane, and what was taken on the lesion itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from breastview.registration.parameters import Contour, LandmarkPair, Point2

BORDER_MM = 1.0  # a place this near to the mark still lies on the lesion
BLURRED = 0.125  # of its size: what the two images show apart of one lesion, SD along each axis


@dataclass(frozen=True)
class Outline:
    """The box around a lesion in the US plane, in mm: `left`, `right` along x, `top`, `bottom` in depth.

    Whatever is clicked on the lesion shares an error: the two images outline it differently, and readers
    differ about its middle. In three real pairs the middles lay 6.3, 0.9 and 1.1 mm apart where the mark
    measured 21, 18 and 8 mm, and the borders, by the areas, 6.5, 2.0 and 0.9 mm.
    """

    left: float
    top: float
    right: float
    bottom: float

    @property
    def middle_mm(self) -> Point2:
        """Its middle (x, y)."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    @property
    def shared_mm(self) -> float:
        """Standard deviation, along each axis, of the error that everything on the lesion shares."""
        return BLURRED * float(np.sqrt((self.right - self.left) * (self.bottom - self.top)))

    def holds(self, us_mm: np.ndarray) -> np.ndarray:
        """Which places (n, 3) of the US plane lie on the lesion, taken as thick as it is wide: (n,)."""
        x, y, z = np.asarray(us_mm, float).reshape(-1, 3).T
        half = (self.right - self.left) / 2
        along = np.abs(x - self.middle_mm[0]) <= half + BORDER_MM
        across = (y >= self.top - BORDER_MM) & (y <= self.bottom + BORDER_MM)
        return along & across & (np.abs(z) <= half + BORDER_MM)


def structures(found: Sequence[LandmarkPair | Contour], lesion: Outline | None) -> int:
    """How many structures correspondences are of: those on the lesion are of one."""
    if lesion is None:
        return len(found)
    on_lesion = sum(lesion.holds(places_mm(item)).mean() > 0.5 for item in found)
    return len(found) - max(on_lesion - 1, 0)


def places_mm(item: LandmarkPair | Contour) -> np.ndarray:
    """The places (n, 3) of a correspondence in the frame of the US plane."""
    return np.array([item.place_mm] if isinstance(item, LandmarkPair) else item.places_mm, float)
