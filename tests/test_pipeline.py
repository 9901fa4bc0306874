"""The job without a window, on simulated patients: what is written, and what stays untouched."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pydicom
import pypdfium2 as pdfium
import pytest
from PIL import Image

from breastview.fusion.spec import CHANNELS, Channel, read_spec, write_spec
from breastview.imaging.case import Role
from breastview.imaging.dynamic import SUBTRACTION
from breastview.imaging.scan import scan_folder
from breastview.language import Language
from breastview.loaded import load_case
from breastview.pipeline import images_registered, read_lesion, read_lesions, report_content, review_folder
from breastview.records.store import read
from breastview.records.values import Lesion, MriMark, Side, UsMark, new_record
from tests.imaging.dicom_files import ROOT, dce_series, mr_series, save_all, two_breasts, us_pixels, us_still

IDENTITY = ("SIMULATED-0003", "0003^", "SIMULATED 0003", "模拟患者", "1988", "2026-03", "20260302")
OTHER_SIDE = ["concordance.sides_differ", "concordance.us_of_other_side"]


def hashes(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def report_text(out: Path) -> str:
    document = pdfium.PdfDocument(out / "report.pdf")
    return " ".join(" ".join(page.get_textpage().get_text_range().split()) for page in document)


def part_of(folder: Path, place: Path, *patterns: str) -> Path:
    place.mkdir()
    for pattern in patterns:
        for path in folder.glob(pattern):
            shutil.copy(path, place)
    return place


def on_the_other_side(record_file: Path):
    """The record with the lesion's side confirmed wrongly: what no model may fuse."""
    record = read(record_file)
    (lesion,) = record.lesions
    other = Side.RIGHT if lesion.side is Side.LEFT else Side.LEFT
    return record.with_lesion(replace(lesion, side=other))


@pytest.fixture(scope="module")
def reviewed(simulated_patient, small_bundle, tmp_path_factory):
    """(result, output folder) of an eligible simulated patient."""
    out = tmp_path_factory.mktemp("reviewed") / "out"
    record = read(simulated_patient.record_file)
    return review_folder(simulated_patient.folder, out, record, small_bundle, "cpu"), out


def test_an_eligible_patient_gets_a_reading_a_report_and_two_heatmaps(reviewed):
    result, out = reviewed
    assert sorted(p.name for p in out.iterdir()) == [
        "mri_heatmap.png",
        "report.pdf",
        "result.json",
        "us_heatmap.png",
    ]
    (lesion,) = result.lesions
    assert result.eligible and lesion.eligible and not lesion.research_override
    assert 0 < lesion.probability < 1 and 0 < lesion.probability_us < 1 and 0 < lesion.probability_mri < 1
    assert lesion.weight_us + lesion.weight_mri == pytest.approx(1.0)
    assert (result.reasons, result.sentences) == ((), ())
    assert result.device == "CPU" and result.demonstration and result.simulated
    assert result.model == "TEST, untrained" and len(result.model_sha256) == 64


def test_result_json_says_what_the_result_says(reviewed):
    result, out = reviewed
    told = json.loads((out / "result.json").read_text(encoding="utf-8"))
    assert told["eligible"] is True and told["reasons"] == []
    assert told["files"] == ["report.pdf", "us_heatmap.png", "mri_heatmap.png"]
    assert told["lesions"][0]["probability"] == result.lesions[0].probability
    assert set(told["lesions"][0]) >= {"probability_us", "probability_mri", "weight_us", "weight_mri"}
    assert told["scope"].startswith("Validated on simulated patients only")
    assert told["metrics"]["fused"]["auc"] == {"value": 0.5, "low": 0.4, "high": 0.6, "n": 100}


def test_result_json_knows_no_patient(reviewed):
    text = (reviewed[1] / "result.json").read_text(encoding="utf-8")
    assert not [word for word in IDENTITY if word in text]


def test_the_report_prints_the_number_that_the_result_holds(reviewed):
    result, out = reviewed
    text = report_text(out)
    assert f"Probability of malignancy (fused): {result.lesions[0].probability:.2f}" in text
    assert "SIMULATED PATIENT" in text and "DEMONSTRATION model" in text
    assert "known from the simulation; marks" in text
    assert "Name SIMULATED 0003 · 模拟患者 Patient ID SIMULATED-0003" in text
    assert "model attention, not lesion outline" in text


