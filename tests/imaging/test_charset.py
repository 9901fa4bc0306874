"""Chinese names come right whatever the label says; European ones stay themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breastview.imaging.charset import decode_text
from breastview.imaging.header import read_header
from breastview.imaging.scan import scan_folder
from tests.imaging.dicom_files import mr_slice, raw_element, save

NAMES = ["王小云", "张^晓明", "欧阳^喆堃", "李^玥", "Zhang^San=张^三", "联通", "诸葛^昇", "陈 静"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("encoding", "label"),
    [
        ("gb18030", "GB18030"),
        ("gbk", "GBK"),
        ("gbk", ""),
        ("gb18030", "ISO_IR 100"),
        ("gb18030", "ISO_IR 6"),
        ("gbk", "ISO_IR 192"),
        ("utf-8", "ISO_IR 192"),
        ("utf-8", ""),
        ("utf-8", "ISO_IR 100"),
        ("utf-8", "GB18030"),
        ("gbk", "NONSENSE"),
    ],
)
def test_chinese_names(name, encoding, label):
    assert decode_text(name.encode(encoding), (label,) if label else ()) == name


@pytest.mark.parametrize("name", ["Müller^Jörg", "García^José", "Øst^Åse", "Besançon^Hélène", "Weiß^Anna"])
@pytest.mark.parametrize(
    ("encoding", "label"),
    [("latin-1", "ISO_IR 100"), ("latin-1", ""), ("utf-8", "ISO_IR 192"), ("utf-8", "")],
)
def test_european_names(name, encoding, label):
    assert decode_text(name.encode(encoding), (label,) if label else ()) == name


def test_other_labels_are_kept():
    assert decode_text("Люкceмбypг".encode("iso8859_5"), ("ISO_IR 144",)) == "Люкceмбypг"
    assert decode_text("김희중".encode("euc_kr"), ("ISO 2022 IR 149",)) == "김희중"


def test_escapes_within_a_name():
    raw = b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab="
    assert decode_text(raw, ("", "ISO 2022 IR 58")).startswith("Zhang^XiaoDong=张^小东")
    assert decode_text(raw, ()).startswith("Zhang^XiaoDong=张^小东")


@given(st.binary(min_size=1), st.sampled_from(["", "hex", "idna", "GB\0", "ISO 2022 IR 58", "undefined"]))
def test_no_bytes_under_any_label_raise(raw, label):
    assert isinstance(decode_text(raw, (label,)), str)
    assert isinstance(decode_text(b"\x1b" + raw, (label,)), str)


@pytest.mark.parametrize("raw", [b"\xff\xfe\x00\x01", b"\x81", bytes(range(128, 256)), b"\x1b$)A\xff"])
def test_nothing_is_lost_and_nothing_raises(raw):
    assert decode_text(raw, ()) != ""
    assert decode_text(raw, ("GB18030",)) != ""


@pytest.mark.parametrize("label", ["GB18030", None, "ISO_IR 100"])
def test_the_name_of_a_case(tmp_path, label):
    path = save(mr_slice(SpecificCharacterSet=label), tmp_path / "x")
    raw_element(path, "PatientName", "王^小云".encode("gb18030"))
    header = read_header(path)
    assert header.dataset is None, "read by the lean walk"
    assert header.text("PatientName") == "王^小云"
    assert scan_folder(tmp_path).patient.name == "王^小云"
