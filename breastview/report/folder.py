"""A report in a folder: the PDF, and each heatmap as a picture."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from breastview.language import Language
from breastview.report.content import ReportContent
from breastview.report.files import write_whole
from breastview.report.images import KeyImage, labelled
from breastview.report.pdf import write_pdf


def write_report(content: ReportContent, out: Path, language: Language) -> tuple[str, ...]:
    """Write the report and the heatmaps, and return the files' names; heatmaps that an earlier run left are
    taken away.

    Raises:
        ReportError: the folder cannot be written.
    """
    pictures = _heatmap_pictures(content)
    write_pdf(content, out / "report.pdf", language)
    for name, data in pictures.items():
        write_whole(out / name, data)
    for old in (path for modality in ("us", "mri") for path in out.glob(f"{modality}_heatmap*.png")):
        if old.name not in pictures:
            old.unlink(missing_ok=True)
    return ("report.pdf", *pictures)


def _heatmap_pictures(content: ReportContent) -> dict[str, bytes]:
    """PNGs by file name, "us_heatmap.png" for the first lesion and "us_heatmap_2.png" for the second; that of
    a second US view is "us_heatmap_second_view.png"."""
    words = ["SIMULATED"] if content.simulated else []
    words += ["DEMONSTRATION"] if content.spec is not None and content.spec.demonstration else []
    pictures = {}
    for number, item in enumerate(content.lesions, 1):
        for image in item.images:
            if image.heat:
                buffer = io.BytesIO()
                note = (
                    "hardly any model attention for malignancy"
                    if image.blank
                    else "model attention, not lesion outline"
                )
                picture = labelled(image.picture, " · ".join([*words, *_view(image), note]))
                Image.fromarray(picture).save(buffer, "PNG")
                suffix = "" if number == 1 else f"_{number}"
                suffix += "_second_view" if image.us_view == 2 else ""
                pictures[f"{image.kind.partition('_')[0]}_heatmap{suffix}.png"] = buffer.getvalue()
    return pictures


def _view(image: KeyImage) -> list[str]:
    """Which of a lesion's two US views a picture is, where there are two."""
    return {1: ["first view"], 2: ["second view"]}.get(image.us_view, []) if image.kind == "us" else []
