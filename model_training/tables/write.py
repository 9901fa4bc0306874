"""A study as the paper's tables: Markdown to read, CSV to compute with, figures to print."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pandas as pd
from scipy.special import expit

from breastview.whole import write_whole
from model_training import evaluate
from model_training.checklists import CHECKLISTS, checklist
from model_training.evaluate.bootstrap import DRAWS
from model_training.evaluate.figures import (
    decision_figure,
    interval_figure,
    reliability_figure,
    roc_figure,
    write_figure,
)
from model_training.markdown import figure, probability, table
from model_training.tables.facts import folds_told, study_facts
from model_training.tables.paper import ARM_NAMES, NAMES, NOTES, ORDER, PUBLISHED, SOURCE, Published
from model_training.tables.registration import registration_differences, registration_rows
from model_training.tables.rows import Difference, Row, differences, planned, study_rows
from model_training.tables.study import Study

RATES = ("accuracy", "sensitivity", "specificity")
DIFFERENCES_TOLD = (
    "AUC by paired DeLong and, beside it, resampled over patients; calls by McNemar's exact test (how many "
    "lesions only the first or only the second called right). Holm's correction is over this table's rows."
)
WORTH_TOLD = """## How to read it

The native row is a network of its own, trained on MRI as acquired. The rows that are off are the registered
row's network on the same cases, each registration moved so far in a drawn direction. Registered − native is
what registration is worth; registered − off, how exact it must be."""
PAPERS_ORDER = " < ".join(NAMES[trunk] for trunk in ORDER)


@dataclass(frozen=True, eq=False)
class StudyTable:
    """One table: `rows` show the figures named `shown`, `compared` their differences."""

    name: str
    title: str
    rows: tuple[Row, ...]
    shown: tuple[str, ...]
    compared: tuple[Difference, ...]


def write_study(study: Study, folder: Path, draws: int = DRAWS) -> None:
    """Write the tables, and both checklists as far as the study knows."""
    write_tables(study, folder, draws)
    facts = study_facts(study)
    for name in CHECKLISTS:
        write_whole(folder / f"{name}.md", checklist(name, facts, heading(study)).encode())


def write_tables(study: Study, folder: Path, draws: int = DRAWS) -> tuple[StudyTable, ...]:
    """Write Table 1, Table 2 and what registration is worth, each as Markdown, CSV and figures; `draws` of
    patients make each resampled interval."""
    tables = study_tables(study, draws)
    one, two, three = tables
    _write(folder, study, one, [_order(one, arm) for arm in ("us", "mri")])
    _write(folder, study, two, [_order(two, "fused")])
    _write(folder, study, three, [WORTH_TOLD])
    for own in tables:
        _write_figures(folder / "figures", study, own, draws)
    return tables


def study_tables(study: Study, draws: int = DRAWS) -> tuple[StudyTable, ...]:
    """The three tables with their differences."""
    label, patient = study.label, study.patient
    every = study_rows(study, ("us", "mri", "fused"))
    alone = tuple(row for row in every if row.cell.arm != "fused")
    both = tuple(row for row in every if row.cell.arm == "fused")
    gains = [pair for pair in planned(every) if pair[0].cell.arm == "fused"]
    worth = registration_rows(study)
    title = "Table 3. What registration is worth: MRI as acquired, in the US plane, and misregistered"
    return (
        StudyTable(
            "table1",
            "Table 1. US and MRI alone",
            alone,
            RATES,
            differences(label, patient, planned(alone), draws),
        ),
        StudyTable(
            "table2",
            "Table 2. US and MRI together",
            both,
            (*RATES, "auc"),
            differences(label, patient, gains, draws),
        ),
        StudyTable("table3", title, worth, (*RATES, "auc"), registration_differences(study, worth, draws)),
    )


def heading(study: Study) -> list[str]:
    """What must be read before any figure."""
    return [f"**{sentence}**" for sentence in study.caveats]


def cases_told(study: Study) -> str:
    """On whom, and how they were kept apart from those who trained."""
    label, people = study.label, study.about["patient"].nunique()
    tested = "each patient tested in one" + (" a draw" if study.repeats > 1 else "")
    split = folds_told(study) + (f", {tested}; of the first" if len(study.counts) > 1 else "")
    counts = ", ".join(f"{part} {n} lesions of {own} patients" for part, (n, own) in study.counts[0].items())
    return (
        f"{len(label)} test lesions ({label.sum()} malignant) of {people} patients, all with US and MRI "
        f"in its plane. {split}: {counts}."
    )


def training_told(study: Study) -> str:
    """How the networks were trained, and how long it took."""
    recipe = study.recipe
    stages = ", ".join(f"{epochs} at {size} px" for size, epochs in recipe.stages)
    count = f"{len(study.cells)} networks" + (" a fold" if len(study.counts) > 1 else "")
    return (
        f"{count}, each from random weights; epochs: {stages}; batches of "
        f"{recipe.batch}; seed {recipe.seed}; {study.seconds / 3600:.1f} h of training by the clock."
    )


def _write(folder: Path, study: Study, own: StudyTable, told: Sequence[str]) -> None:
    paragraphs = [f"# {own.title}", *heading(study), cases_told(study), training_told(study)]
    paragraphs += [
        _figures_told(study, own),
        *_draws_told(study, own),
        _main(own),
        "## Differences between rows",
        DIFFERENCES_TOLD,
        _compared(own),
        *told,
    ]
    if _published(own):
        paragraphs += [
            "## What in the paper does not fit",
            f"{SOURCE}.",
            "\n".join(f"- {note}" for note in NOTES),
        ]
    write_whole(folder / f"{own.name}.md", ("\n\n".join(paragraphs) + "\n").encode())
    write_whole(folder / f"{own.name}.csv", _long(own).to_csv(index=False).encode())
    write_whole(folder / f"{own.name}-differences.csv", _long_differences(own).to_csv(index=False).encode())


def _figures_told(study: Study, own: StudyTable) -> str:
    beside = "; after the semicolon the paper's figure, which has no interval" if _published(own) else ""
    repeated = study.about["patient"].duplicated().any()
    taken = " Both take lesions as independent, though some patients have several." if repeated else ""
    return (
        "Figures with 95 % intervals (Wilson; AUC: DeLong)" + beside + ". Temperature and operating point "
        "(Youden) were chosen on validation cases." + taken
    )


def _draws_told(study: Study, own: StudyTable) -> list[str]:
    """Where folds were drawn several times: what an answer is, and how far the draws lie apart."""
    if study.repeats == 1:
        return []
    rows = {row.cell: row.name for row in reversed(own.rows)}
    apart = [
        f"{name} {min(study.aucs[cell]):.3f} to {max(study.aucs[cell]):.3f}"
        for cell, name in reversed(rows.items())
    ]
    return [
        f"A lesion's answer is the mean of {study.repeats} networks', one of each draw, none of which saw "
        f"it; what half of them call malignant is called so. A draw alone had an AUC of: {'; '.join(apart)}."
    ]


def _main(own: StudyTable) -> str:
    published = _published(own)
    notes = ["what does not fit in the paper's row"] if published else []
    lines = []
    for row in own.rows:
        paper = published.get(row.name)
        cells = [_beside(row, name, paper) for name in own.shown]
        lines.append([row.name, *cells, *([paper.note] if paper else [])])
    shown = ["AUC" if name == "auc" else name for name in own.shown]
    return table(["network and input", *shown, *notes], lines)


def _beside(row: Row, name: str, paper: Published | None) -> str:
    metric = row.metrics[name]
    told = f"{figure(metric)}, n = {metric.n}"
    theirs = getattr(paper, name) if paper else None
    return told if theirs is None else f"{told}; {theirs:.4f}"


def _compared(own: StudyTable) -> str:
    head = [
        "first − second",
        "AUC difference",
        "p",
        "p (Holm)",
        "over patients",
        "only first / only second right",
    ]
    lines = [
        [
            f"{one.first} − {one.second}",
            figure(one.auc.difference),
            probability(one.auc.p),
            probability(one.auc_p),
            figure(one.over_patients),
            f"{one.calls.first_only} / {one.calls.second_only} of {one.calls.n}",
            probability(one.calls.p),
            probability(one.calls_p),
        ]
        for one in own.compared
    ]
    return table([*head, "p (McNemar)", "p (Holm)"], lines)


def _order(own: StudyTable, arm: str) -> str:
    """The networks from worst to best on one input, and whether that is the paper's order."""
    rows = [row for row in own.rows if row.cell.arm == arm]
    names = {row.name for row in rows}
    held = [
        f"{one.first} − {one.second}"
        for one in own.compared
        if {one.first, one.second} <= names and one.auc_p < 0.05
    ]
    lines = [
        f"## The order of the networks on {ARM_NAMES[arm]}",
        f"The paper's, from worst to best: {PAPERS_ORDER}.",
    ]
    for name, words in (("accuracy", "accuracy"), ("auc", "AUC")):
        lines.append(f"Here by {words}: {ranked(rows, name)}.")
    lines.append(f"AUC differences between networks that Holm leaves: {'; '.join(held) or 'none'}.")
    return "\n\n".join(lines)


