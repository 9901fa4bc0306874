"""A list with pathology becomes records that wait for their marks, and a bad row is named with its reason."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from breastview.imaging.scan import scan_folder
from breastview.records.store import RecordStore
from breastview.records.values import Pathology, Side
from model_training.__main__ import app
from model_training.cohort.queue import import_queue
from model_training.cohort.told import ListError
from tests.imaging.dicom_files import save_all, us_still


@pytest.fixture
def place(tmp_path):
    save_all(tmp_path / "one", us_still())
    (tmp_path / "empty").mkdir()
    return tmp_path


def listed(place, *rows, names="folder,side,clock,pathology", encoding="utf-8-sig"):
    file = place / "list.csv"
    file.write_text("\n".join([names, *rows]), encoding=encoding)
    return file


def test_a_folder_gets_a_record_with_side_clock_and_pathology(place):
    names = "Folder;side;clock;pathology;prior_biopsy"
    file = listed(place, "one;R;9:30;Malignant;no", "one;left;12.5;b3;", names=names)
    queue = import_queue(file, place / "records")
    assert (queue.records, queue.lesions, queue.problems) == (1, 2, ())
    case = scan_folder(place / "one")
    record = RecordStore(place / "records").load(case.fingerprint)
    first, second = record.lesions
    assert (first.lesion_id, first.side, first.clock_h) == ("L1", Side.RIGHT, 9.5)
    assert (second.lesion_id, second.side, second.clock_h) == ("L2", Side.LEFT, 12.5)
    assert [each.pathology for each in record.lesions] == [Pathology.MALIGNANT, Pathology.HIGH_RISK]
    assert first.us is None and first.first_bi_rads is None and not record.first_read_committed
    assert record.extra == {"L1.prior_biopsy": "no"}


def test_records_that_cannot_be_written_end_the_import_with_a_sentence(place):
    (place / "records").write_text("a file")
    file = listed(place, "one,R,9,malignant")
    result = CliRunner().invoke(app, ["cohort", "import", str(file), "--records", str(place / "records")])
    assert result.exit_code == 1
    assert result.output.startswith("The review cannot be saved.")


def test_bad_rows_are_named_and_the_others_taken(place):
    file = listed(
        place,
        "one,R,3,benign",
        "one,X,3,benign",
        "one,R,13,benign",
        "one,R,noon,benign",
        "one,R,,unclear",
        ",R,,",
        "empty,R,,",
        "nowhere,L,,",
    )
    queue = import_queue(file, place / "records")
    assert (queue.records, queue.lesions) == (1, 1)
    assert queue.problems == (
        "row 3: side is R or L",
        "row 4: clock is from 1 to 12:59",
        "row 5: clock is from 1 to 12:59",
        "row 6: pathology is malignant, high_risk (or B3), benign, or empty where it is unknown",
        "row 7: it names no folder",
        "row 8: No breast images in this folder. Choose the folder that the archive exported.",
        "row 9: This folder does not exist. Choose another folder.",
    )


def test_an_import_of_which_nothing_came_fails_and_counts_blank_rows(place):
    file = listed(place, "", "one,X,3,benign")
    result = CliRunner().invoke(app, ["cohort", "import", str(file), "--records", str(place / "records")])
    assert result.exit_code == 1
    assert result.output.splitlines()[-1] == "! row 3: side is R or L"


def test_what_is_told_is_kept_as_it_is_judged_and_what_cannot_be_is_named(place):
    names = "folder,side,clock,pathology,pregnant,density,mri_artefact_grade,benign_by,follow_up_months"
    file = listed(
        place,
        "one,R,3,benign,否,C,1,Follow-up,30",
        "one,R,3,benign,,,,,",
        "one,R,3,benign,maybe,,,,",
        "one,R,3,benign,,dense,,,",
        "one,R,3,benign,,,severe,,",
        "one,R,3,benign,,,,clinic,",
        "one,R,3,benign,,,,,30 months",
        "one,R,3,benign,,,,,-1",
        names=names,
    )
    queue = import_queue(file, place / "records")
    record = RecordStore(place / "records").load(scan_folder(place / "one").fingerprint)
    assert record.extra == {
        "L1.pregnant": "no",
        "L1.density": "c",
        "L1.mri_artefact_grade": "1",
        "L1.benign_by": "follow_up",
        "L1.follow_up_months": "30",
    }
    assert queue.problems == (
        "row 4: pregnant is yes or no, or empty where it is unknown",
        "row 5: density is a, b, c or d, or empty where it is unknown",
        "row 6: mri_artefact_grade is a number, or empty where it is unknown",
        "row 7: benign_by is histology or follow_up, or empty where it is unknown",
        "row 8: follow_up_months is a number, or empty where it is unknown",
        "row 9: follow_up_months is a number, or empty where it is unknown",
    )


@pytest.mark.parametrize(
    ("text", "clock_h"),
    [("1", 1.0), ("9:30", 9.5), ("12", 12.0), ("12:30", 12.5), ("12:45", 1.0), ("12:59", 1.0), ("12.9", 1.0)],
)
def test_a_clock_face_is_kept_in_half_hours(place, text, clock_h):
    assert import_queue(listed(place, f"one,R,{text},benign"), place / "records").problems == ()
    (lesion,) = RecordStore(place / "records").load(scan_folder(place / "one").fingerprint).lesions
    assert lesion.clock_h == clock_h


@pytest.mark.parametrize("text", ["9:75", "9:", "9:-30", "9.5:30", "0:30", "13", "nan"])
def test_what_is_on_no_clock_face_is_refused(place, text):
    queue = import_queue(listed(place, f"one,R,{text},benign"), place / "records")
    assert queue.problems == ("row 2: clock is from 1 to 12:59",)


def test_a_review_that_stands_is_left_alone(place):
    import_queue(listed(place, "one,R,3,benign"), place / "records")
    queue = import_queue(listed(place, "one,L,4,malignant"), place / "records")
    assert queue.problems == ("row 2: This case has a record already, which was left as it is.",)
    (lesion,) = RecordStore(place / "records").load(scan_folder(place / "one").fingerprint).lesions
    assert (lesion.side, lesion.pathology) == (Side.RIGHT, Pathology.BENIGN)


def test_a_list_of_another_kind_is_refused(place):
    with pytest.raises(ListError, match="lacks the column 'side'"):
        import_queue(listed(place, names="folder,clock,pathology"))
    with pytest.raises(ListError, match="a column 'name'"):
        import_queue(listed(place, names="folder,side,clock,pathology,name"))
    with pytest.raises(ListError, match="not in UTF-8"):
        import_queue(listed(place, "右,R,3,benign", encoding="gbk"))


def test_the_command_line_says_in_a_line_what_a_list_lacks(place):
    def said(file):
        result = CliRunner().invoke(app, ["cohort", "import", str(file), "--records", str(place / "records")])
        assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
        return result.output

    assert "lacks the column 'side'" in said(listed(place, names="folder,clock,pathology"))
    assert "not in UTF-8" in said(listed(place, "右,R,3,benign", encoding="gbk"))
