"""From a trained network to a bundle with its card: quantised, calibrated, measured as it is kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from breastview.fusion.bundle import load_weights, pack_weights, save_bundle
from breastview.fusion.explain import grad_cam
from breastview.fusion.network import FusionNetwork, mri_tensor
from breastview.fusion.spec import MODALITIES, InputSpec, Metric, ModelSpec, Scope
from model_training import evaluate
from model_training.agreement import Check, check_metrics
from model_training.batches import mri_images, sized
from model_training.card import HEADS, write_card
from model_training.cohort.samples import BEST, Samples
from model_training.likeness import fit_likeness, unlike_metrics
from model_training.predict import predict
from model_training.recipe import to_plain
from model_training.run_folder import RunError, Settings, load_average, log_lines, read_settings
from model_training.scope import SIMULATED, scope_of

CAM_PERCENTILE = 95.0
DEMONSTRATION = "BreastView demonstration"


def export_bundle(
    run: Path,
    folder: Path,
    name: str,
    validation: Samples,
    test: Samples,
    training: dict[str, Any],
    inputs: InputSpec,
    check: Check | None = None,
) -> ModelSpec:
    """Write a bundle with its card, calibrated on validation cases, measured on test cases, with their scope.

    `inputs` is what the cohort was cut with; the size of the pictures is the run's. Everything is computed
    with the weights as they are kept and in float32, as the application computes. `DEMONSTRATION` names the
    one of simulated patients. With a `check` the bundle doubts registrations; with enough validation cases it
    doubts crops that look unlike them.

    Raises:
        RunError: there is no run, or it trained one modality only.
    """
    made = settings_of_pair(run)
    network, mri = made.network, made.recipe.mri
    inputs = replace(inputs, size_px=made.recipe.size_px, mri_input=mri)
    net = load_average(run, network)
    point: dict[str, float] = {}
    if check is not None:
        net.agreement, network = check.network, replace(network, checks_registration=True)
        point["registration"] = check.threshold
    likeness = fit_likeness(net, validation, inputs.size_px, mri)
    net.likeness = likeness.networks
    load_weights(net, pack_weights(net))
    chosen = predict(net, validation, inputs.size_px, mri=mri)
    measured = predict(net, test, inputs.size_px, mri=mri)
    unlike = unlike_metrics(net, likeness.thresholds, test, inputs.size_px, mri)
    net.likeness = nn.ModuleDict({name: net.likeness[name] for name in unlike})
    network = replace(network, checks_likeness=tuple(unlike))
    point |= {f"{name}_unlike": likeness.thresholds[name] for name in unlike}
    heads = {head: Head.chosen(validation, chosen[head]) for head in HEADS}
    best = {"best_possible_auc": evaluate.best_possible(test.label, test.best)} if _has_best(test) else {}
    spec = ModelSpec(
        name=name,
        demonstration=name == DEMONSTRATION,
        input=inputs,
        network=network,
        scope=_scope(test, name == DEMONSTRATION),
        temperature={name: head.temperature for name, head in heads.items()},
        operating_point={**{name: head.point for name, head in heads.items()}, **point},
        cam_scale=cam_scales(net, validation, inputs.size_px, mri),
        metrics={
            **{name: head.metrics(test, measured[name]) for name, head in heads.items()},
            **({"registration": check_metrics(check, test)} if check else {}),
            **({"unlike": unlike} if unlike else {}),
        },
        training={**training, **best, **_log(run), "recipe": to_plain(made.recipe)},
    )
    spec = save_bundle(folder, spec, net, *(x.numpy() for x in _pair(test, 0, inputs.size_px, mri)))
    write_card(spec, folder)
    return spec


def settings_of_pair(run: Path) -> Settings:
    """How a run is made; raises RunError where there is none, or it trained one modality only."""
    made = read_settings(run)
    if made.network.modalities != MODALITIES:
        raise RunError(f"{run} trained {made.network.modalities[0]} only: a bundle holds both modalities")
    return made


@dataclass(frozen=True)
class Head:
    """How one head's logits become a probability and a call."""

    temperature: float
    point: float

    @classmethod
    def chosen(cls, validation: Samples, logits: np.ndarray) -> Head:
        """Temperature, and Youden's point, on the validation cases that the head sees."""
        label, logits = _seen(validation.label, logits)
        temperature = evaluate.fit_temperature(label, logits)
        return cls(temperature, evaluate.youden_point(label, evaluate.calibrated(logits, temperature)))

    def metrics(self, test: Samples, logits: np.ndarray) -> dict[str, Metric]:
        """Figures on the test cases that the head sees; over patients where a patient has several."""
        label, seen_logits = _seen(test.label, logits)
        patients, _ = _seen(test.patient, logits)
        repeated = len(set(patients)) < len(patients)
        measure = evaluate.metrics_over_patients if repeated else evaluate.metrics
        return measure(label, seen_logits, self.temperature, self.point, patients if repeated else None)


def _seen(values: np.ndarray, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values and logits of the cases that have what the head looks at."""
    there = np.isfinite(logits).all(axis=1)
    return values[there], logits[there]


def _scope(test: Samples, demonstration: bool) -> Scope:
    scope = scope_of(test.about, bool(test.channels.any()))
    return replace(scope, simulated_only=True, note=SIMULATED) if demonstration else scope


def _has_best(test: Samples) -> bool:
    return set(BEST) <= set(test.about.columns) and not test.about[list(BEST)].isna().any(axis=None)


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


def _log(run: Path) -> dict[str, Any]:
    lines = log_lines(run)
    last = lines[-1]
    return {
        "started_from": last["started_from"],
        "epochs": last["epoch"],
        "epoch_chosen": max((line["epoch"] for line in lines if line["chosen"]), default=last["epoch"]),
        "training_hours": round(last["seconds"] / 3600, 2),
    }
