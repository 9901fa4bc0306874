"""The order and the delays of contrast phases."""

from __future__ import annotations

import pytest

from breastview.imaging.case import Role
from breastview.imaging.dynamic import of_one_exam, of_one_space, phases, subtracted, subtraction_name
from breastview.imaging.scan import scan_folder
from breastview.messages import render
from tests.imaging.dicom_files import SAGITTAL, dce_series, mr_series, mr_slice, save_all


def described(folder):
    return [
        (v.series_number, v.role.phase, v.role.delay_s)
        for v in scan_folder(folder).volumes
        if v.role.role is Role.DCE
    ]


def series(number: int, **values):
    """The phase that is series `number`."""
    return dce_series(1, series=number, **values)


def test_without_times_series_numbers_give_the_order_and_no_delay_and_it_is_told(tmp_path):
    save_all(tmp_path, series(13), series(8), series(9))
    assert described(tmp_path) == [(8, 1, None), (9, 2, None), (13, 3, None)]
    case = scan_folder(tmp_path)
    assert render(case.volumes[0].role.reason) == (
        "one of 3 acquisitions of the same volume, in order of their numbers: "
        "nothing tells for sure which one is before contrast medium"
    )
    assert [note.code for note in case.notes] == ["case.dce_guessed"]


def test_acquisition_numbers_go_before_those_of_series_and_leave_a_doubt_where_they_disagree(tmp_path):
    save_all(tmp_path / "same", *(series(8 + n, AcquisitionNumber=1 + n) for n in range(3)))
    case = scan_folder(tmp_path / "same")
    assert render(case.volumes[0].role.reason) == (
        "one of 3 acquisitions of the same volume, in order of series and acquisition; delays unknown"
    )
    assert not case.notes
    save_all(tmp_path / "other", *(series(8 + n, AcquisitionNumber=3 - n) for n in range(3)))
    assert described(tmp_path / "other") == [(8, 3, None), (9, 2, None), (10, 1, None)]
    assert [note.code for note in scan_folder(tmp_path / "other").notes] == ["case.dce_guessed"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"ContrastBolusAgent": "Gadobutrol"}),
        ({"ContrastBolusAgent": "NONE"}, {"ContrastBolusAgent": "Gadobutrol"}),
        ({"SeriesDescription": "ax dyn pre"}, {"SeriesDescription": "ax dyn 1st pass"}),
        ({"SeriesDescription": "t1_fl3d_nativ"}, {"SeriesDescription": "t1_fl3d_dyn"}),
        ({"SeriesDescription": "Ax VIBRANT"}, {"SeriesDescription": "Ax VIBRANT+C"}),
        ({"SeriesDescription": "dyn"}, {"SeriesDescription": "dyn_post1"}),
        ({"SeriesDescription": "T1 动态 平扫"}, {"SeriesDescription": "T1 动态"}),
    ],
)
def test_without_times_the_phase_before_contrast_medium_is_first_where_a_header_tells_it(
    tmp_path, before, after
):
    unicode = {"SpecificCharacterSet": "ISO_IR 192"}
    save_all(tmp_path, series(8, **unicode, **after), series(9, **unicode, **after))
    save_all(tmp_path, series(13, **unicode, **before))
    assert described(tmp_path) == [(8, 2, None), (9, 3, None), (13, 1, None)]
    case = scan_folder(tmp_path)
    assert render(case.volumes[0].role.reason) == (
        "one of 3 acquisitions of the same volume: before contrast medium first, by description or contrast "
        "agent; delays unknown"
    )
    assert not case.notes


def test_what_all_phases_say_of_contrast_medium_orders_nothing(tmp_path):
    agent = {"ContrastBolusAgent": "Gadobutrol", "SeriesDescription": "Ax pre/post dyn"}
    save_all(tmp_path, *(series(n, **agent) for n in (8, 9, 13)))
    assert described(tmp_path) == [(8, 1, None), (9, 2, None), (13, 3, None)]
    assert [note.code for note in scan_folder(tmp_path).notes] == ["case.dce_guessed"]


def test_a_late_phase_that_is_named_does_not_tell_which_is_the_first(tmp_path):
    save_all(tmp_path, series(8), series(9), series(13, SeriesDescription="dyn post late"))
    assert [note.code for note in scan_folder(tmp_path).notes] == ["case.dce_guessed"]


