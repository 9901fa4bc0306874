"""Shards as they are read: joined, by part, and refused where they do not say what they must."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from breastview.fusion.spec import InputSpec
from model_training.cohort.samples import CohortError, load_cohort, manifest, write_shard
from model_training.cohort.simulated import simulate_cohort
from model_training.splits import load_fold, load_parts
from tests.model_training.cohorts import noise_sample, write_cohort


@pytest.fixture
def cohort(tmp_path) -> Path:
    return write_cohort(tmp_path / "cohort")


def test_parts_with_more_and_fewer_variants_are_joined_with_the_fewest(cohort, caplog):
    path = cohort / "train-0000.npz"
    arrays = dict(np.load(path))
    strayed = {name: np.concatenate([arrays[name], -arrays[name]], axis=1) for name in ("us", "mri")}
    np.savez(path, **arrays | strayed)
    assert load_cohort(cohort, "train").us.shape[1] == 4 and not caplog.records
    whole = load_cohort(cohort)
    assert len(whole) == 36 and whole.us.shape[1] == whole.mri.shape[1] == 2
    assert "the lesions have 2 to 4 variants: all take part with 2" in caplog.text
    assert np.array_equal(load_cohort(cohort, "train").us[:, :2], whole.us[whole.about["part"] == "train"])
    assert [part.us.shape[1] for part in load_fold(cohort, 1, 2)] == [2, 2]


def test_lesions_of_one_shard_may_have_unlike_parts(cohort):
    whole = load_cohort(cohort)
    for path in cohort.glob("*-0000.*"):
        path.unlink()
    np.savez(cohort / "records-0000.npz", **whole.arrays())
    whole.about.to_csv(cohort / "records-0000.csv", index=False)
    training, validation = load_parts(cohort)
    assert (len(training), len(validation)) == (12, 12)
    own = whole.take((whole.about["part"] == "validation").to_numpy())
    assert validation.sha256 == own.sha256


def test_lesions_without_a_part_are_counted_in_the_log(cohort, caplog):
    load_parts(cohort)
    assert not caplog.records
    path = cohort / "train-0000.csv"
    rows = pd.read_csv(path, dtype=str)
    rows.loc[:2, "part"] = ["", "Train", "test"]
    rows.to_csv(path, index=False)
    assert [len(part) for part in load_parts(cohort, ["train", "test"])] == [9, 13]
    assert "2 of 36 lesions have no part (train, validation, test) and are left out" in caplog.text


@pytest.mark.parametrize("word", ["", "perhaps", "benign"])
def test_a_lesion_without_a_label_is_refused(cohort, word):
    path = cohort / "train-0000.csv"
    rows = pd.read_csv(path, dtype=str)
    rows.loc[[1, 5], "malignant"] = word
    rows.to_csv(path, index=False)
    told = "train-0000.csv: malignant is True or False; 2 rows say neither"
    for read in (load_cohort, manifest):
        with pytest.raises(CohortError, match=told):
            read(cohort)


def test_labels_may_be_written_as_numbers(cohort):
    before = load_cohort(cohort, "train").label
    path = cohort / "train-0000.csv"
    rows = pd.read_csv(path)
    rows["malignant"] = rows["malignant"].astype(int)
    rows.to_csv(path, index=False)
    assert np.array_equal(load_cohort(cohort, "train").label, before)


def test_a_manifest_without_a_column_is_refused(cohort):
    path = cohort / "train-0000.csv"
    pd.read_csv(path).drop(columns="group").to_csv(path, index=False)
    with pytest.raises(CohortError, match=r"train-0000.csv lacks the column 'group'"):
        load_cohort(cohort)


def test_a_cohort_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CohortError, match=r"made.json cannot be written"):
        simulate_cohort(tmp_path / "file" / "cohort", {}, InputSpec(), 2, 1)
    one = noise_sample(np.random.default_rng(0), "train", 0, 16, 0.3, 1)
    with pytest.raises(CohortError, match=r"train-0000.npz cannot be written"):
        write_shard(tmp_path / "file" / "train-0000.npz", [one])


def test_rows_that_cannot_be_read_are_told_with_their_shard(cohort):
    (cohort / "test-0000.csv").write_text("")
    with pytest.raises(CohortError, match=r"the rows of .*test-0000.npz cannot be read .* make it anew"):
        manifest(cohort)


def test_a_shard_of_another_version_is_told_with_what_it_lacks(cohort):
    with np.load(cohort / "test-0000.npz") as shard:
        arrays = dict(shard)
    del arrays["native"]
    np.savez(cohort / "test-0000.npz", **arrays)
    with pytest.raises(CohortError, match=r"test-0000.npz lacks native: remove it and make it anew"):
        load_cohort(cohort)


def test_rows_that_were_sorted_do_not_label_other_lesions(cohort):
    path = cohort / "train-0000.csv"
    rows = pd.read_csv(path)
    rows.sort_values("malignant").to_csv(path, index=False)
    with pytest.raises(CohortError, match=r"train-0000.csv names other lesions than train-0000.npz, or in"):
        load_cohort(cohort)
    rows.to_csv(path, index=False)
    assert load_cohort(cohort, "train").about["case"].tolist() == rows["case"].tolist()
