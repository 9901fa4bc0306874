"""The page: reportlab platypus, embedded TrueType fonts, searchable text in both languages."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Picture
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Frame,
    Image,
    KeepTogether,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
    TableStyle,
)

from breastview import __version__
from breastview.errors import ReportError
from breastview.fusion.reading import Reading
from breastview.fusion.spec import ModelSpec
from breastview.language import Language
from breastview.messages import Message
from breastview.report.content import LesionContent, RegistrationContent, ReportContent
from breastview.report.images import KeyImage

FONTS = Path(__file__).resolve().parent.parent.parent / "resources" / "fonts"
LATIN, BOLD, CJK = "DejaVuSans", "DejaVuSans-Bold", "DroidSansFallback"
MISSING = "□"
INK, MUTED, RULE = HexColor("#1a1a1a"), HexColor("#5c6166"), HexColor("#c9cdd1")
CAUTION = HexColor("#9a5b00")
MARGIN = 16 * mm
IMAGE_WIDTH, IMAGE_HEIGHT = 86 * mm, 64 * mm


def write_pdf(content: ReportContent, path: Path, language: Language) -> None:
    """Write a report atomically: the file is whole or it is not there.

    Raises:
        ReportError: the folder cannot be written.
    """
    data = render_pdf(content, language)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).replace(path)
    except OSError as error:
        raise ReportError.of("report.unwritable") from type(error)()


def render_pdf(content: ReportContent, language: Language) -> bytes:
    """Return the report's PDF."""
    _register_fonts()
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
    document.build(page.story(), canvasmaker=_numbered(page.footer))
    return buffer.getvalue()


