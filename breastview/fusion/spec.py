"""What a model bundle says of itself, readable without torch: `spec.json`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from breastview.errors import ModelError
from breastview.messages import Message, message

SPEC_FILE = "spec.json"
SCHEMA = "breastview.model/1"
FUSIONS = ("weighted", "gate", "fixed", "concatenation")
MRI_INPUTS = ("registered", "native")


MODALITIES = ("us", "mri")
TWO_VIEWS = "_two_views"  # ends the name of a head that is told of a lesion in two US pictures
US_ONLY = "us_only"  # US where there is no MRI: its own temperature, point, scale, figures, and perhaps trunk


def measured_as(head: str, views: int) -> str:
    """Under which name the calibration and figures of a head stand that was told of so many US pictures."""
    return head + TWO_VIEWS if views > 1 else head


@dataclass(frozen=True)
class FirstStage:
    """So many layers, whose maps have so many features."""

    layers: int
    features: int


@dataclass(frozen=True)
class Trunk:
    """What a trunk ends with: maps of so many `features`, which a classifier is told in so many `places` a
    side, left and right as one; 1: their mean alone. A picture that is told by places is looked at with its
    mirror image, since filters that learned from pictures know left from right. `depth` names torchvision's
    network, `stages` how many of its four are kept; empty is our own small one."""

    features: int
    places: int = 1
    depth: str = ""
    stages: int = 4

    @property
    def first(self) -> FirstStage:
        """The stage whose maps tell how an input looks."""
        return FirstStage(5, 256) if self.depth else FirstStage(4, 32)

    @property
    def mirrored(self) -> bool:
        """Whether a picture's maps are the mean of its own and of its mirror image's, turned back."""
        return self.places > 1

    @property
    def told(self) -> int:
        """How many numbers a classifier is told."""
        return self.features * self.places * ((self.places + 1) // 2)


TRUNKS = {
    "resnet101": Trunk(2048, depth="resnet101"),
    "resnet50": Trunk(2048, depth="resnet50"),
    "resnet101_places": Trunk(1024, 5, "resnet101", 3),
    "resnet50_places": Trunk(1024, 5, "resnet50", 3),
    "cnn": Trunk(128),
}


class Channel(StrEnum):
    """MRI channels of the network, in order."""

    T1WI = "t1wi"
    T2WI = "t2wi"
    DWI = "dwi"
    DCE = "dce"


CHANNELS = tuple(Channel)


@dataclass(frozen=True)
class InputSpec:
    """How an input is cut and scaled. `size_px` square; crop = the lesion box's longer side × `margin`;
    `mri_input` is one of `MRI_INPUTS`: "registered" (the US plane, as wide as the US crop) or "native" (the
    acquired plane through the MRI mark, `native_side_mm` wide, which needs no registration). `box_shaped`:
    the crop has the proportions of the box, each side × `margin`, and is brought to the square; no MRI is
    cut alike."""

    size_px: int = 96
    margin: float = 1.6
    mri_input: str = "registered"
    native_side_mm: float = 40.0
    us_mean: float = 0.25
    us_std: float = 0.2
    reference_margin: float = 2.5
    mri_limit: float = 4.0
    box_shaped: bool = False

    @property
    def is_registered(self) -> bool:
        """Whether the MRI is cut in the US plane."""
        return self.mri_input == "registered"


@dataclass(frozen=True)
class NetworkSpec:
    """Which network. `trunk`: one of `TRUNKS`; `shared`: one set of convolutions for both `modalities`;
    `fusion`: one of `FUSIONS`; `own_us_only`: a stem and batch norms of their own for US without MRI;
    `own_us_only_head`: a classifier of its own too; `us_only_trunk`: one of `TRUNKS`, which then shares
    nothing; empty: that of the others, with their convolutions;
    `checks_registration`: whether it can tell that US and MRI do not show the same place; `checks_likeness`:
    for which trunks it can tell that a crop is unlike those it was measured on."""

    trunk: str = "resnet101"
    shared: bool = True
    dilated: bool = True
    fusion: str = "weighted"
    modalities: tuple[str, ...] = ("us", "mri")
    own_us_only: bool = False
    own_us_only_head: bool = False
    us_only_trunk: str = ""
    checks_registration: bool = False
    checks_likeness: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scope:
    """In which cases the model was validated; the gate refuses all others.

    What is empty or None is not known, and not asked for. `sources` name the cohorts, `scanners` are
    manufacturer and model, `densities` BI-RADS letters, `sizes_mm` the longer side of the lesion's US box.
    `note` is a sentence on how it was validated, `validated` the same in a form that can be said in any
    language. `research_only`: measured on too few lesions for anything else.
    """

    simulated_only: bool = False
    modalities: tuple[str, ...] = ("us", "mri", "fused")
    required_channels: tuple[str, ...] = ("dce",)
    min_age_y: int | None = None
    note: str = ""
    sources: tuple[str, ...] = ()
    scanners: tuple[str, ...] = ()
    densities: tuple[str, ...] = ()
    max_age_y: int | None = None
    sizes_mm: tuple[float, float] | None = None
    research_only: bool = False
    validated: Message | None = None

    @property
    def told(self) -> Message:
        """What the scope is worth, to be shown beside every probability."""
        if self.simulated_only:
            return message("scope.simulated_note")
        return self.validated or message("scope.own_note", note=self.note)

    @property
    def details(self) -> tuple[Message, ...]:
        """The bounds of the scope, for the model card."""
        lines = [message("scope.research_only")] if self.research_only else []
        if self.scanners:
            lines.append(message("scope.scanners", scanners=", ".join(self.scanners)))
        if self.densities:
            lines.append(message("scope.densities", densities=", ".join(self.densities)))
        if self.min_age_y is not None and self.max_age_y is not None:
            lines.append(message("scope.ages", low=self.min_age_y, high=self.max_age_y))
        if self.sizes_mm is not None:
            lines.append(message("scope.sizes", low=self.sizes_mm[0], high=self.sizes_mm[1]))
        return tuple(lines)


@dataclass(frozen=True)
class Metric:
    """One figure with its 95 % interval and n."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class ModelSpec:
    """Everything that must be known of a bundle before its weights are read.

    `temperature` divides logits, a modality; `cam_scale` is the raw Grad-CAM value shown as 1, a modality.
    A head whose name ends in `TWO_VIEWS` is the same with the lesion in two US pictures, which are read only
    where that was measured. `us_scope` is what US alone was validated for, on lesions without MRI; None where
    it was not.
    `operating_point` is a probability for each head, and for "registration" the one from which US and MRI are
    said not to show the same place; for each trunk's name with "_unlike" it is the distance from which a
    crop is said to be unlike the measured ones. `members` networks answer together, by the mean of their
    logits.
    """

    name: str
    demonstration: bool
    input: InputSpec
    network: NetworkSpec
    scope: Scope
    weights_sha256: str = ""
    classes: tuple[str, str] = ("benign", "malignant")
    temperature: dict[str, float] = field(default_factory=dict)
    operating_point: dict[str, float] = field(default_factory=dict)
    cam_scale: dict[str, float] = field(default_factory=dict)
    metrics: dict[str, dict[str, Metric]] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    members: int = 1
    us_scope: Scope | None = None
    us_only_input: InputSpec | None = None
    schema: str = SCHEMA

    @property
    def input_alone(self) -> InputSpec:
        """How US is cut where there is no MRI."""
        return self.us_only_input or self.input

    @property
    def reads_two_views(self) -> bool:
        """Whether it was calibrated and measured on lesions in two US pictures."""
        return {"us" + TWO_VIEWS, "fused" + TWO_VIEWS} <= self.temperature.keys()


