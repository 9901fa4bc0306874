"""The image area of a US picture, found in its pixels."""

from __future__ import annotations

import numpy as np
import pytest

from breastview.imaging.sector import find_sector
from breastview.imaging.volume import Sector

ROWS, COLUMNS = 300, 400
PLACE = Sector(left=60, top=40, right=340, bottom=260)


def picture(place: Sector = PLACE) -> np.ndarray:
    grey = np.zeros((ROWS, COLUMNS), np.uint8)
    size = (place.bottom - place.top, place.right - place.left)
    grey[place.top : place.bottom, place.left : place.right] = np.random.default_rng(1).integers(
        20, 220, size
    )
    return grey


def near(found: Sector, wanted: Sector, px: int) -> bool:
    edges = (
        (found.left, wanted.left),
        (found.top, wanted.top),
        (found.right, wanted.right),
        (found.bottom, wanted.bottom),
    )
    return all(abs(one - other) <= px for one, other in edges)


def test_a_bright_rectangle_is_found_to_the_pixel():
    assert find_sector(picture()) == PLACE


def test_colours_do_not_matter():
    assert find_sector(np.repeat(picture()[..., None], 3, axis=2)) == PLACE


def test_ticks_a_grey_bar_and_text_are_no_image():
    grey = picture()
    grey[40:260:20, 20:26] = 255
    grey[20:26, 60:340:30] = 255
    grey[60:200, 370:376] = np.linspace(255, 0, 140).astype(np.uint8)[:, None]
    grey[280:285, 100:160:9] = 255
    assert near(find_sector(grey), PLACE, 1)


def test_a_shadow_does_not_cut_the_image():
    grey = picture()
    grey[120:260, 190:210] = 0
    assert find_sector(grey) == PLACE


def test_an_image_that_darkens_with_depth_keeps_its_face():
    grey = picture()
    fade = np.linspace(1, 0.05, PLACE.bottom - PLACE.top)[:, None]
    inside = grey[PLACE.top : PLACE.bottom, PLACE.left : PLACE.right]
    grey[PLACE.top : PLACE.bottom, PLACE.left : PLACE.right] = (inside * fade).astype(np.uint8)
    found = find_sector(grey)
    assert (found.left, found.top, found.right) == (PLACE.left, PLACE.top, PLACE.right)
    assert found.face_middle_px == (199.5, 40.0)


@pytest.mark.parametrize("level", [0, 128])
def test_where_nothing_stands_out_it_is_the_whole_picture(level):
    assert find_sector(np.full((ROWS, COLUMNS), level, np.uint8)) == Sector(0, 0, COLUMNS, ROWS)


def test_a_picture_without_a_border():
    assert find_sector(picture(Sector(0, 0, COLUMNS, ROWS))) == Sector(0, 0, COLUMNS, ROWS)


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (8, 8)])
def test_tiny_pictures(size):
    assert find_sector(np.full(size, 200, np.uint8)) == Sector(0, 0, size[1], size[0])
