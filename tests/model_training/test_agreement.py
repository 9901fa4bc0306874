"""The check of the registration: it learns where MRI is off, and knows nothing of labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from model_training import agreement
from model_training.cohort.samples import load_cohort
from tests.model_training.cohorts import write_cohort

SIDE_PX = 32


def spots(samples, seed):
    """A bright spot in the middle of MRI; where the registration is off, at the edge."""
    rng = np.random.default_rng(seed)
    mri, displaced = samples.mri.copy(), samples.displaced.copy()
    for image in mri.reshape(-1, SIDE_PX, SIDE_PX):
        image[13:19, 13:19] += 6
    for image in displaced.reshape(-1, SIDE_PX, SIDE_PX):
        row = rng.integers(0, 6)
        image[row : row + 6, 1:7] += 6
    return replace(samples, mri=mri, displaced=displaced)


@pytest.fixture(scope="module", autouse=True)
def few_are_enough():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(agreement, "LEAST_PAIRS", 40)
        yield


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    folder = write_cohort(tmp_path_factory.mktemp("c"), 48, SIDE_PX)
    return [spots(load_cohort(folder, name), k) for k, name in enumerate(("train", "validation", "test"))]


@pytest.fixture(scope="module")
def check(parts):
    return agreement.train_check(parts[0], parts[1])


def test_it_flags_what_is_off_and_little_else(parts, check):
    found = agreement.check_metrics(check, parts[2])
    assert found["flagged"].value >= 0.9 and found["flagged"].n == 48
    assert found["false_flags"].value <= 0.2
    assert {"flagged_5_mm", "flagged_10_mm", "flagged_15_mm"} < set(found)


def test_the_threshold_doubts_few_of_the_validation_lesions(parts, check):
    doubted = (agreement.doubts(check.network, parts[1]) > check.threshold).mean()
    assert doubted <= agreement.FALSE_FLAGS + 1 / len(parts[1])


def test_labels_are_not_looked_at(parts, check, monkeypatch, caplog):
    monkeypatch.setattr(agreement, "EPOCHS", 2)
    caplog.set_level("INFO")
    blind = [replace(part, about=part.about.drop(columns="malignant")) for part in parts[:2]]
    one, other = (agreement.train_check(*pair) for pair in (parts[:2], blind))
    assert one.threshold == other.threshold
    told = [message.partition(", loss")[0] for message in caplog.messages]
    assert told == 2 * [f"check of the registration, epoch {epoch} of 2" for epoch in (1, 2)]


def test_lesions_without_mri_are_left_out(parts, check):
    alone = replace(parts[2], channels=parts[2].channels & (np.arange(48) < 40)[:, None])
    assert agreement.check_metrics(check, alone)["flagged"].n == 40


def test_too_few_pairs_train_nothing(parts):
    few = parts[0].take(np.arange(30))
    assert agreement.train_check(few, parts[1]) is None
