"""From a trained network to a bundle with its card: quantised, calibrated, measured as it is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import expit

from breastview.fusion.bundle import load_weights, pack_weights, save_bundle
from breastview.fusion.explain import grad_cam
from breastview.fusion.network import FusionNetwork, mri_tensor
from breastview.fusion.spec import MODALITIES, InputSpec, Metric, ModelSpec, Scope
from model_training import evaluate
from model_training.batches import mri_images, sized
from model_training.cohort.samples import Samples, load_cohort
from model_training.predict import predict
from model_training.recipe import to_plain
from model_training.run_folder import RunError, load_average, log_lines, read_settings

CAM_PERCENTILE = 95.0
HEADS = ("fused", "us", "mri")
NOTE = "Trained and validated on simulated patients only: software verification, not clinical evidence."

_SHARING = {
    True: "convolutions shared by both modalities, own stems and batch norms",
    False: "one trunk a modality",
}
_FUSING = {
    "weighted": "softmax-weighted fusion",
    "gate": "fusion by softmax weights and a gate on the features",
    "fixed": "fusion by equal weights",
    "concatenation": "features side by side",
}
_PLANES = {"registered": "resampled into the US plane", "native": "on its acquired planes"}


def export_demonstration(
    cohort: Path, run: Path, folder: Path, training: dict[str, Any], inputs: InputSpec
) -> ModelSpec:
    """Write the demonstration bundle, calibrated on validation cases and measured on test cases.

    `inputs` is what the cohort was cut with; the size of the pictures is the run's. Everything is computed
    with the weights as they are kept and in float32, as the application computes.

    Raises:
        RunError: there is no run, or it trained one modality only.
    """
    made = read_settings(run)
    network, mri = made.network, made.recipe.mri
    if network.modalities != MODALITIES:
        raise RunError(f"{run} trained {network.modalities[0]} only: a bundle holds both modalities")
    inputs = replace(inputs, size_px=made.recipe.size_px, mri_input=mri)
    net = load_average(run, network)
    load_weights(net, pack_weights(net))
    validation, test = load_cohort(cohort, "validation"), load_cohort(cohort, "test")
    chosen = predict(net, validation, inputs.size_px, mri=mri)
    measured = predict(net, test, inputs.size_px, mri=mri)
    temperature = {name: evaluate.fit_temperature(validation.label, chosen[name]) for name in HEADS}
    point = {name: _point(validation.label, chosen[name], temperature[name]) for name in HEADS}
    figures = {
        name: evaluate.metrics(test.label, measured[name], temperature[name], point[name]) for name in HEADS
    }
    spec = ModelSpec(
        name="BreastView demonstration",
        demonstration=True,
        input=inputs,
        network=network,
        scope=Scope(simulated_only=True, note=NOTE),
        temperature=temperature,
        operating_point=point,
        cam_scale=cam_scales(net, validation, inputs.size_px, mri),
        metrics=figures,
        training={
            **training,
            "best_possible_auc": evaluate.best_possible(test.label, test.best),
            **_log(run),
            "recipe": to_plain(made.recipe),
        },
    )
    spec = save_bundle(folder, spec, net, *(x.numpy() for x in _pair(test, 0, inputs.size_px, mri)))
    (folder / "CARD.md").write_text(card(spec), encoding="utf-8")
    return spec


def cam_scales(
    net: FusionNetwork, samples: Samples, size_px: int, mri: str = "registered", count: int = 100
) -> dict[str, float]:
    """The raw Grad-CAM value that is shown as 1: a high percentile of the peaks, one for the whole model."""
    peaks: dict[str, list[float]] = {"us": [], "mri": []}
    for case in range(min(count, len(samples))):
        us, planes = _pair(samples, case, size_px, mri)
        with torch.no_grad():
            present = torch.ones(planes.shape[:2], dtype=torch.bool)
            maps = {"us": net.trunk("us", us), "mri": net.trunk("mri", mri_tensor(planes, present))}
        for name, cam in grad_cam(net.head, maps).items():
            peaks[name].append(float(cam.max()))
    return {name: max(float(np.percentile(values, CAM_PERCENTILE)), 1e-6) for name, values in peaks.items()}


def _pair(samples: Samples, case: int, size_px: int, mri: str) -> tuple[torch.Tensor, torch.Tensor]:
    """US (1, 1, size, size) and MRI (1, channel, size, size) of a case, as the application cuts them."""
    one, first = np.array([case]), np.array([0])
    return sized(samples.us[one, first], size_px), sized(mri_images(samples, mri, one, first), size_px)


def card(spec: ModelSpec) -> str:
    """The model card in Markdown."""
    best = spec.training["best_possible_auc"]
    lines = [
        f"# {spec.name}",
        "",
        f"**{'DEMONSTRATION. ' if spec.demonstration else ''}{spec.scope.note}**",
        "",
        f"Network: {spec.network.trunk}, {_SHARING[spec.network.shared]}, {_FUSING[spec.network.fusion]}; "
        f"{spec.input.size_px}² px; MRI {_PLANES[spec.input.mri_input]}; weights kept as int8.",
        "",
        "Held-out simulated patients, with 95 % intervals (DeLong; Wilson; bootstrap for calibration):",
        "",
        "| head | AUC | best possible AUC | accuracy | sensitivity | specificity | calibration error | n |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in HEADS:
        m = spec.metrics[name]
        cells = [_cell(m[key]) for key in ("accuracy", "sensitivity", "specificity", "ece")]
        lines.append(
            f"| {name} | {_cell(m['auc'])} | {best[name]:.3f} | {' | '.join(cells)} | {m['auc'].n} |"
        )
    lines += [
        "",
        "The best possible AUC is that of an optimal reader of the latent evidence on the same cases.",
        "",
        "How it was made:",
        "",
        *(f"- {key}: {value}" for key, value in spec.training.items()),
        "",
    ]
    return "\n".join(lines)


def _cell(metric: Metric) -> str:
    return f"{metric.value:.3f} ({metric.low:.3f}–{metric.high:.3f})"


def _point(label: np.ndarray, logits: np.ndarray, temperature: float) -> float:
    return evaluate.youden_point(label, expit(evaluate.margin(logits) / temperature))


def _log(run: Path) -> dict[str, Any]:
    lines = log_lines(run)
    last = lines[-1]
    return {
        "started_from": last["started_from"],
        "epochs": last["epoch"],
        "epoch_chosen": max((line["epoch"] for line in lines if line["chosen"]), default=last["epoch"]),
        "training_hours": round(last["seconds"] / 3600, 2),
    }
