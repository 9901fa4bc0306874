"""Snap finds a lost pose again, says why when it should not be trusted, and stops when told to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from breastview.errors import Cancelled, RegistrationError
from breastview.imaging.case import PixelScale, Role, RoleChoice
from breastview.imaging.geometry import apply, frozen
from breastview.imaging.volume import FrameStack, Sector, Volume
from breastview.messages import message, render
from breastview.registration.estimate import errors_of_a_pose, estimate
from breastview.registration.landmarks import residuals_mm
from breastview.registration.landscape import DOUBT, TRUST, Landscape, known_of
from breastview.registration.lc2 import mri_block, us_patches
from breastview.registration.outline import Outline
from breastview.registration.parameters import Contour, ContourKind, LandmarkPair, RegistrationParameters
from breastview.registration.plane import us_plane
from breastview.registration.region import unsure_start
from breastview.registration.search import MARGIN_MM, NEAR, REACH, _scattered, move_matrix, peaks_around
from breastview.registration.snap import is_judged, propose_snap, snap_volumes
from breastview.registration.transform import map_points, moved, turned, us_to_mri

TRUTH = RegistrationParameters((10.0, -40.0, 20.0), (4.0, -6.0, 3.0))
STEP_MM, ROWS, COLUMNS = 0.2, 140, 150
SECTOR = Sector(10, 12, 10 + COLUMNS, 12 + ROWS)
LESION = Outline(-9.0, 5.0, 9.0, 23.0)
MIDDLE = np.array([[0.0, 14.0]])


def blobs(lps: np.ndarray) -> np.ndarray:
    """Tissue 0…1 at LPS mm (..., 3): blobs of 6 mm, nowhere the same."""
    noise = ndimage.gaussian_filter(np.random.default_rng(3).normal(size=(60, 60, 60)), 2.0, mode="wrap")
    index = np.moveaxis((np.asarray(lps) - TRUTH.centre_mm) / 1.5 + 30, -1, 0)
    return (ndimage.map_coordinates(noise, index, order=1, mode="grid-wrap") > 0).astype(np.float32)


@pytest.fixture(scope="module")
def mri() -> Volume:
    """Axial slices of 2 mm; the tissue is bright, what surrounds it half as bright."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.eye(3)[:, ::-1] * (2.0, 1.0, 1.0)
    matrix[:3, 3] = np.array(TRUTH.centre_mm) - (45, 30, 40)
    shape = (40, 85, 90)
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    array = 300 + 300 * ndimage.gaussian_filter(blobs(apply(matrix, index)), 0.4)
    role = RoleChoice(Role.T1WI, message("role.user"))
    return Volume("t1wi", role, frozen(array), frozen(matrix), (0.0, 1.0))


@pytest.fixture(scope="module")
def still() -> FrameStack:
    """The same tissue dark on ultrasound, with speckle, darker with depth, in a black picture."""
    x = (np.arange(COLUMNS) - (COLUMNS - 1) / 2) * STEP_MM
    y = np.arange(ROWS) * STEP_MM
    tissue = blobs(map_points(TRUTH, np.stack(np.meshgrid(x, y), axis=-1)))
    speckle = np.random.default_rng(5).normal(size=tissue.shape)
    grey = np.zeros((ROWS + 30, COLUMNS + 30), np.uint8)
    sector = np.clip(150 - 60 * tissue + 25 * speckle - y[:, None], 1, 255)
    grey[SECTOR.top : SECTOR.bottom, SECTOR.left : SECTOR.right] = sector
    scale = PixelScale((STEP_MM, STEP_MM), message("scale.region"))
    role = RoleChoice(Role.US_STILL, message("role.us_still"))
    return FrameStack("us", role, frozen(grey[None]), scale, SECTOR)


def lost() -> RegistrationParameters:
    """The true pose, 7 mm and 5° off."""
    return turned(moved(TRUTH, (4.0, -3.0, 5.0)), "y", 5.0, (0.0, 14.0, 0.0))


def missed_mm(pose: RegistrationParameters) -> float:
    return float(np.linalg.norm(map_points(pose, MIDDLE) - map_points(TRUTH, MIDDLE)))


def pair_of(pose: RegistrationParameters, x: float, y: float, **changes) -> LandmarkPair:
    """A pair that a pose fits."""
    return LandmarkPair((x, y), tuple(map(float, map_points(pose, np.array([x, y])))), **changes)


