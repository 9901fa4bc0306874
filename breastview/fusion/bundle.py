"""A model bundle on disk: safetensors shards, checked before use. No pickle is ever read.

Convolutions and classifiers are kept as int8 with a scale for each output channel (name + ".scale"), which
halves a shared ResNet-101 to under 45 MB; metrics are those of the weights as they are kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from breastview.errors import ModelError
from breastview.fusion.network import FusionNetwork, Maps, mri_tensor
from breastview.fusion.spec import CHANNELS, US_ONLY, ModelSpec, read_spec, write_spec
from breastview.whole import written_together

SHARD_BYTES = 15 * 1024 * 1024
PROBE_FILE = "probe.safetensors"
PROBE_TOLERANCE = 0.05  # logits; other devices and kernels round otherwise


@dataclass(frozen=True, eq=False)
class Bundle:
    """Checked networks on their device: one, or the members of an ensemble, which answer by their mean."""

    spec: ModelSpec
    networks: tuple[FusionNetwork, ...]
    device: torch.device

    @property
    def network(self) -> FusionNetwork:
        """The first network; it also holds the checks of the input."""
        return self.networks[0]

    @property
    def device_name(self) -> str:
        """The device in words."""
        if self.device.type == "cuda":
            return f"GPU {torch.cuda.get_device_name(self.device)}"
        return {"mps": "GPU (Metal)"}.get(self.device.type, "CPU")


def choose_device(wanted: str) -> torch.device:
    """The device to compute on.

    Raises:
        ModelError: a device was asked for by name and is not here; there is no silent fallback.
    """
    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return torch.device(next(name for name in ("cuda", "mps", "cpu") if here[name]))
    if not here.get(wanted, False):
        raise ModelError.of("model.no_device", device=wanted)
    return torch.device(wanted)


def load_bundle(folder: Path, device: str = "auto") -> Bundle:
    """Read, check and place a bundle.

    Raises:
        ModelError: no bundle, wrong checksum, weights that do not fit, no stored input, other answers to it
            than were kept, or an absent device.
    """
    spec = read_spec(folder)
    place = choose_device(device)
    shards = shard_files(folder)
    if not shards or file_hash(shards) != spec.weights_sha256:
        raise ModelError.of("model.wrong_checksum", folder=str(folder))
    try:
        kept = {k: v for shard in shards for k, v in load_file(shard).items()}
        networks = tuple(_loaded(spec, member, kept).to(place) for member in range(spec.members))
    except (RuntimeError, SafetensorError) as error:
        raise ModelError.of("model.does_not_fit", folder=str(folder)) from error
    bundle = Bundle(spec, networks, place)
    _check_probe(bundle, folder / PROBE_FILE)
    return bundle


def _loaded(spec: ModelSpec, member: int, kept: Mapping[str, torch.Tensor]) -> FusionNetwork:
    """A member from all kept weights; only the first has checks."""
    prefix, own = _prefix(member), spec.network
    if member:
        own = replace(own, checks_registration=False, checks_likeness=())
    network = FusionNetwork(own)
    load_weights(network, {k.removeprefix(prefix): v for k, v in kept.items() if _member(k) == prefix})
    return network.eval().requires_grad_(False)


def _prefix(member: int) -> str:
    """What stands before the names of a member's weights: nothing for the first."""
    return f"member{member + 1}." if member else ""


def _member(name: str) -> str:
    """The prefix of a kept name."""
    first = name.partition(".")[0]
    return f"{first}." if first.startswith("member") else ""


def save_bundle(
    folder: Path,
    spec: ModelSpec,
    networks: Sequence[FusionNetwork],
    us: np.ndarray,
    mri: np.ndarray,
    write_beside: Callable[[ModelSpec, Path], None] | None = None,
) -> ModelSpec:
    """Write a bundle; `us` (1, 1, s, s) and `mri` (1, c, s, s) float32 are the input it is checked with.

    Returns the spec with the weights' checksum and the number of members. `write_beside` writes what tells of
    that spec, as a card, into the folder that it is given. Afterwards `networks` hold the weights as they are
    kept.

    Raises:
        OSError: it cannot be written whole; a bundle that was there stays.
    """
    kept: dict[str, torch.Tensor] = {}
    for member, network in enumerate(networks):
        packed = pack_weights(network)
        load_weights(network.eval(), packed)
        kept |= {_prefix(member) + name: value for name, value in packed.items()}
    us_t, mri_t = torch.from_numpy(us), torch.from_numpy(mri)
    answers = _answers(networks, us_t, mri_t)
    with written_together(folder) as part:
        for number, shard in enumerate(_shards(kept), 1):
            (part / f"model-{number:02d}.safetensors").write_bytes(save(shard))
        shards = shard_files(part)
        spec = replace(spec, weights_sha256=file_hash(shards), members=len(networks))
        (part / PROBE_FILE).write_bytes(save({"us": us_t, "mri": mri_t, **answers}))
        write_spec(part, spec)
        if write_beside is not None:
            write_beside(spec, part)
    names = {shard.name for shard in shards}
    for old in shard_files(folder):
        if old.name not in names:
            old.unlink()
    return spec


