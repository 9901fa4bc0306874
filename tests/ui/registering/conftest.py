"""Step 2 with one lesion and a registration."""

from __future__ import annotations

import numpy as np
import pytest

from breastview.registration.parameters import LandmarkPair
from breastview.registration.start import start_from_mri_mark
from breastview.registration.transform import map_points
from breastview.review.registering import AddLandmark, SetRegistration
from tests.ui.hands import drag, press
from tests.ui.registering.looks import AROUND


@pytest.fixture
def session(application, exam, blank_record, open_exam):
    """One lesion marked on ultrasound at x 0, y 5 mm, whose middle the registration has at (15, 20, 6) mm."""
    opened = open_exam(application, exam, blank_record)
    view = application.window.view
    press(view, "B")
    drag(view.us.canvas, (60, 50), (100, 70))
    opened.dispatch(SetRegistration(opened.us_key, 0, start_from_mri_mark((0.0, 5.0), (15.0, 20.0, 6.0))))
    press(view, "Ctrl+2")
    return opened


@pytest.fixture
def panel(application, session):
    return application.window.rail.panels["register"]


@pytest.fixture
def matched(session):
    """Five pairs where the registration has them, 2 mm further to the left."""
    for us_mm in AROUND:
        x, y, z = map_points(session.registration, np.array(us_mm))
        pair = LandmarkPair(us_mm, (float(x) + 2.0, float(y), float(z)))
        session.dispatch(AddLandmark(session.us_key, 0, pair))