def landscape(still, mri, present, lesion=None) -> Landscape:
    looks = [us_patches(still, 0, us_plane(still), (), *look) for look in NEAR]
    block = mri_block([mri], us_to_mri(present), looks[0].points_mm, MARGIN_MM)
    pivot = looks[0].points_mm.reshape(-1, 3).mean(axis=0)
    return Landscape(looks, block, pivot, known_of(present, lesion))


@pytest.fixture(scope="module")
def proposal(still, mri):
    return propose_snap(still, 0, [mri], lost())


def codes(proposal) -> list[str]:
    return [reason.code for reason in proposal.reasons]


def test_a_lost_pose_is_found_again(proposal):
    assert missed_mm(lost()) > 6.0
    assert missed_mm(proposal.parameters) < 1.0
    assert proposal.offered and proposal.reasons == ()
    assert proposal.after > 2 * proposal.before
    assert proposal.moved_mm == pytest.approx(missed_mm(lost()), abs=2.0)


def test_the_same_input_gives_the_same_pose(still, mri, proposal):
    assert propose_snap(still, 0, [mri], lost()) == proposal


def test_what_its_blocks_leave_is_what_the_whole_picture_leaves(still, mri):
    ways = landscape(still, mri, lost())
    moves = np.array([[0.0, 0, 0, 0, 0, 0], [3.0, -2, 1, 4, 0, -5]])
    left = ways.left_by_block(moves)
    assert left.shape[1] > 8
    squares = (ways.residuals(moves)[:, :-6] ** 2).sum(axis=1)  # the last six are the pull
    assert left.sum(axis=1) == pytest.approx(squares, rel=1e-5)
    assert left.sum(axis=1) == pytest.approx(1 - ways.explained(moves), abs=0.002)  # but for the ridge


def test_a_place_that_one_part_alone_speaks_for_is_unsteady(monkeypatch, still, mri, proposal):
    assert proposal.unsteady_mm < 2.0
    monkeypatch.setattr("breastview.registration.proposal.MOST_UNSTEADY_MM", proposal.unsteady_mm - 0.01)
    assert codes(propose_snap(still, 0, [mri], lost())) == ["snap.unsteady"]


class Believer:
    """Stands in for the network: holds one of the peaks for true, or none."""

    def __init__(self, place: int | None) -> None:
        self._place = place

    def odds(self, maps, heights):
        return np.arange(len(maps))

    def shares(self, odds):
        return np.where(odds == self._place, 0.99, 1e-6)


@pytest.fixture
def all_four(mri):
    roles = ((Role.T1WI, None), (Role.T2WI, None), (Role.DCE, 1), (Role.DCE, 2))
    return [replace(mri, role=RoleChoice(role, message("role.user"), phase=phase)) for role, phase in roles]


def test_where_all_four_images_are_there_the_network_says_which_place_is_true(
    monkeypatch, few, still, all_four
):
    monkeypatch.setattr("breastview.registration.snap.shipped", lambda: Believer(1))
    chosen = propose_snap(still, 0, all_four, lost())
    peaks = peaks_around(still, 0, all_four, lost())
    matrix = us_to_mri(lost()) @ move_matrix(peaks.moves[1], peaks.pivot)
    assert us_to_mri(chosen.parameters) == pytest.approx(matrix, abs=1e-6)
    assert chosen.surety == pytest.approx(0.99, abs=1e-3) and "snap.unsure" not in codes(chosen)


def test_where_the_network_holds_no_place_for_true_none_is_offered(monkeypatch, few, still, all_four):
    monkeypatch.setattr("breastview.registration.snap.shipped", lambda: Believer(None))
    proposal = propose_snap(still, 0, all_four, lost())
    assert proposal.surety < 0.01 and "snap.unsure" in codes(proposal)
    assert "at most 0 %" in render(next(one for one in proposal.reasons if one.code == "snap.unsure"))


def test_with_fewer_images_the_network_is_not_asked(proposal, all_four):
    assert proposal.surety is None
    assert is_judged(all_four) and not is_judged(all_four[:3]) and not is_judged(all_four[::-1])


def test_a_pose_that_is_right_stays(still, mri):
    proposal = propose_snap(still, 0, [mri], TRUTH)
    assert not proposal.offered
    assert "snap.stays" in codes(proposal)


