"""Slices in the order of space: what is missing, uneven, doubled, or no stack at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from breastview.imaging.geometry import apply
from breastview.imaging.header import Header
from breastview.imaging.load import load_volume
from breastview.imaging.scan import scan_folder
from breastview.imaging.stack import has_geometry, stack_frames
from breastview.messages import render
from tests.imaging.dicom_files import AXIAL, SAGITTAL, mr_pixels, mr_series, mr_slice, save_all


def frame(position, cosines=AXIAL, number=1, **values) -> Header:
    """A header with nothing but a place."""
    placed = {
        "ImagePositionPatient": tuple(map(float, position)),
        "ImageOrientationPatient": tuple(map(float, cosines)),
        "PixelSpacing": (1.5, 1.0),
        "InstanceNumber": number,
        **values,
    }
    return Header(Path("x"), 0, "", 0, placed)


def at(*heights, **values) -> list[Header]:
    return [frame((0, 0, z), number=n, **values) for n, z in enumerate(heights, 1)]


def said(stack) -> list[str]:
    return [render(note) for note in stack.notes]


@settings(max_examples=60, deadline=None)
@given(
    turn=st.tuples(*[st.floats(-180, 180)] * 3),
    origin=st.tuples(*[st.floats(-300, 300)] * 3),
    step_mm=st.floats(0.6, 8),
    order=st.permutations(range(6)),
)
def test_slices_in_any_order_and_orientation_make_one_even_grid(turn, origin, step_mm, order):
    axes = Rotation.from_euler("xyz", turn, degrees=True).as_matrix()
    places = [np.array(origin) + n * step_mm * axes[:, 2] for n in order]
    stack = stack_frames([frame(place, axes[:, :2].T.ravel()) for place in places])
    assert stack.numbers == (0, 1, 2, 3, 4, 5)
    assert stack.notes == ()
    for number, one in enumerate(stack.frames):
        corner = apply(stack.index_to_lps, np.array([number, 0, 0]))
        np.testing.assert_allclose(corner, one.values["ImagePositionPatient"], atol=1e-3)


def test_one_missing_slice_leaves_its_place(tmp_path):
    save_all(tmp_path, (mr_slice(n) for n in (0, 1, 3, 4)))
    case = scan_folder(tmp_path)
    (volume,) = case.volumes
    assert volume.shape == (5, 40, 48)
    assert volume.spacing_mm == pytest.approx((3.0, 1.5, 1.0))
    assert [render(note) for note in volume.notes] == ["Slices are missing: 1. They stay black."]
    assert case.problems == ()
    loaded = load_volume(volume)
    assert not loaded.array[2].any()
    np.testing.assert_array_equal(loaded.array[3], mr_pixels(3))
    assert loaded.notes == volume.notes


def test_several_gaps_are_counted():
    stack = stack_frames(at(0, 3, 9, 12, 15, 24, 27, 30, 33, 36))
    assert stack.numbers == (0, 1, 3, 4, 5, 8, 9, 10, 11, 12)
    assert said(stack) == ["Slices are missing: 3. They stay black."]


def test_every_second_slice_is_a_coarser_volume_and_no_gap():
    stack = stack_frames(at(0, 6, 12, 18, SpacingBetweenSlices=3.0))
    assert stack.numbers == (0, 1, 2, 3)
    assert stack.notes == ()
    assert stack.index_to_lps[2, 0] == pytest.approx(6.0)


def test_uneven_slices_are_said_with_their_distances():
    stack = stack_frames(at(0, 3, 6, 9.4, 12.4))
    assert stack.numbers == (0, 1, 2, 3, 4)
    assert said(stack) == [
        "Slices are unevenly spaced, 3.0 to 3.4 mm; distances through them are approximate."
    ]
    assert stack.index_to_lps[2, 0] == pytest.approx(12.4 / 4)


def test_rounded_positions_are_even():
    assert stack_frames(at(0, 3.33, 6.67, 10.0, 13.33)).notes == ()


def test_a_tilted_gantry_gives_a_sheared_grid():
    """Slices that shift steadily in their own plane: the step is no normal, and that is kept."""
    stack = stack_frames([frame((0, 0.5 * n, 3 * n)) for n in range(5)])
    assert stack.notes == ()
    np.testing.assert_allclose(stack.index_to_lps[:3, 0], (0, 0.5, 3))


def test_slices_scattered_sideways_have_no_depth():
    stack = stack_frames([frame((40 * (n % 2), 0, 3 * n), number=9 - n) for n in range(6)])
    assert said(stack) == ["These images make no even stack: distances through them have no meaning."]
    assert [one.values["InstanceNumber"] for one in stack.frames] == [4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize("cosines", [AXIAL, SAGITTAL], ids=["axial", "sagittal"])
def test_where_the_middle_is_missing_the_rest_lies_where_it_was_acquired(cosines):
    """Of sagittal slices from right to left the normal looks the other way."""
    along = np.cross(cosines[:3], cosines[3:])
    places = [4.0 * n * along for n in range(71) if n < 25 or n > 55]
    stack = stack_frames([frame(place, cosines, n) for n, place in enumerate(places[::-1])])
    assert said(stack) == ["Slices are missing: 31. They stay black."]
    for number, one in zip(stack.numbers, stack.frames, strict=True):
        corner = apply(stack.index_to_lps, np.array([number, 0, 0]))
        np.testing.assert_allclose(corner, one.values["ImagePositionPatient"], atol=1e-6)


def test_images_at_one_place_have_no_depth():
    stack = stack_frames([frame((0, 0, 0), number=n) for n in (3, 1, 2)])
    assert [note.code for note in stack.notes] == ["scan.no_depth"]
    assert [one.values["InstanceNumber"] for one in stack.frames] == [1, 2, 3]


@pytest.mark.parametrize(
    ("named", "step_mm"),
    [
        ({"SpacingBetweenSlices": 3.3, "SliceThickness": 3.0}, 3.3),
        ({"SpacingBetweenSlices": -3.3}, 3.3),
        ({"SliceThickness": 4.0}, 4.0),
        ({"SpacingBetweenSlices": 1e300, "SliceThickness": 4.0}, 4.0),
    ],
)
def test_the_thickness_of_a_single_slice(named, step_mm):
    stack = stack_frames([frame((1, 2, 3), **named)])
    np.testing.assert_allclose(stack.index_to_lps[:, 0], (0, 0, step_mm, 0))
    assert stack.numbers == (0,)


@pytest.mark.parametrize(
    "damage",
    [
        {"ImagePositionPatient": None},
        {"ImagePositionPatient": (0.0, 0.0)},
        {"ImagePositionPatient": (0.0, 0.0, 1e308)},
        {"ImagePositionPatient": (0.0, 0.0, float("nan"))},
        {"ImageOrientationPatient": (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)},
        {"ImageOrientationPatient": (2.0, 0.0, 0.0, 0.0, 2.0, 0.0)},
        {"ImageOrientationPatient": (0.0,) * 6},
        {"PixelSpacing": (0.0, 1.0)},
        {"PixelSpacing": (-1.0, 1.0)},
        {"PixelSpacing": (1.0,)},
        {"PixelSpacing": (1.0, 1e200)},
    ],
    ids=str,
)
def test_a_place_must_make_sense(damage):
    sound = frame((0, 0, 0))
    assert has_geometry(sound)
    assert not has_geometry(replace(sound, values={**sound.values, **damage}))


def test_a_damaged_position_never_stops_the_scan(tmp_path):
    far = mr_slice(9, ImagePositionPatient=["0", "0", "1e308"])
    save_all(tmp_path, mr_series(3), far)
    case = scan_folder(tmp_path)
    assert [(p.path, p.reason.code) for p in case.problems] == [("IM0003", "problem.no_geometry")]
    assert case.volumes[0].shape[0] == 3
