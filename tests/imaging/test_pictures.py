"""US stills that come as picture files, and the pictures that are none."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from breastview.imaging.case import Role
from breastview.imaging.load import load_frames
from breastview.imaging.pictures import scan_picture
from breastview.imaging.scan import scan_folder
from tests.imaging.dicom_files import mr_series, save_all, us_pixels


def reason(path) -> str:
    return scan_picture(path, path.name).reason.code


@pytest.mark.parametrize("name", ["us.png", "us.bmp", "us.tif", "US.TIFF", "us.jpg", "us.JPEG"])
def test_a_grey_picture_is_a_still_without_a_scale(tmp_path, name):
    Image.fromarray(us_pixels()).save(tmp_path / name, quality=95)
    (frames,) = scan_folder(tmp_path).frames
    assert frames.role.role is Role.US_STILL
    assert (frames.scale, [note.code for note in frames.notes]) == (None, ["scan.no_scale"])
    assert (frames.rows, frames.columns) == (120, 160)
    stack = load_frames(frames)
    assert stack.frames.shape == (1, 120, 160)
    assert not stack.frames.flags.writeable
    tolerance = 40 if name.lower().endswith(("jpg", "jpeg")) else 0
    np.testing.assert_allclose(stack.frames[0].astype(int), us_pixels(), atol=tolerance)


def test_a_palette_of_greys_and_grey_in_colour_are_grey(tmp_path):
    Image.fromarray(us_pixels()).convert("P").save(tmp_path / "palette.png")
    Image.fromarray(us_pixels()).convert("RGBA").save(tmp_path / "rgba.png")
    for frames in scan_folder(tmp_path).frames:
        np.testing.assert_array_equal(load_frames(frames).frames[0], us_pixels())


def test_sixteen_bits_become_eight(tmp_path):
    Image.fromarray(us_pixels().astype(np.uint16) * 200).save(tmp_path / "deep.png")
    (frames,) = scan_folder(tmp_path).frames
    picture = load_frames(frames).frames[0]
    wanted = us_pixels() * (255.0 / us_pixels().max())
    np.testing.assert_allclose(picture, wanted, atol=1)


def test_a_coloured_box_in_a_grey_picture_is_a_still_in_colour(tmp_path):
    picture = np.repeat(us_pixels()[..., None], 3, axis=2)
    picture[30:60, 40:80] = (200, 30, 30)
    Image.fromarray(picture).save(tmp_path / "doppler.png")
    (frames,) = scan_folder(tmp_path).frames
    np.testing.assert_array_equal(load_frames(frames).frames[0], picture)


def test_photographs_by_colour_camera_or_place(tmp_path):
    sea = np.zeros((300, 400, 3), np.uint8)
    sea[:] = (20, 120, 220)
    Image.fromarray(sea).save(tmp_path / "sea.png")
    for name, tag in (("make.jpg", 0x010F), ("model.jpg", 0x0110)):
        exif = Image.Exif()
        exif[tag] = "X"
        Image.fromarray(us_pixels()).save(tmp_path / name, exif=exif)
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x829D] = 2.8
    Image.fromarray(us_pixels()).save(tmp_path / "lens.jpg", exif=exif)
    for name in ("sea.png", "make.jpg", "model.jpg", "lens.jpg"):
        assert reason(tmp_path / name) == "problem.photograph", name


def test_icons_and_damaged_pictures(tmp_path):
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(tmp_path / "icon.png")
    Image.fromarray(us_pixels()).save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:2000])
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "nothing.bmp").write_bytes(b"")
    save_all(tmp_path, mr_series(2))
    case = scan_folder(tmp_path)
    assert {problem.path: problem.reason.code for problem in case.problems} == {
        "cut.png": "problem.unreadable_picture",
        "icon.png": "problem.small_picture",
        "nothing.bmp": "problem.unreadable_picture",
        "text.jpg": "problem.unreadable_picture",
    }
    assert len(case.volumes) == 1


def test_the_same_picture_twice_is_one(tmp_path):
    for name in ("one.png", "two.png"):
        Image.fromarray(us_pixels()).save(tmp_path / name)
    assert len(scan_folder(tmp_path).frames) == 1


def test_real_pictures(real_data):
    pictures = sorted((real_data / "busi").rglob("*.png"))
    images = [path for path in pictures if "mask" not in path.name][:30]
    assert images
    for path in images:
        frames = scan_picture(path, path.name)
        assert frames.role.role is Role.US_STILL
        assert frames.scale is None
