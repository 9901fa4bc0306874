"""What a tool asks for stands in a place of its own."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint
from PySide6.QtTest import QTest

from breastview.registration.start import start_from_mri_mark
from breastview.review.registering import SetRegistration
from tests.ui.hands import press, push


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_nothing_moves_under_the_pointer_when_a_tool_is_taken(
    make_window, exam, blank_record, open_exam, language
):
    with make_window(language=language) as application:
        session = open_exam(application, exam, blank_record)
        session.dispatch(SetRegistration(session.us_key, 0, start_from_mri_mark((0, 5.0), (15.0, 20.0, 6.0))))
        view, panel = application.window.view, application.window.rail.panels["register"]
        press(view, "Ctrl+2")

        def places():
            QTest.qWait(20)
            return [each.mapTo(view, QPoint(0, 0)) for each in (panel.pair, panel.drag, panel.fields["rz"])]

        before = places()
        for tool in (panel.drag, panel.pair, panel.line, panel.surface):
            push(tool)
            assert places() == before
            assert panel.hints.hint.isVisible()
            assert panel.hints.childrenRect().bottom() < panel.hints.height() < 180
        press(view, "Ctrl+1")
        assert not panel.hints.isVisible()
