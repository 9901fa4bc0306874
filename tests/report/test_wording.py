"""What the report says, in both languages: read back from its pages."""

from __future__ import annotations

from dataclasses import replace

import pytest

from breastview.fusion.reading import Eligibility
from breastview.fusion.spec import Metric, Scope
from breastview.imaging.case import Patient
from breastview.messages import message
from breastview.records.values import BiRads, Lesion
from breastview.report.content import Note
from tests.report.examples import (
    CHINESE,
    IN_TWO_VIEWS,
    LESION,
    PLAIN,
    READING,
    SPEC,
    TWO_VIEWS,
    WITH_HEAT,
    content,
    pages,
)


def test_one_page_says_who_when_where_and_how_large():
    (text,) = pages(content())
    for expected in (
        "Name ZHANG SAN · 张 三 Patient ID P-17",
        "Born 1971-04-09 (54 y) Sex female",
        "Ultrasound 2026-03-02 MRI 2026-03-05",
        "L1 · Left · 2:30 o'clock",
        "Size on ultrasound 14 × 10 mm",
        "Size in the MRI 12 × 9 × 11 mm",
        "Place 31 mm from nipple, 14 mm deep",
        "BI-RADS 4B",
        "confirmed; landmarks; 5 pairs, residual 1.2 mm rms; leave-one-out error up to 2.7 mm; "
        "marks 3 mm apart",
        "2026-11-24 10:30",
        "Not cleared for diagnosis. 1 / 1",
    ):
        assert expected in text


def test_a_category_that_changed_after_the_model_spoke_is_printed_with_the_first_read():
    (text,) = pages(content(replace(LESION, first_bi_rads=BiRads.C4A)))
    assert "BI-RADS 4B (first read: 4A)" in text
    (text,) = pages(content(replace(LESION, first_bi_rads=BiRads.C4B)))
    assert "first read" not in text


def test_an_empty_heatmap_says_that_it_is_empty():
    empty = tuple(replace(image, blank=image.heat) for image in WITH_HEAT)
    (text,) = pages(content(images=empty))
    assert text.count("hardly any model attention for malignancy") == 2
    assert "no model attention" not in pages(content())[0]


def test_the_reading_comes_with_its_numbers_and_what_they_are_worth():
    (text,) = pages(content())
    for expected in (
        "Probability of malignancy (fused): 0.73",
        "Ultrasound alone 0.61, weight 0.40",
        "MRI alone 0.82, weight 0.60",
        "TEST, untrained (0123456789ab)",
        "scope: from the age of 30",
        "Validated on simulated patients only: software verification, not clinical evidence.",
        "AUC 0.91 (0.88–0.94), n = 400",
        "CPU",
        "DEMONSTRATION model: no clinical evidence",
    ):
        assert expected in text
    assert "RESEARCH OVERRIDE" not in text and "SIMULATED" not in text


def test_a_hospitals_own_model_is_worth_what_its_note_says():
    own = replace(SPEC, demonstration=False, scope=Scope(note="Validated at one hospital, 2024–2026."))
    (text,) = pages(content(spec=own))
    assert "Validated at one hospital, 2024–2026." in text
    assert "DEMONSTRATION" not in text and "simulated" not in text


def test_ultrasound_alone_is_called_so_and_comes_with_what_it_is_worth_by_itself():
    spec = replace(
        SPEC,
        us_scope=Scope(note="Ultrasound alone: validated on 77 labelled stills.", research_only=True),
        metrics={**SPEC.metrics, "us_only": {"auc": Metric(0.88, 0.8, 0.95, 77)}},
    )
    alone = replace(
        READING,
        eligibility=Eligibility(False, (message("scope.no_mri"),), us_only=True),
        cautions=(message("model.unlike_us", flagged=1),),
        **dict.fromkeys(("probability", "probability_mri", "weight_mri"), None),
    )
    (text,) = pages(content(reading=alone, images=PLAIN, spec=spec))
    for expected in (
        "Probability of malignancy (ultrasound alone): 0.61",
        "No fused probability:",
        "– There is no MRI: no fused probability.",
        "⚠ The ultrasound crop does not look like those that the model was measured on",
        "Ultrasound alone: validated on 77 labelled stills.",
        "For research only",
        "AUC 0.88 (0.80–0.95), n = 77",
    ):
        assert expected in text
    assert "(fused)" not in text and "0.91" not in text and "simulated patients only" not in text


def test_a_refusal_gives_every_reason_and_no_number():
    reasons = (message("scope.simulated_only"), message("concordance.far_apart", mm=22))
    refused = replace(
        READING,
        eligibility=Eligibility(False, reasons),
        **dict.fromkeys(
            ("probability", "probability_us", "probability_mri", "weight_us", "weight_mri"), None
        ),
    )
    (text,) = pages(content(reading=refused, images=PLAIN))
    assert "No reading: the case is outside what the model may read." in text
    assert "This model was validated on simulated patients only; this case is not simulated." in text
    assert "puts the ultrasound lesion 22 mm from the MRI mark" in text
    assert "Probability" not in text and "attention" not in text


def test_an_override_is_printed_with_the_reasons_against_it():
    eligibility = Eligibility(False, (message("scope.simulated_only"),))
    (text,) = pages(content(reading=replace(READING, research_override=True, eligibility=eligibility)))
    assert "RESEARCH OVERRIDE: outside the model's scope." in text
    assert "this case is not simulated" in text and "(fused): 0.73" in text


