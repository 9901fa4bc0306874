"""The model card of a bundle: what it is, for whom, what it is worth, how it was made. Markdown and PDF."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from breastview.fusion.spec import TWO_VIEWS, US_ONLY, ModelSpec, NetworkSpec, Scope
from breastview.messages import render
from breastview.whole import write_whole
from model_training.markdown import figure, table
from model_training.scope import RANGES

HEADS = ("fused", "us", "mri")
FONTS = Path(__file__).resolve().parent.parent / "resources" / "fonts"
LATIN, CJK = "DejaVuSans", "DroidSansFallback"
MARGIN = 16 * mm
RULE = HexColor("#c9cdd1")
FIGURES = {
    "auc": "AUC",
    "accuracy": "accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "ece": "calibration error",
}

_HEADS = {
    "fused" + TWO_VIEWS: "fused, two US views",
    "us" + TWO_VIEWS: "us, two views",
    US_ONLY: "us, without MRI",
}
_FUSING = {
    "weighted": "softmax-weighted fusion",
    "gate": "fusion by softmax weights and a gate on the features",
    "fixed": "fusion by equal weights",
    "concatenation": "features side by side",
}
_IMAGES = {
    "us": "ultrasound image",
    US_ONLY: "ultrasound image that has no MRI beside it",
    "mri": "MRI image",
}
_PLANES = {"registered": "resampled into the US plane", "native": "on its acquired planes"}


@dataclass(frozen=True)
class Part:
    """A part of the card: paragraphs, a list, then a table (its head first)."""

    title: str
    told: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def card_parts(spec: ModelSpec) -> tuple[Part, ...]:
    """What the card says."""
    network = (
        f"Network: {spec.network.trunk}, {_trunks(spec.network)}, {_FUSING[spec.network.fusion]}; "
        f"{_own_us_only(spec)}"
        f"{spec.input.size_px}² px; MRI {_PLANES[spec.input.mri_input]}; weights kept as int8."
    )
    scope = (
        f"sources: {', '.join(spec.scope.sources) or 'not told'}",
        f"modalities: {', '.join(spec.scope.modalities)}",
        f"MRI channels that must be there: {', '.join(spec.scope.required_channels) or 'none'}",
        *_bounds(spec.scope),
    )
    return (
        Part("", (network,)),
        Part("Validated for", (), scope),
        *_us_only(spec.us_scope),
        _worth(spec),
        Part("How it was made", (), _made(spec.training)),
        *_us_only_made(spec.training.get(US_ONLY)),
    )


def _trunks(network: NetworkSpec) -> str:
    if network.shared:
        return "convolutions shared by both modalities, own stems and batch norms"
    return "one trunk a modality"


def _own_us_only(spec: ModelSpec) -> str:
    """What looks at ultrasound without MRI, where that is not what looks at any."""
    network, sees = spec.network, ""
    if spec.us_only_input is not None:
        shape = "of the box's proportions" if spec.us_only_input.box_shaped else "square"
        sees = f" that sees {spec.us_only_input.size_px}² px, crops {shape},"
    if network.us_only_trunk:
        own = f"a {network.us_only_trunk}"
    elif network.own_us_only_head:
        own = "a stem, batch norms and a classifier"
    elif network.own_us_only:
        own = "a stem and batch norms"
    else:
        return ""
    return f"{own} of its own{sees} for ultrasound without MRI; "


def _made(training: Mapping[str, Any]) -> tuple[str, ...]:
    """A line for all that is told of how a network was made, and for each of an ensemble."""
    apart = ("best_possible_auc", US_ONLY, "members")
    told = {key: value for key, value in training.items() if key not in apart and value != ""}
    for number, member in enumerate(training.get("members", ()), 1):
        told[f"network {number}"] = ", ".join(f"{key} {value}" for key, value in member.items())
    return tuple(f"{key}: {value}" for key, value in told.items())


def _us_only_made(training: Mapping[str, Any] | None) -> tuple[Part, ...]:
    """The part about the making of a network of ultrasound alone, where that was trained by itself."""
    return (Part("How its network of ultrasound alone was made", (), _made(training)),) if training else ()


def _us_only(scope: Scope | None) -> tuple[Part, ...]:
    """The part about ultrasound alone, where it was validated."""
    if scope is None:
        return ()
    listed = (f"sources: {', '.join(scope.sources)}", *_bounds(scope))
    return (Part("Ultrasound alone, where there is no MRI", (scope.note,), listed),)


def _bounds(scope: Scope) -> tuple[str, ...]:
    """What bounds a scope, and how its ranges were taken."""
    ranges = (RANGES,) if scope.sizes_mm or scope.min_age_y is not None else ()
    return (*(render(line) for line in scope.details), *ranges)


def markdown(spec: ModelSpec) -> str:
    """The card in Markdown."""
    blocks = [f"# {spec.name}", f"**{_banner(spec)}**"]
    for part in card_parts(spec):
        blocks += [f"## {part.title}"] if part.title else []
        blocks += part.told
        blocks += ["\n".join(f"- {line}" for line in part.listed)] if part.listed else []
        blocks += [table(part.rows[0], part.rows[1:])] if part.rows else []
    return "\n\n".join(blocks) + "\n"


def write_card(spec: ModelSpec, folder: Path) -> None:
    """Write CARD.md and CARD.pdf into a bundle's folder."""
    write_whole(folder / "CARD.md", markdown(spec).encode())
    write_whole(folder / "CARD.pdf", pdf(spec))


