"""The picture that a US machine makes of its sector: border, scales, and what the sonographer lays over it.

Everything is drawn into arrays; only text needs Pillow, which is imported when text is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from breastview.imaging.geometry import frozen
from breastview.imaging.volume import Sector

BORDER_PX = (40, 34, 40, 30)  # left, top, right, bottom of the picture around the sector
INK, DIM = 220, 120
BAR_PX = (12, 80)  # width and height of the grey-scale bar
CROSS_PX = 5
BOX_MARGIN_MM = 4.0  # of the Doppler box around the lesion
VESSEL_WIDTH = 0.22  # in standard deviations of the noise whose zero crossings the vessels are
WARM, COLD = np.array([1.0, 0.35, 0.1]), np.array([0.1, 0.45, 1.0])
Place = tuple[float, float]


@dataclass(frozen=True)
class Calipers:
    """A distance measured in the picture: two ends (column, row) in pixels."""

    start_px: Place
    end_px: Place

    def length_mm(self, step_mm: float) -> float:
        """The distance at square pixels of `step_mm`."""
        return float(np.hypot(*np.subtract(self.end_px, self.start_px)) * step_mm)


def picture(sector: np.ndarray, step_mm: float, focus_mm: float | None = None) -> tuple[np.ndarray, Sector]:
    """Put the sector, uint8 (row, column), into the machine's black picture; read-only, and where it lies.

    Depth ticks every 5 mm, longer every 10 mm, stand left of it, focus marker and grey-scale bar right.
    """
    left, top, right, bottom = BORDER_PX
    rows, columns = sector.shape
    grey = np.zeros((rows + top + bottom, columns + left + right), np.uint8)
    grey[top : top + rows, left : left + columns] = sector
    for number, row in enumerate(np.arange(0, rows, 5 / step_mm)):
        length = 3 if number % 2 else 7
        grey[top + round(row), left - 4 - length : left - 4] = INK
    width, height = BAR_PX
    bar = np.linspace(255, 0, min(height, rows)).astype(np.uint8)
    grey[top : top + len(bar), left + columns + 18 : left + columns + 18 + width] = bar[:, None]
    if focus_mm is not None:
        _focus_marker(grey, top + round(min(focus_mm / step_mm, rows - 1)), left + columns + 4)
    return frozen(grey), Sector(left, top, left + columns, top + rows)


def _focus_marker(grey: np.ndarray, row: int, column: int) -> None:
    """A triangle that points at the sector."""
    for k in range(6):
        grey[max(row - k, 0) : row + k + 1, column + k] = INK


def with_calipers(grey: np.ndarray, calipers: Sequence[Calipers]) -> np.ndarray:
    """A copy of the picture, uint8 (row, column), with crosses at the ends of each distance, dots between."""
    drawn = grey.copy()
    for one in calipers:
        start, end = np.asarray(one.start_px), np.asarray(one.end_px)
        count = max(2, round(np.hypot(*(end - start)) / 5))
        for place in np.linspace(start, end, count + 1)[1:-1]:
            _dot(drawn, place)
        for place in (start, end):
            _cross(drawn, place)
    return frozen(drawn)


def _dot(grey: np.ndarray, place: np.ndarray) -> None:
    column, row = np.rint(place).astype(int)
    grey[max(row, 0) : row + 1, max(column, 0) : column + 1] = INK


def _cross(grey: np.ndarray, place: np.ndarray) -> None:
    column, row = np.rint(place).astype(int)
    r, c = max(row, 0), max(column, 0)
    grey[max(r - CROSS_PX, 0) : r + CROSS_PX + 1, c : c + 1] = INK
    grey[r : r + 1, max(c - CROSS_PX, 0) : c + CROSS_PX + 1] = INK


def with_body_marker(
    grey: np.ndarray, sector: Sector, hours: float, away: float, turn_deg: float, size_px: int = 46
) -> np.ndarray:
    """A copy of the picture with a breast pictogram in the sector's lower left corner.

    A line stands for the probe: at clock face `hours`, `away` from the nipple (0…1 of the radius), turned by
    `turn_deg` from the horizontal.
    """
    drawn = grey.copy()
    y, x = np.mgrid[:size_px, :size_px] - (size_px - 1) / 2
    r, radius = np.hypot(x, y), size_px / 2 - 2
    clock, turn = np.deg2rad(30 * hours), np.deg2rad(turn_deg)
    u, v = x - away * radius * np.sin(clock), y + away * radius * np.cos(clock)
    along, across = u * np.cos(turn) + v * np.sin(turn), v * np.cos(turn) - u * np.sin(turn)
    probe = (np.abs(along) < 0.3 * radius) & (np.abs(across) < 1.0)
    lines = (np.abs(r - radius) < 0.7) | (r < 1.6)
    corner = drawn[
        sector.bottom - size_px - 4 : sector.bottom - 4, sector.left + 4 : sector.left + 4 + size_px
    ]
    corner[lines], corner[probe] = DIM, 255
    return frozen(drawn)


def doppler_box(lesion_mask: np.ndarray, sector: Sector, step_mm: float) -> Sector | None:
    """Where colour is laid over the picture: the lesion, bool (row, column), and a margin; None without."""
    rows, columns = np.flatnonzero(lesion_mask.any(axis=1)), np.flatnonzero(lesion_mask.any(axis=0))
    if not len(rows):
        return None
    margin = round(BOX_MARGIN_MM / step_mm)
    return Sector(
        max(int(columns[0]) - margin, sector.left),
        max(int(rows[0]) - margin, sector.top),
        min(int(columns[-1]) + margin + 1, sector.right),
        min(int(rows[-1]) + margin + 1, sector.bottom),
    )


def with_colour_doppler(
    grey: np.ndarray,
    sector: Sector,
    lesion_mask: np.ndarray,
    look: float,
    step_mm: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """The picture with a colour box around the lesion, uint8 (row, column, 3), read-only.

    `lesion_mask` is bool (row, column); flow runs around the lesion and, the higher its `look`, into it.
    """
    drawn = np.repeat(grey[:, :, None], 3, axis=2)
    place = doppler_box(lesion_mask, sector, step_mm)
    if place is None:
        return frozen(drawn)
    box = slice(place.top, place.bottom), slice(place.left, place.right)
    flow = _flow(lesion_mask[box], look, step_mm, rng)
    colour = np.where(flow[:, :, None] > 0, WARM, COLD) * (90 + 165 * np.abs(flow[:, :, None]))
    seen = np.abs(flow) > 0
    drawn[box][seen] = np.clip(colour, 0, 255)[seen].astype(np.uint8)
    frame = np.ones(flow.shape, bool)
    frame[1:-1, 1:-1] = False
    drawn[box][frame] = INK
    return frozen(drawn)


def _flow(mask: np.ndarray, look: float, step_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Velocity −1…1 of each pixel, 0 where there is none: vessels are zero crossings of smooth noise."""
    away_mm = (ndimage.distance_transform_edt(~mask) - ndimage.distance_transform_edt(mask)) * step_mm
    course, place, speed = (_noise(rng, mask.shape, mm / step_mm) for mm in (1.6, 1.2, 2.0))
    reach = place + 2.2 * look - 1.6 - 0.25 * np.abs(away_mm - 1.0)
    vessel = (np.abs(course) < VESSEL_WIDTH) & (reach > 0)
    return vessel * np.clip(speed * 0.5 + 0.2 * np.sign(speed), -1, 1)


