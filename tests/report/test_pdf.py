"""The page, read back: what it says, in which fonts, and that nothing runs off it."""

from __future__ import annotations

import ctypes
import datetime
import io
from collections import Counter
from dataclasses import replace

import numpy as np
import pypdfium2 as pdfium
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdfium2 import raw
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from breastview.errors import ReportError
from breastview.fusion.reading import Eligibility, Reading
from breastview.fusion.spec import InputSpec, Metric, ModelSpec, NetworkSpec, Scope
from breastview.imaging.case import Patient
from breastview.language import Language
from breastview.messages import message
from breastview.records.values import BiRads, Lesion, MriMark, Side, UsMark
from breastview.report.content import LesionContent, Note, RegistrationContent, ReportContent
from breastview.report.images import KeyImage
from breastview.report.pdf import MARGIN, render_pdf, write_pdf

ENGLISH, CHINESE = Language("en"), Language("zh_CN")
PATIENT = Patient("ZHANG^SAN=张^三=", "P-17", datetime.date(1971, 4, 9), "F", 54)
LESION = Lesion(
    "L1",
    Side.LEFT,
    clock_h=2.5,
    nipple_distance_mm=31.0,
    depth_mm=14.0,
    us=UsMark("us", 0, 1, 1, 9, 9),
    mri=MriMark("dce", (0.0, 0.0, 0.0), (12.0, 9.0, 11.0)),
    bi_rads=BiRads.C4B,
)
REGISTRATION = RegistrationContent("confirmed", "landmarks", 5, 0, 1.24, 2.71, 3.1, 1.0, ())
SPEC = ModelSpec(
    name="TEST, untrained",
    demonstration=True,
    input=InputSpec(),
    network=NetworkSpec(),
    scope=Scope(simulated_only=True, min_age_y=30, note="For tests only."),
    weights_sha256="0123456789abcdef",
    metrics={"fused": {"auc": Metric(0.91, 0.88, 0.94, 400)}},
)
READING = Reading(
    "L1",
    Eligibility(True),
    research_override=False,
    model_name="TEST",
    model_sha256="",
    input_sha256="",
    device="CPU",
    demonstration=True,
    probability=0.73,
    probability_us=0.61,
    probability_mri=0.82,
    weight_us=0.4,
    weight_mri=0.6,
)


def picture(kind: str, heat: bool = False) -> KeyImage:
    return KeyImage(kind, "L1", np.full((80, 90, 3), 120, np.uint8), heat, 0.5, "" if kind == "us" else "DCE")


IMAGES = tuple(picture(kind, heat) for kind in ("us", "mri_plane") for heat in (False, True))
WITH_HEAT = (*IMAGES, picture("mri_slice"))
PLAIN = (picture("us"), picture("mri_plane"), picture("mri_slice"))
TWO_VIEWS = replace(LESION, second_us=UsMark("across", 0, 1, 1, 9, 9))
IN_TWO_VIEWS = (
    *(replace(picture("us", heat), us_view=view) for view in (1, 2) for heat in (False, True)),
    *(replace(picture("mri_plane", heat), us_view=1) for heat in (False, True)),
    picture("mri_slice"),
)


def content(lesion: Lesion = LESION, images=WITH_HEAT, **changes) -> ReportContent:
    about = {
        "second_size_mm": None,
        "mri_side": "L",
        "size_mm": (14.2, 9.6),
        "registration": REGISTRATION,
        "reading": READING,
    }
    about.update({key: changes.pop(key) for key in tuple(changes) if key in about})
    whole = {
        "patient": PATIENT,
        "us_date": datetime.date(2026, 3, 2),
        "mri_date": datetime.date(2026, 3, 5),
        "has_us": True,
        "has_mri": True,
        "simulated": False,
        "lesions": (LesionContent(lesion, images=images, **about),),
        "overview": (),
        "problem_count": 0,
        "notes": (),
        "spec": SPEC,
        "printed": datetime.datetime(2026, 11, 24, 10, 30),
    }
    return ReportContent(**{**whole, **changes})