def test_times_outweigh_what_is_said_of_contrast_medium(tmp_path):
    late = {"ContrastBolusAgent": "Gadobutrol"}
    save_all(
        tmp_path,
        *(
            series(8 + n, AcquisitionTime=f"10{n:02d}00", **agent)
            for n, agent in enumerate(({}, late, {}))  # it was not written down again
        ),
    )
    assert [phase for _, phase, _ in described(tmp_path)] == [1, 2, 3]


def test_the_order_in_which_the_scanner_counts_goes_before_that_of_series(tmp_path):
    save_all(tmp_path, *(series(8 + n, TemporalPositionIdentifier=(n + 1) % 3 + 1) for n in range(3)))
    assert described(tmp_path) == [(8, 2, None), (9, 3, None), (10, 1, None)]
    assert not scan_folder(tmp_path).notes


def test_times_give_order_and_delays(tmp_path):
    save_all(
        tmp_path,
        series(8, AcquisitionTime="101500.00"),
        series(9, AcquisitionTime="101205.50"),
        series(10, AcquisitionTime="101100.00"),
    )
    assert described(tmp_path) == [(8, 3, 240.0), (9, 2, 65.5), (10, 1, 0.0)]
    reason = scan_folder(tmp_path).volumes[0].role.reason
    assert render(reason) == "one of 3 acquisitions of the same volume, in order of time"


def test_delays_run_over_midnight(tmp_path):
    save_all(
        tmp_path,
        series(8, AcquisitionDate="20260305", AcquisitionTime="235930"),
        series(9, AcquisitionDate="20260306", AcquisitionTime="000030"),
        series(10, AcquisitionDate="20260306", AcquisitionTime="000130"),
    )
    assert described(tmp_path) == [(8, 1, 0.0), (9, 2, 60.0), (10, 3, 120.0)]


@pytest.mark.parametrize(
    "times", [["101112", "101112", "101212"], ["101112", "", "101212"], ["99", "x", "y"]]
)
def test_times_that_do_not_tell_all_phases_apart_are_not_used(tmp_path, times):
    save_all(tmp_path, *(series(8 + n, AcquisitionTime=time) for n, time in enumerate(times)))
    assert described(tmp_path) == [(8, 1, None), (9, 2, None), (10, 3, None)]


def test_trigger_times_give_delays_in_seconds(tmp_path):
    save_all(tmp_path, *(series(8 + n, TriggerTime=90_000.0 * n) for n in range(3)))
    assert described(tmp_path) == [(8, 1, 0.0), (9, 2, 90.0), (10, 3, 180.0)]


def test_an_unnamed_first_phase_belongs_to_the_named_ones(tmp_path):
    plain = {"SeriesDescription": "t1_fl3d"}
    save_all(tmp_path, series(7, **plain), series(8), series(9))
    assert described(tmp_path) == [(7, 1, None), (8, 2, None), (9, 3, None)]


def test_three_unnamed_repeats_are_dynamic_and_two_are_not(tmp_path):
    plain = {"SeriesDescription": "t1_fl3d"}
    save_all(tmp_path / "two", series(7, **plain), series(8, **plain))
    assert described(tmp_path / "two") == []
    save_all(tmp_path / "three", series(7, **plain), series(8, **plain), series(9, **plain))
    assert [phase for _, phase, _ in described(tmp_path / "three")] == [1, 2, 3]


def test_another_grid_or_protocol_is_no_phase(tmp_path):
    save_all(tmp_path, series(8), series(9), series(10), series(11, spacing_mm=5.0), series(12, EchoTime=4.0))
    found = described(tmp_path)
    assert found[:3] == [(8, 1, None), (9, 2, None), (10, 3, None)]
    assert [phase for _, phase, _ in found[3:]] == [None, None]


def test_anatomy_keeps_its_role_beside_a_dynamic_series(tmp_path):
    save_all(tmp_path, mr_series(4, series=2), dce_series(3))
    assert [volume.role.role for volume in scan_folder(tmp_path).volumes] == [Role.T1WI, *[Role.DCE] * 3]


def test_phases_are_handed_out_in_order(tmp_path):
    save_all(tmp_path, *(series(8 + n, AcquisitionTime=f"10{12 - n}00") for n in range(3)))
    assert [volume.series_number for volume in phases(scan_folder(tmp_path).volumes)] == [10, 9, 8]


