"""What there is to see: evidence of malignancy in each modality, independent given the label, and the size.

e ~ N(±d/2, 1) in each modality, ln(size) ~ N(ln median of the label, s). The optimal reader adds log
likelihood ratios, which are normal with a variance that is the sum of the squared separations, and its AUC
is Φ(D/√2) with D² = Σ d² (Green & Swets, Signal Detection Theory, 1966). What a picture shows of it is less.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

SEPARATION = 1.7  # d of one modality
SIZE_MM = {False: 14.0, True: 17.0}  # median of the longest axis of benign and malignant lesions
SIZE_SPREAD = 0.45  # standard deviation of ln(size)
SIZE_LIMITS_MM = (5.0, 40.0)
SIZE_SEPARATION = float(np.log(SIZE_MM[True] / SIZE_MM[False])) / SIZE_SPREAD


@dataclass(frozen=True)
class Evidence:
    """The label and what speaks for it: latent evidence of both modalities (positive speaks for malignancy)
    and the lesion's longest axis in mm, which both show."""

    malignant: bool
    us: float
    mri: float
    size_mm: float

    @property
    def size(self) -> float:
        """The size on the scale of the evidence: N(±`SIZE_SEPARATION`/2, 1)."""
        middle = np.log(SIZE_MM[False] * SIZE_MM[True]) / 2
        return float((np.log(self.size_mm) - middle) / SIZE_SPREAD)

    def score(self, modalities: tuple[str, ...]) -> float:
        """Log likelihood ratio of an optimal reader who sees `modalities`, "us" and "mri"."""
        seen = sum(getattr(self, name) for name in modalities)
        return SEPARATION * seen + SIZE_SEPARATION * self.size


def draw_evidence(rng: np.random.Generator, null_arm: bool = False) -> Evidence:
    """Draw a label (1:1) and its evidence. In the null arm MRI says nothing that US did not."""
    malignant = bool(rng.random() < 0.5)
    us, mri = rng.normal((0.5 if malignant else -0.5) * SEPARATION, 1.0, 2)
    size = float(np.clip(SIZE_MM[malignant] * np.exp(rng.normal(0, SIZE_SPREAD)), *SIZE_LIMITS_MM))
    return Evidence(malignant, float(us), float(us if null_arm else mri), size)


def bayes_auc(null_arm: bool = False) -> dict[str, float]:
    """The best AUC that any reader of the evidence can reach: "us", "mri" and "fused".

    The limits of the size, which one lesion in thirty meets, are left out: they change the fourth digit.
    """
    one = _auc(SEPARATION, SIZE_SEPARATION)
    return {
        "us": one,
        "mri": one,
        "fused": one if null_arm else _auc(SEPARATION, SEPARATION, SIZE_SEPARATION),
    }


def _auc(*separations: float) -> float:
    return float(norm.cdf(np.linalg.norm(separations) / np.sqrt(2)))
