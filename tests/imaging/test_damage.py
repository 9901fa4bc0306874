"""Whatever happened to a file, it is listed or read, and the rest of the folder stays usable."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import gdcm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.datadict import dictionary_VM

from breastview.errors import CaseError, CaseGone
from breastview.imaging.case import Role
from breastview.imaging.load import load_frames, load_volume
from breastview.imaging.scan import scan_folder
from breastview.messages import render
from tests.imaging.dicom_files import (
    coded,
    enhanced_mr,
    mr_pixels,
    mr_series,
    mr_slice,
    raw_element,
    recode_with_gdcm,
    save,
    save_all,
    us_pixels,
    us_still,
)
from tests.imaging.told import codes, problems

IMPLICIT, DEFLATED, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"
RLE, JPEG_LS = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.80"
JPEG_2000 = "1.2.840.10008.1.2.4.90"


def _kinds() -> dict[str, bytes]:
    """One small sound file of each kind."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = {
            "slice": mr_slice(1),
            "implicit": coded(mr_slice(1), IMPLICIT),
            "big endian": coded(mr_slice(1), BIG),
            "deflated": coded(mr_slice(1), DEFLATED),
            "rle": coded(mr_slice(1), RLE),
            "jpeg-ls": coded(mr_slice(1), JPEG_LS),
            "jpeg 2000": coded(mr_slice(1), JPEG_2000),
            "enhanced": enhanced_mr(2),
            "us": us_still(),
        }
        kinds = {kind: save(one, folder / "x").read_bytes() for kind, one in made.items()}
        for kind in ("JPEGLosslessProcess14_1", "JPEGExtendedProcess2_4"):
            made["slice"].BitsStored, made["slice"].HighBit = 12, 11
            path = save(made["slice"], folder / "x")
            recode_with_gdcm(path, getattr(gdcm.TransferSyntax, kind))
            kinds[kind] = path.read_bytes()
        Image.fromarray(us_pixels()).save(folder / "x.png")
        return {**kinds, "png": (folder / "x.png").read_bytes()}


