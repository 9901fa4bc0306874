"""Samples for training: simulated patients, cut by the application's own preprocessing, cached as arrays."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from breastview.fusion.preprocess import Image3, plane_grid, registered_mri, square_crop, us_input
from breastview.fusion.spec import InputSpec
from breastview.phantom.crops import SimulatedCase, training_case
from breastview.phantom.patient import VIEWS_A_LESION
from breastview.phantom.stills import SimulatedFrame
from breastview.registration.plane import UsPlane
from breastview.registration.transform import moved, turned, us_to_mri

SHARD = 25  # cases a cache file
PARTS = {"validation": 1_000_000, "test": 2_000_000, "train": 3_000_000}  # first seed of each part


@dataclass(frozen=True)
class Jitter:
    """How far an augmented sample strays: the box in shares of its side, registration in mm and degrees."""

    box: float = 0.08
    margin: float = 0.15
    registration_mm: float = 1.5
    registration_deg: float = 4.0


@dataclass(frozen=True, eq=False)
class Samples:
    """Arrays of one cohort part; variants 0 … views−1 are not augmented.

    `us` (case, variant, 1, size, size) and `mri` (case, variant, channel, size, size) are float16, `label` is
    bool (case,); `best` float32 (case, 3) is what an optimal reader would answer who sees US, MRI or both, as
    log likelihood ratios.
    """

    us: np.ndarray
    mri: np.ndarray
    label: np.ndarray
    best: np.ndarray
    seeds: np.ndarray


def mri_images(case: SimulatedCase) -> dict[str, Image3]:
    """The case's MRI under the names that preprocessing knows."""
    names = {"t1wi": "t1wi", "t2wi": "t2wi", "dwi": "dwi_b800", "dce_pre": "dce_1", "dce_post": "dce_2"}
    return {ours: case.mri[theirs] for ours, theirs in names.items()}


def sample(
    case: SimulatedCase,
    frame: SimulatedFrame,
    spec: InputSpec,
    jitter: Jitter | None,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """One (us, mri) input; without jitter exactly what the application computes from the same marks."""
    box, pose = frame.lesion_box_px, frame.registration
    if jitter is not None:
        side = max(box[2] - box[0], box[3] - box[1])
        dx, dy = rng.normal(0, jitter.box * side / 2, 2)
        box = (box[0] + dx, box[1] + dy, box[2] + dx, box[3] + dy)
        spec = replace(spec, margin=spec.margin * (1 + rng.uniform(-jitter.margin, jitter.margin)))
        for axis in "xyz":
            pose = turned(pose, axis, rng.normal(0, jitter.registration_deg), (0.0, 15.0, 0.0))
        pose = moved(pose, rng.normal(0, jitter.registration_mm, 3).tolist())
    crop = square_crop(box, spec.margin)
    grid = plane_grid(crop, UsPlane(frame.sector.face_middle_px, frame.spacing_mm), spec.size_px)
    mri, _ = registered_mri(mri_images(case), us_to_mri(pose), grid, spec)
    return us_input(frame.grey, crop, spec), mri


def make_shard(
    first_seed: int, count: int, spec: InputSpec, variants: int, null_arm: bool, path: Path
) -> None:
    """Simulate `count` patients and cache their samples; views take turns, augmented variants follow."""
    us, mri, labels, best = [], [], [], []
    for seed in range(first_seed, first_seed + count):
        case = training_case(seed, null_arm)
        rng = np.random.default_rng([seed, 99])
        pairs = [
            sample(
                case, case.frames[n % VIEWS_A_LESION], spec, Jitter() if n >= VIEWS_A_LESION else None, rng
            )
            for n in range(variants)
        ]
        us.append(np.stack([pair[0] for pair in pairs]).astype(np.float16))
        mri.append(np.stack([pair[1] for pair in pairs]).astype(np.float16))
        labels.append(case.malignant)
        evidence, both = case.patient.evidence, ("us",) if null_arm else ("us", "mri")
        best.append([evidence.score(seen) for seen in (("us",), ("mri",), both)])
    part = path.with_suffix(".part.npz")
    np.savez(
        part,
        us=np.stack(us),
        mri=np.stack(mri),
        label=np.array(labels),
        best=np.array(best, np.float32),
        seeds=np.arange(first_seed, first_seed + count),
    )
    part.replace(path)


def simulate_cohort(
    folder: Path,
    counts: Mapping[str, int],
    spec: InputSpec,
    variants: int,
    workers: int,
    null_arm: bool = False,
) -> None:
    """Fill `folder` with shards of every part; whole shards that stand are kept, so a killed run goes on."""
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=_be_modest) as pool:
        jobs = []
        for part, count in counts.items():
            own = variants if part == "train" else VIEWS_A_LESION
            for number in range(-(-count // SHARD)):
                path = folder / f"{part}-{number:04d}.npz"
                size = min(SHARD, count - number * SHARD)
                if _cases(path) < size:
                    seed = PARTS[part] + number * SHARD
                    jobs.append(pool.submit(make_shard, seed, size, spec, own, null_arm, path))
        for job in jobs:
            job.result()


def _be_modest() -> None:
    """Let a worker leave the machine usable, and keep its BLAS from fighting the other workers for cores."""
    os.nice(5)
    threadpool_limits(1)


def _cases(path: Path) -> int:
    """How many cases a cache file holds; 0 where there is none."""
    if not path.exists():
        return 0
    with np.load(path) as shard:
        return len(shard["seeds"])


def load_part(folder: Path, part: str) -> Samples:
    """Read one cached part; raises FileNotFoundError when it was not made."""
    paths = sorted(p for p in folder.glob(f"{part}-*.npz") if not p.name.endswith(".part.npz"))
    if not paths:
        raise FileNotFoundError(f"no cached cohort part '{part}'")
    shards = []
    for path in paths:
        with np.load(path) as shard:
            shards.append(dict(shard))
    return Samples(*(np.concatenate([shard[name] for shard in shards]) for name in Samples.__annotations__))
