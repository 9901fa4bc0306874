"""A study whose networks were never trained: odds drawn so that their order is known."""

from __future__ import annotations

import numpy as np
import pandas as pd

from model_training.evaluate import auc
from model_training.recipe import Recipe
from model_training.tables.study import CELLS, NATIVE, PRESETS, Answered, Cell, Study

N = 120
WORTH = {"us": 0.8, "mri": 1.2, "fused": 2.0}  # how far malignant and benign odds lie apart
DISPLACED = (1.6, 1.0, 0.6)


def study(
    preset: str = "full", source: str = "simulated", lesions_a_patient: int = 1, repeats: int = 1
) -> Study:
    """A study of `N` lesions, every second malignant; each draw of the folds has .01 more AUC."""
    label = np.arange(N) % 2 == 1
    about = pd.DataFrame(
        {
            "case": [f"case-{k}" for k in range(N)],
            "patient": [f"patient-{k // lesions_a_patient}" for k in range(N)],
            "source": source,
            "malignant": label,
        }
    )
    rng = np.random.default_rng(5)
    noise = rng.normal(size=N)

    def odds(worth: float) -> np.ndarray:
        return worth * (label - 0.5) * 2 + noise + 0.3 * rng.normal(size=N)

    def answered(cell: Cell) -> Answered:
        worth = 1.0 if cell == NATIVE else WORTH[cell.arm]
        own = odds(worth)
        moved = (
            np.array([odds(one) for one in DISPLACED]) if cell.arm == "fused" and cell != NATIVE else own[:0]
        )
        return Answered(own, own > 0, moved, moved > 0)

    counts = {"train": (300, 300), "validation": (60, 60), "test": (N, N // lesions_a_patient)}
    cells = {cell: answered(cell) for cell in CELLS}
    aucs = {
        cell: tuple(auc(label, own.odds) + 0.01 * k for k in range(repeats)) for cell, own in cells.items()
    }
    return Study(PRESETS[preset], Recipe(), about, cells, (counts,) * repeats, 12.0, aucs)
