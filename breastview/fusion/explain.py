"""Grad-CAM (Selvaraju et al., ICCV 2017) of every modality from one backward pass through the head alone.

Where the class score is a function of the maps' means, the gradient at the last maps is constant over the
image: α = ∂score/∂pooled / (h·w), and the map is ReLU(Σ α·A). Where it is told the maps place by place, so is
the gradient, and the map is what each place adds to the score (HiResCAM, Draelos and Carin,
arXiv:2011.08891). No library hook is needed; the `grad-cam` package is the oracle in the tests.
"""

from __future__ import annotations

import torch

from breastview.fusion.network import Head, modality_of

MALIGNANT = 1


def grad_cam(head: Head, maps: dict[str, torch.Tensor], score: str = "fused") -> dict[str, torch.Tensor]:
    """Raw Grad-CAM (h, w) of the malignant logit of `score` by modality, of `maps` (1, features, h, w) by
    trunk.

    Not stretched: values compare between images of one model.
    """
    with torch.enable_grad():
        leaves = {name: x.detach().requires_grad_(True) for name, x in maps.items()}
        logit = head(leaves)[score][0, MALIGNANT]
        gradients = torch.autograd.grad(logit, list(leaves.values()), allow_unused=True)
    cams = {}
    for (name, x), gradient in zip(leaves.items(), gradients, strict=True):
        if gradient is not None:
            cams[modality_of(name)] = (gradient * x.detach()).sum(dim=1)[0].clamp_min(0)
    return cams
