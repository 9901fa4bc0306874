"""The card says the same in Markdown and in PDF: what it is, for whom, what it is worth, how it was made."""

from __future__ import annotations

import io
from dataclasses import replace

import pypdfium2 as pdfium

from breastview.fusion.spec import InputSpec, Metric, ModelSpec, NetworkSpec, Scope
from model_training.card import markdown, pdf, write_card

SPEC = ModelSpec(
    name="Model of the ward",
    demonstration=False,
    input=InputSpec(size_px=224),
    network=NetworkSpec(trunk="resnet50", shared=False, fusion="gate"),
    scope=Scope(
        note="Validated on 120 lesions (40 malignant) of 90 patients from records, 两家医院.",
        sources=("records",),
        scanners=("GE Brivo",),
        sizes_mm=(5.0, 41.0),
        research_only=True,
    ),
    metrics={"fused": {"auc": Metric(0.9, 0.86, 0.93, 120), "accuracy": Metric(0.8, 0.7, 0.88, 120)}},
    training={"seed": 7, "remark": "a | b"},
)


def text_of(data: bytes) -> str:
    document = pdfium.PdfDocument(io.BytesIO(data))
    return "\n".join(document[k].get_textpage().get_text_range() for k in range(len(document)))


def test_markdown_says_scope_worth_and_making():
    text = markdown(SPEC)
    assert text.startswith("# Model of the ward\n\n**Validated on 120 lesions")
    assert "Network: resnet50, one trunk a modality, fusion by softmax weights and a gate" in text
    assert "- Scanners: GE Brivo." in text and "- Lesions on ultrasound: 5 to 41 mm." in text
    assert "- Ages and sizes: the range that holds the central 99 % of the measured lesions." in text
    assert "- For research only: measured on fewer than 100 malignant or 100 benign lesions." in text
    assert "| head | AUC | accuracy | n |" in text
    assert "| fused | 0.900 (0.860–0.930) | 0.800 (0.700–0.880) | 120 |" in text
    assert "- seed: 7" in text and "best possible" not in text
    assert "and all figures where patients have several lesions: patients resampled)." in text


def test_the_making_of_each_network_of_an_ensemble_is_a_line_and_what_nobody_told_is_none():
    members = [{"started_from": "random weights", "epochs": epochs} for epochs in (9, 8)]
    text = markdown(replace(SPEC, training={"seed": 7, "commit": "", "members": members}))
    assert text.endswith(
        "## How it was made\n\n- seed: 7\n- network 1: started_from random weights, epochs 9\n"
        "- network 2: started_from random weights, epochs 8\n"
    )


def test_the_best_possible_stands_where_it_is_known():
    best = replace(SPEC, demonstration=True, training={"best_possible_auc": {"fused": 0.96}})
    text = markdown(best)
    assert "| 0.960 | 120 |" in text and "**DEMONSTRATION. " in text
    assert "best_possible_auc:" not in text


def test_ultrasound_alone_has_a_scope_and_a_row_of_its_own():
    alone = {"auc": Metric(0.88, 0.8, 0.94, 77), "accuracy": Metric(0.82, 0.72, 0.89, 77)}
    stills = Scope(note="Ultrasound alone: 77 stills.", sources=("stills",), research_only=True)
    training = {"best_possible_auc": {"fused": 0.96}}
    text = markdown(
        replace(SPEC, us_scope=stills, metrics={**SPEC.metrics, "us_only": alone}, training=training)
    )
    assert "## Ultrasound alone, where there is no MRI\n\nUltrasound alone: 77 stills." in text
    assert "- sources: stills" in text and text.count("the central 99 %") == 1
    assert "| us, without MRI | 0.880 (0.800–0.940) | 0.820 (0.720–0.890) | – | 77 |" in text


def test_the_pdf_says_the_same_with_chinese_letters(tmp_path):
    write_card(SPEC, tmp_path)
    assert (tmp_path / "CARD.md").read_text(encoding="utf-8") == markdown(SPEC)
    text = text_of((tmp_path / "CARD.pdf").read_bytes())
    for words in ("Model of the ward", "两家医院", "Scanners: GE Brivo.", "0.900 (0.860–0.930)", "seed: 7"):
        assert words in text
    assert pdf(SPEC) == pdf(SPEC)


def test_the_card_says_how_well_registrations_are_checked():
    worth = {"flagged": Metric(0.97, 0.94, 0.99, 90), "false_flags": Metric(0.08, 0.05, 0.12, 90)}
    text = markdown(replace(SPEC, metrics={**SPEC.metrics, "registration": worth}))
    assert "0.970 (0.940–0.990) of those 8 to 15 mm off are noticed, 0.080 (0.050–0.120) of right" in text
    assert "Check of the registration" not in markdown(SPEC)


def test_the_card_says_how_many_right_crops_are_doubted():
    text = markdown(replace(SPEC, metrics={**SPEC.metrics, "unlike": {"mri": Metric(0.05, 0.02, 0.1, 90)}}))
    assert "Check of the MRI image: 0.050 (0.020–0.100) of held-out crops (n = 90) are doubted" in text
    assert "ultrasound image" not in text
