"""Pixels in every transfer syntax that hospitals export, grey and coloured."""

from __future__ import annotations

import io

import gdcm
import numpy as np
import pytest
from PIL import Image
from pydicom.uid import UID

from breastview.imaging import syntaxes
from breastview.imaging.load import load_frames, load_volume
from breastview.imaging.scan import scan_folder
from tests.imaging.dicom_files import (
    coded,
    mr_pixels,
    mr_series,
    put_pixels,
    recode_with_gdcm,
    save_all,
    us_pixels,
    us_still,
    with_fragments,
)

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
DEFLATED, BIG = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"
RLE = "1.2.840.10008.1.2.5"
JPEG_BASELINE, JPEG_EXTENDED = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"
JPEG_LS, JPEG_LS_NEAR = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"
JPEG_2000, JPEG_2000_LOSSY = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"
LOSSLESS = [IMPLICIT, EXPLICIT, DEFLATED, BIG, RLE, JPEG_LS, JPEG_2000]
GDCM_LOSSLESS = ["JPEGLosslessProcess14", "JPEGLosslessProcess14_1", "JPEG2000Lossless", "RLELossless"]


def colour_pixels() -> np.ndarray:
    """A grey image with a red Doppler box."""
    picture = np.repeat(us_pixels()[..., None], 3, axis=2)
    picture[40:60, 60:90] = (200, 40, 30)
    return picture


def loaded_volume(folder) -> np.ndarray:
    (volume,) = scan_folder(folder).volumes
    loaded = load_volume(volume)
    assert loaded.notes == ()
    return loaded.array


def loaded_frames(folder) -> np.ndarray:
    (frames,) = scan_folder(folder).frames
    stack = load_frames(frames)
    assert [note.code for note in stack.notes if note.code.startswith("problem")] == []
    return stack.frames


@pytest.mark.parametrize("syntax", LOSSLESS)
@pytest.mark.parametrize("dtype", ["uint16", "int16", "uint8"])
def test_lossless_slices_come_back_as_they_were(tmp_path, syntax, dtype):
    shift = 1000 if dtype == "int16" else 0
    slices = list(mr_series(3))
    for number, made in enumerate(slices):
        put_pixels(made, ((mr_pixels(number, "int32") - shift) % 30000 - shift).astype(dtype))
    wanted = [np.frombuffer(made.PixelData, dtype).reshape(40, 48) for made in slices]
    save_all(tmp_path, (coded(made, syntax) for made in slices))
    array = loaded_volume(tmp_path)
    assert array.dtype == dtype
    np.testing.assert_array_equal(array, np.stack(wanted))


@pytest.mark.parametrize("syntax", GDCM_LOSSLESS)
def test_lossless_slices_of_another_encoder(tmp_path, syntax):
    for path in save_all(tmp_path, mr_series(3)):
        recode_with_gdcm(path, getattr(gdcm.TransferSyntax, syntax))
    np.testing.assert_array_equal(loaded_volume(tmp_path), np.stack([mr_pixels(n) for n in range(3)]))


@pytest.mark.parametrize("syntax", [JPEG_EXTENDED, JPEG_LS_NEAR, JPEG_2000_LOSSY])
def test_lossy_slices_come_back_nearly(tmp_path, syntax):
    paths = save_all(tmp_path, (_twelve_bits(made) for made in mr_series(3)))
    for path in paths:
        recode_with_gdcm(path, gdcm.TransferSyntax.GetTSType(syntax))
    array = loaded_volume(tmp_path)
    assert array.dtype == np.uint16
    difference = array.astype(int) - np.stack([mr_pixels(n) for n in range(3)])
    assert np.abs(difference).max() <= 40, "of 4096 levels"


def _twelve_bits(made):
    made.BitsStored, made.HighBit = 12, 11
    return made


def _fragments_of(made, pixels: np.ndarray, syntax: str, kind: str, photometric: str, **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return with_fragments(made, syntax, [buffer.getvalue()], photometric)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_a_jpeg_baseline_still_in_colour(tmp_path, subsampling):
    made = us_still(pixels=colour_pixels(), photometric="RGB")
    photometric = "YBR_FULL_422" if subsampling else "YBR_FULL"
    options = {"quality": 95, "subsampling": subsampling}
    save_all(tmp_path, _fragments_of(made, colour_pixels(), JPEG_BASELINE, "JPEG", photometric, **options))
    (frame,) = loaded_frames(tmp_path)
    assert frame.shape == (120, 160, 3)
    red, green, blue = frame[50, 75].astype(int)
    assert abs(red - 200) < 12 and abs(green - 40) < 12 and abs(blue - 30) < 12


def test_a_grey_jpeg_baseline_still(tmp_path):
    made = _fragments_of(us_still(), us_pixels(), JPEG_BASELINE, "JPEG", "MONOCHROME2", quality=95)
    save_all(tmp_path, made)
    (frame,) = loaded_frames(tmp_path)
    assert frame.shape == (120, 160)
    assert np.abs(frame.astype(int) - us_pixels()).mean() < 4


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, DEFLATED, RLE, JPEG_LS, JPEG_2000])
def test_a_lossless_colour_still(tmp_path, syntax):
    save_all(tmp_path, coded(us_still(pixels=colour_pixels(), photometric="RGB"), syntax))
    (frame,) = loaded_frames(tmp_path)
    np.testing.assert_array_equal(frame, colour_pixels())
    assert not frame.flags.writeable


