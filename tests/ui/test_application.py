"""The program around the window: what its process never imports, screenshots, how it begins and ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication, QLabel

from breastview import app, cli
from breastview.app import AT_REST, screenshot, settle
from breastview.errors import ReportError
from breastview.records.store import RecordStore, write
from breastview.records.values import Lesion
from breastview.review.actions import AddLesion
from tests.imaging.dicom_files import save_all, us_still

ROOT = Path(__file__).resolve().parents[2]
WITHOUT_TORCH = """
import sys
from pathlib import Path
from breastview.app import AT_REST, screenshot, settle
screenshot(Path(sys.argv[1]), Path(sys.argv[2]), (640, 480))
print("torch" in sys.modules, "torchvision" in sys.modules)
"""


def test_torch_is_never_imported_in_the_window_s_process(exam, tmp_path):
    command = [sys.executable, "-c", WITHOUT_TORCH, str(exam), str(tmp_path / "window.png")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.stdout.split() == ["False", "False"], run.stderr


def test_a_screenshot_has_the_wanted_size_and_shows_the_record(qapp, exam, blank_record, tmp_path):
    write(tmp_path / "record.json", blank_record.with_lesion(Lesion("L1", comment="seen")))
    pictures = []
    for name, record in (("with", tmp_path / "record.json"), ("without", None)):
        screenshot(exam, tmp_path / f"{name}.png", (1280, 720), record)
        pictures.append(QImage(str(tmp_path / f"{name}.png")))
    assert [picture.size().toTuple() for picture in pictures] == [(1280, 720)] * 2
    assert pictures[0] != pictures[1], "one shows L1"


def test_a_screenshot_shows_what_the_window_says_of_an_empty_folder(qapp, exam, tmp_path):
    (tmp_path / "empty").mkdir()
    screenshot(tmp_path / "empty", tmp_path / "empty.png", (640, 480))
    assert not QImage(str(tmp_path / "empty.png")).isNull()


def test_reviews_are_kept_where_a_department_says(qapp, exam, blank_record, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(app, "run_window", lambda *told: opened.append(told) or 0)
    for arguments in (["--records", str(tmp_path)], []):
        monkeypatch.setattr(sys, "argv", ["breastview", "open", str(exam), *arguments])
        with pytest.raises(SystemExit):
            cli.main()
        monkeypatch.setenv("BREASTVIEW_RECORDS", str(tmp_path))
    assert opened == [(exam, "en", tmp_path)] * 2
    RecordStore(tmp_path).save(blank_record.with_lesion(Lesion("L1", comment="seen")))
    for name, store in (("theirs", tmp_path), ("another's", tmp_path / "empty")):
        screenshot(exam, tmp_path / f"{name}.png", (1280, 720), store=store)
    assert QImage(str(tmp_path / "theirs.png")) != QImage(str(tmp_path / "another's.png")), "one shows L1"


def test_a_screenshot_that_cannot_be_written_is_an_error(qapp, exam, tmp_path):
    with pytest.raises(ReportError) as refused:
        screenshot(exam, tmp_path / "no folder" / "window.png", (640, 480))
    assert refused.value.message.code == "window.unwritable"


class Work:
    """An event loop, and background work that is over in its fifth round."""

    rounds = 0

    def processEvents(self):
        self.rounds += 1

    @property
    def busy(self):
        return self.rounds < 5


def test_a_screenshot_waits_for_rounds_of_rest_however_long_one_takes():
    work = Work()
    settle(work, work, timeout_s=600.0)
    assert work.rounds == 4 + AT_REST


def test_closing_saves_what_was_entered_last(make_window, open_exam, tmp_path):
    save_all(tmp_path, us_still())
    with make_window() as application:
        session = open_exam(application, tmp_path)
        session.dispatch(AddLesion())
        fingerprint = session.case.fingerprint
        store = session._store
    assert [lesion.lesion_id for lesion in store.load(fingerprint).lesions] == ["L1"]


def test_qt_leaves_the_count_of_none_alone(qapp):
    """PySide6 6.12.0 gives a reference to None away at every call on Python 3.11: the process dies of it."""
    label = QLabel()
    before = sys.getrefcount(None)
    for _ in range(1000):
        label.adjustSize()
        QApplication.processEvents()
    assert abs(sys.getrefcount(None) - before) < 500


def test_what_nobody_foresaw_is_told_without_what_it_quotes(make_window):
    with make_window() as application:
        application.tell_unforeseen(ValueError, ValueError("/data/ZHANG^SAN/1.dcm"), None)
        error = application.window.view.error
        assert "ValueError" in error and "ZHANG" not in error
