"""What of a case is hung first, and what of it is told of as not read."""

from __future__ import annotations

import pytest

from breastview.imaging.case import Role
from breastview.imaging.dynamic import SUBTRACTION, phases
from breastview.imaging.scan import scan_folder
from breastview.records.values import Lesion, UsMark
from breastview.ui import hanging
from tests.imaging.dicom_files import dce_series, mr_series, save_all, us_still

T2 = {"SeriesDescription": "t2_tse", "EchoTime": 90}


def role_hung(case):
    return case.volume(hanging.first_mri(case)).role.role


def test_of_weightings_t2_is_hung_first_and_of_phases_that_after_contrast_medium(tmp_path):
    save_all(tmp_path / "plain", mr_series(3, series=1), mr_series(3, series=2, **T2))
    assert role_hung(scan_folder(tmp_path / "plain")) is Role.T2WI
    save_all(tmp_path / "dynamic", mr_series(3, series=2, **T2), dce_series(phases=3))
    case = scan_folder(tmp_path / "dynamic")
    assert hanging.first_mri(case) == SUBTRACTION
    assert hanging.first_volume(case) == phases(case.volumes)[1].key


def test_without_a_modality_nothing_of_it_is_hung(tmp_path):
    save_all(tmp_path / "us", us_still())
    save_all(tmp_path / "mri", mr_series(3))
    us, mri = scan_folder(tmp_path / "us"), scan_folder(tmp_path / "mri")
    assert hanging.first_mri(us) is None
    assert hanging.first_us(mri, None) == (None, 0)
    for told in (hanging.is_of_other_space, hanging.of_other_exam, hanging.of_earlier_us):
        assert not told(us, None) and not told(mri, None)


@pytest.mark.parametrize("lesion", [None, Lesion("L1")])
def test_the_latest_ultrasound_is_hung_first_unless_a_lesion_is_marked_on_another(tmp_path, lesion):
    save_all(tmp_path, us_still(1, StudyDate="20250305"), us_still(2, StudyDate="20260301"))
    case = scan_folder(tmp_path)
    before, latest = sorted(case.frames, key=lambda frames: frames.exam_date)
    assert hanging.first_us(case, lesion) == (latest.key, 0)
    assert hanging.first_us(case, Lesion("L1", us=UsMark(before.key, 0, 1, 1, 9, 9))) == (before.key, 0)
    assert hanging.of_earlier_us(case, before.key) is before
    assert hanging.of_earlier_us(case, latest.key) is None


def test_what_lies_in_another_space_or_exam_than_is_read_is_told_apart(tmp_path):
    now, before = ({"StudyInstanceUID": f"1.2.{day}", "StudyDate": f"{day}"} for day in (20260305, 20250305))
    moved = {"FrameOfReferenceUID": "1.2.9", **now}
    save_all(
        tmp_path, mr_series(4, series=2, **before), mr_series(4, series=3, **moved), dce_series(2, **now)
    )
    case = scan_folder(tmp_path)
    prior, other, *dynamic = sorted(case.volumes, key=lambda volume: volume.series_number)
    assert hanging.of_other_exam(case, prior.key) is prior and hanging.is_of_other_space(case, prior.key)
    assert hanging.of_other_exam(case, other.key) is None and hanging.is_of_other_space(case, other.key)
    for key in (SUBTRACTION, *(volume.key for volume in dynamic)):
        assert hanging.of_other_exam(case, key) is None and not hanging.is_of_other_space(case, key)
