"""Every cell is trained once and answers the same cases; what is done is kept."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from breastview.fusion.spec import NetworkSpec
from model_training import evaluate
from model_training.cohort.samples import load_cohort, manifest
from model_training.recipe import Recipe, RecipeError
from model_training.run_folder import log_lines
from model_training.tables import study as studies
from model_training.tables.paper import ORDER, PUBLISHED
from model_training.tables.registration import REGISTERED
from model_training.tables.study import ARMS, CELLS, NATIVE, PRESETS, Answered, Cell, StudyError, run_study
from tests.model_training.cohorts import SIDE_PX, write_cohort

RECIPE = Recipe(stages=((SIDE_PX, 1),), batch=8, ema=0.5, threads=1)
FEW = replace(PRESETS["small"], least_patients=20)


@pytest.fixture
def shallow(monkeypatch):
    """Every trunk is the CNN."""
    monkeypatch.setattr(Cell, "network", lambda cell, recipe: NetworkSpec("cnn", modalities=ARMS[cell.arm]))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A cohort, the folder of its study, and the study."""
    folder = tmp_path_factory.mktemp("study")
    cohort = write_cohort(folder / "cohort", cases=24, shift=0.4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Cell, "network", lambda cell, recipe: NetworkSpec("cnn", modalities=ARMS[cell.arm]))
        return cohort, folder / "out", run_study(cohort, folder / "out", FEW, RECIPE)


def without_parts(cohort, folder):
    """A copy of a cohort whose manifest fixes no parts."""
    shutil.copytree(cohort, folder)
    for path in folder.glob("*.csv"):
        pd.read_csv(path).assign(part="").to_csv(path, index=False)
    return folder


def test_nine_networks_and_a_native_one_answer_the_same_cases(made):
    _, _, study = made
    assert [cell.name for cell in CELLS][::3] == ["cnn-us", "resnet50-us", "resnet101-us", NATIVE.name]
    assert {(cell.trunk, cell.arm) for cell in CELLS} == set(PUBLISHED)
    assert all(len(answered.odds) == len(study.about) == 24 for answered in study.cells.values())
    assert list(study.about["case"]) == [f"test-{n}" for n in range(24)]
    assert study.counts == ({"train": (24, 24), "validation": (24, 24), "test": (24, 24)},)


def test_what_is_done_is_not_trained_again(made, monkeypatch, shallow):
    cohort, folder, study = made
    monkeypatch.setattr(studies, "train", lambda *_: pytest.fail("trained again"))
    again = run_study(cohort, folder, FEW, RECIPE)
    for cell in CELLS:
        assert np.array_equal(again.cells[cell].odds, study.cells[cell].odds)
    logs = [log_lines(folder / "cells" / cell.name / "fold-0" / "run") for cell in CELLS]
    assert again.seconds == study.seconds == sum(lines[-1]["seconds"] for lines in logs)


def test_side_by_side_the_networks_answer_the_same(made, tmp_path):
    cohort, _, study = made
    cells = Cell("cnn", "us"), Cell("cnn", "mri")
    together = run_study(cohort, tmp_path, FEW, RECIPE, cells, jobs=2)
    for cell in cells:
        assert np.array_equal(together.cells[cell].odds, study.cells[cell].odds)


def test_an_error_of_one_network_is_told_from_its_process(made, tmp_path):
    too_large = replace(RECIPE, stages=((2 * SIDE_PX, 1),))
    with pytest.raises(RecipeError, match="px"):
        run_study(made[0], tmp_path, FEW, too_large, (Cell("cnn", "us"),), jobs=2)


def test_a_cell_keeps_logits_and_recipe_and_no_weights(made):
    _, folder, _ = made
    own = folder / "cells" / "resnet101-fused-native" / "fold-0"
    with np.load(own / "answers.npz") as kept:
        assert {name: kept[name].shape for name in kept} == {
            "validation": (24, 2),
            "test": (24, 2),
            "displaced": (0, 24, 2),
        }
    assert json.loads((own / "cell.json").read_text())["recipe"]["mri"] == "native"
    assert not list(folder.rglob("*.pt"))


def test_another_recipe_is_refused_in_the_same_folder(made, shallow):
    cohort, folder, _ = made
    with pytest.raises(StudyError, match="cnn-us was made from other cases or by another recipe"):
        run_study(cohort, folder, FEW, replace(RECIPE, rate=1e-2))


def test_too_few_patients_make_no_table(made, tmp_path):
    with pytest.raises(StudyError, match="24 patients to test on; the tables take 100"):
        run_study(made[0], tmp_path, PRESETS["small"], RECIPE)