def pdf(spec: ModelSpec) -> bytes:
    """The card as PDF: the same words, fonts embedded."""
    for name in (LATIN, CJK):
        pdfmetrics.registerFont(TTFont(name, str(FONTS / f"{name}.ttf")))
    body = ParagraphStyle("body", fontName=LATIN, fontSize=8.5, leading=12, spaceAfter=3)
    small = ParagraphStyle("small", body, fontSize=7, leading=9)
    title = ParagraphStyle("title", body, fontSize=14, leading=18)
    part_title = ParagraphStyle("part", body, fontSize=10.5, leading=14, spaceBefore=8)
    flow = [_said(spec.name, title), _said(_banner(spec), body)]
    for part in card_parts(spec):
        flow += [_said(part.title, part_title)] if part.title else []
        flow += [_said(line, body) for line in part.told]
        flow += [_said(f"– {line}", body) for line in part.listed]
        if part.rows:
            cells = [[_said(text, small) for text in row] for row in part.rows]
            flow += [Table(cells, repeatRows=1, style=TableStyle([("GRID", (0, 0), (-1, -1), 0.4, RULE)]))]
            flow += [Spacer(0, 2 * mm)]
    buffer = io.BytesIO()
    document = SimpleDocTemplate(
        buffer, pagesize=A4, title=spec.name, author="BreastView", invariant=True,
        leftMargin=MARGIN, rightMargin=MARGIN, topMargin=MARGIN, bottomMargin=MARGIN,
    )  # fmt: skip
    document.build(flow)
    return buffer.getvalue()


def _banner(spec: ModelSpec) -> str:
    return f"{'DEMONSTRATION. ' if spec.demonstration else ''}{spec.scope.note}"


def _worth(spec: ModelSpec) -> Part:
    best = spec.training.get("best_possible_auc", {})
    shown = [name for name in FIGURES if any(name in figures for figures in spec.metrics.values())]
    head = ["head", *(FIGURES[name] for name in shown), *(["best possible AUC"] if best else []), "n"]
    rows = [tuple(head)]
    for name in (head for head in (*HEADS, *_HEADS) if head in spec.metrics):
        own = spec.metrics[name]
        cells = [figure(own[key]) if key in own else "–" for key in shown]
        arm = name.removesuffix(TWO_VIEWS)
        reachable = [f"{best[arm]:.3f}" if arm in best else "–"] if best else []
        rows.append((_HEADS.get(name, name), *cells, *reachable, str(own["auc"].n)))
    told = [
        "On held-out lesions, with 95 % intervals (DeLong; Wilson; calibration, and all figures where "
        "patients have several lesions: patients resampled)."
    ]
    if spec.members > 1:
        told.append(
            f"An ensemble of {spec.members} networks, one a fold, which answers by their mean. Every figure "
            "is out of fold: each lesion by the one network that never saw it. Temperature and operating "
            "point are chosen on the same answers. The ensemble itself was not measured, since each of these "
            "lesions trained most of its networks; a mean is as a rule at least as good as one of them. "
            "Checks of the input are the first network's."
        )
    if best:
        told.append(
            "The best possible AUC is that of an optimal reader of the latent evidence on the same cases."
        )
    if check := spec.metrics.get("registration"):
        told.append(
            f"Check of the registration: {figure(check['flagged'])} of those 8 to 15 mm off are noticed, "
            f"{figure(check['false_flags'])} of right ones doubted (n = {check['flagged'].n} each)."
        )
    for name, doubted in spec.metrics.get("unlike", {}).items():
        told.append(
            f"Check of the {_IMAGES[name]}: {figure(doubted)} of held-out crops (n = {doubted.n}) are "
            "doubted for not looking like the others. How many of another kind would be was not measured."
        )
    return Part("What it is worth", tuple(told), (), tuple(rows))


def _said(text: str, style: ParagraphStyle) -> Paragraph:
    """A paragraph; letters that the Latin font lacks come from the Chinese one."""
    faces = pdfmetrics.getFont(LATIN).face.charToGlyph
    marked = "".join(
        escape(letter) if ord(letter) in faces else f'<font name="{CJK}">{escape(letter)}</font>'
        for letter in text
    )
    return Paragraph(marked, style)
