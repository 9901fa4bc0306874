"""Side and place must agree before anything is fused; each disagreement has its own reason."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from breastview.messages import message
from breastview.records.concordance import (
    Verdict,
    mark_distance_mm,
    objections_to_fusing,
    same_lesion,
    us_centre_px,
    us_size_mm,
)
from breastview.records.values import FrameRegistration, Lesion, MriMark, ReviewRecord, Side, UsMark
from breastview.registration.parameters import LandmarkPair, Method, RegistrationParameters
from breastview.registration.plane import UsPlane
from breastview.registration.region import Region
from tests.records.examples import MRI, RECORD, STILL

OPEN = ["concordance.place_untold"]
PLANE = UsPlane(origin_px=(100.0, 0.0), spacing_mm=(0.2, 0.1))
POSE = RegistrationParameters((50.0, -100.0, 20.0))
MARK = UsMark(STILL, 0, left=120.0, top=60.0, right=160.0, bottom=90.0)  # centre 4 mm lateral, 15 mm deep
AROUND = [(-6.0, 5.0), (14.0, 6.0), (-5.0, 26.0), (13.0, 25.0), (4.0, 30.0), (5.0, 4.0)]
PAIRS = tuple(LandmarkPair((x, y), (50.0 + x, -100.0 + y, 20.0)) for x, y in AROUND)
AGREES = Lesion("L1", side=Side.LEFT, us=MARK, mri=MriMark(MRI, (54.0, -85.0, 20.0)))
AWAY = replace(AGREES, mri=MriMark(MRI, (54.0, -85.0, 40.0)))


def reviewed(lesion: Lesion, pose: RegistrationParameters | None = POSE) -> ReviewRecord:
    registrations = (FrameRegistration(STILL, 0, pose),) if pose else ()
    return replace(RECORD, lesions=(lesion,), registrations=registrations)


def codes(lesion: Lesion, plane: UsPlane | None = PLANE, mri_side: str | None = "L", pose=POSE) -> list[str]:
    return [o.code for o in objections_to_fusing(reviewed(lesion, pose), lesion, plane, mri_side)]


def test_one_lesion_on_one_side_may_be_fused():
    assert codes(AGREES) == []


def test_the_side_must_be_confirmed_by_the_reader():
    assert codes(replace(AGREES, side=None)) == ["concordance.side_unconfirmed"]


def test_the_confirmed_side_must_be_the_side_in_the_mri():
    objections = objections_to_fusing(reviewed(AGREES), AGREES, PLANE, "R")
    assert [o.code for o in objections] == ["concordance.sides_differ"]
    assert objections[0].params == {"us": "L", "mri": "R"}


def test_both_marks_must_be_there():
    assert codes(replace(AGREES, us=None)) == ["concordance.no_us_mark"]
    assert codes(replace(AGREES, mri=None), mri_side=None) == ["concordance.no_mri_mark"]


def test_millimetres_and_a_registration_must_be_there():
    assert codes(AGREES, plane=None) == ["concordance.no_scale"]
    assert codes(AGREES, pose=None) == ["concordance.no_registration"]


def test_mri_that_is_not_looked_at_in_the_us_plane_needs_no_registration_but_one_must_not_contradict():
    def codes_of(plane, pose):
        known = reviewed(AGREES, pose)
        return [o.code for o in objections_to_fusing(known, AGREES, plane, "L", registered=False)]

    away = replace(POSE, centre_mm=(50.0, -100.0, 40.0))
    assert codes_of(None, None) == codes_of(PLANE, None) == codes_of(PLANE, POSE) == []
    assert codes_of(PLANE, away) == ["concordance.far_apart"]


@pytest.mark.parametrize(("apart_mm", "expected"), [(14.9, []), (15.1, ["concordance.far_apart"])])
def test_the_marks_must_be_one_place(apart_mm, expected):
    mark = MriMark(MRI, (54.0, -85.0, 20.0 + apart_mm))
    assert codes(replace(AGREES, mri=mark)) == expected


def test_the_distance_is_told_in_millimetres():
    lesion = replace(AGREES, mri=MriMark(MRI, (54.0, -85.0, 41.4)))
    (objection,) = objections_to_fusing(reviewed(lesion), lesion, PLANE, "L")
    assert objection.params == {"mm": 21}


def test_every_reason_is_told_at_once():
    lesion = replace(AGREES, side=None, mri=None)
    assert codes(lesion, plane=None, mri_side=None) == [
        "concordance.no_mri_mark",
        "concordance.side_unconfirmed",
        "concordance.no_scale",
    ]
    far = replace(AGREES, side=Side.RIGHT, mri=MriMark(MRI, (-54.0, -85.0, 20.0)))
    assert codes(far, mri_side="L") == ["concordance.sides_differ", "concordance.far_apart"]


def test_the_box_has_a_middle_and_a_size():
    assert us_centre_px(AGREES) == (140.0, 75.0)
    assert us_size_mm(AGREES, PLANE) == pytest.approx((4.0, 6.0))


def test_the_distance_of_the_marks_follows_the_registration():
    assert mark_distance_mm(reviewed(AGREES), AGREES, PLANE) == pytest.approx(0.0)
    shifted = replace(POSE, centre_mm=(53.0, -96.0, 20.0))
    assert mark_distance_mm(reviewed(AGREES, shifted), AGREES, PLANE) == pytest.approx(5.0)


def test_there_is_no_distance_without_both_marks_and_a_registration():
    assert mark_distance_mm(reviewed(AGREES, None), AGREES, PLANE) is None
    for missing in (replace(AGREES, us=None), replace(AGREES, mri=None)):
        assert mark_distance_mm(reviewed(missing), missing, PLANE) is None


def verdict(lesion: Lesion, pose=POSE, mri_side="L", reported=None) -> tuple[Verdict, list[str]]:
    found = same_lesion(reviewed(lesion, pose), lesion, PLANE, mri_side, reported)
    assert found is not None
    return found.verdict, [reason.code for reason in found.reasons]


def test_marks_that_agree_in_side_place_and_size_are_one_lesion():
    sized = replace(AGREES, mri=MriMark(MRI, (54.0, -85.0, 20.0), (5.0, 6.0, 5.0)))
    known = replace(POSE, method=Method.TRUTH)
    assert verdict(AGREES, known) == verdict(sized, known) == (Verdict.MATCH, [])


def test_marks_are_doubtful_where_headers_speak_against_the_views():
    known, told = replace(POSE, method=Method.TRUTH), message("concordance.views_of_two_days")
    found = same_lesion(reviewed(AGREES, known), AGREES, PLANE, "L", of_views=[told])
    assert (found.verdict, found.reasons) == (Verdict.DOUBTFUL, (told,))


def test_it_is_open_while_neither_words_nor_correspondences_tell_the_place():
    assert verdict(AGREES) == verdict(AGREES, None) == (Verdict.OPEN, OPEN)
    assert verdict(AGREES, replace(POSE, method=Method.MRI_MARK)) == (Verdict.OPEN, OPEN)


def test_it_is_open_while_the_side_is_not_confirmed_or_not_known():
    region = Region(np.array(AGREES.mri.point_mm), np.eye(3) * 100.0)
    unsaid = replace(AGREES, side=None)
    assert verdict(unsaid, reported=region) == (Verdict.OPEN, ["concordance.side_unconfirmed"])
    assert verdict(AGREES, mri_side=None, reported=region) == (
        Verdict.OPEN,
        ["concordance.side_not_computed"],
    )


def test_there_is_no_verdict_while_a_mark_is_missing():
    assert same_lesion(reviewed(AGREES), replace(AGREES, mri=None), PLANE, None) is None
    assert same_lesion(reviewed(AGREES), replace(AGREES, us=None), PLANE, "L") is None


def test_the_other_side_or_a_place_far_away_is_no_correlate():
    assert verdict(AGREES, mri_side="R") == (Verdict.NO_CORRELATE, ["concordance.sides_differ"])
    known = replace(POSE, method=Method.TRUTH)
    assert verdict(AWAY, known) == (Verdict.NO_CORRELATE, ["concordance.far_apart"])
    told = ["concordance.far_apart", "concordance.outside_region"]
    assert verdict(AWAY, replace(POSE, landmarks=PAIRS)) == (Verdict.NO_CORRELATE, told)


def test_a_registration_that_is_too_unsure_to_tell_leaves_open_whether_the_marks_are_one_lesion():
    assert verdict(AWAY) == (Verdict.OPEN, ["concordance.unsure", *OPEN])
    near, elsewhere = (Region(np.array([54.0, -85.0, z]), np.eye(3) * 100.0) for z in (30.0, 0.0))
    start = replace(POSE, method=Method.CLOCK_FACE)
    assert verdict(AWAY, start, reported=near) == (Verdict.OPEN, ["concordance.unsure"])
    assert verdict(AWAY, start, reported=elsewhere) == (Verdict.DOUBTFUL, ["concordance.report_elsewhere"])
    one = replace(POSE, landmarks=(LandmarkPair((-40.0, 2.0), (10.0, -98.0, 20.0)),))
    assert verdict(AWAY, one) == (Verdict.OPEN, ["concordance.unsure"])


def test_another_size_is_doubtful():
    large = replace(AGREES, mri=MriMark(MRI, (54.0, -85.0, 20.0), (20.0, 9.0, 9.0)))
    assert verdict(large) == (Verdict.DOUBTFUL, ["concordance.sizes_differ"])


def test_a_place_that_the_reports_words_hardly_allow_is_doubtful():
    region = Region(np.array([54.0, -85.0, 60.0]), np.eye(3) * 100.0)
    near = Region(np.array([54.0, -85.0, 40.0]), np.eye(3) * 100.0)
    assert verdict(AGREES, reported=region) == (Verdict.DOUBTFUL, ["concordance.report_elsewhere"])
    assert verdict(AGREES, reported=near) == (Verdict.MATCH, [])


def test_a_place_outside_the_region_of_the_correspondences_is_doubtful():
    off = replace(AGREES, mri=MriMark(MRI, (54.0, -85.0, 33.0)))
    assert verdict(off, replace(POSE, landmarks=PAIRS)) == (Verdict.DOUBTFUL, ["concordance.outside_region"])
    assert verdict(AGREES, replace(POSE, landmarks=PAIRS)) == (Verdict.MATCH, [])
