"""A hospital's way: a list becomes records, the window marks them, a model learns from them and is read.

Every step but the marking is a command.
"""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from breastview.fusion.bundle import load_bundle
from breastview.fusion.spec import MODALITIES, read_spec
from breastview.imaging.scan import scan_folder
from breastview.pipeline import review_folder
from breastview.records.store import RecordStore
from breastview.records.values import BiRads, MriMark, Pathology, UsMark
from breastview.registration.start import start_from_mri_mark
from breastview.review import actions
from breastview.review.history import Review
from breastview.review.registering import SetRegistration
from breastview.review.state import open_state
from model_training.__main__ import app
from model_training.cohort.samples import load_cohort
from model_training.splits import load_fold
from tests.imaging.dicom_files import dce_series, save_all, us_still

EXAMS = 20
RECIPE = "stages = [[16, 1]]\nbatch = 4\nthreads = 1\n"
CENTRE_MM = (15.0, 20.0, 6.0)


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    """Twenty exams, and a list in which every second one is malignant."""
    place = tmp_path_factory.mktemp("hospital")
    rows = ["folder,side,clock,pathology"]
    for number in range(EXAMS):
        us = us_still(number + 1)
        for file in (us, *(slices := list(dce_series(phases=2, count=4)))):
            file.PatientID, file.PatientName = f"SIM-{number}", f"SIMULATED^{number}"
        save_all(place / "patients" / f"p{number:02d}", us, slices)
        rows.append(f"patients/p{number:02d},L,3,{'malignant' if number % 2 else 'benign'}")
    (place / "list.csv").write_text("\n".join([*rows, "patients/p99,L,3,benign"]))
    return place


def mark(folder, store):
    """Review one exam as the window does: marks, registration, first read."""
    case = scan_folder(folder)
    review = Review(open_state(case, store.load(case.fingerprint)))
    us, mri = case.frames[0].key, case.volumes[0].key
    for action in (
        actions.MarkUs("L1", UsMark(us, 0, 60, 50, 100, 80)),
        actions.MarkMri("L1", MriMark(mri, CENTRE_MM)),
        SetRegistration(us, 0, start_from_mri_mark((0.0, 5.0), CENTRE_MM)),
        actions.SetFinding("L1", BiRads.C4A),
        actions.CommitFirstRead(),
    ):
        review.dispatch(action)
    store.save(review.state.record)
    return review


def run(*command):
    """Lines that a command says; it must end well."""
    told = CliRunner().invoke(app, [str(word) for word in command])
    assert told.exit_code == 0, told.output
    return told.output.splitlines()


def test_reviewed_cases_teach_a_model_that_the_application_loads(hospital):
    records, cohort, model = hospital / "records", hospital / "cohort", hospital / "bundle"
    assert run("cohort", "import", hospital / "list.csv", "--records", records) == [
        f"{EXAMS} records with {EXAMS} lesions wait to be marked",
        f"! row {EXAMS + 2}: This folder does not exist. Choose another folder.",
    ]
    store, folders = RecordStore(records), sorted((hospital / "patients").iterdir())
    reviews = [mark(folder, store) for folder in folders]
    last = reviews[-1]
    last.dispatch(actions.SetPathology("L1", Pathology.HIGH_RISK))
    store.save(last.state.record)
    cut = ["cohort", "records", records, hospital / "patients", cohort, "--variants", 2]
    assert run(*cut)[0] == f"{EXAMS - 1} lesions taken"
    last.undo()
    store.save(last.state.record)
    assert run(*cut) == [f"{EXAMS} lesions taken"]
    samples = load_cohort(cohort)
    assert samples.label.tolist() == [number % 2 == 1 for number in range(EXAMS)]
    assert samples.channels[:, -1].all() and set(samples.about["bi_rads"]) == {"4A"}
    assert samples.about["patient"].nunique() == EXAMS

    (hospital / "own.toml").write_text(RECIPE)
    fold = ("--fold", "1/2")
    run("train", cohort, hospital / "run", "--trunk", "cnn", "--recipe", hospital / "own.toml", *fold)
    run("export", cohort, hospital / "run", model, "--name", "Ward", *fold)
    spec, (test,) = read_spec(model), load_fold(cohort, 1, 2, ["test"])
    assert (spec.name, spec.demonstration, spec.scope.sources) == ("Ward", False, ("records",))
    assert {head: figures["auc"].n for head, figures in spec.metrics.items()} == dict.fromkeys(
        ("fused", *MODALITIES), len(test)
    )
    assert "simulate" not in spec.training["command"]
    assert load_bundle(model, "cpu").spec == spec
    result = review_folder(folders[0], hospital / "report", reviews[0].state.record, model, "cpu")
    (lesion,) = result.lesions
    assert (result.model_sha256, lesion.eligible) == (spec.weights_sha256, True), result.sentences
    assert 0 < lesion.probability < 1
