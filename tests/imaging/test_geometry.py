"""Array indices to DICOM LPS millimetres and back: the numbers of PS3.3 C.7.6.2.1.1."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from breastview.imaging.geometry import (
    apply,
    beside,
    direction_letters,
    edge_letters,
    in_picture,
    index_to_lps,
    lps_text,
    orientation_name,
    plane_normal,
    ras_to_lps,
    same_orientation,
    slice_plane,
    slice_through,
)

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
angles = st.tuples(*[st.floats(-180, 180)] * 3)
positions = st.tuples(*[st.floats(-400, 400)] * 3)


def dicom_equation(position, cosines, spacing, column, row):
    """PS3.3 equation C.7.6.2.1-1, written out for one pixel of one slice."""
    return [
        position[k] + cosines[k] * spacing[1] * column + cosines[3 + k] * spacing[0] * row for k in range(3)
    ]


@given(angles, positions, st.floats(0.1, 5), st.floats(0.1, 5), st.floats(0.5, 10))
def test_every_index_goes_where_the_standard_says(turn, position, row_mm, column_mm, slice_mm):
    axes = Rotation.from_euler("xyz", turn, degrees=True).as_matrix()
    cosines = (*axes[:, 0], *axes[:, 1])
    normal = np.array(plane_normal(cosines))
    np.testing.assert_allclose(normal, axes[:, 2], atol=1e-9)
    matrix = index_to_lps(position, cosines, (row_mm, column_mm), normal * slice_mm)
    third = np.array(position) + 3 * slice_mm * normal
    wanted = dicom_equation(third, cosines, (row_mm, column_mm), column=7, row=5)
    np.testing.assert_allclose(apply(matrix, np.array([3, 5, 7])), wanted, atol=1e-6)
    np.testing.assert_allclose(slice_through(matrix, wanted), (3, 5, 7), atol=1e-6)
    assert not matrix.flags.writeable


def test_many_points_at_once():
    matrix = index_to_lps((10, 20, 30), AXIAL, (2.0, 0.5), (0, 0, 4))
    points = np.array([[[0, 0, 0], [1, 0, 0]], [[0, 1, 0], [0, 0, 1]]])
    wanted = [[[10, 20, 30], [10, 20, 34]], [[10, 22, 30], [10.5, 20, 30]]]
    np.testing.assert_allclose(apply(matrix, points), wanted)


def test_nifti_axes_turn_to_ours():
    """RAS (i, j, k) = (1, 2, 3) is LPS (slice, row, column) = (3, 2, 1)."""
    affine = np.array([[2.0, 0, 0, -10], [0, 3.0, 0, -20], [0, 0, 4.0, -30], [0, 0, 0, 1]])
    ras = affine @ [1, 2, 3, 1]
    lps = ras_to_lps(affine) @ [3, 2, 1, 1]
    np.testing.assert_allclose(lps, [-ras[0], -ras[1], ras[2], 1])
    np.testing.assert_allclose(lps, [8, 14, -18, 1])


@pytest.mark.parametrize(
    ("cosines", "name"), [(AXIAL, "axial"), (SAGITTAL, "sagittal"), (CORONAL, "coronal")]
)
def test_planes_are_named_by_their_normal(cosines, name):
    assert orientation_name(np.array(plane_normal(cosines))) == name


def test_a_plane_between_two_names_is_oblique():
    assert orientation_name(np.array([0.0, 1.0, 1.0])) == "oblique"
    assert orientation_name(np.array([0.0, 0.5, -3.0])) == "axial"


def test_rounded_cosines_are_one_orientation():
    assert same_orientation(AXIAL, (0.99999, 0.004, 0, -0.004, 0.99999, 0))
    assert not same_orientation(AXIAL, (0.999, 0.04, 0, -0.04, 0.999, 0))


@pytest.mark.parametrize(
    ("cosines", "letters"), [(AXIAL, "RALP"), (SAGITTAL, "ASPI"), (CORONAL, "RSLI")], ids=str
)
def test_the_letters_at_the_edges(cosines, letters):
    matrix = index_to_lps((0, 0, 0), cosines, (1, 1), plane_normal(cosines))
    assert "".join(edge_letters(matrix[:3, 2], matrix[:3, 1])) == letters


@pytest.mark.parametrize("number", range(6))
def test_direction_letters(number):
    vector = np.array([0.1, 0.1, 0.1])
    vector[number % 3] = 1 if number < 3 else -1
    assert direction_letters(vector) == "LPSRAI"[number]


def test_a_direction_between_two_is_named_by_both_the_nearer_first():
    assert direction_letters(np.array([0.0, 1.0, -0.6])) == "PI"
    assert direction_letters(np.array([-0.6, 0.2, 1.0])) == "SR"


def test_a_point_as_a_reader_says_it():
    assert lps_text(np.array([-34.21, -18.0, 71.46])) == "R 34.2 A 18.0 S 71.5 mm"
    assert lps_text(np.array([1.0, 2.0, -3.0])) == "L 1.0 P 2.0 I 3.0 mm"


def test_a_slice_s_picture_has_the_middle_of_its_first_pixel_at_a_half():
    matrix = index_to_lps((10.0, 20.0, 30.0), SAGITTAL, (2.0, 0.5), (4.0, 0.0, 0.0))
    plane = slice_plane(matrix, 3)
    np.testing.assert_allclose(apply(plane, np.array([0.5, 0.5, 0.0])), [22.0, 20.0, 30.0])
    np.testing.assert_allclose(apply(plane, np.array([2.5, 1.5, 0.0])), [22.0, 21.0, 28.0])
    np.testing.assert_allclose(beside(plane, (0.0, 0.0, 0.0), (1.0, 2.0, 3.0)), [3.0, 1.0, -2.0])
    points = np.array([[22.0, 20.0, 30.0], [23.9, 20.5, 30.0], [24.1, 20.0, 30.0]])
    np.testing.assert_allclose(in_picture(plane, points, 0.5), [[0.5, 0.5], [1.5, 0.5]])
