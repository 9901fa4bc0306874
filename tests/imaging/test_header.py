"""The lean walk gives pydicom's values, in every plain file that hypothesis or a hospital can think of."""

from __future__ import annotations

import io
import math
import warnings

import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite

from breastview.imaging.header import BrokenHeader, NotDicom, from_dataset, read_header
from breastview.imaging.tags import WANTED
from breastview.imaging.walk import Complicated, walk
from tests.imaging.dicom_files import (
    ROOT,
    coded,
    dce_series,
    enhanced_mr,
    mr_series,
    mr_slice,
    raw_element,
    region,
    save,
    save_all,
    us_still,
)

LITTLE = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG = "1.2.840.10008.1.2.2"
JPEG_LS = "1.2.840.10008.1.2.4.80"

texts = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="\\"), max_size=12)
numbers = st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: f"{x:.6g}")
VALUES = {
    "LO": texts,
    "SH": texts,
    "LT": texts,
    "PN": st.sampled_from(["", "A^B", "A^B=C", " A", "A ^B^^", "A=B=C", "^X", "Wang^Li Hua"]),
    "CS": st.text(st.sampled_from("ABCXYZ_ 019"), max_size=12),
    "DA": st.sampled_from(["", "20260305", "2026.03.05", "x"]),
    "TM": st.sampled_from(["", "101112.5", "1011", "101112 "]),
    "AS": st.sampled_from(["", "052Y", "52"]),
    "UI": st.sampled_from(["", "1.2.3", "1.2.840.10008.5.1.4.1.1.4"]),
    "DS": st.one_of(numbers, st.sampled_from(["", " 1.5", "1.5 ", "+3", "1e3", "1,5", "nan", "abc"])),
    "IS": st.one_of(st.integers(-1000, 1000).map(str), st.sampled_from(["", " 7", "8.0", "8.5", "x"])),
}
LONELY = {"PatientName", "ImageComments", "SpecificCharacterSet", "SOPInstanceUID", "SOPClassUID"}


@st.composite
def headers(draw) -> list[tuple[str, str, bytes]]:
    """Elements as (keyword, VR, raw value)."""
    elements = []
    for keyword in sorted(draw(st.sets(st.sampled_from(WANTED), max_size=12)) - {"SpecificCharacterSet"}):
        vr = dictionary_VR(keyword)
        if vr == "US":
            raw = draw(
                st.lists(st.integers(0, 65535), max_size=2).map(
                    lambda v: b"".join(x.to_bytes(2, "little") for x in v)
                )
            )
        elif vr == "FD":
            raw = draw(st.binary(min_size=8, max_size=8).filter(lambda b: b[7] not in (0x7F, 0xFF)))
        elif vr in VALUES:
            count = 1 if keyword in LONELY else draw(st.integers(1, 3))
            raw = "\\".join(draw(VALUES[vr]) for _ in range(count)).encode()
        else:
            continue
        padding = b"\0" if vr == "UI" else b" "
        elements.append((keyword, vr, raw + padding * (len(raw) % 2)))
    return elements


def written(elements, syntax: str) -> bytes:
    made = mr_slice()
    kept = {element.tag for element in made.file_meta}
    for element in list(made):
        if element.tag not in kept and element.keyword not in ("SOPClassUID", "SOPInstanceUID", "PixelData"):
            del made[element.tag]
    sequence = Dataset()
    sequence.CodeValue = "x"
    made.ProcedureCodeSequence = [sequence]
    made["ProcedureCodeSequence"].is_undefined_length = True
    for keyword, vr, raw in elements:
        tag = pydicom.tag.Tag(keyword)
        made._dict[tag] = pydicom.dataelem.RawDataElement(tag, vr, len(raw), raw, 0, False, True)
    made.file_meta.TransferSyntaxUID = syntax
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcmwrite(buffer, made, implicit_vr=syntax == IMPLICIT, little_endian=True, enforce_file_format=True)
    return buffer.getvalue()


