"""From a trained network to a bundle with its card: quantised, calibrated, measured as it is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import expit

from breastview.fusion.bundle import load_weights, pack_weights, save_bundle
from breastview.fusion.explain import grad_cam
from breastview.fusion.network import FusionNetwork, mri_tensor
from breastview.fusion.spec import InputSpec, Metric, ModelSpec, NetworkSpec, Scope
from model_training import evaluate
from model_training.cohort.samples import Samples, load_cohort
from model_training.train import predict

CAM_PERCENTILE = 95.0
HEADS = ("fused", "us", "mri")
NOTE = "Trained and validated on simulated patients only: software verification, not clinical evidence."

_SHARING = {
    True: "convolutions shared by both modalities, own stems and batch norms",
    False: "one trunk a modality",
}


def load_average(run: Path, network: NetworkSpec) -> FusionNetwork:
    """The averaged network of a run's last checkpoint."""
    net = FusionNetwork(network).to(memory_format=torch.channels_last)
    net.load_state_dict(torch.load(run / "checkpoint.pt", weights_only=True)["average"])
    return net.eval()


def export_demonstration(
    cohort: Path,
    run: Path,
    folder: Path,
    training: dict[str, Any],
    inputs: InputSpec,
    network: NetworkSpec,
) -> ModelSpec:
    """Write the demonstration bundle, calibrated on validation cases and measured on test cases.

    `inputs` is what the cohort was cut with, `network` what was trained. Everything is computed with the
    weights as they are kept and in float32, as the application computes.
    """
    net = load_average(run, network)
    load_weights(net, pack_weights(net))
    validation, test = load_cohort(cohort, "validation"), load_cohort(cohort, "test")
    chosen = predict(net, validation, inputs.size_px)
    measured = predict(net, test, inputs.size_px)
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
        cam_scale=cam_scales(net, validation),
        metrics=figures,
        training={
            **training,
            "best_possible_auc": evaluate.best_possible(test.label, test.best),
            **_log(run),
        },
    )
    us, mri = test.us[:1, 0].astype(np.float32), test.mri[:1, 0].astype(np.float32)
    spec = save_bundle(folder, spec, net, us, mri)
    (folder / "CARD.md").write_text(card(spec), encoding="utf-8")
    return spec


def cam_scales(net: FusionNetwork, samples: Samples, count: int = 100) -> dict[str, float]:
    """The raw Grad-CAM value that is shown as 1: a high percentile of the peaks, one for the whole model."""
    peaks: dict[str, list[float]] = {"us": [], "mri": []}
    for case in range(min(count, len(samples))):
        us = torch.from_numpy(samples.us[case : case + 1, 0].astype(np.float32))
        mri = torch.from_numpy(samples.mri[case : case + 1, 0].astype(np.float32))
        with torch.no_grad():
            present = torch.ones(mri.shape[:2], dtype=torch.bool)
            maps = {"us": net.trunk("us", us), "mri": net.trunk("mri", mri_tensor(mri, present))}
        for name, cam in grad_cam(net.head, maps).items():
            peaks[name].append(float(cam.max()))
    return {name: max(float(np.percentile(values, CAM_PERCENTILE)), 1e-6) for name, values in peaks.items()}


def card(spec: ModelSpec) -> str:
    """The model card in Markdown."""
    best = spec.training["best_possible_auc"]
    lines = [
        f"# {spec.name}",
        "",
        f"**{'DEMONSTRATION. ' if spec.demonstration else ''}{spec.scope.note}**",
        "",
        f"Network: {spec.network.trunk}, {_SHARING[spec.network.shared]}, softmax-weighted fusion; "
        f"{spec.input.size_px}² px; MRI resampled into the US plane; weights kept as int8.",
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
    lines = (run / "log.jsonl").read_text().splitlines()
    last = json.loads(lines[-1])
    return {
        "started_from": last["started_from"],
        "epochs": last["epoch"],
        "training_hours": round(last["seconds"] / 3600, 2),
    }
