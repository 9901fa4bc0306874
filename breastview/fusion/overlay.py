"""Pictures over pictures, for the window and the report: numpy only."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import ndimage

from breastview.fusion.reading import Heatmap
from breastview.imaging.geometry import ON_SLICE, SAME_COSINE, apply, frozen
from breastview.imaging.volume import Sector

SIDE_PX = 192
# Dark violet to pale yellow with rising lightness, so that it also reads in grey.
_STOPS = np.array([[38, 14, 74], [106, 43, 150], [182, 74, 160], [240, 128, 118], [252, 214, 150]], float)
_MRI_TINT = np.array([255.0, 196.0, 96.0])
Rect = tuple[float, float, float, float]  # left, top, width, height


def heatmap_rgba(heatmap: Heatmap) -> np.ndarray:
    """Colour a heatmap: uint8 (side, side, RGBA). Weak evidence is transparent; nothing is stretched."""
    zoom = [SIDE_PX / size for size in heatmap.values.shape]
    values = ndimage.zoom(heatmap.values, zoom, order=1, grid_mode=True, mode="nearest")
    values = np.clip(values, 0, 1)
    place = np.linspace(0, 1, len(_STOPS))
    rgb = np.stack([np.interp(values, place, _STOPS[:, k]) for k in range(3)], axis=-1)
    alpha = np.clip(values * 1.6, 0, 1) * 255
    return np.concatenate([rgb, alpha[..., None]], axis=-1).astype(np.uint8)


def within(rgba: np.ndarray, rect: Rect, sector: Sector) -> np.ndarray:
    """An overlay (row, column, RGBA) at `rect` (left, top, width, height) in pixels of a US picture,
    transparent from the sector's border outward: there is no image to attend to."""
    left, top, width, height = rect
    dy, dx = height / rgba.shape[0], width / rgba.shape[1]
    row, column = (dy * (np.arange(rgba.shape[0]) + 0.5) + top, dx * (np.arange(rgba.shape[1]) + 0.5) + left)
    rows = (row - dy >= sector.top) & (row + dy <= sector.bottom)  # a pixel early: it is drawn smoothly
    columns = (column - dx >= sector.left) & (column + dx <= sector.right)
    cut = rgba.copy()
    cut[~(rows[:, None] & columns), 3] = 0
    return cut


def rect_in_slice(heatmap: Heatmap, picture: np.ndarray) -> Rect | None:
    """Where a heatmap of native MRI lies on an acquired slice, whose `picture` is the (4, 4) of
    `slice_plane`; None where the map lies in the US plane, in another slice or in another orientation."""
    if heatmap.plane is None:
        return None
    axes = picture[:3, :2] / np.linalg.norm(picture[:3, :2], axis=0)
    if not np.allclose(axes.T @ heatmap.plane[:3, :2], np.eye(2), atol=SAME_COSINE):
        return None
    ends = (heatmap.left + heatmap.width, heatmap.top + heatmap.height)
    corners = np.array([(heatmap.left, heatmap.top, 0), (*ends, 0)])
    (left, top, depth), (right, bottom, _) = apply(np.linalg.inv(picture) @ heatmap.plane, corners).tolist()
    return (left, top, right - left, bottom - top) if abs(depth) <= ON_SLICE else None


def over(grey: np.ndarray, rgba: np.ndarray, rect: Rect, opacity: float) -> np.ndarray:
    """Lay RGBA over a grey uint8 picture at `rect` (left, top, width, height) in its pixels: uint8 RGB."""
    rows, columns = grey.shape
    left, top, width, height = rect
    row = (np.arange(rows) + 0.5 - top) / height * rgba.shape[0] - 0.5
    column = (np.arange(columns) + 0.5 - left) / width * rgba.shape[1] - 0.5
    grid = np.meshgrid(row, column, indexing="ij")
    sampled = [
        ndimage.map_coordinates(rgba[..., k].astype(float), grid, order=1, mode="nearest") for k in range(4)
    ]
    inside = np.logical_and(
        *((at >= -0.5) & (at < size - 0.5) for at, size in zip(grid, rgba.shape[:2], strict=True))
    )
    share = (sampled[3] / 255 * opacity * inside)[..., None]
    colour = np.stack(sampled[:3], axis=-1)
    return (grey[..., None] * (1 - share) + colour * share).round().astype(np.uint8)


def blend(under: np.ndarray, mri: np.ndarray, opacity: float) -> np.ndarray:
    """US in grey with MRI tinted over it: uint8 (row, column, RGBA), opaque, of the size of `mri`, both
    uint8."""
    pairs = fitted(under, mri.shape).astype(np.uint16) << 8 | mri
    return _mixed(opacity).take(pairs).view(np.uint8).reshape(*mri.shape, 4)


@lru_cache(maxsize=1)
def _mixed(opacity: float) -> np.ndarray:
    """The colour of every pair of levels, at grey · 256 + MRI: the four bytes RGBA as read-only uint32
    (65536,)."""
    levels = np.arange(256.0)
    colours = np.full((256, 256, 4), 255.0)
    colours[..., :3] = (1 - opacity) * levels[:, None, None] + opacity * levels[:, None] / 255 * _MRI_TINT
    return frozen(colours.round().astype(np.uint8).view(np.uint32).ravel())


def fitted(picture: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A uint8 picture in another number of rows and columns, linear between its pixels."""
    if picture.shape == shape:
        return picture
    step = [here / there for here, there in zip(picture.shape, shape, strict=True)]
    return ndimage.affine_transform(picture, step, output_shape=shape, order=1, prefilter=False)
