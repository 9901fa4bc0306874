"""The scope is what the manifest says of the lesions that a bundle was measured on, and no more."""

from __future__ import annotations

import pandas as pd
import pytest

from breastview.language import Language
from breastview.messages import render
from model_training.scope import SIMULATED, is_simulated, scope_of


def manifest(malignant: int = 3, benign: int = 4, **columns) -> pd.DataFrame:
    n = malignant + benign
    rows = {
        "case": [f"case-{k}" for k in range(n)],
        "patient": [f"patient-{k // 2}" for k in range(n)],
        "source": "records",
        "malignant": [k < malignant for k in range(n)],
    }
    return pd.DataFrame({**rows, **columns})


def test_bounds_come_from_the_lesions():
    about = manifest(
        age_y=[31, 44, None, 70, 52, 61, 40],
        size_mm=[7.2, 11, 30.4, 12, 9, None, 8],
        scanner=["GE Brivo", "", None, "SIEMENS Aera", "GE Brivo", "GE Brivo", "GE Brivo"],
        density=["C", "b", "", None, "c", "c", "b"],
    )
    scope = scope_of(about)
    assert (scope.min_age_y, scope.max_age_y, scope.sizes_mm) == (31, 70, (7.0, 31.0))
    assert (scope.scanners, scope.densities) == (("GE Brivo", "SIEMENS Aera"), ("b", "c"))
    assert (scope.sources, scope.simulated_only) == (("records",), False)
    assert scope.note == "Validated on 7 lesions (3 malignant) of 4 patients from records."
    assert render(scope.told) == scope.note
    assert "7 个病灶" in render(scope.told, Language("zh_CN").text), "it is said in the reader's language"


@pytest.mark.parametrize(
    ("count", "bounds"), [(1, (1, 1)), (200, (1, 90)), (201, (10, 31)), (2000, (10, 31))]
)
def test_an_outlier_bounds_ages_and_sizes_of_few_lesions_only(count, bounds):
    values = [1, 90, *(10.2, 30.4) * count][:count]
    scope = scope_of(manifest(count, 0, size_mm=values, age_y=values))
    assert scope.sizes_mm == bounds == (scope.min_age_y, scope.max_age_y)


def test_what_is_not_known_is_not_bounded():
    scope = scope_of(manifest())
    assert (scope.min_age_y, scope.max_age_y, scope.sizes_mm) == (None, None, None)
    assert (scope.scanners, scope.densities) == ((), ())


@pytest.mark.parametrize(
    ("malignant", "benign", "research"), [(100, 100, False), (99, 300, True), (300, 99, True)]
)
def test_fewer_than_a_hundred_of_either_are_for_research(malignant, benign, research):
    assert scope_of(manifest(malignant, benign)).research_only is research


def test_simulated_patients_bound_it_to_simulated_patients():
    scope = scope_of(manifest(source="simulated"))
    assert scope.simulated_only and scope.note == SIMULATED
    mixed = scope_of(manifest(simulated=[True] + [False] * 6))
    assert not mixed.simulated_only and mixed.note.endswith("; simulated patients among them.")


def test_without_mri_there_is_us_only():
    scope = scope_of(manifest(source="stills"), has_mri=False)
    assert (scope.modalities, scope.required_channels) == (("us",), ())


def test_simulated_cases_are_known_by_source_or_header():
    about = pd.DataFrame({"source": ["simulated", "records", "records"], "simulated": [None, True, False]})
    assert list(is_simulated(about)) == [True, True, False]
    assert list(is_simulated(about[["source"]])) == [True, False, False]
