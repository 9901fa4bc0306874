"""Snap: a better pose by intensity, from the present one. It proposes and says why not; a reader accepts.

Poses within the reach of the present one are scattered, the best of them climb from coarse to fine what LC2
and the correspondences say together, and a network that has learned to tell true places from false ones says
which of those that they reach it is. That is offered only if it explains the picture better, stands out from
what the other starts reached, would be found in most parts of the picture too, and contradicts nothing that
is known otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from breastview.imaging.case import Role, RoleChoice
from breastview.imaging.volume import FrameStack, Volume
from breastview.progress import Progress, silent
from breastview.registration.judge import shipped
from breastview.registration.landscape import DOUBT
from breastview.registration.outline import Outline
from breastview.registration.parameters import Method, RegistrationParameters
from breastview.registration.proposal import SnapProposal, reasons_against
from breastview.registration.search import Peaks, move_matrix, peaks_around
from breastview.registration.transform import us_to_mri, with_matrix

ONE_PLACE_MM = 3.0  # between peaks that are taken for one place
DRAWS = 300
# What tells tissues apart and is not distorted. A DCE volume that stands alone has no phase.
_COMPARED = (
    (Role.T1WI, ()),
    (Role.T2WI, ()),
    (Role.DCE, (1,)),
    (Role.DCE, (2, None)),
)


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
    peaks = peaks_around(stack, frame, volumes, present, calibration, lesion, progress)
    chances = _chances(peaks, lesion) if is_judged(volumes) else None
    move, spread_mm = _weighed(peaks, chances)
    matrix = move_matrix(move, peaks.pivot)
    both = np.stack([np.zeros(6), move])
    before, after = (float(share) for share in peaks.landscape.explained(both))
    placed = peaks.landscape.placed(both)
    here, there = placed
    proposal = SnapProposal(
        parameters=with_matrix(present, us_to_mri(present) @ matrix).remade(Method.MANUAL),
        before=before,
        after=after,
        moved_mm=float(_apart_mm(there[None], here)[0]),
        spread_mm=spread_mm,
        unsteady_mm=_unsteady_mm(peaks),
        surety=None if chances is None else _surety(peaks, there, chances),
        reasons=(),
    )
    reasons = reasons_against(proposal, present, move, placed, peaks.landscape, lesion)
    return replace(proposal, reasons=reasons)


def snap_volumes(volumes: Sequence[Volume]) -> tuple[Volume, ...]:
    """The volumes that a search compares, one of each kind: T1WI, T2WI, DCE before and after medium."""
    kinds = [[v for v in volumes if _is_of(v.role, kind)] for kind in _COMPARED]
    return tuple(fits[0] for fits in kinds if fits)


def is_compared(role: RoleChoice) -> bool:
    """Whether a search may look at a volume of this role."""
    return any(_is_of(role, kind) for kind in _COMPARED)


def _is_of(role: RoleChoice, kind: tuple[Role, tuple[int | None, ...]]) -> bool:
    return role.role is kind[0] and (not kind[1] or role.phase in kind[1])


def is_judged(volumes: Sequence[Volume]) -> bool:
    """Whether the network that knows true places from false ones can look at these volumes."""
    kinds = tuple(volume.role for volume in volumes)
    return len(kinds) == len(_COMPARED) and all(map(_is_of, kinds, _COMPARED))


def _chances(peaks: Peaks, lesion: Outline | None) -> np.ndarray:
    """How likely each peak is the true place (n,): the network's word."""
    judge = shipped()
    return judge.shares(judge.odds(peaks.landscape.view(peaks.moves, lesion).maps(), peaks.heights))


def _weighed(peaks: Peaks, chances: np.ndarray | None) -> tuple[np.ndarray, float]:
    """The mean of the peaks' moves (6,), and how far they spread the picture in mm; likely peaks weigh more.

    Peaks of one place differ by chance, so that their mean errs less than any. Where the network was not
    asked, peaks that are nearly as high as the highest are taken together, wherever they lie.
    """
    weights = np.exp((peaks.heights - peaks.heights.max()) / DOUBT) if chances is None else chances
    if chances is not None:  # which knows places apart, so that no mean lies between them
        weights = weights * _at(peaks, peaks.placed[np.argmax(weights)])
    weights = weights / weights.sum()
    return weights @ peaks.moves, _spread_mm(peaks.placed, weights)


def _surety(peaks: Peaks, there: np.ndarray, chances: np.ndarray) -> float:
    """How likely the true place is that of a placement (row, column, 3): the chances of the peaks there."""
    return float(chances[_at(peaks, there)].sum())


def _at(peaks: Peaks, there: np.ndarray) -> np.ndarray:
    """Which peaks are of the place of a placement (row, column, 3), bool (n,)."""
    return _apart_mm(peaks.placed, there) < ONE_PLACE_MM


def _apart_mm(placed: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Mean distance (n,) of placements (n, row, column, 3) from another."""
    return np.asarray(np.linalg.norm(placed - other, axis=-1).mean(axis=(1, 2)))


def _unsteady_mm(peaks: Peaks) -> float:
    """How far the picture spreads over the peaks that win when its blocks are drawn anew with replacement.

    A block bootstrap (Künsch, Ann Stat 17:1217, 1989). A pose that a few blocks alone speak for loses in
    draws that leave these out: so do most that only seem better where the breast was deformed.
    """
    left = peaks.landscape.left_by_block(peaks.moves)
    blocks = left.shape[1]
    draws = np.random.default_rng(0).multinomial(blocks, np.full(blocks, 1 / blocks), DRAWS)
    winners = np.argmin(draws @ left.T + peaks.landscape.cost(peaks.moves), axis=1)
    shares = np.bincount(winners, minlength=len(peaks.moves)) / DRAWS
    return _spread_mm(peaks.placed, shares)


def _spread_mm(placed: np.ndarray, weights: np.ndarray) -> float:
    """Root mean square distance of placements (n, row, column, 3) from their weighted mean."""
    away2 = ((placed - np.tensordot(weights, placed, 1)) ** 2).sum(axis=-1).mean(axis=(1, 2))
    return float(np.sqrt(weights @ away2))
