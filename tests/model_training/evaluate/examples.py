"""Ratings that several tests measure."""

from __future__ import annotations

import numpy as np

# Hanley & McNeil, Radiology 143:29 (1982): 109 CT images rated 1…5, normal and abnormal.
NORMAL, ABNORMAL = (33, 6, 6, 11, 2), (3, 2, 2, 11, 33)


def rated() -> tuple[np.ndarray, np.ndarray]:
    ratings = np.concatenate([np.repeat(np.arange(1, 6), counts) for counts in (NORMAL, ABNORMAL)])
    return np.repeat([False, True], [sum(NORMAL), sum(ABNORMAL)]), ratings.astype(float)


def drawn(n: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels and log odds with ties."""
    rng = np.random.default_rng(seed)
    label = rng.random(n) < 0.4
    return label, np.round(rng.normal(label * 1.2, 1.0), 1)


def logits_of(odds: np.ndarray) -> np.ndarray:
    return np.stack([np.full_like(odds, 0.3), odds + 0.3], axis=1)


def pairs(label: np.ndarray, rating: np.ndarray) -> np.ndarray:
    """ψ (malignant, benign) of DeLong: 1 where the malignant case is rated above, ½ where equal."""
    malignant, benign = rating[label][:, None], rating[~label][None, :]
    return (malignant > benign) + 0.5 * (malignant == benign)
