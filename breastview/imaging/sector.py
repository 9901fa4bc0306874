"""Where the image is in a US picture: not the border, not the ticks, not the text."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from breastview.imaging.volume import Sector

BLACK = 6  # grey levels up to this are border
TICK_PX = 7  # ticks and letters are thinner than this
BRIDGE_PX = 25  # shadows narrower than this do not cut the image
FILLED = 0.4  # a row or column belongs to the image when this share of it is image


def find_sector(picture: np.ndarray) -> Sector:
    """Find the image area of a uint8 picture (row, column) or (row, column, RGB).

    The whole picture where nothing stands out, as in pictures without a border.
    """
    grey = picture if picture.ndim == 2 else picture.max(axis=2)
    rows, columns = grey.shape
    lit = ndimage.uniform_filter((grey > BLACK).astype(np.float32), TICK_PX) > 0.5
    labels, count = ndimage.label(_closed(_opened(lit, TICK_PX), BRIDGE_PX))
    if not count:
        return Sector(0, 0, columns, rows)
    sizes = np.bincount(labels.ravel())[1:]
    body = labels == int(np.argmax(sizes)) + 1
    top, bottom = _extent(body.mean(axis=1))
    left, right = _extent(body.mean(axis=0))
    return _tightened(grey, Sector(left, top, right, bottom))


def _opened(mask: np.ndarray, side_px: int) -> np.ndarray:
    """Drop what is thinner than a square of `side_px`; separable, unlike scipy's binary opening."""
    eroded = ndimage.minimum_filter(mask, side_px, mode="constant", cval=False)
    return ndimage.maximum_filter(eroded, side_px, mode="constant", cval=False)


def _closed(mask: np.ndarray, side_px: int) -> np.ndarray:
    """Fill what is thinner than a square of `side_px`."""
    grown = ndimage.maximum_filter(np.pad(mask, side_px), side_px, mode="constant", cval=False)
    shrunk = ndimage.minimum_filter(grown, side_px, mode="constant", cval=False)
    return shrunk[side_px:-side_px, side_px:-side_px]


def _extent(share: np.ndarray) -> tuple[int, int]:
    full = np.flatnonzero(share >= FILLED * share.max())
    return int(full[0]), int(full[-1]) + 1


def _tightened(grey: np.ndarray, sector: Sector) -> Sector:
    """Move each edge to the outermost line that is mostly lit: the filters above blur it by a few pixels."""
    lit = grey > BLACK
    margin = TICK_PX
    rows = np.flatnonzero(lit[:, sector.left : sector.right].mean(axis=1) > FILLED)
    columns = np.flatnonzero(lit[sector.top : sector.bottom].mean(axis=0) > FILLED / 2)
    rows = rows[(rows >= sector.top - margin) & (rows < sector.bottom + margin)]
    columns = columns[(columns >= sector.left - margin) & (columns < sector.right + margin)]
    if not len(rows) or not len(columns):
        return sector
    return Sector(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
