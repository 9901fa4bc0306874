"""BI-RADS ultrasound descriptors, read by one ruler off masks and pictures, simulated and real.

A radiologist sees more than a ruler does, so that BUSI's stills, drawn round by readers, are measured the
same way beside the simulated ones. Lengths are relative to the lesion's own size: BUSI has no millimetres.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage
from scipy.spatial import ConvexHull
from sklearn.metrics import roc_auc_score

from breastview.phantom.stills import SimulatedFrame
from tests.benchmarks.phantom.seen import LABELS, Seen

RADIUS_PX = 40  # of the disc as large as the mask, once it is scaled
SMOOTH_PX = 1.5  # so that a hand-drawn outline and a computed one are equally fine
IRREGULAR_BELOW = 0.92  # area over that of the convex hull
ROUND_ABOVE = 0.85  # shorter over longer axis
THIN_SHARE, SPICULATED_ABOVE = 0.22, 0.06  # of the radius; area that an opening of that radius removes
SHARP_ABOVE = 0.5  # step at the outline against the step between inside and outside
BEHIND_GREY = 12.0  # grey levels that make a shadow or an enhancement
MIN_ROWS = 8

Found = dict[str, Any]


@dataclass(frozen=True)
class Read:
    """What the ruler finds of one lesion in one picture; `behind` is None where the picture ends too soon.

    `solidity` is area over that of the convex hull, `thin` the share of the area in thin processes, `axes`
    shorter over longer, `tall` height over width, `sharp` how abrupt the outline is in grey levels, `behind`
    how much brighter it is below the lesion than beside.
    """

    solidity: float
    thin: float
    axes: float
    tall: float
    sharp: float
    behind: float | None

    def words(self) -> dict[str, bool | None]:
        """The descriptors, each true or false; None where it cannot be told."""
        irregular = self.solidity < IRREGULAR_BELOW
        return {
            "irregular": irregular,
            "oval": not irregular and self.axes <= ROUND_ABOVE,
            "round": not irregular and self.axes > ROUND_ABOVE,
            "non-parallel": self.tall > 1,
            "width:depth ≤ 1.4": self.tall >= 1 / 1.4,
            "spiculated": self.thin > SPICULATED_ABOVE,
            "circumscribed": not irregular and self.thin <= SPICULATED_ABOVE and self.sharp > SHARP_ABOVE,
            "shadow": None if self.behind is None else self.behind < -BEHIND_GREY,
            "enhancement": None if self.behind is None else self.behind > BEHIND_GREY,
        }


def read(grey: np.ndarray, mask: np.ndarray) -> Read | None:
    """Measure a lesion in the image part of a picture, both (row, column); None without a mask."""
    body = _largest(mask)
    if body.sum() < 50:
        return None
    outline = _scaled(body)
    rows, columns = np.nonzero(body)
    wide, high = np.ptp(columns) + 1, np.ptp(rows) + 1
    return Read(
        solidity=solidity(outline),
        thin=thin_share(outline),
        axes=_axes(outline),
        tall=float(high / wide),
        sharp=sharpness(grey, body),
        behind=behind(grey, body),
    )


def _largest(mask: np.ndarray) -> np.ndarray:
    """The largest piece of a mask, its holes filled."""
    pieces, count = ndimage.label(mask)
    if count == 0:
        return np.zeros(mask.shape, bool)
    sizes = np.bincount(pieces.ravel())[1:]
    return ndimage.binary_fill_holes(pieces == np.argmax(sizes) + 1)


def _scaled(body: np.ndarray) -> np.ndarray:
    """The body as large as a disc of `RADIUS_PX`, its outline smoothed, with room around it."""
    rows, columns = np.nonzero(body)
    cut = body[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].astype(np.float32)
    factor = RADIUS_PX / np.sqrt(body.sum() / np.pi)
    cut = ndimage.gaussian_filter(np.pad(cut, round(4 / factor) + 2), max(0.5 / factor - 0.5, 0))
    return ndimage.gaussian_filter(ndimage.zoom(cut, factor, order=1), SMOOTH_PX) > 0.5


def solidity(outline: np.ndarray) -> float:
    """Area over that of the convex hull of its pixels' corners."""
    pixels = np.argwhere(outline & ~ndimage.binary_erosion(outline))
    corners = np.concatenate([np.add(pixels, (dy, dx)) for dy in (0, 1) for dx in (0, 1)])
    return float(outline.sum() / ConvexHull(corners).volume)


def thin_share(outline: np.ndarray) -> float:
    """Share of the area that lies in processes thinner than twice `THIN_SHARE` of the radius."""
    radius = THIN_SHARE * RADIUS_PX
    core = ndimage.distance_transform_edt(np.pad(outline, 1)) > radius
    opened = ndimage.distance_transform_edt(~core) <= radius
    return float(1 - (opened[1:-1, 1:-1] & outline).sum() / outline.sum())


def _axes(outline: np.ndarray) -> float:
    short, long = np.linalg.eigvalsh(np.cov(np.argwhere(outline).T))
    return float(np.sqrt(short / long))


