"""A bundle on disk: kept small, checked before use, and a sentence for whatever is wrong with it."""

from __future__ import annotations

import errno
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from breastview.errors import ModelError
from breastview.fusion.bundle import (
    choose_device,
    file_hash,
    load_bundle,
    load_weights,
    pack_weights,
    save_bundle,
    shard_files,
)
from breastview.fusion.network import FusionNetwork, mri_tensor
from breastview.fusion.spec import NetworkSpec, read_spec, write_spec
from tests.fusion.examples import SPEC, network

RNG = np.random.default_rng(0)
US = RNG.normal(size=(1, 1, 32, 32)).astype(np.float32)
MRI = RNG.normal(size=(1, 4, 32, 32)).astype(np.float32)
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    save_bundle(folder, SPEC, [network()], US, MRI)
    return folder


@pytest.fixture
def folder(sound, tmp_path) -> Path:
    """A sound bundle that a test may damage."""
    return Path(shutil.copytree(sound, tmp_path / "bundle"))


def refused(folder: Path, device: str = "cpu") -> str:
    with pytest.raises(ModelError) as caught:
        load_bundle(folder, device)
    assert str(folder) in str(caught.value) or caught.value.message.code == "model.no_device"
    return caught.value.message.code


def fused(net: FusionNetwork) -> torch.Tensor:
    mri = torch.from_numpy(MRI)
    with torch.no_grad():
        return net(torch.from_numpy(US), mri_tensor(mri, torch.ones(1, 4, dtype=torch.bool)))["fused"]


def test_a_saved_network_answers_as_it_was_kept(tmp_path):
    net = network()
    returned = save_bundle(tmp_path, SPEC, [net], US, MRI)
    loaded = load_bundle(tmp_path, "cpu")
    assert loaded.spec == returned == read_spec(tmp_path)
    assert loaded.spec.weights_sha256 == file_hash(shard_files(tmp_path))
    assert torch.equal(fused(loaded.network), fused(net))
    assert (loaded.device_name, loaded.network.training) == ("CPU", False)
    assert not any(p.requires_grad for p in loaded.network.parameters())


def test_a_loaded_network_still_shares_its_convolutions(folder):
    trunks = load_bundle(folder, "cpu").network.trunks
    assert trunks["us"][4] is trunks["mri"][4]


def test_int8_keeps_every_weight_to_half_a_step_and_shared_ones_once():
    net = network()
    kept = pack_weights(net)
    state = net.state_dict()
    kernel, scale = kept["trunks.us.4.weight"], kept["trunks.us.4.weight.scale"]
    assert (kernel.dtype, scale.shape) == (torch.int8, (64,))
    assert kernel.flatten(1).abs().amax(dim=1).tolist() == [127] * 64
    error = (kernel.float() * scale[:, None, None, None] - state["trunks.us.4.weight"]).abs()
    assert bool((error <= scale[:, None, None, None] * 0.501).all())
    assert torch.equal(kept["trunks.us.1.running_var"], state["trunks.us.1.running_var"])
    assert "trunks.mri.4.weight" not in kept and "trunks.mri.5.weight" in kept


def test_packing_twice_loses_nothing_more():
    net = network()
    once = pack_weights(net)
    load_weights(net, once)
    twice = pack_weights(net)
    assert all(torch.allclose(once[name].float(), twice[name].float(), rtol=1e-6) for name in once)


def test_a_row_of_zeros_is_kept():
    net = network()
    net.head.fused.weight.data[0] = 0
    load_weights(net, pack_weights(net))
    assert torch.equal(net.head.fused.weight[0], torch.zeros(128))


def test_a_shared_resnet_101_fits_its_limits(tmp_path):
    spec = replace(SPEC, network=NetworkSpec())
    torch.manual_seed(0)
    save_bundle(tmp_path, spec, [FusionNetwork(spec.network)], US, MRI)
    sizes = [path.stat().st_size for path in shard_files(tmp_path)]
    assert len(sizes) >= 3 and max(sizes) <= 15 * MIB
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 45 * MIB
    assert load_bundle(tmp_path, "cpu").spec.network.trunk == "resnet101"


def test_saving_again_leaves_no_old_shard(folder):
    (folder / "model-07.safetensors").write_bytes(b"old")
    save_bundle(folder, SPEC, [network(1)], US, MRI)
    assert [path.name for path in shard_files(folder)] == ["model-01.safetensors"]
    assert load_bundle(folder, "cpu")


