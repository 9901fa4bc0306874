"""The page: reportlab platypus, embedded TrueType fonts, searchable text in both languages."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from PIL import Image as Picture
from reportlab import rl_config
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
    PageBreak,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
    TableStyle,
)

from breastview import __version__
from breastview.fusion.reading import Reading
from breastview.fusion.spec import ModelSpec
from breastview.language import Language
from breastview.messages import Message, message
from breastview.records.values import Lesion, clock_label
from breastview.report.content import LesionContent, RegistrationContent, ReportContent
from breastview.report.files import write_whole
from breastview.report.images import FONTS, KeyImage

LATIN, BOLD, CJK = "DejaVuSans", "DejaVuSans-Bold", "DroidSansFallback"
MISSING = "□"
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
    _register_fonts()
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
        self._content, self._text, self._say = content, language.text, language.say
        wrap = "CJK" if language.code.startswith("zh") else None
        base = ParagraphStyle("base", fontName=LATIN, fontSize=9, leading=12.5, textColor=INK, wordWrap=wrap)
        self._body = base
        self._muted = ParagraphStyle("muted", base, textColor=MUTED, fontSize=8, leading=11)
        self._label = ParagraphStyle("label", self._muted, leading=base.leading)
        self._title = ParagraphStyle("title", base, fontName=BOLD, fontSize=15, leading=20)
        self._head = ParagraphStyle(
            "head", base, fontName=BOLD, fontSize=11, leading=15, spaceBefore=8, spaceAfter=3
        )
        self._flag = ParagraphStyle("flag", base, textColor=CAUTION, fontName=BOLD)
        self._big = ParagraphStyle("big", base, fontName=BOLD, fontSize=11, leading=15, spaceAfter=3)

    def story(self) -> list[Any]:
        content, text = self._content, self._text
        story = self._heading()
        if not content.lesions:
            story += [self._p(text("No lesion was marked."), self._head), *self._verdict(None)]
            story += self._images(content.overview, [])
        for number, item in enumerate(content.lesions):
            story += [PageBreak()] if number else []
            story += self._lesion(item)
        return [*story, *self._notes()]

    def _heading(self) -> list[Any]:
        content, text = self._content, self._text
        story: list[Any] = [self._p(text("Breast ultrasound and MRI report"), self._title)]
        story += [self._p(flag, self._flag) for flag in self._flags()]
        patient, unknown = content.patient, text("unknown")
        born = f"{patient.birth_date:%Y-%m-%d}" if patient.birth_date else unknown
        if patient.age_y is not None:
            born += f" ({patient.age_y} {text('y')})"
        sexes = {"F": text("female"), "M": text("male")}
        rows = [
            [text("Name"), self._name(), text("Patient ID"), patient.patient_id or unknown],
            [text("Born"), born, text("Sex"), sexes.get(patient.sex, patient.sex) or unknown],
            [
                text("Ultrasound"),
                self._date(content.has_us, content.us_date),
                "MRI",
                self._date(content.has_mri, content.mri_date),
            ],
        ]
        cells = [
            [self._p(c, self._label if k % 2 == 0 else self._body) for k, c in enumerate(row)] for row in rows
        ]
        table = Table(cells, colWidths=[LABEL_WIDTH, 54 * mm, 20 * mm, WIDTH - LABEL_WIDTH - 74 * mm])
        table.setStyle(_table_style())
        return [*story, Spacer(1, 4), table]

    def _flags(self) -> list[str]:
        content, text = self._content, self._text
        flags = [text("SIMULATED PATIENT: not a real examination")] if content.simulated else []
        if content.spec is not None and content.spec.demonstration:
            flags.append(text("DEMONSTRATION model: no clinical evidence"))
        return flags

    def _name(self) -> str:
        return self._content.patient.readable_name or self._text("unknown")

    def _date(self, there: bool, date: object) -> str:
        if not there:
            return self._text("none in this folder")
        return str(date) if date else self._text("date unknown")

    def _lesion(self, item: LesionContent) -> list[Any]:
        text, lesion = self._text, item.lesion
        sides = {"R": text("Right"), "L": text("Left")}
        words = [lesion.lesion_id, sides[lesion.side] if lesion.side else text("side not confirmed")]
        if lesion.clock_h:
            words.append(text("{clock} o'clock").format(clock=clock_label(lesion.clock_h)))
        story = [self._p(" · ".join(words), self._head), self._facts(item)]
        verdict, grounds = self._verdict(item), self._grounds(item)
        if any(image.heat for image in item.images):
            return [*story, *self._images(item.images, verdict), *grounds]
        return [*story, *self._images(item.images, [*verdict, *grounds])]

    def _facts(self, item: LesionContent) -> Table:
        text, lesion = self._text, item.lesion
        place = []
        if lesion.nipple_distance_mm is not None:
            place.append(text("{mm:.0f} mm from nipple").format(mm=lesion.nipple_distance_mm))
        if lesion.depth_mm is not None:
            place.append(text("{mm:.0f} mm deep").format(mm=lesion.depth_mm))
        rows = [
            (text("Size on ultrasound"), self._us_size(item)),
            (text("Size in the MRI"), self._mri_size(lesion)),
            (text("Place"), ", ".join(place)),
            ("BI-RADS", self._assessment(lesion)),
            (text("Comment"), lesion.comment),
            (text("Registration"), self._registration(item)),
        ]
        if item.mri_side and lesion.side and item.mri_side != lesion.side:
            rows.append(("⚠", text("The MRI mark lies on the other side.")))
        cells = [[self._p(a, self._label), self._p(b)] for a, b in rows if b]
        table = Table(cells, colWidths=[LABEL_WIDTH, WIDTH - LABEL_WIDTH], splitInRow=1)
        table.setStyle(_table_style(rules=False))
        return table

    def _assessment(self, lesion: Lesion) -> str:
        """The reader's category; where it changed after the model spoke, the first one too."""
        if lesion.bi_rads is None:
            return self._text("not assessed")
        if lesion.first_bi_rads in (None, lesion.bi_rads):
            return str(lesion.bi_rads)
        told = self._text("{now} (first read: {first})")
        return told.format(now=lesion.bi_rads, first=lesion.first_bi_rads)

    def _us_size(self, item: LesionContent) -> str:
        if item.lesion.us is None:
            return self._text("not marked")
        sizes = (item.size_mm, item.second_size_mm)
        if sizes == (None, None) or (item.size_mm is None and item.lesion.second_us is None):
            return self._text("not measured: the image has no scale")
        first, second = (
            f"{size[0]:.0f} × {size[1]:.0f} mm" if size else self._text("not measured") for size in sizes
        )
        if item.lesion.second_us is None:
            return first
        return self._text("first view {first}, second view {second}").format(first=first, second=second)

    def _mri_size(self, lesion: Lesion) -> str:
        if lesion.mri is None:
            return self._text("not marked")
        if lesion.mri.extent_mm is None:
            return self._text("not measured")
        return " × ".join(f"{mm:.0f}" for mm in lesion.mri.extent_mm) + " mm"

    def _registration(self, item: LesionContent) -> str:
        """Whether US and MRI are registered and what that is worth; of two US views, that of the first."""
        if item.registration is None:
            return self._text("ultrasound and MRI are not registered")
        told = self._registered(item.registration)
        return told if item.lesion.second_us is None else f"{self._text('first view')}: {told}"

    def _registered(self, item: RegistrationContent) -> str:
        text = self._text
        words = [self._say(Message(f"grade.{item.grade}")), self._say(Message(f"method.{item.method}"))]
        if item.contours and item.rms_mm is not None:
            told = text("points {pairs}, lines and surfaces {contours}, residual {rms:.1f} mm rms")
            words.append(told.format(pairs=item.pairs, contours=item.contours, rms=item.rms_mm))
        elif item.rms_mm is not None:
            words.append(self._say(message("registration.pairs_fit", count=item.pairs, rms=item.rms_mm)))
        if item.left_out_mm is not None:
            words.append(text("leave-one-out error up to {mm:.1f} mm").format(mm=item.left_out_mm))
        if item.marks_apart_mm is not None:
            words.append(text("marks {mm:.0f} mm apart").format(mm=item.marks_apart_mm))
        if item.scale != 1.0:
            words.append(text("scale {scale:.2f}").format(scale=item.scale))
        return ". ".join(filter(None, ["; ".join(words), " ".join(self._say(note) for note in item.notes)]))

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
        return [picture, self._p(self._caption(image), self._muted)]

    def _caption(self, image: KeyImage) -> str:
        text = self._text
        views = (text("Ultrasound"), text("Ultrasound, first view"), text("Ultrasound, second view"))
        plane = text("in the plane of the first view") if image.us_view else text("in the US plane")
        base = {
            "us": views[image.us_view],
            "mri_plane": f"{image.volume}, {plane}",
            "mri_slice": f"{image.volume}, {text('acquired slice')}",
            "mri_crop": f"{image.volume}, {text('acquired plane through the MRI mark')}",
        }[image.kind]
        if not image.heat:
            return base
        told = text("hardly any model attention for malignancy") if image.blank else ""
        return f"{base}: {told or text('model attention, not lesion outline')}"

    def _verdict(self, item: LesionContent | None) -> list[Any]:
        """What the model said, or that it said nothing."""
        text, reading = self._text, item.reading if item else None
        head = self._p(text("Model reading"), self._head)
        if self._content.spec is None:
            return [head, self._p(text("No model was used."))]
        if item is None or reading is None:
            return [head, self._p(text("The model was not run."))]
        if reading.weight_us is None and reading.weight_mri is None:
            return [head, self._p(text("No reading: the case is outside what the model may read."))]
        lines = [head]
        if reading.research_override:
            lines.append(self._p(text("RESEARCH OVERRIDE: outside the model's scope."), self._flag))
        if reading.us_only and reading.probability_us is not None:
            told = text("Probability of malignancy (ultrasound alone): {p:.2f}")
            lines.append(self._p(told.format(p=reading.probability_us), self._big))
        else:
            lines += self._numbers(reading)
        return [*lines, *self._views(reading, item)]

    def _grounds(self, item: LesionContent) -> list[Any]:
        """Every reason against the reading, what to look at first, and what the model is worth."""
        spec, reading = self._content.spec, item.reading
        if spec is None or reading is None:
            return []
        lines = [
            self._p("– " + self._say(reason)) for reason in (*reading.eligibility.reasons, *reading.cautions)
        ]
        head = [self._p(self._text("No fused probability:"))] if reading.us_only else []
        return [*head, *lines, Spacer(1, 3), self._p(self._worth(spec, reading), self._muted)]

    def _numbers(self, reading: Reading) -> list[Any]:
        text = self._text
        lines = []
        if reading.probability is not None:
            told = text("Probability of malignancy (fused): {p:.2f}").format(p=reading.probability)
            lines.append(self._p(told, self._big))
        alone = text("{modality} alone {p:.2f}, weight {w:.2f}")
        for name, p, w in (
            (text("Ultrasound"), reading.probability_us, reading.weight_us),
            ("MRI", reading.probability_mri, reading.weight_mri),
        ):
            if p is not None:
                lines.append(self._p(alone.format(modality=name, p=p, w=w or 0.0)))
        return lines

    def _views(self, reading: Reading, item: LesionContent) -> list[Any]:
        """In how many US views the lesion was read."""
        text = self._text
        if reading.weight_us is None:
            return []
        if reading.views > 1:
            return [self._p(text("Read in 2 ultrasound views."))]
        if item.lesion.second_us is not None:
            return [self._p(text("Only the first of 2 ultrasound views was read."), self._muted)]
        return [self._p(text("Read in 1 ultrasound view."))]

    def _worth(self, spec: ModelSpec, reading: Reading) -> str:
        text, (scope, figures) = self._text, reading.worth(spec)
        words = [f"{spec.name} ({spec.weights_sha256[:12]})"]
        if scope.min_age_y is not None:
            words.append(text("scope: from the age of {age}").format(age=scope.min_age_y))
        words.append(self._say(scope.told))
        if scope.research_only:
            words.append(self._say(message("scope.research_only")))
        auc, ece = figures.get("auc"), figures.get("ece")
        if auc is not None:
            words.append(f"AUC {auc.value:.2f} ({auc.low:.2f}–{auc.high:.2f}), n = {auc.n}")
        if ece is not None:
            words.append(text("calibration error {ece:.2f}").format(ece=ece.value))
        if reading.device:
            words.append(reading.device)
        return " · ".join(words)

    def _notes(self) -> list[Any]:
        content, text = self._content, self._text
        names = {"": "", "US": text("Ultrasound") + ": "}
        lines = [names.get(note.image, f"{note.image}: ") + self._say(note.told) for note in content.notes]
        if content.problem_count:
            lines.append(self._say(message("case.problem_files", count=content.problem_count)))
        if not lines:
            return []
        head, *rest = [self._p(text("Notes"), self._head), *(self._p("– " + line) for line in lines)]
        return [KeepTogether([head, rest[0]]), *rest[1:]]

    def _p(self, words: str, style: ParagraphStyle | None = None) -> Paragraph:
        return Paragraph(_markup(words), style or self._body)

    def edges(self, canvas: Canvas, page: int, pages: int) -> None:
        """Below: version, time of printing, page, what the report is not; above, from page 2: whose it is."""
        text, printed = self._text, f"{self._content.printed:%Y-%m-%d %H:%M}"
        foot = f"BreastView {__version__} · {printed} · {text('Not cleared for diagnosis.')}"
        canvas.setStrokeColor(RULE)
        canvas.line(MARGIN, MARGIN + 4 * mm, A4[0] - MARGIN, MARGIN + 4 * mm)
        self._line(canvas, foot, MARGIN - 1 * mm)
        canvas.setFont(LATIN, 8)
        canvas.setFillColor(MUTED)
        canvas.drawRightString(A4[0] - MARGIN, MARGIN, f"{page} / {pages}")
        if page > 1:
            owner = [self._name()[:HEAD_LETTERS], self._content.patient.patient_id[:HEAD_LETTERS]]
            self._line(canvas, " · ".join([*filter(None, owner), *self._flags()]), A4[1] - MARGIN + 1 * mm)

    def _line(self, canvas: Canvas, words: str, y: float) -> None:
        paragraph = self._p(words, self._muted)
        paragraph.wrapOn(canvas, WIDTH - 15 * mm, 12)
        paragraph.drawOn(canvas, MARGIN, y)


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
    return "".join(_set_in(font, "".join(run)) for font, run in groupby(words, _font_of))


def _font_of(letter: str) -> str:
    """The font that has a letter, or none."""
    if letter.isspace() or ord(letter) in _covers(LATIN):
        return LATIN
    return CJK if ord(letter) in _covers(CJK) else ""


def _set_in(font: str, run: str) -> str:
    if not font:
        return MISSING * len(run)
    return escape(run, {"\n": "<br/>"}) if font == LATIN else f'<font name="{CJK}">{run}</font>'
