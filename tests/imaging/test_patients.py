"""Whose images these are."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from breastview.imaging.case import Patient
from breastview.imaging.header import Header
from breastview.imaging.patients import exam_date, identify, is_simulated, parse_date, patient_of, who
from breastview.imaging.scan import scan_folder
from tests.imaging.dicom_files import ROOT, mr_series, save_all, us_still
from tests.imaging.told import codes, problems


def header(**values) -> Header:
    return Header(Path("x"), 0, "", 0, values)


def person(number="1", name="A^B", birth="19700101") -> Header:
    return header(PatientID=number, PatientName=name, PatientBirthDate=birth)


@pytest.mark.parametrize(
    ("other", "is_other"),
    [
        (person(), False),
        (person(name="a b"), False),
        (person(name="A^B^^"), False),
        (person(number=" 1 "), False),
        (person(number="2"), False),  # name and birth date outweigh the number
        (person(number="", birth=""), False),
        (person(name="", birth=""), False),
        (header(), False),
        (person(number="2", birth=""), True),
        (person(number="2", name="C^D"), True),
        (person(number="", name="C^D"), True),
        (person(name="C^D", birth="19800101"), False),  # the number says it: a name may change
    ],
    ids=range(12),
)
def test_another_person(other, is_other):
    assert who(other).is_other_than(who(person())) is is_other
    assert who(person()).is_other_than(who(other)) is is_other


def test_the_patient_is_whom_most_images_name():
    headers = [header()] * 5 + [person()] * 3 + [person("2", "C^D")] * 2
    assert patient_of(headers) == who(person())
    assert patient_of([header()]).blank
    assert patient_of([]).blank


def test_the_identification_comes_from_the_first_header_that_has_it():
    headers = [
        person(name="", birth="1970"),
        header(PatientName="A^B", PatientAge="052Y", PatientSex="F"),
    ]
    assert identify(headers) == Patient("A^B", "1", None, "F", 52)
    assert identify([header(PatientAge="9 months", PatientBirthDate="19740102")]) == Patient(
        birth_date=datetime.date(1974, 1, 2)
    )
    assert identify([]) == Patient()


@pytest.mark.parametrize(
    ("name", "readable"),
    [
        ("ZHANG^SAN=张^三=", "ZHANG SAN · 张 三"),
        ("=张^三", "张 三"),
        ("Doe^Jane^^Dr", "Doe Jane Dr"),
        ("^^ = ", ""),
        ("", ""),
    ],
)
def test_a_name_as_people_read_it(name, readable):
    assert Patient(name).readable_name == readable


@pytest.mark.parametrize(
    ("text", "date"),
    [("20260305", datetime.date(2026, 3, 5)), ("20261305", None), ("2026.03.05", None), ("", None)],
)
def test_dates(text, date):
    assert parse_date(text) == date


def test_the_day_of_the_exam():
    assert exam_date(header(AcquisitionDate="", StudyDate="20260305")) == datetime.date(2026, 3, 5)
    assert exam_date(header()) is None


@pytest.mark.parametrize("word", ["ImageComments", "PatientName", "Manufacturer", "SeriesDescription"])
def test_simulated_images_say_so(word):
    assert is_simulated(header(**{word: "a simulated one"}))
    assert not is_simulated(header(**{word: "a real one"}))


def test_images_of_another_patient_are_set_aside(tmp_path):
    other = {"PatientName": "SIMULATED^TWO", "PatientID": "SIM-2", "PatientBirthDate": "19500101"}
    save_all(tmp_path, mr_series(5), us_still(1, **other), us_still(2))
    case = scan_folder(tmp_path)
    assert problems(case) == {"IM0005": "problem.other_patient"}
    assert codes(case.notes) == ["case.other_patient"]
    assert [frames.key for frames in case.frames] == [f"{ROOT}.6.2"]
    assert case.patient.patient_id == "SIM-1"


@pytest.mark.parametrize(
    "same",
    [
        {"PatientID": "", "PatientName": "SIMULATED^ONE"},
        {"PatientID": "sim-1 ", "PatientName": "Simulated One"},
        {"PatientID": "", "PatientName": "", "PatientBirthDate": ""},
        {"PatientID": "US-77", "PatientName": "SIMULATED^ONE"},
    ],
)
def test_blanks_and_other_numbering_are_not_another_patient(tmp_path, same):
    save_all(tmp_path, mr_series(3), us_still(**same))
    case = scan_folder(tmp_path)
    assert len(case.frames) == 1
    assert case.problems == ()


@pytest.mark.parametrize(
    "other",
    [
        {"PatientID": "", "PatientName": "SIMULATED^TWO"},
        {"PatientID": "SIM-2", "PatientName": ""},
        {"PatientID": "SIM-2", "PatientBirthDate": "19991231"},
    ],
)
def test_another_name_or_number_is_another_patient(tmp_path, other):
    save_all(tmp_path, mr_series(3), us_still(**other))
    case = scan_folder(tmp_path)
    assert case.frames == ()
    assert problems(case) == {"IM0003": "problem.other_patient"}


def test_the_simulated_say_so(tmp_path):
    save_all(tmp_path / "simulated", mr_series(2), us_still())
    save_all(tmp_path / "real", mr_series(2, PatientName="A^B", Manufacturer="X"))
    assert scan_folder(tmp_path / "simulated").simulated
    assert not scan_folder(tmp_path / "real").simulated


def test_age_and_name_are_those_of_the_last_exam(tmp_path):
    before = mr_series(3, series=1, StudyDate="20160305", PatientAge="041Y", PatientName="SIMULATED^MAIDEN")
    save_all(tmp_path, before, mr_series(3, series=2, PatientAge="052Y"))
    patient = scan_folder(tmp_path).patient
    assert (patient.age_y, str(patient.name)) == (52, "SIMULATED^ONE")