def test_colours_stored_plane_by_plane(tmp_path):
    made = us_still(pixels=colour_pixels(), photometric="RGB")
    made.PlanarConfiguration = 1
    made.PixelData = np.ascontiguousarray(colour_pixels().transpose(2, 0, 1)).tobytes()
    save_all(tmp_path, made)
    np.testing.assert_array_equal(loaded_frames(tmp_path)[0], colour_pixels())


def test_ybr_becomes_rgb(tmp_path):
    ybr = np.asarray(Image.fromarray(colour_pixels()).convert("YCbCr"))
    save_all(tmp_path, us_still(pixels=ybr, photometric="YBR_FULL"))
    np.testing.assert_allclose(loaded_frames(tmp_path)[0], colour_pixels(), atol=3)


def test_a_palette_becomes_rgb(tmp_path):
    made = us_still(pixels=us_pixels(), photometric="PALETTE COLOR")
    levels = np.arange(256, dtype="<u2") * 257
    for colour, table in {"Red": levels, "Green": levels, "Blue": levels[::-1]}.items():
        setattr(made, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(made, f"{colour}PaletteColorLookupTableData", table.tobytes())
    save_all(tmp_path, made)
    wanted = np.stack([us_pixels(), us_pixels(), 255 - us_pixels()], axis=2)
    np.testing.assert_array_equal(loaded_frames(tmp_path)[0], wanted)


def test_a_still_without_preamble_and_file_meta(tmp_path):
    (path,) = save_all(tmp_path, coded(us_still(), IMPLICIT))
    raw = path.read_bytes()
    path.write_bytes(raw[raw.index(b"\x08\x00\x08\x00") :])
    np.testing.assert_array_equal(loaded_frames(tmp_path)[0], us_pixels())


def test_a_broken_palette_is_refused_alone(tmp_path):
    save_all(tmp_path, us_still(1, pixels=us_pixels(), photometric="PALETTE COLOR"), us_still(2))
    case = scan_folder(tmp_path)
    outcomes = {}
    for frames in case.frames:
        try:
            outcomes[frames.key[-1]] = load_frames(frames).frames.shape
        except Exception as error:  # noqa: BLE001  its kind is what is tested
            outcomes[frames.key[-1]] = error.message.code
    assert outcomes == {"1": "problem.undecodable", "2": (1, 120, 160)}


def test_monochrome1_is_turned_over(tmp_path):
    save_all(tmp_path, us_still(pixels=255 - us_pixels(), photometric="MONOCHROME1"))
    np.testing.assert_array_equal(loaded_frames(tmp_path)[0], us_pixels())


def test_grey_stored_in_colour_is_grey(tmp_path):
    grey = np.repeat(us_pixels()[..., None], 3, axis=2)
    save_all(tmp_path, us_still(pixels=grey, photometric="RGB"))
    np.testing.assert_array_equal(loaded_frames(tmp_path)[0], us_pixels())


@pytest.mark.parametrize("syntax", [EXPLICIT, RLE, JPEG_LS, JPEG_2000])
def test_the_frames_of_a_cine_keep_their_order(tmp_path, syntax):
    frames = np.stack([np.roll(us_pixels(), 7 * n, axis=1) for n in range(4)])
    save_all(tmp_path, coded(us_still(pixels=frames, frames=True), syntax))
    np.testing.assert_array_equal(loaded_frames(tmp_path), frames)


def test_a_frame_of_a_cine_that_cannot_be_decoded_stays_black(tmp_path):
    frames = np.stack([us_pixels()] * 3)
    (path,) = save_all(tmp_path, coded(us_still(pixels=frames, frames=True), JPEG_LS))
    raw = path.read_bytes()
    second = raw.index(b"\xff\xd8\xff", raw.index(b"\xff\xd8\xff") + 3)
    path.write_bytes(raw[:second] + bytes(12) + raw[second + 12 :])
    (scanned,) = scan_folder(tmp_path).frames
    stack = load_frames(scanned)
    assert [(note.code, note.params) for note in stack.notes] == [("problem.decode_frame", {"frame": 2})]
    assert [bool(frame.any()) for frame in stack.frames] == [True, False, True]


def test_what_can_be_decoded_here():
    assert all(map(syntaxes.can_decode, (*LOSSLESS, JPEG_BASELINE, JPEG_EXTENDED, JPEG_LS_NEAR)))
    assert syntaxes.can_decode(JPEG_2000_LOSSY)
    assert all(map(syntaxes.can_decode, ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")))
    assert not syntaxes.can_decode("1.2.840.10008.1.2.4.102")
    assert not syntaxes.can_decode("1.2.3")
    assert syntaxes.name(JPEG_LS) == UID(JPEG_LS).name == "JPEG-LS Lossless Image Compression"
