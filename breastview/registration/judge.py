"""Which of the places that a search found shows the tissue of the picture: a small network's word on each.

What explains a picture best is not always where it was taken. The network has learned, on simulated patients,
to tell the true place from those that explained the picture as well (`python -m model_training judge`). It
looks at the picture, at what LC2 makes of MRI there, at what that leaves, and at MRI itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.special import softmax

from breastview.registration.outline import Outline

FILE = Path(__file__).resolve().parent.parent.parent / "resources" / "models" / "snap" / "judge.npz"
ROWS, COLUMNS = 48, 40  # of what it sees, in the steps of a look: 60 mm deep, 50 mm wide
IMAGES = 4  # T1WI, T2WI, DCE before and after medium: it knows no fewer
CHANNELS = 5 + 2 * IMAGES + IMAGES + 3
RIGHT, DOWN = 3, 4  # the channels that say where in the picture a place lies, -1 … 1
LEAST_SPREAD = 1e-3  # of grey values: a picture that shows nothing is grey
DETAIL = 5.0  # brings MRI's detail to the size of the rest


@dataclass(frozen=True, eq=False)
class View:
    """What is seen of one picture at n places in MRI, float32.

    `detail`, `weight` (row, column) are the picture's, as in `UsPatches`; `fit` (n, row, column) is what LC2
    makes of MRI, `mri_detail` (n, row, column, 2 · `IMAGES`) MRI's images and edges less the means of their
    patches, `mri` (n, row, column, `IMAGES`) the images. `lesion` (row, column) is 1 on the lesion, 0 where
    none is known.
    """

    detail: np.ndarray
    weight: np.ndarray
    fit: np.ndarray
    mri_detail: np.ndarray
    mri: np.ndarray
    lesion: np.ndarray

    def maps(self) -> np.ndarray:
        """What the network is given, float32 (n, `CHANNELS`, `ROWS`, `COLUMNS`), zero beyond the picture; of
        a larger one the part around the lesion."""
        rows, columns = self.detail.shape
        spread = max(np.sqrt((self.weight * self.detail**2).sum() / self.weight.sum()), LEAST_SPREAD)
        seen, fit = self.detail / spread, self.fit / spread
        right, down = np.meshgrid(np.linspace(-1, 1, columns), np.linspace(-1, 1, rows))
        layers = (
            *(np.broadcast_to(x, fit.shape) for x in (seen, self.weight, self.lesion, right, down)),
            *(fit, seen - fit, seen * fit),
            *np.moveaxis(DETAIL * self.mri_detail, -1, 0),
            *np.moveaxis(self.mri, -1, 0),
        )
        maps = np.zeros((len(fit), CHANNELS, ROWS, COLUMNS), np.float32)
        part = tuple(_part(self.lesion.max(axis=axis), side) for axis, side in ((1, ROWS), (0, COLUMNS)))
        seen_part = np.stack(layers, axis=1)[:, :, *part]
        maps[:, :, : seen_part.shape[2], : seen_part.shape[3]] = seen_part
        return maps


def _part(lesion: np.ndarray, side: int) -> slice:
    """`side` places of an axis (n,) with the lesion, which is not 0, in their middle as far as they go; the
    first where none is known."""
    where = np.flatnonzero(lesion)
    first = round((where[0] + where[-1] + 1 - side) / 2) if len(where) else 0
    first = min(max(first, 0), max(len(lesion) - side, 0))
    return slice(first, first + side)


def mirrored(maps: np.ndarray) -> np.ndarray:
    """What the places of a picture, as of `View.maps`, look like from the other side of its plane; it lies in
    its frame as before."""
    wide = int(maps[:1, DOWN].any(axis=1).sum())
    turned = maps.copy()
    turned[..., :wide] = maps[..., :wide][..., ::-1]
    turned[:, RIGHT] *= -1
    return turned


def on_lesion(lesion: Outline | None, points_mm: np.ndarray) -> np.ndarray:
    """1 on a lesion, taken as the ellipse in its mark, and 0 elsewhere, float32 (row, column), of samples
    (row, column, 3) of the US plane."""
    if lesion is None:
        return np.zeros(points_mm.shape[:2], np.float32)
    x, y = lesion.middle_mm
    wide, high = (lesion.right - lesion.left) / 2, (lesion.bottom - lesion.top) / 2
    away = ((points_mm[..., 0] - x) / wide) ** 2 + ((points_mm[..., 1] - y) / high) ** 2
    return (away <= 1).astype(np.float32)


class Judge:
    """The network: convolutions with ReLU, pooled between and at the end; numpy, for it is small. It is asked
    about a picture and about its mirror image, and the mean is what it says.

    `weights` hold "kernel0" … (out, in, 3, 3) and "bias0" … (out,), "head" (features,), "bias", what a share
    of the picture explained is worth beside it, "height", and the log odds of "none".
    """

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        self.weights = {name: np.asarray(value, np.float32) for name, value in weights.items()}

    def odds(self, maps: np.ndarray, heights: np.ndarray) -> np.ndarray:
        """Log odds (n,), up to a constant, that each place is the true one, of maps as in `View` and of the
        heights (n,) of the landscape."""
        said = (self._said(maps) + self._said(mirrored(maps))) / 2
        return np.asarray(said + self.weights["height"] * (heights - heights.max()), float)

    def _said(self, maps: np.ndarray) -> np.ndarray:
        """What it makes of the maps alone."""
        seen = maps
        for layer in range(sum(name.startswith("kernel") for name in self.weights)):
            seen = _convolved(seen if layer == 0 else _halved(seen), self.weights, layer)
        features = _thirds(seen).reshape(len(maps), -1)
        return np.asarray(features @ self.weights["head"] + self.weights["bias"])

    def shares(self, odds: np.ndarray) -> np.ndarray:
        """Probability (n,) of each place; what they lack to 1 is that it is none of them."""
        return softmax(np.append(odds, self.weights["none"]))[:-1]


@lru_cache(maxsize=1)
def shipped() -> Judge:
    """The network that comes with the program."""
    with np.load(FILE) as kept:
        return Judge({name: kept[name] for name in kept.files if name != "made"})


def _convolved(maps: np.ndarray, weights: Mapping[str, np.ndarray], layer: int) -> np.ndarray:
    """3 × 3 kernels over maps (n, channel, row, column), borders padded with zeros, and ReLU."""
    kernel, bias = weights[f"kernel{layer}"], weights[f"bias{layer}"]
    n, _, rows, columns = maps.shape
    padded = np.pad(maps, ((0, 0), (0, 0), (1, 1), (1, 1)))
    found = np.broadcast_to(bias[:, None, None], (n, len(bias), rows, columns)).copy()
    for down in range(3):
        for right in range(3):
            part = padded[:, :, down : down + rows, right : right + columns].reshape(n, maps.shape[1], -1)
            found += (kernel[:, :, down, right] @ part).reshape(found.shape)
    return np.maximum(found, 0)


def _halved(maps: np.ndarray) -> np.ndarray:
    """The largest of each 2 × 2 places."""
    n, channels, rows, columns = maps.shape
    return maps.reshape(n, channels, rows // 2, 2, columns // 2, 2).max(axis=(3, 5))


def _thirds(maps: np.ndarray) -> np.ndarray:
    """Means (n, channel, 3, 3) over nine parts, which overlap where a side is no multiple of three, as
    torch's adaptive pooling has them."""
    rows, columns = (
        [slice(part * side // 3, -(-(part + 1) * side // 3)) for part in range(3)] for side in maps.shape[2:]
    )
    means = [[maps[:, :, down, right].mean(axis=(2, 3)) for right in columns] for down in rows]
    return np.moveaxis(np.array(means), (0, 1), (2, 3))
