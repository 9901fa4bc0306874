"""Steps 4 and 5: model and report, when something is out of scope, killed, cancelled or moved."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import pypdfium2
import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QMessageBox, QToolButton

from breastview.fusion.reading import Eligibility, Reading
from breastview.fusion.spec import Metric, Scope, read_spec
from breastview.language import Language
from breastview.records.inputs import input_hash
from breastview.records.values import BiRads, FrameRegistration, Lesion, MriMark, Side, UsMark, new_record
from breastview.registration.start import start_from_mri_mark
from breastview.review.actions import AddLesion, ConfirmSide, SelectLesion
from breastview.ui.rail import model as model_module
from tests.imaging.dicom_files import dce_series, save_all, us_still
from tests.ui.conftest import WAIT_MS, say
from tests.ui.hands import press, push, texts

MODEL_MS = 60_000
ACME = {"Manufacturer": "ACME", "PatientName": "DOE^JANE"}
POSE = start_from_mri_mark((0.0, 5.0), (15.0, 20.0, 6.0))


@pytest.fixture(scope="module")
def application(make_window, small_bundle):
    """One program for the module, so that the model's process is started as rarely as can be."""
    with make_window(small_bundle) as made:
        yield made


@pytest.fixture
def view(application):
    return application.window.view


@pytest.fixture
def panel(application):
    return application.window.rail.panels["model"]


def reviewed(session):
    """The review of an open exam up to the first read: L1 is marked, registered and assessed."""
    frames, volume = session.case.frames[0], session.case.volumes[0]
    lesion = Lesion(
        "L1",
        side=Side.LEFT,
        us=UsMark(frames.key, 0, 60, 45, 100, 75),
        mri=MriMark(volume.key, (15.0, 20.0, 6.0)),
        bi_rads=BiRads.C4A,
    )
    record = new_record(session.case).with_lesion(lesion)
    entry = FrameRegistration(frames.key, 0, POSE)
    return replace(record.with_registration(entry), first_read_committed=True)


@pytest.fixture
def session(application, exam, open_exam, view):
    """The exam with its review, one key from the model."""
    opened = open_exam(application, exam)
    open_exam(application, exam, reviewed(opened))
    view.us.canvas.setFocus()
    press(view, "Ctrl+4")
    return opened


@pytest.fixture
def read(qtbot, session, view):
    """Run the model and return its reading."""

    def run():
        press(view, "G")
        qtbot.waitUntil(lambda: "L1" in session.readings, timeout=MODEL_MS)
        return session.readings["L1"]

    return run


def text_of(pdf):
    with pypdfium2.PdfDocument(pdf) as document:
        return "\n".join(page.get_textpage().get_text_bounded() for page in document)


@pytest.fixture
def answer():
    """Answer the next question with this button, in the dialog itself."""

    def soon(button):
        def click():
            box = QApplication.activeModalWidget()
            assert isinstance(box, QMessageBox)
            push(box.button(button))

        QTimer.singleShot(0, click)

    return soon


def test_a_running_model_is_cancelled_and_can_run_again(qtbot, application, session, view, panel):
    application.worker.kill()
    press(view, "G")
    qtbot.waitUntil(lambda: say("doing.model") in texts(view), timeout=MODEL_MS)
    assert say("doing.model") in texts(view.rail) and not panel.run.isEnabled()
    push(next(button for button in view.findChildren(QToolButton) if button.text() == "Cancel"))
    qtbot.waitUntil(lambda: application.worker.pid is None, timeout=MODEL_MS)
    assert not session.tasks.busy and session.readings == {} and view.error == ""
    assert panel.run.isEnabled()


def test_a_killed_model_process_is_told_of_and_the_next_run_works(
    qtbot, application, session, view, panel, read
):
    application.worker.kill()  # the one that runs then has the call
    press(view, "G")
    qtbot.waitUntil(lambda: application.worker.pid is not None, timeout=MODEL_MS)
    os.kill(application.worker.pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: view.error == "✖ " + say("model.process_died"), timeout=MODEL_MS)
    assert session.readings == {} and panel.run.isEnabled()
    reading = read()
    assert 0 < reading.probability < 1 and reading.eligibility.reasons == ()
    assert panel.bars["fused"][2].text() == f"{reading.probability:.2f}"


