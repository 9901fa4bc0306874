"""From a few clicks along a structure to a contour that tells a direction."""

from __future__ import annotations

import numpy as np
import pytest

from breastview.errors import RegistrationError
from breastview.registration.contours import (
    NEIGHBOURS,
    STEP_MM,
    US_POINTS,
    across,
    contour_of,
    run_together,
    surface_through,
)
from breastview.registration.parameters import ContourKind

US = [(-10.0, 5.0), (0.0, 6.0), (12.0, 5.0)]


def test_a_line_of_two_clicks_becomes_one_that_can_be_followed():
    line = contour_of(ContourKind.LINE, US[:2], [(0.0, 0.0, 0.0), (30.0, 0.0, 0.0)], "vessel")
    assert line.name == "vessel" and len(line.us_mm) == US_POINTS
    steps = np.linalg.norm(np.diff(line.mri_mm, axis=0), axis=1)
    assert len(line.mri_mm) > NEIGHBOURS and steps.max() <= STEP_MM + 0.2
    feet, directions = across(line.kind, np.array(line.mri_mm), np.array([[14.0, 3.0, 4.0]]))
    apart = directions[0] @ (np.array([14.0, 3.0, 4.0]) - feet[0])
    assert np.linalg.norm(apart) == pytest.approx(5.0)


def test_a_surface_is_flat_through_few_clicks_and_curved_through_many():
    flat = surface_through(np.array([[0.0, 0, 5], [20.0, 0, 5], [0.0, 20, 5], [20.0, 20, 5]]))
    assert flat[:, 2] == pytest.approx(5.0) and len(flat) > 20
    x, y = (g.ravel() for g in np.meshgrid(np.linspace(-20, 20, 4), np.linspace(-20, 20, 4)))
    bowl = surface_through(np.column_stack([x, y, 0.01 * (x**2 + y**2)]))
    assert bowl[:, 2] == pytest.approx(0.01 * (bowl[:, 0] ** 2 + bowl[:, 1] ** 2), abs=0.3)


@pytest.mark.parametrize(
    ("us", "mri", "code"),
    [
        (US[:1], [(0.0, 0.0, 0.0), (9.0, 0.0, 0.0)], "registration.contour_short"),
        (US, [(0.0, 0.0, 0.0)], "registration.contour_short"),
        (US, [(0.0, 0.0, 0.0), (9.0, 0.1, 0.0), (20.0, 0.0, 0.0)], "registration.surface_on_line"),
    ],
)
def test_clicks_that_fix_nothing_are_refused(us, mri, code):
    with pytest.raises(RegistrationError) as refused:
        contour_of(ContourKind.SURFACE, us, mri)
    assert refused.value.message.code == code


def test_two_contours_that_lie_on_one_another_are_one_structure():
    mri = [(0.0, 0.0, 0.0), (30.0, 0.0, 0.0)]
    line = contour_of(ContourKind.LINE, US, mri)
    assert run_together(line, contour_of(ContourKind.LINE, [(-8.0, 5.8), (14.0, 6.0)], mri))
    assert run_together(line, contour_of(ContourKind.LINE, [(2.0, 6.5), (8.0, 6.0)], mri)), "a part of it"
    assert not run_together(line, contour_of(ContourKind.LINE, [(-10.0, 8.5), (12.0, 8.5)], mri))
    assert not run_together(line, contour_of(ContourKind.LINE, [(0.0, 0.0), (0.0, 20.0)], mri)), "it crosses"
