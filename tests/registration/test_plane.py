"""US pixels ⇄ mm, the grid over the sector, and no millimetres without a scale."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from breastview.errors import RegistrationError
from breastview.imaging.geometry import apply
from breastview.imaging.volume import Sector
from breastview.registration.plane import (
    FACE_POINTS,
    PlaneGrid,
    UsPlane,
    probe_face_mm,
    section_in_slice,
    sector_grid,
    us_plane,
)
from tests.registration.examples import still

SECTOR = Sector(left=50, top=20, right=251, bottom=180)
spacings = st.floats(0.01, 1.0)
pixels = st.tuples(st.floats(-2000.0, 2000.0), st.floats(-2000.0, 2000.0))


def test_the_origin_is_the_middle_of_the_probe_face_in_the_sector():
    plane = us_plane(still((0.1, 0.2), SECTOR))
    assert plane.origin_px == (150.0, 20.0)
    np.testing.assert_allclose(plane.px_to_mm([150.0, 20.0]), [0.0, 0.0])


def test_columns_run_along_x_and_rows_along_depth():
    plane = us_plane(still((0.1, 0.2), SECTOR))
    np.testing.assert_allclose(plane.px_to_mm([160.0, 70.0]), [2.0, 5.0])
    np.testing.assert_allclose(plane.mm_to_px([2.0, 5.0]), [160.0, 70.0])


@given(origin=pixels, spacing=st.tuples(spacings, spacings), px=pixels)
def test_a_pixel_comes_back_from_millimetres(origin, spacing, px):
    plane = UsPlane(origin, spacing)
    np.testing.assert_allclose(plane.mm_to_px(plane.px_to_mm(px)), px, atol=1e-9)


def test_the_plane_s_matrix_is_the_same_map():
    plane = us_plane(still((0.1, 0.2), SECTOR))
    np.testing.assert_allclose(apply(plane.matrix(), np.array([160.0, 70.0, 3.0])), [2.0, 5.0, 3.0])


def test_the_probe_s_face_is_the_top_of_the_sector_without_its_ends():
    face = np.array(probe_face_mm(still((0.1, 0.2), SECTOR), us_plane(still((0.1, 0.2), SECTOR))))
    assert len(face) == FACE_POINTS and np.abs(face[:, 1]).max() == 0.0
    assert np.diff(face[:, 0]) == pytest.approx(0.2 * 201 / (FACE_POINTS + 1))
    assert face[:, 0].mean() == pytest.approx(0.1)


def test_millimetres_are_never_invented():
    with pytest.raises(RegistrationError) as raised:
        us_plane(still(None, SECTOR))
    assert raised.value.message.code == "registration.no_scale"


def test_what_the_reader_measured_goes_before_the_header():
    assert us_plane(still(None, SECTOR), (0.3, 0.4)).spacing_mm == (0.3, 0.4)
    assert us_plane(still((0.1, 0.1), SECTOR), (0.3, 0.4)).spacing_mm == (0.3, 0.4)


def test_a_grid_covers_the_sector_with_square_pixels():
    stack = still((0.1, 0.2), SECTOR)
    grid = sector_grid(stack, us_plane(stack), spacing_mm=0.5)
    assert (grid.left_mm, grid.top_mm) == (-20.0, 0.0)
    assert (grid.columns, grid.rows) == (81, 32)  # 40 mm and 15.9 mm
    assert (grid.width_mm, grid.height_mm) == (40.5, 16.0)
    last = grid.left_mm + grid.spacing_mm * (grid.columns - 1)
    assert us_plane(stack).mm_to_px([last, 0.0])[0] == pytest.approx(SECTOR.right - 1)


def test_a_grid_is_described_by_its_first_pixel_and_its_size():
    assert PlaneGrid(-1.0, 2.0, 0.25, rows=8, columns=4).width_mm == 1.0


def test_a_plane_across_the_slices_shows_in_each_as_a_narrow_band():
    across = [[0, 10, 5], [0, 10, 25], [8, 30, 25], [8, 30, 5]]  # (slice, row, column)
    section = section_in_slice(across, 4)
    np.testing.assert_allclose(section[0], section[-1])  # closed
    np.testing.assert_allclose(np.unique(section[:, 0]), [5.0, 25.0])
    np.testing.assert_allclose(np.unique(section[:, 1].round(6)), [18.75, 21.25])  # 20 ± half a slice


def test_a_plane_along_the_slices_shows_whole_in_its_own_and_not_in_others():
    along = [[3, 10, 5], [3, 10, 25], [3, 30, 25], [3, 30, 5]]
    assert len(section_in_slice(along, 3)) == 5
    assert len(section_in_slice(along, 4)) == 0
