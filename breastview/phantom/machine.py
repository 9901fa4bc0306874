"""The picture that a US machine puts around its sector."""

from __future__ import annotations

import numpy as np

from breastview.imaging.geometry import frozen
from breastview.imaging.volume import Sector

BORDER_PX = (40, 34, 26, 30)  # left, top, right, bottom of the picture around the sector


def picture(sector: np.ndarray, step_mm: float) -> tuple[np.ndarray, Sector]:
    """Put the sector, uint8 (row, column), into the machine's black picture; read-only, and where it lies."""
    left, top, right, bottom = BORDER_PX
    rows, columns = sector.shape
    grey = np.zeros((rows + top + bottom, columns + left + right), np.uint8)
    grey[top : top + rows, left : left + columns] = sector
    for row in range(0, rows, round(10 / step_mm)):
        grey[top + row : top + row + 2, left - 12 : left - 8] = 200
    return frozen(grey), Sector(left, top, left + columns, top + rows)