def read_spec(folder: Path) -> ModelSpec:
    """Read a bundle's spec.

    Raises:
        ModelError: there is none, or it is damaged, or it is of another version, or it asks for a trunk or an
            input that this version does not have.
    """
    try:
        values = json.loads((folder / SPEC_FILE).read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError.of("model.no_bundle", folder=str(folder)) from error
    except ValueError as error:
        raise ModelError.of("model.damaged_spec", folder=str(folder)) from error
    if not isinstance(values, dict) or values.get("schema") != SCHEMA:
        raise ModelError.of("model.other_schema", folder=str(folder))
    try:
        spec = _from_plain(values)
    except (TypeError, KeyError, AttributeError) as error:
        raise ModelError.of("model.damaged_spec", folder=str(folder)) from error
    network = spec.network
    trunks = {network.trunk, network.us_only_trunk or network.trunk} <= TRUNKS.keys()
    known = trunks and network.fusion in FUSIONS and spec.input.mri_input in MRI_INPUTS
    if spec.input.box_shaped and spec.input.is_registered:
        known = known and "mri" not in network.modalities
    if not known or not set(network.modalities) <= set(MODALITIES):
        raise ModelError.of("model.other_schema", folder=str(folder))
    return spec


def network_spec(values: dict[str, Any]) -> NetworkSpec:
    """A network as JSON keeps it; raises TypeError where the fields are others."""
    plain: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
    return NetworkSpec(**plain)


def write_spec(folder: Path, spec: ModelSpec) -> None:
    """Write a bundle's spec."""
    text = json.dumps(asdict(spec), indent=1, ensure_ascii=False)
    (folder / SPEC_FILE).write_text(text + "\n", encoding="utf-8")


def _from_plain(values: dict[str, Any]) -> ModelSpec:
    us_scope, us_only_input = values.get("us_scope"), values.get("us_only_input")
    metrics = {
        part: {name: Metric(**figure) for name, figure in figures.items()}
        for part, figures in values["metrics"].items()
    }
    plain = {
        **values,
        "input": InputSpec(**values["input"]),
        "network": network_spec(values["network"]),
        "scope": _scope(values["scope"]),
        "us_scope": None if us_scope is None else _scope(us_scope),
        "us_only_input": None if us_only_input is None else InputSpec(**us_only_input),
        "classes": tuple(values["classes"]),
        "metrics": metrics,
    }
    return ModelSpec(**plain)


def _scope(values: dict[str, Any]) -> Scope:
    plain: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
    told = plain.get("validated")
    return Scope(**{**plain, "validated": message(told["code"], **told["params"]) if told else None})