def exam(series: int, uid: str, date: str, count: int = 2, **values):
    """A dynamic acquisition of a study of its own."""
    return [
        item
        for phase in range(count)
        for item in mr_series(
            4,
            series=series + phase,
            StudyInstanceUID=uid,
            StudyDate=date,
            SeriesDescription="t1_fl3d_dyn",
            ScanningSequence="GR",
            RepetitionTime=4.5,
            EchoTime=1.7,
            AcquisitionTime=f"10{phase:02d}00",
            **values,
        )
    ]


def test_phases_are_those_of_the_latest_exam_and_its_other_images_go_with_them(tmp_path):
    prior = [
        *exam(5, "1.2.3.1", "20250305", count=3),
        *mr_series(4, series=2, StudyInstanceUID="1.2.3.1", StudyDate="20250305"),
    ]
    save_all(
        tmp_path, prior, exam(8, "1.2.3.2", "20260305"), mr_series(4, series=3, StudyInstanceUID="1.2.3.2")
    )
    case = scan_folder(tmp_path)
    assert [volume.series_number for volume in phases(case.volumes)] == [8, 9]
    assert {volume.series_number for volume in of_one_exam(case.volumes)} == {3, 8, 9}
    assert [note.code for note in case.notes] == ["case.several_exams"]


def test_the_latest_exam_is_read_though_only_the_one_before_is_dynamic(tmp_path):
    save_all(tmp_path, exam(5, "1.2.3.1", "20250305"), mr_series(4, series=3, StudyInstanceUID="1.2.3.2"))
    case = scan_folder(tmp_path)
    assert phases(case.volumes) == []
    assert [volume.series_number for volume in of_one_exam(case.volumes)] == [3]
    assert [note.code for note in case.notes] == ["case.several_exams"]


