"""Records as a cohort: samples are what the application computes, and what is of no use is said."""

from __future__ import annotations

import errno
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from breastview.fusion.assemble import channel_volumes, model_input
from breastview.fusion.spec import InputSpec, ModelSpec, NetworkSpec, Scope
from breastview.imaging.scan import scan_folder
from breastview.loaded import load_case
from breastview.records.store import RecordStore, read, write
from breastview.records.values import BiRads, Calibration, Lesion, Pathology, Side, UsMark, new_record
from model_training import measure
from model_training.__main__ import app
from model_training.cohort.cut import cut, native_cut
from model_training.cohort.facts import People, lesion_facts
from model_training.cohort.records import ASSESSED, ReviewedCase, records_cohort
from model_training.cohort.samples import DISPLACED_MM, CohortError, load_cohort, sample
from tests.imaging.dicom_files import mr_series, save_all, two_breasts, us_still

SMALL = InputSpec(size_px=24)


@pytest.fixture(scope="module")
def record(simulated_patient):
    known = read(simulated_patient.record_file)
    (lesion,) = known.lesions
    first = replace(lesion, bi_rads=BiRads.C4A, first_bi_rads=BiRads.C4B)
    others = (
        replace(lesion, lesion_id="L2", pathology=None),
        replace(lesion, lesion_id="L3", pathology=Pathology.HIGH_RISK),
        Lesion("L4", pathology=Pathology.BENIGN),
        replace(lesion, lesion_id="L5", us=replace(lesion.us, frame=9)),
    )
    return replace(known, lesions=(first, *others), extra={"density": "c", "L1.pregnant": "no"})


@pytest.fixture(scope="module")
def made(tmp_path_factory, simulated_patient, record):
    """A cohort of one record, in a place where two more records find no images."""
    place = tmp_path_factory.mktemp("hospital")
    store = RecordStore(place / "records")
    store.save(record)
    changed = replace(record.case, fingerprint="c" * 64)
    store.save(replace(record, case=changed))
    store.save(replace(record, case=replace(changed, fingerprint="d" * 64, study_uids=("1.2.3",))))
    (place / "records" / "e.review.json").write_text("{")
    write(place / "records" / "f.review.json", record)
    patients = simulated_patient.folder.parent
    return place / "cohort", records_cohort(place / "records", patients, place / "cohort", SMALL, 3)


def test_the_first_variant_is_what_the_application_computes_bit_for_bit(simulated_patient, record):
    case = scan_folder(simulated_patient.folder)
    loaded, (lesion, *_) = load_case(case), record.lesions
    volumes = {name: loaded.volumes[v.key] for name, v in channel_volumes(case.volumes).items()}
    plane = loaded.planes(record)[lesion.us.frames_key]
    spec = ModelSpec("any", False, SMALL, NetworkSpec(), Scope())
    given = model_input(spec, record, lesion, loaded.stacks, plane, volumes)
    marked, second = ReviewedCase(case, record).views(lesion)
    us, mri, channels = cut(marked, SMALL)
    assert given.channels_present.all() and np.array_equal(channels, given.channels_present)
    assert np.array_equal(us, given.us) and np.array_equal(mri, given.mri)
    two = replace(spec, temperature={"us_two_views": 1.0, "fused_two_views": 1.0})
    given = model_input(two, record, lesion, loaded.stacks, plane, volumes)
    assert np.array_equal(cut(second, SMALL)[0], given.second_us)
    as_acquired = replace(spec, input=replace(SMALL, mri_input="native"))
    given = model_input(as_acquired, record, lesion, loaded.stacks, None, volumes)
    assert np.array_equal(native_cut(marked, SMALL)[0], given.mri) and given.channels_present.all()


def test_a_shard_holds_what_was_cut_and_is_the_same_again(made, tmp_path, simulated_patient, record):
    samples = load_cohort(made[0])
    assert samples.us.shape == (1, 3, 1, 24, 24) and samples.channels.all()
    assert samples.native.std() > 0 and samples.displaced.shape[1] == len(DISPLACED_MM) + 1
    RecordStore(tmp_path / "records").save(record)
    records_cohort(tmp_path / "records", simulated_patient.folder.parent, tmp_path / "c", SMALL, 3)
    again = load_cohort(tmp_path / "c")
    for name in ("us", "mri", "native", "displaced"):
        assert np.array_equal(getattr(samples, name), getattr(again, name))


