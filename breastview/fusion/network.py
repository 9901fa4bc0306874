"""The paper's network, made trainable: a trunk a modality, maps pooled, fused by weights, classified."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torchvision
from torch import nn

from breastview.fusion.spec import CHANNELS, MODALITIES, TRUNKS, US_ONLY, NetworkSpec, Trunk

CLASSES = 2
IN_CHANNELS = {"us": 1, US_ONLY: 1, "mri": 2 * len(CHANNELS)}  # MRI: each channel with its presence mask
Maps = dict[str, torch.Tensor]


class FusionNetwork(nn.Module):
    """`trunk(name, x) → maps`, `head(maps) → logits`; prediction and explanation use this one split.

    A modality that is absent is left out of `maps`: it is masked, never imputed. There is a trunk a modality,
    and one more for US without MRI where the spec asks for it: such pictures come from elsewhere, and look
    otherwise (Chang et al., Domain-specific batch normalization, CVPR 2019). That one may be of another kind.
    """

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        self.kinds = dict.fromkeys(spec.modalities, TRUNKS[spec.trunk])
        if spec.own_us_only:
            self.kinds[US_ONLY] = TRUNKS[spec.us_only_trunk or spec.trunk]
        self.trunks = nn.ModuleDict({name: _made(kind, name, spec) for name, kind in self.kinds.items()})
        if spec.shared and len(spec.modalities) == len(MODALITIES):
            share_convolutions(self.trunks["us"], self.trunks["mri"])
        if spec.own_us_only and not spec.us_only_trunk:
            share_convolutions(self.trunks["us"], self.trunks[US_ONLY])
        self.agreement = Agreement() if spec.checks_registration else None
        checked = {name: Likeness(2 * self.kinds[name].first.features) for name in spec.checks_likeness}
        self.likeness = nn.ModuleDict(checked)
        apart = {US_ONLY: self.kinds[US_ONLY]} if spec.own_us_only_head else {}
        self.head = Head(TRUNKS[spec.trunk], spec.fusion, spec.modalities, apart)

    @property
    def us_only(self) -> str:
        """The trunk for US without MRI."""
        return US_ONLY if US_ONLY in self.trunks else "us"

    def trunk(self, name: str, x: torch.Tensor) -> torch.Tensor:
        """Feature maps (n, features, h, w) of one modality's input (n, channels, size, size)."""
        return self.rest(name, self.first(name, x))

    def first(self, name: str, x: torch.Tensor) -> torch.Tensor:
        """The maps of a trunk's first stage, from which `rest` goes on; beside them those of the mirror image
        where left and right are one."""
        kind = self.kinds[name]
        layers = self._layers(name)[: kind.first.layers]
        return torch.cat([layers(x), layers(x.flip(3))], dim=3) if kind.mirrored else layers(x)

    def rest(self, name: str, first: torch.Tensor) -> torch.Tensor:
        """Feature maps as of `trunk`, from the maps of its first stage; the mean of those of a picture and
        its mirror image, turned back, where left and right are one."""
        kind = self.kinds[name]
        layers = self._layers(name)[kind.first.layers :]
        if not kind.mirrored:
            return layers(first)
        own, mirrored = map(layers, first.chunk(2, dim=3))
        return (own + mirrored.flip(3)) / 2

    def unlikeness(self, name: str, first: torch.Tensor) -> torch.Tensor:
        """How far (n,) first maps of one trunk are from those that `likeness` was fitted to."""
        return self.likeness[name](texture(first))

    def _layers(self, name: str) -> nn.Sequential:
        layers = self.trunks[name]
        assert isinstance(layers, nn.Sequential)
        return layers

    def forward(self, us: torch.Tensor | None, mri: torch.Tensor | None) -> dict[str, torch.Tensor]:
        """Logits (n, 2) by name: "fused" and, for each modality present, its own."""
        maps = {name: self.trunk(name, x) for name, x in (("us", us), ("mri", mri)) if x is not None}
        return self.head(maps)


