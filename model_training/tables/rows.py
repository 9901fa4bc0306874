"""The rows of a table, and whether one is better than another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from breastview.fusion.spec import Metric
from model_training import evaluate
from model_training.evaluate.bootstrap import DRAWS
from model_training.evaluate.comparison import Comparison, Discordance
from model_training.tables.paper import ARM_NAMES, NAMES, ORDER
from model_training.tables.study import Cell, Study


@dataclass(frozen=True, eq=False)
class Row:
    """One row: calibrated log odds (n,), calls (n,) bool, and its figures: AUC (DeLong), rates (Wilson)."""

    name: str
    cell: Cell
    odds: np.ndarray
    called: np.ndarray
    metrics: dict[str, Metric]


@dataclass(frozen=True)
class Difference:
    """First minus second: AUC by paired DeLong, and resampled over patients; who called more cases right by
    McNemar. `auc_p` and `calls_p` are corrected for the number of differences in the table (Holm)."""

    first: str
    second: str
    auc: Comparison
    over_patients: Metric
    calls: Discordance
    auc_p: float = 1.0
    calls_p: float = 1.0


def made_row(name: str, cell: Cell, label: np.ndarray, odds: np.ndarray, called: np.ndarray) -> Row:
    """A row with its figures."""
    figures = {"auc": evaluate.auc_delong(label, odds), **evaluate.rates(label, called)}
    return Row(name, cell, odds, called, figures)


def study_rows(study: Study, arms: Sequence[str]) -> tuple[Row, ...]:
    """The paper's rows: each network on each of these modalities."""
    rows = []
    for trunk in ORDER:
        for arm in arms:
            cell = Cell(trunk, arm)
            answered = study.cells[cell]
            name = f"{NAMES[trunk]} {ARM_NAMES[arm]}"
            rows.append(made_row(name, cell, study.label, answered.odds, answered.called))
    return tuple(rows)


def planned(rows: Sequence[Row]) -> list[tuple[Row, Row]]:
    """What is compared, later minus earlier row: networks on the same input, inputs of the same network."""
    return [
        (second, first)
        for first, second in combinations(rows, 2)
        if (first.cell.trunk == second.cell.trunk) != (first.cell.arm == second.cell.arm)
    ]


def differences(
    label: np.ndarray, patients: np.ndarray, pairs: Sequence[tuple[Row, Row]], draws: int = DRAWS
) -> tuple[Difference, ...]:
    """Each pair's difference; the tests of one call are one family for Holm's correction."""
    raw = [_difference(label, patients, first, second, draws) for first, second in pairs]
    numbers = [str(k) for k in range(len(raw))]
    auc_p = evaluate.holm(dict(zip(numbers, (one.auc.p for one in raw), strict=True)))
    calls_p = evaluate.holm(dict(zip(numbers, (one.calls.p for one in raw), strict=True)))
    return tuple(
        replace(one, auc_p=auc_p[k], calls_p=calls_p[k]) for k, one in zip(numbers, raw, strict=True)
    )


def _difference(label: np.ndarray, patients: np.ndarray, first: Row, second: Row, draws: int) -> Difference:
    def statistic(cases: np.ndarray) -> float:
        own = label[cases]
        return evaluate.auc(own, first.odds[cases]) - evaluate.auc(own, second.odds[cases])

    return Difference(
        first=first.name,
        second=second.name,
        auc=evaluate.compare_auc(label, first.odds, second.odds),
        over_patients=evaluate.bootstrap(statistic, label, patients, draws),
        calls=evaluate.compare_calls(label, first.called, second.called),
    )
