"""Which pictures a report shows of a lesion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from breastview.imaging.case import PixelScale, Role, RoleChoice
from breastview.imaging.volume import FrameStack, Sector
from breastview.messages import message
from breastview.records.values import CaseIdentity, Lesion, ReviewRecord, UsMark
from breastview.registration.plane import us_plane
from breastview.report.key_images import key_images

LESION = Lesion("L1", us=UsMark("us", 0, 60, 40, 100, 80), second_us=UsMark("across", 0, 20, 10, 50, 30))


def stack(key: str, spacing_mm: float, grey: int) -> FrameStack:
    role = RoleChoice(Role.US_STILL, message("role.us_still"))
    scale = PixelScale((spacing_mm, spacing_mm), message("scale.region"))
    return FrameStack(key, role, np.full((1, 150, 180), grey, np.uint8), scale, Sector(0, 0, 180, 150))


STACKS = {"us": stack("us", 0.1, 90), "across": stack("across", 0.2, 50)}
PLANES = {key: us_plane(one) for key, one in STACKS.items()}


def images_of(lesion: Lesion, stacks=STACKS):
    record = ReviewRecord(CaseIdentity("f" * 64), lesions=(lesion,))
    return key_images(record, stacks, PLANES, {}, {})


def test_both_views_are_shown_the_first_one_first_each_in_its_own_picture_and_scale():
    first, second = images_of(LESION)
    assert [image.us_view for image in (first, second)] == [1, 2]
    assert [int(np.median(image.picture)) for image in (first, second)] == [90, 50]
    assert first.mm_per_px == pytest.approx(0.1 / 5) and second.mm_per_px == pytest.approx(0.2 / 5)


def test_without_a_second_view_there_is_one_picture():
    (only,) = images_of(replace(LESION, second_us=None))
    assert only.us_view == 0


def test_a_second_view_that_could_not_be_loaded_is_left_out():
    (first,) = images_of(LESION, {"us": STACKS["us"]})
    assert first.us_view == 1
