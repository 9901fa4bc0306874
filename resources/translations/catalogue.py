"""Keeps the catalogues whole: `catalogue.py check` fails on a missing or broken entry, `update` adds the new ones.

What must be translated: every text of `breastview.messages.TEXTS`, and every literal given to `.text(…)`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from breastview.messages import TEXTS

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent.parent / "breastview"


def wanted() -> list[str]:
    """Return every English text that a user can see, sorted."""
    literals = {
        found[2]
        for found in extract_from_dir(SOURCE, keywords={"text": None}, comment_tags=())
        if isinstance(found[2], str)
    }
    return sorted(literals | set(TEXTS.values()))


def faults(catalogue: Catalog) -> list[str]:
    """Return one line for each text that is missing, left over, or has other braces than its English."""
    lines = []
    entries = {str(entry.id): str(entry.string) for entry in catalogue if entry.id}
    needed = wanted()
    for literal in needed:
        translated = entries.get(literal, "")
        if not translated:
            lines.append(f"not translated: {literal!r}")
        elif _braces(literal) != _braces(translated):
            lines.append(f"other braces: {literal!r}")
    lines += [f"left over: {literal!r}" for literal in sorted(set(entries) - set(needed))]
    return lines


def update(catalogue: Catalog) -> Catalog:
    """Return the catalogue with exactly the wanted entries, known translations kept."""
    renewed = Catalog(locale=catalogue.locale, project="BreastView", fuzzy=False)
    for literal in wanted():
        known = catalogue.get(literal)
        renewed.add(literal, known.string if known else "")
    return renewed


def _braces(text: str) -> list[str]:
    return sorted(re.findall(r"{[^}]*}", text))


def main(command: str) -> int:
    """Check or update every catalogue; returns the exit status."""
    status = 0
    for path in sorted(HERE.glob("*.po")):
        with path.open("rb") as file:
            catalogue = read_po(file, locale=path.stem)
        if command == "update":
            with path.open("wb") as file:
                write_po(file, update(catalogue), width=120, omit_header=False, no_location=True)
        for line in faults(catalogue) if command == "check" else ():
            sys.stderr.write(f"{path.name}: {line}\n")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "check"))
