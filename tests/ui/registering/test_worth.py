"""What a registration is worth: residuals, fit, the region of the lesion, and the grade."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from breastview.records.values import MriMark, Side
from breastview.registration.parameters import LandmarkPair
from breastview.registration.transform import map_points
from breastview.review.actions import ConfirmSide, MarkMri, SetPlace
from breastview.review.registering import AddLandmark, RemoveLandmark, SetRegistration
from tests.ui.conftest import say
from tests.ui.hands import enter, press, push, texts
from tests.ui.registering.looks import AROUND, dashed, hill, rows


def test_the_one_that_disagrees_is_pointed_at_and_weighs_less(session, matched, view, panel):
    assert panel.odd.text() == ""
    pairs = session.registration.landmarks
    wrong = replace(pairs[2], mri_mm=tuple(np.add(pairs[2].mri_mm, (0.0, 0.0, 30.0)).tolist()))
    changed = replace(session.registration, landmarks=(*pairs[:2], wrong, *pairs[3:]))
    session.dispatch(SetRegistration(session.us_key, 0, changed))
    assert rows(panel) == ["1", "2", "⚠ 3", "4", "5"]
    assert panel.odd.text().startswith("⚠ 3 disagrees with the others: ")
    panel.found.setCurrentCell(2, 0)
    enter(panel.weight, "0.2")
    assert [pair.weight for pair in session.registration.landmarks] == [1.0, 1.0, 0.2, 1.0, 1.0]


def test_the_error_of_each_when_left_out_stands_beside_its_residual(session, matched, view, panel):
    heads = [panel.found.horizontalHeaderItem(column).text() for column in range(4)]
    assert heads == ["", "residual", "left out", "weight"] and panel.found.horizontalHeader().isVisible()
    pairs = session.registration.landmarks
    wrong = replace(pairs[2], mri_mm=tuple(np.add(pairs[2].mri_mm, (0.0, 0.0, 12.0)).tolist()))
    changed = replace(session.registration, landmarks=(*pairs[:2], wrong, *pairs[3:]))
    session.dispatch(SetRegistration(session.us_key, 0, changed))

    def left_out():
        return [float(panel.found.item(row, 2).text().removesuffix(" mm")) for row in range(5)]

    tissue = left_out()
    assert max(tissue) == tissue[2] == pytest.approx(12.0, abs=2.0)
    assert f"leave-one-out error up to {tissue[2]:.1f} mm" in panel.told.text()
    assert panel.told.property("role") == "registration"
    QTest.keyClick(panel.model, Qt.Key.Key_Down)
    assert left_out() != tissue and f"{max(left_out()):.1f} mm" in panel.told.text()
    session.dispatch(RemoveLandmark(session.us_key, 0, 4))
    session.dispatch(RemoveLandmark(session.us_key, 0, 3))
    assert panel.found.item(0, 2).text() == "–", "three say nothing of one another in a rigid fit"


def test_a_fit_bends_and_straightens_without_losing_the_pose(session, matched, view, panel):
    push(panel.fit)
    lesion = map_points(session.registration, np.array([0.0, 5.0]))
    assert lesion == pytest.approx((17.0, 20.0, 6.0), abs=0.7)
    pose = session.registration
    push(panel.bend)
    bent = session.registration
    assert bent.warp and bent.centre_mm == pytest.approx(pose.centre_mm, abs=0.1)
    assert panel.notes.text().startswith("Bent: no part of the plane is pressed below ")
    push(panel.straighten)
    assert session.registration == replace(bent, warp=()) and not panel.bend.isChecked()
    press(view, "Ctrl+Z")
    assert session.registration == bent


def test_a_fit_that_leaves_correspondences_further_apart_says_so_until_something_changes(
    session, view, panel
):
    for us_mm, off_mm, weight in [*((place, 0.0, 0.2) for place in AROUND), ((0.0, 6.0), 15.0, 5.0)]:
        x, y, z = map_points(session.registration, np.array(us_mm))
        pair = LandmarkPair(us_mm, (float(x) + off_mm, float(y), float(z)), weight=weight)
        session.dispatch(AddLandmark(session.us_key, 0, pair))
    assert "apart than before" not in panel.odd.text()
    push(panel.fit)
    assert "further apart than before: 6.1 mm rms" in panel.odd.text() and panel.odd.isVisible()
    press(view, "Ctrl+Z")
    assert "apart than before" not in panel.odd.text()


@pytest.mark.parametrize(("x", "told"), [(17.0, 0), (77.0, 1)])
def test_a_mark_where_the_lesion_can_hardly_be_is_told_beside_where_it_is_expected(
    session, matched, panel, x, told
):
    session.dispatch(MarkMri("L1", MriMark(session.mri_key, (x, 20.0, 6.0))))
    assert sum("⚠ the MRI mark lies 60 mm away: elsewhere" in text for text in texts(panel)) == told


def test_a_registration_is_graded_confirmed_and_taken_back_by_a_nudge(session, matched, view, panel):
    assert "✓ landmarks · from the lesion marks" in texts(view.rail)
    assert any(text.startswith("Lesion within ±") for text in texts(panel))
    push(panel.confirm)
    assert session.registration.confirmed
    assert any(text.startswith("registration: confirmed") for text in texts(view))
    press(view, "Alt+Right")
    assert not session.registration.confirmed and not panel.confirm.isChecked()
    assert "✓ landmarks · by hand" in texts(view.rail)


def test_without_correspondences_there_is_nothing_to_confirm(session, view, panel):
    assert "◐ region · from the lesion marks" in texts(view.rail)
    assert not panel.confirm.isEnabled() and not panel.fit.isEnabled()
    why_not = say("grade.few", fewest=3, found=0)
    assert why_not in texts(panel) and panel.confirm.toolTip().endswith(why_not)
    assert "Nothing to fit" in panel.fit.toolTip()


def test_a_start_that_is_turned_by_hand_stays_a_region(session, view, panel):
    session.dispatch(MarkMri("L1", MriMark(session.mri_key, (15.0, 20.0, 6.0))))
    push(panel.from_mark)
    for _ in range(3):
        press(view, "Ctrl+Right")
    assert "◐ region · by hand" in texts(view.rail)
    for _ in range(12):
        press(view, "Alt+PgUp")
    assert "◐ side only · by hand" in texts(view.rail)


def test_what_keeps_a_registration_from_being_confirmed_is_said_until_it_is_gone(session, matched, panel):
    assert panel.confirm.isEnabled() and panel.lacking.isHidden()
    assert panel.confirm.toolTip() == panel.confirm.property("tip")
    session.dispatch(MarkMri("L1", MriMark(session.mri_key, (15.0, 20.0, 60.0))))
    assert not panel.confirm.isEnabled()
    assert say("grade.contradicted") in texts(panel)
    session.undo()
    assert panel.confirm.isEnabled() and panel.lacking.isHidden()


def test_the_words_of_a_report_draw_a_region_before_anything_is_registered(
    application, exam, blank_record, open_exam
):
    session, view = open_exam(application, exam, blank_record), application.window.view
    press(view, "N")
    session.images.body = hill()
    assert dashed(view.mri.canvas) == 0
    session.dispatch(ConfirmSide("L1", Side.LEFT))
    session.dispatch(SetPlace("L1", 12.0, 10.0, 20.0))
    assert dashed(view.mri.canvas) == 1
