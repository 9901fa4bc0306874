"""Records on disk: what is written is read back, and nothing that cannot be read is ever written over."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from breastview.errors import RecordError
from breastview.records.store import RecordStore, decode, default_folder, encode, read, write
from breastview.records.values import CaseIdentity, ReviewRecord
from tests.records.examples import FINGERPRINT, LESION, RECORD

numbers = st.floats(allow_nan=False, allow_infinity=False)
places = st.tuples(numbers, numbers, numbers)


def code(raised: pytest.ExceptionInfo[RecordError]) -> str:
    return raised.value.message.code


def test_every_field_comes_back_as_it_was():
    assert decode(encode(RECORD)) == RECORD


def test_the_file_is_plain_json_with_its_schema():
    kept = json.loads(encode(RECORD))
    assert kept["schema"] == "breastview.review/1"
    assert kept["case"]["fingerprint"] == FINGERPRINT
    assert kept["lesions"][0]["bi_rads"] == "4A"
    assert kept["registrations"][0]["parameters"]["centre_mm"] == [60.0, -120.0, 12.5]
    assert kept["readings"][0]["reasons"][1] == {"code": "concordance.far_apart", "params": {"mm": 21}}


@given(point=places, extent=st.none() | places, clock=st.none() | numbers, comment=st.text())
def test_numbers_and_words_come_back_exactly(point, extent, clock, comment):
    mark = replace(LESION.mri, point_mm=point, extent_mm=extent)
    record = replace(RECORD, lesions=(replace(LESION, mri=mark, clock_h=clock, comment=comment),))
    assert decode(encode(record)) == record


def test_numpy_numbers_are_written_as_numbers():
    mark = replace(LESION.us, frame=np.int64(3), left=np.float64(1.5), right=np.float32(2.5))
    kept = decode(encode(replace(RECORD, lesions=(replace(LESION, us=mark),)))).lesions[0].us
    assert (kept.frame, kept.left, kept.right) == (3, 1.5, 2.5)


def test_a_stranger_in_a_record_is_a_programming_error():
    with pytest.raises(TypeError, match="object"):
        encode(replace(RECORD, extra={"reader": object()}))


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"not json",
        b"\xff\xfe",
        encode(RECORD)[:-40],
        encode(RECORD).replace(b"duct", b"du\xff"),
        encode(RECORD).replace(b'"fingerprint"', b'"finger"'),
        encode(RECORD).replace(b'"4A"', b'"4X"'),
        b'{"schema": "breastview.review/1", "more": ' + b"[" * 100_000,
    ],
)
def test_a_damaged_file_says_so_and_stays(tmp_path, damage):
    store = RecordStore(tmp_path)
    store.path_for(FINGERPRINT).write_bytes(damage)
    for use in (lambda: store.load(FINGERPRINT), lambda: store.save(RECORD)):
        with pytest.raises(RecordError) as raised:
            use()
        assert code(raised) == "record.damaged"
    assert store.path_for(FINGERPRINT).read_bytes() == damage


def test_a_later_schema_says_so_and_stays(tmp_path):
    store = RecordStore(tmp_path)
    later = encode(RECORD).replace(b"breastview.review/1", b"breastview.review/2")
    store.path_for(FINGERPRINT).write_bytes(later)
    for use in (lambda: store.load(FINGERPRINT), lambda: store.save(RECORD)):
        with pytest.raises(RecordError) as raised:
            use()
        assert code(raised) == "record.other_schema"
        assert raised.value.message.params == {"ours": "breastview.review/1"}
    assert store.path_for(FINGERPRINT).read_bytes() == later


def test_the_record_of_another_case_says_so_and_stays(tmp_path):
    store = RecordStore(tmp_path)
    other = FINGERPRINT[:16] + "0" * 48  # the same file name, and still another case
    write(store.path_for(FINGERPRINT), replace(RECORD, case=CaseIdentity(other)))
    before = store.path_for(FINGERPRINT).read_bytes()
    for use in (lambda: store.load(FINGERPRINT), lambda: store.save(RECORD)):
        with pytest.raises(RecordError) as raised:
            use()
        assert code(raised) == "record.other_case"
    assert store.path_for(FINGERPRINT).read_bytes() == before


def test_the_errors_quote_nothing_of_the_file(tmp_path):
    (tmp_path / "x.json").write_bytes(encode(RECORD).replace(b'"4A"', b'"SECRET^NAME"'))
    with pytest.raises(RecordError) as raised:
        read(tmp_path / "x.json")
    assert "SECRET" not in repr(raised.value) + repr(raised.value.__cause__)
    assert raised.value.__cause__ is None and raised.value.__suppress_context__


def test_a_case_never_reviewed_has_no_record(tmp_path):
    assert RecordStore(tmp_path / "not there").load(FINGERPRINT) is None


def test_saving_notes_the_time_and_leaves_one_file(tmp_path):
    store = RecordStore(tmp_path / "made" / "when needed")
    before = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    assert store.save(RECORD) == store.save(RECORD) == store.path_for(FINGERPRINT)
    kept = store.load(FINGERPRINT)
    assert before <= kept.modified <= datetime.datetime.now(datetime.UTC)
    assert replace(kept, modified=None) == RECORD
    assert list(store.folder.iterdir()) == [store.path_for(FINGERPRINT)]


def test_what_another_program_saved_meanwhile_is_not_written_over(tmp_path):
    mine, theirs = RecordStore(tmp_path), RecordStore(tmp_path)
    assert mine.load(FINGERPRINT) is theirs.load(FINGERPRINT) is None
    mine.save(RECORD)
    with pytest.raises(RecordError) as raised:
        theirs.save(replace(RECORD, lesions=()))
    assert code(raised) == "record.changed_elsewhere" and mine.load(FINGERPRINT).lesions == RECORD.lesions
    theirs.load(FINGERPRINT)
    theirs.save(replace(RECORD, lesions=()))
    assert mine.load(FINGERPRINT).lesions == ()


def test_the_newest_record_of_a_study_is_found_and_damaged_ones_are_passed_over(tmp_path):
    store, day = RecordStore(tmp_path), datetime.datetime(2026, 3, 5, tzinfo=datetime.UTC)
    for number, study in enumerate(("1.2", "1.2", "1.3")):
        case = CaseIdentity(f"{number}" * 64, (study, "1.9"))
        write(store.path_for(case.fingerprint), ReviewRecord(case, modified=day.replace(day=10 + number)))
    (tmp_path / "x.review.json").write_text("{")
    found = store.of_same_study(CaseIdentity("f" * 64, ("1.2",)))
    assert found.case.fingerprint == "1" * 64
    assert store.of_same_study(CaseIdentity("1" * 64, ("1.2",))).case.fingerprint == "0" * 64
    assert store.of_same_study(CaseIdentity("f" * 64, ("2.1",))) is None


def test_a_shared_folder_stays_readable_for_colleagues(tmp_path):
    path = RecordStore(tmp_path).save(RECORD)
    (tmp_path / "usual").write_bytes(b"")
    assert path.stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_the_file_name_tells_nothing_but_the_fingerprint(tmp_path):
    assert RecordStore(tmp_path).path_for(FINGERPRINT).name == "5f5f5f5f5f5f5f5f.review.json"


def test_a_folder_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RecordError) as raised:
        RecordStore(tmp_path / "file" / "records").save(RECORD)
    assert code(raised) == "record.unwritable"


def test_a_record_that_cannot_be_read_from_disk_says_so(tmp_path):
    with pytest.raises(RecordError) as raised:
        read(tmp_path)
    assert code(raised) == "record.unreadable"


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_without_value_never_replaces_a_good_record(tmp_path, number):
    store = RecordStore(tmp_path)
    store.save(RECORD)
    mark = replace(LESION.mri, point_mm=(number, 0.0, 0.0))
    with pytest.raises(RecordError) as raised:
        store.save(replace(RECORD, lesions=(replace(LESION, mri=mark),)))
    assert code(raised) == "record.not_finite"
    assert store.load(FINGERPRINT).lesions == RECORD.lesions


def test_records_lie_in_the_user_s_data_folder_unless_told_otherwise(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "BreastView" / "reviews"
    assert RecordStore().folder == default_folder()


def test_a_field_of_a_later_program_is_passed_over():
    later = json.loads(encode(RECORD))
    later["lesions"][0]["elasticity_kpa"] = 80.0
    assert decode(json.dumps(later).encode()) == RECORD


def test_the_least_record_is_a_case_and_its_schema():
    least = b'{"schema": "breastview.review/1", "case": {"fingerprint": "f"}}'
    assert decode(least) == ReviewRecord(CaseIdentity("f"))


def test_a_record_without_schema_is_damaged(tmp_path):
    path: Path = tmp_path / "x.json"
    path.write_text('{"case": {"fingerprint": "f"}}', encoding="utf-8")
    with pytest.raises(RecordError) as raised:
        read(path)
    assert code(raised) == "record.damaged"
