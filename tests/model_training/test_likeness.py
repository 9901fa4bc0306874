"""Crops that are unlike the measured ones are doubted: noise, black, inverted; right ones seldom are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from breastview.fusion.network import FusionNetwork
from breastview.fusion.spec import NetworkSpec
from model_training.cohort.samples import load_cohort
from model_training.likeness import FALSE_FLAGS, LEAST_CASES, fit_likeness, fitted, unlike_metrics
from tests.model_training.cohorts import write_cohort

SIDE_PX, CASES = 32, 120


def tissue(samples, seed):
    """Smooth pictures with a dark middle on US and a bright one in MRI, in place of noise."""
    rng = np.random.default_rng(seed)

    def smooth(shape, middle):
        images = ndimage.gaussian_filter(rng.normal(size=shape), (0,) * (len(shape) - 2) + (2, 2)) * 4
        images[..., 10:22, 10:22] += middle
        return images.astype(np.float16)

    return replace(samples, us=smooth(samples.us.shape, -2.0), mri=smooth(samples.mri.shape, 2.0))


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    folder = write_cohort(tmp_path_factory.mktemp("c"), CASES, SIDE_PX)
    return [tissue(load_cohort(folder, name), k) for k, name in enumerate(("validation", "test"))]


@pytest.fixture(scope="module")
def fit(parts):
    torch.manual_seed(0)
    net = FusionNetwork(NetworkSpec(trunk="cnn")).eval()
    found = fit_likeness(net, parts[0], SIDE_PX)
    net.likeness = found.networks
    return net, found.thresholds


def doubted(fit, samples):
    return {name: metric.value for name, metric in unlike_metrics(*fit, samples, SIDE_PX).items()}


def test_few_of_other_right_crops_are_doubted_with_n_and_interval(parts, fit):
    for metric in unlike_metrics(*fit, parts[1], SIDE_PX).values():
        assert metric.value <= 3 * FALSE_FLAGS and metric.n == CASES
        assert metric.low <= metric.value <= metric.high


@pytest.mark.parametrize("wrong", ["noise", "black", "inverted"])
def test_crops_of_something_else_are_doubted_far_more_often(parts, fit, wrong):
    rng, test = np.random.default_rng(5), parts[1]

    def other(images):
        made = {"noise": rng.normal(size=images.shape), "black": 0 * images - 1.25, "inverted": -images}
        return made[wrong].astype(np.float16)

    found = doubted(fit, replace(test, us=other(test.us), mri=other(test.mri)))
    assert min(found["us"], found["mri"]) >= 0.9


def test_the_modalities_are_doubted_each_for_itself(parts, fit):
    right, found = doubted(fit, parts[1]), doubted(fit, replace(parts[1], us=-parts[1].us))
    assert found["mri"] == right["mri"] and found["us"] > 0.9


def test_cases_without_mri_are_left_out(parts, fit):
    some = parts[1].channels & (np.arange(CASES) < 70)[:, None]
    assert unlike_metrics(*fit, replace(parts[1], channels=some), SIDE_PX)["mri"].n == 70
    few = parts[0].channels & (np.arange(CASES) < LEAST_CASES - 1)[:, None]
    assert set(fit_likeness(fit[0], replace(parts[0], channels=few), SIDE_PX).thresholds) == {"us"}


def test_a_patient_is_held_out_whole():
    torch.manual_seed(0)
    alike = torch.randn(20, 64).repeat_interleave(5, dim=0) + 0.01 * torch.randn(100, 64)
    patients = np.repeat(np.arange(20), 5)
    by_patient, by_lesion = fitted(alike, patients)[0], fitted(alike, np.arange(100))[0]
    assert by_patient.usual[1] > 10 * by_lesion.usual[1]


def test_a_feature_that_never_changed_does_not_decide():
    torch.manual_seed(0)
    textures = torch.randn(100, 64)
    textures[:, 0] = 3.0
    assert torch.isfinite(fitted(textures, np.arange(100))[0](textures)).all()
