"""From a trained network to a bundle with its card: quantised, calibrated, measured as it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from breastview.fusion.bundle import load_weights, pack_weights, save_bundle
from breastview.fusion.explain import grad_cam
from breastview.fusion.network import FusionNetwork, mri_tensor
from breastview.fusion.spec import MODALITIES, US_ONLY, InputSpec, Metric, ModelSpec, NetworkSpec, Scope
from model_training import evaluate
from model_training.agreement import Check, check_metrics
from model_training.batches import has_mri, mri_images, sized
from model_training.card import HEADS, write_card
from model_training.cohort.samples import BEST, Samples, joined
from model_training.likeness import fit_likeness, unlike_metrics
from model_training.predict import predict
from model_training.recipe import Recipe, to_plain
from model_training.run_folder import RunError, Settings, load_average, log_lines, read_settings
from model_training.scope import SIMULATED, scope_of

CAM_PERCENTILE = 95.0
FEWEST_US_ONLY = 10  # lesions of a class without MRI below which US alone has no scope
DEMONSTRATION = "BreastView demonstration"


@dataclass(frozen=True, eq=False)
class Member:
    """A run, the cases that its epoch was chosen by, and those that it never saw."""

    run: Path
    validation: Samples
    test: Samples


def export_bundle(
    members: Sequence[Member],
    folder: Path,
    name: str,
    training: dict[str, Any],
    inputs: InputSpec,
    check: Check | None = None,
) -> ModelSpec:
    """Write a bundle with its card. One network is calibrated on its validation cases and measured on its
    test cases; an ensemble is calibrated and measured out of fold: each member on its own test cases.

    `inputs` is what the cohort was cut with; the size of the pictures is the run's. Everything is computed
    with the weights as they are kept and in float32, as the application computes. `DEMONSTRATION` names the
    one of simulated patients. With a `check` the bundle doubts registrations; with enough validation cases it
    doubts crops that look unlike them. Both are fitted for the first member, and measured on its test cases.
    Lesions without MRI, where there are enough beside others, are measured apart: US alone has a scope, a
    temperature and figures of its own.

    Raises:
        RunError: there is no run, it trained one modality only, or the members are of different kinds.
    """
    made = alike([member.run for member in members])
    first, network, mri = members[0], made.network, made.recipe.mri
    inputs = replace(inputs, size_px=made.recipe.size_px, mri_input=mri)
    nets = [load_average(member.run, network) for member in members]
    doubts = _add_checks(nets[0], first, check, inputs)
    for net in nets:
        load_weights(net, pack_weights(net))
    test = Answered.of_all(nets, [member.test for member in members], inputs)
    validation = Answered.of_all(nets, [first.validation], inputs) if len(members) == 1 else test
    (validation, lone_validation), (test, lone_test) = _parted(validation, test, mri)
    heads = {head: Head.chosen(head, validation) for head in HEADS}
    metrics = {name: head.metrics(test) for name, head in heads.items()}
    scales = _mean_scales(nets, members, inputs)
    if len(lone_test):
        heads[US_ONLY] = Head.chosen("us", lone_validation)
        metrics[US_ONLY] = heads[US_ONLY].metrics(lone_test)
        scales[US_ONLY] = us_scale(nets, lone_validation.samples, inputs.size_px)
    known = test.samples
    best = {"best_possible_auc": evaluate.best_possible(known.label, known.best)} if _has_best(known) else {}
    spec = ModelSpec(
        name=name,
        demonstration=name == DEMONSTRATION,
        input=inputs,
        network=replace(
            network,
            checks_registration=check is not None,
            checks_likeness=tuple(nets[0].likeness),
        ),
        scope=_scope(known, name == DEMONSTRATION, mri),
        us_scope=scope_of(lone_test.samples.about, has_mri=False) if len(lone_test) else None,
        temperature={name: head.temperature for name, head in heads.items()},
        operating_point={**{name: head.point for name, head in heads.items()}, **doubts},
        cam_scale=scales,
        metrics={**metrics, **_worth_of_checks(nets[0], first.test, check, doubts, inputs)},
        training={**training, **best, **_logs(members), "recipe": to_plain(made.recipe)},
    )
    spec = save_bundle(folder, spec, nets, *(x.numpy() for x in _pair(known, 0, inputs.size_px, mri)))
    write_card(spec, folder)
    return spec


def alike(runs: Sequence[Path]) -> Settings:
    """How runs of one kind are made; raises RunError where they are not, or as `settings_of_pair` does."""
    made = [settings_of_pair(run) for run in runs]
    for run, other in zip(runs, made, strict=True):
        if _kind(other) != _kind(made[0]):
            raise RunError(f"{run} trained another network, or by another recipe, than {runs[0]}")
    return made[0]


def _kind(made: Settings) -> tuple[NetworkSpec, Recipe]:
    """What members have in common: a seed may be their own."""
    return made.network, replace(made.recipe, seed=0, threads=1)


def _parted(
    validation: Answered, test: Answered, mri: str
) -> tuple[tuple[Answered, Answered], tuple[Answered, Answered]]:
    """Validation and test, each as lesions with MRI and such without. Where these are too few to be a scope
    of their own, or there are no others, all are together."""
    parts = []
    for one in (validation, test):
        has = has_mri(one.samples, mri)
        parts.append((one.take(has), one.take(~has)))
    enough = all(
        len(with_mri) and min(lone.samples.label.sum(), (~lone.samples.label).sum()) >= FEWEST_US_ONLY
        for with_mri, lone in parts
    )
    if enough:
        return parts[0], parts[1]
    nothing = np.zeros(0, int)
    return (validation, validation.take(nothing)), (test, test.take(nothing))


def _add_checks(
    net: FusionNetwork, member: Member, check: Check | None, inputs: InputSpec
) -> dict[str, float]:
    """Put into a network what it can check; returns the points from which it doubts."""
    fit = fit_likeness(net, member.validation, inputs.size_px, inputs.mri_input)
    seen = has_mri(member.test, inputs.mri_input).any()
    measurable = [name for name in fit.thresholds if name != "mri" or seen]
    net.likeness = nn.ModuleDict({name: fit.networks[name] for name in measurable})
    points = {f"{name}_unlike": fit.thresholds[name] for name in measurable}
    if check is None:
        return points
    net.agreement = check.network
    return {**points, "registration": check.threshold}


def _worth_of_checks(
    net: FusionNetwork, test: Samples, check: Check | None, doubts: dict[str, float], inputs: InputSpec
) -> dict[str, dict[str, Metric]]:
    """Figures of the checks of a network as it is kept."""
    thresholds = {name: doubts[f"{name}_unlike"] for name in net.likeness}
    unlike = unlike_metrics(net, thresholds, test, inputs.size_px, inputs.mri_input)
    registration = {"registration": check_metrics(check, test)} if check else {}
    return {**registration, **({"unlike": unlike} if unlike else {})}


def _mean_scales(
    nets: Sequence[FusionNetwork], members: Sequence[Member], inputs: InputSpec
) -> dict[str, float]:
    scales = [
        cam_scales(net, member.validation, inputs.size_px, inputs.mri_input)
        for net, member in zip(nets, members, strict=True)
    ]
    return {name: float(np.mean([one[name] for one in scales])) for name in MODALITIES}


def _logs(members: Sequence[Member]) -> dict[str, Any]:
    """What the log of the run tells, or of each member's."""
    logs = [_log(member.run) for member in members]
    return logs[0] if len(logs) == 1 else {"members": logs}


