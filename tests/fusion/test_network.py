"""The network: one split into trunks and head, weights that sum to one, what is absent masked."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from breastview.fusion.network import FusionNetwork, Head, modality_of, mri_tensor, pooled, side_by_side
from breastview.fusion.spec import TRUNKS, NetworkSpec, Trunk
from tests.fusion.examples import SPEC, network

US, MRI = torch.randn(3, 1, 32, 32), torch.randn(3, 8, 32, 32)
MAPS = {
    **dict.fromkeys(("resnet101", "resnet50"), (2048, 2, 2)),
    **dict.fromkeys(("resnet101_places", "resnet50_places"), (1024, 2, 2)),
    "cnn": (128, 2, 2),
}


def shapes_only(spec: NetworkSpec) -> FusionNetwork:
    """A network that computes shapes and no numbers: deep trunks are slow to make."""
    with torch.device("meta"):
        return FusionNetwork(spec)


@pytest.mark.parametrize("trunk", TRUNKS)
def test_every_trunk_stands_behind_one_interface(trunk):
    net = shapes_only(NetworkSpec(trunk=trunk))
    maps = {"us": net.trunk("us", US.to("meta")), "mri": net.trunk("mri", MRI.to("meta"))}
    assert {name: tuple(x.shape) for name, x in maps.items()} == {
        "us": (3, *MAPS[trunk]),
        "mri": (3, *MAPS[trunk]),
    }
    logits = net.head(maps)
    assert {name: tuple(x.shape) for name, x in logits.items()} == dict.fromkeys(
        ("fused", "us", "mri"), (3, 2)
    )


def test_trunks_and_head_are_the_whole_network():
    net = network()
    with torch.no_grad():
        split = net.head({"us": net.trunk("us", US), "mri": net.trunk("mri", MRI)})
        whole = net(US, MRI)
    assert all(torch.equal(split[name], whole[name]) for name in ("fused", "us", "mri"))


def test_resnet_101_is_the_papers():
    net = shapes_only(NetworkSpec(shared=False, dilated=False))
    for name, channels in (("us", 1), ("mri", 8)):
        stem, *_, stages = net.trunks[name][0], net.trunks[name][4:]
        assert (stem.in_channels, stem.kernel_size, stem.stride) == (channels, (7, 7), (2, 2))
        assert [len(stage) for stage in stages] == [3, 4, 23, 3]
    assert net.trunk("us", torch.zeros(2, 1, 224, 224, device="meta")).shape == (2, 2048, 7, 7)


def test_dilation_keeps_finer_maps():
    net = shapes_only(NetworkSpec(dilated=True))
    assert net.trunk("us", torch.zeros(2, 1, 224, 224, device="meta")).shape == (2, 2048, 14, 14)


def convolutions(net, modality):
    return [m.weight for m in net.trunks[modality].modules() if isinstance(m, torch.nn.Conv2d)]


def norms(net, modality):
    return [m.weight for m in net.trunks[modality].modules() if isinstance(m, torch.nn.BatchNorm2d)]


@pytest.mark.parametrize("trunk", TRUNKS)
def test_shared_trunks_share_every_convolution_but_the_stem(trunk):
    net = shapes_only(NetworkSpec(trunk=trunk, shared=True))
    pairs = list(zip(convolutions(net, "us"), convolutions(net, "mri"), strict=True))
    assert [own is other for own, other in pairs] == [False] + [True] * (len(pairs) - 1)
    assert all(a is not b for a, b in zip(norms(net, "us"), norms(net, "mri"), strict=True))


def test_shared_convolutions_stay_shared_through_a_training_step():
    net = network().train()
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    before = net.trunks["us"][4].weight.clone()
    net(US, None)["us"].square().sum().backward()
    optimiser.step()
    assert not torch.equal(before, net.trunks["us"][4].weight)
    assert torch.equal(net.trunks["mri"][4].weight, net.trunks["us"][4].weight)


@pytest.mark.parametrize("shared", [True, False])
def test_us_without_mri_has_a_stem_and_norms_of_its_own_where_asked_for(shared):
    plain = shapes_only(NetworkSpec("cnn", shared=shared))
    net = shapes_only(NetworkSpec("cnn", shared=shared, own_us_only=True))
    assert (plain.us_only, net.us_only) == ("us", "us_only") and "us_only" not in plain.trunks
    pairs = zip(convolutions(net, "us"), convolutions(net, "us_only"), strict=True)
    assert [own is other for own, other in pairs] == [False] + [True] * 4
    assert all(a is not b for a, b in zip(norms(net, "us"), norms(net, "us_only"), strict=True))
    assert modality_of("us_only") == "us" and modality_of("mri") == "mri"


def test_us_without_mri_has_a_trunk_that_shares_nothing_where_one_is_named():
    net = shapes_only(NetworkSpec("resnet50", own_us_only=True, us_only_trunk="resnet101"))
    assert len(convolutions(net, "us_only")) > len(convolutions(net, "us"))
    assert not {id(x) for x in convolutions(net, "us_only")} & {id(x) for x in convolutions(net, "us")}


def test_us_without_mri_is_classified_by_itself_where_asked_for_and_then_by_nothing_else():
    maps = torch.randn(3, 128, 2, 2)
    for apart in (False, True):
        net = FusionNetwork(NetworkSpec("cnn", own_us_only=True, own_us_only_head=apart))
        us, alone = net.head({"us": maps}), net.head({"us_only": maps})
        assert set(alone) == {"fused", "us"} and torch.equal(us["us"], alone["us"]) is not apart
        assert torch.equal(alone["fused"], alone["us"] if apart else us["fused"])


def test_separate_trunks_share_nothing():
    net = FusionNetwork(NetworkSpec(trunk="cnn", shared=False))
    own = {p.data_ptr() for p in net.trunks["us"].parameters()}
    assert own.isdisjoint(p.data_ptr() for p in net.trunks["mri"].parameters())


@pytest.mark.parametrize("fusion", ["weighted", "gate", "fixed"])
def test_weights_are_a_softmax_over_what_is_present(fusion):
    head = Head(Trunk(16), fusion)
    torch.nn.init.normal_(head.prior)
    pooled = {"us": torch.randn(5, 16), "mri": torch.randn(5, 16)}
    weights = head.weights(pooled)
    assert weights.shape == (5, 2)
    assert torch.allclose(weights.sum(dim=1), torch.ones(5))
    assert (weights > 0).all()
    assert bool((weights[0] == weights[1]).all()) is (fusion != "gate")
    assert torch.equal(head.weights({"mri": pooled["mri"]}), torch.ones(5, 1))


def test_the_fused_features_are_the_weighted_sum():
    head = Head(Trunk(16))
    head.prior.data = torch.tensor([0.0, 2.0]).log1p()  # weights 1 : 3
    maps = {"us": torch.randn(2, 16, 3, 3), "mri": torch.randn(2, 16, 3, 3)}
    fused = 0.25 * maps["us"].mean(dim=(2, 3)) + 0.75 * maps["mri"].mean(dim=(2, 3))
    assert torch.allclose(head(maps)["fused"], head.fused(fused), atol=1e-6)


def test_places_are_told_apart_but_left_from_right():
    maps = torch.zeros(1, 2, 10, 10)
    maps[0, 1, 0, 9] = 8.0  # at the upper right
    told = pooled(maps, 5)
    assert told.shape == (1, Trunk(2, places=5).told) and told.sum() == 1.0
    assert told.reshape(2, 5, 3)[1, 0, 0] == 1.0
    assert torch.equal(pooled(maps.flip(3), 5), told)
    assert not torch.equal(pooled(maps.flip(2), 5), told)


def test_places_of_two_views_are_their_mean():
    one, other = torch.randn(2, 1, 3, 6, 6).unbind(0)
    both = pooled(side_by_side(torch.cat([one, other])), 3)
    assert torch.allclose(both, (pooled(one, 3) + pooled(other, 3)) / 2, atol=1e-6)


def test_what_is_told_by_places_sees_a_picture_and_its_mirror_image_alike():
    net = FusionNetwork(NetworkSpec("resnet50_places", modalities=("us",), shared=False)).eval()
    picture = torch.randn(2, 1, 64, 64)
    with torch.inference_mode():
        maps, mirrored = net.trunk("us", picture), net.trunk("us", picture.flip(3))
        assert torch.equal(mirrored, maps.flip(3))
        alone = [net.trunks["us"](x) for x in (picture, picture.flip(3))]
        assert torch.allclose(maps, (alone[0] + alone[1].flip(3)) / 2, atol=1e-6)
        assert not torch.allclose(alone[0], maps, atol=1e-2)


def test_us_without_mri_may_be_read_by_places_and_a_pair_as_ever():
    spec = NetworkSpec(
        "cnn", fusion="gate", own_us_only=True, own_us_only_head=True, us_only_trunk="resnet50_places"
    )
    net = shapes_only(spec)
    us, mri = US.to("meta"), MRI.to("meta")
    lone = net.head({"us_only": net.trunk("us_only", us)})
    pair = net.head({"us": net.trunk("us", us), "mri": net.trunk("mri", mri)})
    assert set(lone) == {"fused", "us"} and set(pair) == {"fused", "us", "mri"}
    assert net.head.single["us_only"].in_features == 1024 * 15


def test_an_absent_modality_is_masked_and_nothing_stands_in_for_it():
    net = network()
    with torch.no_grad():
        alone, both = net(US, None), net(US, MRI)
        maps = {"us": net.trunk("us", US), "mri": 1000 * net.trunk("mri", MRI)}
        masked = net.head(maps, torch.tensor([[True, False]]).expand(3, 2))
    assert set(alone) == {"fused", "us"}
    assert torch.equal(alone["us"], both["us"])
    assert torch.allclose(alone["fused"], net.head.fused(maps["us"].mean(dim=(2, 3))))
    assert torch.allclose(masked["fused"], alone["fused"], atol=1e-5)


def test_each_single_head_sees_its_own_modality_only():
    net = network()
    with torch.no_grad():
        one, other = net(US, MRI), net(US, MRI.flip(-1) + 1)
    assert torch.equal(one["us"], other["us"])
    assert not torch.allclose(one["mri"], other["mri"])
    assert not torch.allclose(one["fused"], other["fused"])


def test_mri_channels_go_in_with_their_presence_masks():
    planes = torch.randn(2, 4, 5, 5)
    present = torch.tensor([[True, True, False, True], [True, False, False, True]])
    joined = mri_tensor(planes, present)
    assert joined.shape == (2, 8, 5, 5)
    assert torch.equal(joined[:, :4], planes)
    assert torch.equal(joined[:, 4:, 2, 3].bool(), present)


def test_the_network_tells_an_absent_channel_from_a_black_one():
    net = network()
    planes = torch.randn(1, 4, 32, 32)
    planes[:, 1] = 0
    everything = torch.ones(1, 4, dtype=torch.bool)
    without = everything.clone()
    without[0, 1] = False
    with torch.no_grad():
        black, absent = (net(None, mri_tensor(planes, there))["mri"] for there in (everything, without))
    assert not torch.allclose(black, absent)


def test_a_network_of_another_seed_is_another_network():
    spec = replace(SPEC.network, fusion="gate")
    with torch.no_grad():
        logits = [network(seed, spec)(US, MRI)["fused"] for seed in (1, 1, 2)]
    assert torch.equal(logits[0], logits[1]) and not torch.allclose(logits[0], logits[2])


def test_concatenated_features_stand_in_order_and_absent_ones_are_zero():
    head = Head(Trunk(16), "concatenation")
    maps = {"us": torch.randn(2, 16, 3, 3), "mri": torch.randn(2, 16, 3, 3)}
    us, mri = (maps[name].mean(dim=(2, 3)) for name in ("us", "mri"))
    assert torch.allclose(head(maps)["fused"], head.fused(torch.cat([us, mri], dim=1)))
    alone = head.fused(torch.cat([torch.zeros_like(us), mri], dim=1))
    assert torch.allclose(head({"mri": maps["mri"]})["fused"], alone)
    masked = head(maps, torch.tensor([[False, True]] * 2))["fused"]
    assert torch.allclose(masked, alone)


def test_fixed_weights_are_not_trained():
    assert not Head(Trunk(16), "fixed").prior.requires_grad and Head(Trunk(16)).prior.requires_grad


@pytest.mark.parametrize("modality", ["us", "mri"])
def test_a_network_of_one_modality_has_one_trunk_and_reads_it_alone(modality):
    net = FusionNetwork(NetworkSpec("cnn", modalities=(modality,))).eval()
    assert list(net.trunks) == [modality]
    with torch.no_grad():
        logits = net(US, None) if modality == "us" else net(None, MRI)
    assert {name: tuple(x.shape) for name, x in logits.items()} == {"fused": (3, 2), modality: (3, 2)}
