"""The model's answer for one lesion: calibrated probabilities, fusion weights and heatmaps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from breastview.fusion.bundle import Bundle, load_bundle
from breastview.fusion.explain import MALIGNANT, grad_cam
from breastview.fusion.network import (
    MODALITIES,
    FusionNetwork,
    Maps,
    modality_of,
    mri_tensor,
    side_by_side,
)
from breastview.fusion.preprocess import Crop, ModelInput
from breastview.fusion.reading import Eligibility, Heatmap, Reading, refusal
from breastview.fusion.spec import US_ONLY, ModelSpec, measured_as, read_spec
from breastview.imaging.geometry import frozen
from breastview.messages import Message, message

_UNLIKE = {"us": "model.unlike_us", US_ONLY: "model.unlike_us", "mri": "model.unlike_mri"}


def read(bundle: Bundle, given: ModelInput, eligibility: Eligibility, override: bool = False) -> Reading:
    """Read one lesion. A refusal, without numbers, where the case is not eligible and nobody overrode it.

    US without MRI was measured on single pictures, so that a second view is left out there.
    """
    spec = bundle.spec
    us_head = US_ONLY if eligibility.us_only and not override else "us"
    if us_head == US_ONLY:
        given = _alone(given)
    inputs = _inputs(bundle, given)
    if not inputs or not (eligibility.allows_reading or override):
        return refusal(spec, given.lesion_id, given.input_sha256, eligibility, bundle.device_name)
    if us_head == US_ONLY:
        inputs = {bundle.network.us_only: inputs["us"]}
    views = len(inputs["us"]) if "us" in inputs else 1
    fused = "fused" if len(inputs) == len(MODALITIES) else modality_of(next(iter(inputs)))
    firsts = [_first(network, inputs) for network in bundle.networks]
    answers = [_answer(*pair, fused) for pair in zip(bundle.networks, firsts, strict=True)]
    logits, share, cams = (_mean(parts) for parts in zip(*answers, strict=True))
    return Reading(
        lesion_id=given.lesion_id,
        eligibility=eligibility,
        research_override=override and not eligibility.eligible,
        model_name=spec.name,
        model_sha256=spec.weights_sha256,
        input_sha256=given.input_sha256,
        device=bundle.device_name,
        demonstration=spec.demonstration,
        probability=(
            _probability(logits, "fused", spec, measured_as("fused", views)) if fused == "fused" else None
        ),
        probability_us=_probability(logits, "us", spec, measured_as(us_head, views)),
        probability_mri=_probability(logits, "mri", spec),
        weight_us=float(share["us"]) if "us" in share else None,
        weight_mri=float(share["mri"]) if "mri" in share else None,
        heatmaps=(*_us_heatmaps(cams, given, views, spec, us_head), *_mri_heatmap(cams, given, spec)),
        cautions=(*_unlike(bundle, firsts[0]), *_misregistered(bundle, inputs)),
        views=views,
    )


def _alone(given: ModelInput) -> ModelInput:
    """One US picture, as it is cut where there is no MRI."""
    us, crop = (given.us, given.us_crop) if given.us_alone is None else (given.us_alone, given.alone_crop)
    return replace(given, us=us, us_crop=crop, second_us=None, second_crop=None)


@torch.no_grad()
def _first(network: FusionNetwork, inputs: Maps) -> Maps:
    """First maps by trunk: the answer and the doubt about the crop's likeness both begin with them."""
    return {name: network.first(name, x) for name, x in inputs.items()}


def _answer(network: FusionNetwork, first: Maps, fused: str) -> tuple[Maps, Maps, Maps]:
    """One network's logits (1, 2) by head; by modality its weight, and raw Grad-CAM (h, w) of `fused`, that
    of two US views side by side."""
    with torch.no_grad():
        maps = {name: side_by_side(network.rest(name, x)) for name, x in first.items()}
        logits = network.head(maps)
        seen = [modality_of(name) for name in maps]
        weights = dict(zip(seen, network.head.weights(network.head.features(maps))[0], strict=True))
    return logits, weights, grad_cam(network.head, maps, fused)


def _mean(parts: tuple[Maps, ...]) -> Maps:
    """The mean over networks of what each says, by name."""
    return {name: torch.stack([part[name] for part in parts]).mean(dim=0) for name in parts[0]}