def settings_of_pair(run: Path) -> Settings:
    """How a run is made; raises RunError where there is none, or it trained one modality only."""
    made = read_settings(run)
    if made.network.modalities != MODALITIES:
        raise RunError(f"{run} trained {made.network.modalities[0]} only: a bundle holds both modalities")
    return made


@dataclass(frozen=True, eq=False)
class Answered:
    """Lesions, and what a network says of each: logits float32 (case, 2) by head."""

    samples: Samples
    logits: dict[str, np.ndarray]

    @classmethod
    def of_all(cls, nets: Sequence[FusionNetwork], parts: Sequence[Samples], inputs: InputSpec) -> Answered:
        """Each network's answers to its own part, one after the other."""
        said = [
            predict(net, part, inputs.size_px, mri=inputs.mri_input)
            for net, part in zip(nets, parts, strict=True)
        ]
        return cls(joined(parts), {head: np.concatenate([one[head] for one in said]) for head in said[0]})

    def __len__(self) -> int:
        return len(self.samples)

    def take(self, cases: np.ndarray) -> Answered:
        """The lesions at these places, or where this mask is true."""
        return Answered(self.samples.take(cases), {head: x[cases] for head, x in self.logits.items()})


@dataclass(frozen=True)
class Head:
    """How the logits of the head called `name` become a probability and a call."""

    name: str
    temperature: float
    point: float

    @classmethod
    def chosen(cls, name: str, validation: Answered) -> Head:
        """Temperature, and Youden's point, on the validation cases that the head sees; the temperature by the
        optimal reader's answers where these are known."""
        samples, logits = validation.samples, validation.logits[name]
        malignant, _ = _seen(samples.posterior[:, BEST.index(f"best_{name}")], logits)
        label, logits = _seen(samples.label, logits)
        temperature = evaluate.fit_temperature(malignant, logits)
        return cls(name, temperature, evaluate.youden_point(label, evaluate.calibrated(logits, temperature)))

    def metrics(self, test: Answered) -> dict[str, Metric]:
        """Figures on the test cases that the head sees; over patients where a patient has several."""
        samples, logits = test.samples, test.logits[self.name]
        label, seen_logits = _seen(samples.label, logits)
        patients, _ = _seen(samples.patient, logits)
        repeated = len(set(patients)) < len(patients)
        measure = evaluate.metrics_over_patients if repeated else evaluate.metrics
        return measure(label, seen_logits, self.temperature, self.point, patients if repeated else None)


