"""A second task in training: to tell lesion from tissue pixel by pixel, so that the trunk knows the outline.

Some hundred labels say little of what to look at; as many outlines, a place each pixel, say more. What learns
the task is no part of the network that is kept.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from breastview.fusion.network import FusionNetwork
from breastview.fusion.spec import TRUNKS, NetworkSpec

FINER = 4  # than the maps, a side


class Outliner(nn.Module):
    """Each place of the maps tells `FINER` × `FINER` pixels (Shi et al., CVPR 2016)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.pixels = nn.Conv2d(features, FINER**2, 1)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Log odds (n, 1, FINER · h, FINER · w) of lesion from US maps (n, features, h, w)."""
        return F.pixel_shuffle(self.pixels(maps), FINER)


class Outlining(FusionNetwork):
    """A network with what its US trunk needs to learn outlines."""

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__(spec)
        self.outliner = Outliner(TRUNKS[spec.trunk].features)

    @classmethod
    def of(cls, net: FusionNetwork, spec: NetworkSpec) -> Outlining:
        """The same network, about to learn outlines too."""
        made = cls(spec).to(memory_format=torch.channels_last)
        made.load_state_dict({**made.state_dict(), **net.state_dict()})
        return made