class Head(nn.Module):
    """Pooled maps, f = Σ wₘ·fₘ with w = softmax over what is present, and a classifier a modality.

    The weights are a learned prior ("weighted", the paper's), a prior and a gate on the features ("gate"), or
    all alike ("fixed"); "concatenation" classifies the features beside each other, absent ones as zeros.
    Trunks that are `apart` have a classifier of their own, and what that says of them is all that is said;
    others have that of their modality.
    """

    def __init__(
        self,
        trunk: Trunk,
        fusion: str = "weighted",
        modalities: tuple[str, ...] = MODALITIES,
        apart: Mapping[str, Trunk] | None = None,
    ) -> None:
        super().__init__()
        self.kinds = {**dict.fromkeys(modalities, trunk), **(apart or {})}
        features = trunk.told
        self.modalities, self.concatenates = modalities, fusion == "concatenation"
        self.prior = nn.Parameter(torch.zeros(len(modalities)), requires_grad=fusion in ("weighted", "gate"))
        gates = {name: nn.Linear(features, 1) for name in modalities}
        self.gates = nn.ModuleDict(gates) if fusion == "gate" else None
        self.fused = nn.Linear(features * (len(modalities) if self.concatenates else 1), CLASSES)
        self.single = nn.ModuleDict({name: nn.Linear(k.told, CLASSES) for name, k in self.kinds.items()})

    def forward(self, maps: Maps, present: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
        """Logits (n, 2) by modality, and "fused", of maps by trunk. `present`, bool (n, modalities), masks
        those of single samples."""
        logits = {modality_of(name): self.alone(name, x) for name, x in maps.items()}
        if all(map(self.is_apart, maps)):
            return {"fused": next(iter(logits.values())), **logits}
        return {"fused": self.fused(self.joined(self.features(maps), present)), **logits}

    def features(self, maps: Maps) -> Maps:
        """What is told of maps by trunk: (n, `Trunk.told`) by modality."""
        return {modality_of(name): pooled(x, self._kind(name).places) for name, x in maps.items()}

    def alone(self, trunk: str, maps: torch.Tensor) -> torch.Tensor:
        """Logits (n, 2) of the maps of one trunk by themselves."""
        return self.classifier(trunk)(pooled(maps, self._kind(trunk).places))

    def _kind(self, trunk: str) -> Trunk:
        return self.kinds[trunk if trunk in self.kinds else modality_of(trunk)]

    def classifier(self, trunk: str) -> nn.Module:
        """What classifies the pooled maps of a trunk by themselves."""
        return self.single[trunk if trunk in self.single else modality_of(trunk)]

    def is_apart(self, trunk: str) -> bool:
        """Whether a trunk has a classifier of its own and no part in the fusion."""
        return trunk in self.single and trunk not in self.modalities

    def joined(self, pooled: Maps, present: torch.Tensor | None = None) -> torch.Tensor:
        """What the fused head classifies, (n, features), of pooled maps (n, features) by modality."""
        if not self.concatenates:
            weights = self.weights(pooled, present)
            parts = [weights[:, place, None] * x for place, x in enumerate(pooled.values())]
            return torch.stack(parts).sum(dim=0)
        nothing = torch.zeros_like(next(iter(pooled.values())))
        columns = [pooled.get(name, nothing) for name in self.modalities]
        if present is not None:
            columns = [x * present[:, [k]] for k, x in enumerate(columns)]
        return torch.cat(columns, dim=1)

    def weights(self, pooled: Maps, present: torch.Tensor | None = None) -> torch.Tensor:
        """Fusion weights (n, modalities present in `pooled`), each row summing to 1."""
        columns = [self.modalities.index(name) for name in pooled]
        size = len(next(iter(pooled.values())))
        if len(columns) == 1:
            return self.prior.new_ones(size, 1)
        scores = self.prior[columns].expand(size, -1)
        if self.gates is not None:
            scores = scores + torch.cat([self.gates[name](x) for name, x in pooled.items()], dim=1)
        if present is not None:
            scores = scores.masked_fill(~present[:, columns], float("-inf"))
        return scores.softmax(dim=1)


class Agreement(nn.Module):
    """Whether US and MRI show the same place: a small network on both inputs side by side, at low resolution.

    It is told where each pixel lies: a lesion that is there, but not in the middle, is what it looks for.
    """

    SIDE_PX = 32

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = sum(IN_CHANNELS[name] for name in MODALITIES) + 2
        for width in (24, 48, 64):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
            layers.append(nn.AdaptiveAvgPool2d(4) if width == 64 else nn.MaxPool2d(2))
            channels = width
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(channels * 16, 1))

    def forward(self, us: torch.Tensor, mri: torch.Tensor) -> torch.Tensor:
        """Log odds (n,) that the registration is off, from the trunks' inputs."""
        seen = nn.functional.adaptive_avg_pool2d(torch.cat([us, mri], dim=1), self.SIDE_PX)
        place = torch.linspace(-1, 1, self.SIDE_PX, device=us.device)
        down, right = torch.meshgrid(place, place, indexing="ij")
        places = torch.stack([right, down]).expand(len(seen), -1, -1, -1)
        return self.layers(torch.cat([seen, places.to(seen.dtype)], dim=1))[:, 0]


