"""The machine's picture: the sector untouched in its border, scales that measure, overlays in their place."""

from __future__ import annotations

import numpy as np
import pytest

from breastview.phantom.machine import (
    Calipers,
    distance_texts,
    doppler_box,
    labelled,
    picture,
    with_body_marker,
    with_calipers,
    with_colour_doppler,
    with_text,
)

STEP_MM = 0.1


@pytest.fixture
def sector() -> np.ndarray:
    return np.random.default_rng(0).integers(20, 90, (350, 440)).astype(np.uint8)


def disc(shape: tuple[int, ...], radius_px: float) -> np.ndarray:
    """A lesion in the middle of a picture."""
    y, x = np.indices(shape)
    return np.hypot(y - shape[0] / 2, x - shape[1] / 2) < radius_px


def test_the_sector_lies_unchanged_in_a_black_border(sector):
    grey, place = picture(sector, STEP_MM, focus_mm=15.0)
    assert np.array_equal(grey[place.top : place.bottom, place.left : place.right], sector)
    assert not grey.flags.writeable
    border = np.ones(grey.shape, bool)
    border[place.top : place.bottom, place.left : place.right] = False
    assert np.median(grey[border]) == 0


def test_depth_ticks_stand_every_five_millimetres(sector):
    grey, place = picture(sector, STEP_MM)
    rows = np.flatnonzero(grey[:, place.left - 5])
    assert np.diff(rows) * STEP_MM == pytest.approx(5.0)
    assert rows[0] == place.top


def test_the_focus_marker_points_at_the_focus(sector):
    grey, place = picture(sector, STEP_MM, focus_mm=15.0)
    plain, _ = picture(sector, STEP_MM)
    rows, columns = np.nonzero(grey != plain)
    assert rows[columns == columns.min()] == pytest.approx(place.top + 150)


def test_calipers_measure_what_lies_between_their_ends(sector):
    grey, _ = picture(sector, STEP_MM)
    calipers = Calipers((100.0, 80.0), (160.0, 160.0))
    assert calipers.length_mm(STEP_MM) == pytest.approx(10.0)
    assert distance_texts([calipers], STEP_MM) == ["D1 10.0 mm"]
    drawn = with_calipers(grey, [calipers])
    rows, columns = np.nonzero(drawn != grey)
    assert (columns.min(), columns.max()) == (95, 165) and (rows.min(), rows.max()) == (75, 165)
    assert drawn[80, 100] == drawn[120, 130] == 220


def test_text_says_simulated_and_stays_off_the_sector(sector):
    grey, place = picture(sector, STEP_MM)
    drawn = labelled(grey, place, "L 9-3  12 MHz", ["D1 10.0 mm"])
    inside = (slice(place.top, place.bottom), slice(place.left, place.right))
    assert np.array_equal(drawn[inside], sector)
    above, below = drawn[: place.top] != grey[: place.top], drawn[place.bottom :] != grey[place.bottom :]
    assert above.any() and below.any()
    bare = with_text(np.zeros_like(grey), (place.left, 6), "SIMULATED")
    assert (drawn[: place.top][bare[: place.top] == 220] == 220).all()


def test_the_body_marker_shows_the_probe_at_its_clock_face(sector):
    grey, place = picture(np.zeros_like(sector), STEP_MM)
    drawn = with_body_marker(grey, place, hours=3.0, away=0.6, turn_deg=90.0)
    shown = drawn[place.top : place.bottom, place.left : place.right]
    rows, columns = np.nonzero(shown == 255)
    middle_row, middle_column = (np.argwhere(shown)[:, k].mean() for k in (0, 1))
    assert columns.mean() - middle_column == pytest.approx(0.6 * 21, abs=1.5)
    assert rows.mean() == pytest.approx(middle_row, abs=1.5)
    assert np.ptp(rows) > 3 * np.ptp(columns)


def test_doppler_shows_more_flow_the_more_malignant_the_lesion_looks(sector):
    grey, place = picture(sector, STEP_MM)
    mask = disc(grey.shape, 40)
    shares = []
    for look in (0.0, 0.5, 1.0):
        drawn = [
            with_colour_doppler(grey, place, mask, look, STEP_MM, np.random.default_rng(s)) for s in range(8)
        ]
        shares.append(np.mean([np.ptp(rgb.astype(int), axis=2)[mask].astype(bool).mean() for rgb in drawn]))
    assert shares[0] < 0.03 < shares[1] < shares[2] < 0.3


def test_doppler_leaves_the_picture_outside_its_box_alone(sector):
    grey, place = picture(sector, STEP_MM)
    mask = disc(grey.shape, 40)
    drawn = with_colour_doppler(grey, place, mask, 1.0, STEP_MM, np.random.default_rng(0))
    changed = np.argwhere((drawn != grey[:, :, None]).any(axis=2))
    centre = np.array(grey.shape) / 2
    assert drawn.shape == (*grey.shape, 3)
    assert np.abs(changed - centre).max() <= 40 + 40 + 1
    empty = with_colour_doppler(
        grey, place, np.zeros(grey.shape, bool), 1.0, STEP_MM, np.random.default_rng(0)
    )
    assert np.array_equal(empty, np.repeat(grey[:, :, None], 3, axis=2))


def test_the_doppler_box_ends_at_the_sectors_edge(sector):
    grey, place = picture(sector, STEP_MM)
    mask = np.zeros(grey.shape, bool)
    mask[place.top + 10 : place.top + 60, place.right - 50 : place.right] = True
    box = doppler_box(mask, place, STEP_MM)
    assert (box.left, box.top, box.right, box.bottom) == (
        place.right - 90,
        place.top,
        place.right,
        place.top + 100,
    )
    drawn = with_colour_doppler(grey, place, mask, 1.0, STEP_MM, np.random.default_rng(0))
    rows, columns = np.nonzero((drawn != grey[:, :, None]).any(axis=2))
    assert (rows.min(), rows.max()) == (box.top, box.bottom - 1)
    assert (columns.min(), columns.max()) == (box.left, box.right - 1)
    assert doppler_box(np.zeros_like(mask), place, STEP_MM) is None