@pytest.mark.parametrize("written", range(4))
def test_where_a_bundle_cannot_be_written_whole_the_one_before_stays(folder, monkeypatch, written):
    (folder / "CARD.md").write_text("its card")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    left = [Path.write_bytes, Path.write_bytes, Path.write_text][:written]

    def full(path, data, **how):
        if not left:
            raise OSError(errno.ENOSPC, "No space left on device")
        left.pop(0)(path, data, **how)

    monkeypatch.setattr(Path, "write_bytes", full)
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left") as told:
        save_bundle(folder, SPEC, [network(1)], US, MRI, lambda _, part: full(part / "CARD.md", "another"))
    monkeypatch.undo()
    assert told.value.filename == str(folder) and not left
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_saving_a_bundle_leaves_other_files_of_its_folder(folder):
    (folder / "CARD.md").write_text("a card")
    save_bundle(folder, SPEC, [network(1)], US, MRI)
    names = {"CARD.md", "model-01.safetensors", "probe.safetensors", "spec.json"}
    assert {path.name for path in folder.iterdir()} == names


def test_no_folder_is_no_bundle(tmp_path):
    assert refused(tmp_path / "nowhere") == "model.no_bundle"


def test_one_changed_bit_is_found(folder):
    shard = folder / "model-01.safetensors"
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    assert refused(folder) == "model.wrong_checksum"


def test_missing_weights_are_found(folder):
    (folder / "model-01.safetensors").unlink()
    assert refused(folder) == "model.wrong_checksum"


@pytest.mark.parametrize(
    "other",
    [NetworkSpec("cnn", fusion="gate"), NetworkSpec("cnn", shared=False), NetworkSpec("resnet50")],
    ids=["gate", "separate", "trunk"],
)
def test_a_spec_that_does_not_fit_the_weights_is_refused(folder, other):
    write_spec(folder, replace(read_spec(folder), network=other))
    assert refused(folder) == "model.does_not_fit"


def test_a_trunk_that_nobody_knows_is_refused(folder):
    write_spec(folder, replace(read_spec(folder), network=NetworkSpec("vit")))
    assert refused(folder) == "model.other_schema"


def test_other_answers_than_the_kept_ones_are_refused(folder):
    probe = load_file(folder / "probe.safetensors")
    save_file({**probe, "fused": probe["fused"] + 0.1}, folder / "probe.safetensors")
    assert refused(folder) == "model.other_answers"


def test_what_is_said_of_us_without_mri_is_checked_too_where_it_has_a_trunk_of_its_own(tmp_path):
    own = replace(SPEC.network, own_us_only=True, own_us_only_head=True)
    save_bundle(tmp_path, replace(SPEC, network=own), [network(spec=own)], US, MRI)
    assert "us_only" in load_bundle(tmp_path, "cpu").network.trunks
    probe = load_file(tmp_path / "probe.safetensors")
    save_file({**probe, "us_only": probe["us_only"] + 0.1}, tmp_path / "probe.safetensors")
    assert refused(tmp_path) == "model.other_answers"


def test_answers_that_are_no_numbers_are_refused(folder):
    probe = load_file(folder / "probe.safetensors")
    save_file({**probe, "us": probe["us"] * float("nan")}, folder / "probe.safetensors")
    assert refused(folder) == "model.other_answers"


def test_a_missing_check_is_refused(folder):
    (folder / "probe.safetensors").unlink()
    assert refused(folder) == "model.no_probe"


def test_a_damaged_check_is_refused(folder):
    (folder / "probe.safetensors").write_bytes(b"\0" * 20)
    assert refused(folder) == "model.no_probe"


def test_a_check_without_its_logits_is_refused(folder):
    probe = load_file(folder / "probe.safetensors")
    save_file({"us": probe["us"], "mri": probe["mri"]}, folder / "probe.safetensors")
    assert refused(folder) == "model.no_probe"


def test_a_check_of_another_shape_is_refused(folder):
    probe = load_file(folder / "probe.safetensors")
    save_file({**probe, "mri": probe["mri"][:, :3].contiguous()}, folder / "probe.safetensors")
    assert refused(folder) == "model.no_probe"


class Trap:
    """A pickle that writes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_pickle_in_place_of_the_weights_is_never_read(folder, tmp_path):
    sprung = tmp_path / "sprung"
    for name in ("model-01.safetensors", "probe.safetensors", "model.pt", "pytorch_model.bin"):
        (folder / name).write_bytes(pickle.dumps(Trap(sprung)))
    write_spec(folder, replace(read_spec(folder), weights_sha256=file_hash(shard_files(folder))))
    assert refused(folder) == "model.does_not_fit"
    assert not sprung.exists()


def test_an_absent_device_is_an_error_and_no_silent_fallback(folder):
    absent = "mps" if torch.cuda.is_available() else "cuda"
    with pytest.raises(
        ModelError, match=f"The device {absent} is not available. Choose another device, or auto"
    ):
        load_bundle(folder, absent)
    assert refused(folder, "abacus") == "model.no_device"


def test_auto_takes_the_best_that_is_here():
    best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert choose_device("auto").type == best
    assert choose_device("cpu").type == "cpu"
