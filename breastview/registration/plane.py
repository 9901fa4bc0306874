"""The US image plane: pixels ⇄ mm, and grids to resample on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from breastview.errors import RegistrationError
from breastview.imaging.volume import FrameStack
from breastview.registration.parameters import Point2

FACE_POINTS = 7


@dataclass(frozen=True)
class UsPlane:
    """Millimetres of a US picture. `origin_px` is (column, row) of the middle of the probe face;
    `spacing_mm` is (row, column)."""

    origin_px: tuple[float, float]
    spacing_mm: tuple[float, float]

    def px_to_mm(self, px: np.ndarray) -> np.ndarray:
        """Map (..., (column, row)) pixels to (..., (x, y)) mm."""
        return (np.asarray(px, float) - self.origin_px) * self.spacing_mm[::-1]

    def mm_to_px(self, mm: np.ndarray) -> np.ndarray:
        """Map (..., (x, y)) mm to (..., (column, row)) pixels."""
        return np.asarray(mm, float) / self.spacing_mm[::-1] + self.origin_px

    def matrix(self) -> np.ndarray:
        """The (4, 4) from pixels (column, row, 0, 1) to US-plane mm; the third axis stays in mm."""
        matrix = np.diag([self.spacing_mm[1], self.spacing_mm[0], 1.0, 1.0])
        matrix[:2, 3] = self.px_to_mm(np.zeros(2))
        return matrix


@dataclass(frozen=True)
class PlaneGrid:
    """Sample points in the US plane: `left_mm`, `top_mm` is the centre of the first pixel."""

    left_mm: float
    top_mm: float
    spacing_mm: float
    rows: int
    columns: int

    @property
    def width_mm(self) -> float:
        """Width of the grid, pixel edges included."""
        return self.columns * self.spacing_mm

    @property
    def height_mm(self) -> float:
        """Height of the grid, pixel edges included."""
        return self.rows * self.spacing_mm


def probe_face_mm(stack: FrameStack, plane: UsPlane) -> tuple[Point2, ...]:
    """Points (x, y) along the probe's face, where the skin is: the top of the sector, its very ends left
    out."""
    sector = stack.sector
    columns = np.linspace(sector.left, sector.right, FACE_POINTS + 2)[1:-1]
    face = plane.px_to_mm(np.column_stack([columns, np.full(FACE_POINTS, float(sector.top))]))
    return tuple((float(x), float(y)) for x, y in face)


def section_in_slice(corners_index: np.ndarray, number: int) -> np.ndarray:
    """The part of a plane's outline that lies within half a slice of a slice.

    `corners_index` is (n, 3), (slice, row, column) of the outline's corners in order. Returns float (m, 2),
    (column, row), closed; empty where the plane passes the slice by. Clipping: Sutherland & Hodgman, CACM
    17:32 (1974).
    """
    outline = np.asarray(corners_index, float)
    for sign, bound in ((1.0, number + 0.5), (-1.0, -(number - 0.5))):
        outline = _clipped(outline, sign, bound)
    closed = np.concatenate([outline, outline[:1]])
    return closed[:, [2, 1]]


def _clipped(outline: np.ndarray, sign: float, bound: float) -> np.ndarray:
    """Keep what has sign · slice ≤ bound of a polygon (n, 3)."""
    kept = []
    for here, there in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        beyond, after = sign * here[0] - bound, sign * there[0] - bound
        if beyond <= 0:
            kept.append(here)
        if beyond * after < 0:
            kept.append(here + (there - here) * (beyond / (beyond - after)))
    return np.array(kept).reshape(-1, 3)


def us_plane(stack: FrameStack, calibration: tuple[float, float] | None = None) -> UsPlane:
    """The plane of a US image; `calibration` is what the reader measured, (row, column) mm a pixel.

    Raises:
        RegistrationError: the image has no trustworthy scale and was not calibrated.
    """
    spacing = calibration or (stack.scale.spacing_mm if stack.scale else None)
    if spacing is None:
        raise RegistrationError.of("registration.no_scale")
    return UsPlane(stack.sector.face_middle_px, spacing)


def known_plane(stack: FrameStack, calibration: tuple[float, float] | None = None) -> UsPlane | None:
    """The plane of a US image as of `us_plane`, or None where it has no scale."""
    return us_plane(stack, calibration) if calibration or stack.scale else None


def sector_grid(stack: FrameStack, plane: UsPlane, spacing_mm: float) -> PlaneGrid:
    """A grid of square pixels over the whole image sector."""
    sector = stack.sector
    left, top = plane.px_to_mm(np.array([sector.left, sector.top]))
    right, bottom = plane.px_to_mm(np.array([sector.right - 1, sector.bottom - 1]))
    return PlaneGrid(
        float(left),
        float(top),
        spacing_mm,
        rows=int((bottom - top) / spacing_mm) + 1,
        columns=int((right - left) / spacing_mm) + 1,
    )
