"""How much of a US picture MRI explains: LC2 with several MRI images and one regression for all patches.

LC2 (Wein et al., MICCAI 2013, LNCS 8149:34; Fuerst et al., Med Image Anal 18:1312, 2014) fits the grey values
of each US patch by MRI and its gradient. Here each patch loses its own mean, which takes gain and shadows
away, and one regression on all MRI images, their squares and their edges across the beam, where interfaces
echo, serves the whole picture: fat cannot be bright in one patch and dark in the next, so that a wrong place
explains little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from breastview.imaging.geometry import apply
from breastview.imaging.volume import FrameStack, Volume
from breastview.registration.parameters import WarpPoint
from breastview.registration.plane import UsPlane, sector_grid
from breastview.registration.warp import warped

BORDER_MM = 1.0  # of the sector, left out on every side
DARK, LIT = 12.0, 32.0  # grey levels between which a column's lower end counts as shadow
SHADOW_WEIGHT = 0.05
STEP_MM = 1.0  # of the block of MRI
LEAST_TOTAL = 1e-6  # of a picture's squared grey values: one that shows nothing has nothing explained
RIDGE = 1e-3  # share of the mean variance of the channels that steadies the regression
BODY = 0.15  # mean of the channels above which a voxel is body


@dataclass(frozen=True, eq=False)
class UsPatches:
    """A US picture ready to be explained, sampled every `step_mm` (rows, columns).

    `points_mm` (row, column, 3) in the US plane, warp included; `detail` are grey values less the mean of the
    patch around, float32; `weight` is small in shadows; a patch is `side` samples wide.
    """

    points_mm: np.ndarray
    detail: np.ndarray
    weight: np.ndarray
    side: int


@dataclass(frozen=True, eq=False)
class MriBlock:
    """MRI resampled around a plane, in the US frame of one pose, every `STEP_MM` from `corner_mm` on.

    `values` are (x, y, z, channel): the images, then how steeply each changes along the beam; `body` (x, y,
    z) is 1 in the body, `inside` (x, y, z) where all volumes reach; all float32.
    """

    corner_mm: np.ndarray
    values: np.ndarray
    body: np.ndarray
    inside: np.ndarray

    def at(self, points_mm: np.ndarray) -> np.ndarray:
        """Channels at US-frame points (..., 3) in mm, float32 (..., channel): trilinear, border continued."""
        return _trilinear(self.values, (points_mm - self.corner_mm) / STEP_MM)

    def body_at(self, points_mm: np.ndarray) -> np.ndarray:
        """How much body is at points (..., 3), float32 0…1 (...)."""
        return _trilinear(self.body[..., None], (points_mm - self.corner_mm) / STEP_MM)[..., 0]

    def inside_at(self, points_mm: np.ndarray) -> np.ndarray:
        """How far points (..., 3) are covered by all volumes, float32 0…1 (...)."""
        return _trilinear(self.inside[..., None], (points_mm - self.corner_mm) / STEP_MM)[..., 0]


def us_patches(
    stack: FrameStack,
    frame: int,
    plane: UsPlane,
    warp: Sequence[WarpPoint] = (),
    step_mm: float = 1.0,
    blur_mm: float = 0.6,
    patch_mm: float = 5.0,
) -> UsPatches:
    """Sample a US picture inside its sector, blurred to what MRI can show, each patch without its mean."""
    grid = sector_grid(stack, plane, step_mm)
    x = np.arange(grid.left_mm + BORDER_MM, grid.left_mm + grid.width_mm - BORDER_MM, step_mm)
    y = np.arange(grid.top_mm + BORDER_MM, grid.top_mm + grid.height_mm - BORDER_MM, step_mm)
    points = np.stack([*np.meshgrid(x, y), np.zeros((len(y), len(x)))], axis=-1)
    grey, lit = _blurred(stack, frame, plane, blur_mm, points), _blurred(stack, frame, plane, 1.0, points)
    weight = _not_shadow(lit)
    side = max(3, round(patch_mm / step_mm) | 1)
    return UsPatches(warped(warp, points), grey - _patch_mean(grey, weight, side), weight, side)


def _blurred(
    stack: FrameStack, frame: int, plane: UsPlane, blur_mm: float, points_mm: np.ndarray
) -> np.ndarray:
    """Grey values at points of the plane (row, column, 3), float32; the border has no part in them."""
    sector = stack.sector
    inside = stack.grey(frame)[sector.top : sector.bottom, sector.left : sector.right].astype(np.float32)
    smooth = ndimage.gaussian_filter(inside, np.divide(blur_mm, plane.spacing_mm), mode="nearest")
    px = plane.mm_to_px(points_mm[..., :2]) - (sector.left, sector.top)
    return ndimage.map_coordinates(smooth, [px[..., 1], px[..., 0]], order=1, mode="nearest")


def _not_shadow(grey: np.ndarray) -> np.ndarray:
    """Weights float32: what is dark down to the bottom is shadow; a cyst has bright tissue behind it."""
    brightest_below = np.maximum.accumulate(grey[::-1], axis=0)[::-1]
    return np.clip((brightest_below - DARK) / (LIT - DARK), SHADOW_WEIGHT, 1).astype(np.float32)


def _patch_mean(values: np.ndarray, weight: np.ndarray, side: int) -> np.ndarray:
    """Weighted mean over the patch around each sample; values (..., row, column)."""
    size = (*[0] * (values.ndim - 2), side, side)
    total = ndimage.uniform_filter(weight * values, size, mode="constant")
    return total / ndimage.uniform_filter(weight, side, mode="constant")


def mri_block(
    volumes: Sequence[Volume], us_to_mri: np.ndarray, points_mm: np.ndarray, margin_mm: float
) -> MriBlock:
    """Resample volumes around US-plane points (..., 3), `margin_mm` on every side, in the frame of a pose.

    Each image is divided by its 95th percentile there.
    """
    low = points_mm.reshape(-1, 3).min(axis=0) - margin_mm
    high = points_mm.reshape(-1, 3).max(axis=0) + margin_mm
    axes = [np.arange(start, end + STEP_MM, STEP_MM) for start, end in zip(low, high, strict=True)]
    lps = apply(us_to_mri, np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1))
    found = [_resampled(volume, lps) for volume in volumes]
    images = np.stack([image / max(np.percentile(image, 95), 1e-6) for image, _ in found], axis=-1)
    edges = np.abs(np.gradient(images, axis=1))
    return MriBlock(
        corner_mm=low,
        values=np.concatenate([images, edges], axis=-1),
        body=(images.mean(axis=-1) > BODY).astype(np.float32),
        inside=np.min([covered for _, covered in found], axis=0).astype(np.float32),
    )


def _resampled(volume: Volume, lps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A volume at LPS points (..., 3), float32, its border continued, and which of them it covers, bool."""
    index = apply(volume.lps_to_index, lps)
    covered = np.all((index >= -0.5) & (index <= np.array(volume.array.shape) - 0.5), axis=-1)
    low = np.clip(np.floor(index.reshape(-1, 3).min(axis=0)).astype(int), 0, np.array(volume.array.shape) - 1)
    high = np.clip(np.ceil(index.reshape(-1, 3).max(axis=0)).astype(int) + 1, low + 1, volume.array.shape)
    part = volume.array[low[0] : high[0], low[1] : high[1], low[2] : high[2]].astype(np.float32)
    places = np.moveaxis(index - low, -1, 0)
    return ndimage.map_coordinates(part, places, np.float32, order=1, mode="nearest"), covered


