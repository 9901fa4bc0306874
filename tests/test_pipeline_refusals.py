"""What the job without a window refuses, before anything is written."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from breastview.errors import BreastViewError, CaseError, ModelError, RecordError, ReportError
from breastview.pipeline import review_folder
from breastview.records.store import read


def hashes(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def test_another_cases_record_is_refused_before_anything_is_written(
    simulated_patient, small_bundle, tmp_path
):
    record = read(simulated_patient.record_file)
    record = replace(record, case=replace(record.case, fingerprint="0" * 64))
    with pytest.raises(RecordError) as caught:
        review_folder(simulated_patient.folder, tmp_path / "out", record, small_bundle, "cpu")
    assert caught.value.message.code == "record.other_case"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("inside", [".", "reports/new"])
def test_nothing_goes_into_the_patient_folder(simulated_patient, small_bundle, inside):
    before = hashes(simulated_patient.folder)
    with pytest.raises(CaseError) as caught:
        review_folder(simulated_patient.folder, simulated_patient.folder / inside, model=small_bundle)
    assert caught.value.message.code == "case.never_written"
    assert hashes(simulated_patient.folder) == before


def test_a_link_into_the_patient_folder_is_seen_through(simulated_patient, small_bundle, tmp_path):
    (tmp_path / "link").symlink_to(simulated_patient.folder)
    with pytest.raises(CaseError, match="never changed"):
        review_folder(simulated_patient.folder, tmp_path / "link" / "out", model=small_bundle)


def test_an_unwritable_place_is_refused(simulated_patient, small_bundle, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ReportError) as caught:
        review_folder(simulated_patient.folder, tmp_path / "file", model=small_bundle, device="cpu")
    assert caught.value.message.code == "report.unwritable"
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("folder", "code"), [("missing", "case.no_folder"), (".", "case.empty")], ids=["missing", "empty"]
)
def test_a_folder_without_a_case_is_refused(tmp_path, small_bundle, folder, code):
    (tmp_path / "empty").mkdir()
    with pytest.raises(BreastViewError) as caught:
        review_folder(tmp_path / "empty" / folder, tmp_path / "out", model=small_bundle)
    assert caught.value.message.code == code
    assert not (tmp_path / "out").exists()


def test_a_bundle_that_is_none_is_refused(simulated_patient, tmp_path):
    with pytest.raises(ModelError) as caught:
        review_folder(simulated_patient.folder, tmp_path / "out", model=tmp_path)
    assert caught.value.message.code == "model.no_bundle"
