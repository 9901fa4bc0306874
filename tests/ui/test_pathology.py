"""Pathology in the window: out of sight until the reader has spoken, then one field that undo takes back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from breastview.records.values import BiRads, Lesion, Pathology
from tests.ui.hands import press, push, texts


@pytest.fixture
def session(application, exam, blank_record, open_exam):
    """An exam whose record was prepared with side and pathology, as an import does."""
    lesion = Lesion("L1", pathology=Pathology.MALIGNANT)
    opened = open_exam(application, exam, replace(blank_record, lesions=(lesion,)))
    press(application.window.view, "Ctrl+3")
    return opened


@pytest.fixture
def panel(application, session):
    return application.window.rail.panels["read"]


def choose(box, data):
    """Walk to an entry with the keyboard."""
    place = max(box.findData(data), 0)
    key = Qt.Key.Key_Down if place > box.currentIndex() else Qt.Key.Key_Up
    for _ in range(abs(place - box.currentIndex())):
        QTest.keyClick(box, key)


def test_pathology_is_seen_only_after_the_first_read(session, panel, application):
    assert not panel.pathology.isVisible() and "malignant" not in texts(application.window.view)
    choose(panel.bi_rads, BiRads.C3)
    assert not panel.pathology.isVisible()
    push(panel.commit)
    assert panel.pathology.isVisible() and panel.pathology.currentText() == "malignant"
    assert session.lesion.pathology is Pathology.MALIGNANT


def test_it_is_entered_and_undone_and_never_before_the_commit(session, panel, application):
    choose(panel.bi_rads, BiRads.C3)
    push(panel.commit)
    choose(panel.pathology, Pathology.HIGH_RISK)
    assert session.lesion.pathology is Pathology.HIGH_RISK
    assert panel.pathology.currentText() == "high-risk (B3)"
    press(application.window.view, "Ctrl+Z")
    assert session.lesion.pathology is Pathology.MALIGNANT
    assert panel.pathology.currentText() == "malignant"
    choose(panel.pathology, None)
    assert session.lesion.pathology is None and panel.pathology.currentText() == "unknown"


def test_a_lesion_found_later_needs_its_own_read_first(session, panel, application):
    choose(panel.bi_rads, BiRads.C3)
    push(panel.commit)
    press(application.window.view, "N")
    assert session.lesion.lesion_id == "L2" and not panel.pathology.isVisible()
