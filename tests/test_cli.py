"""The command line: what it prints, what it writes, and one sentence where something is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from breastview import cli, demo
from breastview.records.store import RecordStore, read, write
from breastview.records.values import Side
from tests.imaging.dicom_files import mr_series, save_all

IDENTITY = ("SIMULATED-0003", "0003^", "SIMULATED 0003", "模拟患者", "1988", "2026-03", "20260302")


@pytest.fixture
def run(monkeypatch, capfd):
    """Call the program with arguments; answers (exit code, standard output, standard error)."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["breastview", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capfd.readouterr()
        return int(ended.value.code or 0), out, err

    return call


def test_scan_lists_what_the_folder_holds(run, simulated_patient):
    code, out, err = run("scan", simulated_patient.folder)
    lines = out.splitlines()
    assert (code, err, len(lines)) == (0, "", 15)
    assert sum(line.startswith("us_still") for line in lines) == 5
    assert sum(line.startswith("dce") for line in lines) == 6
    assert any(line.startswith("t2wi") and "TR 4000 ms, TE 85" in line for line in lines)


def test_scan_as_json_has_roles_and_geometry_and_no_identification(run, simulated_patient):
    code, out, _ = run("scan", simulated_patient.folder, "--json")
    told = json.loads(out)
    assert code == 0 and told["simulated"] is True and told["problems"] == []
    assert [f["spacing_mm"] for f in told["us"]] == [[0.1, 0.1]] * 5
    delays = {v["phase"]: v["delay_s"] for v in told["mri"] if v["role"] == "dce"}
    assert delays == {1: 0.0, 2: 60.0, 3: 120.0, 4: 180.0, 5: 240.0, 6: 300.0}
    assert {v["b_value"] for v in told["mri"] if v["role"] == "dwi"} == {0.0, 800.0}
    assert not [word for word in IDENTITY if word in out]


def test_review_writes_its_files_and_names_them(run, simulated_patient, small_bundle, tmp_path):
    code, out, err = run(
        "review", simulated_patient.folder, "--out", tmp_path / "out", "--model", small_bundle,
        "--record", simulated_patient.record_file, "--device", "cpu",
    )  # fmt: skip
    names = ["result.json", "report.pdf", "us_heatmap.png", "mri_heatmap.png"]
    assert (code, err) == (0, "")
    assert out.splitlines() == [str(tmp_path / "out" / name) for name in names]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(names)


def test_review_as_json_prints_the_file_it_wrote(run, simulated_patient, small_bundle, tmp_path):
    code, out, err = run(
        "review", simulated_patient.folder, "--out", tmp_path, "--model", small_bundle, "--json",
        "--lang", "zh_CN",
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert json.loads(out) == json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert json.loads(out)["sentences"] == ["No lesion is marked."]
    assert not [word for word in IDENTITY if word in out]


def test_an_override_is_printed_with_the_reasons(run, simulated_patient, small_bundle, tmp_path):
    record = read(simulated_patient.record_file)
    other = Side.RIGHT if record.lesions[0].side is Side.LEFT else Side.LEFT
    write(tmp_path / "record.json", record.with_lesion(replace(record.lesions[0], side=other)))
    arguments = ["review", simulated_patient.folder, "--model", small_bundle]
    arguments += ["--record", tmp_path / "record.json"]
    sentence = f"The sides disagree: {other} confirmed, {record.lesions[0].side} in the MRI."
    _, refused, _ = run(*arguments, "--out", tmp_path / "refused")
    code, overridden, err = run(*arguments, "--out", tmp_path / "overridden", "--research-override")
    assert (code, err) == (0, "")
    assert refused.splitlines()[0] == sentence and "heatmap" not in refused
    assert overridden.splitlines()[:2] == ["L1: RESEARCH OVERRIDE: outside the model's scope.", sentence]
    assert "us_heatmap.png" in overridden


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"folder": "/nowhere"}, "This folder does not exist."),
        ({"--record": "/nowhere.json"}, "The review record cannot be read."),
        ({"--model": "/nowhere"}, "No model bundle in /nowhere."),
        ({"--device": "tpu"}, "'tpu' is not one of 'auto', 'cuda', 'mps', 'cpu'"),
        ({"--lang": "fr"}, "one of en, zh_CN"),
        ({"--colour": "red"}, "No such option: --colour"),
        ({"--out": None}, "Missing option '--out'"),
    ],
    ids=lambda value: "".join(value) if isinstance(value, dict) else "",
)
def test_a_mistake_is_one_sentence_and_exit_code_one(
    run, simulated_patient, small_bundle, tmp_path, changes, sentence
):
    given = {
        "folder": simulated_patient.folder,
        "--out": tmp_path / "out",
        "--model": small_bundle,
        **changes,
    }
    folder = given.pop("folder")
    options = [word for name, value in given.items() if value is not None for word in (name, value)]
    code, out, err = run("review", folder, *options)
    assert (code, out) == (1, "")
    assert err.startswith("breastview: ") and err.count("\n") == 1 and sentence in err
    assert not (tmp_path / "out").exists()


