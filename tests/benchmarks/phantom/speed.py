"""How fast training crops come."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from breastview.fusion.spec import read_spec
from breastview.pipeline import DEMONSTRATION
from model_training.cohort.simulated import make_shard
from tests.benchmarks.row import best_s

VARIANTS = 6  # crops a patient, as training makes them
PATIENTS, RUNS = 5, 2  # a process


def crops(seed: int) -> dict[str, Any]:
    """Crops and patients a second on two cores, best of `RUNS`: simulated, cut and cached as for training."""
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        seeds = [seed, seed + PATIENTS]
        list(pool.map(shard, seeds, (1, 1)))  # both have started and imported
        cpu_s: list[float] = []
        seconds = best_s(lambda: cpu_s.extend(pool.map(shard, seeds, (PATIENTS, PATIENTS))), RUNS)
    return {
        "crops_per_s": 2 * PATIENTS * VARIANTS / seconds,
        "patients_per_s": 2 * PATIENTS / seconds,
        "cpu_s_a_patient": min(cpu_s) / PATIENTS,
    }


def shard(first_seed: int, count: int) -> float:
    """Make a shard that is thrown away; the time in s that was computed for it."""
    start_s = time.process_time()
    with tempfile.TemporaryDirectory() as name:
        spec = read_spec(DEMONSTRATION).input
        make_shard(first_seed, count, spec, VARIANTS, False, Path(name) / "shard.npz")
    return time.process_time() - start_s
