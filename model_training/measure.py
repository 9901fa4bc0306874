"""What a bundle is worth on lesions that it was not trained on: simulated patients, reviews, or labelled
stills.

The answer is a plain mapping for JSON; a figure is {value, low, high, n}, and where the best possible is
known, {…, bayes}.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from scipy import ndimage

from breastview.fusion.bundle import Bundle
from breastview.fusion.explain import grad_cam
from breastview.fusion.spec import Metric
from model_training import evaluate
from model_training.answers import Logits, answers
from model_training.cohort.samples import BEST, Samples
from model_training.evaluate.discrimination import Z

ARMS = ("us", "mri", "fused")
Found = dict[str, Any]


def measure_pairs(bundle: Bundle, samples: Samples, null: Samples | None = None) -> Found:
    """Discrimination of each modality and of both, what fusion gains, calibration and rates of the fused
    head.

    `null` are lesions in whose MRI there is nothing that US did not show: `null_gain` is what fusion gains
    there.
    """
    label, patients = samples.label, samples.patient
    logits = pair_answers(bundle, samples)
    probability = evaluate.calibrated(logits["fused"], bundle.spec.temperature["fused"])
    calibration = evaluate.calibration_metrics(label, probability, patients)
    found: Found = {
        "n": len(label),
        "malignant": int(label.sum()),
        "auc": _aucs(label, logits),
        **{name: asdict(calibration[name]) for name in ("ece", "brier", "slope", "intercept")},
        **_rates(label, probability >= bundle.spec.operating_point["fused"]),
    }
    if set(BEST) <= set(samples.about):
        for arm, value in evaluate.best_possible(label, samples.best).items():
            found["auc"][arm]["bayes"] = value
    if null is not None:
        found["null_gain"] = asdict(_gain(null.label, pair_answers(bundle, null)))
    return found


def pair_answers(bundle: Bundle, samples: Samples) -> Logits:
    """Logits of the first variant of each lesion, and "us_alone" and "mri_alone": the fused head's without
    the other modality."""
    net, us, mri = bundle.network, samples.us[:, 0], samples.mri[:, 0]
    return {
        **answers(net, us, mri, samples.channels),
        "us_alone": answers(net, us)["fused"],
        "mri_alone": answers(net, None, mri, samples.channels)["fused"],
    }


def measure_stills(bundle: Bundle, samples: Samples, masks: Mapping[str, np.ndarray]) -> Found:
    """The US head on labelled stills, and where its attention lies.

    `masks` are shares of each pixel of the crop, float (case, size, size), that are "lesion" and "text".
    """
    label = samples.label
    logits = answers(bundle.network, samples.us[:, 0])["us"]
    probability = evaluate.calibrated(logits, bundle.spec.temperature["us"])
    return {
        "n": len(label),
        "malignant": int(label.sum()),
        "auc": asdict(evaluate.auc_delong(label, evaluate.margin(logits))),
        **_rates(label, probability >= bundle.spec.operating_point["us"]),
        "ece": asdict(evaluate.calibration_metrics(label, probability, samples.patient)["ece"]),
        "attention": _attention(bundle, samples, masks),
    }


def _aucs(label: np.ndarray, logits: Logits) -> Found:
    found: Found = {
        name: asdict(evaluate.auc_delong(label, evaluate.margin(one))) for name, one in logits.items()
    }
    found["fused_minus_best"] = asdict(_gain(label, logits))
    return found


def _gain(label: np.ndarray, logits: Logits) -> Metric:
    """AUC of the fused head minus that of the better single one, with paired DeLong's interval."""
    rating = {name: evaluate.margin(logits[name]) for name in ARMS}
    best = max(("us", "mri"), key=lambda name: evaluate.auc(label, rating[name]))
    return evaluate.compare_auc(label, rating["fused"], rating[best]).difference


def _rates(label: np.ndarray, called: np.ndarray) -> Found:
    return {name: asdict(metric) for name, metric in evaluate.rates(label, called).items()}


def _attention(bundle: Bundle, samples: Samples, masks: Mapping[str, np.ndarray]) -> Found:
    """Mean share of the heatmap's sum that lies on each mask, over the heatmaps that are not empty."""
    shares: dict[str, list[float]] = {name: [] for name in masks}
    for case in range(len(samples)):
        heat = attention(bundle, samples.us[case : case + 1, 0])
        for name, mask in masks.items():
            if heat.sum() > 0:
                shares[name].append(float((heat * mask[case]).sum() / heat.sum()))
    return {name: _mean(np.array(values)) for name, values in shares.items()}


def attention(bundle: Bundle, us: np.ndarray) -> np.ndarray:
    """Raw Grad-CAM of the US head for one crop (1, 1, size, size), at the crop's size, float (size, size)."""
    with torch.no_grad():
        maps = {"us": bundle.network.trunk("us", torch.from_numpy(us.astype(np.float32)).to(bundle.device))}
    cam = grad_cam(bundle.network.head, maps, "us")["us"].cpu().numpy()
    return ndimage.zoom(cam, us.shape[-1] / cam.shape[-1], order=1, grid_mode=True, mode="nearest")


def _mean(values: np.ndarray) -> Found:
    """The mean with its normal interval."""
    half = Z * values.std(ddof=1) / len(values) ** 0.5
    mean = values.mean()
    return asdict(Metric(float(mean), float(mean - half), float(mean + half), len(values)))
