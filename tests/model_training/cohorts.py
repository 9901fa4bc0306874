"""A cohort of noise in which bright means malignant: as much to learn as a test needs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

SIDE_PX = 16


def write_cohort(folder: Path, cases: int = 12, side_px: int = SIDE_PX, shift: float = 0.3) -> Path:
    """Write all three parts as `simulate_cohort` does, with two variants a case."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, part in enumerate(("train", "validation", "test")):
        rng = np.random.default_rng(number)
        label = np.arange(cases) % 2 == 1
        bright = shift * (label[:, None, None, None, None] - 0.5)
        np.savez(
            folder / f"{part}-0000.npz",
            us=(rng.normal(size=(cases, 2, 1, side_px, side_px)) + bright).astype(np.float16),
            mri=(rng.normal(size=(cases, 2, 4, side_px, side_px)) + bright).astype(np.float16),
            label=label,
            best=rng.normal(label[:, None] * 1.6, 1, (cases, 3)).astype(np.float32),
            seeds=np.arange(cases) + 1_000_000 * number,
        )
    return folder
