"""A small simulated patient, open at what follows the hand in step 2."""

from __future__ import annotations

import pytest

from breastview.records.store import read
from tests.ui.hands import press


@pytest.fixture(scope="module")
def record(simulated_patient):
    return read(simulated_patient.record_file)


@pytest.fixture
def session(application, simulated_patient, record, open_exam):
    opened = open_exam(application, simulated_patient.folder, record)
    press(application.window.view, "Ctrl+2")
    application.window.view.us.canvas.setFocus()
    return opened


@pytest.fixture
def panel(application, session):
    return application.window.rail.panels["refine"]
