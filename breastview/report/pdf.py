"""The page: reportlab platypus lays out what `wording` says, beside the key images."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Picture
from reportlab import rl_config
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Frame,
    Image,
    KeepTogether,
    PageBreak,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
    TableStyle,
)

from breastview.language import Language
from breastview.report.content import LesionContent, ReportContent
from breastview.report.files import write_whole
from breastview.report.fonts import BOLD, LATIN, markup, register_fonts
from breastview.report.images import KeyImage
from breastview.report.wording import Line, Wording

INK, MUTED, RULE = HexColor("#1a1a1a"), HexColor("#5c6166"), HexColor("#c9cdd1")
CAUTION = HexColor("#9a5b00")
MARGIN = 16 * mm
WIDTH = A4[0] - 2 * MARGIN
GUTTER = 3 * mm
LABEL_WIDTH = 32 * mm
# images in a row, and their greatest height: rows of three with heatmaps or more than three, pairs otherwise
TRIPLES, PAIRS, ONE_PAIR = (3, 56 * mm), (2, 66 * mm), (2, 100 * mm)
ROOM = 122 * mm  # for images in rows of three; what has to follow them takes half a row
HEAD_LETTERS = 60


def write_pdf(content: ReportContent, path: Path, language: Language) -> None:
    """Write a report atomically: the file is whole or it is not there.

    Raises:
        ReportError: the folder cannot be written.
    """
    write_whole(path, render_pdf(content, language))


def render_pdf(content: ReportContent, language: Language) -> bytes:
    """Return the report's PDF."""
    register_fonts()
    rl_config.useA85 = 0  # images as they are: a quarter smaller, and half the time
    buffer = io.BytesIO()
    page = _Page(content, language)
    width, height = A4
    document = BaseDocTemplate(
        buffer,
        pagesize=A4,
        title="BreastView",
        author="BreastView",
        subject=language.text("Breast ultrasound and MRI report"),
        invariant=True,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN,
    )
    frame = Frame(MARGIN, MARGIN + 6 * mm, width - 2 * MARGIN, height - 2 * MARGIN - 6 * mm, 0, 0, 0, 0)
    document.addPageTemplates([PageTemplate("page", [frame])])
    document.build(page.story(), canvasmaker=_numbered(page.edges))
    return buffer.getvalue()


class _Page:
    """Turns content into flowables, in one language."""

    def __init__(self, content: ReportContent, language: Language) -> None:
        self._content, self._wording = content, Wording(content, language)
        self._styles = _styles(language)

    def story(self) -> list[Any]:
        content, wording = self._content, self._wording
        story = self._heading()
        if not content.lesions:
            story += self._lines([wording.no_lesion(), *wording.verdict(None)])
            story += self._images(content.overview, [])
        for number, item in enumerate(content.lesions):
            story += [PageBreak()] if number else []
            story += self._lesion(item)
        return [*story, *self._notes()]

    def _heading(self) -> list[Any]:
        lines = [self._p(self._wording.title(), "title")]
        lines += [self._p(flag, "flag") for flag in self._wording.flags()]
        cells = [
            [self._p(words, "body" if place % 2 else "label") for place, words in enumerate(row)]
            for row in self._wording.who_and_when()
        ]
        table = Table(cells, colWidths=[LABEL_WIDTH, 54 * mm, 20 * mm, WIDTH - LABEL_WIDTH - 74 * mm])
        table.setStyle(_table_style())
        return [*lines, Spacer(1, 4), table]

    def _lesion(self, item: LesionContent) -> list[Any]:
        wording = self._wording
        story = [*self._lines([wording.lesion(item)]), self._facts(item)]
        verdict, grounds = self._lines(wording.verdict(item)), self._lines(wording.grounds(item))
        if any(image.heat for image in item.images):
            return [*story, *self._images(item.images, verdict), *grounds]
        return [*story, *self._images(item.images, [*verdict, *grounds])]

    def _facts(self, item: LesionContent) -> Table:
        cells = [[self._p(label, "label"), self._p(value)] for label, value in self._wording.facts(item)]
        table = Table(cells, colWidths=[LABEL_WIDTH, WIDTH - LABEL_WIDTH], splitInRow=1)
        table.setStyle(_table_style(rules=False))
        return table

    def _images(self, images: tuple[KeyImage, ...], beside: list[Any]) -> list[Any]:
        """Images in rows, an image beside its heatmap; `beside` fills the first free cells, or follows."""
        if not images:
            return beside
        across, height = ONE_PAIR if len(images) <= 2 else PAIRS if len(images) == 3 else TRIPLES
        if any(image.heat for image in images):
            across, height = TRIPLES
        rows = _rows(images, across)
        free = next((place for place, row in enumerate(rows) if len(row) < across), None)
        if across == TRIPLES[0]:
            height = min(height, ROOM / (len(rows) + (0.5 if free is None else 0.0)))
        width = (WIDTH - (across - 1) * GUTTER) / across
        cells: list[list[Any]] = [[self._image(image, width, height) for image in row] for row in rows]
        style: list[Any] = [
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("RIGHTPADDING", (0, 0), (-2, -1), GUTTER),
            ("RIGHTPADDING", (-1, 0), (-1, -1), 0),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ]
        if free is not None:
            style.append(("SPAN", (len(rows[free]), free), (-1, free)))
            cells[free].append(beside)
        table = Table(
            [row + [""] * (across - len(row)) for row in cells],
            colWidths=[width + GUTTER] * (across - 1) + [width],
            style=TableStyle(style),
        )
        return [Spacer(1, 4), table, *(beside if free is None else [])]

    def _image(self, image: KeyImage, width: float, height: float) -> list[Any]:
        rows, columns = image.picture.shape[:2]
        scale = min(width / columns, height / rows)
        buffer = io.BytesIO()
        Picture.fromarray(np.ascontiguousarray(image.picture)).save(buffer, "BMP")
        buffer.seek(0)
        picture = Image(buffer, columns * scale, rows * scale)
        picture.hAlign = "LEFT"
        return [picture, self._p(self._wording.caption(image), "muted")]

    def _notes(self) -> list[Any]:
        notes = self._lines(self._wording.notes())
        return [KeepTogether(notes[:2]), *notes[2:]] if notes else []

    def _lines(self, lines: Sequence[Line]) -> list[Paragraph]:
        return [self._p(line.words, line.role) for line in lines]

    def _p(self, words: str, style: str = "body") -> Paragraph:
        return Paragraph(markup(words), self._styles[style])

    def edges(self, canvas: Canvas, page: int, pages: int) -> None:
        """Below: version, time of printing, page, what the report is not; above, from page 2: whose it is."""
        canvas.setStrokeColor(RULE)
        canvas.line(MARGIN, MARGIN + 4 * mm, A4[0] - MARGIN, MARGIN + 4 * mm)
        self._line(canvas, self._wording.foot(), MARGIN - 1 * mm)
        canvas.setFont(LATIN, 8)
        canvas.setFillColor(MUTED)
        canvas.drawRightString(A4[0] - MARGIN, MARGIN, f"{page} / {pages}")
        if page > 1:
            names = (self._wording.name(), self._content.patient.patient_id)
            owner = [name[:HEAD_LETTERS] for name in names if name]
            self._line(canvas, " · ".join([*owner, *self._wording.flags()]), A4[1] - MARGIN + 1 * mm)

    def _line(self, canvas: Canvas, words: str, y: float) -> None:
        paragraph = self._p(words, "muted")
        paragraph.wrapOn(canvas, WIDTH - 15 * mm, 12)
        paragraph.drawOn(canvas, MARGIN, y)


