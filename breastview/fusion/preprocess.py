"""From images to what the network sees: one code for training and the clinic, numpy and scipy only."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from breastview.fusion.spec import CHANNELS, Channel, InputSpec
from breastview.imaging.geometry import frozen
from breastview.imaging.volume import Sector
from breastview.registration.parameters import WarpPoint
from breastview.registration.plane import PlaneGrid, UsPlane
from breastview.registration.resample import resample_plane

REFERENCE_PX = 32
PRESENT_SHARE = 0.5  # of the crop that a volume must cover to count as present
Image3 = tuple[np.ndarray, np.ndarray]  # array (slice, row, column) and its index_to_lps


@dataclass(frozen=True)
class Crop:
    """What the network sees of a US frame as a square, in pixels of the frame."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, eq=False)
class ModelInput:
    """One lesion as the network sees it.

    `us` is float32 (1, size, size), or None; `mri` float32 (channel, size, size), or None; `channels_present`
    bool (channel,). `us_crop` lies in pixels of the frame, `mri_grid` in mm of the US plane, or of
    `mri_plane`, the (4, 4) from mm to LPS mm of the acquired plane, for native input. `second_us` is like
    `us`, of the lesion's second view, and `second_crop` where; `us_alone` and `alone_crop` are those of the
    first for a model that cuts otherwise where there is no MRI. `us_covered` says that colour is laid over
    any of it, `us_beside` that a box lies beside the image. `input_sha256` is the review's hash of all that
    this was made from.
    """

    lesion_id: str
    us: np.ndarray | None
    mri: np.ndarray | None
    channels_present: np.ndarray
    us_crop: Crop | None = None
    mri_grid: PlaneGrid | None = None
    mri_plane: np.ndarray | None = None
    us_covered: bool = False
    us_beside: bool = False
    input_sha256: str = ""
    second_us: np.ndarray | None = None
    second_crop: Crop | None = None
    us_alone: np.ndarray | None = None
    alone_crop: Crop | None = None

    @property
    def us_views(self) -> tuple[np.ndarray, ...]:
        """Every US picture of the lesion that there is, the registered one first."""
        return tuple(image for image in (self.us, self.second_us) if image is not None)


def crop_around(box_px: tuple[float, float, float, float], spec: InputSpec) -> Crop:
    """What is cut around a lesion box (left, top, right, bottom), same centre: a square of its longer side,
    or, as the spec asks, its own sides, × margin."""
    left, top, right, bottom = box_px
    width, height = (max(side, 1.0) * spec.margin for side in (right - left, bottom - top))
    if not spec.box_shaped:
        width = height = max(width, height)
    return Crop((left + right - width) / 2, (top + bottom - height) / 2, width, height)


def us_input(grey: np.ndarray, crop: Crop, spec: InputSpec, sector: Sector | None) -> np.ndarray:
    """Cut, resize (averaging where it shrinks) and scale a US frame to float32 (1, size, size).

    Outside the sector (all of the picture is image where it is None) the network sees black: no text, scales
    or bar. A picture that was exported without its border gives the same input.
    """
    step = np.array([crop.height, crop.width]) / spec.size_px
    left, top = (sector.left, sector.top) if sector else (0, 0)
    image = grey[top : sector.bottom, left : sector.right] if sector else grey
    image = image.astype(np.float32)
    image = ndimage.gaussian_filter(image, np.where(step > 1, 0.4 * step, 0.0))
    start = np.array([crop.top - top, crop.left - left]) + (step - 1) / 2
    cut = ndimage.affine_transform(
        image,
        step,
        offset=start,
        output_shape=(spec.size_px, spec.size_px),
        order=1,
        mode="constant",
        prefilter=False,
    )
    return frozen(((cut / 255.0 - spec.us_mean) / spec.us_std).astype(np.float32)[None])


def plane_grid(crop: Crop, plane: UsPlane, size_px: int) -> PlaneGrid:
    """The grid in the US plane that covers a square crop; pixels are square in mm."""
    step = crop.height / size_px
    first = plane.px_to_mm(np.array([crop.left, crop.top]) + (step - 1) / 2)
    return PlaneGrid(float(first[0]), float(first[1]), step * plane.spacing_mm[1], size_px, size_px)