def test_an_absent_device_is_an_error_and_no_fallback(run, simulated_patient, small_bundle, tmp_path):
    absent = "cuda" if sys.platform == "darwin" else "mps"
    code, _, err = run(
        "review", simulated_patient.folder, "--out", tmp_path / "out", "--model", small_bundle,
        "--record", simulated_patient.record_file, "--device", absent,
    )  # fmt: skip
    assert code == 1
    assert err == f"breastview: The device {absent} is not available. Choose another device, or auto.\n"


def test_the_patient_folder_is_refused_as_a_place_for_the_report(run, simulated_patient, small_bundle):
    code, _, err = run("review", simulated_patient.folder, "--out", simulated_patient.folder)
    assert code == 1
    assert err.startswith("breastview: The patient folder is never changed")


def test_neither_picture_nor_record_goes_into_the_patient_folder(run, simulated_patient, tmp_path):
    folder = simulated_patient.folder
    before = sorted(folder.iterdir())
    for arguments in (
        ("open", folder, "--screenshot", folder / "window.png"),
        ("open", folder, "--records", folder / "reviews"),
        ("registration", "import", folder, tmp_path / "pose.tfm", "--record", folder / "case.review.json"),
    ):
        code, out, err = run(*arguments)
        assert (code, out) == (1, "") and err.startswith("breastview: The patient folder is never changed")
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["registration"], "Missing command."),
        (["demo", "--patients", "0"], "Invalid value for '--patients'"),
        (["demo", "--seed", "-1"], "Invalid value for '--seed'"),
        (["open", "FOLDER", "--screenshot", "w.png", "--size", "²x²"], "such as 1920x1080"),
        (["open", "FOLDER", "--screenshot", "w.png", "--size", "100000x9"], "each up to 10000"),
        (["open", "--screenshot", "w.png"], "a screenshot needs a folder"),
        (["scan", "FOLDER", "again"], "unexpected extra argument"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_what_the_command_line_does_not_take_is_one_sentence(run, arguments, sentence):
    code, out, err = run(*arguments)
    assert (code, out) == (1, "")
    assert err.startswith("breastview: ") and err.count("\n") == 1 and sentence in err


@pytest.mark.xfail(sys.platform != "linux", reason="there is a screen", run=False)
def test_without_a_screen_the_window_is_an_error_and_no_crash(run, simulated_patient, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    for arguments in ((), (simulated_patient.folder,), ("open", simulated_patient.folder)):
        code, out, err = run(*arguments)
        assert (code, out) == (1, "") and err.startswith("breastview: There is no screen")


def test_an_unexpected_failure_quotes_nothing(run, simulated_patient, monkeypatch):
    def fail(folder):
        raise ValueError("PatientName ZHANG^SAN")

    monkeypatch.setattr(cli, "scan_folder", fail)
    code, out, err = run("scan", simulated_patient.folder)
    assert (code, out) == (1, "")
    assert err.startswith("breastview: Something failed that should not (ValueError).")
    assert "ZHANG" not in err and "Traceback" not in err


def test_the_program_itself_ends_with_one_sentence_in_any_code_page(tmp_path):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ended = subprocess.run(
        [sys.executable, "-m", "breastview", "scan", str(tmp_path / "没有")],
        env=environment,
        capture_output=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, b"")
    assert ended.stderr.strip() == b"breastview: This folder does not exist. Choose another folder."


def test_demo_patients_are_kept_and_their_records_filed_for_the_window(simulated_patient, tmp_path):
    folder = tmp_path / "patient-0003"
    folder.symlink_to(simulated_patient.folder)
    record = read(simulated_patient.record_file)
    write(tmp_path / "patient-0003.review.json", record)
    said = []
    assert demo.write_patients(tmp_path, 1, 3, said.append) == [folder]
    assert said == [f"simulated patient: {folder}"]
    kept = RecordStore(tmp_path / "records").load(record.case.fingerprint)
    assert kept.lesions == record.lesions and kept.simulated


def test_a_record_without_a_screenshot_is_refused_and_not_ignored(run, simulated_patient):
    code, out, err = run("open", simulated_patient.folder, "--record", simulated_patient.record_file)
    assert (code, out) == (1, "") and "a record is for a screenshot" in err


@pytest.mark.parametrize("kind", ["tfm", "dcm"])
def test_registrations_go_out_into_files_and_come_back_into_the_record(
    run, simulated_patient, tmp_path, kind
):
    folder, true = simulated_patient.folder, read(simulated_patient.record_file)
    code, out, err = run(
        "registration", "export", folder, "--record", simulated_patient.record_file,
        "--out", tmp_path / "out", "--as", kind,
    )  # fmt: skip
    paths = out.splitlines()
    assert (code, err, len(paths)) == (0, "", len(true.registrations))
    assert not [word for word in IDENTITY if word in out]
    record = tmp_path / "record.json"
    write(record, replace(true, registrations=()))
    for path, entry in zip(paths, true.registrations, strict=True):
        code, out, err = run(
            "registration", "import", folder, path, "--record", record, "--us", entry.frames_key
        )
        assert (code, out, err) == (0, "", "")
    assert read(record).registrations == true.registrations


def test_a_record_without_registrations_and_a_case_without_ultrasound_are_told_of(
    run, simulated_patient, tmp_path
):
    record = tmp_path / "record.json"
    write(record, replace(read(simulated_patient.record_file), registrations=()))
    code, out, err = run(
        "registration", "export", simulated_patient.folder, "--record", record, "--out", tmp_path / "out"
    )
    assert (code, out) == (1, "") and "holds no registration" in err and not (tmp_path / "out").exists()
    save_all(tmp_path / "mri", mr_series(3))
    code, out, err = run(
        "registration", "import", tmp_path / "mri", tmp_path / "pose.tfm", "--record", record
    )
    assert (code, out) == (1, "") and "There is no ultrasound in this case" in err


def test_a_refused_registration_leaves_the_record_as_it_is(run, simulated_patient, tmp_path):
    first, second = read(simulated_patient.record_file).registrations
    folder, record = simulated_patient.folder, simulated_patient.record_file
    _, out, _ = run("registration", "export", folder, "--record", record, "--out", tmp_path)
    path, before = out.splitlines()[0], record.read_bytes()
    importing = ("registration", "import", folder, path, "--record", record)
    code, out, err = run(*importing, "--us", second.frames_key)
    assert (code, out) == (1, "") and "registers another ultrasound image" in err
    code, out, err = run(*importing)
    assert (code, out) == (1, "") and first.frames_key in err and second.frames_key in err
    code, out, err = run(*importing, "--us", first.frames_key, "--frame", "2")
    assert (code, out) == (1, "") and "name no frame" in err
    assert record.read_bytes() == before