def test_the_language_switches_in_the_middle_of_a_review(
    qtbot, application, exam, open_exam, session, view, read
):
    reading, record = read(), session.state.record
    press(view, "H")
    push(next(button for button in view.findChildren(QToolButton) if button.text() == "中文"))
    view = application.window.view
    chinese = Language("zh_CN")
    assert chinese.text("CASE") in texts(view) and chinese.text("CASE") != "CASE"
    assert session.state.record == record and session.readings["L1"] is reading
    panel = application.window.rail.panels["model"]
    assert panel.bars["fused"][2].text() == f"{reading.probability:.2f}" and panel.heatmaps.isEnabled()
    assert f"✓ {reading.probability:.2f}" in texts(view.rail)
    open_exam(application, exam, record)
    assert view.us.canvas.isVisible() and "6/6" not in texts(view.mri.canvas)
    press(view, "G")
    qtbot.waitUntil(lambda: session.readings["L1"].heatmaps != (), timeout=MODEL_MS)
    assert session.readings["L1"].probability == pytest.approx(reading.probability, abs=1e-6)
    push(next(button for button in view.findChildren(QToolButton) if button.text() == "English"))
    assert "CASE" in texts(application.window.view)


def test_of_several_lesions_the_step_says_whose_probability_it_shows(session, view, small_bundle):
    model = read_spec(small_bundle).weights_sha256
    own = input_hash(session.state.record, "L1", model)
    answer = Reading("L1", Eligibility(True), False, "TEST", model, own, "CPU", True, probability=0.4)
    session.take_reading(answer)
    assert "✓ 0.40" in texts(view.rail)
    session.dispatch(AddLesion())
    session.dispatch(SelectLesion("L1"))
    assert "✓ L1 · 0.40" in texts(view.rail)


def test_work_in_hand_outlives_the_switch_of_the_language(qtbot, application, session, view, tmp_path):
    application.window.rail.report.export(tmp_path / "report.pdf")
    push(next(button for button in view.findChildren(QToolButton) if button.text() == "中文"))
    qtbot.waitUntil(lambda: not session.tasks.busy, timeout=WAIT_MS)
    view = application.window.view
    press(view, "Ctrl+5")
    assert "✓ " + Language("zh_CN").text("Written: {file}").format(file="report.pdf") in texts(view.rail)
    push(next(button for button in view.findChildren(QToolButton) if button.text() == "English"))


def test_a_reading_of_a_state_that_is_gone_is_dropped(qtbot, session, view, panel):
    press(view, "G")
    press(view, "Alt+Right")
    qtbot.waitUntil(lambda: view.error == "✖ " + say("review.stale_reading"), timeout=MODEL_MS)
    assert session.readings == {} and panel.bars["fused"][2].text() == "–"


def test_a_conflict_of_sides_is_refused_with_its_reason(session, view, panel, read):
    lesion = session.lesion
    session.dispatch(ConfirmSide(lesion.lesion_id, Side.RIGHT))
    reading = read()
    assert [reason.code for reason in reading.eligibility.reasons] == ["concordance.sides_differ"]
    assert reading.probability is None and reading.probability_us is None
    assert panel.bars["fused"][2].text() == "–" and panel.bars["us"][2].text() == "–"
    assert say("concordance.sides_differ", us="R", mri="L") in panel.told.text()


def test_without_mri_the_panel_shows_what_ultrasound_alone_tells_and_what_that_is_worth(
    qtbot, application, open_exam, view, panel, small_bundle, tmp_path, monkeypatch
):
    spec = read_spec(small_bundle)
    stills = Scope(note="Ultrasound alone: validated on 77 stills.", sources=("stills",), research_only=True)
    worth = {**spec.metrics, "us_only": {"auc": Metric(0.88, 0.8, 0.95, 77)}}
    folder = tmp_path / "patient"
    save_all(folder, us_still(**ACME))
    session = open_exam(application, folder)
    lesion = Lesion("L1", us=UsMark(session.case.frames[0].key, 0, 60, 45, 100, 75), bi_rads=BiRads.C4A)
    record = replace(new_record(session.case).with_lesion(lesion), first_read_committed=True)
    open_exam(application, folder, record)
    press(view, "Ctrl+4")
    told = replace(spec, us_scope=stills, metrics=worth)
    monkeypatch.setattr(model_module, "read_spec", lambda folder: told)
    press(view, "G")
    qtbot.waitUntil(lambda: "L1" in session.readings, timeout=MODEL_MS)
    alone = session.readings["L1"]
    assert alone.us_only and alone.probability is None
    assert panel.bars["fused"][2].text() == "–"
    assert panel.bars["us"][2].text() == f"{alone.probability_us:.2f}"
    assert panel.bars["us"][0].text() == "US"
    assert "Ultrasound alone. No fused probability:" in panel.told.text()
    assert say("scope.no_mri") in panel.told.text()
    assert "validated on 77 stills" in panel.worth.text() and "n = 77" in panel.worth.text()
    assert say("scope.research_only") in panel.worth.text()
    assert not panel.override.isVisible(), "there is nothing more to compute from"
    assert any(f"US {alone.probability_us:.2f}" in words for words in texts(view))


