"""Can a simple classifier tell patches of the phantom from real ones, and by what?

Features of patches go into a logistic regression, cross-validated so that all patches of one patient, of one
group of near-duplicates, of neighbouring slices stay on one side. At an AUC of .5 these features could not
tell; at 1 they always can.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage
from scipy.stats import ks_2samp, wasserstein_distance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from breastview.fusion.assemble import channel_volumes
from breastview.imaging.case import Role, ScannedCase
from breastview.imaging.load import load_volume
from breastview.imaging.volume import Volume
from breastview.registration.skin import find_body, nipple_mm
from tests.benchmarks.phantom.descriptors import cut
from tests.benchmarks.phantom.seen import Seen
from tests.benchmarks.phantom.texture import features, spectrum_db

US_PATCH_PX, MRI_PATCH_PX = 64, 24
REAL_EVERY_MM = 4.0
MRI_STEP_MM = 1.1  # both are compared at the phantom's pixel
PATCHES = 6  # an image
FOLDS = 5
BREAST_MM = 60.0  # how far behind the nipple patches may lie: no chest
BLOCK_MM = 12.0  # neighbouring real slices stay in one fold
US_DARK, MRI_DARK = 15.0, 0.08  # grey level; share of the 99th percentile: a quarter darker is empty
US_TOP, MRI_TOP = 1.0, 3.0  # highest grey level: of a picture; of a patch, against its mean
SERIES = ("dce_post", "t1wi", "t2wi", "dwi")
HEADLINE = "dce_post"
NO_GREY = ("mean",)  # of MRI: numbers have no unit, a patch is divided by its mean

Found = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Piece:
    """An image to cut patches from, float32 (row, column), and the group that it must stay with."""

    name: str
    group: str
    values: np.ndarray


@dataclass(frozen=True, eq=False)
class Patches:
    """Patches (n, size, size), the image of each and its group."""

    values: np.ndarray
    images: list[str]
    groups: list[str]

    def over(self, level: np.ndarray | float) -> Patches:
        """Their values in shares of a level."""
        return replace(self, values=self.values / level)


def against_us(patients: Sequence[Seen], busi: Path, seed: int) -> Found:
    """Compare the phantom's US stills with as many real ones, one of each group of near-duplicates."""
    rng = np.random.default_rng(seed)
    simulated = [
        Piece(f"sim {seen.patient.seed} {n}", f"sim {seen.patient.seed}", cut(frame)[0])
        for seen in patients
        for n, frame in enumerate(seen.case.frames)
    ]
    real = list(stills(busi, len(simulated), rng))
    ours, theirs = (patches_of(pieces, US_PATCH_PX, US_DARK, rng) for pieces in (simulated, real))
    return told_apart(ours.over(255.0), theirs.over(255.0), US_TOP, seed)


