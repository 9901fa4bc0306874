"""Full-size patients through DICOM: how long they take, and how far their input is from the crop's."""

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
from breastview.fusion.spec import CHANNELS, ModelSpec, read_spec
from breastview.imaging.scan import scan_folder
from breastview.phantom.dicom import write_patient
from breastview.pipeline import DEMONSTRATION, LoadedCase, load_case, planes_of
from breastview.records.values import ReviewRecord
from model_training.cohort import sample
from tests.benchmarks.phantom.real import SERIES, Piece, slices
from tests.benchmarks.phantom.seen import Seen, scanned

BLOCK_PX = 8
OTHER_NOISE = 77
EVERY_MM = 20.0  # slices kept for the comparison with real ones
US_TOLERANCE, MRI_TOLERANCE = (
    0.0,
    1.0,
)  # in units of the input: any pixel; mean of 8×8 pixels, 99th percentile

Found = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Whole:
    """One patient read back: the input float32 (channel, size, size), US first, and a few slices."""

    given: np.ndarray
    pieces: dict[str, list[Piece]]


def through_dicom(patients: Sequence[Seen]) -> tuple[Found, list[Whole]]:
    """Write, scan, load and preprocess; compare with the crops of the same patients."""
    if not patients:
        return {"seconds_full": None, "crop_dicom_max_difference": None, "full_patients": 0}, []
    spec, times = read_spec(DEMONSTRATION), defaultdict(list)
    wholes = [read_back(seen.patient.seed, spec, times) for seen in patients]
    crops, again = [cut(seen, spec) for seen in patients], [cut(other_noise(seen), spec) for seen in patients]
    totals = [sum(values) for values in zip(*times.values(), strict=True)]
    apart = differences([whole.given for whole in wholes], crops)
    found = {
        "seconds_full": median(totals),
        "seconds_full_max": max(totals),
        "seconds_full_parts": {name: median(values) for name, values in times.items()},
        "full_patients": len(patients),
        "crop_dicom_max_difference": apart,
        "crop_dicom_tolerance": tolerance(apart),
        "crop_crop_difference_other_noise": differences(again, crops),
        "crop_differences_note": "in units of the network's input. Between crop and DICOM the noise differs"
        " and the slices lie elsewhere (what a 4 mm slice holds is chance); between the two crops the noise"
        " alone. The US picture is the same realisation: no difference at all is expected",
    }
    return found, wholes


def read_back(seed: int, spec: ModelSpec, times: dict[str, list[float]]) -> Whole:
    """Write one patient, and read it as the application does."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "patient"
        record = _clocked(times, "simulate_and_write", lambda: write_patient(folder, seed))
        loaded = _clocked(times, "scan_and_load", lambda: load_case(scan_folder(folder)))
        given = _clocked(times, "preprocess", lambda: assembled(loaded, record, spec))
        pieces = kept(loaded, f"sim {seed}")
    assert given.us is not None and given.mri is not None
    return Whole(np.concatenate([given.us, given.mri]), pieces)


def assembled(loaded: LoadedCase, record: ReviewRecord, spec: ModelSpec) -> ModelInput:
    """What the application gives its network for the one lesion."""
    lesion, names = record.lesions[0], channel_volumes(loaded.case.volumes)
    volumes = {name: loaded.volumes[volume.key] for name, volume in names.items()}
    assert lesion.us is not None
    key = lesion.us.frames_key
    return model_input(spec, record, lesion, loaded.stacks[key], planes_of(loaded, record)[key], volumes)


def kept(loaded: LoadedCase, patient: str) -> dict[str, list[Piece]]:
    """A few slices of each series, as they are compared with real ones."""
    names = channel_volumes(loaded.case.volumes)
    volumes = {series: loaded.volumes[names[series].key] for series in SERIES}
    return {
        series: [replace(piece, group=patient) for piece in slices(volume, EVERY_MM, patient)]
        for series, volume in volumes.items()
    }


def _clocked(times: dict[str, list[float]], name: str, work: Callable[[], Any]) -> Any:
    start_s = time.perf_counter()
    result = work()
    times[name].append(time.perf_counter() - start_s)
    return result


def cut(seen: Seen, spec: ModelSpec) -> np.ndarray:
    """The same input from the crop, without jitter."""
    us, planes = sample(seen.case, seen.case.frames[0], spec.input, None, np.random.default_rng(0))
    return np.concatenate([us, planes])


def other_noise(seen: Seen) -> Seen:
    """The same neighbourhood under other noise."""
    return replace(seen, case=replace(seen.case, mri=scanned(seen.patient, seen.maps, OTHER_NOISE)))


def differences(these: Sequence[np.ndarray], those: Sequence[np.ndarray]) -> Found:
    """|a − b| of each channel over all patients: of pixels, and of means of 8×8 pixels."""
    found: Found = {}
    for k, name in enumerate(("us", *CHANNELS)):
        pixel = np.stack([np.abs(a[k] - b[k]) for a, b in zip(these, those, strict=True)])
        block = np.stack([np.abs(blocks(a[k]) - blocks(b[k])) for a, b in zip(these, those, strict=True)])
        found[str(name)] = {
            "median_pixel": float(np.median(pixel)),
            "max_pixel": float(pixel.max()),
            "median_block": float(np.median(block)),
            "p99_block": float(np.percentile(block, 99)),
            "max_block": float(block.max()),
            "sd_of_the_channel": float(np.mean([b[k].std() for b in those])),
        }
    return found


def tolerance(apart: Found) -> Found:
    """What is allowed, and whether it is kept."""
    mri = max(apart[str(name)]["p99_block"] for name in CHANNELS)
    return {
        "us_max_pixel": US_TOLERANCE,
        "mri_p99_block": MRI_TOLERANCE,
        "us_kept": apart["us"]["max_pixel"] <= US_TOLERANCE,
        "mri_kept": mri <= MRI_TOLERANCE,
    }


def blocks(plane: np.ndarray) -> np.ndarray:
    """Means of squares of `BLOCK_PX`."""
    n = len(plane) // BLOCK_PX
    return plane[: n * BLOCK_PX, : n * BLOCK_PX].reshape(n, BLOCK_PX, n, BLOCK_PX).mean(axis=(1, 3))
