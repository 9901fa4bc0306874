"""What the network sees: the same numbers for the same anatomy, whatever the scanner's own scale."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from breastview.fusion.preprocess import Crop, crop_around, native_mri, plane_grid, registered_mri, us_input
from breastview.fusion.spec import CHANNELS, InputSpec
from breastview.imaging.volume import Sector
from breastview.registration.plane import UsPlane
from breastview.registration.transform import map_points, us_to_mri
from tests.fusion.examples import POSE, SMALL, plane, ramp, stack, volume, volumes

CROP = crop_around((60, 40, 100, 64), SMALL)
GRID = plane_grid(CROP, plane(), SMALL.size_px)


IMAGES = {name: (v.array, v.index_to_lps) for name, v in volumes().items()}


def test_the_crop_is_square_and_centred_on_the_box():
    spec = InputSpec(margin=1.6)
    assert crop_around((60, 40, 100, 64), spec) == Crop(left=48.0, top=20.0, width=64.0, height=64.0)
    assert crop_around((10, 10, 10, 10), spec).width == 1.6


def test_a_box_shaped_crop_has_the_proportions_of_the_box_and_fills_the_square():
    spec = InputSpec(64, margin=1.5, us_mean=0.25, us_std=0.5, box_shaped=True)
    crop = crop_around((60, 40, 100, 64), spec)
    assert crop == Crop(left=50.0, top=34.0, width=60.0, height=36.0)
    grey = np.zeros((120, 160), np.uint8)
    grey[34:70, 50:110] = 255
    cut = us_input(grey, crop, spec, None)
    assert cut.shape == (1, 64, 64) and np.all(cut[0, 2:-2, 2:-2] == (1.0 - 0.25) / 0.5)
    grey[40:64, 60:100] = 0
    dark = np.flatnonzero((us_input(grey, crop, spec, None)[0] < 0)[32])
    assert 64 - dark[-1] - 1 == dark[0] and dark[0] == pytest.approx(64 / 6, abs=1)


def test_us_is_cut_at_the_crop_and_scaled_by_the_spec():
    grey = np.zeros((120, 160), np.uint8)
    grey[20:84, 48:112] = 255
    cut = us_input(grey, Crop(48, 20, 64, 64), InputSpec(size_px=64, us_mean=0.25, us_std=0.5), None)
    assert (cut.shape, cut.dtype) == ((1, 64, 64), np.float32)
    assert np.all(cut == (1.0 - 0.25) / 0.5)


def test_a_smaller_picture_averages_and_keeps_places():
    cut = us_input(stack().grey(), CROP, SMALL, None)[0] * SMALL.us_std + SMALL.us_mean
    row, column = 52.5, 80.5  # pixel (16, 16) covers rows 52 and 53, columns 80 and 81
    assert cut[16, 16] * 255 == pytest.approx(row + column // 2, abs=0.5)
    assert np.all(np.diff(cut, axis=1) > 0) and np.all(np.diff(cut, axis=0) > 0)


def test_speckle_finer_than_a_pixel_is_averaged_and_does_not_alias():
    grey = (np.indices((120, 160)).sum(axis=0) % 2 * 255).astype(np.uint8)
    cut = us_input(grey, Crop(20, 0, 120, 120), InputSpec(size_px=30), None)[0, 2:-2, 2:-2]
    assert cut.std() * 0.2 < 0.01
    assert cut.mean() * 0.2 + 0.25 == pytest.approx(0.5, abs=0.01)


def test_outside_the_picture_is_black():
    cut = us_input(np.full((120, 160), 255, np.uint8), Crop(-64, 20, 64, 64), SMALL, None)
    assert np.all(cut[0, :, :30] == np.float32((0 - SMALL.us_mean) / SMALL.us_std))


SECTOR = Sector(40, 30, 130, 100)
AT_ITS_CORNER = Crop(22.0, 14.0, 64.0, 64.0)


def framed(border: int) -> np.ndarray:
    """The picture of `stack` with everything around `SECTOR` at one grey level."""
    grey = np.full((120, 160), border, np.uint8)
    place = slice(SECTOR.top, SECTOR.bottom), slice(SECTOR.left, SECTOR.right)
    grey[place] = stack().grey()[place]
    return grey


def test_text_outside_the_sector_does_not_change_the_input():
    clean = framed(border=0)
    burned = clean.copy()
    burned[10:29, 20:100] = burned[40:90, 20:39] = 220
    seen, written = (us_input(grey, AT_ITS_CORNER, SMALL, SECTOR) for grey in (clean, burned))
    assert np.array_equal(written, seen)
    assert not np.array_equal(us_input(burned, AT_ITS_CORNER, SMALL, None), seen)


def test_outside_the_sector_is_black_and_up_to_its_edge_nothing_is_lost():
    cut = us_input(framed(border=255), AT_ITS_CORNER, SMALL, SECTOR)[0] * SMALL.us_std + SMALL.us_mean
    assert cut[:8] == pytest.approx(0, abs=1e-6) and cut[:, :9] == pytest.approx(0, abs=1e-6)
    row, column = 30.5, 40.5  # pixel (8, 9) covers the first two rows and columns of the sector
    assert cut[8, 9] * 255 == pytest.approx(row + column // 2, abs=1)


def test_a_picture_exported_without_its_border_gives_the_same_input():
    whole = us_input(framed(border=90), AT_ITS_CORNER, SMALL, SECTOR)
    cropped = framed(border=90)[SECTOR.top : SECTOR.bottom, SECTOR.left : SECTOR.right]
    crop = Crop(
        AT_ITS_CORNER.left - SECTOR.left,
        AT_ITS_CORNER.top - SECTOR.top,
        64.0,
        64.0,
    )
    assert np.array_equal(us_input(cropped, crop, SMALL, None), whole)


def test_the_mri_grid_has_the_field_of_view_of_the_us_crop():
    assert (GRID.width_mm, GRID.height_mm) == pytest.approx((CROP.width * 0.2, CROP.height * 0.2))
    edge = np.array([GRID.left_mm, GRID.top_mm]) - GRID.spacing_mm / 2
    assert plane().mm_to_px(edge) + 0.5 == pytest.approx([CROP.left, CROP.top])


def test_mri_is_sampled_in_the_registered_plane_and_divided_by_its_neighbourhood():
    mri, present = registered_mri(IMAGES, us_to_mri(POSE), GRID, SMALL)
    assert (mri.shape, mri.dtype) == ((4, 32, 32), np.float32)
    assert present.tolist() == [True] * 4
    steps = np.arange(32) * GRID.spacing_mm
    x, y = np.meshgrid(GRID.left_mm + steps, GRID.top_mm + steps)
    truth = ramp(map_points(POSE, np.stack([x, y], axis=-1)))
    middle = truth.mean()  # the median of an even rise over a wider square with the same centre
    for channel in range(3):
        assert mri[channel] == pytest.approx(truth / middle - 1, abs=1e-4)
    assert mri[3] == pytest.approx(np.clip(0.5 * truth / 200, None, SMALL.mri_limit), abs=1e-4)


def test_both_modalities_show_a_spot_at_the_same_pixel():
    spot_px = np.array([92.0, 37.0])
    rows, columns = np.mgrid[:120, :160]
    grey = 200 * np.exp(-((columns - spot_px[0]) ** 2 + (rows - spot_px[1]) ** 2) / 60)
    place = map_points(POSE, plane().px_to_mm(spot_px))
    bright = volume("t1wi", lambda p: 100 + 300 * np.exp(-((p - place) ** 2).sum(axis=-1) / 12))
    us = us_input(grey.astype(np.uint8), CROP, SMALL, None)[0]
    mri, _ = registered_mri({"t1wi": (bright.array, bright.index_to_lps)}, us_to_mri(POSE), GRID, SMALL)
    there = (spot_px[::-1] - [CROP.top, CROP.left]) / 2 - 0.25
    assert centre_of(us) == pytest.approx(there, abs=0.3)
    assert centre_of(mri[0]) == pytest.approx(there, abs=1.0)


def test_native_mri_is_the_acquired_plane_around_the_mark_right_and_down_as_it_was_acquired():
    array, matrix = IMAGES["t1wi"]
    index = np.array([array.shape[0] // 2, array.shape[1] // 2, array.shape[2] // 2, 1.0])
    spec = InputSpec(size_px=9, native_side_mm=9 * np.linalg.norm(matrix[:3, 2]))
    rows = np.broadcast_to(100.0 + np.arange(array.shape[1])[:, None], array.shape).astype(np.float32)
    planes, present = native_mri({"t1wi": (rows, matrix)}, (matrix @ index)[:3], spec)
    assert present.tolist() == [True, False, False, False]
    assert np.all(np.diff(planes[0], axis=0) > 0) and np.allclose(np.diff(planes[0], axis=1), 0, atol=1e-6)
    assert abs(planes[0, 4, 4]) < 0.01


@pytest.mark.parametrize("absent", [c.value for c in CHANNELS])
def test_an_absent_channel_is_zero_and_masked(absent):
    some = {name: image for name, image in IMAGES.items() if name not in (absent, absent + "_pre")}
    mri, present = registered_mri(some, us_to_mri(POSE), GRID, SMALL)
    whole, _ = registered_mri(IMAGES, us_to_mri(POSE), GRID, SMALL)
    place = [c.value for c in CHANNELS].index(absent)
    assert not present[place] and present.sum() == 3
    assert np.all(mri[place] == 0)
    others = [k for k in range(4) if k != place]
    assert np.array_equal(mri[others], whole[others])


def test_a_volume_beside_the_plane_is_absent_and_not_a_black_image():
    array, matrix = IMAGES["t2wi"]
    far = matrix.copy()
    far[0, 3] += 500
    mri, present = registered_mri({**IMAGES, "t2wi": (array, far)}, us_to_mri(POSE), GRID, SMALL)
    assert present.tolist() == [True, False, True, True]
    assert np.all(mri[1] == 0)


def test_a_volume_that_ends_inside_the_crop_is_present_and_zero_beyond_its_edge():
    array, matrix = IMAGES["t1wi"]
    x_mm = map_points(POSE, plane().px_to_mm(np.array([90.0, 52.0])))[0]
    columns = int((x_mm - matrix[0, 3]) / matrix[0, 2])
    mri, present = registered_mri({"t1wi": (array[:, :, :columns], matrix)}, us_to_mri(POSE), GRID, SMALL)
    assert present[0]
    assert np.all(mri[0][:, -4:] == 0) and np.all(mri[0][:, :12] != 0)


@pytest.mark.parametrize("factor", [0.01, 3.7, 400.0])
def test_a_scanner_that_counts_otherwise_gives_the_same_input(factor):
    counted = {name: (array * factor, matrix) for name, (array, matrix) in IMAGES.items()}
    ours, _ = registered_mri(IMAGES, us_to_mri(POSE), GRID, SMALL)
    theirs, _ = registered_mri(counted, us_to_mri(POSE), GRID, SMALL)
    assert theirs == pytest.approx(ours, abs=2e-5)


def test_an_empty_reference_does_not_divide_by_zero():
    dark = {name: (array * 0, matrix) for name, (array, matrix) in IMAGES.items()}
    mri, present = registered_mri(dark, us_to_mri(POSE), GRID, SMALL)
    assert present.all()
    assert np.all(mri[:3] == -1) and np.all(mri[3] == 0)


def centre_of(image: np.ndarray) -> tuple[float, ...]:
    return ndimage.center_of_mass((image - image.min()) ** 3)


numbers = st.floats(-500, 700, allow_nan=False)


@settings(deadline=None, max_examples=60)
@given(st.tuples(numbers, numbers, numbers, numbers), st.sampled_from([(0.2, 0.2), (0.07, 0.11)]))
def test_any_box_gives_a_finite_input_that_shows_its_middle(box, spacing_mm):
    crop = crop_around(box, SMALL)
    assert crop.left + crop.width / 2 == pytest.approx((box[0] + box[2]) / 2, abs=1e-6)
    us = us_input(stack().grey(), crop, SMALL, stack().sector)
    grid = plane_grid(crop, UsPlane((79.5, 8.0), spacing_mm), SMALL.size_px)
    mri, present = registered_mri(IMAGES, us_to_mri(POSE), grid, SMALL)
    assert us.shape == (1, 32, 32) and mri.shape == (4, 32, 32)
    assert np.isfinite(us).all() and np.isfinite(mri).all()
    assert np.abs(mri).max() <= SMALL.mri_limit
    assert np.all(mri[~present] == 0)
