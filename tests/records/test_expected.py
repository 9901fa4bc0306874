"""What a record expects of a lesion's place in the MRI, and the grade that follows from it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from breastview.imaging.geometry import frozen
from breastview.records.concordance import lesion_us_mm
from breastview.records.expected import lesion_grade, lesion_region, start_of, told_place
from breastview.records.values import CaseIdentity, FrameRegistration, MriMark, ReviewRecord
from breastview.registration.grade import Grade
from breastview.registration.parameters import LandmarkPair, Method, RegistrationParameters
from breastview.registration.plane import UsPlane
from breastview.registration.region import is_open_through_plane, region_around, region_in_us
from breastview.registration.skin import GRID_MM, Body
from breastview.registration.start import start_from_mri_mark
from breastview.registration.transform import map_points, moved, turned
from tests.records.examples import LESION as ELSEWHERE
from tests.records.examples import MRI, STILL

PLANE = UsPlane(origin_px=(130.0, 0.0), spacing_mm=(0.15, 0.15))
LESION = replace(ELSEWHERE, mri=MriMark(MRI, (60.0, -85.0, 0.0)))
POSE = RegistrationParameters((60.0, -100.0, 0.0), method=Method.MRI_MARK)
AROUND = ((-12.0, 8.0), (14.0, 9.0), (-9.0, 27.0), (11.0, 26.0))


def dome() -> Body:
    """One half ellipsoid of 60 mm in front of a chest behind y = 0, on the patient's left."""
    x, y, z = np.meshgrid(
        *(np.arange(a, b, GRID_MM) for a, b in ((-10, 130), (-90, 30), (-70, 70))), indexing="ij"
    )
    mask = (y > 0) | (((x - 60) / 60) ** 2 + (y / 80) ** 2 + (z / 60) ** 2 < 1)
    return Body(frozen(mask), np.array([-10.0, -90.0, -70.0]))


def record_of(parameters):
    entries = (FrameRegistration(STILL, 0, parameters),) if parameters else ()
    return ReviewRecord(CaseIdentity("f" * 64), lesions=(LESION,), registrations=entries)


def matched(count):
    places = map_points(POSE, np.array(AROUND[:count]))
    pairs = tuple(LandmarkPair(us, tuple(mri)) for us, mri in zip(AROUND, places.tolist(), strict=False))
    return replace(POSE, method=Method.LANDMARKS, landmarks=pairs)


def test_the_words_give_a_place_only_when_they_are_whole():
    told = told_place(LESION, dome())
    assert told is not None and told.centre_mm[0] > 60
    assert told_place(replace(LESION, clock_h=None), dome()) is None
    assert told_place(LESION, None) is None
    assert told_place(replace(LESION, nipple_distance_mm=400.0), dome()) is None


def test_an_estimate_starts_at_the_words_with_the_probe_as_it_is_held():
    us_mm = lesion_us_mm(LESION, PLANE)
    assert us_mm == pytest.approx((0.0, 15.0375))
    begun = start_of(LESION, us_mm, dome(), replace(POSE, angles_deg=(8.0, 80.0, 0.0)))
    assert begun.mri_mm == pytest.approx(told_place(LESION, dome()).centre_mm)
    assert begun.turn @ [1, 0, 0] == pytest.approx([0, 0, -1], abs=0.3)


@pytest.mark.parametrize(
    ("parameters", "plane", "grade"),
    [
        (None, PLANE, None),
        (replace(POSE, method=Method.MANUAL), PLANE, Grade.SIDE),
        (POSE, PLANE, Grade.REGION),
        (matched(4), None, Grade.SIDE),
        (matched(4), PLANE, Grade.LANDMARKS),
        (replace(matched(4), confirmed=True), PLANE, Grade.CONFIRMED),
    ],
)
def test_a_registration_is_worth_what_bears_it_out(parameters, plane, grade):
    assert lesion_grade(record_of(parameters), LESION, plane, None) is grade


def corrected(start, by_mm=(0.0, 0.0, 0.0), turn_deg=0.0):
    """A pose that began at the lesion's MRI mark and was corrected by hand, about the lesion."""
    us_mm = lesion_us_mm(LESION, PLANE)
    begun = replace(start_from_mri_mark(us_mm, LESION.mri.point_mm), method=start)
    return moved(turned(begun, "y", turn_deg, (*us_mm, 0.0)), by_mm)


@pytest.mark.parametrize(
    ("parameters", "grade"),
    [
        (corrected(Method.MRI_MARK, turn_deg=80.0), Grade.REGION),
        (corrected(Method.MRI_MARK, (6.0, 0.0, 6.0)), Grade.REGION),
        (corrected(Method.MRI_MARK, (0.0, 0.0, 11.0)), Grade.SIDE),
        (moved(corrected(Method.MRI_MARK, (0.0, 0.0, 11.0)), (0.0, 0.0, -11.0)), Grade.REGION),
        (corrected(Method.FILE, turn_deg=5.0), Grade.SIDE),
        (corrected(Method.MANUAL, turn_deg=5.0), Grade.SIDE),
    ],
)
def test_a_hand_that_corrects_a_start_keeps_its_region_and_never_gains_one(parameters, grade):
    assert parameters.method is Method.MANUAL
    assert lesion_grade(record_of(parameters), LESION, PLANE, None) is grade


@pytest.mark.parametrize(("away_mm", "grade"), [(0.0, Grade.REGION), (60.0, Grade.SIDE)])
def test_a_start_from_words_bears_as_far_as_their_region(away_mm, grade):
    told, us_mm = told_place(LESION, dome()), lesion_us_mm(LESION, PLANE)
    begun = replace(start_from_mri_mark(us_mm, told.point_mm), method=Method.CLOCK_FACE)
    corrected_ = moved(begun, (0.0, 0.0, away_mm + 1.0))
    assert lesion_grade(record_of(corrected_), LESION, PLANE, dome()) is grade


def test_pairs_of_one_plane_say_little_of_what_lies_through_it():
    region = lesion_region(record_of(matched(4)), LESION, PLANE, None)
    assert region.centre_mm == pytest.approx(map_points(POSE, np.array([0.0, 15.0])), abs=1.5)
    assert not is_open_through_plane(region_in_us(POSE, region))
    seen = region_in_us(POSE, region_around(matched(4), region.point_mm))
    assert seen.centre_mm == pytest.approx([0.0, 15.0, 0.0], abs=1.5)
    assert seen.radius_mm == pytest.approx(region.radius_mm, rel=0.15)


def test_a_true_registration_leaves_nothing_to_guess():
    true = replace(POSE, method=Method.TRUTH)
    assert lesion_region(record_of(POSE), LESION, PLANE, dome()) is not None
    assert lesion_region(record_of(true), LESION, PLANE, dome()) is None
    assert lesion_grade(record_of(true), LESION, PLANE, dome()) is Grade.CONFIRMED


def test_a_mark_outside_the_region_takes_the_grade_that_pairs_would_give():
    away = replace(LESION, mri=MriMark(MRI, (60.0, -85.0, 30.0)))
    assert lesion_grade(record_of(matched(4)), LESION, PLANE, None) is Grade.LANDMARKS
    assert lesion_grade(record_of(matched(4)), away, PLANE, None) is Grade.REGION
