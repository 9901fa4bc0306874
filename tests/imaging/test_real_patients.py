"""Real exams, as archives hand them out: what is found, where it lies, what is said."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from breastview.errors import CaseError
from breastview.imaging.case import Role, ScannedCase, ScannedVolume
from breastview.imaging.diffusion import highest_b
from breastview.imaging.dynamic import phases
from breastview.imaging.geometry import apply, slice_through
from breastview.imaging.load import load_frames, load_volume
from breastview.imaging.scan import scan_folder
from breastview.imaging.volume import Sector
from breastview.messages import render


def digest(folder: Path) -> str:
    """Of every name, size, time and byte in a folder."""
    seen = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        seen.update(f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}".encode())
        if path.is_file():
            seen.update(path.read_bytes())
    return seen.hexdigest()


@pytest.fixture(scope="module")
def patient_a(real_data) -> ScannedCase:
    return scan_folder(real_data / "patients" / "patient-a")


def of_role(case: ScannedCase, role: Role) -> list[ScannedVolume]:
    return [volume for volume in case.volumes if volume.role.role is role]


def few_slices(volume: ScannedVolume, first: int, count: int = 6) -> np.ndarray:
    """The pixels of some slices: decoding a whole volume takes seconds."""
    sources = volume.sources[first : first + count]
    renumbered = tuple(replace(source, index=number) for number, source in enumerate(sources))
    loaded = load_volume(replace(volume, sources=renumbered, shape=(count, *volume.shape[1:])))
    assert loaded.notes == volume.notes
    return loaded.array


def test_every_series_of_patient_a_is_found(patient_a):
    found = {role: [volume.shape[0] for volume in of_role(patient_a, role)] for role in Role}
    assert {role: slices for role, slices in found.items() if slices} == {
        Role.T1WI: [58],
        Role.T2WI: [58],
        Role.STIR: [58],
        Role.DWI: [36, 36, 36],
        Role.ADC: [36],
        Role.DCE: [105] * 6,
        Role.MIP: [5, 5],
        Role.LOCALIZER: [6, 5, 5],
    }
    assert patient_a.problems == ()
    assert patient_a.notes == ()
    used = {source.path for item in (*patient_a.volumes, *patient_a.frames) for source in item.sources}
    assert len(used) == 975


def test_reasons_of_patient_a(patient_a):
    reasons = [render(of_role(patient_a, role)[0].role.reason) for role in (Role.T1WI, Role.T2WI, Role.STIR)]
    assert reasons == [
        "spin echo, TR 780 ms, TE 10.0 ms",
        "spin echo, TR 5800 ms, TE 101.0 ms",
        "inversion recovery, TI 170 ms",
    ]


def test_diffusion_of_patient_a_has_its_b_values_from_the_sequence_name(patient_a):
    diffusion = of_role(patient_a, Role.DWI)
    assert [volume.role.b_value for volume in diffusion] == [50, 400, 800]
    assert [render(volume.role.reason) for volume in diffusion] == [
        f"diffusion with b = {b} s/mm² (sequence name)" for b in (50, 400, 800)
    ]
    assert highest_b(patient_a.volumes) is diffusion[2]
    means = [load_volume(volume).array.mean() for volume in diffusion]
    assert means == sorted(means, reverse=True), "diffusion weighting darkens"


def test_phases_of_patient_a_are_in_acquisition_order_without_delays(patient_a):
    dynamic = phases(patient_a.volumes)
    assert [volume.series_number for volume in dynamic] == [8, 9, 13, 15, 17, 19]
    assert [(v.role.phase, v.role.phase_count, v.role.delay_s) for v in dynamic] == [
        (phase, 6, None) for phase in range(1, 7)
    ]
    assert "delays unknown" in render(dynamic[0].role.reason)
    for volume in dynamic[1:]:
        np.testing.assert_allclose(volume.index_to_lps, dynamic[0].index_to_lps, atol=0.01)


def test_contrast_arrives_in_patient_a(patient_a):
    pre, post, *_ = phases(patient_a.volumes)
    uptake = few_slices(post, 50).astype(float) - few_slices(pre, 50)
    assert uptake.mean() > 2.0
    assert np.percentile(uptake, 99.9) > 100


def test_the_still_of_patient_a_keeps_its_scale_and_finds_its_place_in_the_pixels(patient_a):
    (frames,) = patient_a.frames
    assert frames.role.role is Role.US_STILL
    assert frames.scale.spacing_mm == pytest.approx((0.10526, 0.10526), abs=1e-5)
    assert [note.code for note in frames.notes] == ["scan.region_overruns"]
    assert frames.region[2] > frames.columns
    stack = load_frames(frames)
    assert stack.frames.shape == (1, 427, 557, 3)
    assert stack.sector == Sector(left=17, top=24, right=553, bottom=403)
    assert stack.grey().mean() > 20


def test_localizers_of_patient_a_hold_several_orientations(patient_a):
    localizers = of_role(patient_a, Role.LOCALIZER)
    assert {volume.orientation for volume in localizers} == {"sagittal", "coronal", "axial"}
    assert all("scan.two_orientations" in [note.code for note in volume.notes] for volume in localizers)


@pytest.mark.parametrize("role", [Role.T2WI, Role.STIR, Role.ADC], ids=["rle", "jpeg-ls", "uncompressed"])
def test_pixels_and_places_are_those_of_simpleitk(patient_a, role):
    (volume,) = of_role(patient_a, role)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(source.path) for source in volume.sources[:6]])
    image = reader.Execute()
    np.testing.assert_array_equal(few_slices(volume, 0), sitk.GetArrayFromImage(image))
    _, rows, columns = volume.shape
    for index in [(0, 0, 0), (57, rows - 1, columns - 1), (30, 10, 200)]:
        wanted = image.TransformContinuousIndexToPhysicalPoint([float(n) for n in index[::-1]])
        np.testing.assert_allclose(apply(volume.index_to_lps, np.array(index)), wanted, atol=0.05)


def test_opening_patient_a_writes_nothing(real_data):
    folder = real_data / "patients" / "patient-a"
    before = digest(folder)
    case = scan_folder(folder)
    for volume in (*of_role(case, Role.DWI), *of_role(case, Role.T1WI), *of_role(case, Role.LOCALIZER)):
        load_volume(volume)
    for frames in case.frames:
        load_frames(frames)
    assert digest(folder) == before


@pytest.mark.parametrize(
    ("name", "slices", "orientation", "scale_mm", "sector"),
    [
        ("patient-b", 176, "axial", 0.105263, Sector(49, 40, 585, 419)),
        ("patient-c", 176, "axial", 0.157895, Sector(38, 28, 395, 407)),
        ("patient-d", 256, "sagittal", 0.131579, Sector(37, 38, 466, 418)),
    ],
)
def test_the_other_patients(real_data, name, slices, orientation, scale_mm, sector):
    case = scan_folder(real_data / "patients" / name)
    (volume,), (frames,) = case.volumes, case.frames
    assert (volume.role.role, volume.shape[0], volume.orientation) == (Role.DCE, slices, orientation)
    assert volume.notes == ()
    assert case.problems == ()
    assert frames.scale.spacing_mm == pytest.approx((scale_mm, scale_mm))
    assert load_frames(frames).sector == sector


def test_lesions_lie_where_their_reader_marked_them(real_data):
    """Pixel to patient millimetres, against the contours that came with the exams."""
    with (real_data / "patients" / "lesions.csv").open(encoding="utf-8") as file:
        marks = [row for row in csv.DictReader(file) if row["modality"] == "MR"]
    assert len(marks) == 4
    for mark in marks:
        (volume,) = scan_folder(real_data / "patients" / mark["patient_id"]).volumes
        (slice_,) = [source.index for source in volume.sources if source.sop_uid == mark["sop_uid"]]
        index = (slice_, float(mark["cy_px"]), float(mark["cx_px"]))
        lps = [float(mark[f"mr_{axis}_mm"]) for axis in "xyz"]
        np.testing.assert_allclose(apply(volume.index_to_lps, np.array(index)), lps, atol=0.02)
        np.testing.assert_allclose(slice_through(volume.index_to_lps, lps), index, atol=0.03)


def test_lossless_compressed_slices_of_patient_c_decode(real_data):
    (volume,) = scan_folder(real_data / "patients" / "patient-c").volumes
    assert {source.offset for source in volume.sources} == {None}, "JPEG 2000"
    assert few_slices(volume, 80).mean(axis=(1, 2)).min() > 5


def test_diffusion_of_ge(real_data):
    volumes = scan_folder(real_data / "dicom" / "ge-dwi").volumes
    assert [volume.role.b_value for volume in volumes] == [0] + [1000] * 6
    assert {volume.shape for volume in volumes} == {(2, 256, 256)}
    assert volumes[0].spacing_mm == pytest.approx((3.0, 1.0156, 1.0156), abs=1e-3)


def test_enhanced_siemens(real_data):
    case = scan_folder(real_data / "dicom" / "siemens-xa10-enhanced")
    assert [volume.shape for volume in case.volumes] == [(6, 64, 64)] * 4
    assert case.problems == ()
    loaded = [load_volume(volume) for volume in case.volumes]
    for volume in loaded:
        np.testing.assert_allclose(volume.index_to_lps, loaded[0].index_to_lps)
        assert volume.array.std() > 10
    assert not np.array_equal(loaded[0].array, loaded[1].array)


def test_enhanced_philips_splits_magnitude_and_field_map(real_data):
    case = scan_folder(real_data / "dicom" / "philips-enhanced")
    assert [volume.shape for volume in case.volumes] == [(32, 64, 64)] * 2
    assert case.problems == ()
    for volume in case.volumes:
        loaded = load_volume(volume)
        assert loaded.array.std() > 1
        assert volume.spacing_mm == pytest.approx((4.0, 4.0, 4.0), abs=0.01)


def test_philips_objects_that_are_no_images_are_said(real_data):
    folder = real_data / "dicom" / "philips-enhanced-dwi"
    with pytest.raises(CaseError) as caught:
        scan_folder(folder)
    assert caught.value.message.code == "case.only_problems"
    assert caught.value.message.params == {"count": 2}
