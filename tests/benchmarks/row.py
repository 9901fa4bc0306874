"""One line of the benchmark table, and the clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True)
class Row:
    """A measured `value` beside the `reference_value` of what it is held against, both in `unit`.

    `goal` says in words what the ratio (or the value) should be, such as "ratio ≤ 2".
    """

    name: str
    value: float
    unit: str
    reference: str
    reference_value: float
    goal: str

    @property
    def ratio(self) -> float:
        """The value over its reference."""
        return self.value / self.reference_value


def best_s(work: Callable[[], object], repeats: int = 5) -> float:
    """Return the shortest time in s of `repeats` runs of `work`: the one least disturbed by the machine."""
    times_s = []
    for _ in range(repeats):
        start_s = time.perf_counter()
        work()
        times_s.append(time.perf_counter() - start_s)
    return min(times_s)


def rows_of(name: str) -> list[Row]:
    """What the benchmark of that name finds."""
    return list(import_module(f"tests.benchmarks.{name}").rows())
