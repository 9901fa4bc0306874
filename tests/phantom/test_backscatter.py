"""Tissue as sound meets it: fibres in layers, and lesions that look as malignant as they are told to."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import spearmanr

from breastview.phantom import chest
from breastview.phantom.backscatter import STEP_MM, Medium, medium
from breastview.phantom.noise import make_field
from breastview.phantom.tissue import Tissue, acoustic
from breastview.phantom.weave import feather, layers_of

ROWS, COLUMNS = 200, 220
RADIUS_MM = 4.5
LOOKS = (-0.4, 0.0, 0.25, 0.5, 0.75, 1.0, 1.4)


def plane() -> np.ndarray:
    """Prone places of a plane whose depth runs along +y."""
    x, y = np.meshgrid(np.arange(COLUMNS) * STEP_MM, np.arange(ROWS) * STEP_MM)
    return np.stack([x, y, np.zeros_like(x)], axis=-1).astype(np.float32)


@cache
def breast(seed: int = 0, family: str = "", look: float = 0.0) -> SimpleNamespace:
    """What ultrasound asks of a breast and its lesion, and nothing else: no label, no look in MRI."""
    rng = np.random.default_rng(seed)
    fields = {"lobules": make_field(rng, 3.2), "septa": make_field(rng, 4.5)}
    lesion = SimpleNamespace(family=family, look_us=look, texture=make_field(rng, 0.9)) if family else None
    return SimpleNamespace(fields=fields, lesion=lesion)


def of(tissue: Tissue, seed: int = 0) -> Medium:
    """A plane of one tissue without a lesion."""
    labels = np.full((ROWS, COLUMNS), tissue, np.uint8)
    nowhere = np.full((ROWS, COLUMNS), np.inf)
    return medium(labels, plane(), breast(seed), nowhere, np.random.default_rng(0))


def with_lesion(family: str, look: float, seed: int = 0) -> tuple[Medium, np.ndarray]:
    """A round lesion in gland, and mm to its outline."""
    x, y = plane()[..., 0], plane()[..., 1]
    level = np.hypot(x - x.mean(), y - y.mean()) - RADIUS_MM
    labels = np.where(level < 0, np.uint8(Tissue.LESION), np.uint8(Tissue.GLAND))
    return medium(labels, plane(), breast(seed, family, look), level, np.random.default_rng(seed)), level


def against_surroundings_db(family: str, look: float, seed: int, depth_mm: float = 1.0) -> float:
    """Echo inside, deeper than `depth_mm`, against the gland well outside."""
    found, level = with_lesion(family, look, seed)
    inside, outside = found.echo[level < -depth_mm], found.echo[level > 4]
    return float(20 * np.log10(np.median(inside) / np.median(outside)))


def test_tissue_keeps_the_order_of_its_table():
    gland, fat, cyst = (np.median(of(tissue).echo) for tissue in (Tissue.GLAND, Tissue.FAT, Tissue.CYST))
    assert gland > 2 * fat > 20 * cyst
    assert of(Tissue.MUSCLE).attenuation == pytest.approx(acoustic("attenuation")[Tissue.MUSCLE])


def test_fibres_lie_along_the_layers():
    for tissue in (Tissue.GLAND, Tissue.MUSCLE, Tissue.FAT):
        echo = np.log(of(tissue).echo)
        down = np.corrcoef(echo[:-8].ravel(), echo[8:].ravel())[0, 1]
        across = np.corrcoef(echo[:, :-8].ravel(), echo[:, 8:].ravel())[0, 1]
        assert across > down + 0.1, tissue


def test_muscle_lies_along_the_fascia_whatever_the_probe_presses():
    """Behind the pectoral fascia depth is counted from it."""
    points = plane() + np.float32([0.0, 70.0, 0.0])
    height = chest.height_mm(points.reshape(-1, 3)).reshape(ROWS, COLUMNS)
    deep = layers_of(breast(), points).depth_mm
    assert (height < -1).any() and (height > 1).any()
    assert np.abs(deep + height)[height < -1].max() < 0.1


def test_a_breast_keeps_its_fibres_and_another_has_its_own():
    assert np.array_equal(of(Tissue.GLAND, 1).echo, of(Tissue.GLAND, 1).echo)
    assert np.corrcoef(of(Tissue.GLAND, 1).echo.ravel(), of(Tissue.GLAND, 2).echo.ravel())[0, 1] < 0.3


def test_gland_and_fat_reach_into_each_other_and_a_cyst_keeps_its_shape():
    labels = np.full((ROWS, COLUMNS), Tissue.FAT, np.uint8)
    labels[:, COLUMNS // 2 :] = Tissue.GLAND
    labels[100:130, 20:50] = Tissue.CYST
    mixed = feather(labels, layers_of(breast(), plane()))
    edge = COLUMNS - (mixed == Tissue.GLAND).sum(axis=1)
    assert 3 < edge.std() < 30 and edge.mean() == pytest.approx(COLUMNS / 2, abs=8)
    assert np.array_equal(mixed == Tissue.CYST, labels == Tissue.CYST)


@pytest.mark.parametrize(
    ("family", "depth_mm", "darker_db"), [("mass", 2.0, 3.0), ("non-mass", 1.0, 4.0), ("fatty", 1.0, 11.0)]
)
def test_solid_lesions_are_the_darker_the_more_malignant_they_look(family, depth_mm, darker_db):
    """Below the ill-defined margin, and not in the oil of a fatty one's core."""
    contrast = [
        np.mean([against_surroundings_db(family, look, s, depth_mm) for s in range(4)]) for look in LOOKS
    ]
    assert (np.diff(contrast) < 0).all()
    assert contrast[0] - contrast[-1] > darker_db


