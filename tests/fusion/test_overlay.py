"""Pictures over pictures: weak evidence stays transparent, places are kept."""

from __future__ import annotations

import numpy as np
import pytest

from breastview.fusion.overlay import SIDE_PX, blend, heatmap_rgba, over, rect_in_slice, within
from breastview.fusion.reading import Heatmap
from breastview.imaging.geometry import index_to_lps, slice_plane
from breastview.imaging.volume import Sector


def heatmap(values) -> Heatmap:
    return Heatmap("us", np.asarray(values, np.float32), 1.0, 0.0, 0.0, 10.0, 10.0)


def test_no_evidence_is_transparent_and_full_evidence_opaque():
    rgba = heatmap_rgba(heatmap([[0.0, 1.0], [0.0, 1.0]]))
    assert (rgba.shape, rgba.dtype) == ((SIDE_PX, SIDE_PX, 4), np.uint8)
    assert np.all(rgba[:, 0, 3] == 0) and np.all(rgba[:, -1, 3] == 255)


def test_weak_evidence_stays_weak():
    weak = heatmap_rgba(heatmap(np.full((3, 3), 0.1)))
    assert np.all(weak[..., 3] == int(0.16 * 255))


def test_colours_rise_in_lightness_so_that_they_read_in_grey():
    rgba = heatmap_rgba(heatmap(np.tile(np.linspace(0, 1, 12), (12, 1))))
    grey = rgba[0, :, :3] @ [0.299, 0.587, 0.114]
    assert np.all(np.diff(grey) >= -1) and grey[-1] > grey[0] + 150


def test_a_heatmap_lies_where_it_belongs_and_nowhere_else():
    grey = np.full((40, 60), 100, np.uint8)
    red = np.tile(np.array([255, 0, 0, 255], np.uint8), (8, 8, 1))
    picture = over(grey, red, (20, 10, 16, 12), opacity=0.5)
    assert (picture.shape, picture.dtype) == ((40, 60, 3), np.uint8)
    covered = np.any(picture != 100, axis=-1)
    assert np.argwhere(covered).min(axis=0).tolist() == [10, 20]
    assert np.argwhere(covered).max(axis=0).tolist() == [21, 35]
    assert picture[16, 28].tolist() == [178, 50, 50]


def test_a_heatmap_that_overhangs_the_picture_is_cut_at_its_edge():
    grey = np.zeros((20, 20), np.uint8)
    white = np.full((4, 4, 4), 255, np.uint8)
    covered = over(grey, white, (-8, 12, 16, 16), opacity=1.0)[..., 0] > 0
    assert covered[12:, :8].all() and covered.sum() == 8 * 8


def test_a_native_heatmap_lies_on_its_slice_and_on_no_other():
    axial = index_to_lps((-50.0, -40.0, 0.0), (1, 0, 0, 0, 1, 0), (0.8, 0.5), (0, 0, 4.0))
    sagittal = index_to_lps((0.0, -40.0, 30.0), (0, 1, 0, 0, 0, -1), (0.8, 0.8), (4.0, 0, 0))
    plane = np.eye(4)
    plane[:3, 3] = 10.0, -8.0, 9.0  # a quarter of a step behind the third slice
    lying = Heatmap("mri", np.ones((2, 2), np.float32), 1.0, -20.0, -20.0, 40.0, 40.0, plane)
    middle = (60.0 / 0.5 + 0.5, 32.0 / 0.8 + 0.5)
    rect = rect_in_slice(lying, slice_plane(axial, 2))
    assert rect == pytest.approx((middle[0] - 40, middle[1] - 25, 80, 50))
    assert [number for number in range(9) if rect_in_slice(lying, slice_plane(axial, number))] == [2]
    assert rect_in_slice(lying, slice_plane(sagittal, 2)) is None
    assert rect_in_slice(heatmap([[1.0]]), slice_plane(axial, 2)) is None


def test_a_heatmap_ends_at_the_border_of_the_sector():
    grey = np.zeros((100, 120), np.uint8)
    white, rect = np.full((192, 192, 4), 255, np.uint8), (10.0, 30.0, 80.0, 80.0)
    covered = over(grey, within(white, rect, Sector(20, 5, 80, 90)), rect, opacity=1.0)[..., 0] > 0
    assert np.argwhere(covered).min(axis=0) == pytest.approx([30, 20], abs=1)
    assert np.argwhere(covered).max(axis=0) == pytest.approx([89, 79], abs=1)
    assert not covered[:, :20].any() and not covered[:, 80:].any() and not covered[90:].any()
    assert white.all(), "what was given stays"


def test_a_heatmap_inside_the_sector_is_whole():
    white = np.full((8, 8, 4), 255, np.uint8)
    assert np.array_equal(within(white, (20, 20, 16, 16), Sector(0, 0, 60, 60)), white)


def test_no_opacity_changes_nothing():
    grey = np.arange(400, dtype=np.uint8).reshape(20, 20)
    shown = over(grey, np.full((4, 4, 4), 255, np.uint8), (0, 0, 20, 20), opacity=0.0)
    assert np.array_equal(shown, np.repeat(grey[..., None], 3, axis=-1))


@pytest.mark.parametrize(
    ("opacity", "colour"), [(0.0, [80, 80, 80]), (1.0, [200, 154, 75]), (0.5, [140, 117, 78])]
)
def test_us_and_mri_are_mixed_on_the_grid_of_the_mri(opacity, colour):
    us, mri = np.full((120, 80), 80, np.uint8), np.full((30, 20), 200, np.uint8)
    mixed = blend(us, mri, opacity)
    assert (mixed.shape, mixed.dtype) == ((30, 20, 4), np.uint8)
    assert mixed[15, 10].tolist() == [*colour, 255]


def test_a_map_without_evidence_for_malignancy_has_nothing_to_show():
    assert not heatmap([[0.0, 0.1], [0.0, 0.0]]).shows
    assert heatmap([[0.0, 0.2], [0.0, 0.0]]).shows
