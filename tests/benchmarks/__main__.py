"""`python -m tests.benchmarks [NAME…]` runs every benchmark beside this file and writes benchmarks.json.

A benchmark is a module here with a function `rows()` that returns an iterable of `Row`. The others, and what
is measured of the phantom (`python -m tests.benchmarks.phantom`), are run by themselves.
"""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

from tests.benchmarks.row import Row, rows_of

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
HERE = Path(__file__).resolve().parent
OUT = Path("benchmarks.json")


def main(wanted: list[str]) -> None:
    """Run the benchmarks named in `wanted` (all when empty), print the table, write the file."""
    found = []
    print(_line("name", "value", "reference", "", "ratio", "goal"))
    for name in wanted or benches():
        for row in _alone(name):
            found.append({**asdict(row), "ratio": row.ratio})
            value, reference = f"{row.value:.4g} {row.unit}", f"{row.reference_value:.4g} {row.unit}"
            print(_line(row.name, value, reference, row.reference, f"{row.ratio:.2f}×", row.goal), flush=True)
    OUT.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def benches() -> list[str]:
    """The names of the modules that are benchmarks; none is imported for it."""
    return sorted(path.stem for path in HERE.glob("*.py") if "\ndef rows(" in path.read_text("utf-8"))


def _alone(name: str) -> list[Row]:
    """A benchmark's rows, measured in a process of its own: memory that another one has warmed makes reading
    files four times as fast."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(rows_of, name).result()


def _line(name: str, value: str, reference: str, of: str, ratio: str, goal: str) -> str:
    return f"{name:<44} {value:>12} {reference:>12} {of:<34} {ratio:>7}  {goal}"


if __name__ == "__main__":
    main(sys.argv[1:])
