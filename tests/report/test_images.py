"""Key images: marks where the lesion is, heat only where the model looked, millimetres that are true."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from breastview.fusion.reading import Eligibility, Heatmap, Reading
from breastview.imaging.case import PixelScale, Role, RoleChoice
from breastview.imaging.volume import FrameStack, Sector, Volume
from breastview.messages import message
from breastview.records.values import Lesion, MriMark, UsMark
from breastview.registration.pair import RegisteredPair, register_pair
from breastview.registration.parameters import RegistrationParameters
from breastview.registration.plane import us_plane
from breastview.report.images import (
    LESION_RGB,
    PLANE_STEP_MM,
    crop_images,
    labelled,
    plane_images,
    slice_image,
    us_images,
)

LESION = Lesion("L1", us=UsMark("us", 0, 60, 40, 100, 80), mri=MriMark("mri", (2.0, 6.0, 0.0)))
POSE = RegistrationParameters((0.0, 0.0, 0.0))


def stack(spacing_mm=(0.1, 0.1)) -> FrameStack:
    scale = PixelScale(spacing_mm, message("scale.region"))
    role = RoleChoice(Role.US_STILL, message("role.us_still"))
    return FrameStack("us", role, np.full((1, 150, 180), 90, np.uint8), scale, Sector(0, 0, 180, 150))


def volume(role: Role = Role.T1WI) -> Volume:
    """1 mm voxels; slices along z from −5, rows along y, columns along x from −20."""
    array = np.zeros((11, 40, 40), np.float32)
    array[5, 4:9, 20:25] = 500.0
    matrix = np.array([[0, 0, 1, -20], [0, 1, 0, 0], [1, 0, 0, -5], [0, 0, 0, 1.0]])
    return Volume("mri", RoleChoice(role, message("role.user")), array, matrix, (250.0, 500.0))


def reading(*heatmaps: Heatmap) -> Reading:
    return Reading("L1", Eligibility(True), False, "TEST", "", "", "CPU", True, heatmaps=heatmaps)


def coloured(picture: np.ndarray) -> np.ndarray:
    """(row, column) of every pixel in the mark's colour."""
    return np.argwhere((picture == LESION_RGB).all(axis=2))


def test_the_box_is_drawn_around_the_marked_pixels():
    (image,) = us_images(stack(), us_plane(stack()), LESION, None)
    zoom = image.picture.shape[1] / 180
    rows, columns = coloured(image.picture).T
    assert (columns.min() / zoom, columns.max() / zoom) == pytest.approx((60.5, 100.5), abs=0.5)
    assert (rows.min() / zoom, rows.max() / zoom) == pytest.approx((40.5, 80.5), abs=0.5)
    assert not image.heat and image.kind == "us"


def test_the_scale_of_a_picture_is_its_own_and_its_pixels_are_square():
    tall = stack(spacing_mm=(0.2, 0.1))
    (image,) = us_images(tall, us_plane(tall), None, None)
    rows, columns = image.picture.shape[:2]
    assert columns * image.mm_per_px == pytest.approx(18.0)
    assert rows * image.mm_per_px == pytest.approx(30.0, rel=0.01)


def test_a_picture_without_scale_has_no_bar():
    (bare,) = us_images(stack(), None, None, None)
    (scaled,) = us_images(stack(), us_plane(stack()), None, None)
    assert bare.mm_per_px is None and len(np.unique(bare.picture)) == 1
    bar = np.argwhere((scaled.picture == 235).all(axis=2))
    assert np.ptp(bar[bar[:, 0] == bar[:, 0].max()][:, 1]) * scaled.mm_per_px == pytest.approx(10.0, abs=0.1)


def test_heat_lies_only_where_the_network_looked():
    heat = Heatmap("us", np.ones((4, 4), np.float32), 1.0, left=60.0, top=40.0, width=30.0, height=30.0)
    plain, hot = us_images(stack(), us_plane(stack()), None, reading(heat))
    zoom = hot.picture.shape[1] / 180
    rows, columns = np.argwhere((plain.picture != hot.picture).any(axis=2)).T
    assert hot.heat and not plain.heat
    assert (columns.min() / zoom, columns.max() / zoom) == pytest.approx((60, 90), abs=1.5)
    assert (rows.min() / zoom, rows.max() / zoom) == pytest.approx((40, 70), abs=1.5)


def test_heat_ends_with_the_sector():
    heat = Heatmap("us", np.ones((4, 4), np.float32), 1.0, left=60.0, top=40.0, width=80.0, height=80.0)
    framed = replace(stack(), sector=Sector(10, 5, 100, 90))
    plain, hot = us_images(framed, us_plane(framed), None, reading(heat))
    zoom = hot.picture.shape[1] / 180
    rows, columns = np.argwhere((plain.picture != hot.picture).any(axis=2)).T
    assert (columns.min() / zoom, columns.max() / zoom) == pytest.approx((60, 100), abs=1.5)
    assert (rows.min() / zoom, rows.max() / zoom) == pytest.approx((40, 90), abs=1.5)


def test_the_second_view_has_its_own_box_and_its_own_heat():
    lesion = replace(LESION, second_us=UsMark("across", 0, 20, 10, 50, 30))
    first = Heatmap("us", np.ones((4, 4), np.float32), 1.0, left=60.0, top=40.0, width=30.0, height=30.0)
    second = Heatmap(
        "us",
        np.ones((4, 4), np.float32),
        1.0,
        left=100.0,
        top=90.0,
        width=30.0,
        height=30.0,
        second_view=True,
    )
    plane = us_plane(stack())
    plain, hot = us_images(stack(), plane, lesion, reading(first, second), second_view=True)
    zoom = hot.picture.shape[1] / 180
    rows, columns = coloured(plain.picture).T / zoom
    assert (columns.min(), columns.max()) == pytest.approx((20.5, 50.5), abs=0.5)
    assert (rows.min(), rows.max()) == pytest.approx((10.5, 30.5), abs=0.5)
    rows, columns = np.argwhere((plain.picture != hot.picture).any(axis=2)).T / zoom
    assert (columns.min(), columns.max()) == pytest.approx((100, 130), abs=1.5)
    assert (rows.min(), rows.max()) == pytest.approx((90, 120), abs=1.5)
    assert [image.us_view for image in (plain, hot)] == [2, 2]
    assert len(us_images(stack(), plane, lesion, reading(first), second_view=True)) == 1, "it was not read"


