"""Splits: no patient on two sides, both classes on each, and a leak is an error."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from model_training.cohort.samples import manifest
from model_training.splits import (
    LeakError,
    Split,
    SplitError,
    by_part,
    checked,
    clusters,
    folds,
    load_fold,
    load_parts,
)
from tests.model_training.cohorts import write_cohort


def cohort(patients: int = 40) -> pd.DataFrame:
    """Two lesions a patient; every second patient's are malignant; patients 0 and 1 share a group."""
    patient = np.repeat(np.arange(patients), 2)
    return pd.DataFrame(
        {
            "patient": [f"p{n}" for n in patient],
            "group": ["shared" if n < 2 else f"g{n}" for n in patient],
            "malignant": patient % 2 == 1,
            "part": np.where(patient < 20, "train", np.where(patient < 30, "validation", "test")),
        }
    )


def test_a_cluster_is_a_patient_and_whose_pictures_are_near_duplicates():
    found = clusters(cohort())
    assert len(set(found[:4])) == 1
    assert len(np.unique(found)) == 39


def test_each_lesion_is_tested_once_a_repeat_and_never_trained_on_there():
    about = cohort()
    splits = list(folds(about, 5, repeats=2))
    assert len(splits) == 10
    for repeat in (splits[:5], splits[5:]):
        assert sorted(np.concatenate([one.test for one in repeat])) == list(range(80))
    for one in splits:
        parts = (one.train, one.validation, one.test)
        assert sorted(np.concatenate(parts)) == list(range(80))
        owners = [set(clusters(about)[part]) for part in parts]
        assert not (owners[0] & owners[1] or owners[0] & owners[2] or owners[1] & owners[2])
        assert all(0.25 <= about["malignant"].to_numpy()[part].mean() <= 0.75 for part in parts)


def test_the_same_seed_draws_the_same_folds():
    one, again, other = (next(folds(cohort(), 5, seed=seed)) for seed in (1, 1, 2))
    assert np.array_equal(one.test, again.test) and not np.array_equal(one.test, other.test)


def test_parts_of_the_manifest_are_kept():
    split = by_part(cohort())
    assert [len(part) for part in (split.train, split.validation, split.test)] == [40, 20, 20]


def test_a_leak_fails_loudly():
    about = cohort()
    with pytest.raises(LeakError, match="1 patients or near-duplicate groups stand in two parts"):
        checked(about, Split(np.array([0, 4]), np.array([6]), np.array([2, 8])))


def test_one_class_only_is_refused():
    about = cohort().assign(malignant=False)
    with pytest.raises(SplitError, match="0 patients with a malignant lesion are too few for 5 folds"):
        next(folds(about, 5))


@pytest.mark.parametrize(("patients", "enough"), [(20, True), (18, False)])
def test_enough_patients_of_each_class_must_be_left_to_choose_by(patients, enough):
    drawn = folds(cohort(patients), 2)
    if enough:
        assert len(next(drawn).validation) > 0
    else:
        with pytest.raises(SplitError, match="9 patients with a malignant lesion are too few for 2 folds"):
            next(drawn)


def test_the_cohorts_own_parts_or_a_fold_can_be_loaded(tmp_path):
    folder = write_cohort(tmp_path)
    train, validation = load_parts(folder)
    assert (set(train.about["part"]), set(validation.about["part"])) == ({"train"}, {"validation"})
    split = list(folds(manifest(folder), 3))[1]
    assert split.name == "fold 2/3"
    train, validation = load_fold(folder, 2, 3)
    assert list(train.about["case"]) == list(manifest(folder)["case"].iloc[split.train])
    assert list(validation.about["case"]) == list(manifest(folder)["case"].iloc[split.validation])
