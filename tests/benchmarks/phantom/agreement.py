"""Do the two speeds agree? The network's input from a whole patient's DICOM against that from the crop.

The US picture is the same realisation, equal bit for bit in its sector; what the machine writes beside it
shows where the network's crop reaches over the border. MRI's noise differs; a crop as trained has its slices
elsewhere (what a 4 mm slice holds is chance), and may end before the neighbourhood does by which the input is
scaled. A wide crop on the same slices differs by its noise alone, as two crops do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from breastview.fusion.preprocess import REFERENCE_PX, crop_around, plane_grid
from breastview.fusion.spec import CHANNELS, InputSpec, ModelSpec
from breastview.phantom.crops import FINE_STEP_MM, maps_on
from breastview.phantom.dicom import FULL
from breastview.phantom.maps import Grid
from breastview.phantom.scanner import SPIN_ECHO
from breastview.registration.plane import UsPlane
from breastview.registration.resample import resample_plane
from breastview.registration.transform import us_to_mri
from model_training.cohort import cut as training
from model_training.cohort.simulated import marked_lesion
from tests.benchmarks.phantom import descriptors
from tests.benchmarks.phantom.seen import Seen, scanned
from tests.benchmarks.phantom.whole import Whole

BLOCK_PX = 8
OTHER_NOISE = 77
PERIOD = (2, 2, 20)  # voxels along x, y, z after which every protocol samples the fine grid alike
US_ALLOWED = 0.0  # of any pixel
NOISE_ALLOWED = 1.5  # MRI, same slices: 99th percentile of blocks, over that of noise alone
WIDE_MM = 45.0  # margin that holds the neighbourhood which the input is scaled by
SLICES_ALLOWED = 0.5  # MRI, as trained: median of blocks, over the channel's standard deviation

Found = dict[str, Any]


def crop_and_dicom(patients: Sequence[Seen], wholes: Sequence[Whole], spec: ModelSpec) -> Found:
    """Differences in units of the network's input, and whether they are within the tolerance."""
    if not wholes:
        return {"crop_dicom_max_difference": None}
    whole, crops = [whole.given for whole in wholes], [cut(seen, spec) for seen in patients]
    there = [same_slices(seen, w.origin_mm) for seen, w in zip(patients, wholes, strict=True)]
    trained, same = differences(whole, crops), differences(whole, [cut(seen, spec) for seen in there])
    noise = differences([cut(other_noise(seen), spec) for seen in patients], crops)
    return {
        "crop_dicom_max_difference": trained,
        "crop_dicom_max_difference_same_slices": same,
        "crop_crop_difference_other_noise": noise,
        "reference_in_crop": _reference([reference_share(seen, spec.input) for seen in patients]),
        "crop_dicom_tolerance": {
            "us_picture_grey_levels": _kept(max(map(picture_difference, patients, wholes)), US_ALLOWED),
            **tolerance(trained, same, noise),
        },
    }


def cut(seen: Seen, spec: ModelSpec) -> np.ndarray:
    """The input from the crop, without jitter, float32 (channel, size, size), US first."""
    us, planes, _ = training.cut(marked_lesion(seen.case, seen.case.frames[0]), spec.input)
    return np.concatenate([us, planes])


def other_noise(seen: Seen) -> Seen:
    """The same neighbourhood under other noise."""
    return replace(seen, case=replace(seen.case, mri=scanned(seen.patient, seen.maps, OTHER_NOISE)))


def same_slices(seen: Seen, origin_mm: np.ndarray) -> Seen:
    """The neighbourhood on the whole patient's grid, whose first voxel of T1WI is at `origin_mm`."""
    step, lesion = np.array(FINE_STEP_MM), seen.patient.lesion
    corner = origin_mm - [0.0, 0.0, (SPIN_ECHO.thickness_mm - 1) / 2]
    low, high = (lesion.centre_mm - corner + sign * (lesion.radius_mm + WIDE_MM) for sign in (-1, 1))
    first = np.maximum(low / step // PERIOD * PERIOD, 0)
    size = np.minimum(np.ceil(high / step), FULL.extent_mm // step) - first
    x, y, z = (float(c) for c in corner + first * step)
    columns, rows, slices = (int(n) for n in size)
    maps = maps_on(seen.patient, Grid((x, y, z), FINE_STEP_MM, (slices, rows, columns)))
    return Seen(replace(seen.case, mri=scanned(seen.patient, maps)), maps)


def picture_difference(seen: Seen, whole: Whole) -> int:
    """Largest difference in grey levels between the marked still's sector and the one in DICOM."""
    return int(np.abs(whole.sector.astype(int) - descriptors.cut(seen.case.frames[0])[0]).max())


def reference_share(seen: Seen, spec: InputSpec) -> float:
    """How much of the neighbourhood by which MRI is scaled lies in the crop."""
    frame = seen.case.frames[0]
    around = crop_around(frame.lesion_box_px, replace(spec, margin=spec.reference_margin))
    plane = UsPlane(frame.sector.face_middle_px, frame.spacing_mm)
    there = resample_plane(
        *seen.case.mri["t1wi"], us_to_mri(frame.registration), plane_grid(around, plane, REFERENCE_PX)
    )
    return float(np.isfinite(there).mean())


def _reference(shares: Sequence[float]) -> Found:
    below = float(np.mean(np.array(shares) < 0.9))
    return {"min": min(shares), "median": float(np.median(shares)), "patients_below_0.9": below}


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


def blocks(plane: np.ndarray) -> np.ndarray:
    """Means of squares of `BLOCK_PX`."""
    n = len(plane) // BLOCK_PX
    return plane[: n * BLOCK_PX, : n * BLOCK_PX].reshape(n, BLOCK_PX, n, BLOCK_PX).mean(axis=(1, 3))


def tolerance(trained: Found, same: Found, noise: Found) -> Found:
    """The largest over the channels, what is allowed, and whether that is kept."""
    channels = [str(name) for name in CHANNELS]
    over_noise = max(same[name]["p99_block"] / noise[name]["p99_block"] for name in channels)
    over_sd = max(trained[name]["median_block"] / trained[name]["sd_of_the_channel"] for name in channels)
    return {
        "us_input": _kept(trained["us"]["max_pixel"], US_ALLOWED),
        "mri_same_slices_over_noise": _kept(over_noise, NOISE_ALLOWED),
        "mri_as_trained_over_sd": _kept(over_sd, SLICES_ALLOWED),
    }


def _kept(largest: float, allowed: float) -> Found:
    return {"largest": largest, "allowed": allowed, "kept": largest <= allowed}
