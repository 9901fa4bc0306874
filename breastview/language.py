"""The words on screen and paper: English source, one gettext catalogue a language, switchable at any time.

Catalogues are `resources/translations/<language>.po`, read as they are; English needs none.
"""

from __future__ import annotations

from pathlib import Path

from babel.messages.pofile import read_po

from breastview.messages import Message, render

LANGUAGES = ("en", "zh_CN")
CATALOGUES = Path(__file__).resolve().parent.parent / "resources" / "translations"


class Language:
    """One language: `text` translates a literal, `say` renders a message."""

    def __init__(self, code: str = "en") -> None:
        """Load the catalogue of `code`; raises `ValueError` for a language that we do not have."""
        if code not in LANGUAGES:
            raise ValueError(f"no such language: {code}")
        self.code = code
        self._words = {} if code == "en" else _read_catalogue(CATALOGUES / f"{code}.po")

    def text(self, literal: str) -> str:
        """Return `literal` in this language (English where the catalogue has no entry)."""
        return self._words.get(literal, literal)

    def say(self, msg: Message) -> str:
        """Return the sentence for `msg` in this language."""
        return render(msg, self.text)


def _read_catalogue(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        catalogue = read_po(file)
    return {str(entry.id): str(entry.string) for entry in catalogue if entry.id and entry.string}
