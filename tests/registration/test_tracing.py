"""Surfaces followed from a click: the fascia of a simulated chest; and where there is nothing to follow."""

from __future__ import annotations

import numpy as np
import pytest

from breastview.imaging.volume import Volume
from breastview.phantom import chest
from breastview.registration.tracing import trace_surface
from tests.registration.examples import oblique, volume_of

BACK = np.array([0.0, 1.0, 0.0])
BESIDE = (60.0, 0.0)  # x and z of the click


def chest_scan(fat: float = 900.0, muscle: float = 200.0, ends_x: float = np.inf) -> Volume:
    """Fat over muscle along the simulated chest's fascia, noisy, in slices of 4 mm; one grey beyond x."""
    rng = np.random.default_rng(0)

    def grey(lps: np.ndarray) -> np.ndarray:
        height = chest.height_mm(lps.reshape(-1, 3)).reshape(lps.shape[:-1])
        tissue = np.where(height > 0, fat, muscle)
        tissue[lps[..., 0] > ends_x] = (fat + muscle) / 2
        return tissue + rng.normal(0, 60, tissue.shape)

    return volume_of(grey, (28, 130, 160), oblique((4.0, 1.0, 1.0), (-20.0, 30.0, -70.0)))


def on_fascia(x: float, z: float, off_mm: float = 0.0) -> tuple[float, float, float]:
    y = np.linspace(0, 160, 1601)
    places = np.column_stack([np.full(len(y), x), y, np.full(len(y), z)])
    return x, float(y[np.argmin(np.abs(chest.height_mm(places)))] + off_mm), z


@pytest.mark.parametrize(("fat", "muscle"), [(900.0, 200.0), (150.0, 400.0)])
@pytest.mark.parametrize("off_mm", [-3.0, 0.0, 3.0])
def test_one_click_beside_the_fascia_finds_it_around(fat, muscle, off_mm):
    found = trace_surface(chest_scan(fat, muscle), [on_fascia(*BESIDE, off_mm)], BACK)
    missed = np.abs(chest.height_mm(found))
    assert np.median(missed) < 0.5 and np.percentile(missed, 95) < 1.5
    assert len(found) > 500 and np.ptp(found[:, 0]) > 50 and np.ptp(found[:, 2]) > 50


def test_more_clicks_reach_further():
    one = trace_surface(chest_scan(), [on_fascia(40.0, 0.0)], BACK)
    two = trace_surface(chest_scan(), [on_fascia(40.0, 0.0), on_fascia(80.0, 0.0)], BACK)
    assert np.ptp(two[:, 0]) > np.ptp(one[:, 0]) + 25


def test_where_there_is_no_edge_nothing_is_followed():
    flat = chest_scan(fat=300.0, muscle=300.0)
    assert trace_surface(flat, [on_fascia(*BESIDE)], BACK).shape == (0, 3)
    assert trace_surface(chest_scan(), [on_fascia(*BESIDE, off_mm=-25.0)], BACK).shape == (0, 3)


def test_the_surface_ends_where_its_edge_ends():
    found = trace_surface(chest_scan(ends_x=60.0), [on_fascia(45.0, 0.0)], BACK)
    assert len(found) > 300 and found[:, 0].max() < 64.0
