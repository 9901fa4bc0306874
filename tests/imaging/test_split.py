"""One series, several volumes: by b-value, echo, orientation, phase; doubles are no volume."""

from __future__ import annotations

import numpy as np
import pytest

from breastview.imaging.case import Role
from breastview.imaging.load import load_volume
from breastview.imaging.scan import scan_folder
from breastview.messages import render
from tests.imaging.dicom_files import SAGITTAL, mr_pixels, mr_series, mr_slice, save_all

SERIES = 5


def repeats(count: int, slices: int = 4, **by_repeat):
    """`count` repeats of the same slices in one series; `by_repeat` maps keywords to functions of it."""
    for repeat in range(count):
        values = {word: value(repeat) for word, value in by_repeat.items()}
        for number in range(slices):
            yield mr_slice(
                number,
                series=SERIES,
                SOPInstanceUID=f"1.2.3.{repeat}.{number}",
                InstanceNumber=repeat * slices + number + 1,
                SeriesDescription="t1_fl3d_dyn",
                ScanningSequence="GR",
                RepetitionTime=4.5,
                EchoTime=1.7,
                pixels=mr_pixels(number) + 50 * repeat,
                **values,
            )


def test_b_values_of_one_series(tmp_path):
    for b in (0, 400, 800):
        slices = mr_series(
            3,
            series=SERIES,
            AcquisitionNumber=b + 1,
            DiffusionBValue=float(b),
            SeriesDescription="dwi",
            ScanningSequence="EP",
            EchoTime=80,
        )
        save_all(tmp_path, slices)
    volumes = scan_folder(tmp_path).volumes
    assert [volume.role.b_value for volume in volumes] == [0, 400, 800]
    assert [volume.shape for volume in volumes] == [(3, 40, 48)] * 3
    assert [volume.key[-2:] for volume in volumes] == ["#1", "#2", "#3"]
    assert len({volume.series_uid for volume in volumes}) == 1


@pytest.mark.parametrize(
    "by_repeat",
    [
        {"TemporalPositionIdentifier": lambda n: n + 1},
        {"AcquisitionNumber": lambda n: n + 1},
        {"AcquisitionTime": lambda n: f"1010{n:02d}"},
        {"ContentTime": lambda n: f"1010{n:02d}"},
        {"TriggerTime": lambda n: 1000.0 * n},
        {},
    ],
    ids=lambda words: next(iter(words), "instance numbers alone"),
)
def test_phases_of_one_series_whatever_tells_them_apart(tmp_path, by_repeat):
    save_all(tmp_path, repeats(4, **by_repeat))
    volumes = scan_folder(tmp_path).volumes
    assert [(v.role.role, v.role.phase, v.role.phase_count) for v in volumes] == [
        (Role.DCE, phase, 4) for phase in (1, 2, 3, 4)
    ]
    for phase, volume in enumerate(volumes):
        assert volume.notes == ()
        wanted = np.stack([mr_pixels(n) + 50 * phase for n in range(4)])
        np.testing.assert_array_equal(load_volume(volume).array, wanted)


def test_echoes_of_one_series(tmp_path):
    for echo, te in enumerate((10, 90), 1):
        save_all(tmp_path, mr_series(3, series=SERIES, AcquisitionNumber=echo, EchoNumbers=echo, EchoTime=te))
    assert [volume.role.role for volume in scan_folder(tmp_path).volumes] == [Role.T1WI, Role.T2WI]


def test_two_orientations_in_one_series(tmp_path):
    sagittal = (
        mr_slice(
            n,
            SOPInstanceUID=f"1.2.3.{n}",
            ImageOrientationPatient=SAGITTAL,
            ImagePositionPatient=[4.0 * n, -6.0, 30.0],
        )
        for n in range(4)
    )
    save_all(tmp_path, mr_series(5), sagittal)
    case = scan_folder(tmp_path)
    assert [(v.orientation, v.shape[0]) for v in case.volumes] == [("axial", 5), ("sagittal", 4)]
    for volume in case.volumes:
        assert [note.code for note in volume.notes] == ["scan.two_orientations"]
        assert load_volume(volume).array.any()
    assert case.problems == ()


def test_rounding_of_the_orientation_is_no_second_volume(tmp_path):
    slices = (mr_slice(n, ImageOrientationPatient=[1, 0, 0.0001 * n, 0, 1, 0]) for n in range(4))
    save_all(tmp_path, slices)
    assert [volume.shape[0] for volume in scan_folder(tmp_path).volumes] == [4]


def test_magnitude_and_phase_images_stay_apart(tmp_path):
    for number, kind in enumerate("MP", 1):
        save_all(tmp_path, mr_series(3, AcquisitionNumber=number, ImageType=["ORIGINAL", "PRIMARY", kind]))
    assert [volume.shape[0] for volume in scan_folder(tmp_path).volumes] == [3, 3]


def test_slices_of_another_size_are_another_volume(tmp_path):
    small = mr_slice(3, pixels=np.ones((20, 24), np.uint16))
    save_all(tmp_path, mr_series(3), small)
    assert [volume.shape for volume in scan_folder(tmp_path).volumes] == [(3, 40, 48), (1, 20, 24)]


def test_a_slice_measured_again_is_left_out_and_said(tmp_path):
    again = mr_slice(2, SOPInstanceUID="1.2.3.4", AcquisitionNumber=2)
    save_all(tmp_path, mr_series(6), again)
    (volume,) = scan_folder(tmp_path).volumes
    assert volume.shape[0] == 6
    assert [render(note) for note in volume.notes] == ["1 duplicate image was left out."]


def test_one_phase_that_lacks_a_slice_keeps_its_place_in_the_grid(tmp_path):
    made = [one for one in repeats(3, 6, AcquisitionNumber=lambda n: n + 1) if one.InstanceNumber != 9]
    save_all(tmp_path, made)
    volumes = scan_folder(tmp_path).volumes
    assert [volume.shape[0] for volume in volumes] == [6, 6, 6]
    assert [[note.code for note in volume.notes] for volume in volumes] == [[], ["scan.slices_missing"], []]
    assert [volume.role.phase for volume in volumes] == [1, 2, 3]


def test_projections_of_one_series_stay_together(tmp_path):
    mips = (
        mr_slice(0, SOPInstanceUID=f"1.2.3.{n}", ImageType=["DERIVED", "SECONDARY", "MIP"], InstanceNumber=n)
        for n in range(1, 5)
    )
    save_all(tmp_path, mips)
    (volume,) = scan_folder(tmp_path).volumes
    assert (volume.role.role, volume.shape[0]) == (Role.MIP, 4)
    assert [note.code for note in volume.notes] == ["scan.no_depth"]
