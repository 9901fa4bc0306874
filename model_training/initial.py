"""The network before the first step, and in words where its weights come from: never left unsaid."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import torch
from safetensors.torch import load_file
from torchvision.models import ResNet50_Weights, ResNet101_Weights

from breastview.fusion.bundle import file_hash, load_bundle
from breastview.fusion.network import IN_CHANNELS, FusionNetwork, modality_of
from breastview.fusion.spec import TRUNKS, US_ONLY, InputSpec, NetworkSpec
from model_training.recipe import SIMSIAM
from model_training.run_folder import CHECKPOINT, SETTINGS, epochs_kept, load_average, read_settings

RANDOM = "random weights"
IMAGENET = "ImageNet"
DOWNLOAD = "download"
_IMAGENET = {
    "resnet50": ResNet50_Weights.IMAGENET1K_V2,
    "resnet101": ResNet101_Weights.IMAGENET1K_V2,
}
_PLACES = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}
_STAGE, _BLOCKS_50, _BLOCKS_101 = "layer3", 6, 23  # where a ResNet-101 has more blocks than a ResNet-50
IMAGENET_SCALE = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # mean and SD of torchvision's inputs
RGB = 3


class StartError(ValueError):
    """Weights to start from that are not there or do not fit."""


def initial(
    network: NetworkSpec, start: Path | None = None, imagenet: str | None = None
) -> tuple[FusionNetwork, str]:
    """The network and its weights' origin: random, `start`, or ImageNet's.

    `start` is a bundle, also of more modalities than the network's one, or a run of `pretrain`, which gives
    trunks.
    `imagenet` is a file of torchvision's ResNet weights (.pth or .safetensors) or "download"; a file of a
    ResNet-50 gives a ResNet-101 too.

    Raises:
        StartError: the weights cannot be had, or belong to another network.
    """
    net = FusionNetwork(network).to(memory_format=torch.channels_last)
    if start is not None and imagenet is not None:
        raise StartError("weights start from a bundle or from ImageNet, not from both")
    if start is not None:
        given = _from_pretrained if (start / SETTINGS).exists() else _from_bundle
        return net, given(net, network, start)
    if imagenet is not None:
        return net, _from_imagenet(net, network, imagenet)
    return net, RANDOM


def _from_bundle(net: FusionNetwork, network: NetworkSpec, start: Path) -> str:
    bundle = load_bundle(start, "cpu")
    if bundle.spec.members > 1:
        raise StartError(f"the bundle {start} holds {bundle.spec.members} networks: training starts from one")
    held = bundle.spec.network
    _check_fits(held, network, f"the bundle {start}")
    kept = bundle.network.state_dict()  # checks are made anew, when the trunks stand
    net.load_state_dict({name: _share(name, _kept(kept, name), held, network) for name in net.state_dict()})
    part = "" if network.modalities == held.modalities else f"{network.modalities[0]} of "
    return f"{part}{bundle.spec.name}, weights {bundle.spec.weights_sha256[:12]}"


def _from_pretrained(net: FusionNetwork, network: NetworkSpec, run: Path) -> str:
    made, done = read_settings(run), epochs_kept(run)
    if made.recipe.strategy != SIMSIAM:
        raise StartError(f"{run} was trained with labels: export it, and start from the bundle")
    if not done:
        raise StartError(f"{run} has no whole epoch yet: let pretrain end")
    _check_fits(replace(made.network, fusion=network.fusion), network, f"the run {run}")
    kept = load_average(run, made.network).trunks.state_dict()
    net.trunks.load_state_dict({name: _kept(kept, name) for name in net.trunks.state_dict()})
    cases = f"{made.cases.split}, sha256 {made.cases.train_sha256[:12]}"
    weights = f"epoch {done}, sha256 {file_hash([run / CHECKPOINT])[:12]}"
    return f"SimSiam without labels (cases: {cases}; weights: {weights}), begun from {made.started_from}"


def _check_fits(held: NetworkSpec, network: NetworkSpec, holder: str) -> None:
    """Raises StartError unless `holder`'s network is the one to be trained, or holds its only modality."""
    checks = {name: getattr(network, name) for name in ("checks_registration", "checks_likeness")}
    same = replace(held, **checks)
    if network.own_us_only or len(network.modalities) == 1:
        names = ("own_us_only", "own_us_only_head", *(("us_only_trunk",) * (len(network.modalities) == 1)))
        own = {name: getattr(network, name) for name in names}
        same = replace(same, **own)  # begins as the trunk of US, or falls away
    if len(network.modalities) == 1 and set(network.modalities) <= set(held.modalities):
        same = replace(same, modalities=network.modalities, shared=network.shared)
    if same != network:
        own, other = asdict(network), asdict(same)
        told = [
            f"{name} is {value}, to be {own[name]}" for name, value in other.items() if value != own[name]
        ]
        raise StartError(f"{holder} holds another network ({', '.join(told)}): ask for the same")


