"""Batches: one seed and epoch give one sequence, however many processes share it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from model_training.batches import batches, class_weights, kept_modalities, showings, targets
from model_training.cohort.samples import BEST, load_cohort
from model_training.recipe import Augmentation, Recipe
from model_training.team import Team
from tests.model_training.cohorts import SIDE_PX, write_cohort

CPU = torch.device("cpu")
BOTH = ("us", "mri")
RECIPE = Recipe(batch=5, class_weighted=True)


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    return load_cohort(write_cohort(tmp_path_factory.mktemp("cohort")), "train")


def test_the_shares_of_two_processes_are_the_batches_of_one(samples):
    whole = list(batches(samples, BOTH, RECIPE, SIDE_PX, 3, Team(), CPU))
    shares = [list(batches(samples, BOTH, RECIPE, SIDE_PX, 3, Team(rank, 2), CPU)) for rank in (0, 1)]
    assert [len(batch.present) for batch in whole] == [5, 5, 2]
    for one, *parts in zip(whole, *shares, strict=True):
        for name in BOTH:
            assert torch.equal(one.inputs[name], torch.cat([part.inputs[name] for part in parts]))
        assert torch.equal(one.present, torch.cat([part.present for part in parts]))
        assert torch.equal(one.weight["mri"], torch.cat([part.weight["mri"] for part in parts]))


def test_another_epoch_shows_other_pictures(samples):
    first, second = (next(batches(samples, BOTH, RECIPE, 8, epoch, Team(), CPU)) for epoch in (0, 1))
    assert first.inputs["us"].shape == (5, 1, 8, 8)
    assert not torch.equal(first.inputs["us"], second.inputs["us"])


def test_a_rest_with_less_than_a_case_for_each_process_is_left_out(samples):
    assert len(list(batches(samples, BOTH, RECIPE, 8, 0, Team(0, 3), CPU))) == 2


def test_a_process_whose_share_lacks_what_the_others_have_gets_none_of_it(samples):
    few = replace(samples, channels=samples.channels & (np.arange(12) == 3)[:, None])
    moving = replace(RECIPE, batch=12, augmentation=Augmentation(turn_deg=5, speckle=0.1))
    shares = [next(batches(few, BOTH, moving, 8, 0, Team(rank, 3), CPU)) for rank in range(3)]
    assert sorted(len(batch.inputs["mri"]) for batch in shares) == [0, 0, 1]
    assert [batch.inputs["us"].shape for batch in shares] == [(4, 1, 8, 8)] * 3


def test_weights_sum_to_one_over_the_cases_that_a_head_can_see(samples):
    channels = samples.channels.copy()
    channels[::3] = False
    for batch in batches(replace(samples, channels=channels), BOTH, RECIPE, 8, 0, Team(), CPU):
        assert batch.weight["fused"].sum().item() == pytest.approx(1)
        assert batch.weight["mri"].sum().item() == pytest.approx(1)
        blind = batch.weight["mri"] == 0
        assert not batch.present[blind][:, 1].any() and batch.present.any(dim=1).all()


def test_a_trunk_is_given_only_the_cases_that_have_its_modality(samples):
    channels = samples.channels.copy()
    channels[::3] = False
    for batch in batches(replace(samples, channels=channels), BOTH, RECIPE, 8, 0, Team(), CPU):
        assert len(batch.inputs["us"]) == len(batch.known)
        assert len(batch.inputs["mri"]) == batch.known[:, 1].sum() > 0
    bare = replace(samples, channels=np.zeros_like(channels))
    assert all(set(batch.inputs) == {"us"} for batch in batches(bare, BOTH, RECIPE, 8, 0, Team(), CPU))
    assert not list(batches(bare, ("mri",), RECIPE, 8, 0, Team(), CPU))


def test_for_a_trunk_of_their_own_cases_without_mri_come_apart_and_all_come(samples):
    lone = np.arange(12) % 3 == 0
    few = replace(samples, channels=samples.channels & ~lone[:, None])
    given = list(batches(few, BOTH, RECIPE, SIDE_PX, 0, Team(), CPU, own_us_only=True))
    assert sorted((*batch.inputs, len(batch.known)) for batch in given) == [
        ("us", "mri", 3),
        ("us", "mri", 5),
        ("us_only", 4),
    ]
    shown = torch.cat([x for batch in given for name, x in batch.inputs.items() if name != "mri"])
    assert len(torch.unique(shown.reshape(12, -1), dim=0)) == 12
    places = [
        next(place for place, batch in enumerate(one) if "us_only" in batch.inputs)
        for one in (list(batches(few, BOTH, RECIPE, 8, n, Team(), CPU, own_us_only=True)) for n in range(9))
    ]
    assert len(set(places)) > 1


def test_a_source_that_is_repeated_is_shown_as_often_and_otherwise_each_time(samples):
    about = samples.about.assign(source=["few", *["many"] * 11])
    few = replace(samples, about=about)
    recipe = replace(RECIPE, repeats={"few": 3})
    assert showings(few, recipe)[:4].tolist() == [0, 0, 0, 1]
    whole = [batch.inputs["us"] for batch in batches(few, BOTH, recipe, SIDE_PX, 0, Team(), CPU)]
    shown = torch.cat(whole).reshape(14, -1)
    assert len(torch.unique(shown, dim=0)) == 14


def test_soft_labels_are_the_optimal_readers_answers_where_there_is_one(samples):
    about = samples.about.copy()
    about.loc[:5, list(BEST)] = np.nan
    posterior = replace(samples, about=about).posterior
    assert np.array_equal(posterior[:6], np.repeat(samples.label[:6, None], 3, axis=1))
    assert posterior[6:] == pytest.approx(1 / (1 + np.exp(-samples.best[6:])), abs=1e-9)
    unknown = replace(samples, about=about.drop(columns=list(BEST))).posterior
    assert np.array_equal(unknown[:, 2], samples.label)


def test_the_fused_head_learns_what_there_is_to_be_seen():
    malignant = np.array([[0.2, 0.9, 0.7]] * 3)
    present = np.array([[True, True], [True, False], [False, True]])
    made = targets(malignant, present, BOTH)
    assert made["fused"][:, 1] == pytest.approx([0.7, 0.2, 0.9])
    assert made["us"][:, 0] == pytest.approx([0.8] * 3)
    one = targets(malignant, present[:, :1], ("us",))
    assert set(one) == {"us", "fused"} and one["fused"][0, 1] == pytest.approx(0.2)


def test_soft_labels_reach_the_batches(samples):
    first, soft = (
        next(batches(samples, BOTH, replace(RECIPE, soft_labels=on), 8, 0, Team(), CPU))
        for on in (False, True)
    )
    assert set(first.target["mri"][:, 1].tolist()) <= {0.0, 1.0}
    assert not set(soft.target["mri"][:, 1].tolist()) & {0.0, 1.0}


def test_both_classes_count_alike_on_demand():
    label = np.array([True] + 3 * [False])
    benign, malignant = class_weights(label)
    assert (benign * 3, malignant * 1) == (2, 2)


def test_modality_dropout_never_takes_both():
    known = np.ones((1000, 2), bool)
    known[:100, 1] = False
    present = kept_modalities(known, 0.6, np.random.default_rng(0))
    assert present.any(axis=1).all() and not present[:100, 1].any()
    assert 0.2 < (~present[100:, 0]).mean() < 0.5
