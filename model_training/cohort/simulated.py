"""Simulated patients as a cohort: any number, made in parallel and cached."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import signal
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType

import numpy as np
from threadpoolctl import threadpool_limits

from breastview import phantom
from breastview.fusion.preprocess import Image3
from breastview.fusion.spec import InputSpec
from breastview.jobs.process import end_with_parent
from breastview.phantom.crops import SimulatedCase, training_case
from breastview.phantom.patient import VIEWS_A_LESION
from breastview.phantom.stills import SimulatedFrame
from breastview.registration.plane import UsPlane
from breastview.whole import write_whole
from model_training.cohort.cut import MarkedLesion
from model_training.cohort.samples import BEST, CohortError, Sample, sample, shard_size, write_shard, writing

log = logging.getLogger(__name__)

SHARD = 25  # lesions a cache file
MADE = "made.json"  # how the shards of a folder are made
FIRST_SEEDS = {"validation": 1_000_000, "test": 2_000_000, "train": 3_000_000}  # of each part


def marked_lesion(case: SimulatedCase, frame: SimulatedFrame) -> MarkedLesion:
    """What a careful reader would have marked: the true box and the best rigid registration."""
    return MarkedLesion(
        grey=frame.grey,
        box_px=frame.lesion_box_px,
        sector=frame.sector,
        plane=UsPlane(frame.sector.face_middle_px, frame.spacing_mm),
        registration=frame.registration,
        images=mri_images(case),
        mri_point_mm=case.patient.lesion.centre_mm,
    )


def mri_images(case: SimulatedCase) -> dict[str, Image3]:
    """The case's MRI under the names that preprocessing knows."""
    names = {"t1wi": "t1wi", "t2wi": "t2wi", "dwi": "dwi_b800", "dce_pre": "dce_1", "dce_post": "dce_2"}
    return {ours: case.mri[theirs] for ours, theirs in names.items()}


def simulated_sample(seed: int, part: str, spec: InputSpec, variants: int, null_arm: bool = False) -> Sample:
    """Simulate a patient and cut the lesion: its views exactly, then strayed ones that take turns of them."""
    case = training_case(seed, null_arm)
    rng = np.random.default_rng([seed, 99])
    views = [marked_lesion(case, frame) for frame in case.frames]
    return sample(views, spec, variants, rng, _about(case, seed, part, null_arm))


def _about(case: SimulatedCase, seed: int, part: str, null_arm: bool) -> dict[str, object]:
    """The manifest's row; the size is what the scope is held against, the longer side of the US box."""
    patient, evidence, frame = case.patient, case.patient.evidence, case.frames[0]
    left, top, right, bottom = frame.lesion_box_px
    arms = ("us",), ("mri",), ("us",) if null_arm else ("us", "mri")
    return {
        "case": f"simulated-{seed}",
        "patient": f"simulated-{seed}",
        "group": f"simulated-{seed}",
        "source": "simulated",
        "part": part,
        "malignant": evidence.malignant,
        "density": patient.density,
        "size_mm": round(max(right - left, bottom - top) * frame.spacing_mm[0], 1),
        "scanner": f"simulated {patient.exam.tesla:g} T",
        **dict(zip(BEST, (evidence.score(arm) for arm in arms), strict=True)),
    }


def make_shard(
    first_seed: int, count: int, spec: InputSpec, variants: int, null_arm: bool, path: Path
) -> None:
    """Simulate `count` patients and cache their samples; the part is the name's first word."""
    part = path.stem.partition("-")[0]
    seeds = range(first_seed, first_seed + count)
    write_shard(path, [simulated_sample(seed, part, spec, variants, null_arm) for seed in seeds])


def simulate_cohort(
    folder: Path,
    counts: Mapping[str, int],
    spec: InputSpec,
    variants: int,
    workers: int,
    null_arm: bool = False,
    first_seeds: Mapping[str, int] = FIRST_SEEDS,
) -> None:
    """Fill `folder` with shards of every part; whole shards that stand are kept, so a killed run goes on.

    Raises:
        CohortError: those that stand were made otherwise, or one cannot be written.
    """
    seeds = {part: first_seeds[part] for part in counts}
    how = {"phantom": phantom_hash(), "variants": variants, "null_arm": null_arm, "first_seeds": seeds}
    begin(folder, {**how, **asdict(spec)})
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=be_modest) as pool:
        jobs = []
        for part, count in counts.items():
            own = variants if part == "train" else VIEWS_A_LESION
            for number in range(-(-count // SHARD)):
                path = folder / f"{part}-{number:04d}.npz"
                size = min(SHARD, count - number * SHARD)
                if shard_size(path) < size:
                    seed = first_seeds[part] + number * SHARD
                    jobs.append((seed, size, spec, own, null_arm, path))
        left = sum(size for _, size, *_ in jobs)
        log.info("%d patients are to be simulated", left)
        made = pool.map(make_shard, *zip(*jobs, strict=True))  # after an error none is begun
        for (_, size, *_), _ in zip(jobs, made, strict=True):
            left -= size
            log.info("%d patients are left to be simulated", left)


def phantom_hash() -> str:
    """The `source_hash` of `breastview.phantom`: other source, other patients."""
    return source_hash(phantom)


def source_hash(package: ModuleType) -> str:
    """The first digits of a sha256 over the source of a package."""
    told = hashlib.sha256()
    for path in sorted(Path(package.__path__[0]).rglob("*.py")):
        told.update(path.read_bytes())
    return told.hexdigest()[:12]


def begin(folder: Path, how: Mapping[str, object]) -> None:
    """Write how a cohort is made, or see that it goes on as it began."""
    path = folder / MADE
    if not path.exists():
        with writing(path):
            write_whole(path, json.dumps(how, indent=1).encode())
        return
    before = json.loads(path.read_text(encoding="utf-8"))
    other = [
        f"{key} was {before.get(key)}, is {value}" for key, value in how.items() if before.get(key) != value
    ]
    if other:
        raise CohortError(
            f"the cohort in {folder} was made otherwise ({'; '.join(other)}): take another folder"
        )


def be_modest() -> None:
    """Let a worker leave the machine usable, and keep its BLAS from fighting the other workers for cores."""
    end_with_command()
    if hasattr(os, "nice"):  # Windows has none
        os.nice(5)
    threadpool_limits(1)


def end_with_command() -> None:
    """Let a worker end at once when the command is interrupted or killed: given anew, it has others."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    end_with_parent()