def stills(busi: Path, count: int, rng: np.random.Generator) -> Iterable[Piece]:
    """Up to `count` real stills, borders cut off."""
    with (busi / "index.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["near_duplicate_group"]: row for row in csv.DictReader(file)}
    for group in rng.permutation(sorted(rows))[:count]:
        path = busi / rows[group]["class"] / rows[group]["file"]
        grey = np.asarray(Image.open(path).convert("L"), np.float32)
        margin = [size // 20 for size in grey.shape]
        yield Piece(path.name, str(group), grey[margin[0] : -margin[0], margin[1] : -margin[1]])


def against_mri(simulated: Sequence[Piece], exam: ScannedCase, series: str, seed: int) -> Found:
    """Compare slices of one series with those of one real exam, patches at the same pixel size."""
    rng = np.random.default_rng(seed)
    real = slices(real_volume(exam, series), REAL_EVERY_MM, "real")
    ours, theirs = (patches_of(pieces, MRI_PATCH_PX, MRI_DARK, rng) for pieces in (simulated, real))
    level = [patches.values.mean((1, 2), keepdims=True) for patches in (ours, theirs)]
    return told_apart(ours.over(level[0]), theirs.over(level[1]), MRI_TOP, seed)


def real_volume(exam: ScannedCase, series: str) -> Volume:
    """The series of a real exam; for fat-suppressed T2WI its TIRM."""
    if series == "t2wi":
        return load_volume(next(v for v in exam.volumes if v.role.role is Role.STIR))
    return load_volume(channel_volumes(exam.volumes)[series])


def slices(volume: Volume, every_mm: float, name: str) -> Iterable[Piece]:
    """Axial slices in front of the chest, `every_mm`, resampled to `MRI_STEP_MM`, in shares of the volume's
    99th percentile: scanner numbers have no unit."""
    array, body = volume.array.astype(np.float32) / np.percentile(volume.array, 99), find_body(volume)
    slice_mm, row_mm, column_mm = np.linalg.norm(volume.index_to_lps[:3, :3], axis=0)
    last = max(nipple_mm(body, side)[1] for side in "RL") + BREAST_MM
    origin = volume.index_to_lps[:3, 3]
    place = volume.lps_to_index @ np.array([origin[0], last, origin[2], 1.0])
    shrunk = np.divide(MRI_STEP_MM, (row_mm, column_mm))
    step = max(round(every_mm / slice_mm), 1)
    for number in range(step // 2, len(array), step):
        front = array[number, : round(place[1])]
        smooth = ndimage.gaussian_filter(front, 0.5 * np.sqrt(np.maximum(shrunk**2 - 1, 0)))
        block = int(number * slice_mm // BLOCK_MM)
        yield Piece(f"{name} {number}", f"{name} {block}", ndimage.zoom(smooth, 1 / shrunk, order=1))


def patches_of(pieces: Iterable[Piece], size: int, dark: float, rng: np.random.Generator) -> Patches:
    """Cut up to `PATCHES` patches at random places of each image; empty places are passed over."""
    kept, names, groups = [], [], []
    for piece in pieces:
        if min(piece.values.shape) < size:
            continue
        corners = rng.integers(0, np.subtract(piece.values.shape, size) + 1, (8 * PATCHES, 2))
        found = [piece.values[r : r + size, c : c + size] for r, c in corners]
        good = [patch for patch in found if np.percentile(patch, 25) > dark][:PATCHES]
        kept += good
        names += [piece.name] * len(good)
        groups += [piece.group] * len(good)
    return Patches(np.array(kept, np.float32), names, groups)


def told_apart(simulated: Patches, real: Patches, top: float, seed: int) -> Found:
    """Cross-validated AUC of real (positive) against simulated, of images and patches, and what decides."""
    table = [features(patch, top) for patch in (*simulated.values, *real.values)]
    names = [name for name in table[0] if top == US_TOP or name not in NO_GREY]
    x = np.array([[row[name] for name in names] for row in table])
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
        "distances": distances(simulated, real),
        "gives_away": by_feature(images, names, x, y),
    }


def by_image(images: Sequence[str], y: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Label and mean score of each image."""
    _, first, which = np.unique(images, return_index=True, return_inverse=True)
    return y[first], np.bincount(which, score) / np.bincount(which)


def by_feature(images: Sequence[str], names: Sequence[str], x: np.ndarray, y: np.ndarray) -> list[Found]:
    """Each feature alone, the most telling first: AUC of images (real high), Kolmogorov–Smirnov distance of
    patches, medians."""
    rows = []
    for name, values in zip(names, x.T, strict=True):
        simulated, real = values[y == 0], values[y == 1]
        rows.append(
            {
                "feature": name,
                "auc": round(float(roc_auc_score(*by_image(images, y, values))), 3),
                "ks": round(float(ks_2samp(simulated, real).statistic), 3),
                "median_simulated": float(np.median(simulated)),
                "median_real": float(np.median(real)),
            }
        )
    return sorted(rows, key=lambda row: -abs(row["auc"] - 0.5))


def distances(simulated: Patches, real: Patches) -> Found:
    """Of the grey levels: how far they must be moved on average (Wasserstein), in the patches' unit; of the
    radial spectra: root mean square difference in dB of their mean shapes."""
    one, other = (np.quantile(p.values, np.linspace(0, 1, 1001)) for p in (simulated, real))
    spectra = spectrum_db(simulated.values) - spectrum_db(real.values)
    return {
        "grey_levels_wasserstein": float(wasserstein_distance(one, other)),
        "grey_levels_sd_real": float(real.values.std()),
        "radial_spectrum_rms_db": float(np.sqrt(np.mean(np.square(spectra)))),
        "radial_spectrum_difference_db": [round(float(d), 2) for d in spectra],
    }