def _trilinear(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Values (x, y, z, channel) at indices (..., 3): eight lookups, all channels at once."""
    shape = np.array(values.shape[:3])
    index = np.clip(index, 0, shape - 1.001)
    whole = index.astype(np.int32)
    part = (index - whole).astype(np.float32)
    steps = np.array([shape[1] * shape[2], shape[2], 1])
    first, flat = whole @ steps, values.reshape(-1, values.shape[3])
    found = np.zeros((*index.shape[:-1], values.shape[3]), np.float32)
    for corner in np.ndindex(2, 2, 2):
        share = np.prod(np.where(corner, part, 1 - part), axis=-1)
        found += share[..., None] * flat.take(first + int(corner @ steps), axis=0)
    return found


class Lc2:
    """The measure of one US picture against one block of MRI."""

    def __init__(self, us: UsPatches, block: MriBlock) -> None:
        self.us, self._block = us, block
        self._weight = us.weight.ravel()
        self._detail = us.detail.ravel()
        self._patch_weight = ndimage.uniform_filter(us.weight, us.side, mode="constant")[..., None]
        self.total = max(float(self._weight @ self._detail**2), LEAST_TOTAL)

    def explained(self, points_mm: np.ndarray) -> np.ndarray:
        """Share 0…1 of the picture's detail that MRI explains at each of n placements of its samples.

        `points_mm` (n, row, column, 3) are places in the block's frame.
        """
        _, coefficients, moments = self._regress(points_mm)
        return np.einsum("nc,nc->n", coefficients, moments) / self.total

    def residuals(self, points_mm: np.ndarray) -> np.ndarray:
        """What MRI leaves, (n, samples), weighted: the squares sum to the share that is not explained."""
        _, fit = self.fitted(points_mm)
        left = self._detail - fit.reshape(len(fit), -1)
        return left * np.sqrt(self._weight / self.total)

    def fitted(self, points_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """MRI's detail at each of n placements, regressors last, (n, row, column, regressor), and what the
        regression makes of it, (n, row, column)."""
        detail, coefficients, _ = self._regress(points_mm)
        fit = np.matmul(detail, coefficients[..., None].astype(np.float32))
        shape = points_mm.shape[:3]
        return detail.reshape(*shape, -1), fit.reshape(shape)

    def _regress(self, points_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """MRI's detail (n, samples, regressor), its coefficients, its moments with the picture's detail."""
        detail = self._mri_detail(points_mm)
        weighted = np.swapaxes(detail, 1, 2) * self._weight
        spread = np.matmul(weighted, detail).astype(float)
        moments = np.matmul(weighted, self._detail).astype(float)
        ridge = RIDGE * np.trace(spread, axis1=1, axis2=2) / spread.shape[1] + 1e-9
        spread += np.eye(spread.shape[1]) * ridge[:, None, None]
        return detail, np.linalg.solve(spread, moments[..., None])[..., 0], moments

    def _mri_detail(self, points_mm: np.ndarray) -> np.ndarray:
        """MRI images, their edges and their squares, less their patches' means, float32 (n, samples,
        regressor)."""
        channels = self._block.at(points_mm)
        images = channels[..., : channels.shape[-1] // 2]
        mri = np.concatenate([channels, images * images], axis=-1)
        side = (0, self.us.side, self.us.side, 0)
        mean = ndimage.uniform_filter(self.us.weight[..., None] * mri, side, mode="constant")
        return (mri - mean / self._patch_weight).reshape(len(mri), -1, mri.shape[-1])
