"""From trained networks to a bundle with its card: quantised, calibrated, measured as it is kept."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from breastview.fusion.bundle import load_weights, pack_weights, save_bundle
from breastview.fusion.network import FusionNetwork
from breastview.fusion.spec import MODALITIES, US_ONLY, InputSpec, Metric, ModelSpec, NetworkSpec, Scope
from model_training import evaluate
from model_training.agreement import Check, check_metrics
from model_training.batches import exact_pair, has_mri
from model_training.calibrate import Answered, Head
from model_training.cam_scale import cam_scales, us_scale
from model_training.card import HEADS, write_card
from model_training.cohort.samples import BEST, Samples
from model_training.likeness import fit_likeness, unlike_metrics
from model_training.recipe import Recipe, to_plain
from model_training.run_folder import (
    RunError,
    Settings,
    check_ended,
    load_average,
    log_lines,
    read_settings,
)
from model_training.scope import SIMULATED, scope_of

log = logging.getLogger(__name__)

FEWEST = 10  # lesions of a class below which US alone has no scope, and two views are not read
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
    temperature and figures of its own. So do both views of lesions that have two, where enough have.

    Raises:
        RunError: there is no run, it trained one modality only or stopped before its last epoch, or the
            members are of different kinds.
    """
    made = alike([member.run for member in members])
    if any(part.box_shaped.any() for member in members for part in (member.validation, member.test)):
        raise RunError("crops with the proportions of their boxes go into a bundle by graft")
    inputs = replace(inputs, size_px=made.recipe.size_px, mri_input=made.recipe.mri)
    nets, doubts = _as_kept(members, made.network, check, inputs)
    log.info("asking about the validation and test lesions, and measuring")
    validation, test = _answers(nets, members, inputs)
    heads = {key: Head.chosen(key, lesions) for key, lesions in validation.items()}
    metrics = {key: head.metrics(test[key]) for key, head in heads.items()}
    known = test["fused"].samples
    spec = ModelSpec(
        name=name,
        demonstration=name == DEMONSTRATION,
        input=inputs,
        network=replace(
            made.network,
            checks_registration=check is not None,
            checks_likeness=tuple(nets[0].likeness),
        ),
        scope=_scope(known, name == DEMONSTRATION, inputs.mri_input),
        us_scope=scope_of(test[US_ONLY].samples.about, has_mri=False) if US_ONLY in test else None,
        temperature={key: head.temperature for key, head in heads.items()},
        operating_point={**{key: head.point for key, head in heads.items()}, **doubts},
        cam_scale=_mean_scales(nets, members, validation, inputs),
        metrics={**metrics, **_worth_of_checks(nets[0], members[0].test, check, doubts, inputs)},
        training={**training, **_best_possible(known), **_logs(members), "recipe": to_plain(made.recipe)},
    )
    us, mri = (x.numpy() for x in exact_pair(known, 0, inputs))
    spec = save_bundle(folder, spec, nets, us, mri, write_card)
    log.info("%s is written; CARD.md in it says what it is worth", folder)
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


def _as_kept(
    members: Sequence[Member], network: NetworkSpec, check: Check | None, inputs: InputSpec
) -> tuple[list[FusionNetwork], dict[str, float]]:
    """The members' networks with the weights that a bundle keeps, the first with what it can check, and the
    points from which it doubts."""
    nets = [load_average(member.run, network) for member in members]
    doubts = _add_checks(nets[0], members[0], check, inputs)
    for net in nets:
        load_weights(net, pack_weights(net))
    return nets, doubts


def _answers(
    nets: Sequence[FusionNetwork], members: Sequence[Member], inputs: InputSpec
) -> tuple[dict[str, Answered], dict[str, Answered]]:
    """What each head is calibrated on, and what it is measured on: lesions with MRI, and `US_ONLY` such
    without. Where either are too few to be a scope of their own, all are together."""
    test = Answered.of_all(nets, [member.test for member in members], inputs)
    validation = Answered.of_all(nets, [members[0].validation], inputs) if len(members) == 1 else test
    has = [has_mri(part.samples, inputs.mri_input) for part in (validation, test)]
    heads = (*HEADS, *(head for head in test.two_views if _enough(head, validation) and _enough(head, test)))
    if all(map(_are_two_scopes, (validation.samples.label, test.samples.label), has)):
        return _parted(heads, validation, has[0]), _parted(heads, test, has[1])
    return dict.fromkeys(heads, validation), dict.fromkeys(heads, test)


def _enough(head: str, lesions: Answered) -> bool:
    """Whether a head for two views has told of enough lesions of both classes."""
    if head not in lesions.logits:
        return False
    malignant = lesions.samples.label[lesions.seen_by(head)[0]]
    return bool(min(malignant.sum(), (~malignant).sum()) >= FEWEST)


def _are_two_scopes(label: np.ndarray, has: np.ndarray) -> bool:
    """Whether there are lesions that have MRI, and enough of both classes, bool (n,), that have none."""
    lone = label[~has]
    return bool(has.any() and min(lone.sum(), (~lone).sum()) >= FEWEST)


def _parted(heads: Sequence[str], lesions: Answered, has: np.ndarray) -> dict[str, Answered]:
    return {**dict.fromkeys(heads, lesions.take(has)), US_ONLY: lesions.take(~has)}


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
    nets: Sequence[FusionNetwork],
    members: Sequence[Member],
    validation: dict[str, Answered],
    inputs: InputSpec,
) -> dict[str, float]:
    """The heatmaps' scales, mean of the networks': each on its own validation cases, and all on those without
    MRI where these are apart."""
    own = [cam_scales(net, member.validation, inputs) for net, member in zip(nets, members, strict=True)]
    scales = {name: float(np.mean([one[name] for one in own])) for name in MODALITIES}
    if US_ONLY in validation:
        lone = validation[US_ONLY].samples
        scales[US_ONLY] = float(np.mean([us_scale(net, lone, inputs) for net in nets]))
    return scales


def _best_possible(known: Samples) -> dict[str, Any]:
    """What there was to win, where an optimal reader's answers are known."""
    if not set(BEST) <= set(known.about.columns) or known.about[list(BEST)].isna().any(axis=None):
        return {}
    return {"best_possible_auc": evaluate.best_possible(known.label, known.best)}


def _logs(members: Sequence[Member]) -> dict[str, Any]:
    """What the log of the run tells, or that of each member."""
    logs = [log_of(member.run) for member in members]
    return logs[0] if len(logs) == 1 else {"members": logs}


def settings_of_pair(run: Path) -> Settings:
    """How a run is made; raises RunError where there is none, it trained one modality only, or it stopped
    before its last epoch."""
    made = read_settings(run)
    if made.network.modalities != MODALITIES:
        raise RunError(f"{run} trained {made.network.modalities[0]} only: a bundle holds both modalities")
    check_ended(run, made)
    return made


def _scope(test: Samples, demonstration: bool, mri: str) -> Scope:
    scope = scope_of(test.about, bool(has_mri(test, mri).any()))
    return replace(scope, simulated_only=True, note=SIMULATED) if demonstration else scope


def log_of(run: Path) -> dict[str, Any]:
    """What the log of a run tells."""
    lines = log_lines(run)
    last = lines[-1]
    return {
        "started_from": last["started_from"],
        "epochs": last["epoch"],
        "epoch_chosen": max((line["epoch"] for line in lines if line["chosen"]), default=last["epoch"]),
        "training_hours": round(last["seconds"] / 3600, 2),
        "hardware": last.get("hardware", "not recorded"),
    }