def ranked(rows: Sequence[Row], name: str) -> str:
    """Rows from worst to best by one figure, and whether that is the paper's order: a tie is none."""
    ordered = sorted(rows, key=lambda row: row.metrics[name].value)
    values = [row.metrics[name].value for row in ordered]
    ties = [math.isclose(one, other) for one, other in pairwise(values)]
    signs = ["", *(" = " if tie else " < " for tie in ties)]
    told = [f"{NAMES[row.cell.trunk]} {figure(row.metrics[name])}" for row in ordered]
    same = [row.cell.trunk for row in ordered] == list(ORDER)
    verdict = "no order, for ties" if any(ties) else "the same order" if same else "another order"
    return "".join(sign + words for sign, words in zip(signs, told, strict=True)) + f"; {verdict}"


def _published(own: StudyTable) -> dict[str, Published]:
    """The paper's rows by name; registration was not in it."""
    if own.name == "table3":
        return {}
    return {row.name: PUBLISHED[row.cell.trunk, row.cell.arm] for row in own.rows}


def _long(own: StudyTable) -> pd.DataFrame:
    published = _published(own)
    lines = []
    for row in own.rows:
        paper = published.get(row.name)
        for name in own.shown:
            metric = row.metrics[name]
            lines.append(
                {
                    "row": row.name,
                    "figure": name,
                    "value": metric.value,
                    "low": metric.low,
                    "high": metric.high,
                    "n": metric.n,
                    "paper": getattr(paper, name, None),
                    "note": paper.note if paper else "",
                }
            )
    return pd.DataFrame(lines)


