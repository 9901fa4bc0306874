"""The truth of a registration: its parameters. Matrices, slices and overlays are derived from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from breastview.messages import Message

Point2 = tuple[float, float]
Point3 = tuple[float, float, float]

SCALE_FLAG = 0.10  # a scale further from 1 than this is flagged


class Method(StrEnum):
    """How the pose was last set."""

    CLOCK_FACE = "clock_face"
    MRI_MARK = "mri_mark"
    MANUAL = "manual"
    LANDMARKS = "landmarks"
    FILE = "file"
    TRUTH = "truth"


STARTS = (Method.CLOCK_FACE, Method.MRI_MARK)


@dataclass(frozen=True)
class LandmarkPair:
    """One anatomical point in both images: `us_mm` (x lateral, y depth) in the US plane, `mri_mm` LPS.

    `elevation_mm` is how far beside the plane it was seen, in another plane of the same US volume.
    `predicted`: the partner is where the registration expects it, and nobody has placed it yet: it tells
    nothing, and takes no part in fit, region or grade.
    """

    us_mm: Point2
    mri_mm: Point3
    name: str = ""
    weight: float = 1.0
    elevation_mm: float = 0.0
    predicted: bool = False

    @property
    def place_mm(self) -> Point3:
        """The point (x, y, z) in the frame of the US plane."""
        return (*self.us_mm, self.elevation_mm)


class ContourKind(StrEnum):
    """What a contour tells: a surface, where the tissue lies across it; a line, where it lies beside it."""

    SURFACE = "surface"
    LINE = "line"


@dataclass(frozen=True)
class Contour:
    """One structure in both images whose points have no partners one by one: skin, fascia, a ligament, a
    vessel.

    `us_mm` are points (x, y) of it in the US plane, `mri_mm` LPS points of it in the MRI, close enough
    together to tell its direction. `elevation_mm` is that of a `LandmarkPair`.
    """

    kind: ContourKind
    us_mm: tuple[Point2, ...]
    mri_mm: tuple[Point3, ...]
    name: str = ""
    weight: float = 1.0
    elevation_mm: float = 0.0

    @property
    def places_mm(self) -> tuple[Point3, ...]:
        """The points (x, y, z) in the frame of the US plane."""
        return tuple((*place, self.elevation_mm) for place in self.us_mm)


@dataclass(frozen=True)
class WarpPoint:
    """A displacement `shift_mm` (x, y, z) of the US plane at `us_mm` (x, y), fading over `radius_mm`."""

    us_mm: Point2
    shift_mm: Point3
    radius_mm: float


@dataclass(frozen=True)
class RegistrationParameters:
    """x_mri = R·s·(x_us + warp(x_us)) + t, with x_us = (x lateral, y depth, z elevational) in mm.

    `centre_mm` is t: where the middle of the probe face lies, in LPS mm. `angles_deg` turn the reference
    pose (US x along patient left, y posterior, z superior) about the US plane's own x, then y, then z axis
    (intrinsic). `confirmed` is the reader's word on just these numbers: any change takes it back. `start` is
    which of `STARTS` the pose was before a hand or a fit set it anew.
    """

    centre_mm: Point3
    angles_deg: Point3 = (0.0, 0.0, 0.0)
    scale: float = 1.0
    method: Method = Method.MANUAL
    landmarks: tuple[LandmarkPair, ...] = ()
    warp: tuple[WarpPoint, ...] = ()
    contours: tuple[Contour, ...] = ()
    confirmed: bool = False
    start: Method | None = None

    @property
    def begun_from(self) -> Method | None:
        """Which of `STARTS` the pose is or was; None where it began otherwise."""
        return self.method if self.method in STARTS else self.start

    def remade(self, method: Method, **changes: Any) -> RegistrationParameters:
        """The registration with its pose set anew; what it began from stays known."""
        return replace(self, method=method, start=self.begun_from, **changes)

    @property
    def placed(self) -> tuple[LandmarkPair, ...]:
        """The landmark pairs whose partner the reader has placed."""
        return tuple(pair for pair in self.landmarks if not pair.predicted)

    @property
    def correspondences(self) -> tuple[LandmarkPair | Contour, ...]:
        """What tells something of the map: placed points, then lines and surfaces."""
        return (*self.placed, *self.contours)

    @property
    def middle_mm(self) -> Point2 | None:
        """The middle (x, y) of the correspondences in the US plane; None where there is none."""
        places = [pair.us_mm for pair in self.landmarks]
        places += [place for contour in self.contours for place in contour.us_mm]
        if not places:
            return None
        return sum(x for x, _ in places) / len(places), sum(y for _, y in places) / len(places)

    @property
    def scale_flagged(self) -> bool:
        """Whether the scale is implausibly far from 1."""
        return abs(self.scale - 1.0) > SCALE_FLAG


@dataclass(frozen=True)
class PhaseMotion:
    """How one DCE phase lies against the phase `onto_key` before contrast medium.

    What lies at x there, LPS mm, lies at R·(x − pivot) + pivot + shift in this phase, R the rotation vector
    `turn_deg`; `mean_mm` and `most_mm` are how far the breasts' places moved. `reason` says why the phase is
    left as it is; None: it is corrected.
    """

    volume_key: str
    onto_key: str
    pivot_mm: Point3
    turn_deg: Point3
    shift_mm: Point3
    mean_mm: float
    most_mm: float
    reason: Message | None = None