def test_a_model_of_native_mri_reads_and_shows_where_it_looked_without_any_registration(
    simulated_patient, native_bundle, tmp_path
):
    record = replace(read(simulated_patient.record_file), registrations=())
    result = review_folder(simulated_patient.folder, tmp_path, record, native_bundle, "cpu")
    (lesion,) = result.lesions
    assert result.eligible and 0 < lesion.probability < 1 and lesion.weight_mri > 0
    assert set(result.files) == {"report.pdf", "us_heatmap.png", "mri_heatmap.png"}
    text = report_text(tmp_path)
    assert "DCE 2 − 1, acquired plane through the MRI mark: model attention" in text
    assert "not registered" in text and f"Probability of malignancy (fused): {lesion.probability:.2f}" in text


def test_heatmaps_are_pictures_with_a_label_below(reviewed):
    for name in ("us_heatmap.png", "mri_heatmap.png"):
        with Image.open(reviewed[1] / name) as picture:
            assert picture.mode == "RGB" and picture.width == 900
            assert picture.crop((0, picture.height - 68, 900, picture.height)).getextrema()[0][1] > 200


def test_the_patient_folder_is_not_touched_and_nothing_of_the_patient_is_logged(
    simulated_patient, small_bundle, tmp_path, caplog, capfd
):
    before = hashes(simulated_patient.folder)
    caplog.set_level(logging.DEBUG)
    record = read(simulated_patient.record_file)
    review_folder(simulated_patient.folder, tmp_path / "out", record, small_bundle, "cpu")
    assert hashes(simulated_patient.folder) == before
    said = caplog.text + "".join(capfd.readouterr())
    assert not [word for word in IDENTITY if word in said]


def test_the_report_can_be_chinese(simulated_patient, small_bundle, tmp_path):
    record = read(simulated_patient.record_file)
    review_folder(simulated_patient.folder, tmp_path, record, small_bundle, "cpu", Language("zh_CN"))
    assert "乳腺超声与 MRI 报告" in report_text(tmp_path)


