"""Whether colour covers a US picture: Doppler flow or elastography, not a tint or thin marks."""

from __future__ import annotations

import numpy as np

VIVID = 80  # grey levels between a pixel's channels; the tints that machines give to grey stay below
COVERED = 0.02  # of the place; calipers and arrows are thinner


def is_covered(picture: np.ndarray) -> bool:
    """Whether colour covers a part of uint8 (row, column, RGB); (row, column) is grey."""
    if picture.ndim == 2 or not picture.size:
        return False
    spread = picture.max(axis=2).astype(np.int16) - picture.min(axis=2)
    return bool((spread > VIVID).mean() > COVERED)
