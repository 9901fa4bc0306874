"""Which raw Grad-CAM value a heatmap shows as 1: a high percentile of the peaks, one for the whole model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from breastview.fusion.explain import grad_cam
from breastview.fusion.network import FusionNetwork, mri_tensor
from breastview.fusion.spec import MODALITIES, InputSpec
from model_training.batches import exact_pair, has_mri
from model_training.cohort.samples import Samples

PERCENTILE = 95.0  # of the peaks
COUNT = 100  # lesions that are looked at
LEAST = 1e-6


def cam_scales(net: FusionNetwork, samples: Samples, inputs: InputSpec) -> dict[str, float]:
    """The scale of each modality: of lesions with MRI, where there are any."""
    has = has_mri(samples, inputs.mri_input)
    peaks: dict[str, list[float]] = {name: [] for name in MODALITIES}
    for us, mri in _pairs(samples, has if has.any() else ~has, inputs):
        with torch.no_grad():
            present = torch.ones(mri.shape[:2], dtype=torch.bool)
            maps = {"us": net.trunk("us", us), "mri": net.trunk("mri", mri_tensor(mri, present))}
        for name, cam in grad_cam(net.head, maps).items():
            peaks[name].append(float(cam.max()))
    return {name: _shown_as_one(values) for name, values in peaks.items()}


def us_scale(net: FusionNetwork, samples: Samples, inputs: InputSpec) -> float:
    """The scale of the US head where there is no MRI."""
    peaks = []
    for us, _ in _pairs(samples, np.ones(len(samples), bool), inputs):
        with torch.no_grad():
            maps = {net.us_only: net.trunk(net.us_only, us)}
        peaks.append(float(grad_cam(net.head, maps, "us")["us"].max()))
    return _shown_as_one(peaks)


def _pairs(
    samples: Samples, wanted: np.ndarray, inputs: InputSpec
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """`COUNT` of the wanted lesions, evenly: a cohort may be in order."""
    cases = np.flatnonzero(wanted)
    chosen = cases[np.linspace(0, len(cases) - 1, min(len(cases), COUNT)).astype(int)]
    return (exact_pair(samples, case, inputs) for case in chosen.tolist())


def _shown_as_one(peaks: Sequence[float]) -> float:
    return max(float(np.percentile(peaks, PERCENTILE)), LEAST)