def test_pictures_say_which_view_they_are_of_only_where_there_are_two():
    two = replace(LESION, second_us=UsMark("across", 0, 20, 10, 50, 30))
    for lesion, view in ((two, 1), (LESION, 0), (None, 0)):
        (us,) = us_images(stack(), us_plane(stack()), lesion, None)
        (mri,) = plane_images(pair(), volume(), lesion, None, "T1WI")
        assert (us.us_view, mri.us_view) == (view, view)


def pair() -> RegisteredPair:
    return register_pair(stack(), 0, {volume().key: volume()}, POSE, spacing_mm=PLANE_STEP_MM)


def test_mri_in_the_us_plane_shows_the_mark_on_the_bright_voxels():
    (image,) = plane_images(pair(), volume(), LESION, None, "T1WI")
    half_mm = 0.075  # the grid's first point is the middle of its pixel, 8.95 mm left of the probe's middle
    x, y = 2.0 + 8.95 + half_mm, 6.0 + half_mm
    row, column = round(y / image.mm_per_px), round(x / image.mm_per_px)
    assert image.picture[row - 2 : row + 3, column - 2 : column + 3].min() > 200
    cross = coloured(image.picture[row - 40 : row + 41, column - 40 : column + 41])
    assert cross.mean(axis=0) == pytest.approx((40, 40), abs=1.5)
    assert (image.kind, image.volume) == ("mri_plane", "T1WI")


def test_mri_heat_is_placed_by_the_mm_of_the_us_plane():
    heat = Heatmap("mri", np.ones((4, 4), np.float32), 1.0, left=-2.0, top=9.0, width=4.0, height=4.0)
    plain, hot = plane_images(pair(), volume(), None, reading(heat), "T1WI")
    rows, columns = np.argwhere((plain.picture != hot.picture).any(axis=2)).T * hot.mm_per_px
    assert (columns.min() - 8.95, columns.max() - 8.95) == pytest.approx((-2.0, 2.0), abs=0.3)
    assert (rows.min(), rows.max()) == pytest.approx((9.0, 13.0), abs=0.3)


def test_heat_of_native_mri_lies_on_the_acquired_plane_around_the_mark_and_not_on_the_us_plane():
    plane = np.eye(4)
    plane[:3, 3] = LESION.mri.point_mm
    heat = Heatmap("mri", np.ones((4, 4), np.float32), 1.0, -5.0, -5.0, 10.0, 10.0, plane)
    plain, hot = crop_images(volume(), LESION, reading(heat), "T1WI")
    assert (plain.kind, plain.heat, hot.heat) == ("mri_crop", False, True)
    assert hot.picture.shape[1] * hot.mm_per_px == pytest.approx(20.0)
    for axis in np.argwhere((plain.picture != hot.picture).any(axis=2)).T * hot.mm_per_px:
        assert (axis.min(), axis.max()) == pytest.approx((5.0, 15.0), abs=0.3)
    assert coloured(hot.picture).mean(axis=0) * hot.mm_per_px == pytest.approx((10.0, 10.0), abs=0.1)
    middle = plain.picture[300:600, 300:600, 2]  # within the scale bar's words
    bright = (np.argwhere(middle > 200) + 300) * plain.mm_per_px
    assert bright.mean(axis=0) == pytest.approx((10.0, 10.0), abs=0.3), "the voxels of the lesion"
    assert len(plane_images(pair(), volume(), LESION, reading(heat), "T1WI")) == 1


def test_without_heat_of_native_mri_there_is_no_crop():
    flat = Heatmap("mri", np.ones((4, 4), np.float32), 1.0, left=-2.0, top=9.0, width=4.0, height=4.0)
    assert crop_images(volume(), LESION, reading(flat), "T1WI") == []
    assert crop_images(volume(), LESION, None, "T1WI") == []


def test_the_slice_is_the_one_through_the_mark_with_patient_directions():
    image, elsewhere = slice_image(volume(), LESION, "T1WI"), slice_image(volume(), None, "T1WI")
    assert len(coloured(image.picture)) > 0 and len(coloured(elsewhere.picture)) == 0
    rows, columns = coloured(image.picture).mean(axis=0) * image.mm_per_px
    assert (columns - 20.5, rows - 0.5) == pytest.approx((2.0, 6.0), abs=0.2)
    edge = image.picture[:, -60:]
    assert (edge == 235).all(axis=2).any()  # the letter at the patient's left


def test_a_mark_outside_the_volume_shows_its_nearest_slice():
    far = Lesion("L1", mri=MriMark("mri", (0.0, 5.0, 90.0)))
    assert slice_image(volume(), far, "T1WI").picture.shape == (900, 900, 3)


def test_a_label_stands_below_the_picture_and_never_over_it():
    picture = np.full((100, 300, 3), 77, np.uint8)
    out = labelled(picture, "SIMULATED · model attention, not lesion outline")
    assert np.array_equal(out[:100], picture)
    strip = np.argwhere(out[100:].max(axis=2) > 100)
    assert len(strip) > 100 and strip[:, 1].max() < 290
