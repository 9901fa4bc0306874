"""MRI in the US plane: against formulas, and against SimpleITK's resampler."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - its own usual name
from hypothesis import given
from hypothesis import strategies as st

from breastview.imaging.geometry import frozen
from breastview.imaging.volume import Sector, Volume
from breastview.registration.pair import register_pair
from breastview.registration.parameters import RegistrationParameters, WarpPoint
from breastview.registration.plane import PlaneGrid, UsPlane
from breastview.registration.resample import resample_plane
from breastview.registration.transform import map_points, us_to_mri
from tests.registration.examples import oblique, poses, still, volume_of

GRID = PlaneGrid(left_mm=-12.0, top_mm=0.0, spacing_mm=0.5, rows=60, columns=49)
MATRIX = oblique((4.0, 1.2, 0.9), first_mm=(-40.0, -70.0, -50.0))
SHAPE = (26, 70, 90)
POSE = RegistrationParameters((4.0, -45.0, 8.0), (15.0, -20.0, 35.0), scale=1.05)


def ramp(lps: np.ndarray) -> np.ndarray:
    return 100.0 + lps @ [1.0, -2.0, 3.0]


def waves(lps: np.ndarray) -> np.ndarray:
    return 50.0 * np.sin(lps @ [0.11, 0.07, 0.05]) * np.cos(lps @ [-0.03, 0.09, 0.08])


def points(grid: PlaneGrid) -> np.ndarray:
    """The grid's US-plane mm (rows, columns, 2)."""
    x = grid.left_mm + grid.spacing_mm * np.arange(grid.columns)
    y = grid.top_mm + grid.spacing_mm * np.arange(grid.rows)
    return np.stack(np.meshgrid(x, y), axis=-1)


def sampled(volume: Volume, pose: RegistrationParameters, grid: PlaneGrid = GRID, **how) -> np.ndarray:
    return resample_plane(volume.array, volume.index_to_lps, us_to_mri(pose), grid, **how)


