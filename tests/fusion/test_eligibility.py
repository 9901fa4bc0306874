"""The scope gate: every reason against a reading, not only the first."""

from __future__ import annotations

import datetime
from dataclasses import replace

import numpy as np
import pytest

from breastview.fusion.assemble import model_input
from breastview.fusion.eligibility import can_compute, check_scope
from breastview.fusion.spec import Scope
from breastview.imaging.case import Patient, Role, ScannedFrames
from breastview.imaging.volume import Sector
from breastview.messages import message
from breastview.records.values import MriMark, UsMark
from breastview.registration.parameters import RegistrationParameters
from tests.fusion.examples import NATIVE, SPEC, case, lesion, plane, record, scanned, stack, stacks, volumes

PLANE = plane()


def reasons(
    scope=SPEC.scope,
    found=None,
    marked=None,
    known=None,
    at=PLANE,
    mri_side="R",
    seen=None,
    still=None,
    spec=SPEC,
):
    """What speaks against reading an otherwise complete case."""
    marked = marked or lesion()
    known = known or record(marked)
    spec = replace(spec, scope=scope)
    given = model_input(
        spec, known, marked, stacks(still or stack()), at, volumes() if seen is None else seen
    )
    answer = check_scope(spec, found or case(), known, marked, at, mri_side, given)
    assert answer.eligible is not bool(answer.reasons)
    return list(answer.reasons)


def test_a_complete_case_inside_the_scope_is_eligible():
    assert reasons() == []


US_ALONE = replace(SPEC, us_scope=Scope(sources=("stills",), modalities=("us",), required_channels=()))


def us_alone(spec=US_ALONE, found=None, marked=None, still=None, extra=None):
    """Whether ultrasound alone may be read of a case without MRI and without a scale."""
    marked = marked or replace(lesion(), mri=None, side=None)
    known = replace(record(marked), registrations=(), extra=extra or {})
    given = model_input(spec, known, marked, stacks(still or stack()), None, {})
    answer = check_scope(spec, found or replace(case(), volumes=()), known, marked, None, None, given)
    assert not answer.eligible and answer.reasons
    return answer.us_only


def test_ultrasound_alone_needs_a_bundle_that_was_validated_for_it_and_nothing_of_mri():
    assert us_alone()
    assert not us_alone(SPEC)
    assert not us_alone(marked=replace(lesion(), us=None))


def test_ultrasound_that_is_read_alone_for_want_of_mri_lacks_nothing_else():
    spec = replace(US_ALONE, scope=Scope(simulated_only=True))
    marked = replace(lesion(), mri=None, side=None)
    given = model_input(spec, record(marked), marked, stacks(), None, {})
    found = replace(case(), volumes=())
    answer = check_scope(spec, found, record(marked), marked, None, None, given)
    assert answer.us_only and answer.reasons == (message("scope.no_mri"),)
    paired = check_scope(spec, case(), record(marked), marked, None, None, given)
    assert paired.us_only and message("scope.simulated_only") in paired.reasons


def test_a_case_inside_the_whole_scope_is_not_read_by_ultrasound_alone():
    given = model_input(US_ALONE, record(lesion()), lesion(), stacks(), PLANE, volumes())
    answer = check_scope(US_ALONE, case(), record(lesion()), lesion(), PLANE, "R", given)
    assert answer.eligible and not answer.us_only


def test_ultrasound_alone_has_bounds_of_its_own():
    young = replace(US_ALONE, us_scope=replace(US_ALONE.us_scope, min_age_y=99))
    assert not us_alone(young)
    dense = replace(US_ALONE, us_scope=replace(US_ALONE.us_scope, densities=("a",)))
    assert us_alone(dense) and not us_alone(dense, extra={"density": "d"})
    assert not us_alone(found=case(simulated=True))


def test_without_a_marked_lesion_there_is_nothing_to_read():
    answer = check_scope(SPEC, case(), record(), None, plane(), "R", None)
    assert not answer.eligible
    assert answer.reasons == (message("scope.no_lesion"),)


