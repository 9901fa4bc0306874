"""What the network that knows true places from false ones is shown, and how it answers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from breastview.registration.judge import (
    CHANNELS,
    COLUMNS,
    FILE,
    IMAGES,
    ROWS,
    Judge,
    View,
    mirrored,
    on_lesion,
    shipped,
)
from breastview.registration.outline import Outline

RNG = np.random.default_rng(4)


def view(rows: int, columns: int, places: int = 2) -> View:
    shape = (places, rows, columns)
    return View(
        detail=RNG.normal(size=shape[1:]).astype(np.float32),
        weight=np.ones(shape[1:], np.float32),
        fit=RNG.normal(size=shape).astype(np.float32),
        mri_detail=RNG.normal(size=(*shape, 2 * IMAGES)).astype(np.float32),
        mri=RNG.normal(size=(*shape, IMAGES)).astype(np.float32),
        lesion=np.zeros(shape[1:], np.float32),
    )


@pytest.mark.parametrize(("rows", "columns"), [(20, 30), (60, 30), (20, 50)])
def test_a_picture_of_any_size_is_shown_in_one_frame(rows, columns):
    seen = view(rows, columns)
    maps = seen.maps()
    assert maps.shape == (2, CHANNELS, ROWS, COLUMNS)
    assert not maps[:, :, rows:].any() and not maps[:, :, :, columns:].any()
    within = maps[:, 0, : min(rows, ROWS), : min(columns, COLUMNS)]
    wanted = seen.detail[:ROWS, :COLUMNS] / np.sqrt((seen.detail**2).mean())
    assert within == pytest.approx(np.broadcast_to(wanted, within.shape), rel=1e-4)


def test_of_a_larger_picture_the_part_around_the_lesion_is_shown():
    seen = view(70, 90)
    seen.lesion[60:64, 80:84] = 1
    lesion = seen.maps()[0, 2]
    assert lesion.sum() == 16 and lesion[ROWS - 10, COLUMNS - 10] == 1
    seen.lesion[:] = 0
    seen.lesion[30:34, 40:44] = 1
    assert seen.maps()[0, 2, ROWS // 2, COLUMNS // 2] == 1


def turned(seen: View) -> View:
    """The same images from the other side."""
    return View(**{name: np.flip(image, min(image.ndim, 3) - 1) for name, image in vars(seen).items()})


def test_maps_are_mirrored_as_the_images_would_be():
    seen = view(20, 30)
    seen.lesion[3:8, 4:9] = 1
    assert mirrored(seen.maps()) == pytest.approx(turned(seen).maps(), abs=1e-5)
    assert len(mirrored(seen.maps()[:0])) == 0


def test_a_picture_from_the_other_side_is_told_the_same():
    seen, heights = view(20, 30), np.array([0.3, 0.25])
    said = [shipped().odds(one.maps(), heights) for one in (seen, turned(seen))]
    assert said[0] == pytest.approx(said[1], abs=1e-4)


def test_brighter_pictures_look_the_same():
    seen = view(20, 30)
    brighter = View(**{**vars(seen), "detail": 3 * seen.detail, "fit": 3 * seen.fit})
    assert brighter.maps() == pytest.approx(seen.maps(), abs=1e-5)


def test_the_lesion_is_the_ellipse_in_its_mark():
    x, y = np.meshgrid(np.arange(-10.0, 11), np.arange(0.0, 21))
    points = np.stack([x, y, np.zeros_like(x)], axis=-1)
    there = on_lesion(Outline(-4.0, 6.0, 4.0, 10.0), points)
    assert there.sum() == pytest.approx(np.pi * 4 * 2, rel=0.25)
    assert there[8, 10] == 1 and there[8, 15] == 0 and there[6, 13] == 0
    assert not on_lesion(None, points).any()


def test_what_the_places_lack_to_one_is_that_it_is_none_of_them():
    judge = Judge({"none": np.array(1.0)})
    shares = judge.shares(np.array([1.0, 1.0, -30.0]))
    assert shares == pytest.approx([1 / 3, 1 / 3, 0.0], abs=1e-6)
    assert judge.shares(np.array([-9.0])).sum() < 1e-3


def test_what_explains_more_is_likelier_where_all_else_is_alike():
    maps = np.repeat(view(20, 30, places=1).maps(), 2, axis=0)
    odds = shipped().odds(maps, np.array([0.30, 0.25]))
    assert odds[0] - odds[1] == pytest.approx(0.05 * shipped().weights["height"], rel=1e-3)
    assert odds[0] > odds[1]


def test_the_shipped_network_says_how_it_was_made_and_what_it_is_worth():
    with np.load(FILE) as kept:
        made = json.loads(str(kept["made"]))
    assert made["command"].startswith("python -m model_training judge") and made["commit"]
    for worth in made["within_3mm"].values():
        assert worth["highest"] < worth["likeliest"] <= worth["found"] <= worth["pictures"]