def test_out_of_scope_there_is_a_sentence_and_no_heatmap(simulated_patient, small_bundle, tmp_path):
    record = on_the_other_side(simulated_patient.record_file)
    result = review_folder(simulated_patient.folder, tmp_path, record, small_bundle, "cpu")
    told = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert told["eligible"] is False
    assert [reason["code"] for reason in told["reasons"]] == OTHER_SIDE
    true, confirmed = (r.lesions[0].side for r in (read(simulated_patient.record_file), record))
    sentence = f"The sides disagree: {confirmed} confirmed, {true} in the MRI."
    assert told["sentences"] == [
        sentence,
        f"The ultrasound image says {true}, and {confirmed} is confirmed.",
    ]
    assert result.lesions[0].probability is None and told["files"] == ["report.pdf"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.pdf", "result.json"]
    text = report_text(tmp_path)
    assert "No reading" in text and sentence in text


def test_what_is_against_a_second_lesion_is_said_beside_the_reading_of_the_first(
    simulated_patient, small_bundle, tmp_path
):
    record = read(simulated_patient.record_file)
    (lesion,) = record.lesions
    for lesion_id in ("L2", "L3"):
        record = record.with_lesion(replace(lesion, lesion_id=lesion_id, mri=None))
    result = review_folder(simulated_patient.folder, tmp_path, record, small_bundle, "cpu")
    assert [one.eligible for one in result.lesions] == [True, False, False] and not result.eligible
    assert result.sentences == result.lesions[1].sentences == ("The lesion is not marked in the MRI.",)


def test_an_override_computes_and_says_so_everywhere(simulated_patient, small_bundle, tmp_path):
    record = on_the_other_side(simulated_patient.record_file)
    result = review_folder(
        simulated_patient.folder, tmp_path, record, small_bundle, "cpu", research_override=True
    )
    (lesion,) = result.lesions
    assert not result.eligible and lesion.research_override and 0 < lesion.probability < 1
    assert [reason.code for reason in lesion.reasons] == OTHER_SIDE
    assert (tmp_path / "us_heatmap.png").exists() and (tmp_path / "mri_heatmap.png").exists()
    assert "RESEARCH OVERRIDE: outside the model's scope." in report_text(tmp_path)


def test_an_override_of_nothing_is_no_override(simulated_patient, small_bundle, tmp_path):
    record = read(simulated_patient.record_file)
    result = review_folder(
        simulated_patient.folder, tmp_path, record, small_bundle, "cpu", research_override=True
    )
    assert result.eligible and not result.lesions[0].research_override
    assert "RESEARCH OVERRIDE" not in report_text(tmp_path)


def test_heatmaps_of_an_earlier_run_do_not_outlive_a_refusal(simulated_patient, small_bundle, tmp_path):
    for name in ("us_heatmap.png", "mri_heatmap.png", "mri_heatmap_2.png", "my_heatmap.png"):
        (tmp_path / name).write_bytes(b"old")
    record = on_the_other_side(simulated_patient.record_file)
    review_folder(simulated_patient.folder, tmp_path, record, small_bundle, "cpu")
    assert sorted(p.name for p in tmp_path.glob("*.png")) == ["my_heatmap.png"]


def test_without_a_record_there_is_a_report_without_a_lesion(simulated_patient, small_bundle, tmp_path):
    result = review_folder(simulated_patient.folder, tmp_path, model=small_bundle, device="cpu")
    assert not result.eligible and result.sentences == ("No lesion is marked.",)
    assert "No lesion was marked. Model reading The model was not run." in report_text(tmp_path)


def test_without_mri_there_is_a_report_and_no_fused_reading(simulated_patient, small_bundle, tmp_path):
    folder = part_of(simulated_patient.folder, tmp_path / "case", "US*")
    us = read(simulated_patient.record_file).lesions[0]
    record = new_record(scan_folder(folder)).with_lesion(replace(us, mri=None))
    result = review_folder(folder, tmp_path / "out", record, small_bundle, "cpu")
    codes = {reason.code for reason in result.reasons}
    assert codes == {"concordance.no_mri_mark", "concordance.no_registration", "scope.no_mri"}
    assert result.files == ("report.pdf",)
    text = report_text(tmp_path / "out")
    assert "MRI none in this folder" in text and "There is no MRI" in text


def test_without_ultrasound_there_is_a_report(simulated_patient, small_bundle, tmp_path):
    folder = part_of(simulated_patient.folder, tmp_path / "case", "DCE_1_*", "DCE_2_*")
    mark = read(simulated_patient.record_file).lesions[0]
    record = new_record(scan_folder(folder)).with_lesion(replace(mark, us=None))
    result = review_folder(folder, tmp_path / "out", record, small_bundle, "cpu", research_override=True)
    assert "concordance.no_us_mark" in {reason.code for reason in result.reasons}
    assert result.files == ("report.pdf",) and not result.lesions[0].research_override
    text = report_text(tmp_path / "out")
    assert "Ultrasound none in this folder" in text and "Size on ultrasound not marked" in text
    assert "DCE 2 − 1, acquired slice" in text


def test_without_a_scale_nothing_is_measured_or_fused(simulated_patient, small_bundle, tmp_path):
    folder = part_of(simulated_patient.folder, tmp_path / "case", "US0001", "DCE_1_*", "DCE_2_*")
    header = pydicom.dcmread(folder / "US0001")
    del header.SequenceOfUltrasoundRegions
    header.save_as(folder / "US0001")
    true = read(simulated_patient.record_file)
    record = replace(true, case=new_record(scan_folder(folder)).case)
    result = review_folder(folder, tmp_path / "out", record, small_bundle, "cpu")
    assert {reason.code for reason in result.reasons} == {"concordance.no_scale", "scope.no_channel"}
    text = report_text(tmp_path / "out")
    assert "not measured: the image has no scale" in text
    assert "Ultrasound: No scale: nothing is measured in mm until you calibrate." in text


def test_phases_on_different_grids_are_told_and_do_not_stop_the_job(
    simulated_patient, small_bundle, tmp_path
):
    folder = part_of(simulated_patient.folder, tmp_path / "case", "US*", "DCE_1_*", "DCE_2_*")
    last = max(folder.glob("DCE_2_*"))
    last.unlink()
    record = new_record(scan_folder(folder))
    review_folder(folder, tmp_path / "out", record, small_bundle, "cpu")
    assert "The DCE phases do not share one grid and cannot be subtracted." in report_text(tmp_path / "out")


def test_two_lesions_have_two_pages_and_their_own_files(simulated_patient, small_bundle, tmp_path):
    record = read(simulated_patient.record_file)
    record = record.with_lesion(replace(record.lesions[0], lesion_id="../L2"))
    result = review_folder(simulated_patient.folder, tmp_path, record, small_bundle, "cpu")
    assert [lesion.lesion_id for lesion in result.lesions] == ["L1", "../L2"]
    assert {"us_heatmap.png", "us_heatmap_2.png", "mri_heatmap_2.png"} <= set(result.files)
    assert len(pdfium.PdfDocument(tmp_path / "report.pdf")) == 2


@pytest.fixture(scope="module")
def two_view_bundle(small_bundle, tmp_path_factory):
    """`small_bundle`, but that it is said to be measured on lesions in two US pictures. Never write it."""
    folder = shutil.copytree(small_bundle, tmp_path_factory.mktemp("two_views") / "bundle")
    spec = read_spec(folder)
    write_spec(folder, replace(spec, temperature={"us_two_views": 1.0, "fused_two_views": 1.0}))
    return folder


def test_a_lesion_read_in_two_views_has_a_heatmap_on_each(simulated_patient, two_view_bundle, tmp_path):
    record = read(simulated_patient.record_file)
    result = review_folder(simulated_patient.folder, tmp_path, record, two_view_bundle, "cpu")
    heatmaps = ("us_heatmap.png", "us_heatmap_second_view.png", "mri_heatmap.png")
    assert result.files == ("report.pdf", *heatmaps)
    assert json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))["lesions"][0]["views"] == 2
    first, second = ((tmp_path / name).read_bytes() for name in heatmaps[:2])
    assert first != second
    text = report_text(tmp_path)
    assert "Read in 2 ultrasound views." in text and "Ultrasound, second view: " in text
    assert len(pdfium.PdfDocument(tmp_path / "report.pdf")) == 1


