"""Can a simple classifier tell patches of the phantom from real ones, and by what?

Grey-level histogram, widths of the autocorrelation and slope of the radial power spectrum go into a logistic
regression, cross-validated so that all patches of one image (of one simulated patient, of one group of
near-duplicates, of neighbouring slices) stay on one side. At an AUC of .5 these features could not tell; at 1
they always can.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from breastview.fusion.assemble import channel_volumes
from breastview.imaging.load import load_volume
from breastview.imaging.scan import scan_folder
from breastview.imaging.volume import Volume
from breastview.phantom.crops import SimulatedCase
from breastview.phantom.ultrasound import SimulatedFrame
from breastview.registration.skin import find_body, nipple_mm

US_PATCH_PX, MRI_PATCH_PX = 64, 24
MRI_STEP_MM = 1.1  # both are compared at the phantom's pixel
PATCHES = 6  # an image
BINS = 8
FOLDS = 5
BREAST_MM = 60.0  # how far behind the nipple real patches may lie: no chest
BLOCK_MM = 12.0  # neighbouring real slices stay in one fold
US_DARK, MRI_DARK = (
    15.0,
    0.08,
)  # grey level; share of the 99th percentile: a quarter darker than this is empty
SERIES = {"dce_2": "dce_post", "t1wi": "t1wi"}  # name in the phantom: name in a scanned case


@dataclass(frozen=True, eq=False)
class Patches:
    """Patches of one kind: `values` (n, size, size), the image of each and the group it must stay with."""

    values: np.ndarray
    images: list[str]
    groups: list[str]


def against_us(cases: Sequence[SimulatedCase], busi: Path, seed: int) -> dict[str, Any]:
    """Compare the phantom's US frames with as many real stills, one of each group of near-duplicates."""
    rng = np.random.default_rng(seed)
    simulated = [
        (f"sim {case.patient.seed} {n}", f"sim {case.patient.seed}", sector(frame))
        for case in cases
        for n, frame in enumerate(case.frames)
    ]
    real = list(real_stills(busi, len(simulated), rng))
    found = [patches_of(images, US_PATCH_PX, US_DARK, rng) for images in (simulated, real)]
    scaled = [Patches(p.values / 255.0, p.images, p.groups) for p in found]
    return told_apart(scaled[0], scaled[1], np.linspace(0, 1, BINS + 1), seed)


def sector(frame: SimulatedFrame) -> np.ndarray:
    """The image part of a simulated picture, float32."""
    place = frame.sector
    return frame.grey[place.top : place.bottom, place.left : place.right].astype(np.float32)


def real_stills(busi: Path, count: int, rng: np.random.Generator) -> Iterable[tuple[str, str, np.ndarray]]:
    """Name, near-duplicate group and grey levels of up to `count` stills, one a group, borders cut off."""
    with (busi / "index.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["near_duplicate_group"]: row for row in csv.DictReader(file)}
    for group in rng.permutation(sorted(rows))[:count]:
        path = busi / rows[group]["class"] / rows[group]["file"]
        grey = np.asarray(Image.open(path).convert("L"), np.float32)
        margin = [size // 20 for size in grey.shape]
        yield path.name, str(group), grey[margin[0] : -margin[0], margin[1] : -margin[1]]


def against_mri(cases: Sequence[SimulatedCase], patient: Path, series: str, seed: int) -> dict[str, Any]:
    """Compare one series of the phantom with the same of one real exam, patches at the same pixel size."""
    rng = np.random.default_rng(seed)
    scanned = channel_volumes(scan_folder(patient).volumes)[SERIES[series]]
    real = list(real_slices(load_volume(scanned)))
    simulated = [
        (f"sim {case.patient.seed} {n}", f"sim {case.patient.seed}", slice_)
        for case in cases
        for n, slice_ in enumerate(normalised(case.mri[series][0]))
        if n % 4 == 1
    ]
    found = [patches_of(images, MRI_PATCH_PX, MRI_DARK, rng) for images in (simulated, real)]
    relative = [Patches(p.values / p.values.mean((1, 2), keepdims=True), p.images, p.groups) for p in found]
    return told_apart(relative[0], relative[1], np.linspace(0, 3, BINS + 1), seed)


def normalised(array: np.ndarray) -> np.ndarray:
    """Shares of the volume's 99th percentile: scanner numbers have no unit."""
    return array.astype(np.float32) / np.percentile(array, 99)


def real_slices(volume: Volume) -> Iterable[tuple[str, str, np.ndarray]]:
    """Every second axial slice in front of the chest, each breast, resampled to `MRI_STEP_MM`."""
    array, body = normalised(volume.array), find_body(volume)
    slice_mm, row_mm, column_mm = np.linalg.norm(volume.index_to_lps[:3, :3], axis=0)
    last = max(nipple_mm(body, side)[1] for side in "RL") + BREAST_MM
    place = volume.lps_to_index @ np.array(
        [*volume.index_to_lps[[0], 3], last, volume.index_to_lps[2, 3], 1.0]
    )
    for number in range(0, len(array), 2):
        front = array[number, : round(place[1])]
        shrunk = np.divide(MRI_STEP_MM, (row_mm, column_mm))
        smooth = ndimage.gaussian_filter(front, 0.5 * np.sqrt(np.maximum(shrunk**2 - 1, 0)))
        small = ndimage.zoom(smooth, 1 / shrunk, order=1)
        yield f"real {number}", f"real {int(number * slice_mm // BLOCK_MM)}", small


def patches_of(
    images: Iterable[tuple[str, str, np.ndarray]], size: int, dark: float, rng: np.random.Generator
) -> Patches:
    """Cut up to `PATCHES` patches at random places of each image; empty places are passed over."""
    kept, names, groups = [], [], []
    for name, group, image in images:
        if min(image.shape) < size:
            continue
        corners = rng.integers(0, np.subtract(image.shape, size) + 1, (8 * PATCHES, 2))
        cut = [image[r : r + size, c : c + size] for r, c in corners]
        good = [patch for patch in cut if np.percentile(patch, 25) > dark][:PATCHES]
        kept += good
        names += [name] * len(good)
        groups += [group] * len(good)
    return Patches(np.array(kept, np.float32), names, groups)


def told_apart(simulated: Patches, real: Patches, edges: np.ndarray, seed: int) -> dict[str, Any]:
    """Cross-validated AUC of real (positive) against simulated, an image and a patch, and what decides."""
    table = [features(patch, edges) for patch in (*simulated.values, *real.values)]
    names, x = list(table[0]), np.array([list(row.values()) for row in table])
    y = np.repeat([0, 1], [len(simulated.values), len(real.values)])
    images, groups = simulated.images + real.images, simulated.groups + real.groups
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2000))
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    score = cross_val_predict(model, x, y, groups=groups, cv=folds, method="decision_function")
    kinds, means = by_image(images, y, score)
    return {
        "auc": float(roc_auc_score(kinds, means)),
        "auc_patch": float(roc_auc_score(y, score)),
        "images": [int((kinds == kind).sum()) for kind in (0, 1)],
        "patches": [len(simulated.values), len(real.values)],
        "groups": [len(set(simulated.groups)), len(set(real.groups))],
        "gives_away": largest(model.fit(x, y)[-1].coef_[0], names, x, y),
    }