@pytest.mark.parametrize(
    ("part", "code"),
    [
        ({"us": None}, "concordance.no_us_mark"),
        ({"mri": None}, "concordance.no_mri_mark"),
        ({"side": None}, "concordance.side_unconfirmed"),
    ],
    ids=["us", "mri", "side"],
)
def test_an_unmarked_lesion_is_not_read(part, code):
    assert message(code) in reasons(marked=replace(lesion(), **part))


def test_a_side_that_cannot_be_computed_is_not_taken_for_agreement():
    assert reasons(mri_side=None) == [message("concordance.side_not_computed")]


def test_sides_that_disagree_are_not_fused():
    assert reasons(mri_side="L") == [message("concordance.sides_differ", us="R", mri="L")]


def test_marks_that_are_far_apart_are_not_fused():
    x, y, z = lesion().mri.point_mm
    away = replace(lesion(), mri=MriMark("t1wi", (x, y, z + 21.0)))
    assert reasons(marked=away) == [message("concordance.far_apart", mm=21)]


def test_an_image_without_scale_is_not_fused():
    assert reasons(at=None) == [
        message("concordance.no_scale"),
        message("scope.no_channel"),
    ]


def test_an_unregistered_case_is_not_fused():
    assert reasons(known=record(lesion(), pose=None)) == [
        message("concordance.no_registration"),
        message("scope.no_channel"),
    ]


def test_a_model_of_native_mri_asks_for_neither_scale_nor_registration():
    alone = record(lesion(), pose=None)
    assert reasons(spec=NATIVE, known=alone, at=None) == reasons(spec=NATIVE, known=alone) == []
    assert reasons(spec=NATIVE, known=alone, at=None, scope=Scope(sizes_mm=(5.0, 40.0))) == [
        message("scope.size_unknown", low=5.0, high=40.0)
    ]


def test_a_model_of_native_mri_still_wants_one_lesion():
    x, y, z = lesion().mri.point_mm
    away = replace(lesion(), mri=MriMark("t1wi", (x, y, z + 21.0)))
    assert reasons(spec=NATIVE, marked=away) == [message("concordance.far_apart", mm=21)]
    assert reasons(spec=NATIVE, mri_side="L") == [message("concordance.sides_differ", us="R", mri="L")]
    outside = replace(lesion(), mri=MriMark("t1wi", (400.0, 9.0, 0.0)))
    assert reasons(spec=NATIVE, marked=outside, known=record(outside, pose=None)) == [
        message("scope.no_native_channel")
    ]


def test_a_case_without_mri_has_no_fused_score():
    empty = replace(case(), volumes=())
    assert reasons(found=empty, seen={}) == [message("scope.no_mri")]


def test_mri_of_which_the_model_reads_nothing_is_said_to_be_that():
    lone = case(scanned(Role.DCE, "after", phase=2))
    assert reasons(found=lone, seen={"dce_post": volumes()["dce_post"]}) == [message("scope.no_image")]
    assert reasons(found=case(scanned(Role.OTHER)), seen={}) == [message("scope.no_image")]
    pair = case(scanned(Role.DCE, "before", phase=1), scanned(Role.DCE, "after", phase=2))
    assert message("scope.no_image") not in reasons(found=pair)


def test_mri_beside_the_plane_has_no_fused_score():
    away = RegistrationParameters(centre_mm=(400.0, 0.0, 0.0))
    far = replace(lesion(), mri=MriMark("t1wi", (400.0, 9.0, 0.0)))
    assert reasons(known=record(far, pose=away), marked=far) == [message("scope.no_channel")]


def test_a_required_channel_that_is_missing_is_named():
    scope = Scope(required_channels=("t2wi", "dce"))
    seen = {name: volume for name, volume in volumes().items() if name in ("t1wi", "dce_post")}
    assert reasons(scope=scope, seen=seen) == [
        message("scope.missing_channel", channel="T2WI"),
        message("scope.missing_channel", channel="DCE"),
    ]
    assert reasons(scope=Scope(required_channels=()), seen=seen) == []


