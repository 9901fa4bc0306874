"""Augmentation: what two pictures of one lesion may differ in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from model_training.augment import BLACK, Variation, shadow, speckle
from model_training.recipe import Augmentation

STILL = Augmentation(mirror=False, us_contrast=0, us_gain=0, mri_gain=0)


def drawn(how, count, side, seed=0, channels=4):
    return Variation.drawn(how, count, (channels, side, side), np.random.default_rng(seed))


def test_mirroring_turns_both_modalities_alike_and_never_upside_down():
    us = torch.zeros(20, 1, 6, 6)
    us[:, :, 1, 1] = 1
    strays = drawn(Augmentation(us_gain=0), 20, 6)
    own, other = strays.us(us), strays.mri(us.repeat(1, 4, 1, 1))
    places = {tuple(np.unravel_index(int(one.argmax()), (6, 6))) for one in own}
    assert places == {(1, 1), (1, 4)}
    assert all(one[0].argmax() == two[2].argmax() for one, two in zip(own, other, strict=True))


def test_nothing_asked_changes_nothing():
    us, mri = torch.from_numpy(np.random.default_rng(1).normal(size=(2, 3, 1, 8, 8)).astype(np.float32))
    strays = drawn(STILL, 3, 8, channels=1)
    assert torch.equal(strays.us(us), us) and torch.equal(strays.mri(mri), mri)
    assert torch.equal(strays.moved(us), us)


def test_what_moves_moves_in_both_images_and_in_the_outline_alike():
    down, right = np.mgrid[-1:1:32j, -1:1:32j]
    blob = torch.from_numpy(np.exp(-((right - 0.2) ** 2 + (down + 0.1) ** 2) / 0.05)).float()
    blobs = blob.expand(20, 1, 32, 32)
    how = replace(STILL, mirror=True, turn_deg=10, zoom=0.15, stretch=0.1, shift=0.05)
    strays = drawn(how, 20, 32)
    us, mri, outline = strays.us(blobs), strays.mri(blobs.repeat(1, 4, 1, 1)), strays.moved(blobs)
    assert torch.equal(us, outline) and torch.equal(us[:, 0], mri[:, 2])
    places = [np.unravel_index(int(one.argmax()), (32, 32)) for one in us]
    assert len(set(places)) > 10
    assert all(8 < row < 20 for row, _ in places)  # a little up or down, and never upside down


def test_a_turn_keeps_the_middle_and_a_zoom_brings_it_nearer():
    cross = torch.zeros(30, 1, 33, 33)
    cross[:, 0, 16, 10:23] = 1
    turned = drawn(replace(STILL, turn_deg=30), 30, 33).us(cross)[:, 0]
    assert turned[:, 16, 16].numpy() == pytest.approx(1, abs=0.01) and turned[:, 16, 11].min() < 0.5
    widths = drawn(replace(STILL, zoom=0.2), 30, 33).us(cross).sum(dim=(1, 2, 3)).round()
    assert widths.min() < 12 and widths.max() > 14


def test_what_lies_beyond_the_border_is_its_mirror_image():
    edge = torch.zeros(40, 1, 16, 16)
    edge[:, :, :, 0] = 1
    shifted = drawn(replace(STILL, shift=0.1), 40, 16).us(edge)
    assert shifted.sum(dim=(1, 2, 3)).max() > 30  # shifted inwards, its column is there twice
    assert torch.allclose(
        drawn(replace(STILL, shift=0.1), 9, 16).us(torch.ones(9, 1, 16, 16)), torch.tensor(1.0)
    )


def test_one_seed_gives_one_picture_and_a_part_of_a_batch_the_same_ones():
    how = Augmentation(speckle=0.2, shadow=1, shadow_share=1, mri_noise=0.1, turn_deg=5)
    us, mri = torch.zeros(3, 1, 16, 16), torch.ones(3, 4, 16, 16)
    first, again, other = (drawn(how, 3, 16, seed) for seed in (3, 3, 4))
    assert torch.equal(first.us(us), again.us(us)) and torch.equal(first.mri(mri), again.mri(mri))
    assert not torch.equal(first.us(us), other.us(us))
    assert torch.equal(first.of(slice(1, 3)).us(us[1:]), first.us(us)[1:])
    assert torch.equal(first.of(np.array([0, 2])).mri(mri[[0, 2]]), first.mri(mri)[[0, 2]])


def test_contrast_and_gain_stay_within_what_is_asked():
    pictures = torch.tensor([0.0, 1.0]).expand(200, 1, 1, 2)
    made = drawn(Augmentation(us_contrast=0.1, us_gain=0.3), 200, 2).us(pictures)[:, 0, 0].numpy()
    made = np.sort(made, axis=1)  # mirrored ones too
    gain, contrast = made[:, 0], np.ptp(made, axis=1)
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


def test_a_share_of_the_pictures_has_a_shadow_that_is_never_blacker_than_black():
    how = replace(STILL, shadow=50, shadow_share=0.3)
    made = drawn(how, 100, 30).us(torch.zeros(100, 1, 30, 30))
    assert made.min() == pytest.approx(BLACK)
    assert 0.1 < (made.amin(dim=(1, 2, 3)) < 0).float().mean() < 0.5
    darker = drawn(how, 100, 30).us(torch.full((100, 1, 30, 30), BLACK - 1))
    assert torch.equal(darker, torch.full_like(darker, BLACK - 1)), "what is blacker yet stays as it is"


def test_each_mri_channel_has_a_gain_of_its_own():
    made = drawn(Augmentation(mri_gain=0.2), 1, 5).mri(torch.ones(1, 4, 5, 5))[0]
    gains = made.mean(dim=(1, 2))
    assert len(set(gains.tolist())) == 4 and (abs(gains - 1) <= 0.2 + 1e-6).all()
    assert (made.amax(dim=(1, 2)) - made.amin(dim=(1, 2))).max() < 1e-6
