"""The page, read back: its fonts, where things stand on it, and that nothing runs off it."""

from __future__ import annotations

import ctypes
import io
from collections import Counter
from dataclasses import replace

import pypdfium2 as pdfium
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdfium2 import raw
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from breastview.errors import ReportError
from breastview.messages import message
from breastview.report.content import Note
from breastview.report.pdf import MARGIN, render_pdf, write_pdf
from tests.report.examples import (
    CHINESE,
    ENGLISH,
    IN_TWO_VIEWS,
    LESION,
    PATIENT,
    PLAIN,
    READING,
    TWO_VIEWS,
    content,
    pages,
)


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