def test_a_second_view_that_the_model_does_not_read_is_shown_without_a_heatmap(
    reviewed, simulated_patient, small_bundle, tmp_path
):
    result, out = reviewed
    assert result.lesions[0].views == 1
    text = report_text(out)
    assert "Only the first of 2 ultrasound views was read." in text and "Ultrasound, second view DCE" in text
    (tmp_path / "us_heatmap_second_view.png").write_bytes(b"of an earlier run")
    record = on_the_other_side(simulated_patient.record_file)
    refused = review_folder(simulated_patient.folder, tmp_path, record, small_bundle, "cpu")
    assert refused.lesions[0].views == 0
    assert not list(tmp_path.glob("*.png"))


def test_a_registration_of_the_second_view_too_is_into_the_mri_in_which_the_lesion_is_marked(
    simulated_patient,
):
    case, record = scan_folder(simulated_patient.folder), read(simulated_patient.record_file)
    (lesion,) = record.lesions
    marked, *others = case.volumes
    case = replace(case, volumes=(replace(marked, frame_of_reference_uid="1.2.3"), *others))
    record = record.with_lesion(replace(lesion, mri=replace(lesion.mri, volume_key=marked.key)))
    for mark in lesion.views:
        (volume,) = images_registered(case, record, mark.frames_key, mark.frame).volumes
        assert volume.key == marked.key


def test_a_lesion_marked_on_the_subtraction_is_registered_with_its_phases(tmp_path):
    moved = f"{ROOT}.99"  # the patient was laid down anew before the contrast medium
    anatomy = [
        mr_series(series=n, SeriesDescription=name) for n, name in enumerate(("t1", "t2_tse", "stir"), 1)
    ]
    save_all(tmp_path, us_still(), *anatomy, dce_series(phases=2, count=6, FrameOfReferenceUID=moved))
    case = scan_folder(tmp_path)
    key = case.frames[0].key
    lesion = Lesion("L1", us=UsMark(key, 0, 60, 45, 100, 75), mri=MriMark(SUBTRACTION, (15.0, 20.0, 6.0)))
    images = images_registered(case, new_record(case).with_lesion(lesion), key, 0)
    assert {volume.role.role for volume in images.volumes} == {Role.DCE}


