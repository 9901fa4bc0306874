"""What is drawn, before any image: evidence, types of uptake curve, sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from breastview.phantom.evidence import Evidence, bayes_auc, draw_evidence
from breastview.phantom.lesion import make_lesion
from tests.benchmarks.phantom.physics import shares
from tests.benchmarks.phantom.seen import LABELS

EVIDENCES, LESIONS = 20_000, 400
SEEN = {"us": ("us",), "mri": ("mri",), "fused": ("us", "mri")}

Found = dict[str, Any]


def best_auc(seed: int) -> Found:
    """AUC of the optimal reader, in closed form and of drawn evidence, and the same in the null arm."""
    return {**bayes_auc(), "empirical": _empirical(seed, False), "null_arm": null_arm(seed), "n": EVIDENCES}


def null_arm(seed: int) -> Found:
    """MRI says nothing that US did not: fusing gains nothing."""
    return {**bayes_auc(null_arm=True), "empirical": _empirical(seed, True)}


def _empirical(seed: int, null: bool) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    drawn = [draw_evidence(rng, null) for _ in range(EVIDENCES)]
    label = [evidence.malignant for evidence in drawn]
    both = {**SEEN, "fused": ("us",)} if null else SEEN
    return {name: float(roc_auc_score(label, [e.score(seen) for e in drawn])) for name, seen in both.items()}


def drawn(seed: int) -> Found:
    """Types of uptake curve as drawn, and longest axis in mm, by label."""
    rng = np.random.default_rng([seed, 1])
    evidence = [draw_evidence(rng) for _ in range(EVIDENCES)]
    sizes = {name: _sizes([e for e in evidence if e.malignant == kind]) for name, kind in LABELS.items()}
    return {"curve_types_drawn": _curves(rng, evidence[:LESIONS]), "lesion_size_mm": sizes}


def _curves(rng: np.random.Generator, evidence: Sequence[Evidence]) -> Found:
    centre, nipple = np.zeros(3), np.array([0.0, -50.0, 0.0])
    curves = [(e.malignant, make_lesion(rng, e, centre, nipple).curve) for e in evidence]
    return {name: shares([c for label, c in curves if label == kind]) for name, kind in LABELS.items()}


def _sizes(evidence: Sequence[Evidence]) -> Found:
    longest = [e.size_mm for e in evidence]
    quantiles = dict(zip((5, 25, 50, 75, 95), np.percentile(longest, [5, 25, 50, 75, 95]), strict=True))
    named = {f"p{percent}": float(value) for percent, value in quantiles.items()}
    return {**named, "mean": float(np.mean(longest)), "sd": float(np.std(longest)), "n": len(longest)}


def implied_auc(malignant: float, benign: float) -> float:
    """AUC of two normal distributions of equal width, of which one threshold leaves these shares above."""
    return float(norm.cdf((norm.ppf(malignant) - norm.ppf(benign)) / np.sqrt(2)))