def test_a_pose_that_is_far_in_several_directions_is_not_offered(monkeypatch, few, still, mri):
    def offer(most_mm):
        monkeypatch.setattr("breastview.registration.proposal.MOST_MOVED_MM", most_mm)
        return codes(propose_snap(still, 0, [mri], lost()))

    assert offer(11.0) == [] and offer(5.0) == ["snap.at_edge"]


def test_a_pose_out_of_reach_is_not_offered(still, mri):
    proposal = propose_snap(still, 0, [mri], moved(TRUTH, (0.0, 0.0, 26.0)))
    assert not proposal.offered


@pytest.fixture
def few(monkeypatch):
    """A search with few starts."""
    for name, count in (("SCATTERED", 512), ("STARTS", 6), ("FINALISTS", 4)):
        monkeypatch.setattr(f"breastview.registration.search.{name}", count)


def test_pairs_that_the_picture_contradicts_hold_it_where_they_are(monkeypatch, few, still, mri):
    seen = tuple(pair_of(lost(), x, y, weight=9.0) for x, y in ((-10.0, 10.0), (10.0, 12.0), (0.0, 24.0)))
    present = replace(lost(), landmarks=seen)
    proposal = propose_snap(still, 0, [mri], present)
    assert max(residuals_mm(proposal.parameters, seen)) < 2.5
    assert proposal.parameters.landmarks == seen
    monkeypatch.setattr("breastview.registration.landscape.TRUST", 0.0)
    proposal = propose_snap(still, 0, [mri], present)
    assert max(residuals_mm(proposal.parameters, seen)) > 6.0
    assert "snap.parted" in codes(proposal)


def test_a_true_pair_brings_a_pose_that_its_start_left_far_behind(few, still, mri):
    astray = moved(TRUTH, (0.0, 0.0, 9.0))
    proposal = propose_snap(still, 0, [mri], replace(astray, landmarks=(pair_of(TRUTH, 0.0, 14.0),)))
    assert missed_mm(proposal.parameters) < 1.0 and proposal.offered


def test_what_nobody_placed_changes_nothing(few, still, mri):
    guess = pair_of(moved(TRUTH, (4.0, 0.0, 0.0)), 0.0, 14.0, predicted=True)
    found = propose_snap(still, 0, [mri], replace(lost(), landmarks=(guess,)), lesion=LESION)
    assert replace(found, parameters=replace(found.parameters, landmarks=())) == propose_snap(
        still, 0, [mri], lost()
    )


def test_residuals_of_what_is_placed_belong_to_the_height(still, mri):
    present = replace(lost(), landmarks=(pair_of(TRUTH, 2.0, 12.0),))
    moves = np.array([[0.0, 0, 0, 0, 0, 0], [3.0, -2, 1, 4, 0, -5]])
    ways = landscape(still, mri, present)
    assert (ways.residuals(moves) ** 2).sum(axis=1) == pytest.approx(1 - ways.height(moves), abs=0.002)
    less = landscape(still, mri, lost()).height(moves) - ways.height(moves)
    assert less == pytest.approx(TRUST * DOUBT / 2 * (ways.missed(moves) ** 2).sum(axis=1))
    assert less.min() > 0.005


def test_a_pair_is_missed_by_what_a_move_leaves_of_it_in_standard_deviations(still, mri):
    present = replace(lost(), landmarks=(pair_of(moved(lost(), (3.0, 0.0, 0.0)), 0.0, 14.0),))
    found = estimate(present.placed, (), unsure_start(present, (0.0, 14.0)))
    x, y, z = np.sqrt(np.diag(errors_of_a_pose(found)))
    ways = landscape(still, mri, present)
    across = ways.missed(np.array([[0.0, 0, 0, 0, 0, 0], [3.0, 0, 0, 0, 0, 0], [3.0, 0, 4.0, 0, 0, 0]]))
    assert np.abs(across).max(axis=1) == pytest.approx([3.0 / x, 0.0, 4.0 / z], rel=0.05, abs=1e-6)
    assert y > z, "a click in the US plane says nothing across it"


def test_what_lies_on_the_lesion_shares_its_error_and_weighs_less(still, mri):
    present = replace(lost(), landmarks=(pair_of(TRUTH, 0.0, 14.0),))
    alone, shared = (
        (landscape(still, mri, present, lesion).missed(np.zeros((1, 6))) ** 2).sum()
        for lesion in (None, LESION)
    )
    assert 0.2 * alone < shared < 0.8 * alone


