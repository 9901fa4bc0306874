"""Where a network's attention lies on stills: how much of a heatmap on the lesion, how much on marks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from scipy import ndimage

from breastview.fusion.explain import grad_cam
from breastview.fusion.network import FusionNetwork
from model_training.cohort.samples import Samples


def attention_shares(
    networks: Sequence[FusionNetwork], samples: Samples, masks: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """`shares_on` the masks of the heatmaps of all cases."""
    crops = (samples.us[case : case + 1, 0] for case in range(len(samples)))
    return shares_on((attention(networks, us) for us in crops), masks)


def shares_on(heatmaps: Iterable[np.ndarray], masks: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Share of each heatmap's sum that lies on each mask of its case, float (case,); NaN where the heatmap is
    empty."""
    shares: dict[str, list[float]] = {name: [] for name in masks}
    for case, heat in enumerate(heatmaps):
        for name, mask in masks.items():
            shares[name].append((heat * mask[case]).sum() / heat.sum() if heat.sum() > 0 else np.nan)
    return {name: np.array(values) for name, values in shares.items()}


def attention(networks: Sequence[FusionNetwork], us: np.ndarray) -> np.ndarray:
    """Raw Grad-CAM of the US head for one crop (1, 1, size, size), at the crop's size, float (size, size):
    the mean over the networks."""
    device = next(networks[0].parameters()).device
    image = torch.from_numpy(us.astype(np.float32)).to(device)
    cams = []
    for network in networks:
        with torch.no_grad():
            maps = network.trunk(network.us_only, image)
        cams.append(attention_of(network, maps, us.shape[-1]))
    return np.asarray(np.mean(cams, axis=0))


def attention_of(network: FusionNetwork, maps: torch.Tensor, size_px: int) -> np.ndarray:
    """Raw Grad-CAM of the US head, float (size, size), for the maps (1, features, h, w) of one crop."""
    cam = grad_cam(network.head, {network.us_only: maps}, "us")["us"].cpu().numpy()
    return ndimage.zoom(cam, size_px / cam.shape[-1], order=1, grid_mode=True, mode="nearest")
