"""Colour that covers a picture, told from grey, from a tint and from thin marks."""

from __future__ import annotations

import numpy as np
import pytest

from breastview.imaging.colour import is_covered


def grey() -> np.ndarray:
    """Speckle, uint8 (row, column, 3)."""
    levels = np.random.default_rng(0).integers(0, 256, (100, 120, 1))
    return np.repeat(levels, 3, axis=2).astype(np.uint8)


def test_a_grey_picture_is_not_covered_in_one_channel_or_three():
    assert not is_covered(grey()) and not is_covered(grey()[..., 0])
    assert not is_covered(grey()[:0])


def test_flow_in_a_twentieth_of_the_picture_covers_it():
    picture = grey()
    picture[40:60, 50:80] = 240, 80, 20
    assert is_covered(picture)


@pytest.mark.parametrize("tint", [(1.0, 0.86, 0.7), (0.75, 0.9, 1.0)], ids=["sepia", "ice"])
def test_a_tint_is_no_colour(tint):
    assert not is_covered((grey() * tint).astype(np.uint8))


def test_yellow_calipers_do_not_cover_a_picture():
    picture = grey()
    picture[20:31, 30] = picture[25, 25:36] = picture[70:81, 90] = picture[75, 85:96] = 255, 255, 0
    picture[np.arange(25, 76, 5), np.arange(30, 91, 6)] = 255, 255, 0
    assert not is_covered(picture)