class Likeness(nn.Module):
    """How far textures are from those of measured cases: Mahalanobis distance along their main directions,
    and what lies beside these (Tipping and Bishop, J R Stat Soc B 61:611, 1999, with two variances fitted).

    Each part is divided by what is `usual` of cases that were held out of the fit, so that they weigh alike.
    """

    DIRECTIONS = 16

    def __init__(self, features: int) -> None:
        super().__init__()
        self.mean, self.spread = nn.Buffer(torch.zeros(features)), nn.Buffer(torch.ones(features))
        self.directions = nn.Buffer(torch.eye(self.DIRECTIONS, features))
        self.variance = nn.Buffer(torch.ones(self.DIRECTIONS))
        self.usual = nn.Buffer(torch.ones(2))

    def parts(self, textures: torch.Tensor) -> torch.Tensor:
        """Squared distances (n, 2) along the directions and beside them, of textures (n, features)."""
        off = (textures.float() - self.mean) / self.spread
        along = off @ self.directions.T
        beside = off - along @ self.directions
        return torch.stack([(along**2 / self.variance).sum(dim=1), (beside**2).sum(dim=1)], dim=1)

    def forward(self, textures: torch.Tensor) -> torch.Tensor:
        """Unlikeness (n,), 2 on average for cases like the fitted ones, of textures (n, features)."""
        return (self.parts(textures) / self.usual).sum(dim=1)


def texture(first: torch.Tensor) -> torch.Tensor:
    """Mean and spread (n, 2·features) of the first maps (n, features, h, w) of an input: how it looks, not
    what it means."""
    return torch.cat([first.mean(dim=(2, 3)), first.std(dim=(2, 3))], dim=1)


def _made(kind: Trunk, modality: str, spec: NetworkSpec) -> nn.Module:
    return _resnet(kind, modality, spec) if kind.depth else _cnn(modality)


def _resnet(kind: Trunk, modality: str, spec: NetworkSpec) -> nn.Module:
    net = getattr(torchvision.models, kind.depth)(
        weights=None, replace_stride_with_dilation=[False, False, spec.dilated], zero_init_residual=True
    )
    net.conv1 = nn.Conv2d(IN_CHANNELS[modality], 64, 7, stride=2, padding=3, bias=False)
    nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")
    layers = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")
    return nn.Sequential(*(getattr(net, layer) for layer in layers[: 4 + kind.stages]))


def _cnn(modality: str) -> nn.Module:
    """A LeNet-like CNN: five convolutions, four of them with pooling, so that a place of the last maps sees
    80 px: with three it saw 36, which is texture and no outline."""
    layers: list[nn.Module] = []
    channels = IN_CHANNELS[modality]
    for width, side in ((32, 5), (64, 3), (128, 3), (128, 3), (128, 3)):
        convolution = nn.Conv2d(channels, width, side, padding=side // 2, bias=False)
        layers += [convolution, nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)]
        channels = width
    return nn.Sequential(*layers[:-1])


def pooled(maps: torch.Tensor, places: int = 1) -> torch.Tensor:
    """Maps (n, features, h, w) as a classifier is told them: their means (n, features), or those of each of
    `places` a side, where left and right count as one, (n, features · places · ⌈places / 2⌉); of views side
    by side their mean."""
    if places == 1:
        return maps.mean(dim=(2, 3))
    one = maps.unflatten(3, (-1, maps.shape[2])).mean(dim=3)
    grid = nn.functional.adaptive_avg_pool2d(one, places)
    return ((grid + grid.flip(3)) / 2)[..., : (places + 1) // 2].flatten(1)


def side_by_side(maps: torch.Tensor) -> torch.Tensor:
    """Maps (view, features, h, w) of one lesion's pictures as one (1, features, h, view · w): pooled, they
    are the mean of the views, and a classifier's logits of it the mean of its logits."""
    return torch.cat(list(maps.split(1)), dim=3)


def modality_of(trunk: str) -> str:
    """The modality that a trunk looks at."""
    return "us" if trunk == US_ONLY else trunk


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
