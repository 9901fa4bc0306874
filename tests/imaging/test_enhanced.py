"""Enhanced multi-frame MR reads like classic slices."""

from __future__ import annotations

import numpy as np
import pytest

from breastview.imaging.case import Role
from breastview.imaging.load import load_volume
from breastview.imaging.scan import scan_folder
from tests.imaging.dicom_files import coded, enhanced_mr, mr_pixels, mr_series, save_all


def test_one_file_holds_a_volume_for_each_b_value(tmp_path):
    save_all(tmp_path, enhanced_mr(count=4, b_values=(0.0, 400.0, 800.0)))
    volumes = scan_folder(tmp_path).volumes
    assert [(v.role.role, v.role.b_value, v.shape) for v in volumes] == [
        (Role.DWI, b, (4, 40, 48)) for b in (0.0, 400.0, 800.0)
    ]
    for volume in volumes:
        loaded = load_volume(volume)
        wanted = np.stack([mr_pixels(n) + int(volume.role.b_value) for n in range(4)])
        np.testing.assert_array_equal(loaded.array, wanted)
        np.testing.assert_allclose(volume.index_to_lps @ [2, 3, 5, 1], [-8 + 5, -6 + 3 * 1.5, 8.0, 1])
        assert volume.spacing_mm == pytest.approx((4.0, 1.5, 1.0))


@pytest.mark.parametrize(
    "syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.2"]
)
def test_whatever_its_coding(tmp_path, syntax):
    save_all(tmp_path, coded(enhanced_mr(), syntax))
    _, strong = scan_folder(tmp_path).volumes
    np.testing.assert_array_equal(load_volume(strong).array, [mr_pixels(n) + 800 for n in range(4)])


def test_frames_in_any_order_are_sorted_by_geometry(tmp_path):
    made = enhanced_mr(count=5, b_values=(800.0,))
    heights = [8, 0, 16, 4, 12]
    for groups, z in zip(made.PerFrameFunctionalGroupsSequence, heights, strict=True):
        groups.PlanePositionSequence[0].ImagePositionPatient = [-8, -6, z]
    save_all(tmp_path, made)
    (volume,) = scan_folder(tmp_path).volumes
    assert [source.frame for source in volume.sources] == [1, 3, 0, 4, 2]
    wanted = np.stack([mr_pixels(n) + 800 for n in (1, 3, 0, 4, 2)])
    np.testing.assert_array_equal(load_volume(volume).array, wanted)


def test_each_frame_has_its_own_rescale(tmp_path):
    made = enhanced_mr(count=3, b_values=(0.0,))
    for number, groups in enumerate(made.PerFrameFunctionalGroupsSequence, 1):
        groups.PixelValueTransformationSequence[0].RescaleSlope = number
    save_all(tmp_path, made)
    array = load_volume(scan_folder(tmp_path).volumes[0]).array
    assert array.dtype == np.float32
    np.testing.assert_allclose(array, [mr_pixels(n) * (n + 1.0) for n in range(3)])


def test_phases_by_temporal_position(tmp_path):
    made = enhanced_mr(count=3, b_values=(0.0, 1.0, 2.0))
    made.SeriesDescription, made.ImageType = "dyn_eTHRIVE", ["ORIGINAL", "PRIMARY", "DYNAMIC", "NONE"]
    made.EchoPulseSequence, made.EchoPlanarPulseSequence = "GRADIENT", "NO"
    for number, groups in enumerate(made.PerFrameFunctionalGroupsSequence):
        del groups.MRDiffusionSequence
        groups.MREchoSequence[0].EffectiveEchoTime = 1.7
        content = type(groups)()
        content.TemporalPositionIndex = number % 3 + 1
        content.FrameAcquisitionDateTime = f"2026030510{number % 3:02d}00.0"
        groups.FrameContentSequence = [content]
    save_all(tmp_path, made)
    roles = [volume.role for volume in scan_folder(tmp_path).volumes]
    assert [(role.role, role.phase, role.delay_s) for role in roles] == [
        (Role.DCE, 1, 0.0),
        (Role.DCE, 2, 60.0),
        (Role.DCE, 3, 120.0),
    ]


def test_a_frame_without_a_place_costs_only_itself(tmp_path):
    made = enhanced_mr(count=4, b_values=(800.0,))
    del made.PerFrameFunctionalGroupsSequence[3].PlanePositionSequence
    save_all(tmp_path, made)
    case = scan_folder(tmp_path)
    assert [(p.path, p.reason.code) for p in case.problems] == [("IM0000", "problem.no_geometry")]
    assert case.volumes[0].shape[0] == 3


def test_frames_that_the_header_does_not_describe_are_left_out(tmp_path):
    made = enhanced_mr(count=4, b_values=(800.0,))
    made.PerFrameFunctionalGroupsSequence = made.PerFrameFunctionalGroupsSequence[:3]
    save_all(tmp_path, made, mr_series(3))
    case = scan_folder(tmp_path)
    assert sorted(volume.shape[0] for volume in case.volumes) == [3, 3]
    assert case.problems == ()


def test_a_truncated_multi_frame_file_is_listed(tmp_path):
    paths = save_all(tmp_path, enhanced_mr(), mr_series(3))
    paths[0].write_bytes(paths[0].read_bytes()[:-100])
    case = scan_folder(tmp_path)
    assert [(p.path, p.reason.code) for p in case.problems] == [("IM0000", "problem.truncated")]
    assert len(case.volumes) == 1
