"""The demonstration: simulated patients, and the whole review on them without a window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from breastview.messages import render
from breastview.phantom.dicom import write_patient
from breastview.pipeline import DEMONSTRATION, Result, review_folder
from breastview.records.store import RecordStore, read, write
from breastview.records.values import BiRads, ReviewRecord

Say = Callable[[str], None]


def write_patients(out: Path, count: int, seed: int, say: Say) -> list[Path]:
    """Write simulated patients under `out`, their records where the window finds them; return the folders."""
    folders = []
    for number in range(count):
        folder = out / f"patient-{seed + number:04d}"
        record_file = folder.with_name(folder.name + ".review.json")
        if not record_file.exists():
            write_patient(folder, seed + number, record_file)
        RecordStore(out / "records").save(read(record_file))
        say(f"simulated patient: {folder}")
        folders.append(folder)
    return folders


def review_patients(folders: list[Path], say: Say) -> None:
    """Review each patient headless and in the window, there before a first read too; say what was written."""
    from breastview.app import screenshot

    for folder in folders:
        out = folder.with_name(folder.name + "-review")
        record_file = folder.with_name(folder.name + ".review.json")
        record = _as_read(read(record_file))
        result = review_folder(folder, out, record, DEMONSTRATION)
        _say_result(result, out, say)
        committed = out / "committed.review.json"
        write(committed, record)
        screenshot(folder, out / "window.png", record=record_file)
        screenshot(folder, out / "window_model.png", record=committed, model=DEMONSTRATION)
        for picture in ("window.png", "window_model.png"):
            say(f"  {out / picture}")


def _as_read(record: ReviewRecord) -> ReviewRecord:
    """The record after a first read, which the model waits for; its category stands in for a reader's."""
    lesions = tuple(replace(lesion, bi_rads=BiRads.C4B) for lesion in record.lesions)
    return replace(record, lesions=lesions, first_read_committed=True)


def _say_result(result: Result, out: Path, say: Say) -> None:
    for lesion in result.lesions:
        if lesion.probability is not None:
            told = f"probability of malignancy {lesion.probability:.2f} ({result.model}, SIMULATED)"
            say(f"  {lesion.lesion_id}: {told}")
        for reason in lesion.reasons:
            say(f"  {lesion.lesion_id}: {render(reason)}")
    for name in ("result.json", *result.files):
        say(f"  {out / name}")