class _Page:
    """Turns content into flowables, in one language."""

    def __init__(self, content: ReportContent, language: Language) -> None:
        self._content, self._text, self._say = content, language.text, language.say
        wrap = "CJK" if language.code.startswith("zh") else None
        base = ParagraphStyle("base", fontName=LATIN, fontSize=9, leading=12.5, textColor=INK, wordWrap=wrap)
        self._body = base
        self._muted = ParagraphStyle("muted", base, textColor=MUTED, fontSize=8, leading=11)
        self._title = ParagraphStyle("title", base, fontName=BOLD, fontSize=15, leading=20)
        self._head = ParagraphStyle(
            "head", base, fontName=BOLD, fontSize=11, leading=15, spaceBefore=8, spaceAfter=3
        )
        self._flag = ParagraphStyle("flag", base, textColor=CAUTION, fontName=BOLD)
        self._big = ParagraphStyle("big", base, fontName=BOLD, fontSize=13, leading=17)

    def story(self) -> list[Any]:
        story = self._heading()
        if self._content.overview:
            story.append(self._images(self._content.overview))
        if not self._content.lesions:
            story.append(self._p(self._text("No lesion was marked.")))
            story += self._model_lines(None)
        for lesion in self._content.lesions:
            story += self._lesion(lesion)
        story += self._notes()
        return story

    def _heading(self) -> list[Any]:
        content, text = self._content, self._text
        story: list[Any] = [self._p(text("Breast ultrasound and MRI report"), self._title)]
        if content.simulated:
            story.append(self._p(text("SIMULATED PATIENT: not a real examination"), self._flag))
        if content.spec is not None and content.spec.demonstration:
            story.append(self._p(text("DEMONSTRATION model: no clinical evidence"), self._flag))
        patient, unknown = content.patient, text("unknown")
        name = " ".join(patient.name.replace("=", " · ").replace("^", " ").split()) or unknown
        born = f"{patient.birth_date:%Y-%m-%d}" if patient.birth_date else unknown
        if patient.age_y is not None:
            born += f" ({patient.age_y} {text('y')})"
        rows = [
            [text("Name"), name, text("Patient ID"), patient.patient_id or unknown],
            [text("Born"), born, text("Sex"), patient.sex or unknown],
            [
                text("Ultrasound"),
                self._date(content.has_us, content.us_date),
                "MRI",
                self._date(content.has_mri, content.mri_date),
            ],
        ]
        cells = [
            [self._p(c, self._muted if k % 2 == 0 else self._body) for k, c in enumerate(row)] for row in rows
        ]
        table = Table(cells, colWidths=[24 * mm, 65 * mm, 24 * mm, 65 * mm])
        table.setStyle(_table_style())
        return [*story, Spacer(1, 4), table, Spacer(1, 6)]

    def _date(self, there: bool, date: object) -> str:
        if not there:
            return self._text("none in this folder")
        return str(date) if date else self._text("date unknown")

    def _lesion(self, item: LesionContent) -> list[Any]:
        text, lesion = self._text, item.lesion
        sides = {"R": text("Right"), "L": text("Left")}
        words = [lesion.lesion_id, sides[lesion.side] if lesion.side else text("side not confirmed")]
        if lesion.clock_h:
            words.append(f"{lesion.clock_h:g} h")
        head = [self._p(" · ".join(words), self._head), self._facts(item)]
        story: list[Any] = [KeepTogether(head)]
        if item.images:
            story += [Spacer(1, 4), self._images(item.images)]
        return [*story, *self._model_lines(item)]

    def _facts(self, item: LesionContent) -> Table:
        text, lesion = self._text, item.lesion
        size = (
            f"{item.size_mm[0]:.0f} × {item.size_mm[1]:.0f} mm"
            if item.size_mm
            else text("not measured (no scale or no mark)")
        )
        place = []
        if lesion.nipple_distance_mm is not None:
            place.append(text("{mm:.0f} mm from nipple").format(mm=lesion.nipple_distance_mm))
        if lesion.depth_mm is not None:
            place.append(text("{mm:.0f} mm deep").format(mm=lesion.depth_mm))
        rows = [
            (text("Size on ultrasound"), size),
            (text("Place"), ", ".join(place)),
            ("BI-RADS", str(lesion.bi_rads) if lesion.bi_rads else text("not assessed")),
            (text("Comment"), lesion.comment),
            (text("Registration"), self._registration(item.registration)),
        ]
        if item.mri_side and lesion.side and item.mri_side != lesion.side:
            rows.append(("⚠", text("The MRI mark lies on the other side.")))
        cells = [[self._p(a, self._muted), self._p(b)] for a, b in rows if b]
        table = Table(cells, colWidths=[36 * mm, 142 * mm])
        table.setStyle(_table_style(rules=False))
        return table

    def _registration(self, item: RegistrationContent | None) -> str:
        text = self._text
        if item is None:
            return text("ultrasound and MRI are not registered")
        words = [self._say(Message(f"method.{item.method}"))]
        if item.pairs and item.rms_mm is not None:
            words.append(
                text("{count} pairs, residual {rms:.1f} mm rms").format(count=item.pairs, rms=item.rms_mm)
            )
        if item.left_out_mm is not None:
            words.append(text("leave-one-out error up to {mm:.1f} mm").format(mm=item.left_out_mm))
        if item.marks_apart_mm is not None:
            words.append(text("marks {mm:.0f} mm apart").format(mm=item.marks_apart_mm))
        if item.scale != 1.0:
            words.append(text("scale {scale:.2f}").format(scale=item.scale))
        return "; ".join(words) + "".join(" " + self._say(note) for note in item.notes)

    def _images(self, images: tuple[KeyImage, ...]) -> Table:
        cells = [self._image(image) for image in images]
        if len(cells) % 2:
            cells.append([""])
        table = Table([cells[k : k + 2] for k in range(0, len(cells), 2)], colWidths=[89 * mm, 89 * mm])
        table.setStyle(
            TableStyle([("LEFTPADDING", (0, 0), (-1, -1), 0), ("VALIGN", (0, 0), (-1, -1), "TOP")])
        )
        return table

    def _image(self, image: KeyImage) -> list[Any]:
        rows, columns = image.picture.shape[:2]
        scale = min(IMAGE_WIDTH / columns, IMAGE_HEIGHT / rows)
        buffer = io.BytesIO()
        Picture.fromarray(np.ascontiguousarray(image.picture)).save(buffer, "PNG")
        buffer.seek(0)
        picture = Image(buffer, columns * scale, rows * scale)
        picture.hAlign = "LEFT"
        return [picture, self._p(self._caption(image), self._muted)]

    def _caption(self, image: KeyImage) -> str:
        text = self._text
        base = {
            "us": text("Ultrasound"),
            "mri_plane": f"{image.volume}, {text('in the US plane')}",
            "mri_slice": f"{image.volume}, {text('acquired slice')}",
        }[image.kind]
        return base + (f": {text('model attention, not lesion outline')}" if image.heat else "")

    def _model_lines(self, item: LesionContent | None) -> list[Any]:
        text, spec = self._text, self._content.spec
        head = self._p(text("Model reading"), self._head)
        if spec is None:
            return [KeepTogether([head, self._p(text("No model was used."))])]
        reading = item.reading if item else None
        if reading is None:
            return [KeepTogether([head, self._p(text("The model was not run."))])]
        lines: list[Any] = [head]
        if reading.research_override:
            lines.append(self._p(text("RESEARCH OVERRIDE: outside the model's scope."), self._flag))
        if reading.weight_us is None and reading.weight_mri is None:
            lines.append(self._p(text("No score:")))
        else:
            lines += self._numbers(reading)
        lines += [self._p("– " + self._say(reason)) for reason in reading.eligibility.reasons]
        return [KeepTogether([*lines, self._p(self._worth(spec, reading), self._muted)])]

    def _numbers(self, reading: Reading) -> list[Any]:
        text = self._text
        parts = []
        if reading.probability_us is not None:
            parts.append(f"US {reading.probability_us:.2f} (w {reading.weight_us or 0:.2f})")
        if reading.probability_mri is not None:
            parts.append(f"MRI {reading.probability_mri:.2f} (w {reading.weight_mri or 0:.2f})")
        lines = []
        if reading.probability is not None:
            told = text("Probability of malignancy (fused): {p:.2f}").format(p=reading.probability)
            lines.append(self._p(told, self._big))
        return [*lines, self._p(" · ".join(parts))]

    def _worth(self, spec: ModelSpec, reading: Reading) -> str:
        text = self._text
        words = [f"{spec.name} ({spec.weights_sha256[:12]})"]
        words += [spec.scope.note] if spec.scope.note else []
        auc = spec.metrics.get("fused", {}).get("auc")
        if auc is not None:
            words.append(f"AUC {auc.value:.2f} ({auc.low:.2f}–{auc.high:.2f}), n = {auc.n}")
        ece = spec.metrics.get("fused", {}).get("ece")
        if ece is not None:
            words.append(text("calibration error {ece:.2f}").format(ece=ece.value))
        if reading.device:
            words.append(reading.device)
        return " · ".join(words)

    def _notes(self) -> list[Any]:
        content, text = self._content, self._text
        lines = [self._say(note) for note in content.notes]
        if content.problem_count:
            lines.append(text("{count} files with problems").format(count=content.problem_count))
        if not lines:
            return []
        return [self._p(text("Notes"), self._head), *(self._p("– " + line) for line in lines)]

    def _p(self, words: str, style: ParagraphStyle | None = None) -> Paragraph:
        return Paragraph(_markup(words), style or self._body)

    def footer(self, canvas: Canvas, page: int, pages: int) -> None:
        """Version, time of printing and page, and what the report is not."""
        text, printed = self._text, f"{self._content.printed:%Y-%m-%d %H:%M}"
        left = f"BreastView {__version__} · {printed} · {text('Not cleared for diagnosis.')}"
        paragraph = self._p(left, self._muted)
        paragraph.wrapOn(canvas, 150 * mm, 12)
        canvas.setStrokeColor(RULE)
        canvas.line(MARGIN, MARGIN + 4 * mm, A4[0] - MARGIN, MARGIN + 4 * mm)
        paragraph.drawOn(canvas, MARGIN, MARGIN - 1 * mm)
        canvas.setFont(LATIN, 8)
        canvas.setFillColor(MUTED)
        canvas.drawRightString(A4[0] - MARGIN, MARGIN, f"{page} / {pages}")


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


