"""Weights to start from: ImageNet's on other stems, and no start that is not told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torchvision
from torchvision import transforms

from breastview.fusion.bundle import load_bundle, save_bundle
from breastview.fusion.network import FusionNetwork
from breastview.fusion.spec import CHANNELS, InputSpec, NetworkSpec
from model_training.initial import IMAGENET_SCALE, RANDOM, StartError, initial, stem

RESNET = NetworkSpec(trunk="resnet50", shared=False, dilated=False)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(1)
    file = tmp_path_factory.mktemp("weights") / "resnet50.pth"
    torch.save(torchvision.models.resnet50(weights=None).state_dict(), file)
    return file


def test_both_trunks_hold_the_weights_of_the_file_and_their_origin_is_told(weights):
    net, origin = initial(RESNET, imagenet=str(weights))
    assert origin == "ImageNet (resnet50.pth)"
    state = torch.load(weights, weights_only=True)
    for modality in ("us", "mri"):
        trunk = net.trunks[modality].state_dict()
        assert torch.equal(trunk["6.2.conv1.weight"], state["layer3.2.conv1.weight"])
        assert torch.equal(trunk["1.running_var"], state["bn1.running_var"])


def test_a_resnet_101_begins_as_the_resnet_50_of_the_file(weights):
    network = replace(RESNET, trunk="resnet101", modalities=("us",))
    net, origin = initial(network, imagenet=str(weights))
    shallow, _ = initial(replace(RESNET, modalities=("us",)), imagenet=str(weights))
    assert origin == "ImageNet (resnet50.pth, a ResNet-50 made deeper)"
    image = torch.randn(2, 1, 64, 64)
    with torch.inference_mode():
        assert torch.equal(net.eval().trunk("us", image), shallow.eval().trunk("us", image))
    added = net.trunks["us"].get_submodule("6.22.bn3")
    net.train().trunk("us", image).sum().backward()
    assert added.weight.grad.abs().sum() > 0  # and learns


def test_a_trunk_that_is_read_by_places_is_the_resnet_of_the_file_up_to_its_third_stage(weights):
    net, _ = initial(replace(RESNET, trunk="resnet50_places", modalities=("us",)), imagenet=str(weights))
    whole, _ = initial(replace(RESNET, modalities=("us",)), imagenet=str(weights))
    image = torch.randn(2, 1, 64, 64)
    with torch.inference_mode():
        maps = net.eval().trunk("us", image)
        assert maps.shape == (2, 1024, 4, 4)
        assert torch.equal(net.trunks["us"](image), whole.eval().trunks["us"][:-1](image))


def test_us_gives_what_the_same_picture_gave_as_a_grey_photograph(weights):
    trunk = initial(replace(RESNET, modalities=("us",)), imagenet=str(weights))[0].trunks["us"].eval()
    whole = torchvision.models.resnet50(weights=None).eval()
    whole.load_state_dict(torch.load(weights, weights_only=True))
    grey, inputs = torch.rand(1, 1, 40, 40), InputSpec()
    photograph = transforms.Normalize(*IMAGENET_SCALE)(grey.expand(-1, 3, -1, -1))
    with torch.inference_mode():
        wanted = whole.bn1(whole.conv1(photograph))
        given = trunk[:2]((grey - inputs.us_mean) / inputs.us_std)
    assert torch.allclose(given[..., 2:-2, 2:-2], wanted[..., 2:-2, 2:-2], atol=1e-4)  # borders: other black


def test_alike_channels_give_what_a_grey_rgb_picture_gave():
    rgb, grey = torch.randn(4, 3, 7, 7), torch.randn(1, 1, 9, 9)
    wanted = torch.conv2d(grey.repeat(1, 3, 1, 1), rgb)
    for channels in (1, 8):
        assert np.allclose(
            torch.conv2d(grey.repeat(1, channels, 1, 1), stem(rgb, channels)), wanted, atol=1e-4
        )


def test_random_weights_are_called_so():
    assert initial(NetworkSpec(trunk="cnn"))[1] == RANDOM == "random weights"


@pytest.mark.parametrize(
    ("network", "content", "told"),
    [
        (NetworkSpec(trunk="cnn"), None, "no ImageNet weights for the trunk cnn"),
        (RESNET, None, "cannot be read"),
        (RESNET, b"nothing", "is no file of weights"),
        (
            RESNET,
            {"fc.weight": torch.zeros(2)},
            "does not hold torchvision's resnet50",
        ),
    ],
)
def test_weights_that_cannot_be_had_are_an_error_and_never_random(tmp_path, network, content, told):
    file = tmp_path / "own.pth"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        torch.save(content, file)
    with pytest.raises(StartError, match=told):
        initial(network, imagenet=str(file))


def test_a_bundle_of_another_network_is_refused(small_bundle, tmp_path):
    with pytest.raises(StartError, match=r"fusion is weighted, to be gate"):
        initial(NetworkSpec(trunk="cnn", fusion="gate"), start=small_bundle)
    with pytest.raises(StartError, match="not from both"):
        initial(NetworkSpec(trunk="cnn"), start=small_bundle, imagenet="download")


def test_a_bundle_that_checks_its_inputs_starts_a_network_that_does_not_yet(small_bundle, tmp_path):
    held = load_bundle(small_bundle, "cpu").spec
    checking = replace(held.network, checks_registration=True, checks_likeness=("us",))
    inputs = (np.zeros((1, channels, 32, 32), np.float32) for channels in (1, len(CHANNELS)))
    save_bundle(tmp_path / "checking", replace(held, network=checking), [FusionNetwork(checking)], *inputs)
    started, _ = initial(held.network, start=tmp_path / "checking")
    wanted = load_bundle(tmp_path / "checking", "cpu").network.state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in started.state_dict().items())


def test_a_trunk_for_us_without_mri_begins_as_that_of_us_and_falls_away_where_there_is_one_modality(
    small_bundle, tmp_path
):
    held = load_bundle(small_bundle, "cpu").spec
    network = replace(held.network, own_us_only=True, own_us_only_head=True)
    net, _ = initial(network, start=small_bundle)
    assert torch.equal(net.head.single["us_only"].weight, net.head.single["us"].weight)
    own, us = (net.trunks[name].state_dict() for name in ("us_only", "us"))
    assert all(torch.equal(value, us[name]) for name, value in own.items())
    assert net.trunks["us_only"][1] is not net.trunks["us"][1]
    torch.nn.init.normal_(net.trunks["us_only"][0].weight)
    inputs = (np.zeros((1, channels, 32, 32), np.float32) for channels in (1, len(CHANNELS)))
    save_bundle(tmp_path / "own", replace(held, network=network), [net], *inputs)
    again, _ = initial(network, start=tmp_path / "own")
    assert torch.equal(again.trunks["us_only"][0].weight, net.trunks["us_only"][0].weight)
    alone, _ = initial(replace(held.network, modalities=("us",), shared=True), start=tmp_path / "own")
    assert list(alone.trunks) == ["us"] and torch.equal(alone.trunks["us"][1].weight, us["1.weight"])
    with pytest.raises(StartError, match="own_us_only is True, to be False"):
        initial(held.network, start=tmp_path / "own")


def test_an_ensemble_starts_nothing(small_bundle, tmp_path):
    held = load_bundle(small_bundle, "cpu")
    inputs = (np.zeros((1, channels, 32, 32), np.float32) for channels in (1, len(CHANNELS)))
    save_bundle(tmp_path, held.spec, [held.network, FusionNetwork(held.spec.network)], *inputs)
    with pytest.raises(StartError, match="holds 2 networks: training starts from one"):
        initial(held.spec.network, start=tmp_path)


@pytest.mark.parametrize("fusion", ["weighted", "concatenation"])
@pytest.mark.parametrize(("modality", "place"), [("us", 0), ("mri", 1)])
def test_a_network_of_one_modality_starts_from_a_bundle_of_both(
    small_bundle, tmp_path, fusion, modality, place
):
    spec = load_bundle(small_bundle, "cpu").spec
    both = NetworkSpec("cnn", fusion=fusion)  # convolutions are shared
    full = FusionNetwork(both)
    torch.nn.init.normal_(full.head.prior)
    inputs = (np.zeros((1, channels, 32, 32), np.float32) for channels in (1, len(CHANNELS)))
    save_bundle(tmp_path, replace(spec, network=both), [full], *inputs)
    net, origin = initial(replace(both, modalities=(modality,)), start=tmp_path)
    assert origin.startswith(f"{modality} of TEST, untrained, weights ")
    wanted = full.trunks[modality].state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in net.trunks[modality].state_dict().items())
    assert torch.equal(net.head.single[modality].weight, full.head.single[modality].weight)
    assert torch.equal(net.head.prior, full.head.prior[[place]])
    parts = full.head.fused.weight.split(full.head.single[modality].in_features, dim=1)
    assert torch.equal(net.head.fused.weight, parts[place if net.head.concatenates else 0])
