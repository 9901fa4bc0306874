"""Grey levels, and phases minus one another."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from breastview.errors import CaseError
from breastview.imaging.case import Role
from breastview.imaging.display import default_window, thumbnail, to_uint8
from breastview.imaging.dynamic import subtraction
from breastview.imaging.load import load_middle_slice, load_volume
from breastview.imaging.scan import scan_folder
from breastview.messages import render
from tests.imaging.dicom_files import dce_series, mr_pixels, mr_series, mr_slice, save_all


def test_a_window_maps_its_ends_to_black_and_white():
    levels = to_uint8(np.array([[-50, 0, 50, 100, 150]]), (50.0, 100.0))
    assert levels.dtype == np.uint8
    assert levels.tolist() == [[0, 0, 127, 255, 255]]


@given(st.lists(st.integers(0, 4000), min_size=2), st.floats(-500, 4000), st.floats(0, 4000))
def test_brighter_stays_brighter(values, centre, width):
    levels = to_uint8(np.sort(np.array(values)), (centre, width))
    assert (np.diff(levels.astype(int)) >= 0).all()


def test_nan_is_black_and_integers_do_not_wrap():
    assert to_uint8(np.array([np.nan, 1.0]), (0.5, 1.0)).tolist() == [0, 255]
    assert to_uint8(np.array([0, 65535], np.uint16), (100.0, 200.0)).tolist() == [0, 255]


def test_the_window_of_a_volume_ignores_black_borders_and_a_bright_vessel():
    array = np.zeros((4, 100, 100), np.uint16)
    array[:, 20:80, 20:80] = np.random.default_rng(1).integers(100, 300, (4, 60, 60))
    array[0, 50, 50] = 60000
    centre, width = default_window(array)
    assert centre == pytest.approx(200, abs=5)
    assert width == pytest.approx(200, abs=8)


@pytest.mark.parametrize("array", [np.zeros((2, 3)), np.full((9, 9), np.nan), np.ones(1)], ids=str)
def test_a_window_where_there_is_nothing_to_see(array):
    assert default_window(array) == (0.5, 1.0)


def test_a_thumbnail_has_at_most_the_side_asked_for():
    assert thumbnail(np.zeros((300, 401)), 100).shape == (60, 81)
    assert thumbnail(np.zeros((30, 40, 3)), 100).shape == (30, 40, 3)


def test_the_window_of_the_header_is_kept(tmp_path):
    save_all(tmp_path, mr_series(3, WindowCenter=[600, 300], WindowWidth=[900, 100]))
    assert load_volume(scan_folder(tmp_path).volumes[0]).window == (600.0, 900.0)


def test_where_each_slice_has_a_window_that_of_the_middle_one_is_kept(tmp_path):
    widths = (100, 250, 900, 300, 120)
    save_all(tmp_path, (mr_slice(n, WindowCenter=50, WindowWidth=width) for n, width in enumerate(widths)))
    assert load_volume(scan_folder(tmp_path).volumes[0]).window == (50.0, 900.0)


@pytest.mark.parametrize("width", [0, -5])
def test_a_window_without_width_is_replaced(tmp_path, width):
    save_all(tmp_path, mr_series(3, WindowCenter=600, WindowWidth=width))
    (volume,) = scan_folder(tmp_path).volumes
    assert volume.window is None
    assert load_volume(volume).window[1] > 1


def test_the_middle_slice_for_a_thumbnail(tmp_path):
    save_all(tmp_path, mr_series(5))
    (volume,) = scan_folder(tmp_path).volumes
    middle = mr_pixels(2)
    np.testing.assert_array_equal(load_middle_slice(volume), to_uint8(middle, default_window(middle)))
    (tmp_path / "IM0002").unlink()
    assert load_middle_slice(volume) is None


def test_post_minus_pre(tmp_path):
    save_all(tmp_path, dce_series(3))
    pre, _, post = map(load_volume, scan_folder(tmp_path).volumes)
    uptake = subtraction(post, pre)
    assert uptake.array.dtype == np.float32
    assert not uptake.array.flags.writeable
    np.testing.assert_array_equal(uptake.array, np.full(pre.array.shape, 100.0))
    np.testing.assert_array_equal(uptake.index_to_lps, pre.index_to_lps)
    assert uptake.role.role is Role.SUBTRACTION
    assert render(uptake.role.reason) == "DCE 3 − DCE 1, computed here"
    negative = subtraction(pre, post)
    assert (negative.array == -100).all(), "no unsigned wrap"


@pytest.mark.parametrize("change", [{"spacing_mm": 4.0}, {"ImageOrientationPatient": [0, 1, 0, 1, 0, 0]}])
def test_phases_on_other_grids_are_not_subtracted(tmp_path, change):
    save_all(tmp_path, dce_series(1), dce_series(1, series=40, **change))
    one, other = map(load_volume, scan_folder(tmp_path).volumes)
    with pytest.raises(CaseError) as caught:
        subtraction(one, other)
    assert caught.value.message.code == "dynamic.grids_differ"
