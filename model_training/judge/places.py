"""What a search finds for simulated pictures of known pose: places as the network sees them, and how far each
misses."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from breastview import registration
from breastview.phantom.known_pose import KnownPose, deformed_case, rigid_case
from breastview.registration.parameters import RegistrationParameters
from breastview.registration.search import Peaks, climb, move_matrix, peaks_around
from breastview.registration.transform import us_to_mri, with_matrix
from breastview.whole import written_whole
from model_training.cohort.simulated import be_modest, begin, phantom_hash, source_hash

TRUTHS = {"rigid": rigid_case, "deformed": deformed_case}


@dataclass(frozen=True, eq=False)
class Places:
    """Places (n) of one picture.

    `maps` float16 (n, channel, row, column) as of `View`; `heights` (n,) of the landscape; `missed_mm` (n,)
    at the lesion's centre. `found` bool (n,) says which the search came upon; another, the place that a climb
    from the truth reached, is there to learn from.
    """

    maps: np.ndarray
    heights: np.ndarray
    missed_mm: np.ndarray
    found: np.ndarray


def places_of(case: KnownPose) -> Places:
    """What a search from the case's start finds, and what a climb from the truth does."""
    start = case.start()
    peaks = peaks_around(case.stack, 0, case.volumes, start, lesion=case.outline)
    top = climb(peaks.landscape, _true_move(case, start, peaks))
    moves = np.concatenate([peaks.moves, top[None]])
    ends = (with_matrix(start, us_to_mri(start) @ move_matrix(move, peaks.pivot)) for move in moves)
    return Places(
        maps=peaks.landscape.view(moves, case.outline).maps().astype(np.float16),
        heights=peaks.landscape.height(moves),
        missed_mm=np.array([case.missed_mm(end)[0] for end in ends]),
        found=np.arange(len(moves)) < len(peaks.moves),
    )


def _true_move(case: KnownPose, start: RegistrationParameters, peaks: Peaks) -> np.ndarray:
    """The move (6,) from the start to the truth."""
    matrix = np.linalg.inv(us_to_mri(start)) @ us_to_mri(case.truth)
    turn = Rotation.from_matrix(matrix[:3, :3]).as_rotvec(degrees=True)
    return np.concatenate([matrix[:3, :3] @ peaks.pivot + matrix[:3, 3] - peaks.pivot, turn])


def make_places(folder: Path, truth: str, seeds: Sequence[int], workers: int) -> None:
    """Fill `folder` with the places of patients, a file each; what stands is kept: a killed run goes on.

    Raises:
        CohortError: what stands was made by another phantom or another search.
    """
    folder.mkdir(parents=True, exist_ok=True)
    begin(folder, {"phantom": phantom_hash(), "search": source_hash(registration)})
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=be_modest) as pool:
        wanted = [seed for seed in seeds if not _path(folder, truth, seed).exists()]
        for _ in pool.map(_make, [folder] * len(wanted), [truth] * len(wanted), wanted):
            pass


def read_places(folder: Path, truth: str, seeds: Sequence[int]) -> list[Places]:
    """The places of these patients."""
    read = []
    for seed in seeds:
        with np.load(_path(folder, truth, seed)) as kept:
            read.append(Places(**{name: kept[name] for name in kept.files}))
    return read


def _make(folder: Path, truth: str, seed: int) -> None:
    places = places_of(TRUTHS[truth](seed))
    with written_whole(_path(folder, truth, seed)) as file:
        np.savez_compressed(file, **vars(places))


def _path(folder: Path, truth: str, seed: int) -> Path:
    return folder / f"{truth}-{seed}.npz"
