"""The places near a pose that explain a US picture better than all around them.

Poses within reach are scattered, and the best of them climb, from coarse to fine, what LC2 and the
correspondences say together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.spatial.transform import Rotation
from scipy.stats import qmc

from breastview.errors import RegistrationError
from breastview.imaging.volume import FrameStack, Volume
from breastview.messages import message
from breastview.progress import Progress, silent
from breastview.registration.landscape import Landscape, known_of
from breastview.registration.lc2 import mri_block, us_patches
from breastview.registration.outline import Outline
from breastview.registration.parameters import RegistrationParameters
from breastview.registration.plane import us_plane
from breastview.registration.transform import us_to_mri

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


@dataclass(frozen=True, eq=False)
class Peaks:
    """Where climbs ended, in a landscape whose picture turns about `pivot`: moves (n, 6) and their heights
    (n,)."""

    landscape: Landscape
    pivot: np.ndarray
    moves: np.ndarray
    heights: np.ndarray

    @cached_property
    def placed(self) -> np.ndarray:
        """The picture's samples at each peak, (n, row, column, 3)."""
        return self.landscape.placed(self.moves)


def peaks_around(
    stack: FrameStack,
    frame: int,
    volumes: Sequence[Volume],
    present: RegistrationParameters,
    calibration: tuple[float, float] | None = None,
    lesion: Outline | None = None,
    progress: Progress = silent,
) -> Peaks:
    """The places within `REACH` of the present pose that explain a US frame better than all around them.

    `volumes` are all regressed on at once. What was taken on the `lesion` shares an error.

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
    block = mri_block(volumes, us_to_mri(present), near[0].points_mm, MARGIN_MM)
    pivot = near[0].points_mm.reshape(-1, 3).mean(axis=0)
    known = known_of(present, lesion)
    rough, sharp = (Landscape(looks, block, pivot, known) for looks in (far, near))
    moves = _search(rough, sharp, progress)
    return Peaks(sharp, pivot, moves, sharp.height(moves))


def _search(rough: Landscape, sharp: Landscape, progress: Progress) -> np.ndarray:
    """The moves (n, 6) of the peaks that the starts reach."""
    scattered = np.concatenate([np.zeros((1, 6)), _scattered(rough)])
    heights = []
    for first in range(0, len(scattered), BATCH):
        progress(0.3 * first / len(scattered), message("doing.snap"))
        heights.append(rough.height(scattered[first : first + BATCH]))
    starts = _distinct(scattered, np.concatenate(heights), APART, STARTS)
    climbed = []
    for number, start in enumerate(starts):
        progress(0.3 + 0.3 * number / len(starts), message("doing.snap"))
        climbed.append(climb(rough, start, steps=8))
    moves = np.array(climbed)
    peaks = []
    for number, start in enumerate(_distinct(moves, sharp.height(moves), APART / 2, FINALISTS)):
        progress(0.6 + 0.4 * number / FINALISTS, message("doing.snap"))
        peaks.append(climb(sharp, start))
    return np.array(peaks)


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


def climb(landscape: Landscape, move: np.ndarray, steps: int = 15) -> np.ndarray:
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


def move_matrix(move: np.ndarray, pivot: np.ndarray) -> np.ndarray:
    """The (4, 4) of a move within the US frame."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(np.deg2rad(move[3:])).as_matrix()
    matrix[:3, 3] = pivot - matrix[:3, :3] @ pivot + move[:3]
    return matrix
