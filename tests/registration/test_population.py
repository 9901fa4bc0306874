"""What is fitted to the maps of simulated patients is what the program holds of them."""

from __future__ import annotations

import numpy as np
import pytest

from breastview.registration import population
from breastview.registration.population import Population
from tests.benchmarks.population import Seen, as_kept, fit, look

MANY = 20_000


def drawn() -> list[Seen]:
    """Maps as the program believes them to be."""
    rng, kept = np.random.default_rng(0), as_kept()
    known = np.column_stack([np.ones(MANY), rng.normal(0, 1, (MANY, 8))])
    told, inward = rng.uniform(0, 2, (MANY, 2)), rng.normal(0, 0.6, (MANY, 3))
    left = rng.multivariate_normal(np.zeros(3), kept["PLACE_COVARIANCE_MM2"], MANY)
    left *= np.exp(told @ kept["PLACE_GROWTH"])[:, None]
    sd = kept["LINEAR_SD"].ravel()
    linear = rng.multivariate_normal(np.zeros(9), kept["LINEAR_CORRELATION"] * np.outer(sd, sd), MANY)
    linear += kept["LINEAR"].ravel() + inward @ kept["LINEAR_BY_INWARD"].reshape(3, 9)
    linear += left @ kept["LINEAR_BY_PLACE"].T
    products = np.zeros((MANY, 6, 3))
    products[:, :3] = rng.normal(0, 1, (MANY, 3, 3)) * np.square(Population().bent)[:, None]
    products[:, [0, 2], 1] += Population().bowl
    off = known @ kept["PLACE_MM"].T + left
    columns = zip(known, off, told, inward, linear.reshape(-1, 3, 3), products, strict=True)
    return [Seen(*each) for each in columns]


def test_the_tables_come_back_from_maps_that_follow_them():
    found, kept = fit(drawn()), as_kept()
    assert set(found) == set(kept)
    for name, most in {"PLACE_MM": 0.3, "PLACE_COVARIANCE_MM2": 0.6, "LINEAR_BY_PLACE": 0.001}.items():
        assert found[name] == pytest.approx(kept[name], abs=most), name
    for name in ("PLACE_GROWTH", "LINEAR", "LINEAR_BY_INWARD", "LINEAR_SD", "LINEAR_CORRELATION"):
        assert found[name] == pytest.approx(kept[name], abs=0.03), name
    assert found["bowl"] == pytest.approx(kept["bowl"], rel=0.05)
    assert found["bent"] == pytest.approx(kept["bent"], rel=0.03)


def test_a_patient_s_map_is_one_that_the_tables_allow():
    seen = look(1000)
    place = np.array(population.PLACE_MM) @ seen.known
    assert np.linalg.norm(seen.off_mm - place) < 20.0
    assert seen.linear == pytest.approx(np.array(population.LINEAR), abs=1.0)
    assert np.abs(seen.products).max() < 0.05
