"""Augmentation: what two pictures of one lesion may differ in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from model_training.augment import BLACK, augmented, shadow, speckle, varied_mri, varied_us
from model_training.recipe import Augmentation

STILL = Augmentation(mirror=False, us_contrast=0, us_gain=0, mri_gain=0)


def test_mirroring_turns_both_modalities_alike_and_never_upside_down():
    us = np.zeros((1, 6, 6), np.float32)
    us[:, 1, 1] = 1
    mri = np.repeat(us, 4, axis=0)
    places = set()
    for seed in range(20):
        own, other, _ = augmented(us, mri, Augmentation(us_gain=0), np.random.default_rng(seed))
        place = np.unravel_index(own[0].argmax(), (6, 6))
        assert place == np.unravel_index(other[2].argmax(), (6, 6))
        places.add((int(place[0]), int(place[1])))
    assert places == {(1, 1), (1, 4)}


def test_nothing_asked_changes_nothing():
    us, mri = np.random.default_rng(1).normal(size=(2, 1, 8, 8)).astype(np.float32)
    own, other, outline = augmented(us, mri, STILL, np.random.default_rng(0), us > 0)
    assert np.array_equal(own, us) and np.array_equal(other, mri) and np.array_equal(outline, us > 0)


def test_what_moves_moves_in_both_images_and_in_the_outline_alike():
    down, right = np.mgrid[-1:1:32j, -1:1:32j]
    blob = np.exp(-((right - 0.2) ** 2 + (down + 0.1) ** 2) / 0.05)[None]
    how = replace(STILL, mirror=True, turn_deg=10, zoom=0.15, stretch=0.1, shift=0.05)
    places = []
    for seed in range(20):
        given = (blob, np.repeat(blob, 4, axis=0), how, np.random.default_rng(seed), blob)
        us, mri, outline = augmented(*given)
        assert np.array_equal(us, outline) and np.array_equal(us[0], mri[2])
        places.append(np.unravel_index(us[0].argmax(), us[0].shape))
    assert len(set(places)) > 10
    assert all(8 < row < 20 for row, _ in places)  # a little up or down, and never upside down


def test_a_turn_keeps_the_middle_and_a_zoom_brings_it_nearer():
    cross = np.zeros((1, 33, 33))
    cross[0, 16, 10:23] = 1
    turned = augmented(cross, cross, replace(STILL, turn_deg=30), np.random.default_rng(0))[0][0]
    assert turned[16, 16] == pytest.approx(1, abs=0.01) and turned[16, 11] < 0.5
    widths = {
        round(float(augmented(cross, cross, replace(STILL, zoom=0.2), np.random.default_rng(s))[0].sum()))
        for s in range(30)
    }
    assert min(widths) < 12 and max(widths) > 14


def test_one_seed_gives_one_picture():
    how = Augmentation(speckle=0.2, shadow=1, shadow_share=1, mri_noise=0.1)
    us, mri = np.zeros((1, 16, 16)), np.ones((4, 16, 16))
    first, again, other = (augmented(us, mri, how, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(first[0], again[0]) and np.array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])


def test_contrast_and_gain_stay_within_what_is_asked():
    how = Augmentation(us_contrast=0.1, us_gain=0.3)
    made = [varied_us(np.array([[[0.0, 1.0]]]), how, np.random.default_rng(s))[0, 0] for s in range(200)]
    gain, contrast = np.array(made)[:, 0], np.ptp(np.array(made), axis=1)
    assert [gain.min(), gain.max()] == pytest.approx([-0.3, 0.3], abs=0.02)
    assert [contrast.min(), contrast.max()] == pytest.approx([0.9, 1.1], abs=0.01)


def test_speckle_has_grains_larger_than_a_pixel_and_the_spread_that_is_asked_for():
    grains = speckle((200, 200), np.random.default_rng(0))
    assert grains.std() == pytest.approx(1)
    assert np.corrcoef(grains[:, 1:].ravel(), grains[:, :-1].ravel())[0, 1] > 0.5
    assert abs(np.corrcoef(grains[:, 8:].ravel(), grains[:, :-8].ravel())[0, 1]) < 0.05


def test_a_shadow_is_a_stripe_that_falls_to_the_bottom():
    for seed in range(20):
        dark = shadow((60, 60), np.random.default_rng(seed))
        assert dark.max() <= 1 and dark[-1].max() > 0.9
        assert (np.diff(dark, axis=0) >= 0).all()  # deeper is never brighter
        assert not dark[:12].any()  # nothing near the probe
        assert (dark[-1] > 0.5).mean() < 0.4


def test_a_shadow_is_never_blacker_than_black():
    how = Augmentation(us_contrast=0, us_gain=0, shadow=50, shadow_share=1)
    assert varied_us(np.zeros((1, 30, 30)), how, np.random.default_rng(0)).min() == pytest.approx(BLACK)


def test_each_mri_channel_has_a_gain_of_its_own():
    made = varied_mri(np.ones((4, 5, 5)), Augmentation(mri_gain=0.2), np.random.default_rng(0))
    gains = made.mean(axis=(1, 2))
    assert len(set(gains.round(6))) == 4 and (abs(gains - 1) <= 0.2).all()
    assert np.ptp(made, axis=(1, 2)).max() == 0