def read_request(
    folder: Path, device: str, given: ModelInput, eligibility: Eligibility, override: bool
) -> Reading:
    """`read` for a worker process: the bundle stays loaded between calls."""
    return read(_current(folder, device), given, eligibility, override)


def warm(folder: Path, device: str) -> str:
    """Load a bundle ahead of the first reading; returns the device in words."""
    return _current(folder, device).device_name


def _current(folder: Path, device: str) -> Bundle:
    """The bundle as it stands on disk, loaded anew only when its weights changed."""
    return _loaded(folder, device, read_spec(folder).weights_sha256)


@lru_cache(maxsize=1)
def _loaded(folder: Path, device: str, weights_sha256: str) -> Bundle:
    return load_bundle(folder, device)


def _inputs(bundle: Bundle, given: ModelInput) -> dict[str, torch.Tensor]:
    """What the network is given, by modality: US (view, 1, size, size), MRI (1, 2 · channel, size, size)."""
    inputs = {}
    if given.us is not None:
        inputs["us"] = torch.from_numpy(np.stack(given.us_views)).to(bundle.device)
    if given.mri is not None and given.channels_present.any():
        present = torch.from_numpy(np.array(given.channels_present))[None]
        inputs["mri"] = mri_tensor(torch.from_numpy(np.array(given.mri))[None], present).to(bundle.device)
    return inputs


def _unlike(bundle: Bundle, first: Maps) -> Iterator[Message]:
    """A doubt for each crop that is unlike those that the model was measured on."""
    spec = bundle.spec
    for name in (name for name in first if name in spec.network.checks_likeness):
        with torch.no_grad():
            far = float(bundle.network.unlikeness(name, first[name]).max())
        if far >= spec.operating_point[f"{name}_unlike"]:
            yield message(_UNLIKE[name], flagged=round(100 * spec.metrics["unlike"][name].value))


def _misregistered(bundle: Bundle, inputs: dict[str, torch.Tensor]) -> tuple[Message, ...]:
    """A doubt where US and MRI do not look like the same place."""
    check, spec = bundle.network.agreement, bundle.spec
    if check is None or len(inputs) < len(MODALITIES):
        return ()
    with torch.no_grad():
        off = float(check(inputs["us"][:1], inputs["mri"]).sigmoid()[0])
    if off < spec.operating_point["registration"]:
        return ()
    worth = spec.metrics["registration"]
    flagged, false = (round(100 * worth[name].value) for name in ("flagged", "false_flags"))
    return (message("model.misregistered", flagged=flagged, false=false),)


def _probability(
    logits: dict[str, torch.Tensor], name: str, spec: ModelSpec, calibrated_as: str | None = None
) -> float | None:
    if name not in logits:
        return None
    scaled = logits[name][0].float() / spec.temperature.get(calibrated_as or name, 1.0)
    return float(scaled.softmax(dim=0)[MALIGNANT])


def _us_heatmaps(
    cams: Maps, given: ModelInput, views: int, spec: ModelSpec, us_head: str
) -> Iterator[Heatmap]:
    """A heatmap on each US view, each as strong as it were alone: pooled with another it counts for half."""
    if "us" not in cams:
        return
    raws = np.split(cams["us"].float().cpu().numpy() * views, views, axis=1)
    crops: tuple[Crop | None, ...] = (given.us_crop, given.second_crop)
    for number, (raw, crop) in enumerate(zip(raws, crops, strict=False)):
        assert crop is not None
        place = (crop.left, crop.top, crop.width, crop.height)
        yield Heatmap("us", *_scaled(raw, spec, us_head), *place, second_view=number > 0)


def _mri_heatmap(cams: Maps, given: ModelInput, spec: ModelSpec) -> Iterator[Heatmap]:
    if "mri" not in cams:
        return
    grid = given.mri_grid
    assert grid is not None
    half = grid.spacing_mm / 2
    place = (grid.left_mm - half, grid.top_mm - half, grid.width_mm, grid.height_mm)
    yield Heatmap(
        "mri", *_scaled(cams["mri"].float().cpu().numpy(), spec, "mri"), *place, plane=given.mri_plane
    )


def _scaled(raw: np.ndarray, spec: ModelSpec, name: str) -> tuple[np.ndarray, float]:
    """A raw map in 0…1 by the model-wide scale of its kind, float32 and read-only, and its raw peak."""
    values = np.clip(raw / spec.cam_scale.get(name, 1.0), 0, 1)
    return frozen(values.astype(np.float32)), float(raw.max())
