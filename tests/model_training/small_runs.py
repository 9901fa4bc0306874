"""Runs that are short: a cohort of noise, a small network, an epoch or three."""

from __future__ import annotations

from dataclasses import replace

import torch

from breastview.fusion.spec import NetworkSpec
from model_training import train as training
from model_training.cohort.samples import load_cohort
from model_training.recipe import Recipe
from tests.model_training.cohorts import SIDE_PX

NETWORK = NetworkSpec(trunk="cnn")
RECIPE = Recipe(stages=((8, 1), (SIDE_PX, 2)), batch=5, threads=1)
ONCE = replace(RECIPE, stages=((SIDE_PX, 1),))


def train(cohort, *arguments, **more):
    parts = (load_cohort(cohort, part) for part in ("train", "validation"))
    return training.train(*parts, *arguments, **more)


def same(first, second):
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(own, other) for own, other in pairs)
