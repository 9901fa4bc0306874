"""The anatomy: layers in their order, gland by density, one place for everything."""

from __future__ import annotations

import numpy as np
import pytest

from breastview.phantom import chest
from breastview.phantom.anatomy import DENSITIES, Breast, body_tissue, make_breast, places, with_lesion
from breastview.phantom.evidence import Evidence
from breastview.phantom.lesion import make_lesion
from breastview.phantom.noise import make_field
from breastview.phantom.patient import simulate
from breastview.phantom.tissue import Tissue

RADII_MM, LEAN = np.array([54.0, 80.0, 58.0]), np.array([0.1, -0.05])


def breast(density: str = "c", side: str = "L", seed: int = 2) -> Breast:
    return make_breast(np.random.default_rng(seed), side, density, RADII_MM, LEAN)


def test_noise_has_unit_variance_and_the_correlation_length_that_was_asked_for():
    field = make_field(np.random.default_rng(0), sigma_mm=3.0)
    points = np.random.default_rng(1).uniform(0, 90, (20_000, 3)).astype(np.float32)
    here, there = field.at(points), field.at(points + np.float32([6.0, 0, 0]))
    assert here.mean() == pytest.approx(0, abs=0.1)
    assert here.std() == pytest.approx(1, abs=0.1)
    assert np.corrcoef(here, there)[0, 1] == pytest.approx(np.exp(-(6.0**2) / (4 * 3.0**2)), abs=0.08)


@pytest.mark.parametrize("density", DENSITIES)
def test_the_share_of_glandular_tissue_is_the_density_categorys(density):
    grown = breast(density)
    points = places(grown, np.random.default_rng(9), 12_000)
    wanted = DENSITIES[density].gland_share
    for modality in ("mri", "us"):
        labels = grown.tissue(points, modality)
        assert (labels == Tissue.GLAND).mean() == pytest.approx(wanted, rel=0.3)


def test_strands_of_gland_hang_down_longer_than_they_are_wide():
    grown = breast("b")
    points = places(grown, np.random.default_rng(9), 12_000)
    gland = grown.tissue(points) == Tissue.GLAND
    beside, below = (
        (grown.tissue(points[gland] + np.array(step)) == Tissue.GLAND).mean()
        for step in ((2.0, 0.0, 0.0), (0.0, 2.0, 0.0))
    )
    assert beside < 0.65 < 0.7 < below


def test_from_the_nipple_back_come_breast_muscle_and_lung():
    patient = simulate(4)
    grown = patient.breast
    t = np.arange(-0.2, 1.7, 0.004)[:, None]
    line = grown.nipple_mm + t * (grown.base_mm - grown.nipple_mm)
    labels = body_tissue(line, (grown,), patient.trunk)
    layers = (Tissue.NIPPLE, Tissue.MUSCLE, Tissue.LUNG)
    order = [int(np.argmax(labels == tissue)) for tissue in layers]
    assert labels[0] == Tissue.AIR
    assert order == sorted(order) and order[0] > 0


def test_skin_is_two_millimetres_thick():
    grown = breast()
    outside = grown.base_mm + np.array([[80.0, -20.0, 0.0]])
    line = outside - np.arange(0.0, 60.0, 0.1)[:, None] * [1.0, 0.0, 0.0]
    assert 0.1 * (grown.tissue(line) == Tissue.SKIN).sum() == pytest.approx(2.2, abs=0.5)


def test_the_lesion_is_where_the_truth_says_and_on_its_side():
    for seed in range(6):
        patient = simulate(seed)
        assert body_tissue(patient.lesion.centre_mm[None], (patient.breast,), patient.trunk) == Tissue.LESION
        assert (patient.lesion.centre_mm[0] > 0) == (patient.side == "L")


def test_lesions_lie_anywhere_between_skin_and_muscle():
    patients = [simulate(seed) for seed in range(30)]
    place = np.array([p.lesion.centre_mm - p.breast.base_mm for p in patients])
    assert (place[:, 0] > 0).mean() == pytest.approx(0.5, abs=0.25)
    assert np.ptp(place[:, 1]) > 30 and np.ptp(place[:, 2]) > 50
    for patient in patients:
        centre = patient.lesion.centre_mm[None]
        assert patient.breast.depth_mm(centre)[0] > 3 and chest.height_mm(centre)[0] > 0


def test_the_lesion_has_the_outline_that_the_modality_shows():
    grown = breast()
    evidence = Evidence(True, 2.0, -2.0, 20.0)
    lesion = make_lesion(np.random.default_rng(1), evidence, grown.base_mm - [0, 30.0, 0], grown.nipple_mm)
    points = lesion.centre_mm + np.random.default_rng(2).uniform(-14, 14, (4000, 3))
    seen = with_lesion(grown, lesion)
    us, mri = (seen.tissue(points, modality) == Tissue.LESION for modality in ("us", "mri"))
    assert np.array_equal(us, lesion.level(points, "us") < 0)
    assert np.array_equal(mri, lesion.level(points, "mri") < 0)
    assert (us != mri).any()


def test_other_findings_keep_away_from_the_lesion():
    for seed in range(12):
        patient = simulate(seed)
        for inclusion in patient.breast.inclusions:
            apart = np.linalg.norm(inclusion.centre_mm - patient.lesion.centre_mm)
            assert apart > patient.lesion.radius_mm + 6.0


def test_strands_finer_than_mri_resolves_are_for_us_alone():
    grown = breast("d")
    points = places(grown, np.random.default_rng(4), 6000)
    assert (grown.tissue(points, "us") == Tissue.LIGAMENT).sum() > 1.2 * (
        grown.tissue(points, "mri") == Tissue.LIGAMENT
    ).sum()
