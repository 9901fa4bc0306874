"""The same row for parts of the cases: breast density, size, scanner, the reader's BI-RADS category."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from breastview.fusion.spec import Metric
from model_training.evaluate.calibration import BINS, calibrated
from model_training.evaluate.discrimination import rates
from model_training.evaluate.row import metrics
from model_training.markdown import figure

SMALLEST = 5  # malignant and benign cases that an AUC takes
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Subgroup:
    """One group of cases; `metrics` lacks what it is too small for."""

    attribute: str
    group: str
    n: int
    malignant: int
    metrics: dict[str, Metric]

    def told(self, name: str) -> str:
        """A figure with its interval, or how many cases were too few for it."""
        if name not in self.metrics:
            return f"too few ({self.malignant} malignant, {self.n - self.malignant} benign)"
        return figure(self.metrics[name])


def subgroups(
    label: np.ndarray,
    logits: np.ndarray,
    temperature: float,
    threshold: float,
    attributes: Mapping[str, np.ndarray],
    patients: np.ndarray | None = None,
) -> tuple[Subgroup, ...]:
    """A row for each value of each attribute (n,), in order; None, NaN and "" come last as unknown.

    Raises:
        ValueError: an attribute does not have one value a case.
    """
    rows = []
    for attribute, values in attributes.items():
        if len(values) != len(label):
            raise ValueError(f"{attribute} has {len(values)} values for {len(label)} cases")
        for group, cases in _groups(values):
            own = None if patients is None else patients[cases]
            found = _metrics(label[cases], logits[cases], temperature, threshold, own)
            rows.append(Subgroup(attribute, group, int(cases.sum()), int(label[cases].sum()), found))
    return tuple(rows)


def _metrics(
    label: np.ndarray, logits: np.ndarray, temperature: float, threshold: float, patients: np.ndarray | None
) -> dict[str, Metric]:
    """What the group is large enough for: an AUC takes cases of both labels, calibration ten in each bin."""
    if min(label.sum(), (~label).sum()) < SMALLEST:
        return rates(label, calibrated(logits, temperature) >= threshold)
    found = metrics(label, logits, temperature, threshold, patients)
    if len(label) < 10 * BINS:
        del found["ece"]
    return found


def _groups(values: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Each value's name and its cases (n,) bool."""
    plain: list[Any] = [None if _missing(value) else value for value in np.asarray(values).tolist()]
    known = sorted({value for value in plain if value is not None})
    order = [*known, None] if None in plain else known
    names = [UNKNOWN if value is None else str(value) for value in order]
    return [(name, np.array([v == value for v in plain])) for name, value in zip(names, order, strict=True)]


def _missing(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))