def _long_differences(own: StudyTable) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "first": one.first,
            "second": one.second,
            "auc_difference": one.auc.difference.value,
            "low": one.auc.difference.low,
            "high": one.auc.difference.high,
            "low_over_patients": one.over_patients.low,
            "high_over_patients": one.over_patients.high,
            "p_delong": one.auc.p,
            "p_delong_holm": one.auc_p,
            "only_first_right": one.calls.first_only,
            "only_second_right": one.calls.second_only,
            "n": one.calls.n,
            "p_mcnemar": one.calls.p,
            "p_mcnemar_holm": one.calls_p,
        }
        for one in own.compared
    )


def _write_figures(folder: Path, study: Study, own: StudyTable, draws: int) -> None:
    label, patient = study.label, study.patient
    published = {name: paper.accuracy for name, paper in _published(own).items()}
    accuracy = {row.name: row.metrics["accuracy"] for row in own.rows}
    write_figure(
        interval_figure("Accuracy", "accuracy", accuracy, published, study.caveats),
        folder,
        f"{own.name}-accuracy",
    )
    curves = {row.name: evaluate.roc_curve(label, row.odds, patient, draws) for row in own.rows}
    write_figure(roc_figure(curves, study.caveats), folder, f"{own.name}-roc")
    told = {row.name: expit(row.odds) for row in own.rows}
    bins = {name: evaluate.reliability(label, p) for name, p in told.items()}
    write_figure(reliability_figure(bins, study.caveats), folder, f"{own.name}-reliability")
    benefit = {name: evaluate.decision_curve(label, p, patient, draws=draws) for name, p in told.items()}
    write_figure(decision_figure(benefit, study.caveats), folder, f"{own.name}-decision")