def test_a_model_of_simulated_patients_reads_simulated_patients_only():
    scope = Scope(simulated_only=True)
    assert reasons(scope=scope) == [message("scope.simulated_only")]
    assert reasons(scope=scope, found=case(simulated=True)) == []


@pytest.mark.parametrize(("age_y", "codes"), [(29, ["too_young"]), (30, []), (None, ["age_unknown"])])
def test_nobody_below_the_validated_age_or_of_unknown_age_is_read(age_y, codes):
    against = reasons(scope=Scope(min_age_y=30), found=case(age_y=age_y))
    assert against == [message(f"scope.{code}", age=30) for code in codes]


@pytest.mark.parametrize(("day", "codes"), [(4, ["too_young"]), (5, [])])
def test_an_age_that_the_header_leaves_out_follows_from_the_birth_date(day, codes):
    born = Patient(birth_date=datetime.date(1996, 3, 5))
    days = datetime.date(2020, 3, 5), datetime.date(2026, 3, day)
    exams = [replace(scanned(Role.T1WI), exam_date=each) for each in days]
    against = reasons(scope=Scope(min_age_y=30), found=replace(case(*exams), patient=born))
    assert against == [message(f"scope.{code}", age=30) for code in codes]


def test_a_box_beside_the_image_is_not_read():
    still = replace(stack(), sector=Sector(0, 0, 100, 80))
    boxes = {"in it": (60, 40, 90, 70), "mostly in it": (60, 40, 120, 70), "beside it": (90, 40, 125, 70)}
    against = {
        name: [
            reason.code
            for reason in reasons(marked=replace(lesion(), us=UsMark("frames", 0, *box)), still=still)
        ]
        for name, box in boxes.items()
    }
    assert {name: "scope.us_beside" in codes for name, codes in against.items()} == {
        "in it": False,
        "mostly in it": False,
        "beside it": True,
    }


@pytest.mark.parametrize("key", ["frames", "another"])
def test_a_frame_whose_header_tells_of_colour_flow_is_not_read(key):
    frames = ScannedFrames(key, "", "", "", stack().role, (), 120, 160, None, doppler=True)
    against = reasons(found=replace(case(), frames=(frames,)))
    assert against == ([message("scope.us_covered")] if key == "frames" else [])


@pytest.mark.parametrize(
    ("told", "other", "codes"),
    [
        (("R", 5), ("R", 5), []),
        (("", None), ("R", 5), []),
        (("L", 5), None, ["us_of_other_side"]),
        (("L", 5), ("", 5), ["us_of_other_side"]),
        (("R", 5), ("L", 5), ["views_of_two_breasts"]),
        (("R", 5), ("R", 6), ["views_of_two_days"]),
    ],
)
def test_a_lesion_is_not_read_where_its_us_images_say_another_side_or_day(told, other, codes):
    views = {"frames": told, "another": other} if other else {"frames": told}
    stills = tuple(
        ScannedFrames(
            key,
            "",
            "",
            "",
            stack().role,
            (),
            120,
            160,
            None,
            laterality=side,
            exam_date=day and datetime.date(2026, 3, day),
        )
        for key, (side, day) in views.items()
    )
    marked = replace(lesion(), second_us=replace(lesion().us, frames_key="another") if other else None)
    against = reasons(marked=marked, found=replace(case(), frames=stills))
    assert [reason.code for reason in against] == [f"concordance.{code}" for code in codes]
    alone = us_alone(marked=replace(marked, mri=None), found=replace(case(), volumes=(), frames=stills))
    assert alone is not bool(codes)


def test_a_picture_with_colour_over_the_lesion_is_not_read_whatever_its_header_says():
    colour = np.repeat(stack().frames[..., None], 3, axis=3)
    colour[0, 45:60, 70:90] = 250, 60, 10
    seen = replace(stack(), frames=colour)
    assert reasons(still=seen) == [message("scope.us_covered")]
    beside = np.repeat(stack().frames[..., None], 3, axis=3)
    beside[0, 90:110, 120:150] = 250, 60, 10
    assert reasons(still=replace(stack(), frames=beside)) == []