def test_an_exam_of_mere_localizers_or_reconstructions_is_not_the_one_that_is_read(tmp_path):
    later = {"StudyInstanceUID": "1.2.3.2", "StudyDate": "20260306"}
    localizer = {"SeriesDescription": "localizer", "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}
    save_all(tmp_path, exam(5, "1.2.3.1", "20260305"), mr_series(3, series=9, **localizer, **later))
    case = scan_folder(tmp_path)
    assert [volume.series_number for volume in phases(case.volumes)] == [5, 6]
    assert {volume.series_number for volume in of_one_exam(case.volumes)} == {5, 6}


def test_an_acquisition_a_breast_is_not_mixed_with_the_other(tmp_path):
    """Sagittal slabs of one geometry, side by side, whose phases were acquired by turns."""
    for turn, (side, phase) in enumerate(((-90.0, 0), (30.0, 0), (-90.0, 1), (30.0, 1))):
        slab = [
            mr_slice(
                number,
                series=20 + turn,
                SeriesDescription="dyn",
                ScanningSequence="GR",
                EchoTime=1.7,
                ImageOrientationPatient=SAGITTAL,
                ImagePositionPatient=[side + 4.0 * number, -60.0, 60.0],
                AcquisitionTime=f"10{turn:02d}00",
            )
            for number in range(phase, 10)  # the first slice of the later ones is missing
        ]
        save_all(tmp_path, slab)
    volumes = scan_folder(tmp_path).volumes
    told = [(v.series_number, v.role.phase, v.role.phase_count, v.role.acquisition) for v in volumes]
    assert told == [(20, 1, 2, 1), (21, 1, 2, 2), (22, 2, 2, 1), (23, 2, 2, 2)]
    assert [v.role.label for v in volumes] == ["R", "L", "R", "L"]
    assert [v.role.side for v in volumes] == ["R", "L", "R", "L"]
    assert subtraction_name(volumes) == "DCE R 2 − 1"


def test_water_is_subtracted_where_each_moment_has_fat_too(tmp_path):
    made = [
        series(8 + number, AcquisitionTime=time, ImageType=["DERIVED", "PRIMARY", "DIXON", kind])
        for number, (time, kind) in enumerate(
            [("100000", "FAT"), ("100000", "WATER"), ("100200", "FAT"), ("100200", "WATER")]
        )
    ]
    save_all(tmp_path, *made)
    assert [volume.series_number for volume in phases(scan_folder(tmp_path).volumes)] == [9, 11]


ACQUIRED = ["ORIGINAL", "PRIMARY", "M", "NORM", "DIS2D"]


@pytest.mark.parametrize(
    "copied",
    [[*ACQUIRED, "MOCO"], ["DERIVED", "SECONDARY", "M", "NORM", "DIS2D"], ["DERIVED", "PRIMARY", "M"]],
)
@pytest.mark.parametrize("first", [8, 14])
@pytest.mark.parametrize("timed", [True, False])
def test_a_copy_that_the_scanner_made_of_an_acquisition_is_none_of_its_phases(tmp_path, copied, first, timed):
    for start, kind in ((first, ACQUIRED), (11, copied)):
        made = [
            series(start + n, AcquisitionTime=f"10{n:02d}00" if timed else "", ImageType=kind)
            for n in range(3)
        ]
        save_all(tmp_path, *made)
    volumes = scan_folder(tmp_path).volumes
    assert [volume.series_number for volume in phases(volumes)] == [first, first + 1, first + 2]
    assert {volume.role.phase_count for volume in volumes} == {3}
    assert {v.role.acquisition for v in volumes if v.series_number in (11, 12, 13)} == {2}
    assert {(v.role.label, v.role.side) for v in volumes if v.series_number in (11, 12, 13)} == {("b", "")}


def test_phases_that_follow_in_another_image_type_are_of_the_same_acquisition(tmp_path):
    kinds = [ACQUIRED, ACQUIRED, [*ACQUIRED, "FIL"], [*ACQUIRED, "FIL"]]
    made = [series(8 + n, AcquisitionTime=f"10{n:02d}00", ImageType=kind) for n, kind in enumerate(kinds)]
    save_all(tmp_path, *made)
    assert [volume.series_number for volume in phases(scan_folder(tmp_path).volumes)] == [8, 9, 10, 11]


def test_one_phase_of_another_image_type_is_still_a_phase(tmp_path):
    filtered = {"ImageType": [*ACQUIRED, "FIL"]}
    save_all(tmp_path, series(7), *(series(8 + n, AcquisitionNumber=2 + n, **filtered) for n in range(2)))
    assert [volume.series_number for volume in phases(scan_folder(tmp_path).volumes)] == [7, 8, 9]


def test_a_phase_that_is_not_here_is_missed_where_the_scanner_counts_them(tmp_path):
    save_all(tmp_path, *(series(8 + n, TemporalPositionIdentifier=n) for n in (1, 2, 4)))
    case = scan_folder(tmp_path)
    assert [(v.role.phase, v.role.phase_count) for v in phases(case.volumes)] == [(1, 4), (2, 4), (4, 4)]
    assert not case.notes


def test_without_the_first_or_the_second_phase_nothing_is_subtracted_and_it_is_told(tmp_path):
    for name, here in (("first", (2, 3)), ("second", (1, 3, 4))):
        save_all(tmp_path / name, *(series(8 + n, TemporalPositionIdentifier=n) for n in here))
        case = scan_folder(tmp_path / name)
        assert subtracted(case.volumes) == []
        assert [note.code for note in case.notes] == ["case.dce_missing"]


def test_places_are_those_of_the_dynamic_series_where_a_patient_lay_down_anew(tmp_path):
    anatomy = [mr_series(4, series=number, StudyInstanceUID="1.2.3.1", EchoTime=80) for number in (1, 2, 3)]
    untold = mr_series(4, series=4, StudyInstanceUID="1.2.3.1", FrameOfReferenceUID="")
    moved = exam(5, "1.2.3.1", "20260305", FrameOfReferenceUID="1.2.9")
    save_all(tmp_path, *anatomy, untold, moved)
    case = scan_folder(tmp_path)
    assert [volume.series_number for volume in of_one_space(case.volumes)] == [4, 5, 6]
    assert len(of_one_exam(case.volumes)) == 6
    assert [note.code for note in case.notes] == ["case.several_spaces"]
    without = [volume for volume in case.volumes if volume.role.role is not Role.DCE]
    assert [volume.series_number for volume in of_one_space(without)] == [1, 2, 3, 4]


def test_two_acquisitions_of_one_exam_are_not_mixed(tmp_path):
    save_all(
        tmp_path, exam(5, "1.2.3.1", "20260305"), exam(8, "1.2.3.1", "20260305", count=3, spacing_mm=5.0)
    )
    case = scan_folder(tmp_path)
    assert [volume.series_number for volume in phases(case.volumes)] == [8, 9, 10]
    assert len(of_one_exam(case.volumes)) == 5 and not case.notes
    assert [volume.role.label for volume in case.volumes] == ["", "", "b", "b", "b"]


def test_the_acquisition_of_another_exam_needs_no_label(tmp_path):
    save_all(tmp_path, exam(5, "1.2.3.1", "20250305"), exam(8, "1.2.3.2", "20260305"))
    assert {volume.role.label for volume in scan_folder(tmp_path).volumes} == {""}