def _numbered(footer: Callable[[Canvas, int, int], None]) -> type[Canvas]:
    """A canvas class that knows how many pages there are when it writes their footers."""

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
                footer(self, number, len(self._pages))
                super().showPage()
            super().save()

    return Numbered


@lru_cache(maxsize=1)
def _register_fonts() -> None:
    for name in (LATIN, BOLD, CJK):
        pdfmetrics.registerFont(TTFont(name, str(FONTS / f"{name}.ttf")))


@lru_cache(maxsize=2)
def _covers(font: str) -> frozenset[int]:
    return frozenset(pdfmetrics.getFont(font).face.charToGlyph)


def _markup(words: str) -> str:
    """Escape for platypus; what Latin lacks is set in CJK, and what both lack is printed as a visible box."""
    _register_fonts()
    latin, cjk = _covers(LATIN), _covers(CJK)
    out, run = [], ""
    for letter in words:
        code = ord(letter)
        if code in latin or letter.isspace():
            if run:
                out.append(f'<font name="{CJK}">{run}</font>')
                run = ""
            out.append({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\n": "<br/>"}.get(letter, letter))
        else:
            run += letter if code in cjk else ""
            if code not in cjk:
                out.append(f'<font name="{CJK}">{run}</font>{MISSING}' if run else MISSING)
                run = ""
    if run:
        out.append(f'<font name="{CJK}">{run}</font>')
    return "".join(out)
