"""Who is in a study and who is not: criteria as data, and the flow from the lesions assessed to those left.

The unit is the lesion, the cluster the patient; the flow is STARD's (Bossuyt et al., BMJ 351:h5527, 2015).
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
import pandas as pd

DEFAULT = Path(__file__).with_name("criteria.toml")
LEAST_LESIONS = 100  # malignant ones, and benign ones, below which figures are for research only
_WORDS = {"true": "yes", "false": "no", "1": "yes", "0": "no", "1.0": "yes", "0.0": "no", "nan": ""}


class CriteriaError(ValueError):
    """A file of criteria that cannot be read; says what is wrong in it."""


@dataclass(frozen=True)
class Criterion:
    """A lesion stays where `column` has one of the words `among`, or a number within the bounds.

    `only_if` names columns and the words that they must have for the criterion to be asked at all.
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
        CriteriaError: it is no TOML, or says something that a criterion does not.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8")).get("criterion", [])
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CriteriaError(f"the criteria are no TOML: {error}") from None
    return tuple(_criterion(number, table) for number, table in enumerate(tables, 1))


def _criterion(number: int, table: Mapping[str, object]) -> Criterion:
    known = {each.name for each in fields(Criterion)}
    if wrong := sorted(set(table) - known):
        raise CriteriaError(f"criterion {number} says '{wrong[0]}'; it may say {', '.join(sorted(known))}")
    if missing := {"column", "excludes"} - set(table):
        raise CriteriaError(f"criterion {number} lacks '{min(missing)}'")
    if table.get("unknown", "kept") not in ("kept", "excluded"):
        raise CriteriaError(f"criterion {number}: unknown is 'kept' or 'excluded'")
    return Criterion(**{**table, "among": tuple(table.get("among", ()))})  # type: ignore[arg-type]


def apply_criteria(about: pd.DataFrame, criteria: Sequence[Criterion]) -> Flow:
    """Ask every criterion of every lesion of a manifest, in order; what could not be cut is excluded last."""
    left, steps = np.ones(len(about), bool), []
    for criterion in criteria:
        asked = left & _asked(about, criterion)
        unknown, fits = _judged(about, criterion)
        out = asked & ~fits & (~unknown | (criterion.unknown == "excluded"))
        steps.append(
            Step(criterion.excludes, int(out.sum()), int((asked & unknown).sum()), criterion.unknown)
        )
        left &= ~out
    reasons = _words(about, "skipped")
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
    asked = np.ones(len(about), bool)
    for column, word in criterion.only_if.items():
        asked &= _words(about, column) == word
    return asked


def _judged(about: pd.DataFrame, criterion: Criterion) -> tuple[np.ndarray, np.ndarray]:
    """Where a criterion is unknown and where it is fulfilled, bool (lesion,) each."""
    if criterion.among:
        words = _words(about, criterion.column)
        return words == "", np.isin(words, criterion.among)
    told = about[criterion.column] if criterion.column in about else pd.Series(np.nan, about.index)
    number = pd.to_numeric(told, errors="coerce").to_numpy(float)
    low, high = max(criterion.above, criterion.at_least), criterion.at_most
    return np.isnan(number), (number >= low) & (number > criterion.above) & (number <= high)


def _words(about: pd.DataFrame, column: str) -> np.ndarray:
    """A column in small letters, yes and no for what is true and false, empty for what is unknown."""
    if column == "pathology" and column not in about:
        return np.where(about["malignant"].to_numpy(bool), "malignant", "benign")
    if column not in about:
        return np.full(len(about), "", object)
    words = [str(value).strip().casefold() for value in about[column].astype(object)]
    return np.array([_WORDS.get(word, word) for word in words], object)
