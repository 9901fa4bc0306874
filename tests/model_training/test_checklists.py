"""Every item of both lists, what the run knows of it, and what stays open."""

from __future__ import annotations

from dataclasses import replace

import pytest

from model_training.checklists import CHECKLISTS, CLAIM, OPEN, TRIPOD_AI, checklist
from model_training.tables.facts import study_facts
from tests.model_training.tables.examples import study


def test_the_lists_are_complete():
    assert [item.number for item in CLAIM] == [str(n) for n in range(1, 45)]
    assert len(TRIPOD_AI) == 52
    main = [int("".join(c for c in item.number if c.isdigit())) for item in TRIPOD_AI]
    assert sorted(set(main)) == list(range(1, 28)) and main == sorted(main)


@pytest.mark.parametrize("name", CHECKLISTS)
def test_what_a_run_does_not_know_is_open_and_counted(name):
    items = CHECKLISTS[name]
    text = checklist(name, {})
    assert text.count(OPEN) == len(items)
    assert f"{len(items)} items, {len(items)} of them open" in text


def test_a_study_fills_what_it_knows():
    own = study()
    text = checklist("claim", study_facts(own), ["**said first**"])
    assert text.index("said first") < text.index("| 1 |")
    lines = {line.split(" | ")[0][2:]: line for line in text.splitlines() if line.startswith("| ")}
    assert "train 300 lesions of 300 patients; validation 60 lesions of 60 patients" in lines["19"]
    assert "Patient, and near-duplicate group" in lines["20"]
    assert "software verification, not clinical evidence" in lines["7"]
    assert "torch " in lines["23"] and "misregistered by 5/10/15 mm" in lines["30"]
    assert "; mri registered, and native for one ResNet-101 US+MRI; " in lines["25"]
    assert "and as acquired for one network" in lines["10"]
    assert lines["44"].endswith(f"{OPEN} |") and lines["33"].endswith("| None. |")


def test_ethics_and_reference_are_open_for_real_patients():
    text = checklist("tripod-ai", study_facts(study(source="records")))
    for line in text.splitlines():
        if line.startswith(("| 17 |", "| 8a |")):
            assert line.endswith(f"{OPEN} |")
    simulated = study()
    assert "No patient took part: all are simulated." in checklist("tripod-ai", study_facts(simulated))
    simulated.about.loc[0, "source"] = "records"
    told = study_facts(simulated)
    assert "ethics" not in told and "reference" not in told and "deidentification" not in told


def test_what_is_told_of_parts_and_trunks_is_the_runs_own():
    own = study()
    assert "convolutions shared by both modalities" in study_facts(own)["network"]
    staged = replace(own, recipe=replace(own.recipe, strategy="staged"))
    assert "a trunk a modality" in study_facts(staged)["network"]
    folds = study_facts(replace(own, counts=own.counts * 5))
    assert folds["partitions"].startswith("5 patient-wise folds; of the first: train 300 lesions")
    assert study_facts(own)["partitions"].startswith("One patient-wise split: train 300 lesions")


def test_every_fact_that_a_study_gives_is_asked_for():
    asked = {name for items in CHECKLISTS.values() for item in items for name in item.says}
    assert set(study_facts(study())) <= asked
