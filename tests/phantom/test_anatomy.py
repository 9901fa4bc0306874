"""The anatomy: one patient everywhere, dense breasts denser, lesions told apart by their fine outline."""

from __future__ import annotations

import numpy as np

from breastview.phantom.anatomy import body_tissue, make_breast
from breastview.phantom.crops import training_case
from breastview.phantom.evidence import Evidence
from breastview.phantom.lesion import make_lesion
from breastview.phantom.patient import simulate
from breastview.phantom.tissue import Tissue

RADII_MM = np.array([60.0, 66.0, 60.0])


def points_in_a_breast() -> np.ndarray:
    axes = np.arange(25.0, 125.0, 4.0), np.arange(-50.0, 40.0, 4.0), np.arange(-50.0, 50.0, 4.0)
    return np.stack([a.ravel() for a in np.meshgrid(*axes)], axis=1)


def test_gland_grows_with_the_density_category():
    shares = []
    for density in "abcd":
        breast = make_breast(np.random.default_rng(2), "L", density, RADII_MM, None)
        labels = breast.tissue(points_in_a_breast())
        shares.append(float((labels == Tissue.GLAND).sum() / (labels != Tissue.AIR).sum()))
    assert shares == sorted(shares)
    assert shares[0] < 0.2 and shares[3] > 0.4


def test_from_the_front_come_air_skin_breast_muscle_and_lung():
    patient = simulate(4)
    x, _, z = patient.breast.centre_mm
    y = np.arange(-60.0, 120.0, 0.5)
    labels = body_tissue(np.stack([np.full_like(y, x), y, np.full_like(y, z)], axis=1), (patient.breast,))
    first = {tissue: int(np.argmax(labels == tissue)) for tissue in (Tissue.MUSCLE, Tissue.LUNG)}
    assert labels[0] == Tissue.AIR
    assert labels[np.argmax(labels != Tissue.AIR)] in (Tissue.SKIN, Tissue.NIPPLE)
    assert 0 < first[Tissue.MUSCLE] < first[Tissue.LUNG]


def test_the_lesion_is_where_the_truth_says_and_on_its_side():
    for seed in range(6):
        patient = simulate(seed)
        breasts = (patient.breast, patient.other_breast())
        assert body_tissue(patient.lesion.centre_mm[None], breasts)[0] == Tissue.LESION
        assert (patient.lesion.centre_mm[0] > 0) == (patient.side == "L")


def test_a_malignant_looking_outline_is_rougher_at_the_same_place():
    centre, outlines = np.array([75.0, 0.0, 0.0]), []
    directions = np.random.default_rng(0).normal(size=(4000, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    for strength in (-2.0, 2.0):
        lesion = make_lesion(np.random.default_rng(5), Evidence(strength > 0, strength, strength), centre)
        surface = centre + directions * lesion.axes * lesion.radius_mm
        outlines.append(float(np.std(lesion.level(surface)) / lesion.radius_mm))
    assert outlines[1] > 2 * outlines[0]


def test_a_training_case_is_the_neighbourhood_of_the_patients_lesion():
    case, patient = training_case(5, views=("transverse",)), simulate(5)
    assert case.malignant == patient.evidence.malignant
    assert set(case.mri) == {"t1wi", "t2wi", "dwi_b0", "dwi_b800", "dce_1", "dce_2"}
    assert np.array_equal(case.frames[0].grey, patient.frame("transverse").grey)
    (before, matrix), (after, _) = case.mri["dce_1"], case.mri["dce_2"]
    index = np.linalg.inv(matrix) @ [*patient.lesion.centre_mm, 1.0]
    s, r, c = np.round(index[:3]).astype(int)
    near = slice(s - 1, s + 2), slice(r - 1, r + 2), slice(c - 1, c + 2)
    assert after[near].mean() > before[near].mean() + 50
