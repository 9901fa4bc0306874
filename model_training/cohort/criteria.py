"""Who is in a study and who is not: criteria as data, and the flow from the lesions assessed to those left.

The unit is the lesion, the cluster the patient; the flow is STARD's (Bossuyt et al., BMJ 351:h5527, 2015).
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
import pandas as pd

from model_training.cohort.told import as_number, can_be_judged, folded

DEFAULT = Path(__file__).with_name("criteria.toml")
LEAST_LESIONS = 100  # malignant ones, and benign ones, below which figures are for research only
_BOUNDS = ("above", "at_least", "at_most")


class CriteriaError(ValueError):
    """A file of criteria that cannot be read; says what is wrong in it."""


@dataclass(frozen=True)
class Criterion:
    """A lesion stays where `column` has one of the words `among`, or a number within the bounds.

    `only_if` names columns and the words that they must have for the criterion to be asked at all. Words are
    compared `folded`.
    """

    column: str
    excludes: str
    among: tuple[str, ...] = ()
    above: float = -math.inf
    at_least: float = -math.inf
    at_most: float = math.inf
    only_if: Mapping[str, str] = field(default_factory=dict)
    unknown: str = "kept"


@dataclass(frozen=True)
class Step:
    """How many lesions a criterion excluded, in how many it was unknown, and what became of those."""

    excludes: str
    excluded: int
    unknown: int = 0
    unknown_are: str = "kept"


@dataclass(frozen=True, eq=False)
class Flow:
    """From the lesions `assessed`, a row each, to those that are `included`, bool (lesion,)."""

    assessed: pd.DataFrame
    steps: tuple[Step, ...]
    included: np.ndarray


def read_criteria(path: Path = DEFAULT) -> tuple[Criterion, ...]:
    """Read criteria from a TOML file.

    Raises:
        CriteriaError: it is no TOML, or says something that a criterion does not, or of another type.
    """
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CriteriaError(f"the criteria are no TOML: {error}") from None
    tables = given.pop("criterion", [])
    if given:
        raise CriteriaError(f"the criteria say '{min(given)}'; write each as [[criterion]]")
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise CriteriaError("criterion is no table; write each as [[criterion]]")
    return tuple(_criterion(place, table) for place, table in enumerate(tables, 1))


def _criterion(place: int, table: Mapping[str, object]) -> Criterion:
    known = {each.name for each in fields(Criterion)}
    if wrong := sorted(set(table) - known):
        raise CriteriaError(f"criterion {place} says '{wrong[0]}'; it may say {', '.join(sorted(known))}")
    if missing := {"column", "excludes"} - set(table):
        raise CriteriaError(f"criterion {place} lacks '{min(missing)}'")
    if wrong := [_wanted(name) for name, value in table.items() if not _of_its_type(name, value)]:
        raise CriteriaError(f"criterion {place}: {wrong[0]}")
    if table.get("unknown", "kept") not in ("kept", "excluded"):
        raise CriteriaError(f"criterion {place}: unknown is 'kept' or 'excluded'")
    if ("among" in table) == bool(set(_BOUNDS) & set(table)):
        raise CriteriaError(f"criterion {place} needs either 'among' or one of {', '.join(_BOUNDS)}")
    return Criterion(**{**table, "among": tuple(table.get("among", ()))})  # type: ignore[arg-type]


def _of_its_type(name: str, value: object) -> bool:
    """Whether a criterion may say this by that name."""
    if name in _BOUNDS:
        return type(value) in (int, float) and not math.isnan(float(str(value)))
    if name == "among":
        return isinstance(value, list) and bool(value) and all(map(_is_word, value))
    if name == "only_if":
        return isinstance(value, dict) and all(map(_is_word, value.values()))
    return isinstance(value, str)


def _is_word(value: object) -> bool:
    return isinstance(value, str | bool | int | float)


def _wanted(name: str) -> str:
    wanted = {"among": 'a list of words, as ["yes"]', "only_if": 'a table of words, as { pregnant = "no" }'}
    return f"{name} is {wanted.get(name, 'a number' if name in _BOUNDS else 'a text')}"


def apply_criteria(about: pd.DataFrame, criteria: Sequence[Criterion]) -> Flow:
    """Ask every criterion of every lesion of a manifest, in order; what could not be cut is excluded last.
    A value that cannot be judged excludes its lesion, as a step of its own."""
    left, steps = np.ones(len(about), bool), list[Step]()
    for criterion in criteria:
        for column, strange in _strange(about, criterion):
            out = left & strange & _asked(about, criterion)
            if out.any():
                steps.append(Step(f"what {column} says cannot be judged", int(out.sum())))
            left &= ~out
        asked = left & _asked(about, criterion)
        unknown, fits = _judged(about, criterion)
        out = asked & ~fits & (~unknown | (criterion.unknown == "excluded"))
        steps.append(
            Step(criterion.excludes, int(out.sum()), int((asked & unknown).sum()), criterion.unknown)
        )
        left &= ~out
    reasons = np.array([str(word) if folded(word) else "" for word in _told(about, "skipped")], object)
    for reason in sorted(set(reasons[left]) - {""}):
        steps.append(Step(reason, int((left & (reasons == reason)).sum())))
    return Flow(about, tuple(steps), left & (reasons == ""))


def excluded_by(row: Mapping[str, object], criteria: Sequence[Criterion]) -> str:
    """What excludes one lesion; empty where nothing does."""
    steps = apply_criteria(pd.DataFrame([row]), criteria).steps
    return next((step.excludes for step in steps if step.excluded), "")


def flow_text(flow: Flow) -> str:
    """The flow as lines of plain text."""
    lines = [f"assessed: {_lesions(flow.assessed)}"]
    for step in flow.steps:
        unknown = f" (unknown in {step.unknown}, {step.unknown_are})" if step.unknown else ""
        lines.append(f"  ├─ {step.excluded} excluded: {step.excludes}{unknown}")
    rest = flow.assessed[flow.included]
    malignant = _words(rest, "pathology") == "malignant"
    lines += [
        f"included: {_lesions(rest)}",
        f"  ├─ malignant: {_lesions(rest[malignant])}",
        f"  └─ benign: {_lesions(rest[_words(rest, 'pathology') == 'benign'])}",
    ]
    if research_only(malignant):
        lines.append(f"Research only: fewer than {LEAST_LESIONS} malignant or benign lesions.")
    return "\n".join(lines)


def research_only(malignant: np.ndarray) -> bool:
    """Whether there are too few lesions of a kind, bool (lesion,), for figures to be more than research."""
    return min(int(malignant.sum()), int((~malignant).sum())) < LEAST_LESIONS


def _lesions(about: pd.DataFrame) -> str:
    return f"{len(about)} lesions of {about['patient'].nunique()} patients"


def _asked(about: pd.DataFrame, criterion: Criterion) -> np.ndarray:
    """Where a criterion is asked, or may be, bool (lesion,)."""
    asked = np.ones(len(about), bool)
    for column, word in criterion.only_if.items():
        asked &= (_words(about, column) == folded(word)) | ~_can_be_judged(about, column)
    return asked


def _strange(about: pd.DataFrame, criterion: Criterion) -> Iterator[tuple[str, np.ndarray]]:
    """The columns of a criterion, each with where its value cannot be judged, bool (lesion,)."""
    for column in criterion.only_if:
        yield column, ~_can_be_judged(about, column)
    strange = ~_can_be_judged(about, criterion.column)
    if not criterion.among:
        strange |= (_words(about, criterion.column) != "") & np.isnan(_numbers(about, criterion.column))
    yield criterion.column, strange


def _judged(about: pd.DataFrame, criterion: Criterion) -> tuple[np.ndarray, np.ndarray]:
    """Where a criterion is unknown and where it is fulfilled, bool (lesion,) each."""
    if criterion.among:
        words = _words(about, criterion.column)
        return words == "", np.isin(words, [folded(word) for word in criterion.among])
    x = _numbers(about, criterion.column)
    low, high = max(criterion.above, criterion.at_least), criterion.at_most
    return np.isnan(x), (x >= low) & (x > criterion.above) & (x <= high)


def _words(about: pd.DataFrame, column: str) -> np.ndarray:
    """A column's words, folded; empty for what is unknown."""
    return np.array([folded(value) for value in _told(about, column)], object)


def _numbers(about: pd.DataFrame, column: str) -> np.ndarray:
    return np.array([as_number(value) for value in _told(about, column)], float)


def _can_be_judged(about: pd.DataFrame, column: str) -> np.ndarray:
    return np.array([can_be_judged(column, value) for value in _told(about, column)], bool)


def _told(about: pd.DataFrame, column: str) -> Sequence[object]:
    """What a column says of each lesion; nothing where there is none."""
    if column == "pathology" and column not in about:
        return ["malignant" if malignant else "benign" for malignant in about["malignant"]]
    return about[column].tolist() if column in about else [""] * len(about)
