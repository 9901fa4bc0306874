"""The truth beside a folder: arrays with their geometry, masks, and how far a rigid registration errs."""

from __future__ import annotations

import json

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from PIL import Image

from breastview.phantom.dicom.truth import UsTruth, displacement, write_truth
from breastview.registration.parameters import RegistrationParameters
from breastview.registration.transform import map_points

REGISTRATION = RegistrationParameters((40.0, -20.0, 15.0), (10.0, 70.0, -20.0))
SAG_TO_LPS = np.array(
    [[-3, 0, 0, 50], [0, 0, 0.5, -40], [0, -1, 0, 30], [0, 0, 0, 1.0]]
)  # slice, row, column


def bent(us_mm: np.ndarray) -> np.ndarray:
    """A true map that differs from the registration by 0.1 mm of z a mm of depth."""
    return map_points(REGISTRATION, us_mm) + us_mm[:, 1:2] * [0, 0, 0.1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("exam") / "patient.truth"
    labels = np.arange(4 * 5 * 6, dtype=np.uint8).reshape(4, 5, 6)
    lesion = np.zeros((20, 30), bool)
    lesion[5:9, 11:17] = True
    view = UsTruth(lesion, displacement(bent, REGISTRATION, (20.0, 30.0, 0.0)))
    write_truth(
        place,
        {"seed": 7, "malignant": True},
        (labels, SAG_TO_LPS),
        (labels > 60, SAG_TO_LPS),
        {"radial": view},
    )
    return place


def test_it_is_five_files(folder):
    assert sorted(path.name for path in folder.iterdir()) == [
        "labels.nii.gz",
        "lesion.mri.nii.gz",
        "radial.displacement.nii.gz",
        "radial.lesion.png",
        "truth.json",
    ]


def test_a_label_lies_where_it_lies_in_the_patient(folder):
    image = sitk.ReadImage(str(folder / "labels.nii.gz"))
    for slice_, row, column in [(0, 0, 0), (3, 4, 5), (1, 2, 4)]:
        x, y, z, _ = SAG_TO_LPS @ [slice_, row, column, 1]
        assert image.TransformIndexToPhysicalPoint((column, row, slice_)) == pytest.approx((x, y, z))
        assert image[column, row, slice_] == slice_ * 30 + row * 6 + column
    ras = nibabel.load(folder / "labels.nii.gz").affine @ [5, 4, 3, 1]
    assert ras[:3] == pytest.approx([-1, -1, 1] * (SAG_TO_LPS @ [3, 4, 5, 1])[:3])


def test_the_lesion_is_marked_in_both_images(folder):
    assert sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "lesion.mri.nii.gz"))).sum() == 59
    picture = np.asarray(Image.open(folder / "radial.lesion.png"))
    assert picture.shape == (20, 30) and set(np.unique(picture)) == {0, 255}
    assert np.argwhere(picture).min(axis=0).tolist() == [5, 11]


def test_the_displacement_is_the_true_place_less_the_registered_one(folder):
    image = sitk.ReadImage(str(folder / "radial.displacement.nii.gz"))
    assert image.GetNumberOfComponentsPerPixel() == 3
    for us_mm in [(0.0, 10.0, 0.0), (-16.0, 0.0, 6.0), (4.0, 30.0, -6.0)]:
        index = image.TransformPhysicalPointToIndex(us_mm)
        assert image.TransformIndexToPhysicalPoint(index) == pytest.approx(us_mm)
        assert image[index] == pytest.approx((0, 0, 0.1 * us_mm[1]), abs=1e-5)


def test_the_figures_are_plain_json(folder):
    told = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    assert told["seed"] == 7 and told["malignant"] is True
    assert told["labels"]["0"] == "air" and told["labels"]["7"] == "lesion"