def by_image(images: Sequence[str], y: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Label and mean score of each image."""
    _, first, which = np.unique(images, return_index=True, return_inverse=True)
    return y[first], np.bincount(which, score) / np.bincount(which)


def largest(weights: np.ndarray, names: Sequence[str], x: np.ndarray, y: np.ndarray) -> list[dict[str, Any]]:
    """The five features with the largest standardised coefficients, with their medians on both sides."""
    return [
        {
            "feature": names[k],
            "coefficient": round(float(weights[k]), 3),
            "speaks_for": "real" if weights[k] > 0 else "simulated",
            "median_simulated": float(np.median(x[y == 0, k])),
            "median_real": float(np.median(x[y == 1, k])),
        }
        for k in np.argsort(-np.abs(weights))[:5]
    ]


def features(patch: np.ndarray, edges: np.ndarray) -> dict[str, float]:
    """Simple features of one patch, by name."""
    counts, _ = np.histogram(np.clip(patch, edges[0], edges[-1]), edges)
    named = {
        f"grey {a:.2f}–{b:.2f}": n / patch.size for a, b, n in zip(edges, edges[1:], counts, strict=False)
    }
    rest = patch - ndimage.gaussian_filter(patch, patch.shape[0] / 8)
    return {
        **named,
        "autocorrelation half-width down, px": half_width_px(rest),
        "autocorrelation half-width across, px": half_width_px(rest.T),
        "radial power-spectrum slope": spectrum_slope(patch),
    }


def half_width_px(rest: np.ndarray) -> float:
    """Lag along the rows at which the autocorrelation has fallen to a half."""
    power = np.abs(np.fft.fft(rest, axis=0)) ** 2
    correlation = np.fft.ifft(power.sum(axis=1)).real[: len(rest) // 2]
    correlation = correlation / max(correlation[0], 1e-12)
    after = int(np.argmax(correlation < 0.5))
    if after == 0:
        return len(rest) / 2
    above, below = correlation[after - 1], correlation[after]
    return after - 1 + float((above - 0.5) / (above - below))


def spectrum_slope(patch: np.ndarray) -> float:
    """Slope of log power against log frequency, Hann window, from 2 cycles a patch to Nyquist."""
    size = len(patch)
    window = np.hanning(size)[:, None] * np.hanning(size)
    power = np.abs(np.fft.fft2((patch - patch.mean()) * window)) ** 2
    cycles = np.rint(np.hypot(*np.meshgrid(*[np.fft.fftfreq(size, 1 / size)] * 2))).astype(int)
    radial = np.bincount(cycles.ravel(), power.ravel()) / np.bincount(cycles.ravel())
    k = np.arange(2, size // 2)
    return float(np.polyfit(np.log(k), np.log(radial[k] + 1e-12), 1)[0])
