"""Into a bundle, a network of US alone that was trained by itself: it answers where there is no MRI.

A department has more lesions with US alone than with both, and a network that learned from nothing else is
better at them. What the bundle says of lesions with MRI stays as it was, figures and all.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from breastview.fusion.bundle import load_bundle, load_weights, pack_weights, probe_input, save_bundle
from breastview.fusion.network import FusionNetwork
from breastview.fusion.spec import US_ONLY, InputSpec, Metric, ModelSpec, NetworkSpec
from model_training.calibrate import Answered, Head
from model_training.cam_scale import us_scale
from model_training.card import write_card
from model_training.cohort.samples import Samples
from model_training.export import FEWEST, log_of
from model_training.likeness import Likenesses, fit_likeness, unlike_metrics
from model_training.recipe import to_plain
from model_training.run_folder import RunError, Settings, check_ended, load_average, read_settings
from model_training.scope import scope_of
from model_training.together import Unseen, said_unseen

T = TypeVar("T")
_PLACES = {"trunks.us.": f"trunks.{US_ONLY}.", "head.single.us.": f"head.single.{US_ONLY}."}
_OF_US_ONLY = (*_PLACES.values(), f"likeness.{US_ONLY}.")


def graft(
    bundle: Path, run: Path, validation: Samples, test: Samples, folder: Path, told: dict[str, Any]
) -> ModelSpec:
    """Write the bundle anew into `folder`, with the US network of `run` for lesions without MRI.

    That network is calibrated on the US of its validation cases and measured on that of its test cases, as it
    is kept, and its scope is read off the latter. One that stands for those of a cross-validation has the
    same cases as both, and is calibrated and measured on what was said of them unseen. `told` says how it was
    made.

    Raises:
        RunError: there is no run, it trained more than US or stopped before its last epoch, its pictures or
            features are not the bundle's, the bundle is an ensemble, or a part has too few of a class.
        ModelError: there is no whole bundle.
    """
    held, made = load_bundle(bundle, "cpu"), read_settings(run)
    spec, network = held.spec, _with_us_only(held.spec.network, made.network)
    inputs = replace(spec.input, size_px=made.recipe.size_px, box_shaped=_box_shaped(validation, test))
    _check_fits(spec, made, run)
    check_ended(run, made)
    net = _grafted(held.network, load_average(run, made.network), network)
    validation, test = _without_mri(validation, "validation"), _without_mri(test, "test")
    fit = fit_likeness(net, validation, inputs.size_px)
    net.likeness.update({name: fit.networks[name] for name in fit.thresholds})
    load_weights(net, pack_weights(net))
    unseen = said_unseen(run)
    head, metrics, doubted = _worth(net, unseen, fit, validation, test, inputs)
    unlike = {**_others(spec.metrics.get("unlike", {})), **doubted}
    spec = replace(
        spec,
        network=replace(network, checks_likeness=tuple(net.likeness)),
        us_scope=scope_of(test.about, has_mri=False, cross_validated=unseen is not None),
        us_only_input=None if inputs == spec.input else inputs,
        temperature={**spec.temperature, US_ONLY: head.temperature},
        operating_point={
            **_others(spec.operating_point),
            US_ONLY: head.point,
            **{f"{name}_unlike": point for name, point in fit.thresholds.items()},
        },
        cam_scale={**spec.cam_scale, US_ONLY: us_scale(net, validation, inputs)},
        metrics={**spec.metrics, US_ONLY: metrics, **({"unlike": unlike} if unlike else {})},
        training={**spec.training, US_ONLY: {**told, **log_of(run), "recipe": to_plain(made.recipe)}},
    )
    return save_bundle(folder, spec, [net], *probe_input(bundle), write_card)


def _worth(
    net: FusionNetwork,
    unseen: Unseen | None,
    fit: Likenesses,
    validation: Samples,
    test: Samples,
    inputs: InputSpec,
) -> tuple[Head, dict[str, Metric], dict[str, Metric]]:
    """How the logits of US alone become a probability and a call, what that is worth, and how many of its
    crops are doubted."""
    if unseen is not None:
        return Head.chosen(US_ONLY, unseen.answered(test)), unseen.metrics(test), fit.held_out
    known, told = (Answered.of_all([net], [part], inputs) for part in (validation, test))
    head = Head.chosen(US_ONLY, known)
    return head, head.metrics(told), unlike_metrics(net, fit.thresholds, test, inputs.size_px)


def _without_mri(samples: Samples, part: str) -> Samples:
    """The cases with US alone: what they are asked about. Raises RunError where a class has too few."""
    malignant = int(samples.label.sum())
    if min(malignant, len(samples) - malignant) < FEWEST:
        raise RunError(f"the {part} part holds fewer than {FEWEST} malignant, or benign, lesions")
    nothing = {name: np.zeros_like(getattr(samples, name)) for name in ("channels", "native")}
    return replace(samples, **nothing)


def _box_shaped(*parts: Samples) -> bool:
    """Whether the pictures have the proportions of their boxes."""
    return any(part.box_shaped.any() for part in parts)


def _others(figures: dict[str, T]) -> dict[str, T]:
    """All but what is of US without MRI."""
    return {name: value for name, value in figures.items() if not name.startswith(US_ONLY)}


def _with_us_only(held: NetworkSpec, own: NetworkSpec) -> NetworkSpec:
    """The network of the bundle, with the trunk of its own for US without MRI."""
    checks = tuple(name for name in held.checks_likeness if name != US_ONLY)
    return replace(
        held, own_us_only=True, own_us_only_head=True, us_only_trunk=own.trunk, checks_likeness=checks
    )


def _check_fits(spec: ModelSpec, made: Settings, run: Path) -> None:
    own, held = made.network, spec.network
    if own.modalities != ("us",):
        raise RunError(f"{run} trained {' and '.join(own.modalities)}: train it with --modalities us")
    if spec.members > 1:
        raise RunError("the bundle is an ensemble: a network of US alone goes into one of a single network")
    if own.dilated != held.dilated:
        raise RunError(f"{run} trained a trunk whose last stage is dilated otherwise than the bundle's")


def _grafted(held: FusionNetwork, own: FusionNetwork, network: NetworkSpec) -> FusionNetwork:
    """All of one network but what is of US without MRI; that is the US of the other."""
    net = FusionNetwork(network).to(memory_format=torch.channels_last)
    state = {name: x for name, x in held.state_dict().items() if not name.startswith(_OF_US_ONLY)}
    for name, value in own.state_dict().items():
        for part, place in _PLACES.items():
            if name.startswith(part):
                state[place + name.removeprefix(part)] = value
    net.load_state_dict(state)
    return net.eval()
