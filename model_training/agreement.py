"""Train the check of the registration: right ones against the same lesions with MRI 8 to 15 mm off.

The lesions' labels are not looked at, so that it tells nothing of malignancy.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812

from breastview.fusion.network import Agreement, mri_tensor
from breastview.fusion.spec import Metric
from model_training.augment import Variation
from model_training.cohort.samples import DISPLACED_MM, FLAGGED_MM, Samples
from model_training.evaluate import proportion
from model_training.recipe import Augmentation

log = logging.getLogger(__name__)

FALSE_FLAGS = 0.06  # of right registrations, on validation: few enough that others' stay below a tenth
LEAST_PAIRS = 100  # lesions with both modalities below which nothing is trained
EPOCHS, BATCH, RATE, WEIGHT_DECAY = 20, 32, 4e-3, 0.05
CHANNEL_DROPOUT = 0.1
VARIED = Augmentation(us_contrast=0.0, us_gain=0.0, mri_gain=0.15, mri_noise=0.05)


@dataclass(frozen=True, eq=False)
class Check:
    """A trained check and the probability from which it says that the registration is off."""

    network: Agreement
    threshold: float


def train_check(training: Samples, validation: Samples, seed: int = 7) -> Check | None:
    """Train on lesions with both modalities, None where they are too few; the threshold is set on the
    validation lesions."""
    torch.manual_seed(seed)
    training, validation = _pairs(training), _pairs(validation)
    if len(training) < LEAST_PAIRS or not len(validation):
        return None
    net = Agreement()
    optimiser = torch.optim.AdamW(net.parameters(), RATE, weight_decay=WEIGHT_DECAY)
    steps = EPOCHS * math.ceil(len(training) / BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    for epoch in range(EPOCHS):
        rng = np.random.default_rng([seed, epoch])
        net.train()
        order = rng.permutation(len(training))
        for start in range(0, len(order), BATCH):
            us, mri, off = _batch(training, order[start : start + BATCH], rng)
            loss = F.binary_cross_entropy_with_logits(net(us, mri), off)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
        log.info("check of the registration, epoch %d of %d, loss %.4f", epoch + 1, EPOCHS, loss)
    return Check(net.eval(), float(np.quantile(doubts(net, validation), 1 - FALSE_FLAGS)))


def check_metrics(check: Check, samples: Samples) -> dict[str, Metric]:
    """How many misregistrations by 8–15 mm are flagged, and how many right ones, with Wilson's intervals; and
    how many of those by each of `DISPLACED_MM`."""
    samples = _pairs(samples)

    def share(mri: np.ndarray) -> Metric:
        flagged = doubts(check.network, samples, mri) >= check.threshold
        return proportion(int(flagged.sum()), len(flagged))

    found = {"flagged": share(samples.displaced[:, -1]), "false_flags": share(samples.mri[:, 0])}
    by_distance = {f"flagged_{mm:g}_mm": share(samples.displaced[:, k]) for k, mm in enumerate(DISPLACED_MM)}
    return {**found, **by_distance}


@torch.no_grad()
def doubts(net: Agreement, samples: Samples, mri: np.ndarray | None = None, batch: int = 128) -> np.ndarray:
    """Probability (n,) that each registration is off; of `mri` (n, channel, size, size) if it is given."""
    planes = samples.mri[:, 0] if mri is None else mri
    parts = []
    for start in range(0, len(planes), batch):
        here = slice(start, start + batch)
        us = torch.from_numpy(samples.us[here, 0].astype(np.float32))
        channels = torch.from_numpy(samples.channels[here])
        joined = mri_tensor(torch.from_numpy(planes[here].astype(np.float32)), channels)
        parts.append(net(us, joined).sigmoid().numpy())
    return np.concatenate(parts)


def _pairs(samples: Samples) -> Samples:
    return samples.take(np.flatnonzero(samples.channels.any(axis=1)))


def _batch(
    samples: Samples, cases: np.ndarray, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Each lesion twice: as it is, a strayed version now and then, and with MRI that is off."""
    variant = rng.integers(0, samples.us.shape[1], len(cases))
    far = [k for k, mm in enumerate((*DISPLACED_MM, FLAGGED_MM[0])) if mm >= FLAGGED_MM[0]]
    us = np.concatenate([samples.us[cases, variant], samples.us[cases, 0]]).astype(np.float32)
    off = samples.displaced[cases, rng.choice(far, len(cases))]
    mri = np.concatenate([samples.mri[cases, variant], off]).astype(np.float32)
    strays = Variation.drawn(VARIED, len(us), mri.shape[1:], rng)
    kept = rng.random(mri.shape[:2]) > CHANNEL_DROPOUT
    channels = torch.from_numpy(np.tile(samples.channels[cases], (2, 1)) & kept)
    joined = mri_tensor(strays.mri(torch.from_numpy(mri)) * channels[:, :, None, None], channels)
    return strays.us(torch.from_numpy(us)), joined, torch.arange(len(us)).ge(len(cases)).float()
