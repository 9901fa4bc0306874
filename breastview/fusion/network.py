"""The paper's network, made trainable: a trunk a modality, maps pooled, fused by weights, classified."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torchvision
from torch import nn

from breastview.fusion.spec import CHANNELS, NetworkSpec

CLASSES = 2
MODALITIES = ("us", "mri")
IN_CHANNELS = {"us": 1, "mri": 2 * len(CHANNELS)}  # MRI: each channel with its presence mask
Maps = dict[str, torch.Tensor]


class FusionNetwork(nn.Module):
    """`trunk(modality, x) → maps`, `head(maps) → logits`; prediction and explanation use this one split.

    A modality that is absent is left out of `maps`: it is masked, never imputed.
    """

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        self.trunks = nn.ModuleDict({name: _TRUNKS[spec.trunk](name, spec) for name in MODALITIES})
        if spec.shared:
            share_convolutions(self.trunks["us"], self.trunks["mri"])
        features = _FEATURES[spec.trunk]
        self.head = Head(features, spec.gate)

    def trunk(self, modality: str, x: torch.Tensor) -> torch.Tensor:
        """Feature maps (n, features, h, w) of one modality's input (n, channels, size, size)."""
        return self.trunks[modality](x)

    def forward(self, us: torch.Tensor | None, mri: torch.Tensor | None) -> dict[str, torch.Tensor]:
        """Logits (n, 2) by name: "fused" and, for each modality present, its own."""
        maps = {name: self.trunk(name, x) for name, x in (("us", us), ("mri", mri)) if x is not None}
        return self.head(maps)


class Head(nn.Module):
    """Global average pooling, f = Σ wₘ·fₘ with w = softmax over what is present, and three classifiers."""

    def __init__(self, features: int, gate: bool) -> None:
        super().__init__()
        self.prior = nn.Parameter(torch.zeros(len(MODALITIES)))
        self.gates = nn.ModuleDict({name: nn.Linear(features, 1) for name in MODALITIES}) if gate else None
        self.fused = nn.Linear(features, CLASSES)
        self.single = nn.ModuleDict({name: nn.Linear(features, CLASSES) for name in MODALITIES})

    def forward(self, maps: Maps, present: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
        """Logits (n, 2) by name. `present`, bool (n, 2), masks modalities of single samples in training."""
        pooled = {name: x.mean(dim=(2, 3)) for name, x in maps.items()}
        weights = self.weights(pooled, present)
        fused = sum(weights[:, place, None] * pooled[name] for place, name in enumerate(pooled))
        logits = {name: self.single[name](x) for name, x in pooled.items()}
        return {"fused": self.fused(fused), **logits}

    def weights(self, pooled: Maps, present: torch.Tensor | None = None) -> torch.Tensor:
        """Fusion weights (n, modalities present in `pooled`), each row summing to 1."""
        columns = [MODALITIES.index(name) for name in pooled]
        size = len(next(iter(pooled.values())))
        scores = self.prior[columns].expand(size, -1)
        if self.gates is not None:
            scores = scores + torch.cat([self.gates[name](x) for name, x in pooled.items()], dim=1)
        if present is not None:
            scores = scores.masked_fill(~present[:, columns], float("-inf"))
        return scores.softmax(dim=1)


def _resnet(depth: str) -> Callable[[str, NetworkSpec], nn.Module]:
    def make(modality: str, spec: NetworkSpec) -> nn.Module:
        net = getattr(torchvision.models, depth)(
            weights=None, replace_stride_with_dilation=[False, False, spec.dilated], zero_init_residual=True
        )
        net.conv1 = nn.Conv2d(IN_CHANNELS[modality], 64, 7, stride=2, padding=3, bias=False)
        nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")
        layers = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")
        return nn.Sequential(*(getattr(net, layer) for layer in layers))

    return make


def _cnn(modality: str, spec: NetworkSpec) -> nn.Module:
    """A LeNet-like CNN: three convolutions with pooling."""
    layers: list[nn.Module] = []
    channels = IN_CHANNELS[modality]
    for width in (32, 64, 128):
        layers += [
            nn.Conv2d(channels, width, 5, padding=2),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
        channels = width
    return nn.Sequential(*layers)


_TRUNKS: dict[str, Callable[[str, NetworkSpec], nn.Module]] = {
    "resnet101": _resnet("resnet101"),
    "resnet50": _resnet("resnet50"),
    "cnn": _cnn,
}
_FEATURES = {"resnet101": 2048, "resnet50": 2048, "cnn": 128}


def share_convolutions(source: nn.Module, target: nn.Module) -> None:
    """Let `target` use the convolutions of `source` where shapes agree; stems and norms stay its own."""
    for path, module in source.named_modules():
        if isinstance(module, nn.Conv2d):
            parent_path, _, name = path.rpartition(".")
            parent = target.get_submodule(parent_path)
            if getattr(parent, name).weight.shape == module.weight.shape and path != "0":
                setattr(parent, name, module)


def mri_tensor(planes: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """Join MRI planes (n, c, h, w) with their presence masks, bool (n, c), to (n, 2c, h, w)."""
    masks = present.to(planes.dtype)[:, :, None, None].expand_as(planes)
    return torch.cat([planes, masks], dim=1)