def _styles(language: Language) -> dict[str, ParagraphStyle]:
    """Paragraph styles by the roles of `Line`, and those of title and labels."""
    wrap = "CJK" if language.code.startswith("zh") else None
    body = ParagraphStyle("body", fontName=LATIN, fontSize=9, leading=12.5, textColor=INK, wordWrap=wrap)
    muted = ParagraphStyle("muted", body, textColor=MUTED, fontSize=8, leading=11)
    big = ParagraphStyle("big", body, fontName=BOLD, fontSize=11, leading=15, spaceAfter=3)
    styles = (
        body,
        muted,
        big,
        ParagraphStyle("worth", muted, spaceBefore=3),
        ParagraphStyle("label", muted, leading=body.leading),
        ParagraphStyle("title", body, fontName=BOLD, fontSize=15, leading=20),
        ParagraphStyle("head", big, spaceBefore=8),
        ParagraphStyle("flag", body, textColor=CAUTION, fontName=BOLD),
    )
    return {style.name: style for style in styles}


def _rows(images: tuple[KeyImage, ...], across: int) -> list[list[KeyImage]]:
    """Images in rows, `across` at most: an image and its heatmap begin one, what has none fills them up."""
    hot = {(image.kind, image.us_view): image for image in images if image.heat}
    plain = [(image, hot.get((image.kind, image.us_view))) for image in images if not image.heat]
    lone = [image for image, heat in plain if heat is None]
    pairs = [[image, heat] for image, heat in plain if heat is not None]
    rows = [[*pair, *lone[place : place + 1]] for place, pair in enumerate(pairs)]
    rest = lone[len(pairs) :]
    return rows + [rest[k : k + across] for k in range(0, len(rest), across)]


def _table_style(rules: bool = True) -> TableStyle:
    commands: list[Any] = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("TOPPADDING", (0, 0), (-1, -1), 2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
    ]
    if rules:
        commands += [("LINEABOVE", (0, 0), (-1, 0), 0.6, RULE), ("LINEBELOW", (0, -1), (-1, -1), 0.6, RULE)]
    return TableStyle(commands)


def _numbered(edges: Callable[[Canvas, int, int], None]) -> type[Canvas]:
    """A canvas class that knows how many pages there are when it writes their edges."""

    class Numbered(Canvas):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._pages: list[dict[str, Any]] = []

        def showPage(self) -> None:
            self._pages.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            for number, state in enumerate(self._pages, 1):
                self.__dict__.update(state)
                edges(self, number, len(self._pages))
                super().showPage()
            super().save()

    return Numbered
