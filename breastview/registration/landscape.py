"""What a pose near the present one is worth: the share of the US picture that MRI explains there (LC2), less
how far it lies away and how far it parts what the reader has placed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from breastview.registration.estimate import errors_of_a_pose, estimate
from breastview.registration.judge import View, on_lesion
from breastview.registration.lc2 import Lc2, MriBlock, UsPatches
from breastview.registration.outline import Outline
from breastview.registration.parameters import RegistrationParameters
from breastview.registration.region import unsure_start
from breastview.registration.warp import warped

PULL = 0.01 / 36  # share of the picture that a mm² or deg² away from the present pose must explain
DOUBT = 0.008  # how much less of the picture a pose explains that is e times less likely the true one
TRUST = 4.0  # in correspondences: a false place explains a picture more often than `DOUBT` has it
BLOCK_MM = 10.0


@dataclass(frozen=True, eq=False)
class Known:
    """What correspondences tell: `along` (n, 3) · the new place of `us_mm` (n, 3), both in the present US
    frame, should be `seen` (n,); `sure` (n, n) makes of what it misses independent errors of SD 1."""

    us_mm: np.ndarray
    along: np.ndarray
    seen: np.ndarray
    sure: np.ndarray

    def missed(self, placed: np.ndarray) -> np.ndarray:
        """By how many SD placements (m, n, 3) of `us_mm` miss, (m, n)."""
        return ((placed * self.along).sum(axis=2) - self.seen) @ self.sure.T


def known_of(present: RegistrationParameters, lesion: Outline | None) -> Known | None:
    """The correspondences with the errors that the estimate takes them to have, and with those of any pose
    away from the lesion; None where there is none."""
    us_mm = lesion.middle_mm if lesion is not None else present.middle_mm
    if us_mm is None or not present.correspondences:
        return None
    start = unsure_start(present, us_mm)
    found = estimate(present.placed, present.contours, start, lesion=lesion)
    looks = found.looks
    origin = (np.array(present.centre_mm) - start.mri_mm) @ start.turn
    return Known(
        us_mm=warped(present.warp, looks.us_mm),
        along=present.scale * looks.along,
        seen=looks.seen - looks.along @ origin,
        sure=np.linalg.inv(np.linalg.cholesky(errors_of_a_pose(found))),
    )


class Landscape:
    """Height over moves: the share explained less the pull toward the present pose and what is `known`.

    Moves (n, 6) are mm along the US plane's axes, then a rotation vector in degrees about `pivot`.
    """

    def __init__(
        self, looks: Sequence[UsPatches], block: MriBlock, pivot: np.ndarray, known: Known | None = None
    ) -> None:
        """`looks` at the same picture count alike."""
        self.block, self._known = block, known
        self._pivot = pivot
        self._looks = [(look.points_mm, Lc2(look, block)) for look in looks]

    @property
    def knows(self) -> bool:
        """Whether correspondences tell something of the pose."""
        return self._known is not None

    def placed(self, moves: np.ndarray, look: int = 0) -> np.ndarray:
        """The samples of a look after each move, (n, row, column, 3)."""
        return self._moved(self._looks[look][0], moves)

    def _moved(self, points_mm: np.ndarray, moves: np.ndarray) -> np.ndarray:
        """Points (row, column, 3) after each move, (n, row, column, 3)."""
        turns = Rotation.from_rotvec(np.deg2rad(moves[:, 3:])).as_matrix()
        turned = (points_mm - self._pivot) @ np.swapaxes(turns, 1, 2)[:, None]
        return turned + (self._pivot + moves[:, :3])[:, None, None]

    def explained(self, moves: np.ndarray) -> np.ndarray:
        """Share explained (n,), mean of the looks."""
        shares = [lc2.explained(self.placed(moves, k)) for k, (_, lc2) in enumerate(self._looks)]
        return np.mean(shares, axis=0)

    def height(self, moves: np.ndarray) -> np.ndarray:
        """Height (n,)."""
        return self.explained(moves) - self.cost(moves)

    def cost(self, moves: np.ndarray) -> np.ndarray:
        """What a move must explain to be worth it, a share of the picture (n,)."""
        pull = PULL * (moves**2).sum(axis=1)
        return pull if self._known is None else pull + (self._parting(moves) ** 2).sum(axis=1)

    def residuals(self, moves: np.ndarray) -> np.ndarray:
        """Residuals (n, samples + 6 + looks at what is known) whose squares sum to 1 − height."""
        left = [lc2.residuals(self.placed(moves, k)) for k, (_, lc2) in enumerate(self._looks)]
        parts = [*(part / np.sqrt(len(left)) for part in left), np.sqrt(PULL) * moves]
        return np.concatenate(parts if self._known is None else [*parts, self._parting(moves)], axis=1)

    def missed(self, moves: np.ndarray) -> np.ndarray:
        """By how many SD what is known is missed, (n, looks at it)."""
        if self._known is None:
            return np.zeros((len(moves), 0))
        return self._known.missed(self._moved(self._known.us_mm[None], moves)[:, 0])

    def _parting(self, moves: np.ndarray) -> np.ndarray:
        """The same as residuals whose squares are shares: e times less likely, `TRUST` times `DOUBT`."""
        return np.sqrt(TRUST * DOUBT / 2) * self.missed(moves)

    def view(self, moves: np.ndarray, lesion: Outline | None) -> View:
        """What the first look sees of the picture, of the `lesion` in it and of MRI after each move."""
        points_mm, lc2 = self._looks[0]
        placed = self.placed(moves)
        detail, fit = lc2.fitted(placed)
        channels = self.block.at(placed)
        images = channels.shape[-1] // 2
        return View(
            detail=lc2.us.detail,
            weight=lc2.us.weight,
            fit=fit,
            mri_detail=detail[..., : 2 * images],
            mri=channels[..., :images],
            lesion=on_lesion(lesion, points_mm),
        )

    def left_by_block(self, moves: np.ndarray) -> np.ndarray:
        """Share of the picture's detail that is left unexplained in each block of `BLOCK_MM`, (n, blocks)."""
        corner_mm = self._looks[0][0].min(axis=(0, 1))
        left: dict[tuple[int, ...], np.ndarray] = {}
        for k, (points_mm, lc2) in enumerate(self._looks):
            block = ((points_mm - corner_mm) // BLOCK_MM).astype(int).reshape(-1, 3)[:, :2]
            squares = lc2.residuals(self.placed(moves, k)) ** 2 / len(self._looks)
            for name in np.unique(block, axis=0):
                inside = squares[:, (block == name).all(axis=1)].sum(axis=1)
                left[tuple(name)] = left.get(tuple(name), 0.0) + inside
        return np.stack(list(left.values()), axis=1)
