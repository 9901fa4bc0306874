"""A lesion's outline, drawn from a trunk's maps, and what lies in it, at its rim and around it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

RIM = 7  # width of the strip along the outline, in pixels of twice the finest stage's


class Outliner(nn.Module):
    """Draws the lesion from a trunk's stages, fine to coarse (a decoder with skips, as U-Net: Ronneberger et
    al., MICCAI 2015), and pools what it saw in it, at its rim and around it each by itself.

    Margin and posterior features are what BI-RADS asks of a mass, and of an average over the whole picture
    they are a small part. The outline is learned from drawn ones.
    """

    LARGEST = 48  # features while drawing

    def __init__(self, stages: Sequence[int]) -> None:
        """`stages` are the features of the stages' maps; the last ones' are those of what it tells."""
        super().__init__()
        self.features = stages[-1]
        width = min(self.LARGEST, self.features // 5)
        fine = width * 2 // 3
        self.narrow = nn.ModuleList(_convolved(features, width, 1) for features in stages)
        self.join = nn.ModuleList(_convolved(2 * width, width) for _ in stages[1:])
        self.finest = _convolved(width, fine)
        self.pixels = nn.Conv2d(fine, 4, 1)
        self.hidden, self.withheld = nn.Dropout2d(0.2), nn.Dropout2d(0.3)

    def forward(self, stages: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """What the outline tells, maps (n, features, h, w) as large as the last of the `stages`, and the
        outline itself: log odds (n, 1, 4h₀, 4w₀) of lesion, where the first, finest of them has h₀ by w₀.

        What it tells is fewer features than the trunk's, which few lesions can teach; the others are zero."""
        *finer, seen = (self.hidden(narrow(x)) for narrow, x in zip(self.narrow, stages, strict=True))
        for x, join in zip(reversed(finer), self.join, strict=True):
            seen = join(torch.cat([F.interpolate(seen, size=x.shape[-2:], mode="bilinear"), x], dim=1))
        finest = self.finest(F.interpolate(seen, scale_factor=2, mode="bilinear"))
        outline = F.pixel_shuffle(self.pixels(finest), 2)
        zones = _zones(F.avg_pool2d(outline.sigmoid(), 2))
        height, width = stages[-1].shape[-2:]
        told = [
            F.adaptive_avg_pool2d(x, (height, width))
            for x in (*_weighted(seen, F.avg_pool2d(zones, 2)), *_weighted(finest, zones))
        ]
        seen = self.withheld(torch.cat(told, dim=1))
        return F.pad(seen, (0, 0, 0, 0, 0, self.features - seen.shape[1])), outline


def _zones(lesion: torch.Tensor) -> torch.Tensor:
    """How far each pixel (n, 3, h, w) lies in the lesion, at its rim and around it, of `lesion` (n, 1, h,
    w)."""
    rim = F.max_pool2d(lesion, RIM, 1, RIM // 2) + F.max_pool2d(-lesion, RIM, 1, RIM // 2)
    return torch.cat([lesion, rim, 1 - lesion], dim=1)


def _weighted(maps: torch.Tensor, zones: torch.Tensor) -> list[torch.Tensor]:
    """The maps once a zone, with weights that make their average over the picture that over the zone."""
    weights = zones / (zones.mean(dim=(2, 3), keepdim=True) + 1e-3)
    return [maps * weight for weight in weights.split(1, dim=1)]


def _convolved(channels: int, features: int, side: int = 3) -> nn.Sequential:
    convolution = nn.Conv2d(channels, features, side, padding=side // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(features), nn.ReLU())