def test_a_surface_holds_across_itself_alone(still, mri):
    places = np.array([[x, 4.0] for x in (-12.0, -6.0, 0.0, 6.0, 12.0)])
    sheet = np.array([[x, 4.0, z] for x in np.arange(-30, 31, 3) for z in np.arange(-15, 16, 3)])
    skin = Contour(
        ContourKind.SURFACE,
        tuple(map(tuple, places.tolist())),
        tuple(map(tuple, map_points(lost(), sheet).tolist())),
    )
    ways = landscape(still, mri, replace(lost(), contours=(skin,)))
    along, across = (ways.missed(np.array([[*shift, 0, 0, 0]])) for shift in ((4.0, 0, 4.0), (0, 4.0, 0)))
    assert np.abs(along).max() < 0.05
    assert (across**2).sum() > 1.0


def test_where_something_is_placed_the_starts_gather_around_it(still, mri):
    ways = landscape(still, mri, replace(lost(), landmarks=(pair_of(TRUTH, 0.0, 14.0),)))
    even, gathered = _scattered(landscape(still, mri, lost())), _scattered(ways)
    assert even.shape == gathered.shape and np.abs(gathered).max() <= REACH
    farthest = [np.sqrt((ways.missed(moves) ** 2).sum(axis=1)).max() for moves in (even, gathered)]
    assert farthest[1] < farthest[0] / 3
    assert np.abs(gathered[:, 3:]).max(axis=0) == pytest.approx([REACH] * 3, abs=0.5), "turns stay open"


def test_a_picture_of_nothing_is_not_offered(still, mri):
    noise = np.random.default_rng(1).integers(90, 110, still.frames.shape).astype(np.uint8)
    proposal = propose_snap(replace(still, frames=frozen(noise)), 0, [mri], TRUTH)
    assert not proposal.offered


@pytest.mark.parametrize("grey", [0, 255])
def test_a_picture_of_one_grey_explains_nothing(few, still, all_four, grey):
    proposal = propose_snap(
        replace(still, frames=frozen(np.full_like(still.frames, grey))), 0, all_four, TRUTH
    )
    assert proposal.after == pytest.approx(0.0, abs=0.01) and "snap.weak" in codes(proposal)


def test_the_scale_of_the_present_pose_is_kept(still, mri):
    proposal = propose_snap(still, 0, [mri], replace(lost(), scale=1.05))
    assert proposal.parameters.scale == pytest.approx(1.05)
    assert np.linalg.det(us_to_mri(proposal.parameters)[:3, :3]) == pytest.approx(1.05**3)


def test_it_tells_where_it_is_and_stops_when_told_to(still, mri):
    told = []

    def progress(fraction, doing):
        told.append((fraction, doing.code))
        if len(told) > 5:
            raise Cancelled.of("job.cancelled")

    with pytest.raises(Cancelled):
        propose_snap(still, 0, [mri], lost(), progress=progress)
    fractions, doing = zip(*told, strict=True)
    assert list(fractions) == sorted(fractions) and set(doing) == {"doing.snap"}


def test_no_mri_and_no_scale_are_refused(still, mri):
    with pytest.raises(RegistrationError, match="compares with T1WI"):
        propose_snap(still, 0, [], lost())
    with pytest.raises(RegistrationError):
        propose_snap(replace(still, scale=None), 0, [mri], lost())


def test_volumes_that_are_distorted_or_derived_take_no_part(mri):
    def of(role, phase=None):
        return replace(mri, role=RoleChoice(role, message("role.user"), phase=phase))

    wanted = [of(Role.T1WI), of(Role.DCE, 1), of(Role.DCE, 2)]
    overruled = of(Role.T1WI, 4)
    assert snap_volumes([overruled]) == (overruled,), "it keeps the number of the phase it was taken for"
    offered = [of(Role.DWI), wanted[2], of(Role.MIP), wanted[1], of(Role.DCE, 3), wanted[0]]
    assert snap_volumes(offered) == tuple(wanted)
    alone = of(Role.DCE)
    assert snap_volumes([of(Role.OTHER), alone]) == (alone,), "a contrast series of one phase has no number"
