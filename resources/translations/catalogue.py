"""Keeps the catalogues whole: `check` fails on a missing or broken entry, `update` adds the new ones.

What must be translated: every text of `breastview.messages.TEXTS`, and every literal that the source gives
to `text("…")`, `_text("…")` or the `text` of something named `language` or `_language` (a DICOM header has a
`text` too). A literal is a plain string: what is put together cannot be looked up.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from string import Formatter

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from breastview import __version__
from breastview.language import CATALOGUES, LANGUAGES
from breastview.messages import TEXTS

SOURCE = CATALOGUES.parent.parent / "breastview"


def literals(source: str) -> Iterator[str]:
    """Yield the literals that `source` looks up; raises `SyntaxError` where one is put together."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not node.args or not _looks_up(node.func):
            continue
        match node.args[0]:
            case ast.Constant(value=str(literal)):
                yield literal
            case ast.JoinedStr() | ast.BinOp():
                raise SyntaxError(f"line {node.lineno}: a text to translate must be one plain string")


def wanted() -> list[str]:
    """Return every English text that a user can see, sorted."""
    texts = set(TEXTS.values())
    for path in sorted(SOURCE.rglob("*.py")):
        texts.update(literals(path.read_text(encoding="utf-8")))
    return sorted(texts)


def faults(catalogue: Catalog, needed: list[str]) -> list[str]:
    """Return one line for each text that is missing, left over, or has other braces than its English."""
    lines = []
    entries = {str(entry.id): str(entry.string) for entry in catalogue if entry.id}
    for literal in needed:
        translated = entries.get(literal, "")
        if not translated:
            lines.append(f"not translated: {literal!r}")
        elif _braces(literal) != _braces(translated):
            lines.append(f"other braces: {literal!r}")
    return lines + [f"left over: {literal!r}" for literal in sorted(set(entries) - set(needed))]


def renewed(catalogue: Catalog, needed: list[str]) -> Catalog:
    """Return the catalogue with exactly the needed entries, known translations kept."""
    new = Catalog(
        locale=catalogue.locale,
        header_comment="# BreastView in another language. Keep what stands in braces.",
        project="BreastView",
        version=__version__,
        msgid_bugs_address="-",
        last_translator="-",
        language_team="-",
        creation_date=catalogue.creation_date,
        revision_date=catalogue.revision_date,
        fuzzy=False,
    )
    for literal in needed:
        known = catalogue.get(literal)
        new.add(literal, known.string if known else "")
    return new


def _looks_up(called: ast.expr) -> bool:
    match called:
        case ast.Name("text" | "_text") | ast.Attribute(attr="_text"):
            return True
        case ast.Attribute(ast.Name("language") | ast.Attribute(attr="_language"), "text"):
            return True
    return False


def _braces(text: str) -> list[tuple[str, str]]:
    """The names in braces with their formats, in any order."""
    return sorted((name, form or "") for _, name, form, _ in Formatter().parse(text) if name is not None)


def main(command: str) -> int:
    """Check or update the catalogue of every language but English; returns the exit status."""
    needed, status = wanted(), 0
    for language in LANGUAGES[1:]:
        path = CATALOGUES / f"{language}.po"
        catalogue = Catalog(locale=language)
        if path.exists():
            with path.open("rb") as file:
                catalogue = read_po(file, locale=language)
        if command == "update":
            with path.open("wb") as file:
                write_po(file, renewed(catalogue, needed), width=110, no_location=True)
        for line in faults(catalogue, needed) if command == "check" else ():
            sys.stderr.write(f"{path.name}: {line}\n")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "check"))