def test_a_second_view_that_is_not_registered_stands_beside_the_mri_of_the_first(simulated_patient, record):
    lesion = record.lesions[0]
    first = record.registrations[0]
    assert first.covers(lesion.us.frames_key, 0)
    reviewed = ReviewedCase(scan_folder(simulated_patient.folder), replace(record, registrations=(first,)))
    made = sample(reviewed.views(lesion), SMALL, 4, np.random.default_rng(0), {"case": "a"})
    (us, mri, there), (second_us, second_mri, second_there), *strayed = made.variants
    assert made.about["views"] == 2 and not np.array_equal(us, second_us)
    assert np.array_equal(mri, second_mri) and there.all() and second_there.all()
    assert all(channels.all() for _, _, channels in strayed)


def test_days_and_scanner_are_those_of_the_images_that_are_read(tmp_path):
    before, now = ({"StudyInstanceUID": f"1.2.{day}", "StudyDate": f"{day}"} for day in (20250305, 20260305))
    stills = us_still(1, StudyDate="20250304"), us_still(2, StudyDate="20260301")
    save_all(tmp_path, stills, mr_series(4, series=2, Manufacturer="BEFORE", **before))
    save_all(tmp_path, mr_series(4, series=3, Manufacturer="NOW", **now))
    case = scan_folder(tmp_path)
    lesion = Lesion("L1", us=UsMark(case.frames[1].key, 0, 1, 1, 9, 9))
    row = lesion_facts(case, new_record(case), lesion, None, ("", ""))
    assert (row["us_mri_days"], row["scanner"]) == (4, "NOW")


def test_the_manifest_says_what_is_known_and_names_nobody(made, record, simulated_patient):
    case = scan_folder(simulated_patient.folder)
    row = load_cohort(made[0]).about.iloc[0]
    name = case.fingerprint[:16]
    assert (row["case"], row["patient"], row["group"]) == (f"{name}-L1", name, name)
    assert bool(row["malignant"]) is (record.lesions[0].pathology is Pathology.MALIGNANT)
    assert (row["bi_rads"], row["density"], row["pregnant"]) == ("4B", "c", "no")
    assert row["age_y"] == case.patient.age_y and row["us_mri_days"] == 3
    assert row["size_mm"] == pytest.approx(
        float(read(simulated_patient.record_file).extra["size_mm"]), rel=0.5
    )
    assert "SIMULATED" in row["scanner"] and bool(row["us_and_mri"]) and bool(row["simulated"])
    text = (made[0] / ASSESSED).read_text()
    for word in (case.patient.name, case.patient.patient_id, str(case.patient.birth_date)):
        assert word not in text


def test_where_no_record_is_of_use_to_evaluate_it_says_why(tmp_path, simulated_patient, record, small_bundle):
    store = RecordStore(tmp_path / "records")
    store.save(replace(record, lesions=record.lesions[1:4]))
    gone = replace(record.case, fingerprint="d" * 64, study_uids=("1.2.3",))
    store.save(replace(record, case=gone))
    words = ["--records", str(tmp_path / "records"), "--patients", str(simulated_patient.folder.parent)]
    result = CliRunner().invoke(app, ["evaluate", "--bundle", str(small_bundle), *words])
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "no lesion of the records is of use",
        "1 skipped: no pathology",
        "1 skipped: high-risk lesion (B3)",
        "1 skipped: no box on ultrasound",
        "record dddddddd: its images are in none of the patient folders.",
    ]


def test_evaluate_measures_no_lesion_that_the_criteria_exclude(
    tmp_path, simulated_patient, record, small_bundle
):
    pregnant = replace(record, lesions=record.lesions[:1], extra={"L1.pregnant": "yes"})
    RecordStore(tmp_path / "records").save(pregnant)
    words = ["--records", str(tmp_path / "records"), "--patients", str(simulated_patient.folder.parent)]
    evaluate = ["evaluate", "--bundle", str(small_bundle), *words]
    result = CliRunner().invoke(app, evaluate)
    assert result.exit_code == 1
    assert result.output.splitlines() == ["no lesion of the records is of use", "1 skipped: pregnant"]
    (tmp_path / "all.toml").write_text("")
    result = CliRunner().invoke(app, [*evaluate, "--criteria", str(tmp_path / "all.toml")])
    assert result.output.startswith("of 1 lesions ")