def pages(made: ReportContent, language: Language = ENGLISH) -> list[str]:
    """The text of each page, white space made single."""
    document = pdfium.PdfDocument(render_pdf(made, language))
    return [" ".join(page.get_textpage().get_text_range().split()) for page in document]


def letters_off_the_page(data: bytes) -> list[str]:
    """Letters that are printed outside the margins."""
    off = []
    for page in pdfium.PdfDocument(data):
        text = page.get_textpage()
        for index in range(text.count_chars()):
            left, bottom, right, top = text.get_charbox(index)
            inside = left > MARGIN - 2 and right < A4[0] - MARGIN + 2 and bottom > 0 and top < A4[1]
            if right > left and not inside:
                off.append(text.get_text_range(index, 1))
    return off


def test_a_letter_off_the_page_would_be_found():
    canvas = Canvas(buffer := io.BytesIO())
    canvas.drawString(A4[0] - MARGIN - 10, 300, "iiW")
    canvas.save()
    assert letters_off_the_page(buffer.getvalue()) == ["W"]


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
        **dict.fromkeys(("probability", "probability_mri", "weight_mri"), None),
    )
    (text,) = pages(content(reading=alone, images=PLAIN, spec=spec))
    for expected in (
        "Probability of malignancy (ultrasound alone): 0.61",
        "No fused probability:",
        "There is no MRI: no fused probability.",
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
            us_date=None,
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


def test_every_font_is_embedded_and_chinese_is_set_in_one_that_has_it():
    page = pdfium.PdfDocument(render_pdf(content(), CHINESE))[0]
    names = set()
    for item in page.get_objects([raw.FPDF_PAGEOBJ_TEXT]):
        font, name = raw.FPDFTextObj_GetFont(item.raw), ctypes.create_string_buffer(80)
        assert raw.FPDFFont_GetIsEmbedded(font) == 1
        raw.FPDFFont_GetBaseFontName(font, name, len(name))
        names.add(name.value.decode().rpartition("+")[2])
    assert names == {"DejaVuSans", "DejaVuSans-Bold", "DroidSansFallback"}


def test_a_letter_that_no_font_has_is_a_visible_box():
    (text,) = pages(content(patient=replace(PATIENT, name="WANG=王𠮷")))
    assert "WANG · 王□" in text


def test_plain_and_heat_stand_side_by_side_and_large_enough_to_read():
    places = []
    for item in pdfium.PdfDocument(render_pdf(content(), ENGLISH))[0].get_objects([raw.FPDF_PAGEOBJ_IMAGE]):
        left, bottom, right, top = item.get_bounds()
        places.append((round(left), round(top), (right - left) / mm, (top - bottom) / mm))
    us, us_hot, cut, plane, plane_hot = places
    assert us[1] == us_hot[1] == cut[1] > plane[1] == plane_hot[1]
    assert us[0] < us_hot[0] < cut[0] and (us[0], us_hot[0]) == (plane[0], plane_hot[0])
    assert all(width > 55 and height > 45 for _, _, width, height in places)


def places(images, **changes) -> list[tuple[float, float, float]]:
    """(left, top, height) in mm, left and top of the page, of each picture on its first page."""
    found = []
    page = pdfium.PdfDocument(render_pdf(content(TWO_VIEWS, images=images, **changes), ENGLISH))[0]
    for item in page.get_objects([raw.FPDF_PAGEOBJ_IMAGE]):
        left, bottom, _, top = item.get_bounds()
        found.append((left / mm, (A4[1] - top) / mm, (top - bottom) / mm))
    return found


def test_each_view_has_a_row_with_its_heatmap_and_all_is_on_one_page():
    read = replace(READING, views=2)
    first, first_hot, cut, second, second_hot, plane, plane_hot = places(IN_TWO_VIEWS, reading=read)
    for row in ((first, first_hot, cut), (second, second_hot), (plane, plane_hot)):
        assert len({round(top) for _, top, _ in row}) == 1
        assert [round(left) for left, _, _ in row] == [16, 76, 137][: len(row)]
    assert first[1] < second[1] < plane[1] and min(height for *_, height in (first, second, plane)) > 38
    noted = content(
        TWO_VIEWS, images=IN_TWO_VIEWS, reading=read, notes=(Note("US", message("scan.no_scale")),) * 3
    )
    assert len(pages(noted)) == 1


def test_a_second_view_that_was_not_read_stands_beside_the_first_and_its_heatmap():
    images = tuple(image for image in IN_TWO_VIEWS if not (image.us_view == 2 and image.heat))
    first, first_hot, second, plane, plane_hot, cut = places(images)
    assert [round(place[0]) for place in (first, first_hot, second)] == [16, 76, 137]
    assert round(first[1]) == round(second[1]) < round(plane[1]) == round(plane_hot[1]) == round(cut[1])


def test_without_heat_both_views_stand_beside_one_another_on_one_page():
    plain = tuple(image for image in IN_TWO_VIEWS if not image.heat)
    made = content(TWO_VIEWS, images=plain, reading=None)
    first, second, *_ = places(plain, reading=None)
    assert len(pages(made)) == 1 and round(first[1]) == round(second[1])
    us_only = places(plain[:2], reading=None)
    assert min(height for *_, height in us_only) > 75, "two pictures alone are large"


def test_without_heat_pairs_are_larger():
    document = pdfium.PdfDocument(render_pdf(content(images=PLAIN, reading=None), ENGLISH))
    images = list(document[0].get_objects([raw.FPDF_PAGEOBJ_IMAGE]))
    widths = [(right - left) / mm for left, _, right, _ in (image.get_bounds() for image in images)]
    assert len(document) == 1 and min(widths) > 70


COMMENTS = {
    "one long word": "x" * 900,
    "many words": "spiculated mass " * 400,
    "Chinese": "边缘毛刺状肿块伴钙化" * 250,
    "lines": "a\n" * 120,
    "markup": "<b>&amp; </para> <font name='x'>" * 60,
}


@pytest.mark.parametrize("language", [ENGLISH, CHINESE], ids=["en", "zh_CN"])
@pytest.mark.parametrize("comment", COMMENTS.values(), ids=COMMENTS)
def test_a_long_comment_flows_on_and_loses_nothing(comment, language):
    data = render_pdf(content(replace(LESION, comment=comment)), language)
    assert letters_off_the_page(data) == []
    printed = Counter("".join(page.get_textpage().get_text_range() for page in pdfium.PdfDocument(data)))
    wanted = Counter(comment.replace("\n", "").replace(" ", ""))
    assert not {letter: n for letter, n in wanted.items() if printed[letter] < n}


@pytest.mark.parametrize("name", ["W" * 200, "欧阳" * 60, "VAN DER " * 40, "A^B=" * 50])
def test_a_long_name_and_number_stay_in_their_columns(name):
    long = replace(PATIENT, name=name, patient_id="9" * 120)
    data = render_pdf(content(patient=long, lesions=content().lesions * 2), ENGLISH)
    assert letters_off_the_page(data) == []


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(name=st.text(max_size=120), comment=st.text(max_size=300), lesion_id=st.text(max_size=40))
def test_whatever_the_words_the_page_holds(name, comment, lesion_id):
    lesion = replace(LESION, comment=comment, lesion_id=lesion_id)
    data = render_pdf(content(lesion, images=(), patient=replace(PATIENT, name=name)), ENGLISH)
    assert letters_off_the_page(data) == []


def test_the_same_content_gives_the_same_bytes():
    assert render_pdf(content(), ENGLISH) == render_pdf(content(), ENGLISH)


def test_the_file_is_written_whole_where_no_folder_was(tmp_path):
    path = tmp_path / "new" / "report.pdf"
    write_pdf(content(), path, ENGLISH)
    assert path.read_bytes().startswith(b"%PDF-") and len(pdfium.PdfDocument(path)) == 1
    assert [p.name for p in path.parent.iterdir()] == ["report.pdf"]


def test_an_unwritable_place_is_told_and_leaves_nothing_behind(tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "report.pdf").mkdir()
    for path in (tmp_path / "file" / "report.pdf", tmp_path / "report.pdf"):
        with pytest.raises(ReportError, match="cannot be written there") as caught:
            write_pdf(content(), path, ENGLISH)
        assert caught.value.message.code == "report.unwritable"
        assert str(tmp_path) not in str(caught.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "report.pdf"]
