"""The window for the tests of this package, and small exams to open in it."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from PySide6.QtTest import QTest

from breastview.app import Application, make_application
from breastview.imaging.scan import scan_folder
from breastview.language import Language
from breastview.messages import message
from breastview.records.store import RecordStore
from breastview.records.values import new_record
from breastview.registration.start import start_from_mri_mark
from breastview.review.registering import SetRegistration
from tests.imaging.dicom_files import dce_series, save_all, us_still

WAIT_MS = 20_000
MARK_MM = (15.0, 20.0, 6.0)


@pytest.fixture(scope="session")
def make_window(qapp, tmp_path_factory):
    """Make a program with its window; `with` ends it. There is no model unless one is given."""

    @contextmanager
    def made(model=None, language="en"):
        make_application()
        place = tmp_path_factory.mktemp("window")
        application = Application(RecordStore(place / "records"), language, model or place / "no model")
        view = application.window.view
        view.activateWindow()
        assert QTest.qWaitForWindowActive(view)
        yield application
        application.window.view.close()
        application.close()
        application.window.view.deleteLater()

    return made


@pytest.fixture(scope="module")
def application(make_window):
    """One program for a module, without a model."""
    with make_window() as made:
        yield made


@pytest.fixture
def open_exam(qtbot):
    """Open a folder and wait until all of it is here."""

    def opened(application, folder, record=None):
        session = application.session
        session.open_folder(folder, record)
        qtbot.waitUntil(lambda: not session.tasks.busy, timeout=WAIT_MS)
        return session

    return opened


@pytest.fixture(scope="session")
def exam(tmp_path_factory):
    """A US still of 0.1 mm a pixel and a DCE of two phases over x −8…39, y −6…52.5, z 0…15 mm."""
    folder = tmp_path_factory.mktemp("exam") / "patient"
    save_all(folder, us_still(), dce_series(phases=2, count=6))
    return folder


@pytest.fixture(scope="session")
def blank_record(exam):
    """The record of the exam before anything was entered."""
    return new_record(scan_folder(exam))


@pytest.fixture
def session(application, exam, blank_record, open_exam):
    """The exam, opened anew: nothing of an earlier test is left."""
    return open_exam(application, exam, blank_record)


@pytest.fixture
def registered(session):
    """The US image's middle line lies in the MRI's middle."""
    pose = start_from_mri_mark((0.0, 5.0), MARK_MM)
    session.dispatch(SetRegistration(session.us_key, 0, pose))
    return pose


def say(code, **params):
    """The English sentence of a message."""
    return Language().say(message(code, **params))


@pytest.fixture
def view(application, session):
    """The window's view, once the module's `session` is open."""
    return application.window.view


@pytest.fixture
def panels(application, session):
    """The rail's panels by step, once the module's `session` is open."""
    return application.window.rail.panels