def normal(value):
    """NaN equals itself here."""
    if isinstance(value, tuple):
        return tuple(map(normal, value))
    return "nan" if isinstance(value, float) and math.isnan(value) else value


def by_pydicom(raw: bytes) -> dict:
    dataset = pydicom.dcmread(io.BytesIO(raw), stop_before_pixels=True)
    return {k: normal(v) for k, v in from_dataset(dataset).items()}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(headers(), st.sampled_from([LITTLE, IMPLICIT]))
def test_the_walk_gives_the_values_of_pydicom(elements, syntax):
    raw = written(elements, syntax)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = by_pydicom(raw)
    _, values, start, length = walk(raw)
    assert {k: normal(v) for k, v in values.items()} == expected
    assert raw[start : start + length] == mr_slice().PixelData


def test_values_are_what_pydicom_shows(tmp_path):
    """`from_dataset` itself against pydicom's attributes, so that both are not wrong together."""
    path = save(mr_slice(3, ImageType=["A", "B"], AcquisitionNumber=4), tmp_path / "x")
    header, shown = read_header(path), pydicom.dcmread(path)
    assert header.values["ImageType"] == tuple(shown.ImageType)
    assert header.values["ImagePositionPatient"] == tuple(map(float, shown.ImagePositionPatient))
    assert header.values["PatientName"] == str(shown.PatientName)
    assert header.values["AcquisitionNumber"] == shown.AcquisitionNumber
    assert header.values["Rows"] == shown.Rows
    assert header.values["EchoTime"] == shown.EchoTime
    assert header.offset is not None
    assert path.read_bytes()[header.offset :][: header.frame_bytes] == shown.PixelData


def shown_by_pydicom(dataset: Dataset) -> dict:
    """Every wanted value as pydicom's own attributes show it, as plain Python."""
    plain = {"DS": float, "FD": float, "IS": int, "US": int}
    values = {}
    for element in (dataset[word] for word in WANTED if word in dataset):
        kind = plain.get(element.VR, str)
        parts = element.value if element.VM > 1 else [element.value]
        made = tuple(None if part in ("", None) else kind(part) for part in parts)
        values[element.keyword] = made if len(made) > 1 else made[0]
    return values


def public(values: dict) -> dict:
    """Without the private b-values, which pydicom shows as it likes."""
    return {word: value for word, value in values.items() if word in WANTED}


def test_every_header_of_a_simulated_set_reads_as_pydicom_shows_it(tmp_path):
    made = [*mr_series(3), *dce_series(2), enhanced_mr(), us_still(), us_still(2, regions=[])]
    compressed = [coded(mr_slice(number, series=9), JPEG_LS) for number in range(2)]
    paths = save_all(tmp_path, made, compressed, coded(mr_slice(7), BIG), coded(mr_slice(8), DEFLATED))
    assert len(paths) == 3 + 8 + 3 + 2 + 2
    for path in paths:
        assert public(read_header(path).values) == shown_by_pydicom(pydicom.dcmread(path)), path.name


def test_every_real_header_reads_as_pydicom_shows_it(real_data):
    compared = 0
    for folder in ("patients", "dicom"):
        for path in sorted((real_data / folder).rglob("*")):
            try:
                header = read_header(path)
            except (NotDicom, IsADirectoryError):
                continue
            shown = shown_by_pydicom(pydicom.dcmread(path, stop_before_pixels=True, specific_tags=[*WANTED]))
            assert public(header.values) == shown, path.name
            compared += 1
    assert compared == 975 + 177 + 177 + 257 + 21