def channels_from(images: Container[str]) -> list[Channel]:
    """The channels whose images are all among these, as `registered_mri` names them."""
    needs = {Channel.DCE: ("dce_pre", "dce_post")}
    return [one for one in CHANNELS if all(name in images for name in needs.get(one, (one.value,)))]


def registered_mri(
    images: Mapping[str, Image3],
    us_to_mri: np.ndarray,
    grid: PlaneGrid,
    spec: InputSpec,
    warp: Sequence[WarpPoint] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """MRI in the US plane: float32 (channel, size, size) and which channels are present, bool (channel,).

    `images` maps "t1wi", "t2wi", "dwi", "dce_pre", "dce_post" to arrays with index_to_lps; `us_to_mri` (4, 4)
    with the local `warp` before it is the registration. T1WI, T2WI and DWI
    are divided by their median in a wider neighbourhood; DCE is (post − pre) over the 90th percentile of pre
    there: scanner numbers have no unit of their own. Absent channels and places outside are 0; a volume that
    covers less than half of the crop is absent.
    """
    wide = _wider(grid, spec)

    def sampled(name: str, on: PlaneGrid) -> np.ndarray:
        return resample_plane(*images[name], us_to_mri, on, warp=warp)

    planes = np.zeros((len(CHANNELS), grid.rows, grid.columns), np.float32)
    present = np.zeros(len(CHANNELS), bool)
    for channel in channels_from(images):
        place, plane = CHANNELS.index(channel), _channel(channel, sampled, grid, wide)
        if np.isfinite(plane).mean() >= PRESENT_SHARE:
            planes[place] = np.clip(np.nan_to_num(plane, nan=0.0), -spec.mri_limit, spec.mri_limit)
            present[place] = True
    return frozen(planes), frozen(present)


def native_mri(
    images: Mapping[str, Image3], point_mm: np.ndarray, spec: InputSpec
) -> tuple[np.ndarray, np.ndarray]:
    """MRI on its `native_plane` around a lesion's centre (LPS mm), scaled and returned as `registered_mri`
    does."""
    return registered_mri(images, *native_plane(images, point_mm, spec), spec)


def native_plane(
    images: Mapping[str, Image3], point_mm: np.ndarray, spec: InputSpec
) -> tuple[np.ndarray, PlaneGrid]:
    """The plane in which MRI was acquired through a point (LPS mm): the (4, 4) from its mm, right and down
    from the point as the slices are shown, to LPS mm; and the grid on it, `native_side_mm` wide.

    It is that of the dynamic series, else of the first.
    """
    name = "dce_pre" if "dce_pre" in images else next(iter(images))
    axes = images[name][1][:3, :3]
    plane = np.eye(4)
    plane[:3, :2] = (axes / np.linalg.norm(axes, axis=0))[:, [2, 1]]
    plane[:3, 2] = np.cross(plane[:3, 0], plane[:3, 1])
    plane[:3, 3] = point_mm
    step = spec.native_side_mm / spec.size_px
    first = step * (1 - spec.size_px) / 2
    return frozen(plane), PlaneGrid(first, first, step, spec.size_px, spec.size_px)


def _wider(grid: PlaneGrid, spec: InputSpec) -> PlaneGrid:
    side = grid.width_mm * spec.reference_margin / spec.margin
    centre = np.array([grid.left_mm, grid.top_mm]) + grid.spacing_mm * (grid.columns - 1) / 2
    step = side / REFERENCE_PX
    first = centre - step * (REFERENCE_PX - 1) / 2
    return PlaneGrid(float(first[0]), float(first[1]), step, REFERENCE_PX, REFERENCE_PX)


def _channel(
    channel: Channel,
    sampled: Callable[[str, PlaneGrid], np.ndarray],
    grid: PlaneGrid,
    wide: PlaneGrid,
) -> np.ndarray:
    if channel is Channel.DCE:
        pre, post = sampled("dce_pre", grid), sampled("dce_post", grid)
        return (post - pre) / _percentile(sampled("dce_pre", wide), 90)
    return sampled(channel.value, grid) / _percentile(sampled(channel.value, wide), 50) - 1.0


def _percentile(plane: np.ndarray, percent: float) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        value = float(np.nanpercentile(plane, percent))
    return value if np.isfinite(value) and value > 1e-6 else 1.0