def sharpness(grey: np.ndarray, body: np.ndarray) -> float:
    """Grey step over a tenth of the radius at the outline, against that between inside and outside."""
    radius = np.sqrt(body.sum() / np.pi)
    near = _around(body, round(0.6 * radius) + 2)
    grey, body = grey[near], body[near]
    away = ndimage.distance_transform_edt(~body) - ndimage.distance_transform_edt(body)
    shells = [(0, 0.1), (-0.1, 0), (0.25, 0.5), (-0.5, -0.25)]
    near_out, near_in, far_out, far_in = (
        _mean(grey[(away > low * radius) & (away <= high * radius)]) for low, high in shells
    )
    step = far_out - far_in
    return float(np.clip((near_out - near_in) / step, -1, 2)) if abs(step) > 1 else 0.0


def _around(body: np.ndarray, margin: int) -> tuple[slice, slice]:
    ends = ((np.min(at), np.max(at)) for at in np.nonzero(body))
    rows, columns = (slice(max(low - margin, 0), high + margin + 1) for low, high in ends)
    return rows, columns


def behind(grey: np.ndarray, body: np.ndarray) -> float | None:
    """Grey levels by which a strip below the lesion is brighter than strips beside it at the same depth."""
    rows, columns = np.nonzero(body)
    left, right, bottom = columns.min(), columns.max() + 1, rows.max() + 1
    wide, high = right - left, bottom - rows.min()
    strip = grey[bottom + round(0.1 * high) : bottom + round(0.8 * high) + MIN_ROWS]
    if len(strip) < MIN_ROWS:
        return None
    under = strip[:, left + wide // 5 : right - wide // 5]
    beside = [strip[:, max(left - wide // 2, 0) : max(left - wide // 10, 0)]]
    beside.append(strip[:, right + wide // 10 : right + wide // 2])
    values = np.concatenate([part.ravel() for part in beside])
    return float(under.mean() - values.mean()) if len(values) >= under.size // 4 else None


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else 0.0


def of_simulated(patients: Sequence[Seen]) -> Found:
    """Descriptors of all simulated stills of masses, by label: cysts and non-mass lesions are left out, as
    they were by those who published shares."""
    masses = [seen for seen in patients if seen.patient.lesion.family == "mass"]
    return summary((seen.label, read(*cut(frame))) for seen in masses for frame in seen.case.frames)


def cut(frame: SimulatedFrame) -> tuple[np.ndarray, np.ndarray]:
    """The image part of a still, float32, and of its lesion's mask."""
    place = frame.sector
    part = slice(place.top, place.bottom), slice(place.left, place.right)
    return frame.grey[part].astype(np.float32), frame.lesion_mask[part]


def of_busi(busi: Path) -> Found:
    """Descriptors of the real stills with a lesion, one of each group of near-duplicates, by label."""
    return summary((label, read(grey, mask)) for label, grey, mask in busi_lesions(busi))


def busi_lesions(busi: Path) -> Iterable[tuple[str, np.ndarray, np.ndarray]]:
    """Label, grey levels and mask."""
    with (busi / "index.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["near_duplicate_group"]: row for row in csv.DictReader(file) if row["class"] in LABELS}
    for row in rows.values():
        path = busi / row["class"] / row["file"]
        mask = Image.open(path.with_name(path.stem + "_mask.png")).convert("L")
        yield row["class"], np.asarray(Image.open(path).convert("L"), np.float32), np.asarray(mask) > 127


def summary(lesions: Iterable[tuple[str, Read | None]]) -> Found:
    """Share of each descriptor by label, and how well each measured quantity parts the labels (AUC)."""
    known = [(label, found) for label, found in lesions if found is not None]
    words: dict[str, dict[str, list[bool | None]]] = defaultdict(lambda: defaultdict(list))
    values: dict[str, list[tuple[bool, float | None]]] = defaultdict(list)
    for label, found in known:
        for word, there in found.words().items():
            words[word][label].append(there)
        for name, value in vars(found).items():
            values[name].append((label == "malignant", value))
    return {
        "shares": {word: {label: _share(by[label]) for label in LABELS} for word, by in words.items()},
        "auc": {name: _auc(pairs) for name, pairs in values.items()},
        "n": {label: sum(name == label for name, _ in known) for label in LABELS},
    }


def _share(there: Sequence[bool | None]) -> float | None:
    told = [value for value in there if value is not None]
    return float(np.mean(told)) if told else None


def _auc(pairs: Sequence[tuple[bool, float | None]]) -> float | None:
    told = [(label, value) for label, value in pairs if value is not None]
    labels = [label for label, _ in told]
    return float(roc_auc_score(labels, [value for _, value in told])) if 0 < sum(labels) < len(told) else None


def predictive(malignant: float | None, benign: float | None) -> float | None:
    """Predictive value for malignancy of a descriptor with these shares where half of the lesions are."""
    if malignant is None or benign is None or malignant + benign == 0:
        return None
    return malignant / (malignant + benign)
