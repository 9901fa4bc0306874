"""The exact Grad-CAM from one backward pass through the head, beside the `grad-cam` package."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pytorch_grad_cam import GradCAM, HiResCAM
from pytorch_grad_cam.utils.image import scale_cam_image
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from breastview.fusion.explain import MALIGNANT, grad_cam
from breastview.fusion.network import FusionNetwork
from breastview.fusion.spec import NetworkSpec
from tests.fusion.examples import network

GATED = NetworkSpec(trunk="cnn", fusion="gate")
INPUTS = {
    "us": torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(1)),
    "mri": torch.randn(1, 8, 64, 64, generator=torch.Generator().manual_seed(2)),
}


class OneInput(torch.nn.Module):
    """The network as a function of one modality, the other held fixed: what the library can look at."""

    def __init__(self, net: FusionNetwork, modality: str, held: dict[str, torch.Tensor], score: str) -> None:
        super().__init__()
        self.net, self.modality, self.held, self.score = net, modality, held, score

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = {**self.held, self.modality: self.net.trunk(self.modality, x)}
        return self.net.head(dict(sorted(maps.items(), reverse=True)))[self.score]


def maps_of(net):
    with torch.no_grad():
        return {name: net.trunk(name, x) for name, x in INPUTS.items()}


def by_library(net, modality, score, method=GradCAM):
    """The library's raw maps (h, w) before ReLU, one for each time that the trunk looked, and what it shows,
    (64, 64) stretched to 0…1."""
    held = {name: x for name, x in maps_of(net).items() if name != modality}
    layer = net.trunks[modality][-1]
    targets = [ClassifierOutputTarget(MALIGNANT)]
    with method(OneInput(net, modality, held, score), [layer]) as library:
        shown = library(INPUTS[modality], targets)[0]
        kept = library.activations_and_grads
        looks = zip(kept.activations, kept.gradients, strict=True)
        raws = [
            library.get_cam_image(INPUTS[modality], layer, targets, maps.numpy(), gradient.numpy(), False)[0]
            for maps, gradient in looks
        ]
    return raws, shown


def stretched(image: np.ndarray) -> np.ndarray:
    return (image - image.min()) / np.ptp(image)


@pytest.mark.parametrize("modality", ["us", "mri"])
@pytest.mark.parametrize(
    "spec", [NetworkSpec(trunk="cnn", shared=False), GATED], ids=["separate", "shared, gated"]
)
def test_it_is_the_librarys_grad_cam(spec, modality):
    net = network(3, spec)
    ours = grad_cam(net.head, maps_of(net))[modality].numpy()
    (raw,), shown = by_library(net, modality, "fused")
    assert ours.max() > 0
    assert ours == pytest.approx(np.maximum(raw, 0), rel=1e-3, abs=1e-4 * float(ours.max()))
    large = scale_cam_image(ours[None], (64, 64))[0]
    assert stretched(large) == pytest.approx(stretched(shown), abs=1e-5)


def test_of_places_it_is_the_librarys_hirescam():
    net = network(3, NetworkSpec(trunk="resnet50_places"))
    ours = grad_cam(net.head, maps_of(net), "us")["us"].numpy()
    (raw, mirrored), _ = by_library(net, "us", "us", HiResCAM)
    both = raw + mirrored[:, ::-1]
    assert ours.max() > 0
    assert ours == pytest.approx(np.maximum(both, 0), rel=1e-3, abs=1e-4 * float(ours.max()))


def test_a_single_head_is_explained_by_its_own_modality_alone():
    net = network(3)
    cams = grad_cam(net.head, maps_of(net), "mri")
    (raw,), _ = by_library(net, "mri", "mri")
    assert set(cams) == {"mri"}
    assert cams["mri"].numpy() == pytest.approx(np.maximum(raw, 0), rel=1e-3, abs=1e-6)


def test_the_maps_add_up_to_the_logit():
    net = network(3, NetworkSpec(trunk="cnn"))
    maps = {name: x.abs() for name, x in maps_of(net).items()}
    net.head.fused.weight.data.abs_()
    cams = grad_cam(net.head, maps)
    with torch.no_grad():
        logit = net.head(maps)["fused"][0, MALIGNANT] - net.head.fused.bias[MALIGNANT]
    assert sum(float(cam.sum()) for cam in cams.values()) == pytest.approx(float(logit), rel=1e-4)


def test_evidence_against_malignancy_stays_blank():
    net = network(3)
    net.head.fused.weight.data[MALIGNANT] = -1.0
    maps = {name: x.abs() for name, x in maps_of(net).items()}
    assert all(float(cam.max()) == 0 for cam in grad_cam(net.head, maps).values())


def test_no_gradient_and_no_hook_is_left_behind():
    net = network(3).requires_grad_(False)
    maps = maps_of(net)
    with torch.no_grad():
        cams = grad_cam(net.head, maps)
    assert not any(cam.requires_grad for cam in cams.values())
    assert not any(x.requires_grad or x.grad is not None for x in maps.values())
    assert all(p.grad is None for p in net.parameters())
    assert not any(m._forward_hooks or m._backward_hooks for m in net.modules())


def test_strong_evidence_gives_a_higher_map_than_weak():
    net = network(3)
    maps = maps_of(net)
    weak, strong = (grad_cam(net.head, {n: x * k for n, x in maps.items()}) for k in (0.1, 1.0))
    assert float(weak["us"].max()) == pytest.approx(0.1 * float(strong["us"].max()), rel=1e-4)
