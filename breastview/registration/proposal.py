"""A pose that snap found, and what speaks against it: with any such reason it is not offered.

The numbers were set on simulated pictures whose pose is known; what passes on real ones is not known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from breastview.messages import Message, message
from breastview.registration.agreement import correspondence_residuals_mm, rms_mm
from breastview.registration.landscape import Landscape
from breastview.registration.lc2 import MriBlock
from breastview.registration.outline import Outline
from breastview.registration.parameters import RegistrationParameters
from breastview.registration.search import MARGIN_MM, REACH
from breastview.registration.transform import map_points

LEAST_MM, LEAST_GAIN = 1.0, 0.02  # beyond the spread; share of the picture
LEAST_AT_LESION_MM = 2.5  # about what a search errs
LEAST_SHARE = 0.22
LEAST_SURETY = 0.6  # of the network that a place is the true one
SURE = 0.8  # from which neither rivals nor the edge of the search speak against it
MOST_SPREAD_MM = 3.5  # of what explains the whole picture nearly as well
MOST_UNSTEADY_MM = 5.0  # of what explains the picture best when its blocks are drawn anew
JUDGED_UNSTEADY_MM = 6.0  # the same where the network holds the place for the true one
HELD_UNSTEADY_MM = 2.8  # and where correspondences hold all of the picture together
EDGE = 0.1  # mm or degrees
MOST_MOVED_MM = 11.0  # of the picture, on average: the reach in one direction, and what a search errs
LEAST_SEEN = 0.7  # of the picture in the body
MOST_GAP_MM, MORE_GAP_MM = 10.0, 4.0  # from skin to face, and how much it may grow
MOST_PARTED_MM = 3.0  # of the correspondences: a false place parts them more often than clicks do


@dataclass(frozen=True)
class SnapProposal:
    """A pose for the reader to accept or not.

    `before` and `after` are the shares of the picture's detail that MRI explains, 0…1; `moved_mm` is the
    mean way of the picture's points, `spread_mm` how far apart the poses lie that explain it nearly as well
    (of one place, where the network chose it), and `unsteady_mm` those that explain it best as its parts are
    drawn anew. `surety`, 0…1, is how sure the network is that it is the true place, None where MRI lacks what
    that needs: a probability on simulated pictures of an undeformed breast, and too high under deformation.
    `reasons` say why it is not offered, and are empty where it is.
    """

    parameters: RegistrationParameters
    before: float
    after: float
    moved_mm: float
    spread_mm: float
    unsteady_mm: float
    surety: float | None
    reasons: tuple[Message, ...]

    @property
    def offered(self) -> bool:
        """Whether measure and sanity gate both call it better."""
        return not self.reasons


def reasons_against(
    proposal: SnapProposal,
    present: RegistrationParameters,
    move: np.ndarray,
    placed: np.ndarray,
    landscape: Landscape,
    lesion: Outline | None,
) -> tuple[Message, ...]:
    """All that speaks against a proposal, `move` (6,) away from the present pose, of a picture that is
    `placed` (present and found, row, column, 3); nothing where it may be offered."""
    sure = proposal.surety is not None and proposal.surety >= SURE
    return (
        *_of_measure(proposal, _way_mm(proposal.parameters, present, lesion)),
        *_of_surety(proposal.surety),
        *(() if sure else _of_rivals(proposal, landscape.knows)),
        *(() if sure else _of_reach(move, proposal.moved_mm)),
        *_of_body(landscape.block, placed),
        *_of_correspondences(proposal.parameters, present),
    )


def _way_mm(
    pose: RegistrationParameters, present: RegistrationParameters, lesion: Outline | None
) -> float | None:
    """How far the middle of the lesion moves, where it is known."""
    if lesion is None:
        return None
    middle = np.array([*lesion.middle_mm, 0.0])
    return float(np.linalg.norm(map_points(pose, middle) - map_points(present, middle)))


def _of_measure(proposal: SnapProposal, lesion_mm: float | None) -> Iterator[Message]:
    """Whether the picture is explained, and better than before, and moves by more than a search errs."""
    if proposal.after < LEAST_SHARE:
        yield message("snap.weak")
    gains = proposal.after - proposal.before >= LEAST_GAIN
    moves = proposal.moved_mm >= proposal.spread_mm + LEAST_MM
    if not gains or not moves:
        yield message("snap.stays")
    elif lesion_mm is not None and lesion_mm < LEAST_AT_LESION_MM:
        yield message("snap.little", mm=round(lesion_mm, 1))


def _of_surety(surety: float | None) -> Iterator[Message]:
    """Whether the network holds the place for the true one."""
    if surety is not None and surety < LEAST_SURETY:
        yield message("snap.unsure", percent=round(100 * surety))


def _of_rivals(proposal: SnapProposal, held: bool) -> Iterator[Message]:
    """Whether the picture is explained in one place only."""
    if proposal.spread_mm > MOST_SPREAD_MM:
        yield message("snap.rival", mm=round(2 * proposal.spread_mm))
        return
    most_mm = MOST_UNSTEADY_MM if proposal.surety is None else JUDGED_UNSTEADY_MM
    if proposal.unsteady_mm > (HELD_UNSTEADY_MM if held else most_mm):
        yield message("snap.unsteady", mm=round(2 * proposal.unsteady_mm))


def _of_reach(move: np.ndarray, moved_mm: float) -> Iterator[Message]:
    """Whether the search ended where it was cut off, or farther away than what it is for."""
    if np.abs(move).max() > REACH - EDGE or moved_mm > MOST_MOVED_MM:
        yield message("snap.at_edge")


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


def _of_correspondences(pose: RegistrationParameters, present: RegistrationParameters) -> Iterator[Message]:
    """Whether the correspondences would fit worse than hands explain."""
    before, after = (rms_mm(correspondence_residuals_mm(one)) or 0.0 for one in (present, pose))
    if after > max(before, MOST_PARTED_MM):
        yield message("snap.parted", before=round(before, 1), after=round(after, 1))
