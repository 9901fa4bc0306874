"""A bundle's spec: kept whole, and a sentence for each way in which it can be wrong."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from breastview.errors import ModelError
from breastview.fusion.spec import (
    InputSpec,
    Metric,
    ModelSpec,
    NetworkSpec,
    Scope,
    read_spec,
    write_spec,
)
from breastview.messages import message, render

FULL = ModelSpec(
    name="Model of the ward",
    demonstration=False,
    input=InputSpec(size_px=224, margin=1.4),
    network=NetworkSpec(trunk="resnet50", shared=False, fusion="gate"),
    scope=Scope(
        required_channels=("t2wi", "dce"),
        min_age_y=30,
        note="两家医院",
        sources=("records",),
        scanners=("GE MEDICAL SYSTEMS Brivo MR355",),
        densities=("b", "c"),
        max_age_y=78,
        sizes_mm=(5.0, 41.0),
        research_only=True,
        validated=message("scope.stills", lesions=9, malignant=4),
    ),
    weights_sha256="12" * 32,
    temperature={"fused": 1.25},
    operating_point={"fused": 0.41},
    cam_scale={"us": 0.3, "mri": 0.4},
    metrics={"fused": {"auc": Metric(0.9, 0.86, 0.93, 400)}},
    training={"seed": 7, "best_possible_auc": {"us": 0.87}},
)


def test_a_spec_comes_back_as_it_was_written(tmp_path):
    write_spec(tmp_path, FULL)
    assert read_spec(tmp_path) == FULL


def test_a_spec_of_before_the_scope_had_bounds_is_read(tmp_path):
    older = {
        "simulated_only": True,
        "modalities": ["us"],
        "required_channels": [],
        "min_age_y": None,
        "note": "",
    }
    rewrite(tmp_path, {"scope": older})
    scope = read_spec(tmp_path).scope
    assert (scope.scanners, scope.sizes_mm, scope.research_only, scope.details) == ((), None, False, ())


def test_the_bounds_of_the_scope_are_told():
    assert [render(line) for line in FULL.scope.details] == [
        "For research only: measured on fewer than 100 malignant or 100 benign lesions.",
        "Scanners: GE MEDICAL SYSTEMS Brivo MR355.",
        "Breast densities: b, c.",
        "Ages: 30 to 78 years.",
        "Lesions on ultrasound: 5 to 41 mm.",
    ]


def test_a_folder_without_spec_is_no_bundle(tmp_path):
    assert refused(tmp_path) == "model.no_bundle"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe\x00", b'{"schema": "breastview.model/1"}'], ids=repr
)
def test_damage_is_said(tmp_path, content):
    (tmp_path / "spec.json").write_bytes(content)
    assert refused(tmp_path) == "model.damaged_spec"


@pytest.mark.parametrize(
    "change",
    [
        {"input": None},
        {"input": {"size_px": 96, "colour": "red"}},
        {"metrics": {"fused": 0.9}},
        {"metrics": {"fused": {"auc": {"value": 0.9}}}},
        {"scope": 3},
        {"nickname": "Ada"},
    ],
    ids=str,
)
def test_a_part_that_does_not_belong_is_damage(tmp_path, change):
    rewrite(tmp_path, change)
    assert refused(tmp_path) == "model.damaged_spec"


@pytest.mark.parametrize("change", [{"schema": "breastview.model/2"}, {"schema": None}], ids=str)
def test_another_version_is_refused(tmp_path, change):
    rewrite(tmp_path, change)
    assert refused(tmp_path) == "model.other_schema"


def test_a_list_is_no_spec(tmp_path):
    (tmp_path / "spec.json").write_text("[1]")
    assert refused(tmp_path) == "model.other_schema"


@pytest.mark.parametrize(
    "spec",
    [replace(FULL, network=NetworkSpec(trunk="vit")), replace(FULL, input=InputSpec(mri_input="volume"))],
    ids=["trunk", "input"],
)
def test_what_this_version_cannot_compute_is_refused_and_not_replaced(tmp_path, spec):
    write_spec(tmp_path, spec)
    assert refused(tmp_path) == "model.other_schema"


def rewrite(folder, change) -> None:
    write_spec(folder, FULL)
    path = folder / "spec.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**values, **change}), encoding="utf-8")


def refused(folder) -> str:
    with pytest.raises(ModelError) as caught:
        read_spec(folder)
    assert str(folder) in str(caught.value)
    return caught.value.message.code
