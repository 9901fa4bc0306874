"""One exam: a crop and the whole volume see the same coil, field and motion."""

from __future__ import annotations

import numpy as np
import pytest

from breastview.phantom.exam import FAT_LEFT, FIRST_PHASE, make_exam
from breastview.phantom.maps import Grid

EXAM = make_exam(np.random.default_rng(3))
STEP = (4.0, 4.0, 4.0)
WHOLE = Grid((-160.0, -48.0, -60.0), STEP, (30, 55, 80))
CROP = Grid((-160.0 + 40.0, -48.0 + 20.0, -60.0 + 12.0), STEP, (10, 12, 14))
INSIDE = (slice(3, 13), slice(5, 17), slice(10, 24))


@pytest.mark.parametrize("of", [EXAM.coil.on, EXAM.field.on, EXAM.fat_left])
def test_a_crop_sees_what_the_whole_volume_sees(of):
    assert of(CROP) == pytest.approx(of(WHOLE)[INSIDE], rel=1e-4, abs=1e-4)


def test_the_coil_is_even_in_the_breast_and_falls_off_behind_the_chest_wall():
    middle = EXAM.coil.on(Grid((-2.0, -20.0, 0.0), (1.0, 20.0, 1.0), (1, 11, 5)))[0].mean(axis=1)
    breast = EXAM.coil.on(Grid((60.0, -20.0, 0.0), (5.0, 10.0, 1.0), (1, 8, 8)))
    assert np.ptp(breast) / breast.mean() < 0.5
    assert middle[6] / middle[2:4].mean() == pytest.approx(0.35, abs=0.12)  # 100 mm, behind the sternum
    assert (np.diff(middle[4:]) < 0).all()


def test_evening_out_lifts_what_lies_behind():
    line = Grid((75.0, -20.0, 0.0), (1.0, 80.0, 1.0), (1, 2, 1))
    lifted = EXAM.coil.evening(line)[:, 0]
    assert lifted[1] / lifted[0] == pytest.approx(np.exp(80 / 75), rel=1e-5)
    behind = EXAM.coil.evening(Grid((75.0, 100.0, 0.0), (1.0, 40.0, 1.0), (1, 2, 1)))[:, 0]
    assert behind[0] == behind[1]


def test_the_field_displaces_by_about_a_millimetre_and_never_folds():
    found = [make_exam(np.random.default_rng(seed)).field.on(WHOLE) for seed in range(12)]
    assert 0.7 < np.mean([field.std() for field in found]) < 1.8
    assert max(np.abs(np.gradient(field, 4.0, axis=1)).max() for field in found) < 0.5


def test_fat_suppression_fails_only_where_the_field_is_far_off():
    left, field = EXAM.fat_left(WHOLE), np.abs(EXAM.field.on(WHOLE))
    assert np.all(left[field < 2.5] == np.float32(FAT_LEFT))
    assert np.all((left >= np.float32(FAT_LEFT)) & (left <= 1))


def test_phases_move_by_less_than_a_millimetre_as_a_rule():
    moved = np.concatenate([make_exam(np.random.default_rng(s)).shifts_mm[FIRST_PHASE:] for s in range(60)])
    distance = np.linalg.norm(moved, axis=1)
    assert np.median(distance) < 0.4
    assert 0.0 < (distance > 1.0).mean() < 0.15