def _noise(rng: np.random.Generator, shape: tuple[int, ...], sigma_px: float) -> np.ndarray:
    smooth = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), sigma_px)
    return smooth / max(float(smooth.std()), 1e-6)


def with_text(grey: np.ndarray, place_px: Place, text: str, height_px: int = 11) -> np.ndarray:
    """A copy of the picture, uint8 (row, column) or (row, column, 3), with text from (column, row) on."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.fromarray(grey)
    ink = INK if grey.ndim == 2 else (INK, INK, INK)
    font = ImageFont.load_default(height_px)
    ImageDraw.Draw(image).text(place_px, text, fill=ink, font=font)
    return frozen(np.array(image))


def labelled(grey: np.ndarray, sector: Sector, header: str, measured: Sequence[str] = ()) -> np.ndarray:
    """A copy with SIMULATED and `header` above the sector, and measurements below it; none of it on it."""
    drawn = with_text(grey, (sector.left, 6), f"SIMULATED  {header}")
    if not measured:
        return drawn
    return with_text(drawn, (sector.left, sector.bottom + 8), "   ".join(measured))


def distance_texts(calipers: Sequence[Calipers], step_mm: float) -> list[str]:
    """What the machine writes for each distance."""
    return [f"D{number} {one.length_mm(step_mm):.1f} mm" for number, one in enumerate(calipers, 1)]
