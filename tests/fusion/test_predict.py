"""The answer for one lesion: what is computed, what is refused, and what says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from breastview.errors import ModelError
from breastview.fusion.bundle import save_bundle
from breastview.fusion.explain import grad_cam
from breastview.fusion.network import mri_tensor
from breastview.fusion.predict import read, read_request, warm
from breastview.fusion.preprocess import Crop
from breastview.fusion.reading import Eligibility, keep, restored
from breastview.fusion.spec import Metric, NetworkSpec
from breastview.messages import message
from tests.fusion.examples import SPEC, bundle, given, network

YES = Eligibility(True)
NO = Eligibility(False, (message("scope.simulated_only"),))
ALONE = Eligibility(False, (message("scope.no_mri"),), us_only=True)
NUMBERS = ("probability", "probability_us", "probability_mri", "weight_us", "weight_mri")


def logits_of(model, case):
    us, mri = torch.from_numpy(np.array(case.us))[None], torch.from_numpy(np.array(case.mri))[None]
    present = torch.from_numpy(case.channels_present)[None]
    with torch.no_grad():
        return model.network(us, mri_tensor(mri, present))


def test_probabilities_are_calibrated_by_the_specs_temperatures():
    model, case = bundle(), given()
    reading, logits = read(model, case, YES), logits_of(model, case)
    for name, temperature in (("fused", 1.5), ("us", 2.0), ("mri", 0.5)):
        odds = float(logits[name][0, 1] - logits[name][0, 0]) / temperature
        value = reading.probability if name == "fused" else getattr(reading, f"probability_{name}")
        assert value == pytest.approx(1 / (1 + np.exp(-odds)), abs=1e-6)


def test_ultrasound_alone_is_calibrated_and_scaled_for_itself_and_looks_at_no_mri():
    spec = replace(SPEC, temperature={**SPEC.temperature, "us_only": 4.0}, cam_scale={"us_only": 1e9})
    model, case = bundle(spec=spec), given()
    reading = read(model, case, ALONE)
    odds = float(np.diff(logits_of(model, case)["us"].numpy()[0])[0]) / 4.0
    assert reading.probability_us == pytest.approx(1 / (1 + np.exp(-odds)), abs=1e-6)
    assert reading.us_only and reading.probability is None and reading.probability_mri is None
    (heatmap,) = reading.heatmaps
    assert heatmap.modality == "us" and heatmap.values.max() < 1e-6
    assert restored(keep(reading)).us_only


def test_an_override_takes_all_that_is_there_also_where_ultrasound_alone_could_be_read():
    reading = read(bundle(), given(), ALONE, override=True)
    assert reading.research_override and not reading.us_only and reading.probability is not None


def test_weights_sum_to_one_and_are_the_heads():
    model = bundle()
    model.network.head.prior.data[:] = torch.tensor([0.0, 3.0]).log1p()
    reading = read(model, given(), YES)
    assert (reading.weight_us, reading.weight_mri) == pytest.approx((0.2, 0.8))


def test_gated_weights_are_those_of_the_case():
    model = bundle(spec=replace(SPEC, network=NetworkSpec("cnn", fusion="gate")))
    one, other = read(model, given(0), YES), read(model, given(1), YES)
    assert one.weight_us + one.weight_mri == pytest.approx(1)
    assert one.weight_us != other.weight_us


def test_a_reading_says_what_it_came_from():
    reading = read(bundle(), given(), YES)
    assert (reading.lesion_id, reading.input_sha256) == ("L1", "cd" * 32)
    assert (reading.model_name, reading.model_sha256) == ("example", SPEC.weights_sha256)
    assert (reading.device, reading.demonstration, reading.research_override) == ("CPU", True, False)


def test_heatmaps_lie_on_what_the_network_saw():
    reading = read(bundle(), given(), YES)
    us, mri = reading.heatmaps
    assert (us.modality, us.left, us.top, us.width, us.height) == ("us", 48.0, 20.0, 64.0, 64.0)
    assert mri.modality == "mri"
    assert (mri.left, mri.top, mri.width, mri.height) == pytest.approx((-6.5, 1.9, 12.8, 12.8))


def test_a_heatmap_of_native_mri_lies_in_the_plane_that_was_cut():
    plane = np.diag([1.0, 1.0, -1.0, 1.0])
    us, mri = read(bundle(), replace(given(), mri_plane=plane), YES).heatmaps
    assert us.plane is None and mri.plane is plane


def test_heatmaps_are_scaled_by_the_model_and_never_stretched():
    model, case = bundle(2), given()
    with torch.no_grad():
        us = model.network.trunk("us", torch.from_numpy(case.us)[None])
        present = torch.ones(1, 4, dtype=torch.bool)
        mri = model.network.trunk("mri", mri_tensor(torch.from_numpy(case.mri)[None], present))
    raw = {name: cam.numpy() for name, cam in grad_cam(model.network.head, {"us": us, "mri": mri}).items()}
    for heatmap in read(model, case, YES).heatmaps:
        scale = SPEC.cam_scale[heatmap.modality]
        assert heatmap.raw_peak == pytest.approx(raw[heatmap.modality].max()) and heatmap.raw_peak > 0
        assert heatmap.values == pytest.approx(np.clip(raw[heatmap.modality] / scale, 0, 1), abs=1e-6)
        assert heatmap.values.dtype == np.float32 and not heatmap.values.flags.writeable


def test_outside_the_scope_there_is_no_number_and_no_heatmap():
    reading = read(bundle(), given(), NO)
    assert [getattr(reading, name) for name in NUMBERS] == [None] * 5
    assert reading.heatmaps == ()
    assert (reading.eligibility, reading.research_override) == (NO, False)


def test_an_override_computes_and_says_so():
    reading, inside = read(bundle(), given(), NO, override=True), read(bundle(), given(), YES)
    assert (reading.eligibility, reading.research_override) == (NO, True)
    assert reading.probability == inside.probability
    assert len(reading.heatmaps) == 2


def test_an_override_of_nothing_is_none():
    assert not read(bundle(), given(), YES, override=True).research_override


def test_us_alone_under_an_override_gives_no_fused_probability():
    alone = replace(given(), mri=None, mri_grid=None, channels_present=np.zeros(4, bool))
    reading = read(bundle(), alone, NO, override=True)
    assert (reading.probability, reading.probability_mri, reading.weight_mri) == (None, None, None)
    assert reading.probability_us == read(bundle(), given(), YES).probability_us
    assert reading.weight_us == 1.0
    assert [heatmap.modality for heatmap in reading.heatmaps] == ["us"]


def test_mri_without_a_single_real_channel_is_no_mri():
    empty = replace(given(), mri=np.zeros((4, 32, 32), np.float32), channels_present=np.zeros(4, bool))
    reading = read(bundle(), empty, NO, override=True)
    assert (reading.probability, reading.probability_mri, reading.weight_mri) == (None, None, None)
    assert [heatmap.modality for heatmap in reading.heatmaps] == ["us"]


def test_nothing_to_see_gives_a_refusal_even_under_an_override():
    nothing = replace(given(), us=None, mri=None, channels_present=np.zeros(4, bool))
    reading = read(bundle(), nothing, NO, override=True)
    assert [getattr(reading, name) for name in NUMBERS] == [None] * 5
    assert not reading.research_override and reading.heatmaps == ()


def test_a_missing_channel_reaches_the_network_as_missing():
    planes = given().mri.copy()
    planes[0] = 0
    black = replace(given(), mri=planes)
    absent = replace(black, channels_present=np.array([False, True, True, True]))
    one, other = read(bundle(), black, YES), read(bundle(), absent, YES)
    assert one.probability_us == other.probability_us
    assert one.probability_mri != other.probability_mri


def test_a_worker_reads_from_a_folder_what_it_would_read_from_memory(tmp_path):
    net = network()
    spec = save_bundle(
        tmp_path, SPEC, [net], np.ones((1, 1, 32, 32), np.float32), np.ones((1, 4, 32, 32), np.float32)
    )
    assert warm(tmp_path, "cpu") == "CPU"
    reading = read_request(tmp_path, "cpu", given(), YES, False)
    direct = read(replace(bundle(), spec=spec, networks=(net,)), given(), YES)
    assert reading.probability == pytest.approx(direct.probability, abs=1e-6)
    assert reading.model_sha256 == spec.weights_sha256


def test_a_worker_without_a_bundle_says_so(tmp_path):
    with pytest.raises(ModelError, match="No model bundle in"):
        read_request(tmp_path, "cpu", given(), YES, False)


CHECKED = replace(
    SPEC,
    network=NetworkSpec("cnn", checks_registration=True),
    operating_point={"registration": 0.5},
    metrics={
        "registration": {"flagged": Metric(0.9, 0.8, 0.95, 50), "false_flags": Metric(0.08, 0, 0.2, 50)}
    },
)


@pytest.mark.parametrize("log_odds", [-4.0, 4.0])
def test_a_registration_that_looks_wrong_is_doubted_with_what_the_doubt_is_worth(log_odds):
    model = bundle(spec=CHECKED)
    last = model.network.agreement.layers[-1]
    last.weight.data.zero_()
    last.bias.data.fill_(log_odds)
    doubt = message("model.misregistered", flagged=90, false=8)
    reading = read(model, given(), YES)
    assert reading.cautions == ((doubt,) if log_odds > 0 else ())
    assert restored(keep(reading)).cautions == reading.cautions
    assert reading.probability is not None


def test_without_mri_there_is_no_registration_to_doubt():
    model = bundle(spec=CHECKED)
    model.network.agreement.layers[-1].bias.data.fill_(9.0)
    assert read(model, replace(given(), mri=None), YES).cautions == ()


DOUBTING = replace(
    SPEC,
    network=NetworkSpec("cnn", checks_likeness=("us", "mri")),
    operating_point={"us_unlike": 3.0, "mri_unlike": 3.0},
    metrics={"unlike": {"us": Metric(0.05, 0.02, 0.1, 90), "mri": Metric(0.062, 0.03, 0.12, 90)}},
)
UNLIKE = {
    "us": message("model.unlike_us", flagged=5),
    "mri": message("model.unlike_mri", flagged=6),
}


@pytest.mark.parametrize("unlike", [(), ("us",), ("mri",), ("us", "mri")])
def test_each_crop_that_is_unlike_the_measured_ones_is_doubted(unlike):
    model, case = bundle(spec=DOUBTING), given()
    for name, likeness in model.network.likeness.items():
        likeness.usual.fill_(1e-6 if name in unlike else 1e12)
    reading = read(model, case, YES)
    assert reading.cautions == tuple(UNLIKE[name] for name in unlike)
    assert restored(keep(reading)).cautions == reading.cautions
    assert reading.probability == read(bundle(), case, YES).probability


def test_an_image_that_is_not_there_is_not_doubted():
    model = bundle(spec=DOUBTING)
    for likeness in model.network.likeness.values():
        likeness.usual.fill_(1e-6)
    assert read(model, replace(given(), mri=None), YES).cautions == (UNLIKE["us"],)


def test_ultrasound_alone_has_its_own_trunk_and_its_own_doubt_where_the_bundle_has_them():
    network = replace(DOUBTING.network, own_us_only=True, checks_likeness=("us", "us_only", "mri"))
    points = {**DOUBTING.operating_point, "us_only_unlike": 3.0}
    worth = {"unlike": {**DOUBTING.metrics["unlike"], "us_only": Metric(0.5, 0.4, 0.6, 100)}}
    spec = replace(DOUBTING, network=network, operating_point=points, metrics=worth, temperature={})
    model = bundle(spec=spec)
    for norm in (x for x in model.network.trunks["us_only"] if isinstance(x, torch.nn.BatchNorm2d)):
        norm.bias.data += 1.0
    for name, likeness in model.network.likeness.items():
        likeness.usual.fill_(1e-6 if name == "us_only" else 1e12)
    case = given()
    image = torch.from_numpy(np.array(case.us))[None]
    with torch.no_grad():
        own, other = (
            model.network.head({"us": model.network.trunk(name, image)})["us"][0].softmax(dim=0)[1]
            for name in ("us_only", "us")
        )
    alone, paired = read(model, case, ALONE), read(model, case, YES)
    assert alone.probability_us == pytest.approx(float(own), abs=1e-6) != float(other)
    assert paired.probability_us == pytest.approx(float(other), abs=1e-6)
    assert alone.cautions == (message("model.unlike_us", flagged=50),) and not paired.cautions


def test_ultrasound_alone_is_read_from_a_crop_of_its_own_where_the_bundle_asks_for_one():
    network = replace(SPEC.network, own_us_only=True)
    spec = replace(SPEC, network=network, us_only_input=replace(SPEC.input, size_px=40), temperature={})
    model, alone = bundle(spec=spec), np.random.default_rng(5).normal(size=(1, 40, 40)).astype(np.float32)
    case = replace(in_two_views(), us_alone=alone, alone_crop=Crop(5.0, 6.0, 70.0, 30.0))
    with torch.no_grad():
        maps = model.network.trunk("us_only", torch.from_numpy(alone)[None])
        own = model.network.head({"us_only": maps})["us"][0].softmax(dim=0)[1]
    reading = read(model, case, ALONE)
    assert reading.probability_us == pytest.approx(float(own), abs=1e-6)
    (heat,) = reading.heatmaps
    assert (heat.left, heat.top, heat.width, heat.height) == (5.0, 6.0, 70.0, 30.0)
    assert read(model, case, YES).heatmap("us").left == 48.0


TWO_VIEWS = replace(SPEC, temperature={**SPEC.temperature, "us_two_views": 3.0, "fused_two_views": 2.5})


def in_two_views():
    """`given` with a second view of the lesion, elsewhere and of other noise."""
    return replace(given(), second_us=given(1).us, second_crop=Crop(10.0, 30.0, 50.0, 50.0))


def test_a_lesion_in_two_views_is_told_of_by_the_mean_of_both_with_a_calibration_of_their_own():
    model = bundle(spec=TWO_VIEWS)
    reading = read(model, in_two_views(), YES)
    for name, temperature in (("us", 3.0), ("fused", 2.5)):
        first, second = given(), replace(given(), us=given(1).us)
        odds = [float(np.diff(logits_of(model, one)[name].numpy()[0])[0]) for one in (first, second)]
        value = reading.probability if name == "fused" else reading.probability_us
        assert value == pytest.approx(1 / (1 + np.exp(-np.mean(odds) / temperature)), abs=1e-6)
    assert reading.probability_mri == pytest.approx(read(model, given(), YES).probability_mri, abs=1e-6)
    assert (reading.views, restored(keep(reading)).views, read(model, given(), YES).views) == (2, 2, 1)


def test_each_view_has_its_own_heatmap_where_it_was_cut_as_strong_as_it_were_alone():
    model = bundle(2, TWO_VIEWS)
    first, second, mri = read(model, in_two_views(), YES).heatmaps
    (alone, _), (other, _) = (
        read(model, one, YES).heatmaps for one in (given(), replace(given(), us=given(1).us))
    )
    assert (first.left, first.width, first.second_view) == (48.0, 64.0, False)
    assert (second.left, second.top, second.width, second.second_view) == (10.0, 30.0, 50.0, True)
    assert first.values == pytest.approx(alone.values, abs=1e-5)
    assert second.values == pytest.approx(other.values, abs=1e-5)
    reading = read(model, in_two_views(), YES)
    assert (reading.heatmap("us").left, reading.heatmap("us", second_view=True).left) == (48.0, 10.0)
    assert reading.heatmap("mri").modality == mri.modality == "mri"


def test_figures_beside_an_answer_are_those_of_as_many_views():
    one, two = ({"auc": Metric(value, 0.8, 1.0, 9)} for value in (0.9, 0.95))
    spec = replace(TWO_VIEWS, metrics={"fused": one, "fused_two_views": two})
    model = bundle(spec=spec)
    assert read(model, given(), YES).worth(spec)[1] is one
    assert read(model, in_two_views(), YES).worth(spec)[1] is two


def test_figures_beside_one_modality_are_its_own_and_not_those_of_both():
    both, us = ({"auc": Metric(value, 0.8, 1.0, 9)} for value in (0.9, 0.85))
    spec = replace(SPEC, metrics={"fused": both, "us": us})
    alone = replace(given(), mri=None, mri_grid=None, channels_present=np.zeros(4, bool))
    assert read(bundle(spec=spec), alone, NO, override=True).worth(spec)[1] is us
    assert read(bundle(spec=spec), given(), NO, override=True).worth(spec)[1] is both
    assert read(bundle(spec=spec), given(), NO).worth(spec)[1] is both


def test_ultrasound_alone_is_read_in_the_one_view_that_it_was_measured_in():
    spec = replace(TWO_VIEWS, temperature={**TWO_VIEWS.temperature, "us_only": 4.0})
    model = bundle(spec=spec)
    two, one = read(model, in_two_views(), ALONE), read(model, given(), ALONE)
    assert (two.probability_us, two.views, len(two.heatmaps)) == (one.probability_us, 1, 1)