def test_evaluate_names_the_records_that_it_cannot_measure(
    tmp_path, simulated_patient, record, monkeypatch, caplog
):
    monkeypatch.setattr(measure, "measure_all", lambda *_, **__: {})
    store = RecordStore(tmp_path / "records")
    store.save(replace(record, lesions=record.lesions[:1]))
    store.save(replace(record, case=replace(record.case, fingerprint="d" * 64, study_uids=("1.2.3",))))
    bundle = SimpleNamespace(spec=ModelSpec("any", False, SMALL, NetworkSpec(), Scope()))
    found = measure.measured_records(
        bundle, store.folder, simulated_patient.folder.parent, tmp_path / "cohort"
    )
    assert found["problems"] == 1
    assert "record dddddddd: its images are in none of the patient folders." in caplog.messages


def test_lesions_without_mri_are_measured_as_the_bundle_cuts_them(
    tmp_path, simulated_patient, record, monkeypatch
):
    given = []
    monkeypatch.setattr(measure, "measure_all", lambda _, samples, lone: given.extend([samples, lone]) or {})
    store = RecordStore(tmp_path / "records")
    store.save(replace(record, registrations=()))
    own = replace(SMALL, size_px=40, box_shaped=True)
    bundle = SimpleNamespace(spec=ModelSpec("any", False, SMALL, NetworkSpec(), Scope(), us_only_input=own))
    measure.measured_records(bundle, store.folder, simulated_patient.folder.parent, tmp_path / "cohort")
    samples, lone = given
    assert not samples.channels.any() and len(lone) == len(samples) > 0
    assert samples.us.shape[-1] == SMALL.size_px and lone.us.shape[-1] == 40
    assert list(lone.about["case"]) == list(samples.about["case"])


def test_a_lesion_whose_images_name_another_side_does_not_train(simulated_patient, record):
    case = scan_folder(simulated_patient.folder)
    lesion = record.lesions[0]
    other = {"L": Side.RIGHT, "R": Side.LEFT}[case.frame_set(lesion.us.frames_key).laterality]
    reviewed = ReviewedCase(case, record)
    assert reviewed.obstacle(lesion) == ""
    assert reviewed.obstacle(replace(lesion, side=other)).startswith(
        "its ultrasound images are of another side"
    )


def test_what_cannot_train_is_counted_by_its_reason_and_stays_assessed(made):
    folder, taken = made
    assert taken.lesions == 1
    assert taken.skipped == {
        "no pathology": 1,
        "high-risk lesion (B3)": 1,
        "no box on ultrasound": 1,
        "marked on an image that the case does not hold": 1,
    }
    assessed = pd.read_csv(folder / ASSESSED, keep_default_na=False)
    assert assessed["pathology"].tolist()[1:4] == ["", "high_risk", "benign"]
    assert [bool(reason) for reason in assessed["skipped"]] == [False, True, True, True, True]


def test_records_without_their_images_are_problems_in_clear_words(made):
    problems = made[1].problems
    assert problems[0].startswith("e.review.json: The review record is damaged")
    assert problems[1] == "f.review.json: another record is about the same case, and was taken."
    assert problems[2:] == (
        "record cccccccc: its images changed since the review: "
        "export the exam again as it was, or review it again.",
        "record dddddddd: its images are in none of the patient folders.",
    )


def test_without_records_or_patients_nothing_is_made(tmp_path, record):
    with pytest.raises(FileNotFoundError, match="no review record"):
        records_cohort(tmp_path, tmp_path, tmp_path / "c", SMALL, 1)
    RecordStore(tmp_path).save(record)
    with pytest.raises(FileNotFoundError, match="patient folders does not exist"):
        records_cohort(tmp_path, tmp_path / "nowhere", tmp_path / "c", SMALL, 1)


