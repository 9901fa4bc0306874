"""A cohort of noise, and a run that nobody interrupted."""

from __future__ import annotations

import pytest

from tests.model_training.cohorts import write_cohort
from tests.model_training.small_runs import NETWORK, RECIPE, train


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return write_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="module")
def uninterrupted(cohort, tmp_path_factory):
    run = tmp_path_factory.mktemp("run")
    return run, train(cohort, run, NETWORK, RECIPE)
