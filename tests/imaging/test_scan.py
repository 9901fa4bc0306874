"""Opening a folder: what is found in it, and what is said about the rest."""

from __future__ import annotations

import gc
import hashlib
import os
import sys
import tempfile
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.fileset import FileSet

from breastview.errors import Cancelled, CaseError
from breastview.imaging.case import Role
from breastview.imaging.load import load_frames, load_volume
from breastview.imaging.scan import scan_folder
from breastview.messages import Message, render
from tests.imaging.dicom_files import (
    ROOT,
    SAGITTAL,
    coded,
    dataset,
    dce_series,
    mr_pixels,
    mr_series,
    mr_slice,
    save,
    save_all,
    us_still,
)
from tests.imaging.told import codes, problems


def refusal(folder: Path) -> Message:
    with pytest.raises(CaseError) as caught:
        scan_folder(folder)
    return caught.value.message


def hashes(folder: Path) -> dict[str, tuple[str, float]]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(p): (hashlib.sha256(p.read_bytes()).hexdigest(), p.stat().st_mtime) for p in files}


def test_a_nested_tree_with_junk_and_no_extensions(tmp_path):
    for number, made in enumerate(mr_series(5)):
        save(made, tmp_path / "DICOM" / "A" / str(number % 2) / f"I{number}")
    save(us_still(), tmp_path / "DICOM" / "US" / "x")
    (tmp_path / "AUTORUN.INF").write_text("[autorun]")
    (tmp_path / "viewer.exe").write_bytes(b"MZ" + bytes(range(256)) * 4)
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "._I0").write_bytes(b"what a Mac leaves behind")
    (tmp_path / "DICOM" / "nothing").mkdir()
    case = scan_folder(tmp_path)
    assert [volume.shape for volume in case.volumes] == [(5, 40, 48)]
    assert [frames.role.role for frames in case.frames] == [Role.US_STILL]
    assert problems(case) == {}
    assert [render(note) for note in case.notes] == ["3 other files are no images and were left alone."]


