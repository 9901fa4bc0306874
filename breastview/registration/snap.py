"""Snap: a better pose by intensity, from the present one. It proposes and says why not; a reader accepts.

Poses within the reach of the present one are scattered, the best of them climb from coarse to fine what LC2
and the correspondences say together, and what they reach is offered only if it explains the picture better,
stands out from what the other starts reached, would be found in most parts of the picture too, and
contradicts nothing that is known otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation
from scipy.stats import qmc

from breastview.errors import RegistrationError
from breastview.imaging.case import Role, RoleChoice
from breastview.imaging.volume import FrameStack, Volume
from breastview.messages import Message, message
from breastview.progress import Progress, silent
from breastview.registration.agreement import correspondence_residuals_mm, rms_mm
from breastview.registration.landscape import DOUBT, Landscape, known_of
from breastview.registration.lc2 import MriBlock, mri_block, us_patches
from breastview.registration.outline import Outline
from breastview.registration.parameters import Method, RegistrationParameters
from breastview.registration.plane import us_plane
from breastview.registration.transform import us_to_mri, with_matrix

REACH = 10.0  # mm along and degrees about each axis of the US plane
MARGIN_MM = 16.0  # of MRI around the picture: the reach, and what turning adds
SCATTERED = 4096
SIFTED = 16  # times as many are drawn where correspondences tell which are worth a look
STARTS = 32  # how many of the scattered climb
FINALISTS = 20  # and how many of those to the top
BATCH = 32
APART = 4.0  # mm or degrees along one axis between starts
# Step, blur and patch in mm of what is looked at: first broad shapes, then margins and broad shapes together.
BROAD, MARGINS = (2.0, 1.0, 12.0), (1.25, 0.6, 5.0)
FAR, NEAR = (BROAD,), (MARGINS, BROAD)
NUDGE = np.array([0.3, 0.3, 0.3, 0.6, 0.6, 0.6])  # mm and degrees of the numeric derivative
# The gate, set on simulated rigid pairs: what passes it on real ones is not known.
LEAST_MM, LEAST_GAIN = 1.0, 0.02  # beyond the spread; share of the picture
LEAST_SHARE = 0.22
MOST_SPREAD_MM = 3.5  # of what explains the whole picture nearly as well
MOST_UNSTEADY_MM = 5.0  # of what explains the picture best when its blocks are drawn anew
HELD_UNSTEADY_MM = 2.8  # the same where correspondences hold all of it together
DRAWS = 300
EDGE = 0.1  # mm or degrees
LEAST_SEEN = 0.7  # of the picture in the body
MOST_GAP_MM, MORE_GAP_MM = 10.0, 4.0  # from skin to face, and how much it may grow
MOST_PARTED_MM = 3.0  # of the correspondences: a false place parts them more often than clicks do
# What tells tissues apart and is not distorted. A DCE volume that stands alone has no phase.
_COMPARED = (
    (Role.T1WI, (None,)),
    (Role.T2WI, (None,)),
    (Role.DCE, (1,)),
    (Role.DCE, (2, None)),
)


@dataclass(frozen=True)
class SnapProposal:
    """A pose for the reader to accept or not.

    `before` and `after` are the shares of the picture's detail that MRI explains, 0…1; `moved_mm` is the
    mean way of the picture's points, `spread_mm` how far apart the poses lie that explain it nearly as well,
    and `unsteady_mm` those that explain it best as its parts are drawn anew; `reasons` say why it is not
    offered, and are empty where it is.
    """

    parameters: RegistrationParameters
    before: float
    after: float
    moved_mm: float
    spread_mm: float
    unsteady_mm: float
    reasons: tuple[Message, ...]

    @property
    def offered(self) -> bool:
        """Whether measure and sanity gate both call it better."""
        return not self.reasons


@dataclass(frozen=True, eq=False)
class _Peak:
    """Where a climb ended: the move (6,) and its height."""

    move: np.ndarray
    height: float


def propose_snap(
    stack: FrameStack,
    frame: int,
    volumes: Sequence[Volume],
    present: RegistrationParameters,
    calibration: tuple[float, float] | None = None,
    lesion: Outline | None = None,
    progress: Progress = silent,
) -> SnapProposal:
    """Look for the pose within `REACH` of the present one that explains a US frame best and parts its
    correspondences least.

    `volumes` are all regressed on at once (see `snap_volumes`). What was taken on the `lesion` shares an
    error. The same input gives the same answer.

    Raises:
        RegistrationError: the US image has no scale, or there is no volume.
        Cancelled: the user cancelled; `progress` raises it.
    """
    if not volumes:
        raise RegistrationError.of("snap.no_mri")
    plane = us_plane(stack, calibration)
    far, near = (
        [us_patches(stack, frame, plane, present.warp, *look) for look in looks] for looks in (FAR, NEAR)
    )
    matrix = us_to_mri(present)
    block = mri_block(volumes, matrix, near[0].points_mm, MARGIN_MM)
    pivot = near[0].points_mm.reshape(-1, 3).mean(axis=0)
    known = known_of(present, lesion)
    rough, sharp = (Landscape(looks, block, pivot, known) for looks in (far, near))
    peaks = _search(rough, sharp, progress)
    move, spread_mm = _weighed(peaks, sharp)
    found = with_matrix(present, matrix @ _matrix(move, pivot)).remade(Method.MANUAL)
    return _judge(found, present, move, (spread_mm, _unsteady_mm(peaks, sharp)), sharp)


def snap_volumes(volumes: Sequence[Volume]) -> tuple[Volume, ...]:
    """The volumes that a search compares, one of each kind: T1WI, T2WI, DCE before and after medium."""
    kinds = [[v for v in volumes if _is_of(v.role, kind)] for kind in _COMPARED]
    return tuple(fits[0] for fits in kinds if fits)


def is_compared(role: RoleChoice) -> bool:
    """Whether a search may look at a volume of this role."""
    return any(_is_of(role, kind) for kind in _COMPARED)


def _is_of(role: RoleChoice, kind: tuple[Role, tuple[int | None, ...]]) -> bool:
    return role.role is kind[0] and role.phase in kind[1]


def _search(rough: Landscape, sharp: Landscape, progress: Progress) -> list[_Peak]:
    """The peaks that the starts reach."""
    scattered = np.concatenate([np.zeros((1, 6)), _scattered(rough)])
    heights = []
    for first in range(0, len(scattered), BATCH):
        progress(0.3 * first / len(scattered), message("doing.snap"))
        heights.append(rough.height(scattered[first : first + BATCH]))
    starts = _distinct(scattered, np.concatenate(heights), APART, STARTS)
    climbed = []
    for number, start in enumerate(starts):
        progress(0.3 + 0.3 * number / len(starts), message("doing.snap"))
        climbed.append(_climb(rough, start, steps=8))
    moves = np.array(climbed)
    peaks = []
    for number, start in enumerate(_distinct(moves, sharp.height(moves), APART / 2, FINALISTS)):
        progress(0.6 + 0.4 * number / FINALISTS, message("doing.snap"))
        top = _climb(sharp, start, steps=15)
        peaks.append(_Peak(top, float(sharp.height(top[None])[0])))
    return peaks


def _scattered(landscape: Landscape) -> np.ndarray:
    """Moves (n, 6) spread evenly over the reach, always the same; where something is known, over that part of
    the reach that agrees with it best."""
    sequence = qmc.Halton(6, scramble=True, rng=np.random.default_rng(0))
    drawn = (2 * sequence.random(SCATTERED * (SIFTED if landscape.knows else 1)) - 1) * REACH
    parted = (landscape.missed(drawn) ** 2).sum(axis=1)
    return drawn[np.sort(np.argsort(parted, kind="stable")[:SCATTERED])]


def _distinct(moves: np.ndarray, heights: np.ndarray, apart: float, count: int) -> list[np.ndarray]:
    """The highest moves that keep their distance from each other."""
    kept: list[np.ndarray] = []
    for move in moves[np.argsort(-heights)]:
        if all(np.abs(move - other).max() > apart for other in kept):
            kept.append(move)
        if len(kept) == count:
            break
    return kept


def _climb(landscape: Landscape, move: np.ndarray, steps: int) -> np.ndarray:
    """Levenberg–Marquardt with numeric derivatives, several dampings tried at once, within the reach."""
    damping, height = 1e-2, landscape.height(move[None])[0]
    for _ in range(steps):
        slope, residuals = _slope(landscape, move)
        curvature = slope.T @ slope
        dampings = damping * np.array([0.1, 1.0, 10.0, 100.0])
        ways = [
            np.linalg.solve(curvature + d * np.diag(np.diag(curvature)), slope.T @ residuals)
            for d in dampings
        ]
        tried = np.clip(move - np.array(ways), -REACH, REACH)
        heights = landscape.height(tried)
        best = int(np.argmax(heights))
        if heights[best] <= height:
            damping *= 100
            if damping > 1e4:
                break
            continue
        way = np.abs(tried[best] - move).max()
        move, height, damping = tried[best], heights[best], max(dampings[best], 1e-5)
        if way < 0.03:
            break
    return move


def _slope(landscape: Landscape, move: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Derivative of the residuals (samples, 6), and the residuals."""
    here, *there = landscape.residuals(move + np.concatenate([np.zeros((1, 6)), np.diag(NUDGE)]))
    return (np.array(there) - here).T / NUDGE, here