def test_us_alone_with_the_readers_scale_is_a_sample_without_mri(tmp_path):
    save_all(tmp_path / "patients" / "one", us_still(regions=[]))
    case = scan_folder(tmp_path / "patients" / "one")
    reviewed = _marked(case)
    RecordStore(tmp_path / "records").save(reviewed)
    taken = records_cohort(tmp_path / "records", tmp_path / "patients", tmp_path / "c", SMALL, 2)
    samples = load_cohort(tmp_path / "c")
    assert taken.lesions == 1 and not samples.channels.any() and not samples.mri.any()
    row = samples.about.iloc[0]
    assert row["size_mm"] == pytest.approx(40 * 0.2) and not row["us_and_mri"]


def test_a_full_disk_leaves_the_cohort_that_stood(tmp_path, monkeypatch):
    save_all(tmp_path / "patients" / "one", us_still(regions=[]))
    RecordStore(tmp_path / "records").save(_marked(scan_folder(tmp_path / "patients" / "one")))
    asked = (tmp_path / "records", tmp_path / "patients", tmp_path / "c", SMALL)
    records_cohort(*asked, 2)
    before = {path.name: path.read_bytes() for path in (tmp_path / "c").iterdir()}

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(CohortError, match="No space left on device"):
        records_cohort(*asked, 3)
    assert {path.name: path.read_bytes() for path in (tmp_path / "c").iterdir()} == before


def _marked(case):
    key = case.frames[0].key
    lesion = Lesion("L1", us=UsMark(key, 0, 60, 50, 100, 80), pathology=Pathology.BENIGN)
    return replace(new_record(case), lesions=(lesion,), calibrations=(Calibration(key, (0.2, 0.2)),))


def test_a_case_whose_images_grew_is_not_taken(tmp_path, simulated_patient, record):
    folder = tmp_path / "patients" / "one"
    folder.mkdir(parents=True)
    for name in ("US0001", "US0002"):
        shutil.copy(simulated_patient.folder / name, folder)
    RecordStore(tmp_path / "records").save(record)
    taken = records_cohort(tmp_path / "records", tmp_path / "patients", tmp_path / "c", SMALL, 1)
    assert taken.lesions == 0 and "changed since the review" in taken.problems[0]
    assert not list(Path(tmp_path / "c").glob("*.npz"))


def test_one_persons_exams_stay_together(simulated_patient):
    case = scan_folder(simulated_patient.folder)
    her = case.patient

    def exam(letter, **changes):
        return replace(case, fingerprint=letter * 64, patient=replace(her, **changes))

    people = People()
    assert people.names(exam("a")) == ("a" * 16, "a" * 16)
    assert people.names(exam("b", name="")) == ("a" * 16, "a" * 16), "the same number"
    assert people.names(exam("c", patient_id="else"))[1] == "a" * 16, "the same name and birth date"
    assert people.names(exam("d", patient_id="", name="")) == ("d" * 16, "d" * 16)
    assert people.names(exam("e", patient_id="", name="")) == ("e" * 16, "e" * 16), "nobody is not one person"
    assert people.names(exam("f", patient_id="else", name=""))[0] == "a" * 16


def test_each_lesion_trains_with_the_subtraction_of_its_breast(tmp_path):
    save_all(tmp_path, two_breasts())
    case = scan_folder(tmp_path)
    reviewed = ReviewedCase(case, new_record(case))
    for side, uptake in ((Side.RIGHT, 50), (Side.LEFT, 80)):
        images = reviewed.images(Lesion("L1", side=side))
        assert (images["dce_post"][0] - images["dce_pre"][0]).max() == uptake


def test_the_command_line_says_what_was_taken(tmp_path, simulated_patient, record):
    RecordStore(tmp_path / "records").save(record)
    folders = [str(tmp_path / "records"), str(simulated_patient.folder.parent), str(tmp_path / "c")]
    result = CliRunner().invoke(app, ["cohort", "records", *folders, "--variants", "1"])
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[:2] == ["1 lesions taken", "1 skipped: no pathology"]
    assert load_cohort(tmp_path / "c").us.shape[-1] == InputSpec().size_px
