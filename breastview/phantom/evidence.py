"""What there is to see: evidence of malignancy in each modality, near-independent given the label.

e ~ N(±d/2, 1) in each modality. The best possible (Bayes) AUC is Φ(d/√2) for one and Φ(d) for both
(Green & Swets, Signal Detection Theory, 1966); what a picture shows of it is less.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

SEPARATION = 1.6  # d: one modality alone reaches a Bayes AUC of .871


@dataclass(frozen=True)
class Evidence:
    """The label and the latent evidence of both modalities; positive speaks for malignancy."""

    malignant: bool
    us: float
    mri: float


def draw_evidence(rng: np.random.Generator, null_arm: bool = False) -> Evidence:
    """Draw a label (1:1) and its evidence. In the null arm MRI says nothing that US did not."""
    malignant = bool(rng.random() < 0.5)
    us, mri = rng.normal((0.5 if malignant else -0.5) * SEPARATION, 1.0, 2)
    return Evidence(malignant, float(us), float(us if null_arm else mri))


def bayes_auc(null_arm: bool = False) -> dict[str, float]:
    """The best AUC that any reader of the latent evidence can reach: "us", "mri" and "fused"."""
    one = float(norm.cdf(SEPARATION / np.sqrt(2)))
    return {"us": one, "mri": one, "fused": one if null_arm else float(norm.cdf(SEPARATION))}
