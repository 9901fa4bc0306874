"""The MRI scanner: sampling, noise, distortion, and the whole protocol."""

from __future__ import annotations

from dataclasses import replace
from math import exp, pi, sqrt

import numpy as np
import pytest

from breastview.phantom import scanner
from breastview.phantom.exam import Coil, Exam, FieldMap, make_exam
from breastview.phantom.maps import Grid, TissueMaps, tissue_maps
from breastview.phantom.tissue import MAGNETIC, Tissue

FLAT = Coil(np.array([[0.0, 0.0, 0.0, 1e6, 1e6, 1e6, 1.0]]))
STILL = Exam(1.5, FLAT, FieldMap(np.zeros((1, 7))), np.zeros((11, 2)), t2_fat_suppressed=False)
GRID = Grid((0.0, 0.0, 0.0), (1.1, 1.1, 1.0), (16, 40, 40))


def halves(left: Tissue, right: Tissue, grid: Grid = GRID) -> TissueMaps:
    labels = np.full(grid.shape, left, np.uint8)
    labels[:, :, grid.shape[2] // 2 :] = right
    return tissue_maps(grid, labels.ravel(), None, bpe=1.0)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def noise_of(array: np.ndarray) -> np.ndarray:
    return array.astype(float) - array.mean()


def test_the_protocol_has_every_series_on_its_own_grid():
    found = scanner.scan(halves(Tissue.FAT, Tissue.GLAND), STILL, rng(), phases=2)
    shapes = {name: (array.dtype.name, array.shape) for name, (array, _) in found.items()}
    assert shapes == {
        "t1wi": ("uint16", (3, 40, 40)),
        "t2wi": ("uint16", (3, 40, 40)),
        "dwi_b0": ("uint16", (3, 20, 20)),
        "dwi_b800": ("uint16", (3, 20, 20)),
        "dce_1": ("uint16", (8, 40, 40)),
        "dce_2": ("uint16", (8, 40, 40)),
    }
    steps = {
        name: np.abs(matrix[:3, :3]).max(axis=0).round(3).tolist() for name, (_, matrix) in found.items()
    }
    assert steps["t1wi"] == [5.0, 1.1, 1.1] and steps["dwi_b0"] == [5.0, 2.2, 2.2]
    assert steps["dce_1"] == [2.0, 1.1, 1.1]


def test_slices_lie_in_the_middle_of_their_thickness_and_pixels_in_the_middle_of_theirs():
    found = scanner.scan(halves(Tissue.FAT, Tissue.FAT), STILL, rng(), phases=1)
    assert found["t1wi"][1][:3, 3].tolist() == pytest.approx([0.0, 0.0, 1.5])
    assert found["dwi_b0"][1][:3, 3].tolist() == pytest.approx([0.55, 0.55, 1.5])
    assert found["dce_1"][1][:3, 3].tolist() == pytest.approx([0.0, 0.0, 0.5])


@pytest.mark.parametrize(
    ("name", "repetition_ms", "echo_ms"), [("t1wi", 450.0, 10.0), ("t2wi", 4000.0, 85.0)]
)
def test_stored_contrast_is_the_formulas(name, repetition_ms, echo_ms):
    array = scanner.scan(halves(Tissue.FAT, Tissue.GLAND), STILL, rng(), phases=1)[name][0]
    expected = [
        p.density * (1 - exp(-repetition_ms / p.t1_ms)) * exp(-echo_ms / p.t2_ms)
        for p in (MAGNETIC[Tissue.FAT], MAGNETIC[Tissue.GLAND])
    ]
    measured = array[:, :, 4:14].mean(), array[:, :, 26:36].mean()
    assert measured[0] / measured[1] == pytest.approx(expected[0] / expected[1], rel=0.01)


def test_fat_suppression_takes_the_fat_and_leaves_the_gland():
    maps = halves(Tissue.FAT, Tissue.GLAND)
    full = scanner.scan(maps, STILL, rng(), phases=1)["t2wi"][0]
    less = scanner.scan(maps, replace(STILL, t2_fat_suppressed=True), rng(), phases=1)["t2wi"][0]
    assert less[:, :, 4:14].mean() / full[:, :, 4:14].mean() == pytest.approx(0.15, abs=0.01)
    assert less[:, :, 26:36].mean() == pytest.approx(full[:, :, 26:36].mean(), rel=0.01)


def test_noise_in_air_is_rayleigh_distributed_and_grows_where_the_coil_is_evened_out():
    maps = halves(Tissue.AIR, Tissue.AIR)
    found = scanner.scan(maps, STILL, rng(), phases=1)
    sigma = scanner.SPIN_ECHO.noise * scanner.COUNTS * FLAT.evening(GRID)[4:-4, 0]
    lines = found["t1wi"][0][:, 4:-4, 4:-4]
    assert (lines.mean(axis=(0, 2)) / sigma).mean() == pytest.approx(sqrt(pi / 2), rel=0.05)
    assert (lines.std(axis=(0, 2)) / sigma).mean() == pytest.approx(sqrt(2 - pi / 2), rel=0.1)
    received = found["dwi_b800"][0][:, 2:-2, 2:-2].mean()
    assert received == pytest.approx(scanner.ECHO_PLANAR.noise * scanner.COUNTS * sqrt(pi / 2), rel=0.1)


def test_noise_on_tissue_has_its_sd_and_is_correlated_with_its_neighbour_but_not_far_away():
    array = scanner.scan(halves(Tissue.FAT, Tissue.FAT), STILL, rng(), phases=1)["t1wi"][0]
    noise = noise_of(array[:, 6:-6, 6:-6]) / FLAT.evening(GRID)[6:-6]
    assert noise.std() == pytest.approx(scanner.SPIN_ECHO.noise * scanner.COUNTS, rel=0.1)
    along = [np.mean(noise[:, :, :-lag] * noise[:, :, lag:]) / noise.var() for lag in (1, 4)]
    assert 0.2 < along[0] < 0.5
    assert abs(along[1]) < 0.1


def test_an_edge_is_blurred_over_about_two_pixels():
    array = scanner.scan(halves(Tissue.AIR, Tissue.FAT), STILL, rng(), phases=1)["t1wi"][0]
    profile = array.mean(axis=(0, 1)) / array[:, :, 30:].mean()
    assert profile[17] < 0.05 and profile[22] > 0.95
    assert 0.05 < profile[19] < 0.3 and 0.7 < profile[20] < 0.95


def test_a_shift_moves_the_image_by_millimetres():
    window = scanner.window_matrix(60, 0.9, 0.75, shift_px=0.5)
    line = np.exp(-(((np.arange(60) - 30.0) / 4.0) ** 2)).astype(np.float32)
    moved = np.exp(-(((np.arange(60) - 30.5) / 4.0) ** 2))
    assert window @ line == pytest.approx(moved, abs=0.04)
    assert window.sum(axis=1) == pytest.approx(np.ones(60), abs=1e-5)


def test_distortion_moves_what_lies_at_y_to_y_plus_d_and_keeps_the_total():
    y = np.arange(120, dtype=np.float32)
    shift = np.broadcast_to(3.0 * np.sin(y / 20.0)[None, :, None], (1, 120, 1)).astype(np.float32)
    blob = np.exp(-(((y - 50.0) / 4.0) ** 2))[None, :, None].astype(np.float32)
    seen = scanner.displaced(blob, shift, 1.0)[0, :, 0]
    assert (seen * y).sum() / seen.sum() == pytest.approx(50.0 + 3.0 * np.sin(2.5), abs=0.2)
    assert seen.sum() == pytest.approx(blob.sum(), rel=0.02)


def test_blood_smears_along_the_rows_that_it_lies_in_and_nowhere_else():
    grid = Grid((-60.0, 0.0, 0.0), (2.0, 2.0, 1.0), (4, 40, 60))
    labels = np.zeros(grid.shape, np.uint8)
    labels[:, 15:25, 10:25] = Tissue.BLOOD
    array = scanner.scan(tissue_maps(grid, labels.ravel(), None, 1.0), STILL, rng(), phases=1)["t1wi"][0]
    assert array[0, 16:24, 40:].mean() > 4 * array[0, 30:, 40:].mean()


def test_a_crop_and_the_whole_volume_agree_but_for_noise():
    exam = make_exam(rng(5))
    whole = Grid((20.0, -20.0, -20.0), (1.1, 1.1, 1.0), (60, 70, 70))
    crop = Grid((20.0 + 16 * 1.1, -20.0 + 16 * 1.1, -20.0 + 20), (1.1, 1.1, 1.0), (20, 40, 40))

    def stripes(grid: Grid) -> TissueMaps:
        x, y, z = grid.points().T
        fat = np.sin(x / 4) * np.sin(y / 5) * np.cos(z / 6) > 0
        labels = np.where(fat, Tissue.FAT, Tissue.GLAND).astype(np.uint8)
        return tissue_maps(grid, labels, None, 1.0)

    shift = {"t1wi": (4, 16), "dwi_b800": (4, 8), "dce_2": (10, 16)}
    one = scanner.scan(stripes(whole), exam, rng(1), phases=2)
    other = scanner.scan(stripes(crop), exam, rng(2), phases=2)
    for name, (slices, pixels) in shift.items():
        small = other[name][0].astype(float)
        big = one[name][0][slices : slices + len(small), pixels:, pixels:]
        big = big[:, : small.shape[1], : small.shape[2]].astype(float)
        middle = np.s_[:, 6:-6, 6:-6]
        difference = (small - big)[middle] / scanner.COUNTS
        noise = {"t1wi": scanner.SPIN_ECHO, "dwi_b800": scanner.ECHO_PLANAR, "dce_2": scanner.GRADIENT_ECHO}
        assert difference.std() < 1.7 * noise[name].noise * exam.coil.evening(whole).mean(), name


def test_any_number_of_threads_gives_the_same_images():
    maps, exam = halves(Tissue.FAT, Tissue.GLAND), make_exam(rng(1))
    one, two = (scanner.scan(maps, exam, rng(9), phases=2, threads=n) for n in (1, 2))
    assert all(np.array_equal(one[name][0], two[name][0]) for name in one)
