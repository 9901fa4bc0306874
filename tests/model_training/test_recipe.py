"""Recipes: one readable file, whose mistakes are named before anything is trained."""

from __future__ import annotations

import json

import pytest

from breastview.fusion.spec import NetworkSpec
from model_training.recipe import Recipe, RecipeError, check_fits, from_plain, read_recipe, to_plain


def test_the_demonstration_is_the_default():
    assert read_recipe("demonstration") == Recipe()


def test_the_papers_way_is_staged_unregistered_and_class_weighted():
    paper = read_recipe("paper")
    assert (paper.strategy, paper.mri, paper.class_weighted) == ("staged", "native", True)
    assert paper.augmentation.shadow_share == 0.2


def test_a_recipe_survives_json():
    small = read_recipe("small")
    assert from_plain(json.loads(json.dumps(to_plain(small)))) == small
    assert small.size_px == 48


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('strategy = "both"', "strategy is 'both'; it may be joint, staged"),
        ("rates = 1", "a recipe knows no 'rates'; it knows stages, batch"),
        ("batch = 1", "batch is 1; batch norm needs 2 at least"),
        ("batch = 2.5", "batch is 2.5; it must be of type int"),
        ("batch = true", "batch is True; it must be of type int"),
        ("ema = 1", "ema is 1; it is a share"),
        ("stages = [64, 3]", r"stages are \[64, 3\]; write"),
        ("stages = []", r"stages are \(\)"),
        ("[repeats]\nstills = 0", "repeats of stills are 0; it is a whole number from 1 on"),
        ("stages = [[31.9, 1]]", r"stages are \[\[31.9, 1\]\]; write"),
        ("repeats = 3", r"repeats is 3; it is a table, written \[repeats\]"),
        ("augmentation = 3", r"augmentation is 3; it is a table, written \[augmentation\]"),
        ("seed = -1", "seed is -1; it is a whole number from 0 on"),
        ("threads = 0", "threads is 0; it is a whole number from 1 on"),
        ("rate = -1e-3", "rate is -0.001; it is a number from 0 on"),
        ("rate = nan", "rate is nan; it is a number from 0 on"),
        ("trunk_rate = -1.0", "trunk_rate is -1.0; it is a number from 0 on"),
        ("weight_decay = -1", "weight_decay is -1; it is a number from 0 on"),
        ("auxiliary = inf", "auxiliary is inf; it is a number from 0 on"),
        ("strategy = 'staged'\nfusion_epochs = 0", "fusion_epochs is 0; it is a whole number from 1 on"),
        ("[augmentation]\nspeckle = -1", "speckle is -1; it is a number from 0 on"),
        ("[augmentation]\nshadow_share = -3", "shadow_share is -3; it is a number from 0 on"),
        ("[augmentation]\nshadow_share = 1.5", "shadow_share is 1.5; it is a share, from 0 to 1"),
        ("[augmentation]\nturn = 1", "knows no 'turn'; it knows mirror"),
        ("batch", "is no TOML"),
    ],
)
def test_a_mistake_is_named(tmp_path, text, told):
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=told):
        read_recipe(str(path))


def test_an_absent_recipe_names_the_presets():
    with pytest.raises(
        RecipeError, match=r"no recipe 'papr'.*demonstration, heads, paper, simsiam, small, stills"
    ):
        read_recipe("papr")


def test_shared_convolutions_are_not_trained_one_modality_after_the_other():
    staged = Recipe(strategy="staged")
    with pytest.raises(RecipeError, match="--separate"):
        check_fits(staged, NetworkSpec(shared=True))
    check_fits(staged, NetworkSpec(shared=False))
    check_fits(staged, NetworkSpec(shared=True, modalities=("mri",)))
