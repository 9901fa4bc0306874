"""`python -m tests.benchmarks [NAME…]` runs every benchmark beside this file and writes benchmarks.json.

A benchmark is a module here with a function `rows()` that returns an iterable of `Row`. What is measured of
the phantom is no such row and is run by itself: `python -m tests.benchmarks.phantom`.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
HERE = Path(__file__).resolve().parent
OUT = Path("benchmarks.json")
NOT_BENCHES = {"snap", "__main__", "row", "contact_sheet"}


def main(wanted: list[str]) -> None:
    """Run the benchmarks named in `wanted` (all when empty), print the table, write the file."""
    names = wanted or sorted({path.stem for path in HERE.glob("*.py")} - NOT_BENCHES)
    found = []
    print(_line("name", "value", "reference", "", "ratio", "goal"))
    for name in names:
        for row in importlib.import_module(f"tests.benchmarks.{name}").rows():
            found.append({**asdict(row), "ratio": row.ratio})
            value, reference = f"{row.value:.4g} {row.unit}", f"{row.reference_value:.4g} {row.unit}"
            print(_line(row.name, value, reference, row.reference, f"{row.ratio:.2f}×", row.goal), flush=True)
    OUT.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _line(name: str, value: str, reference: str, of: str, ratio: str, goal: str) -> str:
    return f"{name:<44} {value:>12} {reference:>12} {of:<34} {ratio:>7}  {goal}"


main(sys.argv[1:])
