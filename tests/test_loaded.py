"""What of a case is loaded for model and report, and what is not loaded again."""

from __future__ import annotations

import pytest

from breastview.errors import CaseGone
from breastview.imaging.scan import scan_folder
from breastview.loaded import load_case
from tests.imaging.dicom_files import mr_series, save_all, us_still


def test_the_exam_before_is_not_looked_at(tmp_path):
    before, now = ({"StudyInstanceUID": f"1.2.{year}", "StudyDate": f"{year}0305"} for year in (2025, 2026))
    stir = {"SeriesDescription": "tirm", "ScanningSequence": "IR", "InversionTime": 170}
    save_all(tmp_path, mr_series(5, series=1, **before), mr_series(3, series=2, **stir, **now))
    loaded = load_case(scan_folder(tmp_path))
    assert [str(loaded.case.volume(key).exam_date) for key in loaded.volumes] == ["2026-03-05"]


def test_what_is_loaded_already_is_not_loaded_again(simulated_patient):
    first = load_case(scan_folder(simulated_patient.folder))
    again = load_case(first.case, stacks=first.stacks, volumes=first.volumes)
    assert all(again.stacks[key] is stack for key, stack in first.stacks.items())
    shared = [v.key for v in first.case.volumes if v.key in first.volumes]
    assert len(shared) == 5 and all(again.volumes[key] is first.volumes[key] for key in shared)


def test_nothing_is_read_without_images_that_vanished_since_the_scan(tmp_path):
    paths = save_all(tmp_path, us_still(), mr_series(3))
    case = scan_folder(tmp_path)
    paths[2].unlink()
    with pytest.raises(CaseGone):
        load_case(case)