def _weighed(peaks: Sequence[_Peak], landscape: Landscape) -> tuple[np.ndarray, float]:
    """The mean of the peaks' moves (6,), and how far they spread the picture in mm; higher peaks weigh more.

    Peaks nearly as high as the highest are nearly as likely the true one: their mean errs less than any.
    """
    moves, heights = np.array([p.move for p in peaks]), np.array([p.height for p in peaks])
    weights = np.exp((heights - heights.max()) / DOUBT)
    weights /= weights.sum()
    return weights @ moves, _spread_mm(landscape.placed(moves), weights)


def _unsteady_mm(peaks: Sequence[_Peak], landscape: Landscape) -> float:
    """How far the picture spreads over the peaks that win when its blocks are drawn anew with replacement.

    A block bootstrap (Künsch, Ann Stat 17:1217, 1989). A pose that a few blocks alone speak for loses in
    draws that leave these out: so do most that only seem better where the breast was deformed.
    """
    moves = np.array([p.move for p in peaks])
    left = landscape.left_by_block(moves)
    blocks = left.shape[1]
    draws = np.random.default_rng(0).multinomial(blocks, np.full(blocks, 1 / blocks), DRAWS)
    winners = np.argmin(draws @ left.T + landscape.cost(moves), axis=1)
    shares = np.bincount(winners, minlength=len(moves)) / DRAWS
    return _spread_mm(landscape.placed(moves), shares)


