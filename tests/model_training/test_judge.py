"""The network that knows true places from false ones: it learns that, and is kept as it was trained."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from breastview.phantom.known_pose import rigid_case
from breastview.registration.judge import CHANNELS, COLUMNS, ROWS, Judge, mirrored
from model_training.__main__ import app
from model_training.cohort.samples import CohortError
from model_training.judge.fit import JudgeNetwork, fit_judge, told_apart
from model_training.judge.places import Places, make_places, places_of, read_places
from model_training.run_folder import RunError


def places(number: int, of: int = 5) -> Places:
    """A picture whose first place, or in every third picture none, is true: its maps are brighter. Another
    place explains it best."""
    rng = np.random.default_rng(number)
    maps = rng.normal(0, 0.3, (of, CHANNELS, ROWS, COLUMNS))
    missed, heights = np.full(of, 8.0), np.full(of, 0.2)
    if number % 3:
        maps[0] += 1
        missed[0] = 1.0
    heights[1] = 0.21
    return Places(maps.astype(np.float16), heights, missed, np.ones(of, bool))


@pytest.fixture(scope="module")
def judge() -> Judge:
    return fit_judge([places(number) for number in range(24)], epochs=6, seed=1)


def test_it_learns_what_tells_true_places_from_false_ones(judge):
    unseen = [places(number) for number in range(100, 112)]
    assert told_apart(judge, unseen) == {"pictures": 12, "found": 8, "highest": 0, "likeliest": 8}


def test_it_learns_when_none_of_the_places_is_true(judge):
    def surest(one: Places) -> float:
        return float(judge.shares(judge.odds(one.maps.astype(np.float32), one.heights)).max())

    right, nowhere = ([surest(places(number)) for number in numbers] for numbers in ((100, 101), (102, 105)))
    assert min(right) > 0.5 > max(nowhere)


def test_the_same_seed_gives_the_same_network(judge):
    again = fit_judge([places(number) for number in range(24)], epochs=6, seed=1)
    assert all(np.array_equal(value, again.weights[name]) for name, value in judge.weights.items())


def test_it_is_kept_as_it_was_trained():
    torch.manual_seed(3)
    net = JudgeNetwork().train()
    torch.nn.init.normal_(net.head.weight)
    maps, heights = torch.randn(3, CHANNELS, ROWS, COLUMNS), torch.tensor([0.3, 0.2, 0.25])
    net(maps, heights)  # so that norms have seen something
    below = heights - heights.max()
    with torch.no_grad():
        net.eval()
        wanted = (net(maps, below) + net(torch.from_numpy(mirrored(maps.numpy())), below)) / 2
    odds = Judge(net.weights()).odds(maps.numpy(), heights.numpy())
    assert odds == pytest.approx(wanted.numpy(), abs=1e-3)


def test_what_a_search_finds_is_kept_with_how_far_it_misses():
    found = places_of(rigid_case(110_003))
    assert found.maps.shape[1:] == (CHANNELS, ROWS, COLUMNS) and found.found.sum() == len(found.found) - 1
    assert found.missed_mm[-1] < 2.0  # the climb from the truth
    assert found.missed_mm[found.found].max() > 5.0 and found.missed_mm[found.found].min() < 3.0


def test_the_command_trains_measures_and_keeps(tmp_path):
    seeds = {"rigid": [*range(8), *range(20_000, 20_004)], "deformed": [10_000, *range(20_000, 20_004)]}
    for truth, numbers in seeds.items():
        for number in numbers:
            np.savez(tmp_path / f"{truth}-{number}.npz", **vars(places(number)))
    file = tmp_path / "judge.npz"
    options = "--rigid 8 --deformed 1 --test 4 --seed 0 --epochs 1 --commit abc --workers 1"
    result = CliRunner().invoke(app, ["judge", str(tmp_path), str(file), *options.split()])
    assert result.exit_code == 0, result.output
    with np.load(file) as kept:
        made = json.loads(str(kept["made"]))
        Judge({name: kept[name] for name in kept.files if name != "made"})
    assert made["commit"] == "abc" and "--rigid 8 --deformed 1" in made["command"]
    assert made["within_3mm"]["rigid"]["pictures"] == 4


def test_too_few_pictures_are_refused():
    with pytest.raises(RunError, match="5 pictures are too few"):
        fit_judge([places(number) for number in range(5)], epochs=1, seed=1)


def test_what_another_search_found_is_refused(tmp_path, monkeypatch):
    make_places(tmp_path, "rigid", [], workers=1)
    monkeypatch.setattr("model_training.judge.places.source_hash", lambda package: "another")
    with pytest.raises(CohortError, match="made otherwise"):
        make_places(tmp_path, "rigid", [], workers=1)


def test_what_stands_is_not_searched_again(tmp_path):
    np.savez(tmp_path / "rigid-5.npz", **vars(places(5)))
    make_places(tmp_path, "rigid", [5], workers=1)
    assert read_places(tmp_path, "rigid", [5])[0].heights == pytest.approx(places(5).heights)