def by_simpleitk(volume: Volume, pose: RegistrationParameters, grid: PlaneGrid) -> np.ndarray:
    """The same plane by SimpleITK: an image of one slice whose frame is the US plane's."""
    image = sitk.GetImageFromArray(volume.array)
    along = volume.index_to_lps[:3, [2, 1, 0]]
    spacing = np.linalg.norm(along, axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((along / spacing).ravel().tolist())
    image.SetOrigin(volume.index_to_lps[:3, 3].tolist())
    matrix = us_to_mri(pose)
    plane = sitk.ResampleImageFilter()
    plane.SetSize((grid.columns, grid.rows, 1))
    plane.SetOutputSpacing([grid.spacing_mm * pose.scale] * 2 + [1.0])
    plane.SetOutputDirection((matrix[:3, :3] / pose.scale).ravel().tolist())
    plane.SetOutputOrigin((matrix @ [grid.left_mm, grid.top_mm, 0.0, 1.0])[:3].tolist())
    plane.SetInterpolator(sitk.sitkLinear)
    plane.SetDefaultPixelValue(float("nan"))
    return sitk.GetArrayFromImage(plane.Execute(image))[0]


def test_a_linear_volume_is_sampled_exactly():
    volume = volume_of(ramp, SHAPE, MATRIX)
    plane = sampled(volume, POSE)
    assert plane.dtype == np.float32 and plane.shape == (60, 49)
    np.testing.assert_allclose(plane, ramp(map_points(POSE, points(GRID))), atol=1e-3)


@given(pose=poses)
def test_wherever_the_plane_lies_the_formula_holds_or_it_is_outside(pose):
    plane = sampled(volume_of(ramp, SHAPE, MATRIX), pose)
    lps = map_points(pose, points(GRID))
    index = (lps - MATRIX[:3, 3]) @ np.linalg.inv(MATRIX[:3, :3]).T
    inside = ((index > 0) & (index < np.array(SHAPE) - 1)).all(axis=-1)
    np.testing.assert_array_equal(np.isfinite(plane), inside)
    np.testing.assert_allclose(plane[inside], ramp(lps)[inside], atol=5e-3)


@given(turn=st.tuples(*[st.floats(-80.0, 80.0)] * 3))
def test_simpleitk_samples_the_same(turn):
    volume, pose = volume_of(waves, SHAPE, MATRIX), replace(POSE, angles_deg=turn)
    ours, theirs = sampled(volume, pose), by_simpleitk(volume, pose, GRID)
    inside = np.isfinite(ours)
    assert inside.mean() > 0.3
    np.testing.assert_allclose(ours[inside], theirs[inside], atol=2e-3)


def test_integers_are_sampled_without_overflow():
    array = np.full((3, 4, 5), 65535, np.uint16)
    plane = resample_plane(array, np.eye(4), np.eye(4), PlaneGrid(0.0, 0.0, 1.0, 2, 2))
    np.testing.assert_array_equal(plane, np.full((2, 2), 65535.0))


def test_a_volume_of_one_slice_is_sampled_in_it_alone():
    array = frozen(np.arange(12, dtype=np.int16).reshape(1, 3, 4))
    matrix = np.eye(4)[:, [2, 1, 0, 3]]
    grid = PlaneGrid(0.0, 0.0, 0.5, 2, 3)
    plane = resample_plane(array, matrix, np.eye(4), grid)
    np.testing.assert_array_equal(plane, [[0.0, 0.5, 1.0], [2.0, 2.5, 3.0]])
    above = us_to_mri(RegistrationParameters((0.0, 0.0, 0.1)))
    assert np.isnan(resample_plane(array, matrix, above, grid)).all()


def test_a_large_plane_has_no_seams():
    """It is looked up in bands of points: the same as the whole plane by SimpleITK."""
    volume, grid = volume_of(waves, SHAPE, MATRIX), PlaneGrid(-12.0, 0.0, 0.1, rows=300, columns=245)
    ours, theirs = sampled(volume, POSE, grid), by_simpleitk(volume, POSE, grid)
    assert np.isfinite(ours).all()
    np.testing.assert_allclose(ours, theirs, atol=2e-3)


@pytest.mark.parametrize("number", [0, 25])
def test_a_plane_in_the_outermost_slice_is_inside(number):
    """However the volume is turned: an error of rounding is not outside."""
    volume = volume_of(ramp, SHAPE, MATRIX)
    matrix = np.eye(4)
    matrix[:3, :3] = MATRIX[:3, [2, 1, 0]] / (0.9, 1.2, 4.0)
    matrix[:3, 3] = (MATRIX @ [number, 10.0, 10.0, 1.0])[:3]
    plane = resample_plane(volume.array, MATRIX, matrix, PlaneGrid(0.0, 0.0, 1.0, 40, 40))
    assert np.isfinite(plane).all()


def test_a_plane_beside_the_volume_is_empty():
    plane = sampled(volume_of(ramp, SHAPE, MATRIX), replace(POSE, centre_mm=(900.0, 0.0, 0.0)))
    assert np.isnan(plane).all() and plane.shape == (60, 49)


def test_a_warp_moves_where_the_mri_is_looked_up():
    bent = replace(POSE, warp=(WarpPoint((0.0, 15.0), (3.0, -2.0, 1.5), 12.0),))
    volume = volume_of(ramp, SHAPE, MATRIX)
    plane = sampled(volume, bent, warp=bent.warp)
    assert plane.dtype == np.float32
    np.testing.assert_allclose(plane, ramp(map_points(bent, points(GRID))), atol=1e-3)
    assert np.nanmax(np.abs(plane - sampled(volume, POSE))) > 1.0


def test_a_warp_without_shift_changes_nothing():
    volume = volume_of(waves, SHAPE, MATRIX)
    idle = (WarpPoint((0.0, 15.0), (0.0, 0.0, 0.0), 12.0),)
    np.testing.assert_allclose(sampled(volume, POSE, warp=idle), sampled(volume, POSE), atol=1e-4)


def test_every_pose_and_every_warp_is_looked_up_anew():
    """The warped grid is kept between poses: neither another pose nor another warp may be taken for it."""
    volume = volume_of(ramp, SHAPE, MATRIX)
    for shift in ((3.0, -2.0, 1.5), (-2.0, 1.0, 0.5)):
        for centre in ((4.0, -45.0, 8.0), (6.0, -44.0, 7.0)):
            bent = replace(POSE, centre_mm=centre, warp=(WarpPoint((0.0, 15.0), shift, 12.0),))
            expected = ramp(map_points(bent, points(GRID)))
            np.testing.assert_allclose(sampled(volume, bent, warp=bent.warp), expected, atol=1e-3)


def test_a_registered_pair_shows_every_volume_in_the_us_plane():
    stack = still((0.2, 0.2), Sector(100, 10, 201, 160))
    volume = volume_of(ramp, SHAPE, MATRIX)
    other = Volume("other", volume.role, frozen(volume.array * 2), volume.index_to_lps, volume.window)
    warp = (WarpPoint((0.0, 15.0), (1.0, 0.0, 0.0), 10.0),)
    pose = replace(POSE, warp=warp)
    pair = register_pair(stack, 0, {"mri": volume, "other": other}, pose, spacing_mm=0.5)
    assert (pair.frames_key, pair.frame, pair.parameters) == ("us", 0, pose)
    assert pair.us.shape == (200, 300)
    assert pair.plane == UsPlane((150.0, 10.0), (0.2, 0.2))
    assert pair.grid == PlaneGrid(-10.0, 0.0, 0.5, rows=60, columns=41)
    expected = ramp(map_points(pose, points(pair.grid)))
    np.testing.assert_allclose(pair.mri["mri"], expected, atol=1e-3)
    np.testing.assert_allclose(pair.mri["other"], 2 * expected, atol=2e-3)


def test_a_registered_pair_follows_the_reader_s_calibration():
    stack = still(None, Sector(100, 10, 201, 160))
    pair = register_pair(stack, 0, {}, POSE, calibration=(0.1, 0.1))
    assert pair.plane.spacing_mm == (0.1, 0.1)
    assert pair.grid.width_mm == 10.25
