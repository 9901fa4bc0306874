"""Motion between DCE phases: found where it is known, left where there is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from breastview.errors import Cancelled, CaseError
from breastview.imaging.case import Role, RoleChoice
from breastview.imaging.dynamic import subtraction
from breastview.imaging.geometry import apply, frozen
from breastview.imaging.volume import Volume
from breastview.messages import message
from breastview.phantom.crops import maps_on
from breastview.phantom.exam import FIRST_PHASE
from breastview.phantom.maps import Grid
from breastview.phantom.patient import simulate
from breastview.phantom.scanner import scan
from breastview.registration import motion
from breastview.registration.motion import (
    breast_mask,
    corrected,
    find_motion,
    find_motions,
    matrix_of,
    most_corrected_mm,
)
from breastview.registration.parameters import PhaseMotion
from tests.registration.examples import oblique, volume_of

PATIENT = simulate(9)  # its lesion takes up much
GRID = Grid((-165.0, -70.0, -65.0), (2.6, 2.6, 2.0), (65, 76, 126))
MOVED_MM = (1.4, -2.2)  # along x and y, in the second phase; the third lies still
ROLE = RoleChoice(Role.DCE, message("role.user"))
BY_HAND = PhaseMotion(
    "post", "pre", (20.0, -10.0, 5.0), (2.0, -1.0, 3.0), (2.5, -1.0, 1.5), mean_mm=3.0, most_mm=3.24
)


def acquired(shifts_mm: dict[int, tuple[float, float]]) -> list[Volume]:
    """Three phases, each moved along x and y by its own shift."""
    shifts = np.zeros_like(PATIENT.exam.shifts_mm)
    for phase, shift in shifts_mm.items():
        shifts[FIRST_PHASE + phase - 1] = shift
    exam = replace(PATIENT.exam, shifts_mm=shifts)
    made = scan(maps_on(PATIENT, GRID), exam, PATIENT.stream("mri"), phases=3)
    return [
        Volume(f"dce_{k}", replace(ROLE, phase=k), *made[f"dce_{k}"], window=(0.0, 1.0)) for k in (1, 2, 3)
    ]


@pytest.fixture(scope="module")
def phases() -> list[Volume]:
    """Before contrast medium, moved after it, and later still where it was."""
    return acquired({2: MOVED_MM})


@pytest.fixture(scope="module")
def found(phases):
    return find_motion(phases[0], phases[1])


def errors_mm(moved: PhaseMotion, true_mm: tuple[float, float], pre: Volume) -> np.ndarray:
    places = apply(pre.index_to_lps, np.argwhere(breast_mask(pre))[::500])
    return np.linalg.norm(apply(matrix_of(moved), places) - places - (*true_mm, 0.0), axis=1)


def test_a_known_motion_is_found_to_a_quarter_of_a_voxel(phases, found):
    assert found.reason is None
    assert (found.volume_key, found.onto_key) == ("dce_2", "dce_1")
    assert errors_mm(found, MOVED_MM, phases[0]).mean() < 0.25 * np.hypot(*MOVED_MM)
    assert found.mean_mm <= found.most_mm < 4.0


def test_correcting_clears_the_subtraction_and_leaves_the_lesion_its_uptake(phases, found):
    pre, post, _ = phases
    true, moved, back = (subtraction(v, pre).array for v in (acquired({})[1], post, corrected(post, found)))
    breasts = breast_mask(pre)
    assert np.abs(back - true)[breasts].mean() < 0.5 * np.abs(moved - true)[breasts].mean()
    middle = np.rint(apply(pre.lps_to_index, PATIENT.lesion.centre_mm)).astype(int)
    lesion = tuple(slice(i - 2, i + 3) for i in middle)
    assert true[lesion].mean() > 50
    assert back[lesion].mean() == pytest.approx(true[lesion].mean(), rel=0.1)


def test_a_phase_that_lies_still_is_left_as_it_is(phases):
    found = find_motion(phases[0], phases[2])
    assert found.reason is not None and found.reason.code == "motion.still"
    assert corrected(phases[2], found) is phases[2]


def test_the_same_phases_give_the_same_answer(phases, found):
    told = []
    again = find_motions(phases[:2], lambda fraction, doing: told.append(fraction))
    assert again == (found,)
    assert told == sorted(told) and told[-1] <= 1.0


@pytest.mark.parametrize(
    ("bar", "value", "code"), [("MOST_MM", 1.0, "motion.too_far"), ("LEAST_GAIN", 9.0, "motion.no_gain")]
)
def test_what_is_implausible_is_declined(phases, monkeypatch, bar, value, code):
    monkeypatch.setattr(motion, bar, value)
    found = find_motion(phases[0], phases[1])
    assert found.reason is not None and found.reason.code == code
    assert most_corrected_mm([found]) is None


def test_correcting_takes_tissue_back_to_where_it_lay_before():
    def tissue(place: np.ndarray) -> np.ndarray:
        return 500 + 400 * np.sin(place / [9.0, 11.0, 13.0]).prod(axis=-1)

    matrix = oblique((2.0, 1.0, 1.0), (-10.0, -30.0, -20.0))
    back = np.linalg.inv(matrix_of(BY_HAND))
    shape = (20, 40, 44)
    lay = volume_of(tissue, shape, matrix).array
    lies = volume_of(lambda p: tissue(apply(back, p.reshape(-1, 3)).reshape(p.shape)), shape, matrix).array
    stored = frozen(np.rint(lies).astype(np.uint16))
    post = replace(volume_of(tissue, shape, matrix), key="post", array=stored)
    shown = corrected(post, BY_HAND)
    inner = (slice(4, -4), slice(8, -8), slice(8, -8))
    assert np.abs(stored[inner] - lay[inner]).max() > 50
    assert np.abs(shown.array[inner] - lay[inner]).max() < 3
    assert shown.array.dtype == np.uint16 and not shown.array.flags.writeable
    assert shown.notes == (message("motion.corrected", mm=3.2),)
    assert most_corrected_mm([BY_HAND]) == 3.24


def test_a_cancelled_search_ends(phases):
    def cancel(fraction, doing):
        if fraction > 0.1:
            raise Cancelled.of("job.cancelled")

    with pytest.raises(Cancelled):
        find_motion(phases[0], phases[1], cancel)


def test_phases_on_different_grids_are_refused(phases):
    other = replace(phases[1], index_to_lps=frozen(phases[1].index_to_lps + 0.1))
    with pytest.raises(CaseError) as refused:
        find_motion(phases[0], other)
    assert refused.value.message.code == "dynamic.grids_differ"
