"""Criteria: each lesion is excluded once, what is unknown is counted, and few lesions are research only."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from model_training.__main__ import app
from model_training.cohort.criteria import (
    apply_criteria,
    excluded_by,
    flow_text,
    read_criteria,
    research_only,
)

FIT = {
    "patient": "a",
    "us_and_mri": True,
    "before_surgery": "yes",
    "age_y": 31,
    "mri_artefact_grade": 1,
    "pathology": "malignant",
    "other_malignancy": "no",
    "pregnant": 0,
    "us_mri_days": 30,
    "prior_biopsy": "no",
    "prior_therapy": False,
    "implants": "no",
    "benign_by": "",
    "follow_up_months": "",
    "skipped": "",
}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"us_and_mri": False, "age_y": 20}, "without ultrasound and MRI"),
        ({"before_surgery": "no"}, "imaged after surgery"),
        ({"age_y": 30}, "aged 30 or younger"),
        ({"age_y": ""}, ""),
        ({"mri_artefact_grade": 2}, "marked MRI artefacts"),
        ({"pathology": ""}, "no conclusive pathology"),
        ({"pathology": "high_risk"}, "high-risk lesion (B3), reported apart"),
        ({"other_malignancy": "yes"}, "another malignancy"),
        ({"pregnant": 1}, "pregnant"),
        ({"us_mri_days": 31}, "more than 30 days between ultrasound and MRI"),
        ({"prior_biopsy": "Yes"}, "biopsied before imaging"),
        ({"prior_therapy": True}, "treated before imaging"),
        ({"implants": "yes"}, "implants"),
        ({"pathology": "benign", "benign_by": "histology"}, ""),
        ({"pathology": "benign", "benign_by": "follow_up", "follow_up_months": 24}, ""),
        (
            {"pathology": "benign", "benign_by": "follow_up", "follow_up_months": 23},
            "benign by less than 24 months of follow-up",
        ),
        (
            {"pathology": "benign", "benign_by": "follow_up"},
            "benign by less than 24 months of follow-up",
        ),
        ({"pregnant": "n", "implants": "none", "before_surgery": "是", "other_malignancy": "否"}, ""),
        ({"pregnant": "Y"}, "pregnant"),
        ({"pregnant": "perhaps"}, "what pregnant says cannot be judged"),
        ({"mri_artefact_grade": "severe"}, "what mri_artefact_grade says cannot be judged"),
        ({"us_mri_days": "a month"}, "what us_mri_days says cannot be judged"),
        (
            {"pathology": "benign", "benign_by": "Follow-up", "follow_up_months": "6"},
            "benign by less than 24 months of follow-up",
        ),
        (
            {"pathology": "benign", "benign_by": "follow up", "follow_up_months": "30 months"},
            "what follow_up_months says cannot be judged",
        ),
        ({"pathology": "benign", "benign_by": "the clinic"}, "what benign_by says cannot be judged"),
        ({"benign_by": "the clinic", "follow_up_months": "long"}, ""),
        ({"skipped": "no box on ultrasound"}, "no box on ultrasound"),
    ],
)
def test_what_excludes_a_lesion(changes, reason):
    assert excluded_by({**FIT, **changes}, read_criteria()) == reason


def test_the_flow_counts_lesions_patients_and_what_is_unknown():
    rows = [
        FIT,
        {**FIT, "age_y": None, "pathology": "benign"},
        {**FIT, "patient": "b", "pathology": "high_risk", "prior_biopsy": None},
        {**FIT, "patient": "c", "pathology": None},
        {**FIT, "patient": "c", "skipped": "no box on ultrasound"},
    ]
    flow = apply_criteria(pd.DataFrame(rows), read_criteria())
    assert flow.included.tolist() == [True, True, False, False, False]
    text = flow_text(flow).splitlines()
    assert text[0] == "assessed: 5 lesions of 3 patients"
    assert "  ├─ 0 excluded: aged 30 or younger (unknown in 1, kept)" in text
    assert "  ├─ 1 excluded: no conclusive pathology (unknown in 1, excluded)" in text
    assert text[-5:] == [
        "  ├─ 1 excluded: no box on ultrasound",
        "included: 2 lesions of 1 patients",
        "  ├─ malignant: 1 lesions of 1 patients",
        "  └─ benign: 1 lesions of 1 patients",
        "Research only: fewer than 100 malignant or benign lesions.",
    ]


@pytest.mark.parametrize(
    ("malignant", "benign", "few"), [(100, 100, False), (99, 500, True), (500, 99, True)]
)
def test_a_hundred_of_each_are_more_than_research(malignant, benign, few):
    assert research_only(np.arange(malignant + benign) < malignant) is few


def test_criteria_that_say_something_else_are_refused(tmp_path):
    file = tmp_path / "criteria.toml"
    for text, told in {
        "[[criterion]]\ncolumn = 'a'\nexcludes = 'b'\nbelow = 3": "criterion 1 says 'below'",
        "[[criterion]]\ncolumn = 'a'": "criterion 1 lacks 'excludes'",
        "[[criterion]]\ncolumn = 'a'\nexcludes = 'b'\nunknown = 'lost'": "'kept' or 'excluded'",
        "[[criterion]]\ncolumn = 'a'\nexcludes = 'b'": "needs either 'among' or one of above, at_least",
        "[[criterion": "are no TOML",
        "[[criteria]]\ncolumn = 'a'\nexcludes = 'b'": "the criteria say 'criteria'; write each as",
        "criterion = 3": "criterion is no table",
        "[[criterion]]\ncolumn = 3\nexcludes = 'b'": "criterion 1: column is a text",
        "[[criterion]]\ncolumn = 'a'\nexcludes = 'b'\namong = 'no'": "1: among is a list of words",
        "[[criterion]]\ncolumn = 'a'\nexcludes = 'b'\nabove = '30'": "1: above is a number",
        "[[criterion]]\ncolumn = 'a'\nexcludes = 'b'\nabove = true": "1: above is a number",
        "[[criterion]]\ncolumn = 'a'\nexcludes = 'b'\nonly_if = 'c'": "1: only_if is a table",
    }.items():
        file.write_text(text)
        with pytest.raises(ValueError, match=told):
            read_criteria(file)


@pytest.mark.parametrize(
    ("column", "among", "told"),
    [
        ("bi_rads", '["4A"]', "4A"),
        ("mri_artefact_grade", '["0", "1"]', 0),
        ("mri_artefact_grade", '["2"]', 2.0),
        ("implants", "[false]", "No"),
    ],
)
def test_words_of_a_criterion_are_read_as_those_of_a_lesion(tmp_path, column, among, told):
    file = tmp_path / "criteria.toml"
    file.write_text(f"[[criterion]]\ncolumn = '{column}'\nexcludes = 'another'\namong = {among}")
    assert excluded_by({**FIT, column: told}, read_criteria(file)) == ""
    assert excluded_by({**FIT, column: "3"}, read_criteria(file)) != ""


def test_the_command_line_shows_the_flow_by_other_criteria(tmp_path):
    pd.DataFrame([FIT, {**FIT, "age_y": 45}]).to_csv(tmp_path / "assessed.csv")
    file = tmp_path / "older.toml"
    file.write_text("[[criterion]]\ncolumn = 'age_y'\nexcludes = 'under 40'\nat_least = 40")
    result = CliRunner().invoke(app, ["cohort", "flow", str(tmp_path), "--criteria", str(file)])
    assert result.output.splitlines()[1:3] == [
        "  ├─ 1 excluded: under 40",
        "included: 1 lesions of 1 patients",
    ]