def test_every_reason_is_given_and_not_only_the_first():
    scope = Scope(simulated_only=True, min_age_y=40)
    found = case(scanned(Role.T1WI), age_y=33)
    assert len(reasons(scope=scope, found=found, marked=replace(lesion(), side=None, mri=None), at=None)) == 6


def test_there_is_something_to_compute_from_as_soon_as_one_image_is_cut():
    known = record(lesion())
    us_alone = model_input(SPEC, known, lesion(), stacks(), None, {})
    nothing = model_input(SPEC, known, replace(lesion(), us=None), stacks(), plane(), volumes())
    assert can_compute(us_alone)
    assert not can_compute(nothing) and not can_compute(None)
    assert not np.any(nothing.channels_present)


@pytest.mark.parametrize(("age_y", "codes"), [(80, []), (81, ["too_old"])])
def test_nobody_above_the_validated_age_is_read(age_y, codes):
    against = reasons(scope=Scope(max_age_y=80), found=case(age_y=age_y))
    assert against == [message(f"scope.{code}", age=80) for code in codes]


def test_the_maker_of_the_exam_before_does_not_matter():
    ge, siemens = (replace(scanned(Role.T1WI), manufacturer=name) for name in ("GE", "SIEMENS"))
    before = replace(siemens, study_uid="before", exam_date=datetime.date(2020, 1, 1))
    now = replace(ge, study_uid="now", exam_date=datetime.date(2021, 1, 1))
    found = replace(case(now), volumes=(before, now))
    assert reasons(scope=Scope(scanners=("GE Brivo",)), found=found) == []


def test_mri_of_another_maker_is_not_read():
    scope = Scope(scanners=("GE MEDICAL SYSTEMS Brivo MR355",))
    ge = case(replace(scanned(Role.T1WI), manufacturer="GE MEDICAL SYSTEMS"))
    other = case(replace(scanned(Role.T1WI), manufacturer="SIEMENS"))
    assert reasons(scope=scope, found=ge) == []
    assert reasons(scope=scope, found=case()) == []  # no header says who made it
    assert reasons(scope=scope, found=other) == [
        message("scope.other_scanner", scanners=scope.scanners[0], maker="SIEMENS")
    ]
    assert reasons(scope=Scope(), found=other) == []
    simulated = Scope(simulated_only=True, scanners=("simulated 1.5 T",))
    assert reasons(scope=simulated, found=other) == [message("scope.simulated_only")]


def test_a_lesion_outside_the_validated_sizes_is_not_read():
    width_mm = 8.0  # 40 px of 0.2 mm
    assert reasons(scope=Scope(sizes_mm=(5.0, width_mm))) == []
    assert reasons(scope=Scope(sizes_mm=(9.0, 40.0))) == [
        message("scope.other_size", low=9.0, high=40.0, mm=width_mm)
    ]


def test_a_density_that_the_record_tells_is_held_against_the_scope():
    scope = Scope(densities=("a", "b"))
    dense = replace(record(lesion()), extra={"density": "D"})
    own = replace(record(lesion()), extra={"density": "D", "L1.density": "b"})
    assert reasons(scope=scope, known=dense) == [
        message("scope.other_density", densities="a, b", density="D")
    ]
    assert reasons(scope=scope, known=own) == [] and reasons(scope=scope) == []


def test_colour_over_the_second_view_is_as_bad_as_over_the_first():
    marked = replace(lesion(), second_us=UsMark("across", 0, 30, 50, 70, 90))
    frames = ScannedFrames("across", "", "", "", stack().role, (), 120, 160, None, doppler=True)
    assert reasons(marked=marked, found=replace(case(), frames=(frames,))) == [message("scope.us_covered")]
