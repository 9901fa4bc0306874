"""What a network answers to samples, in batches, as the application computes it."""

from __future__ import annotations

import numpy as np
import torch

from breastview.fusion.network import FusionNetwork, mri_tensor

Logits = dict[str, np.ndarray]


@torch.no_grad()
def answers(
    net: FusionNetwork,
    us: np.ndarray | None,
    mri: np.ndarray | None = None,
    channels: np.ndarray | None = None,
    batch: int = 64,
) -> Logits:
    """Logits float32 (n, 2) by head: "fused", and of each modality that is given.

    `us` (n, 1, size, size) and `mri` (n, channel, size, size), any float, are None where absent; `channels`
    bool (n, channel) says which MRI channels are present, all where it is None.
    """
    net.eval()
    given = us if us is not None else mri
    if given is None:
        raise ValueError("neither modality is given")
    parts: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(given), batch):
        here = slice(start, start + batch)
        images = None if us is None else _tensor(us[here])
        planes = None
        if mri is not None:
            there = np.ones(mri[here].shape[:2], bool) if channels is None else channels[here]
            planes = mri_tensor(_tensor(mri[here]), torch.from_numpy(there))
        for name, logits in net(images, planes).items():
            parts.setdefault(name, []).append(logits.cpu().numpy())
    return {name: np.concatenate(pieces) for name, pieces in parts.items()}


def _tensor(images: np.ndarray) -> torch.Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(images, np.float32))
    return tensor.to(memory_format=torch.channels_last)
