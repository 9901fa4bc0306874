"""From measured values to grey levels."""

from __future__ import annotations

import numpy as np

LOW_PERCENT, HIGH_PERCENT = 1.0, 99.7
SAMPLE_EVERY = 7


def to_uint8(image: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """Map values to uint8 by a window (centre, width), linear exact (PS3.3 C.11.2.1.3.2); NaN is black."""
    centre, width = window
    levels = np.array(image, dtype=np.float32)
    levels -= np.float32(centre - width / 2)
    levels *= np.float32(255.0 / max(width, 1e-6))
    np.fmin(np.fmax(levels, 0, out=levels), 255, out=levels)  # of NaN and a number, the number
    return levels.astype(np.uint8)


def default_window(array: np.ndarray) -> tuple[float, float]:
    """A (centre, width) that shows almost all values, robust to a few bright ones and to black borders."""
    sample = np.asarray(array).ravel()[::SAMPLE_EVERY].astype(np.float32)
    sample = sample[np.isfinite(sample)]
    inside = sample[sample != 0]
    if inside.size < 2:
        return 0.5, 1.0
    low, high = np.percentile(inside, (LOW_PERCENT, HIGH_PERCENT))
    return float((low + high) / 2), float(max(high - low, 1.0))


def thumbnail(image: np.ndarray, side_px: int) -> np.ndarray:
    """Thin out a picture (row, column[, RGB]) so that its longer side has at most `side_px` pixels."""
    step = max(1, -(-max(image.shape[:2]) // side_px))
    return np.ascontiguousarray(image[::step, ::step])