def test_temperature_and_threshold_come_from_validation_cases(made):
    cohort, folder, study = made
    with np.load(folder / "cells" / "cnn-us" / "fold-0" / "answers.npz") as kept:
        chosen, test = kept["validation"], kept["test"]
    label = load_cohort(cohort, "validation").label
    temperature = evaluate.fit_temperature(label, chosen)
    point = evaluate.youden_point(label, evaluate.calibrated(chosen, temperature))
    answered = study.cells[Cell("cnn", "us")]
    assert answered.odds == pytest.approx(evaluate.margin(test) / temperature)
    assert np.array_equal(answered.called, evaluate.calibrated(test, temperature) >= point)


def test_a_misregistered_answer_is_the_same_networks_on_displaced_mri(made, monkeypatch):
    _, _, study = made
    asked = []
    monkeypatch.setattr(
        studies, "predict", lambda net, samples, size, mri: asked.append((samples, size, mri)) or {"fused": 0}
    )
    test = load_cohort(made[0], "test")
    studies.ask(None, REGISTERED, test, 8, away=1)
    (samples, size, mri) = asked[0]
    assert np.array_equal(samples.mri[:, 0], test.displaced[:, 1]) and (size, mri) == (8, "registered")
    moved = study.cells[REGISTERED].displaced_odds
    assert moved.shape == (3, 24) and not np.allclose(moved[0], moved[2])
    assert study.cells[Cell("resnet101", "us")].displaced_odds.size == 0


def test_lesions_without_registered_mri_take_no_part(made):
    cohort, _, _ = made
    about = manifest(cohort)
    whole = load_cohort(cohort, "test")
    path = cohort.parent / "half"
    shutil.copytree(cohort, path)
    channels = whole.channels.copy()
    channels[:5] = False
    with np.load(path / "test-0000.npz") as shard:
        arrays = {**shard, "channels": channels}
    np.savez(path / "test-0000.npz", **arrays)
    parts = studies.parts_of(path, about, studies.splits_of(about, 1)[0])
    assert parts.counts["test"] == (19, 19) and parts.test.channels.all()


def test_where_the_cohort_fixes_no_parts_folds_are_drawn_by_patient(made):
    about = manifest(made[0]).assign(part="")
    assert [len(studies.splits_of(about, count)) for count in (1, 5)] == [1, 5]
    tested = np.concatenate([split.test for split in studies.splits_of(about, 5)])
    assert sorted(tested) == list(range(len(about)))


def test_folds_drawn_twice_answer_every_lesion_twice_and_the_mean_is_told(made, tmp_path, shallow):
    cohort = without_parts(made[0], tmp_path / "cohort")
    preset = replace(PRESETS["full"], least_patients=20)
    cell = Cell("cnn", "us")
    once = run_study(cohort, tmp_path / "out", preset, RECIPE, (cell,))
    twice = run_study(cohort, tmp_path / "out", preset, RECIPE, (cell,), repeats=2)
    assert (once.repeats, twice.repeats, len(twice.counts)) == (1, 2, 10)
    assert list(twice.about["case"]) == list(once.about["case"])
    assert sorted(twice.about["case"]) == sorted(manifest(cohort)["case"])
    assert once.aucs[cell] == twice.aucs[cell][:1] == (evaluate.auc(once.label, once.cells[cell].odds),)
    logits = {}
    for number, split in enumerate(studies.splits_of(manifest(cohort), 5, 2)):
        parts = studies.parts_of(cohort, manifest(cohort), split)
        assert parts.split.endswith(" of draw 2") == (number >= 5)
        with np.load(tmp_path / "out" / "cells" / cell.name / f"fold-{number}" / "answers.npz") as kept:
            temperature = evaluate.fit_temperature(parts.validation.label, kept["validation"])
            said = evaluate.margin(kept["test"]) / temperature
        for case, odds in zip(parts.test.about["case"], said, strict=True):
            logits.setdefault(case, []).append(odds)
    assert twice.cells[cell].odds == pytest.approx([np.mean(logits[case]) for case in twice.about["case"]])


def test_half_of_the_draws_call_a_lesion_malignant():
    def answered(*called: bool) -> Answered:
        return Answered(np.zeros(3), np.array(called), np.zeros((0, 3)), np.zeros((0, 3), bool))

    mean = studies._mean([answered(True, False, True), answered(True, False, False)])
    assert mean.called.tolist() == [True, False, True] and mean.displaced_called.shape == (0, 3)


def test_what_is_not_tested_again_cannot_be_drawn_again(made, tmp_path):
    with pytest.raises(StudyError, match="the cohort fixes its parts: another draw would not test the same"):
        run_study(made[0], tmp_path, FEW, RECIPE, repeats=2)
    with pytest.raises(StudyError, match="the preset trains 1 of 5 folds"):
        studies.splits_of(manifest(made[0]).assign(part=""), 1, 2)


def test_order_is_the_papers():
    accuracies = [PUBLISHED[trunk, "fused"].accuracy for trunk in ORDER]
    assert accuracies == sorted(accuracies)