def test_out_of_scope_there_are_reasons_and_no_number_until_the_reader_overrides(
    qtbot, application, open_exam, view, panel, answer, tmp_path
):
    folder = tmp_path / "patient"
    save_all(folder, us_still(**ACME), dce_series(phases=2, count=6, **ACME))
    session = open_exam(application, folder)
    open_exam(application, folder, reviewed(session))
    press(view, "Ctrl+4")
    press(view, "G")
    qtbot.waitUntil(lambda: "L1" in session.readings, timeout=MODEL_MS)
    refused = session.readings["L1"]
    assert [reason.code for reason in refused.eligibility.reasons] == ["scope.simulated_only"]
    assert say("scope.simulated_only") in panel.told.text()
    assert [panel.bars[name][2].text() for name in ("fused", "us", "mri")] == ["–"] * 3
    answer(QMessageBox.StandardButton.No)
    push(panel.override)
    assert session.readings["L1"] is refused and not session.tasks.busy
    answer(QMessageBox.StandardButton.Yes)
    push(panel.override)
    qtbot.waitUntil(lambda: session.readings["L1"].probability is not None, timeout=MODEL_MS)
    kept = session.state.record.readings[0]
    assert kept.research_override and not kept.eligible
    assert "RESEARCH OVERRIDE" in panel.told.text() and not panel.override.isVisible()
    assert f"⚠ {kept.probability:.2f}" in texts(view.rail), "not as if it stood in the scope"
    application.window.rail.report.export(tmp_path / "report.pdf")
    qtbot.waitUntil(lambda: not session.tasks.busy, timeout=WAIT_MS)
    told = text_of(tmp_path / "report.pdf")
    assert "RESEARCH OVERRIDE" in told and f"{kept.probability:.2f}" in told


def test_a_report_cannot_go_into_the_patient_folder(qtbot, application, session, exam, view, tmp_path):
    before = sorted(exam.iterdir())
    for place in (exam / "report.pdf", exam / "deeper" / "report.pdf"):
        application.window.rail.report.export(place)
        assert view.error == "✖ " + say("case.never_written")
    assert sorted(exam.iterdir()) == before and not session.tasks.busy
    application.window.rail.report.export(tmp_path / "report.pdf")
    qtbot.waitUntil(lambda: not session.tasks.busy, timeout=WAIT_MS)
    assert (tmp_path / "report.pdf").exists() and view.error == ""


def test_a_report_that_cannot_be_written_is_told_of(qtbot, application, session, view, tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    application.window.rail.report.export(tmp_path / "file" / "report.pdf")
    qtbot.waitUntil(lambda: view.error == "✖ " + say("report.unwritable"), timeout=WAIT_MS)
    assert not any(text.startswith("✓ Written") for text in texts(view.rail))


def test_a_report_of_a_case_that_is_left_is_written_and_told_of(
    qtbot, application, session, open_exam, view, tmp_path
):
    save_all(tmp_path / "next", us_still(number=77, **ACME))
    application.window.rail.report.export(tmp_path / "report.pdf")
    open_exam(application, tmp_path / "next")
    assert "DOE" not in text_of(tmp_path / "report.pdf")
    assert say("report.of_case_before", file="report.pdf") in view.error
    assert not application.window.rail.panels["report"].open.isEnabled()


def test_the_model_waits_for_what_it_looks_at(qtbot, application, exam, open_exam, session):
    record = replace(session.state.record, readings=())
    whole = application.window.rail.model
    whole.run()
    qtbot.waitUntil(lambda: "L1" in session.readings, timeout=MODEL_MS)
    expected = session.readings["L1"].probability
    once = session.opened.connect(whole.run)
    session.open_folder(exam, record)
    qtbot.waitUntil(lambda: not session.tasks.busy, timeout=MODEL_MS)
    session.opened.disconnect(once)
    (kept,) = session.state.record.readings
    assert kept.eligible and kept.probability == pytest.approx(expected)


def test_a_report_is_written_in_the_language_that_is_chosen_for_it(qtbot, application, session, tmp_path):
    panel = application.window.rail.panels["report"]
    panel.language.setCurrentIndex(1)
    application.window.rail.report.export(tmp_path / "report.pdf")
    qtbot.waitUntil(lambda: not session.tasks.busy, timeout=WAIT_MS)
    panel.language.setCurrentIndex(0)
    assert Language("zh_CN").text("Not cleared for diagnosis.") in text_of(tmp_path / "report.pdf")
