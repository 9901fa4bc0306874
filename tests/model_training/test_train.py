"""Training: it learns, it is repeatable, and refuses what it cannot learn from."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from breastview.fusion.bundle import load_bundle
from breastview.fusion.network import FusionNetwork, mri_tensor
from breastview.fusion.spec import NetworkSpec
from model_training import run_folder
from model_training import train as training
from model_training.cohort.samples import load_cohort
from model_training.outline import Outlining
from model_training.predict import predict
from model_training.recipe import Recipe, RecipeError
from model_training.run_folder import RunError, log_lines
from tests.model_training.cohorts import SIDE_PX, write_cohort
from tests.model_training.small_runs import NETWORK, ONCE, RECIPE, same, train

APART = NetworkSpec(trunk="cnn", shared=False)


def test_small_pictures_come_first(uninterrupted):
    lines = log_lines(uninterrupted[0])
    assert [line["size"] for line in lines] == [8, SIDE_PX, SIDE_PX]
    assert set(lines[0]) == {
        *("epoch", "phase", "size", "loss", "seconds", "hardware", "started_from"),
        *("fused", "us", "mri", "chosen", "chosen_by"),
    }
    assert (lines[0]["phase"], lines[0]["started_from"]) == ("joint", "random weights")


def test_the_epoch_that_did_best_at_the_final_size_is_chosen(uninterrupted):
    run, net = uninterrupted
    lines = log_lines(run)
    assert not lines[0]["chosen"] and lines[1]["chosen"]  # 8 px, and the first at the final size
    best = max(lines[1:], key=lambda line: (line["fused"], line["epoch"]))
    assert [line["epoch"] for line in lines if line["chosen"]][-1] == best["epoch"]
    assert lines[0]["chosen_by"] == "validation AUC, fused head"
    assert same(net, run_folder.load_average(run, NETWORK))


def test_a_bundles_weights_can_be_the_start_and_the_log_says_so(cohort, small_bundle, tmp_path):
    bundle = load_bundle(small_bundle)
    still = replace(ONCE, rate=0.0)
    trained = train(cohort, tmp_path, bundle.spec.network, still, start=small_bundle)
    for own, given in zip(trained.parameters(), bundle.network.parameters(), strict=True):
        assert torch.allclose(own, given, atol=1e-6)
    line = json.loads((tmp_path / "log.jsonl").read_text())
    assert line["started_from"] == f"TEST, untrained, weights {bundle.spec.weights_sha256[:12]}"


def test_it_learns_what_there_is_to_learn(tmp_path):
    cohort = write_cohort(tmp_path / "cohort", cases=24, shift=1.5)
    recipe = Recipe(stages=((SIDE_PX, 5),), batch=6, ema=0.8, threads=1)
    net = train(cohort, tmp_path / "run", NETWORK, recipe)
    test = load_cohort(cohort, "test")
    for logits in predict(net, test, SIDE_PX).values():
        assert np.mean((logits[:, 1] > logits[:, 0]) == test.label) >= 0.9


def test_outlines_are_learned_beside_the_labels_and_what_learns_them_is_not_kept(tmp_path):
    folder = write_cohort(tmp_path / "cohort")
    parts = [load_cohort(folder, part) for part in ("train", "validation")]
    left = np.zeros((*parts[0].us.shape[:2], SIDE_PX, SIDE_PX), np.float16)
    left[..., : SIDE_PX // 2] = 1
    outlined = replace(parts[0], outline=left)
    network, recipe = NetworkSpec("cnn", modalities=("us",)), replace(ONCE, outline=1.0)
    with pytest.raises(RecipeError, match=r"outlines of lesions, which network or cohort lacks: take 0\. In"):
        training.train(*parts, tmp_path / "none", network, recipe)
    with_outlines = training.train(outlined, parts[1], tmp_path / "with", network, recipe)
    without = training.train(outlined, parts[1], tmp_path / "without", network, ONCE)
    assert type(with_outlines) is FusionNetwork and not same(with_outlines, without)
    kept = torch.load(tmp_path / "with" / "checkpoint.pt", weights_only=True)
    assert "outliner.pixels.weight" in kept["net"] and "outliner.pixels.weight" not in kept["average"]
    assert training.train(outlined, parts[1], tmp_path / "with", network, recipe)


def test_an_outliner_learns_where_the_lesion_is():
    torch.manual_seed(0)
    net = Outlining.of(FusionNetwork(NETWORK), NETWORK)
    picture = torch.randn(4, 1, 32, 32)
    truth = torch.zeros(4, 1, 8, 8)
    truth[:, :, 2:6, 2:6] = 1
    picture += 2 * torch.nn.functional.interpolate(truth, size=(32, 32))
    optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(60):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            net.outliner(net.trunk("us", picture)), truth
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert ((net.outliner(net.trunk("us", picture)) > 0) == truth.bool()).float().mean() > 0.95


def test_the_last_epoch_is_kept_where_nothing_is_to_be_chosen(cohort, tmp_path):
    train(cohort, tmp_path / "run", NETWORK, replace(ONCE, stages=((SIDE_PX, 3),), keep="last"))
    lines = log_lines(tmp_path / "run")
    assert [line["chosen"] for line in lines] == [False, False, True]
    assert ["fused" in line for line in lines] == [False, False, True]  # none before it is measured


def test_the_average_follows_every_weight_once_also_the_shared_ones(cohort, tmp_path):
    recipe = Recipe(stages=((SIDE_PX, 1),), batch=12, threads=1, rate=0.1, warm_up=0.0)
    average = train(cohort, tmp_path, NETWORK, recipe).state_dict()
    torch.manual_seed(recipe.seed)
    first = FusionNetwork(NETWORK).state_dict()
    last = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["net"]
    kept = 1 / 10  # of the first network after the first step
    for name in ("trunks.us.0.weight", "trunks.us.4.weight", "trunks.mri.1.running_mean", "head.fused.bias"):
        assert not torch.equal(first[name], last[name])
        assert torch.allclose(average[name], kept * first[name] + (1 - kept) * last[name], atol=1e-6)


def test_fusion_learns_nothing_from_a_trunk_that_has_no_part_in_it(cohort, tmp_path):
    network = replace(NETWORK, own_us_only=True, own_us_only_head=True)
    parts = (load_cohort(cohort, part) for part in ("train", "validation"))
    lone = [replace(part, channels=np.zeros_like(part.channels)) for part in parts]
    head = training.train(*lone, tmp_path, network, ONCE).head
    torch.manual_seed(ONCE.seed)
    first = FusionNetwork(network).head
    assert torch.equal(head.fused.weight, first.fused.weight) and torch.equal(head.prior, first.prior)
    assert not torch.equal(head.single["us_only"].weight, first.single["us_only"].weight)


def test_another_seed_gives_another_network(cohort, tmp_path, uninterrupted):
    recipe = Recipe(stages=RECIPE.stages, batch=5, threads=1, seed=8)
    other = train(cohort, tmp_path, NETWORK, recipe)
    assert not torch.equal(other.head.fused.weight, uninterrupted[1].head.fused.weight)


def test_prediction_is_what_the_network_answers_in_float32(cohort, uninterrupted):
    _, net = uninterrupted
    test = load_cohort(cohort, "test")
    logits = predict(net, test, SIDE_PX, batch=5)
    us, mri = (torch.from_numpy(x[:, 0].astype(np.float32)) for x in (test.us, test.mri))
    with torch.no_grad():
        direct = net(us, mri_tensor(mri, torch.ones(mri.shape[:2], dtype=torch.bool)))
    for name, values in direct.items():
        assert logits[name] == pytest.approx(values.numpy(), abs=1e-5)


@pytest.mark.parametrize("modality", ["us", "mri"])
def test_a_network_of_one_modality_trains_and_is_chosen_by_its_own_head(cohort, tmp_path, modality):
    network = NetworkSpec(trunk="cnn", modalities=(modality,))
    net = train(cohort, tmp_path, network, replace(ONCE, strategy="staged"))
    (line,) = log_lines(tmp_path)
    assert (line["phase"], line["chosen_by"]) == ("joint", f"validation AUC, {modality} head")
    assert set(predict(net, load_cohort(cohort, "test"), SIDE_PX)) == {"fused", modality}


def test_cases_without_mri_are_masked_and_an_mri_network_leaves_them_out(cohort, tmp_path):
    cases = load_cohort(cohort, "train")
    channels = cases.channels.copy()
    channels[:4] = False
    some = replace(cases, channels=channels, mri=np.where(channels[:, None, :, None, None], cases.mri, 100))
    nets = {}
    for name, modalities in (("both", ("us", "mri")), ("mri", ("mri",))):
        network = NetworkSpec(trunk="cnn", modalities=modalities)
        nets[name] = training.train(some, cases, tmp_path / name, network, ONCE)
    both, mri = (predict(nets[name], some, SIDE_PX) for name in ("both", "mri"))
    assert np.isnan(both["mri"][:4]).all() and np.isnan(mri["fused"][:4]).all()
    assert np.isfinite(both["fused"]).all() and np.isfinite(mri["fused"][4:]).all()
    us = torch.from_numpy(some.us[:4, 0].astype(np.float32))
    with torch.no_grad():
        assert both["fused"][:4] == pytest.approx(nets["both"](us, None)["fused"].numpy(), abs=1e-5)


def test_staged_training_leaves_the_trunks_alone_while_the_fusion_learns(cohort, tmp_path, monkeypatch):
    recipe = replace(RECIPE, strategy="staged", fusion_epochs=2, ema=0.0)
    kept = {}
    keep = run_folder.keep

    def note(run, state):
        keep(run, state)
        kept[state.progress.epoch] = {k: v.clone() for k, v in state.net.state_dict().items()}

    monkeypatch.setattr(run_folder, "keep", note)
    train(cohort, tmp_path, APART, recipe)
    lines = log_lines(tmp_path)
    assert [line["phase"] for line in lines] == ["us"] * 3 + ["mri"] * 3 + ["fusion"] * 2
    assert not any(line["chosen"] for line in lines[:6]) and lines[6]["chosen"]

    def moved(before, after, start):
        return any(not torch.equal(kept[before][k], kept[after][k]) for k in kept[1] if k.startswith(start))

    assert moved(1, 3, "trunks.us") and not moved(1, 3, "trunks.mri") and not moved(1, 3, "head.fused")
    assert moved(3, 6, "trunks.mri") and not moved(3, 6, "trunks.us")
    assert moved(6, 8, "head.fused") and not moved(6, 8, "trunks")  # nor their running statistics


def test_native_mri_can_be_the_input(cohort, tmp_path):
    cases = load_cohort(cohort, "train")
    blind = replace(cases, mri=np.zeros_like(cases.mri), channels=np.zeros_like(cases.channels))
    network = NetworkSpec(trunk="cnn", modalities=("mri",))
    net = training.train(blind, blind, tmp_path, network, replace(ONCE, mri="native"))
    assert np.isfinite(predict(net, blind, SIDE_PX, mri="native")["fused"]).all()


def test_trunks_learn_at_their_share_of_the_rate(cohort, tmp_path):
    torch.manual_seed(RECIPE.seed)
    first = FusionNetwork(NETWORK).state_dict()
    recipe = replace(ONCE, batch=12, trunk_rate=0.01, rate=0.01, weight_decay=0.0, warm_up=0.0)
    train(cohort, tmp_path, NETWORK, recipe)
    last = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["net"]
    for name, rate in (("trunks.us.4.weight", 1e-4), ("head.fused.weight", 1e-2)):
        assert (last[name] - first[name]).abs().max() == pytest.approx(rate, rel=0.01)  # Adam's first step


def test_frozen_norms_keep_the_statistics_that_the_bundle_brought(cohort, small_bundle, tmp_path):
    network = load_bundle(small_bundle).spec.network
    recipe = replace(ONCE, frozen_norms=True, ema=0.0)
    trained = train(cohort, tmp_path / "r", network, recipe, start=small_bundle).state_dict()
    given = load_bundle(small_bundle).network.state_dict()
    norms = [name for name in given if "running" in name]
    assert len(norms) > 2 and all(torch.equal(trained[name], given[name]) for name in norms)
    for name in ("trunks.us.0.weight", "trunks.us.1.weight"):
        assert not torch.equal(trained[name], given[name])
    with pytest.raises(RecipeError, match=r"frozen_norms .* needs weights to start from"):
        train(cohort, tmp_path / "q", network, recipe)


def test_pictures_larger_than_the_cohort_holds_are_refused_with_what_to_do(cohort, tmp_path):
    with pytest.raises(RecipeError, match=r"pictures of 64 px, the cohort holds \d+ px: .* --size 64"):
        train(cohort, tmp_path, NETWORK, replace(ONCE, stages=((64, 1), (32, 1))))
    assert not list(tmp_path.iterdir())


def test_a_share_of_the_start_stays_in_what_is_kept(cohort, tmp_path, small_bundle):
    held = load_bundle(small_bundle, "cpu").network.state_dict()
    network, recipe = load_bundle(small_bundle, "cpu").spec.network, replace(ONCE, start_share=0.25)
    net = train(cohort, tmp_path, network, recipe, start=small_bundle).state_dict()
    trained = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["average"]
    name = "head.fused.weight"
    assert torch.allclose(net[name], 0.75 * trained[name] + 0.25 * held[name])
    assert not torch.equal(trained[name], held[name])
    with pytest.raises(RecipeError, match="start_share keeps what pretrained weights brought"):
        train(cohort, tmp_path / "other", network, recipe)


def test_norms_of_mri_never_see_cases_without_mri(cohort, tmp_path):
    cases, validation = load_cohort(cohort, "train"), load_cohort(cohort, "validation")
    bare = replace(cases, channels=np.zeros_like(cases.channels))
    net = training.train(bare, validation, tmp_path, NETWORK, ONCE)
    norms = {name: x for name, x in net.trunks.state_dict().items() if "running_mean" in name}
    assert all(bool(x.any()) == name.startswith("us.") for name, x in norms.items())


def test_a_source_to_be_repeated_that_is_not_there_is_refused(cohort, tmp_path):
    with pytest.raises(RecipeError, match="repeats names stills; the training cases come from noise"):
        train(cohort, tmp_path, NETWORK, replace(ONCE, repeats={"stills": 3}))


def test_a_loss_that_is_no_number_is_told_with_its_place_and_the_checkpoint_stands(cohort, tmp_path):
    cases, validation = load_cohort(cohort, "train"), load_cohort(cohort, "validation")
    us = cases.us.copy()
    us[0] = np.nan
    with pytest.raises(training.DivergedError, match=r"^epoch 1, step [123]: .* Lower `rate` \(now 0.0008\)"):
        training.train(replace(cases, us=us), validation, tmp_path, NETWORK, RECIPE)
    assert not (tmp_path / "checkpoint.pt").exists()


@pytest.mark.parametrize("malignant", [True, False])
def test_one_class_only_is_refused(cohort, tmp_path, malignant):
    cases = load_cohort(cohort, "train")
    lacking = "benign" if malignant else "malignant"
    with pytest.raises(RunError, match=f"no {lacking} lesion in the training part"):
        training.train(cases.take(cases.label == malignant), cases, tmp_path, NETWORK, ONCE)
    with pytest.raises(RunError, match=f"no {lacking} lesion in the validation part"):
        training.train(cases, cases.take(cases.label == malignant), tmp_path, NETWORK, ONCE)


def test_float16_is_refused_where_there_is_no_gpu(cohort, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(RecipeError, match="float16 needs a GPU"):
        train(cohort, tmp_path, NETWORK, replace(ONCE, precision="float16"))


def test_bfloat16_trains_on_the_processor(cohort, tmp_path):
    train(cohort, tmp_path, NETWORK, replace(ONCE, precision="bfloat16"))
    assert np.isfinite(log_lines(tmp_path)[0]["loss"])