def _spread_mm(placed: np.ndarray, weights: np.ndarray) -> float:
    """Root mean square distance of placements (n, row, column, 3) from their weighted mean."""
    away2 = ((placed - np.tensordot(weights, placed, 1)) ** 2).sum(axis=-1).mean(axis=(1, 2))
    return float(np.sqrt(weights @ away2))


def _matrix(move: np.ndarray, pivot: np.ndarray) -> np.ndarray:
    """The (4, 4) of a move within the US frame."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(np.deg2rad(move[3:])).as_matrix()
    matrix[:3, 3] = pivot - matrix[:3, :3] @ pivot + move[:3]
    return matrix


def _judge(
    found: RegistrationParameters,
    present: RegistrationParameters,
    move: np.ndarray,
    spreads_mm: tuple[float, float],
    sharp: Landscape,
) -> SnapProposal:
    """Measure the pose found against the present one, and let every part of the gate speak."""
    both = np.stack([np.zeros(6), move])
    before, after = (float(share) for share in sharp.explained(both))
    placed = sharp.placed(both)
    moved_mm = float(np.linalg.norm(placed[1] - placed[0], axis=-1).mean())
    reasons = [
        *_of_measure(before, after, moved_mm, spreads_mm[0]),
        *_of_rivals(*spreads_mm, HELD_UNSTEADY_MM if sharp.knows else MOST_UNSTEADY_MM),
        *((message("snap.at_edge"),) if np.abs(move).max() > REACH - EDGE else ()),
        *_of_body(sharp.block, placed),
        *_of_correspondences(found, present),
    ]
    return SnapProposal(found, before, after, moved_mm, *spreads_mm, tuple(reasons))


def _of_measure(before: float, after: float, moved_mm: float, spread_mm: float) -> Iterator[Message]:
    """Whether the picture is explained, and better than before."""
    if after < LEAST_SHARE:
        yield message("snap.weak")
    if after - before < LEAST_GAIN or moved_mm < spread_mm + LEAST_MM:
        yield message("snap.stays")


def _of_rivals(spread_mm: float, unsteady_mm: float, most_unsteady_mm: float) -> Iterator[Message]:
    """Whether the picture is explained in one place only."""
    if spread_mm > MOST_SPREAD_MM:
        yield message("snap.rival", mm=round(2 * spread_mm))
    elif unsteady_mm > most_unsteady_mm:
        yield message("snap.unsteady", mm=round(2 * unsteady_mm))


def _of_body(block: MriBlock, placed: np.ndarray) -> Iterator[Message]:
    """Whether the picture, `placed` (present and found, row, column, 3), would leave the body or its skin."""
    seen = [float((block.body_at(place) * block.inside_at(place)).mean()) for place in placed]
    if seen[1] < min(LEAST_SEEN, seen[0]):
        yield message("snap.outside", percent=round(100 * seen[1]))
    gaps_mm = [_gap_mm(block, place) for place in placed]
    if gaps_mm[1] > max(MOST_GAP_MM, gaps_mm[0] + MORE_GAP_MM):
        yield message("snap.skin", mm=round(gaps_mm[1]))


def _gap_mm(block: MriBlock, placed: np.ndarray) -> float:
    """Mean distance of the MRI's skin from the top of a placed picture (row, column, 3)."""
    face = placed[0]
    down = placed[1] - placed[0]
    down = down / np.linalg.norm(down, axis=-1, keepdims=True)
    depths_mm = np.arange(-MARGIN_MM, MARGIN_MM + 0.5, 0.5)
    body = block.body_at(face + depths_mm[:, None, None] * down) > 0.5
    return float(np.abs(depths_mm[np.argmax(body, axis=0)]).mean())


def _of_correspondences(found: RegistrationParameters, present: RegistrationParameters) -> Iterator[Message]:
    """Whether the correspondences would fit worse than hands explain."""
    before, after = (rms_mm(correspondence_residuals_mm(p)) or 0.0 for p in (present, found))
    if after > max(before, MOST_PARTED_MM):
        yield message("snap.parted", before=round(before, 1), after=round(after, 1))
