"""Key images: plain and with heatmap side by side, as uint8 pictures with marks burned in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from breastview.fusion.overlay import heatmap_rgba, over
from breastview.fusion.reading import Heatmap, Reading
from breastview.imaging.display import to_uint8
from breastview.imaging.geometry import slice_through
from breastview.imaging.volume import FrameStack, Volume
from breastview.records.values import Lesion
from breastview.registration.parameters import RegistrationParameters
from breastview.registration.plane import UsPlane, sector_grid
from breastview.registration.resample import resample_plane
from breastview.registration.transform import to_us_plane, us_to_mri

LESION_RGB = (245, 213, 71)
VIEW_STEP_MM = 0.15
OPACITY = 0.6
PRINT_PX = 900


@dataclass(frozen=True, eq=False)
class KeyImage:
    """One picture for print: uint8 (row, column, RGB); `kind` is "us", "mri_plane" or "mri_slice"."""

    kind: str
    lesion_id: str
    picture: np.ndarray
    heat: bool
    mm_per_px: float | None
    volume: str = ""


def us_images(
    stack: FrameStack, plane: UsPlane | None, lesion: Lesion | None, reading: Reading | None
) -> list[KeyImage]:
    """The US frame with the lesion's box, and again with the heatmap where there is one."""
    frame = lesion.us.frame if lesion and lesion.us else 0
    grey = stack.grey(frame)
    box = (lesion.us.left, lesion.us.top, lesion.us.right, lesion.us.bottom) if lesion and lesion.us else None
    name, mm = lesion.lesion_id if lesion else "", plane.spacing_mm[1] if plane else None
    images = [KeyImage("us", name, _marked(_rgb(grey), box, None), False, mm)]
    heatmap = _heatmap(reading, "us")
    if heatmap is not None:
        rect = (heatmap.left, heatmap.top, heatmap.width, heatmap.height)
        hot = over(grey, heatmap_rgba(heatmap), rect, OPACITY)
        images.append(KeyImage("us", name, _marked(hot, box, None), True, mm))
    return images


def plane_images(
    stack: FrameStack,
    plane: UsPlane,
    parameters: RegistrationParameters,
    volume: Volume,
    lesion: Lesion | None,
    reading: Reading | None,
    name: str,
) -> list[KeyImage]:
    """MRI in the US plane over the image sector, with the lesion's marks, and again with the heatmap."""
    grid = sector_grid(stack, plane, VIEW_STEP_MM)
    sampled = resample_plane(volume.array, volume.index_to_lps, us_to_mri(parameters), grid)
    grey = to_uint8(sampled, volume.window)

    def to_grid(px: tuple[float, float]) -> tuple[float, float]:
        mm = plane.px_to_mm(np.array(px))
        return float((mm[0] - grid.left_mm) / VIEW_STEP_MM), float((mm[1] - grid.top_mm) / VIEW_STEP_MM)

    box = None
    if lesion and lesion.us:
        box = (*to_grid((lesion.us.left, lesion.us.top)), *to_grid((lesion.us.right, lesion.us.bottom)))
    point = None
    if lesion and lesion.mri:
        x, y, _ = to_us_plane(parameters, np.array(lesion.mri.point_mm))
        point = ((x - grid.left_mm) / VIEW_STEP_MM, (y - grid.top_mm) / VIEW_STEP_MM)
    lesion_id = lesion.lesion_id if lesion else ""
    images = [KeyImage("mri_plane", lesion_id, _marked(_rgb(grey), box, point), False, VIEW_STEP_MM, name)]
    heatmap = _heatmap(reading, "mri")
    if heatmap is not None:
        rect = (
            (heatmap.left - grid.left_mm) / VIEW_STEP_MM,
            (heatmap.top - grid.top_mm) / VIEW_STEP_MM,
            heatmap.width / VIEW_STEP_MM,
            heatmap.height / VIEW_STEP_MM,
        )
        hot = over(grey, heatmap_rgba(heatmap), rect, OPACITY)
        images.append(KeyImage("mri_plane", lesion_id, _marked(hot, box, point), True, VIEW_STEP_MM, name))
    return images


def slice_image(volume: Volume, lesion: Lesion | None, name: str) -> KeyImage:
    """The acquired slice through the MRI mark (without a mark, the middle one), pixels made square."""
    place = slice_through(volume.index_to_lps, lesion.mri.point_mm) if lesion and lesion.mri else None
    number = round(place[0]) if place else len(volume.array) // 2
    number = min(max(number, 0), len(volume.array) - 1)
    step = np.linalg.norm(volume.index_to_lps[:3, :3], axis=0)
    grey = to_uint8(volume.array[number], volume.window)
    rows = max(round(grey.shape[0] * step[1] / step[2]), 1)
    square = np.asarray(Image.fromarray(grey).resize((grey.shape[1], rows), Image.Resampling.BILINEAR))
    point = (place[2] + 0.5, (place[1] + 0.5) * step[1] / step[2]) if place else None
    lesion_id = lesion.lesion_id if lesion else ""
    return KeyImage("mri_slice", lesion_id, _marked(_rgb(square), None, point), False, float(step[2]), name)


def _heatmap(reading: Reading | None, modality: str) -> Heatmap | None:
    return next((m for m in reading.heatmaps if m.modality == modality), None) if reading else None


def _rgb(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=2)


def _marked(
    rgb: np.ndarray, box: tuple[float, float, float, float] | None, point: tuple[float, float] | None
) -> np.ndarray:
    """Draw the lesion's box and point, in pixels, on an enlarged copy."""
    zoom = max(1, round(PRINT_PX / rgb.shape[1]))
    image = Image.fromarray(np.ascontiguousarray(rgb))
    image = image.resize((image.width * zoom, image.height * zoom), Image.Resampling.BILINEAR)
    draw = ImageDraw.Draw(image)
    if box is not None:
        draw.rectangle([v * zoom for v in box], outline=LESION_RGB, width=2)
    if point is not None:
        x, y, arm = point[0] * zoom, point[1] * zoom, 12
        draw.line([(x - arm, y), (x + arm, y)], fill=LESION_RGB, width=2)
        draw.line([(x, y - arm), (x, y + arm)], fill=LESION_RGB, width=2)
    return np.asarray(image)
