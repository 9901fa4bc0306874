"""Full-size patients through DICOM, as the application reads them, and how long that takes."""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from breastview.fusion.assemble import channel_volumes, model_input
from breastview.fusion.preprocess import ModelInput
from breastview.fusion.spec import ModelSpec
from breastview.imaging.scan import scan_folder
from breastview.loaded import LoadedCase, load_case
from breastview.phantom.dicom import write_patient
from breastview.records.values import ReviewRecord
from tests.benchmarks.phantom.real import SERIES, Piece, slices

EVERY_MM = 20.0  # between slices that are kept for the comparison with real ones

Found = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Whole:
    """One patient read back: the network's input float32 (channel, size, size), US first; the sector of the
    marked US picture, uint8; where the first voxel of T1WI lies, LPS mm; and a few slices of each series."""

    given: np.ndarray
    sector: np.ndarray
    origin_mm: np.ndarray
    pieces: dict[str, list[Piece]]


class Clock:
    """Time in s that the parts of the work took, and that all threads computed."""

    def __init__(self) -> None:
        self.wall_s: dict[str, list[float]] = defaultdict(list)
        self.cpu_s = 0.0

    def timed(self, name: str, work: Callable[[], Any]) -> Any:
        """Do the work and note its time."""
        start_s, cpu_s = time.perf_counter(), time.process_time()
        result = work()
        self.wall_s[name].append(time.perf_counter() - start_s)
        self.cpu_s += time.process_time() - cpu_s
        return result

    def found(self) -> Found:
        """Medians over the patients; `seconds_full_cpu`, of both cores together, depends less on the load."""
        totals = [sum(values) for values in zip(*self.wall_s.values(), strict=True)]
        return {
            "seconds_full": median(totals),
            "seconds_full_max": max(totals),
            "seconds_full_cpu": self.cpu_s / len(totals),
            "seconds_full_parts": {name: median(values) for name, values in self.wall_s.items()},
            "full_patients": len(totals),
        }


def read_all(seeds: Sequence[int], spec: ModelSpec) -> tuple[list[Whole], Found]:
    """Write, scan, load and preprocess patients, and how long it took."""
    clock = Clock()
    wholes = [read_back(seed, spec, clock) for seed in seeds]
    return wholes, clock.found() if wholes else {"seconds_full": None, "full_patients": 0}


def read_back(seed: int, spec: ModelSpec, clock: Clock) -> Whole:
    """Write one patient, and read it as the application does."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "patient"
        record = clock.timed("simulate_and_write", lambda: write_patient(folder, seed))
        loaded = clock.timed("scan_and_load", lambda: load_case(scan_folder(folder)))
        given = clock.timed("preprocess", lambda: assembled(loaded, record, spec))
        pieces = kept(loaded, f"sim {seed}")
    assert given.us is not None and given.mri is not None
    t1wi = loaded.volumes[channel_volumes(loaded.case.volumes)["t1wi"].key]
    sector = marked_sector(loaded, record)
    return Whole(np.concatenate([given.us, given.mri]), sector, t1wi.index_to_lps[:3, 3], pieces)


def marked_sector(loaded: LoadedCase, record: ReviewRecord) -> np.ndarray:
    """The image part of the US picture that carries the mark."""
    mark = record.lesions[0].us
    assert mark is not None
    stack = loaded.stacks[mark.frames_key]
    place = stack.sector
    return stack.grey(mark.frame)[place.top : place.bottom, place.left : place.right]


def assembled(loaded: LoadedCase, record: ReviewRecord, spec: ModelSpec) -> ModelInput:
    """What the application gives its network for the one lesion."""
    lesion, names = record.lesions[0], channel_volumes(loaded.case.volumes)
    volumes = {name: loaded.volumes[volume.key] for name, volume in names.items()}
    assert lesion.us is not None
    key = lesion.us.frames_key
    return model_input(spec, record, lesion, loaded.stacks, loaded.planes(record)[key], volumes)


def kept(loaded: LoadedCase, patient: str) -> dict[str, list[Piece]]:
    """A few slices of each series, as they are compared with real ones."""
    names = channel_volumes(loaded.case.volumes)
    volumes = {series: loaded.volumes[names[series].key] for series in SERIES}
    return {
        series: [replace(piece, group=patient) for piece in slices(volume, EVERY_MM, patient)]
        for series, volume in volumes.items()
    }
