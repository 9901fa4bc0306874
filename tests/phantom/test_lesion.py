"""Lesions: each modality shows its own evidence and nothing of the other's."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from breastview.phantom import chest
from breastview.phantom.evidence import Evidence, draw_evidence
from breastview.phantom.lesion import FAMILIES, Lesion, make_lesion

CENTRE, NIPPLE = np.array([75.0, 20.0, 0.0]), np.array([75.0, -20.0, 0.0])
DRAWN = 700


def lesion(us: float, mri: float, size_mm: float = 16.0, seed: int = 5) -> Lesion:
    return make_lesion(np.random.default_rng(seed), Evidence(us > 0, us, mri, size_mm), CENTRE, NIPPLE)


def roughness(grown: Lesion, modality: str) -> float:
    """Standard deviation of the outline's relative radius over all directions."""
    directions = np.random.default_rng(0).normal(size=(4000, 3)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    return float(grown.outlines[modality].at(directions).std())


@pytest.fixture(scope="module")
def drawn() -> list[tuple[Evidence, Lesion]]:
    rng = np.random.default_rng(3)
    found = []
    for _ in range(DRAWN):
        evidence = draw_evidence(rng)
        found.append((evidence, make_lesion(rng, evidence, CENTRE, NIPPLE)))
    return found


@pytest.mark.parametrize(("modality", "other"), [("us", "mri"), ("mri", "us")])
def test_a_malignant_look_roughens_the_outline_of_its_own_modality_alone(modality, other):
    benign = lesion(**{modality: -2.0, other: 0.0})
    malignant = lesion(**{modality: 2.0, other: 0.0})
    assert roughness(malignant, modality) > 2 * roughness(benign, modality)
    assert roughness(malignant, other) == roughness(benign, other)


def test_only_us_shows_a_malignant_look_as_taller_than_wide():
    outward = chest.outward(CENTRE)
    heights = {look: np.linalg.norm(lesion(look, 0.0).outlines["us"].stretch @ outward) for look in (-2, 2)}
    assert 1 / heights[2] > 1.08 / heights[-2]
    assert np.linalg.det(lesion(2.0, 0.0).outlines["us"].stretch) == pytest.approx(1.0, abs=1e-5)
    assert np.array_equal(lesion(2.0, 2.0).outlines["mri"].stretch, np.eye(3))


def test_a_malignant_look_is_spiculated_and_a_benign_one_is_not():
    assert lesion(2.0, 0.0).outlines["us"].spike_lengths.max() > 0.3
    assert not lesion(-2.0, 0.0).outlines["us"].spike_lengths.any()


def test_lesions_that_look_clearly_benign_or_clearly_malignant_on_us_differ_among_themselves():
    benign, rather, doubtful, likely, malignant = (lesion(e, 0.0).look_us for e in (-2.5, -1.5, 0, 1.5, 2.5))
    steps = np.diff([benign, rather, doubtful, likely, malignant])
    assert steps.min() > 0.5 * steps.max()


def test_the_level_is_negative_inside_and_grows_by_the_distance():
    grown = lesion(-2.0, -2.0)
    away = np.array([0.0, 0.3, 30.0, 40.0])[:, None] * grown.frame[:, 0]
    level = grown.level(grown.centre_mm + away, "us")
    assert level[0] < 0 and level[1] < 0 < level[2] < level[3]
    assert level[3] - level[2] == pytest.approx(10.0, rel=0.35)


def test_the_longest_axis_is_the_evidences_size():
    grown = lesion(-2.0, -2.0, size_mm=24.0)
    ends = np.outer([-1.0, 1.0], grown.frame[:, np.argmax(grown.axes)]) * 12.0
    assert grown.level(CENTRE + ends, "us") == pytest.approx([0.0, 0.0], abs=2.5)
    assert 14.0 < max(grown.extent_mm) <= 24.0


def test_what_mri_measures_follows_the_evidence_of_mri(drawn):
    malignant = np.array([e.malignant for e, _ in drawn])
    adc = np.array([grown.adc for _, grown in drawn])
    assert adc[malignant].mean() == pytest.approx(1.07, abs=0.08)
    assert adc[malignant].std() == pytest.approx(0.37, abs=0.06)
    assert adc[~malignant].mean() > 1.5
    curves = Counter((e.malignant, grown.curve) for e, grown in drawn)
    assert curves[True, "wash-out"] / malignant.sum() == pytest.approx(0.75, abs=0.08)
    assert curves[False, "wash-out"] / (~malignant).sum() == pytest.approx(0.17, abs=0.08)
    assert curves[False, "persistent"] / (~malignant).sum() == pytest.approx(0.71, abs=0.1)


def test_family_and_gross_shape_say_nothing_of_the_label(drawn):
    for label in (True, False):
        families = Counter(grown.family for e, grown in drawn if e.malignant == label)
        for family, share in FAMILIES.items():
            assert families[family] / families.total() == pytest.approx(share, abs=0.09)
    flat = [grown.axes.min() for e, grown in drawn if e.malignant]
    other = [grown.axes.min() for e, grown in drawn if not e.malignant]
    assert np.mean(flat) == pytest.approx(np.mean(other), abs=0.03)


def test_a_lesion_that_looks_malignant_on_us_keeps_its_shape_under_the_probe():
    assert lesion(2.0, 0.0).stiffness > 0.95
    assert lesion(-2.0, 0.0).stiffness < 0.5


def test_a_lesion_without_mass_lies_along_its_segment():
    grown = next(g for s in range(60) if (g := lesion(0.0, 0.0, seed=s)).family == "non-mass")
    assert abs(grown.frame[:, 0] @ [0.0, 1.0, 0.0]) == pytest.approx(1.0)
    assert grown.axes[0] > 1.2 * grown.axes[1:].max()
