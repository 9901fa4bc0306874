"""How to train, in one readable file: a TOML of the fields below, kept beside the run and in the bundle."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Collection
from dataclasses import asdict, dataclass, field, fields
from operator import index
from pathlib import Path
from typing import Any, TypeVar

from breastview.fusion.spec import MODALITIES, NetworkSpec

T = TypeVar("T")
SIMSIAM = "simsiam"
HEADS_ONLY = "heads"
PRESETS = Path(__file__).parent / "recipes"
_CHOICES = {
    "strategy": ("joint", "staged", SIMSIAM, HEADS_ONLY),
    "mri": ("registered", "native"),
    "precision": ("float32", "bfloat16", "float16"),
    "keep": ("best", "last"),
}
_AMOUNTS = ("rate", "trunk_rate", "weight_decay", "auxiliary", "outline", "penalty", "fusion_trunk_rate")
_TYPES: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "bool": (bool,), "str": (str,)}


class RecipeError(ValueError):
    """A recipe that cannot be followed; says which field and what it may be."""


@dataclass(frozen=True)
class Augmentation:
    """How far a sample strays when it is shown; grey values are the network's, where the US spread is 1.

    `us_contrast` and `mri_gain` are shares, `us_gain` (time-gain), `speckle`, `shadow` and `mri_noise` grey
    values; `shadow_share` is how many of the samples get a shadow. `turn_deg`, `zoom` (a share), `stretch` (a
    share, of height against width) and `shift` (a share of the side) move US and MRI alike.
    """

    mirror: bool = True
    us_contrast: float = 0.15
    us_gain: float = 0.2
    speckle: float = 0.0
    shadow: float = 0.0
    shadow_share: float = 0.0
    mri_gain: float = 0.1
    mri_noise: float = 0.0
    turn_deg: float = 0.0
    zoom: float = 0.0
    stretch: float = 0.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        for one in fields(self):
            if one.type == "float":
                _check_amount(one.name, getattr(self, one.name))
        if self.shadow_share > 1:
            raise RecipeError(f"shadow_share is {self.shadow_share}; it is a share, from 0 to 1")

    @property
    def moves(self) -> bool:
        """Whether it moves what a picture shows."""
        return max(self.turn_deg, self.zoom, self.stretch, self.shift) > 0


@dataclass(frozen=True)
class Recipe:
    """How to train.

    `stages` are (image side in px, epochs): small pictures first is faster. `rate` is the head's, the trunks
    learn at `trunk_rate` of it. "joint" trains all at once with the single heads at the weight `auxiliary`;
    "staged" trains each trunk with its own head through all stages, then the fusion for `fusion_epochs` with
    the trunks at `fusion_trunk_rate`, 0 being frozen; "simsiam" is how `pretrain` learns without labels,
    and "heads" how `refit` fits the heads alone.
    `class_weighted` makes both classes count alike.
    `soft_labels` trains toward the answers of an optimal reader of what is shown where the cohort tells them,
    as simulated patients do, and toward the label elsewhere (Hinton et al., Distilling the Knowledge in a
    Neural Network, 2015).
    `repeats` says how often an epoch shows the cases of a source, where not once: few of a kind are learned
    too.
    `outline` is the weight of a second task, to tell lesion from tissue pixel by pixel in US, where the
    outlines of all lesions are known; what learns it falls away after training.
    `start_share` of the weights that training started from stays in what is kept: what they knew is forgotten
    less (Wortsman et al., Robust fine-tuning of zero-shot models, CVPR 2022).
    `penalty` is what `refit` holds the heads back by; 0: what loses least on validation cases.
    `frozen_norms` keeps the statistics of batch norms as pretrained weights brought them, for few pictures;
    their scales and offsets learn. `mri` is the input's: "registered" or "native".
    `keep` says which epoch's weights are kept: those of the "best" by validation AUC, or of the "last", which
    owes nothing to the validation cases.
    """

    stages: tuple[tuple[int, int], ...] = ((64, 6), (96, 3))
    batch: int = 16
    rate: float = 8e-4
    trunk_rate: float = 1.0
    weight_decay: float = 0.02
    warm_up: float = 0.08
    ema: float = 0.99
    modality_dropout: float = 0.15
    auxiliary: float = 0.5
    class_weighted: bool = False
    soft_labels: bool = True
    outline: float = 0.0
    strategy: str = "joint"
    fusion_epochs: int = 3
    fusion_trunk_rate: float = 0.0
    mri: str = "registered"
    start_share: float = 0.0
    penalty: float = 0.0
    frozen_norms: bool = False
    keep: str = "best"
    precision: str = "float32"  # bfloat16 pays only where the processor computes in it
    seed: int = 7
    threads: int = 2
    repeats: dict[str, int] = field(default_factory=dict)
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise RecipeError(f"{name} is {getattr(self, name)!r}; it may be {', '.join(allowed)}")
        if not self.stages or min(min(stage) for stage in self.stages) < 1:
            raise RecipeError(f"stages are {self.stages}; each is an image side in px and a number of epochs")
        if self.batch < 2:
            raise RecipeError(f"batch is {self.batch}; batch norm needs 2 at least")
        for source, times in self.repeats.items():
            if type(times) is not int or times < 1:
                raise RecipeError(f"repeats of {source} are {times!r}; it is a whole number from 1 on")
        self._check_numbers()

    def _check_numbers(self) -> None:
        least = {"seed": 0, "threads": 1, "fusion_epochs": 1 if self.strategy == "staged" else 0}
        for name, fewest in least.items():
            if getattr(self, name) < fewest:
                raise RecipeError(f"{name} is {getattr(self, name)}; it is a whole number from {fewest} on")
        for name in _AMOUNTS:
            _check_amount(name, getattr(self, name))
        for name in ("warm_up", "ema", "modality_dropout", "start_share"):
            if not 0 <= getattr(self, name) < 1:
                raise RecipeError(f"{name} is {getattr(self, name)}; it is a share, from 0 to below 1")

    @property
    def size_px(self) -> int:
        """The side of the pictures that the network is trained for, and used with."""
        return self.stages[-1][0]


def read_recipe(source: str) -> Recipe:
    """A recipe by the name of a preset, or from a TOML file; what the file does not name is the default.

    Raises:
        RecipeError: there is none, it is no TOML, or it names or holds what a recipe does not know.
    """
    preset = PRESETS / f"{source}.toml"
    try:
        values = tomllib.loads((preset if preset.exists() else Path(source)).read_text(encoding="utf-8"))
    except OSError as error:
        known = ", ".join(sorted(path.stem for path in PRESETS.glob("*.toml")))
        raise RecipeError(f"no recipe {source!r}: give a TOML file, or one of {known}") from error
    except ValueError as error:
        raise RecipeError(f"{source} is no TOML: {error}") from error
    return from_plain(values)


def from_plain(values: dict[str, Any]) -> Recipe:
    """A recipe from plain values, as TOML and JSON hold them; raises RecipeError."""
    for name in ("augmentation", "repeats"):
        if not isinstance(values.get(name, {}), dict):
            raise RecipeError(f"{name} is {values[name]!r}; it is a table, written [{name}]")
    given = {**values, "augmentation": _made(Augmentation, values.get("augmentation", {}))}
    if "stages" in values:
        try:
            given["stages"] = tuple((index(size), index(epochs)) for size, epochs in values["stages"])
        except (TypeError, ValueError) as error:
            raise RecipeError(f"stages are {values['stages']}; write [[64, 6], [96, 3]]") from error
    return _made(Recipe, given)


def to_plain(recipe: Recipe) -> dict[str, Any]:
    """Plain values that `from_plain` reads, also after JSON."""
    return asdict(recipe)


def check_size(recipe: Recipe, cut_px: int) -> None:
    """Raises RecipeError where the recipe wants larger pictures than were cut: no network learns from pixels
    that are not there."""
    largest = max(size for size, _ in recipe.stages)
    if largest > cut_px:
        raise RecipeError(
            f"the recipe trains with pictures of {largest} px, the cohort holds {cut_px} px: make it with "
            f"--size {largest}, or give the recipe smaller stages"
        )


def check_sources(recipe: Recipe, sources: Collection[str]) -> None:
    """Raises RecipeError where the recipe repeats a source that the training cases do not come from."""
    unknown = sorted(set(recipe.repeats) - set(sources))
    if unknown:
        raise RecipeError(
            f"repeats names {', '.join(unknown)}; the training cases come from {', '.join(sorted(sources))}"
        )


def check_fits(recipe: Recipe, network: NetworkSpec) -> None:
    """Raises RecipeError where this recipe cannot train this network with labels."""
    if recipe.strategy == SIMSIAM:
        raise RecipeError("simsiam learns without labels: give this recipe to pretrain")
    if recipe.strategy == HEADS_ONLY:
        raise RecipeError("this recipe fits heads alone: give it to refit")
    if network.own_us_only and len(network.modalities) < len(MODALITIES):
        raise RecipeError("a trunk for US without MRI stands beside those of both modalities: train both")
    if recipe.strategy == "staged" and network.shared and len(network.modalities) == len(MODALITIES):
        raise RecipeError(
            "staged training would overwrite the first modality's convolutions with the second's: "
            "give each modality its own trunk (--separate), or train jointly"
        )


def _check_amount(name: str, value: float) -> None:
    if not 0 <= value < math.inf:
        raise RecipeError(f"{name} is {value}; it is a number from 0 on")


def _made(kind: type[T], values: dict[str, Any]) -> T:
    own = {one.name: one for one in fields(kind)}  # type: ignore[arg-type]
    for name, value in values.items():
        if name not in own:
            raise RecipeError(f"a recipe knows no {name!r}; it knows {', '.join(own)}")
        allowed = _TYPES.get(str(own[name].type))
        if allowed is not None and type(value) not in allowed:
            raise RecipeError(f"{name} is {value!r}; it must be of type {own[name].type}")
    return kind(**values)