def _kept(kept: dict[str, torch.Tensor], name: str) -> torch.Tensor:
    """A weight; where the trunk for US without MRI is new, that of the trunk for US."""
    return kept[name] if name in kept else kept[name.replace(f"{US_ONLY}.", "us.", 1)]


def _share(name: str, value: torch.Tensor, held: NetworkSpec, network: NetworkSpec) -> torch.Tensor:
    """What of a weight belongs to the network's modalities: some have a part for each."""
    axis = {"head.prior": 0, "head.fused.weight": 1 if held.fusion == "concatenation" else None}.get(name)
    if axis is None:
        return value
    parts = value.chunk(len(held.modalities), dim=axis)
    return torch.cat([parts[held.modalities.index(one)] for one in network.modalities], dim=axis)


def _from_imagenet(net: FusionNetwork, network: NetworkSpec, source: str) -> str:
    depth = TRUNKS[network.trunk].depth
    if not depth:
        raise StartError(f"there are no ImageNet weights for the trunk {network.trunk}")
    weights = _IMAGENET[depth]
    held = _downloaded(weights) if source == DOWNLOAD else _read(Path(source))
    state = deepened(held) if depth == "resnet101" else held
    for name, trunk in net.trunks.items():
        own = trunk.state_dict().keys()
        try:
            trunk.load_state_dict({key: x for key, x in trunk_state(state, name).items() if key in own})
        except (RuntimeError, KeyError) as error:
            raise StartError(f"{source} does not hold torchvision's {depth}") from error
    if source == DOWNLOAD:
        return f"{IMAGENET} (torchvision {weights})"
    return f"{IMAGENET} ({Path(source).name}{', a ResNet-50 made deeper' if len(state) > len(held) else ''})"


def deepened(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights of a torchvision ResNet-50 as those of a ResNet-101, which computes the same: the blocks
    that its third stage lacks repeat the last one there is and add nothing yet (Net2Net, Chen et al., ICLR
    2016). Weights of another network stay as they are."""
    made = dict(state)
    if any(name.startswith(f"{_STAGE}.{_BLOCKS_50}.") for name in state):
        return made
    last = {name: x for name, x in state.items() if name.startswith(f"{_STAGE}.{_BLOCKS_50 - 1}.")}
    for block in range(_BLOCKS_50, _BLOCKS_101):
        for name, value in last.items():
            rest = name.split(".", 2)[2]
            adds = rest in ("bn3.weight", "bn3.bias")
            made[f"{_STAGE}.{block}.{rest}"] = torch.zeros_like(value) if adds else value.clone()
    return made


def trunk_state(state: dict[str, torch.Tensor], trunk: str) -> dict[str, torch.Tensor]:
    """ResNet weights of torchvision under the names of a trunk, its RGB stem made one for what that sees: US
    on ImageNet's scale, MRI's channels as they come."""
    moved = {}
    for name, value in state.items():
        layer, _, rest = name.partition(".")
        if layer in _PLACES:
            moved[f"{_PLACES[layer]}.{rest}"] = value
    rgb = moved["0.weight"]
    if modality_of(trunk) == "us":
        moved["0.weight"], offset = us_stem(rgb)
        moved["1.running_mean"] = moved["1.running_mean"] - offset
    else:
        moved["0.weight"] = stem(rgb, IN_CHANNELS[trunk])
    return moved


def us_stem(rgb: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The kernel (out, 1, h, w) that with an offset (out,) gives of US, scaled as the network's input is,
    what `rgb` (out, 3, h, w) gave of the same picture as a grey photograph, scaled as ImageNet's are."""
    scaled = InputSpec()
    mean, std = (torch.tensor(values)[:, None, None] for values in IMAGENET_SCALE)
    kernel = (rgb * scaled.us_std / std).sum(dim=1, keepdim=True)
    return kernel, (rgb * (scaled.us_mean - mean) / std).sum(dim=(1, 2, 3))


def stem(rgb: torch.Tensor, channels: int) -> torch.Tensor:
    """The kernel (out, 3, h, w) averaged over the colours and repeated, (out, channels, h, w): alike channels
    together give what a grey RGB picture gave."""
    return rgb.mean(dim=1, keepdim=True).repeat(1, channels, 1, 1) * (RGB / channels)


def _downloaded(weights: ResNet50_Weights | ResNet101_Weights) -> dict[str, torch.Tensor]:
    try:
        return weights.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise StartError(
            f"the ImageNet weights could not be downloaded ({error}): give them as a file, or leave "
            "--imagenet out to start from random weights"
        ) from error


def _read(file: Path) -> dict[str, torch.Tensor]:
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        return torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise StartError(f"the weights {file} cannot be read ({error.strerror})") from error
    except Exception as error:  # whatever the unpickler makes of a damaged file
        raise StartError(f"{file} is no file of weights") from error
