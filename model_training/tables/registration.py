"""What registration is worth: the same cases with MRI as acquired, in the US plane, and in a wrong plane."""

from __future__ import annotations

from model_training.cohort.samples import DISPLACED_MM
from model_training.evaluate.bootstrap import DRAWS
from model_training.tables.paper import NAMES
from model_training.tables.rows import Difference, Row, differences, made_row
from model_training.tables.study import NATIVE, Cell, Study

REGISTERED = Cell(NATIVE.trunk, NATIVE.arm)


def registration_rows(study: Study) -> tuple[Row, ...]:
    """Native MRI by a network trained on it; registered and misregistered MRI by the one trained, and
    calibrated, on registered MRI."""
    label, native, registered = study.label, study.cells[NATIVE], study.cells[REGISTERED]
    name = NAMES[NATIVE.trunk]
    rows = [
        made_row(f"{name}, native MRI", NATIVE, label, native.odds, native.called),
        made_row(f"{name}, registered MRI", REGISTERED, label, registered.odds, registered.called),
    ]
    moved = zip(DISPLACED_MM, registered.displaced_odds, registered.displaced_called, strict=True)
    for away_mm, odds, called in moved:
        rows.append(made_row(f"{name}, {away_mm:g} mm off", REGISTERED, label, odds, called))
    return tuple(rows)


def registration_differences(
    study: Study, rows: tuple[Row, ...], draws: int = DRAWS
) -> tuple[Difference, ...]:
    """Registered minus each of the others: what is lost without it."""
    registered = rows[1]
    others = (rows[0], *rows[2:])
    return differences(study.label, study.patient, [(registered, other) for other in others], draws)
