"""A hospital's way: a list becomes records, the window's own actions mark them, a model is trained."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from breastview.fusion.bundle import load_bundle, save_bundle
from breastview.fusion.spec import InputSpec, ModelSpec, NetworkSpec, Scope
from breastview.imaging.scan import scan_folder
from breastview.records.store import RecordStore
from breastview.records.values import BiRads, MriMark, Pathology, UsMark
from breastview.registration.start import start_from_mri_mark
from breastview.review import actions
from breastview.review.history import Review
from breastview.review.registering import SetRegistration
from breastview.review.state import open_state
from model_training.__main__ import app
from model_training.cohort.records import records_cohort
from model_training.cohort.samples import load_cohort
from model_training.recipe import Recipe
from model_training.splits import load_fold
from model_training.train import train
from tests.imaging.dicom_files import dce_series, save_all, us_still

EXAMS = 20
SMALL = InputSpec(size_px=16)
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


def test_reviewed_cases_teach_a_model_that_the_application_loads(hospital):
    records, cohort = hospital / "records", hospital / "cohort"
    told = CliRunner().invoke(
        app, ["cohort", "import", str(hospital / "list.csv"), "--records", str(records)]
    )
    assert told.output.splitlines() == [
        f"{EXAMS} records with {EXAMS} lesions wait to be marked",
        f"! row {EXAMS + 2}: This folder does not exist. Choose another folder.",
    ]
    store = RecordStore(records)
    patients = sorted((hospital / "patients").iterdir())
    reviews = [mark(folder, store) for folder in patients]
    last = reviews[-1]
    last.dispatch(actions.SetPathology("L1", Pathology.HIGH_RISK))
    store.save(last.state.record)
    assert records_cohort(records, hospital / "patients", cohort, SMALL, 2).lesions == EXAMS - 1
    last.undo()
    store.save(last.state.record)
    assert records_cohort(records, hospital / "patients", cohort, SMALL, 2).lesions == EXAMS
    samples = load_cohort(cohort)
    assert samples.label.tolist() == [number % 2 == 1 for number in range(EXAMS)]
    assert samples.channels[:, -1].all() and set(samples.about["bi_rads"]) == {"4A"}
    assert samples.about["patient"].nunique() == EXAMS

    network = NetworkSpec(trunk="cnn")
    recipe = Recipe(stages=((SMALL.size_px, 1),), batch=4, threads=1)
    net = train(*load_fold(cohort, 1, 2), hospital / "run", network, recipe)
    spec = ModelSpec("own", False, SMALL, network, Scope())
    us, mri = (x[:1, 0].astype(np.float32) for x in (samples.us, samples.mri))
    kept = save_bundle(hospital / "bundle", spec, net, us, mri)
    loaded = load_bundle(hospital / "bundle", "cpu")
    assert loaded.spec.weights_sha256 == kept.weights_sha256
    assert replace(loaded.spec, weights_sha256="") == spec
