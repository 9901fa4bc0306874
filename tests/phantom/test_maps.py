"""Labels become matter."""

from __future__ import annotations

import numpy as np
import pytest

from breastview.phantom import mri
from breastview.phantom.evidence import Evidence
from breastview.phantom.lesion import make_lesion
from breastview.phantom.maps import Grid, tissue_maps
from breastview.phantom.noise import make_field
from breastview.phantom.tissue import Tissue

GRID = Grid((0.0, 0.0, 0.0), (1.1, 1.1, 1.0), (8, 12, 12))


def of(tissue: Tissue) -> np.ndarray:
    return np.full(GRID.shape, tissue, np.uint8)


def test_slices_look_beside_the_middle_of_their_voxels_and_at_it_on_average():
    points = GRID.points().reshape(*GRID.shape, 3)
    assert points[:4, 3, 5].mean(axis=0) == pytest.approx([5.5, 3.3, 1.5], abs=1e-5)
    assert points[0:2, 3, 5].mean(axis=0) == pytest.approx([5.5, 3.3, 0.5], abs=1e-5)
    assert np.ptp(points[:4, 3, 5, 0]) == pytest.approx(0.55, abs=1e-5)


def test_points_of_single_voxels_are_those_of_all():
    flat = np.array([0, 7, 200, 1151])
    assert GRID.points(flat) == pytest.approx(GRID.points()[flat])


def test_painting_gives_every_voxel_its_tissues_value():
    labels = of(Tissue.FAT)
    labels[2, 3, 4] = Tissue.CYST
    image = tissue_maps(GRID, labels.ravel(), None, bpe=1.0).paint(lambda s: s.t1_ms)
    assert image[2, 3, 4] == 2800 and image[0, 0, 0] == 296


def test_background_enhancement_is_scaled_and_patchy_in_gland_alone():
    patches = make_field(np.random.default_rng(0), 3.0)
    even, patchy = (
        tissue_maps(GRID, of(Tissue.GLAND).ravel(), None, 2.0, noise).paint(lambda s: s.peak_mmol)
        for noise in (None, patches)
    )
    assert even == pytest.approx(np.full(GRID.shape, 0.14), rel=1e-5)
    assert np.log(patchy / even).std() > 0.1
    muscle = tissue_maps(GRID, of(Tissue.MUSCLE).ravel(), None, 2.0, patches)
    assert np.ptp(muscle.paint(lambda s: s.peak_mmol)) == 0


def test_the_lesions_voxels_are_the_lesions_own():
    evidence = Evidence(True, 0.0, 2.0, 8.0)
    grown = make_lesion(np.random.default_rng(2), evidence, np.full(3, 5.0), np.array([5.0, -40.0, 5.0]))
    labels = of(Tissue.FAT).ravel()
    labels[grown.level(GRID.points(), "mri") < 0] = Tissue.LESION
    maps = tissue_maps(GRID, labels, grown, bpe=1.0)
    rises = maps.paint(lambda s: s.rise_s).ravel()
    assert set(rises[labels == Tissue.LESION]) == {25.0}
    assert set(rises[labels == Tissue.FAT]) == {120.0}
    assert (maps.paint(lambda s: mri.dynamic(s, 60.0)) > 0).all()