def probe_input(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The input that a bundle is checked with, US (1, 1, s, s) and MRI (1, c, s, s) float32."""
    probe = load_file(folder / PROBE_FILE)
    return probe["us"].numpy(), probe["mri"].numpy()


@torch.no_grad()
def _answers(networks: Sequence[FusionNetwork], us: torch.Tensor, mri: torch.Tensor) -> Maps:
    """Mean logits by name: "fused" of images with all channels, and those of US without MRI where that has a
    trunk of its own."""
    joined = mri_tensor(mri, torch.ones(mri.shape[:2], dtype=torch.bool, device=mri.device))
    said = {"fused": [network(us, joined)["fused"] for network in networks]}
    if US_ONLY in networks[0].trunks:
        said[US_ONLY] = [network.head({US_ONLY: network.trunk(US_ONLY, us)})["us"] for network in networks]
    return {name: torch.stack(each).mean(dim=0) for name, each in said.items()}


def pack_weights(network: FusionNetwork) -> dict[str, torch.Tensor]:
    """Each weight once: matrices and kernels as int8 with scales, the rest as float32."""
    kept: dict[str, torch.Tensor] = {}
    seen: set[int] = set()
    for name, value in network.state_dict().items():
        if value.data_ptr() in seen or name.endswith("num_batches_tracked"):
            continue
        seen.add(value.data_ptr())
        own = value.detach().cpu().float()
        if own.ndim >= 2:
            scale = (own.flatten(1).abs().amax(dim=1) / 127).clamp_min(1e-12)
            kept[name] = (own / _per_output(scale, own)).round().clamp(-127, 127).to(torch.int8).contiguous()
            kept[name + ".scale"] = scale.contiguous()
        else:
            kept[name] = own.contiguous()
    return kept


def _per_output(scale: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """`scale` (outputs,) shaped to multiply `value` (outputs, …)."""
    return scale.view((-1,) + (1,) * (value.ndim - 1))


def load_weights(network: FusionNetwork, kept: dict[str, torch.Tensor]) -> None:
    """Put kept weights into a network; raises RuntimeError when they do not fit."""
    state = {}
    for name, value in kept.items():
        if name.endswith(".scale"):
            continue
        scale = kept.get(name + ".scale")
        state[name] = value if scale is None else value.float() * _per_output(scale, value)
    result = network.load_state_dict(state, strict=False)
    shared = _shared_names(network)
    missing = [n for n in result.missing_keys if not n.endswith("num_batches_tracked") and n not in shared]
    if missing or result.unexpected_keys:
        raise RuntimeError("weights do not fit the network")


def _shared_names(network: FusionNetwork) -> set[str]:
    """Names whose tensor stands under another name before."""
    seen: dict[int, str] = {}
    shared = set()
    for name, value in network.state_dict().items():
        if seen.setdefault(value.data_ptr(), name) != name:
            shared.add(name)
    return shared


def _shards(kept: dict[str, torch.Tensor]) -> list[dict[str, torch.Tensor]]:
    shards: list[dict[str, torch.Tensor]] = [{}]
    size = 0
    for name, value in kept.items():
        bytes_ = value.numel() * value.element_size()
        if size + bytes_ > SHARD_BYTES - 100_000 and shards[-1]:
            shards.append({})
            size = 0
        shards[-1][name] = value
        size += bytes_
    return shards


def shard_files(folder: Path) -> list[Path]:
    """The bundle's weight files in order."""
    return sorted(folder.glob("model*.safetensors"))


def file_hash(files: list[Path]) -> str:
    """sha256 (hex) over files, one after the other."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _check_probe(bundle: Bundle, file: Path) -> None:
    """Compute the stored input once and compare; raises ModelError."""
    try:
        probe = load_file(file)
        us, mri, _ = (probe[name].to(bundle.device) for name in ("us", "mri", "fused"))
    except (OSError, SafetensorError, KeyError) as error:
        raise ModelError.of("model.no_probe", folder=str(file.parent)) from error
    size = bundle.spec.input.size_px
    if us.shape[1:] != (1, size, size) or mri.shape[1:] != (len(CHANNELS), size, size):
        raise ModelError.of("model.no_probe", folder=str(file.parent))
    answers = _answers(bundle.networks, us, mri)
    for name in answers.keys() & probe.keys():
        if not torch.allclose(answers[name].cpu(), probe[name], atol=PROBE_TOLERANCE):
            raise ModelError.of("model.other_answers", folder=str(file.parent))