def test_a_simulated_patient_is_called_so_on_every_page():
    two = content(simulated=True, lesions=content().lesions * 2)
    first, second = pages(two)
    assert "SIMULATED PATIENT: not a real examination" in first
    assert "ZHANG SAN · 张 三 · P-17 · SIMULATED PATIENT: not a real examination" in second
    assert "1 / 2" in first and "2 / 2" in second


def test_what_is_missing_is_said():
    bare = Lesion("L1")
    (text,) = pages(
        content(
            bare,
            images=(),
            size_mm=None,
            registration=None,
            reading=None,
            patient=Patient(),
            has_us=False,
            us_dates=(),
            mri_date=None,
            spec=None,
        )
    )
    for expected in (
        "Name unknown Patient ID unknown",
        "Born unknown Sex unknown",
        "Ultrasound none in this folder MRI date unknown",
        "L1 · side not confirmed",
        "Size on ultrasound not marked Size in the MRI not marked",
        "BI-RADS not assessed",
        "Registration ultrasound and MRI are not registered",
        "No model was used.",
    ):
        assert expected in text


def test_a_us_image_without_scale_is_not_measured():
    (text,) = pages(content(size_mm=None))
    assert "Size on ultrasound not measured: the image has no scale" in text


def test_a_size_that_nobody_measured_in_the_mri_is_not_printed_as_zero():
    flat = replace(LESION, mri=replace(LESION.mri, extent_mm=(20.3, 19.6, 0.0)))
    (text,) = pages(content(flat))
    assert "Size in the MRI 20 × 20 mm" in text


def test_two_views_are_never_mixed_up():
    made = content(TWO_VIEWS, IN_TWO_VIEWS, second_size_mm=(12.4, 8.1), reading=replace(READING, views=2))
    (text,) = pages(made)
    for expected in (
        "Size on ultrasound first view 14 × 10 mm, second view 12 × 8 mm",
        "Registration first view: confirmed; landmarks",
        "Ultrasound, first view: model attention",
        "Ultrasound, second view: model attention",
        "DCE, in the plane of the first view: model attention",
        "Read in 2 ultrasound views.",
    ):
        assert expected in text
    (text,) = pages(made, CHINESE)
    for expected in ("第一切面 14 × 10 mm，第二切面 12 × 8 mm", "超声，第二切面", "依据 2 个超声切面判读。"):
        assert expected in text
    assert "view" not in text.replace("BreastView", "")


def test_of_one_view_nothing_is_said_but_that_it_was_one():
    (text,) = pages(content())
    assert "Read in 1 ultrasound view." in text and "Ultrasound: model attention" in text
    assert "first" not in text and "second" not in text


def test_a_second_view_that_was_not_read_is_told():
    (text,) = pages(content(TWO_VIEWS, PLAIN))
    assert "Only the first of 2 ultrasound views was read." in text and "Read in" not in text
    alone = replace(READING, eligibility=Eligibility(False, us_only=True), probability=None)
    (text,) = pages(content(TWO_VIEWS, PLAIN, reading=alone))
    assert "(ultrasound alone): 0.61 Only the first of 2 ultrasound views was read." in text


def test_an_answer_without_ultrasound_was_read_in_no_view():
    mri = replace(READING, probability=None, probability_us=None, weight_us=None, weight_mri=1.0)
    (text,) = pages(content(TWO_VIEWS, PLAIN, reading=mri))
    assert "MRI alone 0.82" in text and "ultrasound view" not in text


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ((14.2, 9.6), None, "first view 14 × 10 mm, second view not measured Size"),
        (None, (12.4, 8.1), "first view not measured, second view 12 × 8 mm Size"),
        (None, None, "Size on ultrasound not measured: the image has no scale Size"),
    ],
)
def test_a_view_without_scale_is_not_measured(first, second, told):
    (text,) = pages(content(TWO_VIEWS, PLAIN, size_mm=first, second_size_mm=second))
    assert told in text


def test_without_a_lesion_there_is_a_report_all_the_same():
    (text,) = pages(content(lesions=(), overview=PLAIN[:2]))
    assert "No lesion was marked." in text and "The model was not run." in text


def test_a_mark_on_the_other_side_and_notes_are_told():
    notes = (Note("US", message("scan.no_scale")), Note("DWI", message("scan.slices_missing", count=3)))
    (text,) = pages(content(mri_side="R", notes=notes, problem_count=4))
    assert "⚠ The MRI mark lies on the other side." in text
    assert "– Ultrasound: No scale: nothing is measured in mm until you calibrate." in text
    assert "– DWI: Slices are missing: 3. They stay black." in text
    assert "– 4 files with problems" in text


def test_what_headers_say_against_the_us_images_is_told():
    (text,) = pages(content(TWO_VIEWS, PLAIN, of_views=(message("concordance.views_of_two_days"),)))
    assert "⚠ The two ultrasound views are of different days." in text


def test_the_chinese_page_is_chinese():
    (text,) = pages(content(simulated=True), CHINESE)
    for expected in (
        "乳腺超声与 MRI 报告",
        "姓名 ZHANG SAN · 张 三",
        "性别 女",
        "2:30 点钟方向",
        "0.73",
        "模拟",
    ):
        assert expected in text
    for english in ("Probability", "alone", "Size", "scope:"):
        assert english not in text