KINDS = _kinds()
kinds = st.sampled_from(sorted(KINDS))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with a sound series, beside which every damaged file is laid."""
    place = tmp_path_factory.mktemp("case")
    save_all(place, mr_series(3, series=9, SeriesDescription="t2_tse", EchoTime=90))
    return place


def open_beside_a_sound_series(folder: Path, name: str, raw: bytes) -> None:
    """Scan and load everything; the sound series must be there as it was."""
    path = folder / name
    path.write_bytes(raw)
    try:
        case = scan_folder(folder)
        for volume in case.volumes:
            _load_or_refuse(load_volume, volume)
        for frames in case.frames:
            _load_or_refuse(load_frames, frames)
    finally:
        path.unlink()
    sound = [volume for volume in case.volumes if volume.role.role is Role.T2WI and volume.shape[0] >= 3]
    assert sound
    for problem in case.problems:
        assert problem.path == name
        assert render(problem.reason)


def _load_or_refuse(load, item) -> None:
    try:
        load(item)
    except CaseError as error:
        assert error.message.code == "problem.undecodable"


def name_of(kind: str) -> str:
    return "damaged.png" if kind == "png" else "damaged"


@settings(max_examples=120, deadline=None)
@given(kind=kinds, flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 7)), min_size=1, max_size=12))
def test_flipped_bits(folder, kind, flips):
    raw = bytearray(KINDS[kind])
    header = min(len(raw), 2400)
    for place, bit in flips:
        raw[int(place * (header - 1))] ^= 1 << bit
    open_beside_a_sound_series(folder, name_of(kind), bytes(raw))


@settings(max_examples=80, deadline=None)
@given(kind=kinds, share=st.floats(0, 1))
def test_files_cut_anywhere(folder, kind, share):
    raw = KINDS[kind]
    open_beside_a_sound_series(folder, name_of(kind), raw[: int(share * (len(raw) - 1))])


@settings(max_examples=80, deadline=None)
@given(kind=kinds, place=st.floats(0, 1), junk=st.binary(min_size=1, max_size=24))
def test_junk_written_over_a_header(folder, kind, place, junk):
    raw = bytearray(KINDS[kind])
    start = int(place * min(len(raw), 2400))
    raw[start : start + len(junk)] = junk
    open_beside_a_sound_series(folder, name_of(kind), bytes(raw))


@settings(max_examples=100, deadline=None)
@given(
    word=st.sampled_from(
        [
            "ImagePositionPatient",
            "ImageOrientationPatient",
            "PixelSpacing",
            "SliceThickness",
            "RescaleSlope",
            "RescaleIntercept",
            "WindowCenter",
            "WindowWidth",
            "EchoTime",
            "RepetitionTime",
            "InversionTime",
            "SeriesNumber",
            "InstanceNumber",
            "NumberOfFrames",
            "AcquisitionTime",
        ]
    ),
    value=st.sampled_from(["1e308", "-1e308", "1e-308", "nan", "inf", "-1", "0", "99999999999", "x", "1\\2"]),
)
def test_absurd_numbers(folder, word, value):
    path = save(mr_slice(1), folder / "damaged")
    count = 1 if dictionary_VM(word) in ("1", "1-n") else int(dictionary_VM(word)[0])
    raw_element(path, word, "\\".join([value] * count).encode())
    open_beside_a_sound_series(folder, "damaged", path.read_bytes())


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_file_of_each_kind_is_sound_before_it_is_damaged(folder, kind):
    path = folder / name_of(kind)
    path.write_bytes(KINDS[kind])
    try:
        case = scan_folder(folder)
        assert case.problems == ()
        assert len(case.volumes) + len(case.frames) >= 2
        for volume in case.volumes:
            assert load_volume(volume).notes == ()
    finally:
        path.unlink()


def test_a_file_that_may_not_be_read_is_listed(tmp_path, monkeypatch):
    """Root may read anything, so the refusal is made by hand at the call that opens files."""
    save_all(tmp_path, mr_series(5), us_still())
    locked = os.path.join(tmp_path, "IM0001")  # noqa: PTH118  what open() is given
    really_open = open

    def refuse(file, *rest, **named):
        if os.fspath(file) == locked:
            raise PermissionError(13, "Permission denied", locked)
        return really_open(file, *rest, **named)

    monkeypatch.setattr("builtins.open", refuse)
    case = scan_folder(tmp_path)
    assert [(p.path, p.reason.code) for p in case.problems] == [("IM0001", "problem.cannot_open")]
    assert [note.code for note in case.volumes[0].notes] == ["scan.slices_missing"]
    assert len(case.frames) == 1


def test_a_link_to_nowhere_and_a_pipe_do_not_hang_the_scan(tmp_path):
    save_all(tmp_path, mr_series(3))
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
    case = scan_folder(tmp_path)
    assert {(p.path, p.reason.code) for p in case.problems} == {("link", "problem.cannot_open")}
    assert case.volumes[0].shape[0] == 3


def test_truncated_slices_are_listed_and_leave_a_gap(tmp_path):
    paths = save_all(tmp_path, mr_series(6))
    paths[2].write_bytes(paths[2].read_bytes()[:-50])
    paths[4].write_bytes(paths[4].read_bytes()[:300])
    case = scan_folder(tmp_path)
    assert problems(case) == {"IM0002": "problem.truncated", "IM0004": "problem.broken_header"}
    (volume,) = case.volumes
    assert volume.shape[0] == 6
    assert codes(volume.notes) == ["scan.slices_missing"]
    array = load_volume(volume).array
    assert not array[2].any() and not array[4].any()
    np.testing.assert_array_equal(array[5], mr_pixels(5))


@pytest.mark.parametrize("syntax", [RLE, JPEG_LS, JPEG_2000])
def test_truncated_compressed_slices_are_listed(tmp_path, syntax):
    paths = save_all(tmp_path, (coded(made, syntax) for made in mr_series(4)))
    paths[1].write_bytes(paths[1].read_bytes()[:-60])
    case = scan_folder(tmp_path)
    assert problems(case) == {"IM0001": "problem.truncated"}
    assert codes(case.volumes[0].notes) == ["scan.slices_missing"]


def _blot(path: Path) -> None:
    """Write zeros over where a compressed picture begins."""
    raw = bytearray(path.read_bytes())
    at = raw.index(b"\xff\xd8\xff")
    raw[at : at + 12] = bytes(12)
    path.write_bytes(raw)


def test_a_slice_that_cannot_be_decoded_stays_black_and_is_noted(tmp_path):
    paths = save_all(tmp_path, (coded(made, JPEG_LS) for made in mr_series(4)))
    _blot(paths[1])
    (volume,) = scan_folder(tmp_path).volumes
    loaded = load_volume(volume)
    assert [render(note) for note in loaded.notes] == [
        "Slice 2 cannot be decoded and stays black. Export this image again."
    ]
    assert not loaded.array[1].any() and loaded.array[2].any()


def test_a_volume_of_which_nothing_can_be_decoded(tmp_path):
    for path in save_all(tmp_path, (coded(made, JPEG_LS) for made in mr_series(3))):
        _blot(path)
    (volume,) = scan_folder(tmp_path).volumes
    with pytest.raises(CaseError, match=r"No image of T1WI can be decoded"):
        load_volume(volume)


def test_files_that_vanish_after_the_scan(tmp_path):
    paths = save_all(tmp_path, mr_series(3), us_still())
    case = scan_folder(tmp_path)
    paths[1].unlink()
    with pytest.raises(CaseGone, match="no longer in its folder"):
        load_volume(case.volumes[0])
    for path in (*paths[:1], *paths[2:]):
        path.unlink()
    with pytest.raises(CaseGone):
        load_volume(case.volumes[0])
    with pytest.raises(CaseGone):
        load_frames(case.frames[0])


def test_flipped_bits_never_stop_the_rest(tmp_path):
    rng = np.random.default_rng(11)
    paths = save_all(tmp_path, mr_series(4), us_still())
    clean = [path.read_bytes() for path in paths]
    save_all(tmp_path / "sound", mr_series(3, series=9, SeriesDescription="t2_tse", EchoTime=90))
    for _ in range(60):
        for path, raw in zip(paths, clean, strict=True):
            flipped = bytearray(raw)
            for place in rng.integers(132, 1100, 6):
                flipped[place] ^= 1 << int(rng.integers(8))
            path.write_bytes(flipped)
        case = scan_folder(tmp_path)
        sound = [volume for volume in case.volumes if volume.role.role is Role.T2WI and volume.shape[0] == 3]
        assert sound, "the sound series was lost"
        for item in case.volumes:
            _load_or_refuse(load_volume, item)
        for item in case.frames:
            _load_or_refuse(load_frames, item)


def test_pixels_cut_short_after_the_scan_leave_black_slices(tmp_path):
    paths = save_all(tmp_path, mr_series(3))
    (volume,) = scan_folder(tmp_path).volumes
    paths[1].write_bytes(paths[1].read_bytes()[:-10])
    loaded = load_volume(volume)
    assert [(note.code, note.params) for note in loaded.notes] == [("problem.decode", {"slice": 2})]
    assert not loaded.array[1].any()
    np.testing.assert_array_equal(loaded.array[2], load_volume(volume).array[2])


def test_a_decoder_that_panics_costs_one_slice(tmp_path):
    paths = save_all(tmp_path, (coded(made, RLE) for made in mr_series(3)))
    raw = bytearray(paths[1].read_bytes())
    raw[raw.index(b"\x02\0\0\0\x40\0\0\0") + 8] = 0xFF  # where the second segment begins
    paths[1].write_bytes(raw)
    loaded = load_volume(scan_folder(tmp_path).volumes[0])
    assert [(note.code, note.params) for note in loaded.notes] == [("problem.decode", {"slice": 2})]
    assert [bool(one.any()) for one in loaded.array] == [True, False, True]


@pytest.mark.parametrize("bits", [0, 1, 12, 272])
def test_samples_of_an_odd_size_are_a_broken_header(tmp_path, bits):
    odd = mr_slice(4)
    odd.BitsAllocated = bits
    odd.PixelData = bytes(40 * 48 * 40)
    save_all(tmp_path, mr_series(3), odd)
    case = scan_folder(tmp_path)
    assert [(p.path, p.reason.code) for p in case.problems] == [("IM0003", "problem.broken_header")]
    assert case.volumes[0].shape[0] == 3


@pytest.mark.parametrize("kind", ["JPEGLosslessProcess14_1", "JPEGExtendedProcess2_4"])
@pytest.mark.parametrize(
    "damage", ["no start", "segment length", "another size", "unknown segment", "no end"]
)
def test_a_damaged_jpeg_never_reaches_gdcm(tmp_path, kind, damage):
    """GDCM would end the program on some of these."""
    raw = bytearray(KINDS[kind])
    start, table, end = raw.index(b"\xff\xd8\xff"), raw.index(b"\xff\xc4"), raw.rindex(b"\xff\xd9")
    size = raw.index(b"\x00\x28\x00\x30", start)
    place, value = {
        "no start": (start, 0),
        "segment length": (table + 3, raw[table + 3] - 3),
        "another size": (size + 1, 0x29),
        "unknown segment": (table + 1, 0xC0),
        "no end": (end + 1, 0),
    }[damage]
    raw[place] = value
    (tmp_path / "x").write_bytes(raw)
    case = scan_folder(tmp_path)
    with pytest.raises(CaseError) as caught:
        load_volume(case.volumes[0])
    assert caught.value.message.code == "problem.undecodable"