@pytest.mark.parametrize("family", ["mass", "cystic", "fatty", "non-mass"])
def test_lesions_attenuate_the_more_the_more_malignant_they_look(family):
    looks = np.tile(LOOKS, 4)
    dense = []
    for number, look in enumerate(looks):
        found, level = with_lesion(family, look, number)
        dense.append(found.attenuation[level < -1].mean())
    assert spearmanr(looks, dense).statistic > 0.75


def test_a_simple_cyst_is_anechoic_and_lets_sound_through():
    found, level = with_lesion("cystic", 0.0)
    assert against_surroundings_db("cystic", 0.0, 0) < -35
    assert found.attenuation[level < -1].max() < 0.1
    assert against_surroundings_db("cystic", 0.5, 0) > against_surroundings_db("cystic", 0.0, 0) + 8


def test_a_benign_mass_has_a_capsule_and_a_malignant_one_a_halo_and_an_ill_defined_margin():
    benign, level = with_lesion("mass", 0.0)
    malignant, _ = with_lesion("mass", 1.0)
    capsule, inside = np.abs(level - 0.15) < 0.1, np.abs(level + 1.0) < 0.1
    step = np.median(benign.impedance[capsule]) - np.median(benign.impedance[inside])
    assert step > 0.1 + np.median(malignant.impedance[capsule]) - np.median(malignant.impedance[inside])
    around, far = (level > 1) & (level < 2), level > 5
    halo = [np.mean(found.echo[around]) / np.mean(found.echo[far]) for found in (malignant, benign)]
    assert halo[0] > 1.15 * halo[1]
    spread = [np.std(np.log(found.echo[np.abs(level + 0.4) < 0.2])) for found in (malignant, benign)]
    assert spread[0] > 1.3 * spread[1]


def test_microcalcifications_come_with_malignant_looks():
    """Bright points inside: pixels at many times the lesion's own echo."""
    counts = []
    for look in (0.0, 1.0):
        points = 0
        for seed in range(6):
            found, level = with_lesion("non-mass", look, seed)
            inside = found.echo[level < -1.5]
            points += (inside > 6 * np.median(inside)).sum()
        counts.append(points)
    assert counts[0] < 0.2 * counts[1]


def test_far_from_the_lesion_nothing_is_changed():
    healthy = with_lesion("mass", 0.0)[0]
    ill, level = with_lesion("mass", 1.0)
    assert healthy.echo[level > 6] == pytest.approx(ill.echo[level > 6], rel=0.01)
