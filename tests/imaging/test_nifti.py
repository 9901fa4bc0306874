"""Volumes as NIfTI: RAS becomes LPS, a fourth axis becomes phases, the name gives the role."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest

from breastview.errors import CaseError
from breastview.imaging.case import Role
from breastview.imaging.load import load_volume
from breastview.imaging.scan import scan_folder
from breastview.messages import render
from tests.imaging.dicom_files import mr_series, save_all

AFFINE = np.array([[-2.0, 0, 0, 60], [0, -1.5, 0, 50], [0, 0, 4.0, -30], [0, 0, 0, 1]])
SHAPE = (12, 10, 6)


def numbers(count: int = 1, dtype: str = "int16") -> np.ndarray:
    """Values that tell their own (i, j, k)."""
    i, j, k = np.indices(SHAPE)
    array = (i + 20 * j + 400 * k).astype(dtype)
    return array if count == 1 else np.stack([array + n for n in range(count)], axis=3)


def write(path, array=None, affine=AFFINE):
    nibabel.save(nibabel.Nifti1Image(numbers() if array is None else array, affine), path)
    return path


@pytest.mark.parametrize("name", ["t2.nii", "t2.nii.gz", "T2.NII"])
def test_axes_and_places(tmp_path, name):
    write(tmp_path / name)
    (volume,) = scan_folder(tmp_path).volumes
    assert volume.shape == SHAPE[::-1]
    assert volume.orientation == "axial"
    loaded = load_volume(volume)
    assert loaded.array.dtype == np.int16
    assert loaded.array[4, 3, 2] == 2 + 20 * 3 + 400 * 4
    x, y, z, _ = AFFINE @ [2, 3, 4, 1]
    np.testing.assert_allclose(loaded.index_to_lps @ [4, 3, 2, 1], [-x, -y, z, 1])
    assert volume.spacing_mm == pytest.approx((4.0, 1.5, 2.0))


def test_an_oblique_affine_keeps_every_point(tmp_path):
    turned = AFFINE.copy()
    turned[:3, :3] = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0] @ np.diag([2, 1.5, 4])
    write(tmp_path / "t1.nii", affine=turned)
    (volume,) = scan_folder(tmp_path).volumes
    for i, j, k in [(0, 0, 0), (11, 9, 5), (3, 7, 2)]:
        wanted = np.diag([-1, -1, 1, 1]) @ turned @ [i, j, k, 1]
        np.testing.assert_allclose(volume.index_to_lps @ [k, j, i, 1], wanted, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "role", "b"),
    [
        ("t1.nii", Role.T1WI, None),
        ("case7_T2_fs.nii", Role.T2WI, None),
        ("dwi_b800.nii", Role.DWI, 800.0),
        ("dwi.nii", Role.DWI, None),
        ("ADC.nii", Role.ADC, None),
        ("stir.nii", Role.STIR, None),
        ("dce_post1.nii", Role.DCE, None),
        ("sub2-1.nii", Role.SUBTRACTION, None),
        ("mask.nii", Role.OTHER, None),
    ],
)
def test_the_name_gives_the_role(tmp_path, name, role, b):
    write(tmp_path / name)
    choice = scan_folder(tmp_path).volumes[0].role
    assert (choice.role, choice.b_value) == (role, b)
    reason = "nothing in the header tells its weighting" if role is Role.OTHER else "by the file's name"
    assert render(choice.reason) == reason


def test_a_fourth_axis_holds_phases(tmp_path):
    write(tmp_path / "dce.nii.gz", numbers(3))
    volumes = scan_folder(tmp_path).volumes
    assert [(v.role.phase, v.role.phase_count, v.role.delay_s) for v in volumes] == [
        (1, 3, None),
        (2, 3, None),
        (3, 3, None),
    ]
    assert len({volume.key for volume in volumes}) == 3
    for phase, volume in enumerate(volumes):
        assert load_volume(volume).array[4, 3, 2] == 1662 + phase


def test_scaled_and_large_types_become_float(tmp_path):
    write(tmp_path / "t1.nii", numbers(dtype="float64") / 2)
    array = load_volume(scan_folder(tmp_path).volumes[0]).array
    assert array.dtype == np.float32
    assert array[4, 3, 2] == 831.0


def test_big_endian_values_come_native(tmp_path):
    image = nibabel.Nifti1Image(numbers(), AFFINE, nibabel.Nifti1Header(endianness=">"))
    nibabel.save(image, tmp_path / "t1.nii")
    array = load_volume(scan_folder(tmp_path).volumes[0]).array
    assert array.dtype.isnative
    assert array[4, 3, 2] == 1662


def test_damaged_files_are_listed(tmp_path):
    cut = write(tmp_path / "cut.nii")
    cut.write_bytes(cut.read_bytes()[:-40])
    (tmp_path / "text.nii").write_text("no NIfTI")
    (tmp_path / "text.nii.gz").write_bytes(b"\x1f\x8bno gzip")
    flat = AFFINE.copy()
    flat[:3, 2] = flat[:3, 1]
    write(tmp_path / "flat.nii", affine=flat)
    write(tmp_path / "plane.nii", numbers()[..., 0])
    save_all(tmp_path, mr_series(2))
    case = scan_folder(tmp_path)
    assert {problem.path: problem.reason.code for problem in case.problems} == {
        "cut.nii": "problem.truncated",
        "flat.nii": "problem.no_geometry",
        "plane.nii": "problem.no_geometry",
        "text.nii": "problem.unreadable_nifti",
        "text.nii.gz": "problem.unreadable_nifti",
    }
    assert len(case.volumes) == 1


def test_damage_inside_a_compressed_file_shows_when_it_is_loaded(tmp_path):
    path = write(tmp_path / "t1.nii.gz", np.random.default_rng(1).integers(0, 999, (40, 40, 8), "int16"))
    path.write_bytes(path.read_bytes()[:-4000])
    (volume,) = scan_folder(tmp_path).volumes
    with pytest.raises(CaseError) as caught:
        load_volume(volume)
    assert caught.value.message.code == "problem.undecodable"