def _seen(values: np.ndarray, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values and logits of the cases that have what the head looks at."""
    there = np.isfinite(logits).all(axis=1)
    return values[there], logits[there]


def _scope(test: Samples, demonstration: bool, mri: str) -> Scope:
    scope = scope_of(test.about, bool(has_mri(test, mri).any()))
    return replace(scope, simulated_only=True, note=SIMULATED) if demonstration else scope


def _has_best(test: Samples) -> bool:
    return set(BEST) <= set(test.about.columns) and not test.about[list(BEST)].isna().any(axis=None)


def cam_scales(
    net: FusionNetwork, samples: Samples, size_px: int, mri: str = "registered", count: int = 100
) -> dict[str, float]:
    """The raw Grad-CAM value that is shown as 1: a high percentile of the peaks, one for the whole model; of
    lesions with MRI, where there are any."""
    has = has_mri(samples, mri)
    samples = samples.take(has) if has.any() else samples
    peaks: dict[str, list[float]] = {"us": [], "mri": []}
    for case in range(min(count, len(samples))):
        us, planes = _pair(samples, case, size_px, mri)
        with torch.no_grad():
            present = torch.ones(planes.shape[:2], dtype=torch.bool)
            maps = {"us": net.trunk("us", us), "mri": net.trunk("mri", mri_tensor(planes, present))}
        for name, cam in grad_cam(net.head, maps).items():
            peaks[name].append(float(cam.max()))
    return {name: _shown_as_one(values) for name, values in peaks.items()}


def us_scale(nets: Sequence[FusionNetwork], samples: Samples, size_px: int, count: int = 100) -> float:
    """The same for the US head where there is no MRI, mean of the networks'."""
    first = samples.take(np.arange(min(count, len(samples))))
    return float(np.mean([_shown_as_one(_us_peaks(net, first, size_px)) for net in nets]))


def _us_peaks(net: FusionNetwork, samples: Samples, size_px: int) -> list[float]:
    peaks = []
    for case in range(len(samples)):
        us, _ = _pair(samples, case, size_px, "registered")
        with torch.no_grad():
            maps = {"us": net.trunk(net.us_only, us)}
        peaks.append(float(grad_cam(net.head, maps, "us")["us"].max()))
    return peaks


def _shown_as_one(peaks: Sequence[float]) -> float:
    return max(float(np.percentile(peaks, CAM_PERCENTILE)), 1e-6)


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
