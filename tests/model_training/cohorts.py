"""A cohort of noise in which bright means malignant: as much to learn as a test needs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from breastview.fusion.spec import CHANNELS
from model_training.cohort.samples import BEST, DISPLACED_MM, Sample, write_shard

SIDE_PX = 16


def write_cohort(
    folder: Path, cases: int = 12, side_px: int = SIDE_PX, shift: float = 0.3, views: int = 1
) -> Path:
    """Write all three parts as `simulate_cohort` does, with two variants a case, of one view or of two."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, part in enumerate(("train", "validation", "test")):
        rng = np.random.default_rng(number)
        samples = [noise_sample(rng, part, case, side_px, shift, views) for case in range(cases)]
        write_shard(folder / f"{part}-0000.npz", samples)
    return folder


def noise_sample(
    rng: np.random.Generator, part: str, case: int, side_px: int, shift: float, views: int
) -> Sample:
    """Two variants of one lesion; every second one is malignant and brighter."""
    malignant = case % 2 == 1
    bright = shift * (malignant - 0.5)

    def images(*first: int) -> np.ndarray:
        return rng.normal(bright, 1.0, (*first, side_px, side_px)).astype(np.float32)

    return Sample(
        variants=[(images(1), images(len(CHANNELS)), np.ones(len(CHANNELS), bool)) for _ in range(2)],
        native=images(len(CHANNELS)),
        displaced=images(len(DISPLACED_MM) + 1, len(CHANNELS)),
        about={
            "case": f"{part}-{case}",
            "patient": f"{part}-{case}",
            "group": f"{part}-{case}",
            "source": "noise",
            "part": part,
            "malignant": malignant,
            "views": views,
            **dict(zip(BEST, rng.normal(3.2 * (malignant - 0.5), 1, 3), strict=True)),
        },
    )
