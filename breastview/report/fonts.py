"""The report's fonts: each letter in one that has it, so that both languages print and can be searched."""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby
from xml.sax.saxutils import escape

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

from breastview.report.images import FONTS

LATIN, BOLD, CJK = "DejaVuSans", "DejaVuSans-Bold", "DroidSansFallback"
MISSING = "□"


@lru_cache(maxsize=1)
def register_fonts() -> None:
    """Make the fonts known to reportlab, which embeds what is used of them."""
    for name in (LATIN, BOLD, CJK):
        pdfmetrics.registerFont(TTFont(name, str(FONTS / f"{name}.ttf")))


def markup(words: str) -> str:
    """Escape for platypus; what Latin lacks is set in CJK, and what both lack is printed as a visible box."""
    register_fonts()
    return "".join(_set_in(font, "".join(run)) for font, run in groupby(words, _font_of))


def _font_of(letter: str) -> str:
    """The font that has a letter, or none."""
    if letter.isspace() or ord(letter) in _covers(LATIN):
        return LATIN
    return CJK if ord(letter) in _covers(CJK) else ""


@lru_cache(maxsize=2)
def _covers(font: str) -> frozenset[int]:
    return frozenset(pdfmetrics.getFont(font).face.charToGlyph)


def _set_in(font: str, run: str) -> str:
    if not font:
        return MISSING * len(run)
    return escape(run, {"\n": "<br/>"}) if font == LATIN else f'<font name="{CJK}">{run}</font>'
