"""Images against the equations they were made by: speckle, tissue contrast, diffusion, uptake."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from math import log
from typing import Any

import numpy as np
from scipy import ndimage

from breastview.imaging.case import Role, RoleChoice
from breastview.imaging.dynamic import subtraction
from breastview.imaging.volume import Volume
from breastview.messages import message
from breastview.phantom.maps import Grid
from breastview.phantom.mri import Substance
from breastview.phantom.scanner import (
    ECHO_PLANAR,
    GRADIENT_ECHO,
    PHASE_DELAYS_S,
    SPIN_ECHO,
    Protocol,
    acquire,
    series_of,
)
from breastview.phantom.tissue import Tissue
from breastview.phantom.ultrasound import TGC_DB_PER_CM_MHZ, Medium, Settings, look
from tests.benchmarks.phantom.seen import LABELS, Seen

PICTURES, PICTURE = 20, (300, 400)
SPIN_ECHO_MS = {"t1wi": (450.0, 10.0), "t2wi": (4000.0, 85.0)}  # repetition and echo time
B_VALUE = 0.8  # in 10³ s/mm²
TISSUES = (Tissue.FAT, Tissue.GLAND, Tissue.MUSCLE, Tissue.CYST, Tissue.LESION)
IMAGES = ("level", "as_seen", "without_noise")
MIN_VOXELS = 15
MIN_LESION_VOXELS = 3
HOT_VOXELS = 9
EARLY_S = 120.0  # the first two minutes decide the early peak, the last phase the late change
CHANGE = 0.10  # late change that is none: BI-RADS, and Kuhl et al. 1999

Found = dict[str, Any]


def speckle_snr(seed: int) -> Found:
    """Mean/SD of the envelope of one look at homogeneous tissue, before compression."""
    one = np.ones(PICTURE, np.float32)
    tissue = Medium(one, 1.5 * one, TGC_DB_PER_CM_MHZ * one, one)
    quiet = Settings(noise_db=-150.0, clutter_db=-150.0)
    looks = [look(tissue, quiet, 0.0, np.random.default_rng([seed, n])) for n in range(PICTURES)]
    ratios = [float(picture.mean() / picture.std()) for picture in looks]
    return {"mean": float(np.mean(ratios)), "sd_between_pictures": float(np.std(ratios)), "n": len(ratios)}


def contrast(patients: Sequence[Seen]) -> Found:
    """Ratios of mean signal between tissues against the spin echo's equation, deviation in %, by series.

    Both means are over the same voxels: those that one tissue fills, and their neighbours too. The quartiles
    are over the patients that show both tissues, with the coil's known slope taken out; `as_seen` leaves it
    in, `without_noise` shows what Rician noise adds to dark tissue.
    """
    return {name: _contrast(patients, name) for name in SPIN_ECHO_MS}


def _contrast(patients: Sequence[Seen], name: str) -> Found:
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for seen in patients:
        means = _means(seen, name)
        for a, b in combinations(means, 2):
            for image in IMAGES:
                ratio, equation = (means[a][of] / means[b][of] for of in (image, "equation"))
                found[f"{a.name.lower()}/{b.name.lower()}"][image].append(100 * (ratio / equation - 1))
    return {
        pair: _spread(by["level"]) | {image: _spread(by[image]) for image in IMAGES[1:]}
        for pair, by in found.items()
    }


def _means(seen: Seen, name: str) -> dict[Tissue, dict[str, float]]:
    """Mean of each tissue: by the equation, and in the images."""
    (image, matrix), exam = seen.case.mri[name], seen.patient.exam
    grid, tissue = _grid(image, matrix), pure(seen, SPIN_ECHO, 2)
    equation = slabs(seen.maps.paint(lambda s: spin_echo(s, *SPIN_ECHO_MS[name])), SPIN_ECHO)
    if name == "t2wi" and exam.t2_fat_suppressed:
        equation = np.where(tissue == Tissue.FAT, equation * exam.fat_left(grid), equation)
    level = 1 / exam.coil.on(grid)
    values = {
        "equation": equation,
        "level": image * level,
        "as_seen": image,
        "without_noise": noiseless(seen, name) * level,
    }
    there = {kind: tissue == kind for kind in TISSUES}
    return {
        kind: {of: float(value[where].mean()) for of, value in values.items()}
        for kind, where in there.items()
        if where.sum() >= MIN_VOXELS
    }


def noiseless(seen: Seen, name: str) -> np.ndarray:
    """A series as stored by a scanner without noise, uint16."""
    series = series_of(seen.patient.exam, 1)[name]
    silent = replace(series, protocol=replace(series.protocol, noise=0.0), pulsation=0.0)
    return acquire(seen.maps, seen.patient.exam, silent, np.random.default_rng(0))[0]


def spin_echo(of: Substance, repetition_ms: float, echo_ms: float) -> np.ndarray:
    """ρ (1 − e^(−TR/T1)) e^(−TE/T2), written down again."""
    return of.density * (1 - np.exp(-repetition_ms / of.t1_ms)) * np.exp(-echo_ms / of.t2_ms)


def adc(patients: Sequence[Seen]) -> Found:
    """ADC in 10⁻³ mm²/s from b 0 and b 800, and the one put in: of lesions by label, of glandular tissue."""
    measured, given = defaultdict(list), defaultdict(list)
    for seen in patients:
        tissue, put_in = pure(seen, ECHO_PLANAR, 0), slabs(seen.maps.paint(lambda s: s.adc), ECHO_PLANAR)
        for name, kind in ((seen.label, Tissue.LESION), ("gland", Tissue.GLAND)):
            inside = tissue == kind
            if inside.sum() >= MIN_LESION_VOXELS:
                low, high = (float(seen.case.mri[f"dwi_b{b}"][0][inside].mean()) for b in (0, 800))
                measured[name].append(log(low / high) / B_VALUE)
                given[name].append(float(put_in[inside].mean()))
    return {name: _adc(measured[name], given[name]) for name in (*LABELS, "gland")}


def _adc(measured: list[float], given: list[float]) -> Found | None:
    if len(measured) < 2:
        return None
    return {
        "mean": float(np.mean(measured)),
        "sd": float(np.std(measured, ddof=1)),
        "mean_put_in": float(np.mean(given)),
        "rms_error": float(np.sqrt(np.mean(np.square(np.subtract(measured, given))))),
        "n": len(measured),
    }


def curves_on_images(patients: Sequence[Seen]) -> Found:
    """Share of each type of uptake curve as read off the dynamic series, by label, and how often it is the
    type that was drawn.

    The curve is the mean of the nine lesion voxels in which phase 2 minus phase 1 is largest; its type is the
    change from the higher of the first two phases after contrast medium to the last.
    """
    read = [(seen.label, seen.patient.lesion.curve, curve_type(seen)) for seen in patients]
    known = [(label, drawn, kind) for label, drawn, kind in read if kind is not None]
    found: Found = {label: shares([kind for name, _, kind in known if name == label]) for label in LABELS}
    found["as_drawn"] = float(np.mean([drawn == kind for _, drawn, kind in known])) if known else None
    found["too_small"] = len(read) - len(known)
    return found


def curve_type(seen: Seen) -> str | None:
    """Persistent, plateau or wash-out; None where fewer than nine voxels are all lesion."""
    inside = pure(seen, GRADIENT_ECHO, 0) == Tissue.LESION
    if inside.sum() < HOT_VOXELS:
        return None
    phases = [_volume(seen, number) for number in range(1, len(PHASE_DELAYS_S) + 1)]
    uptake = np.where(inside, subtraction(phases[1], phases[0]).array, -np.inf)
    hot = np.unravel_index(np.argsort(uptake, axis=None)[-HOT_VOXELS:], uptake.shape)
    curve = [float(phase.array[hot].mean()) for phase in phases]
    early = max(v for v, delay_s in zip(curve, PHASE_DELAYS_S, strict=True) if 0 < delay_s <= EARLY_S)
    change = curve[-1] / early - 1
    return "wash-out" if change < -CHANGE else "persistent" if change > CHANGE else "plateau"


def _volume(seen: Seen, phase: int) -> Volume:
    array, matrix = seen.case.mri[f"dce_{phase}"]
    role = RoleChoice(Role.DCE, message("role.dce_timed", count=len(PHASE_DELAYS_S)), phase=phase)
    return Volume(f"dce_{phase}", role, array, matrix, (0.0, 1.0))


def shares(kinds: Sequence[str]) -> Found:
    """Share of each type among `kinds`."""
    names = ("persistent", "plateau", "wash-out")
    return {name: kinds.count(name) / len(kinds) if kinds else None for name in names} | {"n": len(kinds)}


def pure(seen: Seen, protocol: Protocol, away: int) -> np.ndarray:
    """The tissue of every voxel that it fills, and fills `away` voxels around in plane; −1 elsewhere.

    Echo-planar voxels are looked for where the known distortion shows them.
    """
    least, most = (_slabs(seen.maps.labels, protocol, of) for of in (np.minimum, np.maximum))
    if protocol is ECHO_PLANAR:
        least, most = (_distorted(seen, ends, protocol) for ends in (least, most))
    around = (1, 2 * away + 1, 2 * away + 1)
    least, most = ndimage.minimum_filter(least, around), ndimage.maximum_filter(most, around)
    return np.where(least == most, least, -1)


def _distorted(seen: Seen, values: np.ndarray, protocol: Protocol) -> np.ndarray:
    matrix = seen.case.mri["dwi_b0"][1]
    shift_px = seen.patient.exam.field.on(_grid(values, matrix)) / matrix[1, 1]
    rows = np.arange(values.shape[1])[:, None] - np.rint(shift_px).astype(int)
    return np.take_along_axis(values, np.clip(rows, 0, values.shape[1] - 1), axis=1)


def slabs(volume: np.ndarray, protocol: Protocol) -> np.ndarray:
    """Mean of each acquired voxel, float (slice, row, column)."""
    return _cut(volume.astype(float), protocol).mean(axis=(1, 3, 5))


def _slabs(volume: np.ndarray, protocol: Protocol, of: np.ufunc) -> np.ndarray:
    return of.reduce(_cut(volume.astype(int), protocol), axis=(1, 3, 5))


def _cut(volume: np.ndarray, protocol: Protocol) -> np.ndarray:
    """(slice, thickness, row, bin, column, bin) of the fine grid, whose slices are 1 mm thick."""
    every, thick, n = round(protocol.distance_mm), round(protocol.thickness_mm), protocol.in_plane
    count = (len(volume) - thick) // every + 1
    stacked = np.stack([volume[i * every : i * every + thick] for i in range(count)])
    rows, columns = (size // n for size in stacked.shape[2:])
    return stacked[:, :, : rows * n, : columns * n].reshape(count, thick, rows, n, columns, n)


def _grid(image: np.ndarray, matrix: np.ndarray) -> Grid:
    """The axial grid of an acquired series."""
    x, y, z = (float(c) for c in matrix[:3, 3])
    slice_mm, row_mm, column_mm = (float(s) for s in np.linalg.norm(matrix[:3, :3], axis=0))
    return Grid((x, y, z), (column_mm, row_mm, slice_mm), image.shape)


def _spread(values: Sequence[float]) -> Found:
    low, middle, high = np.percentile(values, [25, 50, 75])
    return {"median": float(middle), "p25": float(low), "p75": float(high), "n": len(values)}
