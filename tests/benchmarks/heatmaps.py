"""Explaining: a whole reading with both heatmaps beside a plain forward pass of the same network."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from statistics import median

import numpy as np
import torch

from breastview.fusion.bundle import Bundle
from breastview.fusion.network import FusionNetwork, mri_tensor
from breastview.fusion.predict import read
from breastview.fusion.preprocess import Crop, ModelInput
from breastview.fusion.reading import Eligibility
from breastview.fusion.spec import InputSpec, ModelSpec, NetworkSpec, Scope
from breastview.registration.plane import PlaneGrid
from tests.benchmarks.row import Row

SIDE_PX = 224
PAIRS = 7


def rows() -> Iterator[Row]:
    """Measure by turns in one process and compare medians, so that the machine's mood cancels."""
    bundle, given = untrained_bundle(), noise()
    us, mri = torch.from_numpy(given.us)[None], torch.from_numpy(given.mri)[None]
    joined = mri_tensor(mri, torch.ones(mri.shape[:2], dtype=torch.bool))

    def forward() -> None:
        with torch.no_grad():
            bundle.network(us, joined)

    def whole() -> None:
        reading = read(bundle, given, Eligibility(True))
        assert reading.probability is not None and len(reading.heatmaps) == 2

    whole_s, forward_s = paired_s(whole, forward)
    yield Row(
        f"both heatmaps + probability, ResNet-101, {SIDE_PX}²",
        whole_s,
        "s",
        "plain forward pass",
        forward_s,
        "ratio ≤ 1.1",
    )


def paired_s(work: Callable[[], None], reference: Callable[[], None]) -> tuple[float, float]:
    """Median times in s of both, run by turns after one pair that does not count."""
    work_s, reference_s = [], []
    for _ in range(PAIRS + 1):
        reference_s.append(once_s(reference))
        work_s.append(once_s(work))
    return median(work_s[1:]), median(reference_s[1:])


def once_s(work: Callable[[], None]) -> float:
    """The time in s of one run."""
    start_s = time.perf_counter()
    work()
    return time.perf_counter() - start_s


def untrained_bundle() -> Bundle:
    """The demonstration's network, untrained, on the CPU."""
    torch.manual_seed(0)
    spec = ModelSpec("bench", True, InputSpec(size_px=SIDE_PX), NetworkSpec(), Scope())
    network = FusionNetwork(spec.network).eval().requires_grad_(False)
    return Bundle(spec, (network,), torch.device("cpu"))


def noise() -> ModelInput:
    """A complete input."""
    rng = np.random.default_rng(0)
    return ModelInput(
        lesion_id="L1",
        us=rng.normal(size=(1, SIDE_PX, SIDE_PX)).astype(np.float32),
        mri=rng.normal(size=(4, SIDE_PX, SIDE_PX)).astype(np.float32),
        channels_present=np.ones(4, bool),
        us_crop=Crop(0.0, 0.0, 100.0, 100.0),
        mri_grid=PlaneGrid(0.0, 0.0, 0.1, SIDE_PX, SIDE_PX),
    )