def test_a_folder_that_an_archive_wrote_with_its_directory(tmp_path):
    archive = FileSet()
    for made in (*mr_series(3), us_still()):
        made.StudyID, made.StudyTime, made.SeriesNumber = "1", "101112", made.get("SeriesNumber", 60)
        made.InstanceNumber = made.get("InstanceNumber", 1)
        archive.add(made)
    archive.write(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it tidies up late
        del archive
        gc.collect()
    assert (tmp_path / "DICOMDIR").exists()
    case = scan_folder(tmp_path)
    assert (case.problems, case.notes) == ((), ())
    assert [volume.shape[0] for volume in case.volumes] == [3]
    assert len(case.frames) == 1


def test_a_flat_folder_with_two_series_and_any_names(tmp_path):
    made = [*mr_series(3, series=1), *mr_series(3, series=2, SeriesDescription="t2_tse", EchoTime=90)]
    for one, name in zip(made, ["b.dcm", "A", "z.ima", "1.2.3", "图像", "c.DCM"], strict=True):
        save(one, tmp_path / name)
    case = scan_folder(tmp_path)
    assert [(volume.role.role, volume.shape[0]) for volume in case.volumes] == [
        (Role.T1WI, 3),
        (Role.T2WI, 3),
    ]
    assert case.notes == ()


def test_a_scan_reads_headers_only(tmp_path):
    large = np.zeros((2048, 4096), np.uint16)
    save_all(tmp_path, mr_slice(0, pixels=large), us_still(pixels=large.view(np.uint8)))
    tracemalloc.start()
    try:
        case = scan_folder(tmp_path)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (len(case.volumes), len(case.frames)) == (1, 1)
    assert peak_bytes < large.nbytes / 8


def test_slices_are_sorted_by_geometry_and_placed_in_lps(tmp_path):
    order = [3, 0, 4, 1, 2]
    save_all(tmp_path, (mr_slice(n, InstanceNumber=9 - n) for n in order))
    (volume,) = scan_folder(tmp_path).volumes
    loaded = load_volume(volume)
    assert loaded.array.dtype == np.uint16
    assert not loaded.array.flags.writeable
    np.testing.assert_array_equal(loaded.array, np.stack([mr_pixels(n) for n in range(5)]))
    np.testing.assert_allclose(volume.index_to_lps @ [2, 4, 6, 1], [-8 + 6 * 1.0, -6 + 4 * 1.5, 2 * 3.0, 1])
    assert volume.orientation == "axial"
    assert volume.spacing_mm == pytest.approx((3.0, 1.5, 1.0))


def test_sagittal_slices_run_along_their_normal(tmp_path):
    slices = (
        mr_slice(n, ImageOrientationPatient=SAGITTAL, ImagePositionPatient=[10.0 - 2 * n, -6.0, 30.0])
        for n in range(4)
    )
    save_all(tmp_path, slices)
    (volume,) = scan_folder(tmp_path).volumes
    assert volume.orientation == "sagittal"
    np.testing.assert_allclose(volume.index_to_lps @ [1, 2, 3, 1], [8.0, -6.0 + 3 * 1.0, 30.0 - 2 * 1.5, 1])
    assert load_volume(volume).array[0].mean() < load_volume(volume).array[3].mean()


def test_rescaled_values_become_float(tmp_path):
    save_all(tmp_path, mr_series(3, RescaleSlope=2.0, RescaleIntercept=-5.0))
    (volume,) = scan_folder(tmp_path).volumes
    loaded = load_volume(volume)
    assert loaded.array.dtype == np.float32
    np.testing.assert_allclose(loaded.array[1], mr_pixels(1) * 2.0 - 5)


def test_the_folder_is_only_read(tmp_path):
    save_all(tmp_path, mr_series(4), us_still(), coded(us_still(2), "1.2.840.10008.1.2.5"))
    Image.fromarray(np.zeros((200, 200), np.uint8)).save(tmp_path / "picture.png")
    before = hashes(tmp_path)
    case = scan_folder(tmp_path)
    for volume in case.volumes:
        load_volume(volume)
    for frames in case.frames:
        load_frames(frames)
    assert hashes(tmp_path) == before


def test_the_fingerprint_is_of_the_images_and_not_of_their_places(tmp_path):
    save_all(tmp_path / "one", mr_series(3), us_still())
    for number, made in enumerate([us_still(), *mr_series(3)]):
        save(made, tmp_path / "two" / f"d{number}" / "f")
    save_all(tmp_path / "three", mr_series(4))
    one, two, three = (scan_folder(tmp_path / name).fingerprint for name in ("one", "two", "three"))
    assert one == two != three


def test_progress_is_told_and_cancels(tmp_path):
    save_all(tmp_path, mr_series(60))
    told = []
    scan_folder(tmp_path, lambda fraction, doing: told.append((fraction, render(doing))))
    assert told[0] == (0.0, "Reading headers 0 / 60")
    assert [fraction for fraction, _ in told] == sorted(fraction for fraction, _ in told)

    def cancel(fraction, doing):
        raise Cancelled.of("doing.scan", done=0, count=0)

    with pytest.raises(Cancelled):
        scan_folder(tmp_path, cancel)
    with pytest.raises(Cancelled):
        load_volume(scan_folder(tmp_path).volumes[0], cancel)


def test_us_is_announced_before_the_scan_ends(tmp_path):
    save_all(tmp_path, us_still(), mr_series(60))
    events = []
    scan_folder(
        tmp_path, lambda fraction, doing: events.append(fraction), lambda frames: events.append(frames.key)
    )
    assert f"{ROOT}.6.1" in events[:2]


def test_an_empty_folder_and_no_folder(tmp_path):
    assert refusal(tmp_path) == Message("case.empty")
    assert refusal(tmp_path / "nowhere") == Message("case.no_folder")
    (tmp_path / "notes.txt").write_text("no image")
    assert refusal(tmp_path) == Message("case.empty")


def test_a_folder_without_permission(tmp_path, monkeypatch):
    real = os.scandir

    def refuse(path):
        if Path(path).name == "locked":
            raise PermissionError(13, "denied", str(path))
        return real(path)

    save_all(tmp_path / "locked", mr_series(2))
    save_all(tmp_path / "open", mr_series(2))
    monkeypatch.setattr(os, "scandir", refuse)
    assert refusal(tmp_path / "locked") == Message("case.no_permission")
    case = scan_folder(tmp_path)
    assert len(case.volumes) == 1
    assert problems(case) == {"locked": "problem.cannot_open"}


@pytest.fixture
def ordinary_user():
    """Permissions mean nothing to root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def closed_case():
    """A case with one folder that only its owner may enter, and one that all may."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_all(folder / "closed", mr_series(2))
        save_all(folder / "open", mr_series(2))
        (folder / "closed" / "deeper").mkdir()
        folder.chmod(0o755)
        yield folder
        (folder / "closed").chmod(0o755)


@pytest.mark.xfail(not hasattr(os, "geteuid"), reason="permissions of another kind", run=False)
@pytest.mark.parametrize("mode", [0o000, 0o444], ids=["closed", "only listed"])
def test_a_folder_that_truly_refuses(closed_case, mode, request):
    (closed_case / "closed").chmod(mode)
    request.getfixturevalue("ordinary_user")
    case = scan_folder(closed_case)
    assert len(case.volumes) == 1
    assert set(problems(case).values()) == {"problem.cannot_open"}
    assert all(problem.path.startswith("closed") for problem in case.problems)
    assert refusal(closed_case / "closed" / "deeper") == Message("case.no_permission")


def test_a_folder_of_holiday_photographs(tmp_path):
    rng = np.random.default_rng(1)
    sea = np.zeros((300, 400, 3), np.uint8)
    sea[:150], sea[150:] = (90, 160, 230), (20, 80, 140)
    Image.fromarray(sea + rng.integers(0, 12, sea.shape, np.uint8)).save(tmp_path / "beach.jpg")
    exif = Image.Exif()
    exif[0x010F] = "A camera"
    Image.fromarray(np.full((300, 400), 128, np.uint8)).save(tmp_path / "fog.jpg", exif=exif)
    assert refusal(tmp_path) == Message("case.photographs")
    save_all(tmp_path, us_still())
    case = scan_folder(tmp_path)
    assert problems(case) == {"beach.jpg": "problem.photograph", "fog.jpg": "problem.photograph"}
    assert len(case.frames) == 1


def test_only_broken_files(tmp_path):
    (path,) = save_all(tmp_path, mr_slice())
    path.write_bytes(path.read_bytes()[:-50])
    assert refusal(tmp_path) == Message("case.only_problems", {"count": 1})


def test_objects_that_are_no_images_are_listed_by_name(tmp_path):
    report = dataset("1.2.840.10008.5.1.4.1.1.88.11", f"{ROOT}.7.1", Modality="SR")
    mammogram = mr_slice(SOPInstanceUID=f"{ROOT}.7.2", Modality="MG")
    save_all(tmp_path, mr_series(3), report, mammogram)
    reasons = [render(problem.reason) for problem in scan_folder(tmp_path).problems]
    assert reasons == ["Not an image (Basic Text SR Storage).", "Neither ultrasound nor MRI (modality MG)."]


def test_a_coding_that_cannot_be_read_here_is_said(tmp_path):
    video = us_still()
    video.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.102"
    video.PixelData = b"\xfe\xff\x00\xe0\0\0\0\0\xfe\xff\x00\xe0\x04\0\0\0abcd\xfe\xff\xdd\xe0\0\0\0\0"
    video["PixelData"].is_undefined_length = True
    save_all(tmp_path, video, mr_series(2))
    (problem,) = scan_folder(tmp_path).problems
    assert "MPEG-4" in render(problem.reason)


def test_a_slice_without_a_place_is_listed(tmp_path):
    nowhere = mr_slice(9, ImagePositionPatient=None)
    flat = mr_slice(8, PixelSpacing=[0, 0])
    bent = mr_slice(7, ImageOrientationPatient=[1, 0, 0, 1, 0, 0])
    save_all(tmp_path, mr_series(3), nowhere, flat, bent)
    case = scan_folder(tmp_path)
    assert set(problems(case).values()) == {"problem.no_geometry"}
    assert len(case.problems) == 3
    assert case.volumes[0].shape[0] == 3


def test_mri_without_us_and_us_without_mri(tmp_path):
    save_all(tmp_path / "mri", mr_series(3))
    save_all(tmp_path / "us", us_still())
    mri, us = scan_folder(tmp_path / "mri"), scan_folder(tmp_path / "us")
    assert (mri.frames, mri.problems, mri.notes) == ((), (), ())
    assert load_volume(mri.volumes[0]).array.shape == (3, 40, 48)
    assert (us.volumes, us.problems, us.notes) == ((), (), ())
    assert load_frames(us.frames[0]).frames.shape == (1, 120, 160)


def test_an_image_that_is_there_twice_is_used_once(tmp_path):
    save_all(tmp_path, mr_series(4), mr_slice(2), us_still(), us_still())
    case = scan_folder(tmp_path)
    assert codes(case.volumes[0].notes) == ["scan.duplicates"]
    assert case.volumes[0].shape[0] == 4
    assert len(case.frames) == 1


def test_images_without_an_instance_uid_stay_apart(tmp_path):
    for number, made in enumerate(mr_series(4)):
        del made.SOPInstanceUID
        save(made, tmp_path / f"{number}")
    assert scan_folder(tmp_path).volumes[0].shape[0] == 4


@pytest.mark.xfail(sys.platform != "linux", reason="names are text on this system", run=False)
def test_names_in_the_coding_of_another_system_are_read_and_spelled_out(tmp_path):
    folder = tmp_path / os.fsdecode("超声".encode("gbk"))
    unnamed = us_still()
    del unnamed.SOPInstanceUID
    save(unnamed, folder / os.fsdecode("图".encode("gbk")))
    (folder / os.fsdecode("坏.png".encode("gbk"))).write_bytes(b"no picture")
    case = scan_folder(tmp_path)
    assert load_frames(case.frames[0]).frames.shape == (1, 120, 160)
    assert problems(case) == {r"\xb3\xac\xc9\xf9/\xbb\xb5.png": "problem.unreadable_picture"}


def test_nothing_that_is_raised_or_logged_quotes_a_value(tmp_path, caplog, capfd):
    secret = "SECRETNAME"
    bad = {"PatientName": secret, "PatientID": secret, "Manufacturer": "X"}
    paths = save_all(tmp_path, mr_series(3, **bad), us_still(**bad))
    raw = (
        paths[0].read_bytes().replace(b"19740102", b"1974XX02").replace(b"DS\x04\x00600 ", b"DS\x04\x00SECR")
    )
    paths[0].write_bytes(raw)
    paths[1].write_bytes(paths[1].read_bytes()[:400])
    case = scan_folder(tmp_path)
    said = " ".join(render(problem.reason) for problem in case.problems)
    said += " ".join(render(note) for item in (*case.volumes, *case.frames) for note in item.notes)
    output = capfd.readouterr()
    assert "SECR" not in said + caplog.text + output.out + output.err


def test_roles_can_be_overruled(tmp_path):
    save_all(tmp_path, mr_series(3))
    case = scan_folder(tmp_path)
    changed = case.with_override(case.volumes[0].key, Role.DWI, b_value=800)
    assert changed.volumes[0].role.role is Role.DWI
    assert changed.volumes[0].role.b_value == 800
    assert render(changed.volumes[0].role.reason) == "set by the reader"
    assert case.volumes[0].role.role is Role.T1WI


def test_dce_phases_are_one_group(tmp_path):
    save_all(tmp_path, dce_series(3))
    roles = [volume.role for volume in scan_folder(tmp_path).volumes]
    assert [(r.role, r.phase, r.phase_count, r.delay_s) for r in roles] == [
        (Role.DCE, phase, 3, None) for phase in (1, 2, 3)
    ]
