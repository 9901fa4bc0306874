"""`python -m tests.benchmarks.population --first N --cases N --workers W --json FILE`.

What `breastview.registration.population` holds, fitted anew to the true maps of simulated patients and
printed beside what stands there.

Of every patient one view is taken, as `tests.benchmarks.registration` takes it. Patients 1000 … 1999 give the
place and its growth to the last digit that is kept. The linear part, bowl and bend come near: which places of
the maps those were fitted to was not kept. Field and stretch are not fitted here.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize

from breastview.errors import RegistrationError
from breastview.registration import population
from breastview.registration.population import UNIT_MM, Population, words_known
from breastview.registration.start import led_to
from tests.benchmarks.registration import Case, body_of, make_case

REACH_MM, STEP_MM = 25.0, 5.0  # around the lesion, and between the places there that a map is fitted to
PRODUCTS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
TABLES = (
    "PLACE_MM",
    "PLACE_COVARIANCE_MM2",
    "PLACE_GROWTH",
    "LINEAR",
    "LINEAR_BY_INWARD",
    "LINEAR_BY_PLACE",
    "LINEAR_SD",
    "LINEAR_CORRELATION",
)
Table = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Seen:
    """One patient's map.

    Along (outward, back, up): what the words tell `known` (9,), how far beside it the lesion lies `off_mm`
    (3,), the way `inward` (3,) from the skin, and the `linear` part (3, 3). Distance and depth `told` (2,).
    Along x, y, z of the US plane, in 1/mm: what each of `PRODUCTS` adds to the map, `products` (6, 3).
    """

    known: np.ndarray
    off_mm: np.ndarray
    told: np.ndarray
    inward: np.ndarray
    linear: np.ndarray
    products: np.ndarray


def main() -> None:
    """Look, fit, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--first", type=int, default=1000)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--json", type=Path, default=Path("population.json"))
    given = parser.parse_args()
    with ProcessPoolExecutor(given.workers) as pool:
        found = fit(look_at(range(given.first, given.first + given.cases), pool.map))
    kept = as_kept()
    for name, values in found.items():
        far = np.abs(values - kept[name]).max()
        print(f"{name}, at most {far:.2g} from what is kept\n{np.round(values, 4)}\nkept\n{kept[name]}\n")
    given.json.write_text(json.dumps({k: v.tolist() for k, v in found.items()}, indent=1) + "\n", "utf-8")


def as_kept() -> Table:
    """What the program holds."""
    kept = {name: np.array(getattr(population, name)) for name in TABLES}
    return kept | {"bowl": np.array(Population().bowl), "bent": np.array(Population().bent)}


def look_at(numbers: Iterable[int], spread: Callable[..., Iterable[Any]] = map) -> list[Seen]:
    """Look at patients; those whose words lead nowhere are left out."""
    return [seen for seen in spread(look, numbers) if seen is not None]


def look(number: int) -> Seen | None:
    """Simulate a patient and look at the map of one view."""
    try:
        case = make_case(number, np.random.default_rng([number, 4242]))
        patient, depth_mm = case.patient, float(np.round(case.lesion_us[1]))
        told, place, nipple = led_to(body_of(patient), patient.side, *patient.clock_place(), depth_mm)
    except RegistrationError:
        return None
    mirror = population.mirror(patient.side)
    linear, products = _bent(case)
    turn = case.start.turn
    return Seen(
        words_known(told, place - nipple),
        mirror * (case.lesion_mri - place),
        np.array([told.nipple_distance_mm, told.depth_mm]) / UNIT_MM,
        mirror * told.inward,
        mirror[:, None] * (turn @ linear @ turn.T) * mirror,
        products,
    )


def _bent(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """The linear part (3, 3) of the map around the lesion, fitted as a plane, and the six products of x, y, z
    (6, 3), fitted beside it; both in the start's turned frame, to places under the probe's face."""
    away = _ball()
    away = away[case.lesion_us[1] + away[:, 1] >= 0]
    seen = (case.probe.to_prone(case.lesion_us + away) - case.lesion_mri) @ case.start.turn
    flat = np.column_stack([away, np.ones(len(away))])
    products = np.stack([away[:, i] * away[:, j] for i, j in PRODUCTS], axis=1)
    linear = np.linalg.lstsq(flat, seen, rcond=None)[0][:3].T
    return linear, np.linalg.lstsq(np.column_stack([flat, products]), seen, rcond=None)[0][4:]


def _ball() -> np.ndarray:
    axis = np.arange(-REACH_MM, REACH_MM + STEP_MM / 2, STEP_MM)
    lattice = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    return lattice[np.linalg.norm(lattice, axis=1) <= REACH_MM]


def fit(patients: Sequence[Seen]) -> Table:
    """Least squares of place and linear part, what they leave, and the bend."""
    known, off_mm, told, inward, linear, products = (
        np.array([getattr(seen, name) for seen in patients]) for name in Seen.__dataclass_fields__
    )
    place = np.linalg.lstsq(known, off_mm, rcond=None)[0]
    left_mm = off_mm - known @ place
    growth = minimize(lambda growth: _unlikely(growth, told, left_mm), np.zeros(2)).x
    ways = np.column_stack([np.ones(len(inward)), inward, left_mm])
    entries = linear.reshape(-1, 9)
    found = np.linalg.lstsq(ways, entries, rcond=None)[0]
    left = entries - ways @ found
    bowl = products[:, [0, 2], 1].mean()
    bent = products - bowl * np.outer([1, 0, 1, 0, 0, 0], [0, 1, 0])
    return {
        "PLACE_MM": place.T,
        "PLACE_COVARIANCE_MM2": _covariance(growth, told, left_mm),
        "PLACE_GROWTH": growth,
        "LINEAR": found[0].reshape(3, 3),
        "LINEAR_BY_INWARD": found[1:4].reshape(3, 3, 3),
        "LINEAR_BY_PLACE": found[4:].T,
        "LINEAR_SD": left.std(axis=0).reshape(3, 3),
        "LINEAR_CORRELATION": np.corrcoef(left.T),
        "bowl": bowl,
        "bent": np.mean(bent[:, :3] ** 2, axis=(0, 2)) ** 0.25,
    }


def _covariance(growth: np.ndarray, told: np.ndarray, left_mm: np.ndarray) -> np.ndarray:
    """Of what the place leaves (n, 3), once its growth with distance and depth is taken out."""
    even = left_mm / np.exp(told @ growth)[:, None]
    return even.T @ even / len(even)


def _unlikely(growth: np.ndarray, told: np.ndarray, left_mm: np.ndarray) -> float:
    """Minus the log likelihood of a growth, under the covariance that suits it best."""
    spread = np.linalg.slogdet(_covariance(growth, told, left_mm))[1]
    return float(0.5 * len(told) * spread + 3 * (told @ growth).sum())


if __name__ == "__main__":
    main()