@pytest.mark.parametrize("syntax", [LITTLE, IMPLICIT, DEFLATED, BIG])
def test_every_uncompressed_syntax_reads_the_same(tmp_path, syntax):
    path = save(coded(mr_slice(2), syntax), tmp_path / "x")
    header = read_header(path)
    assert header.values == read_header(save(mr_slice(2), tmp_path / "plain")).values
    assert (header.offset is not None) == (syntax in (LITTLE, IMPLICIT))
    assert header.has_pixels and not header.truncated


def test_a_long_private_element_before_the_pixels_is_stepped_over(tmp_path):
    made = mr_slice()
    made.private_block(0x0029, "SIEMENS CSA HEADER", create=True).add_new(0x10, "OB", bytes(100_000))
    made.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0C, "IS", "800")
    header = read_header(save(made, tmp_path / "x"))
    assert header.values["SiemensBValue"] == 800
    assert header.values["Rows"] == made.Rows
    assert header.offset is not None


def test_a_data_set_without_preamble(tmp_path):
    made = mr_slice()
    raw = io.BytesIO()
    dcmwrite(raw, coded(made, IMPLICIT), implicit_vr=True, little_endian=True)
    body = raw.getvalue()
    path = tmp_path / "x"
    start = body.index(b"\x08\x00\x08\x00")
    path.write_bytes(body[start:])
    header = read_header(path)
    assert header.values["Modality"] == "MR"
    assert header.offset is not None
    assert path.read_bytes()[header.offset :][: header.frame_bytes] == made.PixelData


def test_what_is_no_dicom(tmp_path):
    path = tmp_path / "x"
    for raw in (b"", b"abc", b"\x89PNG\r\n\x1a\n" + bytes(500), bytes(1000)):
        path.write_bytes(raw)
        with pytest.raises(NotDicom):
            read_header(path)
    path.write_bytes(bytes(128) + b"DICM" + b"\xff" * 200)
    with pytest.raises(BrokenHeader):
        read_header(path)


@pytest.mark.parametrize(
    "made", [us_still(regions=[region(0, 0, 9, 9)]), enhanced_mr()], ids=["us", "enhanced"]
)
def test_sequences_that_matter_are_left_to_pydicom(tmp_path, made):
    path = save(made, tmp_path / "x")
    with pytest.raises(Complicated):
        walk(path.read_bytes())
    header = read_header(path)
    assert header.dataset is not None
    assert path.read_bytes()[header.offset :][: header.frame_bytes * header.frame_count] == made.PixelData


def test_one_damaged_value_costs_only_itself(tmp_path):
    path = save(us_still(SliceThickness="1.5"), tmp_path / "x")
    path.write_bytes(path.read_bytes().replace(b"DS\x04\x001.5 ", b"DS\x04\x00one "))
    header = read_header(path)
    assert header.get("SliceThickness") is None
    assert header.text("SOPInstanceUID") == f"{ROOT}.6.1"


def test_accessors_never_raise(tmp_path):
    header = read_header(save(mr_slice(ImageComments="x"), tmp_path / "x"))
    assert header.number("ImageComments", 7.0) == 7.0
    assert header.numbers("ImageType") == ()
    assert header.words("Nothing") == ()
    assert header.text("ImageType") == "ORIGINAL\\PRIMARY\\M"
    assert header.count("RescaleIntercept", 3) == 3


def test_sequences_nested_without_end_are_a_broken_header(tmp_path):
    start = save(mr_slice(), tmp_path / "x").read_bytes()
    nested = b"\x08\x00\x32\x10SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    (tmp_path / "x").write_bytes(start[: start.index(b"\x08\x00\x20\x00DA")] + nested * 3000)
    with pytest.raises(BrokenHeader):
        read_header(tmp_path / "x")


def test_a_number_of_hundreds_of_digits_is_no_number(tmp_path):
    path = save(mr_slice(InstanceNumber=7), tmp_path / "x")
    raw_element(path, "InstanceNumber", b"9" * 400)
    header = read_header(path)
    assert header.numbers("InstanceNumber") == ()
    assert header.count("InstanceNumber", 5) == 5
