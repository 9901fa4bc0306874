"""A list of lesions with known pathology as a queue for marking: a review record for each patient folder.

The window shows side and clock face at once, and the pathology once the first read is committed.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from breastview.errors import BreastViewError
from breastview.imaging.scan import scan_folder
from breastview.records.store import RecordStore
from breastview.records.values import Lesion, Pathology, ReviewRecord, Side, new_record
from model_training.cohort.told import COLUMNS, TOLD, ListError, as_number, read_told

CLOCK = "clock is from 1 to 12:59"
_SIDES = {"r": Side.RIGHT, "right": Side.RIGHT, "l": Side.LEFT, "left": Side.LEFT}
_PATHOLOGIES = {"b3": Pathology.HIGH_RISK, "": None, **{each.value: each for each in Pathology}}


@dataclass(frozen=True)
class Queue:
    """How many records were written for how many lesions, and what is wrong with rows, by their number."""

    records: int
    lesions: int
    problems: tuple[str, ...]


@dataclass(frozen=True)
class _Row:
    number: int
    folder: str
    lesion: Lesion
    told: Mapping[str, str]


def import_queue(file: Path, records: Path | None = None) -> Queue:
    """Write a record for each folder of a CSV file into `records` (None: where the window keeps its own).

    Columns are `COLUMNS`, and any of `TOLD`; folders may be relative to the file. Several rows of one
    folder are several lesions. A record that stands already is left as it is.

    Raises:
        ListError: the file is no CSV in UTF-8 with these columns.
        RecordError: the records cannot be written; those of the folders before are.
    """
    store, problems = RecordStore(records), dict[int, str]()
    by_folder: dict[str, list[_Row]] = {}
    for row in _read(file, problems):
        by_folder.setdefault(row.folder, []).append(row)
    written = []
    for folder, rows in by_folder.items():
        try:
            record = _queued(file.parent / folder, rows, store)
        except (BreastViewError, FileExistsError) as error:
            problems |= {row.number: str(error) for row in rows}
        else:
            store.save(record)
            written.append(record)
    lesions = sum(len(record.lesions) for record in written)
    told = tuple(f"row {number}: {problem}" for number, problem in sorted(problems.items()))
    return Queue(len(written), lesions, told)


def _queued(folder: Path, rows: list[_Row], store: RecordStore) -> ReviewRecord:
    case = scan_folder(folder)
    if store.load(case.fingerprint) is not None:
        raise FileExistsError("This case has a record already, which was left as it is.")
    lesions = tuple(replace(row.lesion, lesion_id=f"L{n}") for n, row in enumerate(rows, 1))
    extra = {f"L{n}.{name}": word for n, row in enumerate(rows, 1) for name, word in row.told.items()}
    return replace(new_record(case), lesions=lesions, extra=extra)


def _read(file: Path, problems: dict[int, str]) -> list[_Row]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ListError("The list is not in UTF-8: save it as 'CSV UTF-8'.") from None
    semicolons = bool(lines) and lines[0].count(";") > lines[0].count(",")
    table = csv.DictReader(lines, delimiter=";" if semicolons else ",")
    names = [name.strip().casefold() for name in table.fieldnames or ()]
    if missing := [name for name in COLUMNS if name not in names]:
        raise ListError(f"The list lacks the column '{missing[0]}': it needs {', '.join(COLUMNS)}.")
    if strange := [name for name in names if name not in (*COLUMNS, *TOLD)]:
        raise ListError(f"The list has a column '{strange[0]}', which is none of {', '.join(TOLD)}.")
    table.fieldnames = names
    rows = []
    for cells in table:
        number = table.line_num  # as a spreadsheet counts, blank rows too: the names are row 1
        try:
            rows.append(_row(number, {name: (cells[name] or "").strip() for name in names}))
        except ValueError as error:
            problems[number] = str(error)
    return rows


def _row(number: int, cells: Mapping[str, str]) -> _Row:
    if not cells["folder"]:
        raise ValueError("it names no folder")
    side = cells["side"].casefold()
    if side not in _SIDES:
        raise ValueError("side is R or L")
    pathology = cells["pathology"].casefold()
    if pathology not in _PATHOLOGIES:
        raise ValueError("pathology is malignant, high_risk (or B3), benign, or empty where it is unknown")
    lesion = Lesion("", _SIDES[side], _clock_h(cells["clock"]), pathology=_PATHOLOGIES[pathology])
    told = {name: read_told(name, word) for name, word in cells.items() if name in TOLD and word}
    return _Row(number, cells["folder"], lesion, told)


def _clock_h(text: str) -> float | None:
    """Hours from "9", "9.5" or "9:30", in half hours from 1 to 12.5 as the window has them; "12:50" is
    nearest to 1. None where it is empty."""
    if not text:
        return None
    hours, colon, minutes = text.partition(":")
    if colon and not (hours.isdecimal() and minutes.isdecimal() and int(minutes) < 60):
        raise ValueError(CLOCK)
    told_h = as_number(hours) + (int(minutes) / 60 if colon else 0.0)
    if not 1 <= told_h < 13:
        raise ValueError(CLOCK)
    half_hours = round(2 * told_h)
    return half_hours / 2 if half_hours < 2 * 13 else 1.0