def test_a_real_exam_is_refused_by_a_model_for_simulated_patients(real_data, small_bundle, tmp_path):
    folder = real_data / "patients" / "patient-a"
    case = scan_folder(folder)
    frames = case.frames[0]
    mark = UsMark(frames.key, 0, 200.0, 100.0, 300.0, 180.0)
    record = new_record(case).with_lesion(Lesion("L1", side=Side.LEFT, us=mark))
    result = review_folder(folder, tmp_path, record, small_bundle, "cpu")
    codes = [reason.code for reason in result.reasons]
    assert not result.eligible and codes[0] == "scope.simulated_only"
    assert result.lesions[0].probability is None and result.files == ("report.pdf",)
    text = report_text(tmp_path)
    assert "this case is not simulated" in text and "SIMULATED PATIENT" not in text
    overridden = review_folder(
        folder, tmp_path / "again", record, small_bundle, "cpu", research_override=True
    )
    assert overridden.lesions[0].research_override and overridden.lesions[0].probability_us is not None
    assert "RESEARCH OVERRIDE" in report_text(tmp_path / "again")


def test_another_model_s_answer_is_not_printed_under_this_one_s_name(
    simulated_patient, small_bundle, reviewed
):
    record, spec = read(simulated_patient.record_file), read_spec(small_bundle)
    loaded = load_case(scan_folder(simulated_patient.folder))
    readings = read_lesions(loaded, record, spec, small_bundle, "cpu", override=False)
    others = replace(spec, weights_sha256="0")
    own, other = (report_content(loaded, record, readings, named) for named in (spec, others))
    assert own.lesions[0].reading is readings["L1"] and any(image.heat for image in own.lesions[0].images)
    assert other.lesions[0].reading is None and not any(image.heat for image in other.lesions[0].images)


def test_the_overview_is_of_the_latest_ultrasound(tmp_path):
    dark = us_still(1, StudyDate="20250305", pixels=us_pixels() // 4)
    save_all(tmp_path, dark, us_still(2, StudyDate="20260301"))
    loaded = load_case(scan_folder(tmp_path))
    (picture,) = report_content(loaded, new_record(loaded.case), {}, None).overview
    assert picture.picture.max() > 150


def test_each_lesion_is_shown_in_the_subtraction_of_its_breast(tmp_path):
    save_all(tmp_path, two_breasts())
    case = scan_folder(tmp_path)
    lesions = (Lesion("L1", side=Side.LEFT), Lesion("L2", mri=MriMark(SUBTRACTION, (-70.0, -40.0, 40.0))))
    loaded = load_case(case, lesions=lesions)
    computed = {name: v.array.max() for name, v in loaded.volumes.items() if name.startswith(SUBTRACTION)}
    assert computed == {"subtraction": 50, "subtraction L": 80}
    told = report_content(loaded, replace(new_record(case), lesions=lesions), {}, None)
    shown = [{image.volume for image in one.images} for one in told.lesions]
    assert shown == [{"DCE L 2 − 1"}, {"DCE R 2 − 1"}]


def test_the_model_is_given_the_subtraction_of_the_lesion_s_breast(tmp_path, native_bundle):
    save_all(tmp_path, us_still(), two_breasts())
    case = scan_folder(tmp_path)
    box = UsMark(case.frames[0].key, 0, 60, 45, 100, 75)
    for x_mm in (-70.0, 50.0):
        lesion = Lesion("L1", us=box, mri=MriMark(SUBTRACTION, (x_mm, -40.0, 40.0)))
        record, loaded = new_record(case).with_lesion(lesion), load_case(case, lesions=(lesion,))
        given = read_lesion(
            loaded, record, lesion, read_spec(native_bundle), lambda given, _: given, override=True
        )
        middle = given.mri.shape[-1] // 2
        assert given.channels_present[CHANNELS.index(Channel.DCE)]
        assert given.mri[CHANNELS.index(Channel.DCE), middle, middle] > 0
