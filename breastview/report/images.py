"""Key images: plain and with heatmap side by side, as uint8 pictures with marks and a scale bar burned in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from breastview.fusion.overlay import heatmap_rgba, over, within
from breastview.fusion.reading import Heatmap, Reading
from breastview.imaging.case import Role
from breastview.imaging.display import default_window, to_uint8
from breastview.imaging.geometry import edge_letters, slice_through
from breastview.imaging.volume import FrameStack, Volume
from breastview.records.values import Lesion
from breastview.registration.pair import RegisteredPair
from breastview.registration.plane import PlaneGrid, UsPlane
from breastview.registration.resample import resample_plane
from breastview.registration.transform import to_us_plane

FONTS = Path(__file__).resolve().parent.parent.parent / "resources" / "fonts"
LESION_RGB, WORDS_RGB = (245, 213, 71), (235, 235, 235)
PLANE_STEP_MM = 0.15
CROP_STEP_MM, CROP_WIDTHS = 0.2, 2.0
OPACITY = 0.6
PRINT_PX = 900
LINE_PX, LETTER_PX, EDGE_PX = 4, 34, 14
BARS_MM, SHORTEST_BAR_PX = (10.0, 50.0), 90

Box = tuple[float, float, float, float]
Point = tuple[float, float]


@dataclass(frozen=True, eq=False)
class KeyImage:
    """One picture for print: uint8 (row, column, RGB) with square pixels.

    `kind` is "us", "mri_plane", "mri_slice" or "mri_crop"; `mm_per_px` is None where there is no scale. Of a
    lesion that is marked in two US views, `us_view` says which of them, 1 or 2, the picture is or is
    registered with; 0 where there is nothing to tell apart.
    """

    kind: str
    lesion_id: str
    picture: np.ndarray
    heat: bool
    mm_per_px: float | None
    volume: str = ""
    blank: bool = False  # a heatmap with nothing to see
    us_view: int = 0


def us_images(
    stack: FrameStack,
    plane: UsPlane | None,
    lesion: Lesion | None,
    reading: Reading | None,
    second_view: bool = False,
) -> list[KeyImage]:
    """The US frame of the lesion's first or second view with its box, and again with the heatmap where there
    is one."""
    mark = (lesion.second_us if second_view else lesion.us) if lesion else None
    view = 2 if second_view else _first_of_two(lesion)
    grey = stack.grey(mark.frame if mark else 0)
    box = (mark.left, mark.top, mark.right, mark.bottom) if mark else None
    aspect, mm = (plane.spacing_mm[0] / plane.spacing_mm[1], plane.spacing_mm[1]) if plane else (1.0, None)
    name = lesion.lesion_id if lesion else ""
    images = [_key_image("us", name, _rgb(grey), mm, aspect, box, us_view=view)]
    heatmap = reading.heatmap("us", second_view) if reading else None
    if heatmap is not None:
        rect = (heatmap.left, heatmap.top, heatmap.width, heatmap.height)
        hot = over(grey, within(heatmap_rgba(heatmap), rect, stack.sector), rect, OPACITY)
        images.append(_key_image("us", name, hot, mm, aspect, box, heat=heatmap, us_view=view))
    return images


def plane_images(
    pair: RegisteredPair, volume: Volume, lesion: Lesion | None, reading: Reading | None, name: str
) -> list[KeyImage]:
    """MRI in the US plane over the image sector, with the lesion's marks, and again with the heatmap.

    `volume` is the one of the pair's that is printed.
    """
    plane, grid, step = pair.plane, pair.grid, pair.grid.spacing_mm
    grey = _shown(pair.mri[volume.key], volume)

    def to_grid(x_mm: float, y_mm: float) -> Point:
        return (x_mm - grid.left_mm) / step, (y_mm - grid.top_mm) / step

    box = point = None
    if lesion and lesion.us:
        corners = np.array([(lesion.us.left, lesion.us.top), (lesion.us.right, lesion.us.bottom)])
        (left, top), (right, bottom) = plane.px_to_mm(corners).tolist()
        box = (*to_grid(left, top), *to_grid(right, bottom))
    if lesion and lesion.mri:
        x, y, _ = to_us_plane(pair.parameters, np.array(lesion.mri.point_mm)).tolist()
        point = to_grid(x, y)
    pictures: list[tuple[np.ndarray, Heatmap | None]] = [(_rgb(grey), None)]
    heatmap = reading.heatmap("mri") if reading else None
    if heatmap is not None and heatmap.plane is None:
        rect = (*to_grid(heatmap.left, heatmap.top), heatmap.width / step, heatmap.height / step)
        pictures.append((over(grey, heatmap_rgba(heatmap), rect, OPACITY), heatmap))
    lesion_id, view = lesion.lesion_id if lesion else "", _first_of_two(lesion)
    return [
        _key_image(
            "mri_plane", lesion_id, rgb, step, box=box, point=point, volume=name, heat=heat, us_view=view
        )
        for rgb, heat in pictures
    ]


def crop_images(volume: Volume, lesion: Lesion, reading: Reading | None, name: str) -> list[KeyImage]:
    """The acquired plane around the MRI mark, twice as wide as what the network saw of it, plain and with the
    heatmap; nothing where the network saw no native MRI."""
    heatmap = reading.heatmap("mri") if reading else None
    if heatmap is None or heatmap.plane is None:
        return []
    count = round(CROP_WIDTHS * heatmap.width / CROP_STEP_MM)
    first = CROP_STEP_MM * (1 - count) / 2
    grid = PlaneGrid(first, first, CROP_STEP_MM, count, count)
    grey = _shown(resample_plane(volume.array, volume.index_to_lps, heatmap.plane, grid), volume)
    places = (heatmap.left, heatmap.top, heatmap.width, heatmap.height)
    left, top, width, height = (mm / CROP_STEP_MM for mm in places)
    rect = (left + count / 2, top + count / 2, width, height)
    hot = over(grey, heatmap_rgba(heatmap), rect, OPACITY)
    middle = ((count - 1) / 2, (count - 1) / 2)
    return [
        _key_image("mri_crop", lesion.lesion_id, rgb, CROP_STEP_MM, point=middle, volume=name, heat=heat)
        for rgb, heat in ((_rgb(grey), None), (hot, heatmap))
    ]


def slice_image(volume: Volume, lesion: Lesion | None, name: str) -> KeyImage:
    """The acquired slice through the MRI mark (without a mark, the middle one), with patient directions."""
    place = slice_through(volume.index_to_lps, lesion.mri.point_mm) if lesion and lesion.mri else None
    number = round(place[0]) if place else len(volume.array) // 2
    number = min(max(number, 0), len(volume.array) - 1)
    step = np.linalg.norm(volume.index_to_lps[:3, :3], axis=0)
    grey = to_uint8(volume.array[number], volume.window)
    point = (place[2], place[1]) if place else None
    return _key_image(
        "mri_slice",
        lesion.lesion_id if lesion else "",
        _rgb(grey),
        float(step[2]),
        float(step[1] / step[2]),
        point=point,
        volume=name,
        letters=edge_letters(volume.index_to_lps[:3, 2], volume.index_to_lps[:3, 1]),
    )


def labelled(picture: np.ndarray, words: str) -> np.ndarray:
    """A picture, uint8 (row, column, RGB), with a line of words in a black strip below it, never over it."""
    image = Image.new("RGB", (picture.shape[1], picture.shape[0] + 2 * LETTER_PX))
    image.paste(Image.fromarray(np.ascontiguousarray(picture)))
    draw, font = ImageDraw.Draw(image), _font()
    while draw.textlength(words, font) > image.width - 2 * EDGE_PX and font.size > 8:
        font = font.font_variant(size=font.size - 1)
    draw.text((EDGE_PX, picture.shape[0] + LETTER_PX), words, WORDS_RGB, font, anchor="lm")
    return np.asarray(image)


def _first_of_two(lesion: Lesion | None) -> int:
    """The number of the first US view where there is a second, else 0."""
    return 1 if lesion and lesion.second_us else 0


def _shown(sampled: np.ndarray, volume: Volume) -> np.ndarray:
    """A plane of a volume in its own window, uint8."""
    local = volume.role.role is not Role.SUBTRACTION  # a subtraction's window knows what noise is
    return to_uint8(sampled, default_window(sampled) if local else volume.window)


def _rgb(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=2)


def _key_image(
    kind: str,
    lesion_id: str,
    rgb: np.ndarray,
    mm_per_px: float | None,
    aspect: float = 1.0,
    box: Box | None = None,
    point: Point | None = None,
    volume: str = "",
    heat: Heatmap | None = None,
    letters: tuple[str, str, str, str] | None = None,
    us_view: int = 0,
) -> KeyImage:
    """Enlarge a picture for print to square pixels (`aspect` is a pixel's height over its width) and mark it.

    `box` and `point` are (column, row) of pixel centres; `letters` stand at the left, top, right and bottom.
    """
    zoom = PRINT_PX / rgb.shape[1]
    size = (PRINT_PX, max(round(rgb.shape[0] * zoom * aspect), 1))
    image = Image.fromarray(np.ascontiguousarray(rgb)).resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)

    def place(column: float, row: float) -> Point:
        return (column + 0.5) * zoom, (row + 0.5) * zoom * aspect

    if box is not None:
        draw.rectangle([*place(box[0], box[1]), *place(box[2], box[3])], outline=LESION_RGB, width=LINE_PX)
    if point is not None:
        _cross(draw, place(*point))
    if letters is not None:
        _directions(draw, image.size, letters)
    if mm_per_px is not None:
        _scale_bar(draw, image.size, mm_per_px / zoom)
    mm = mm_per_px / zoom if mm_per_px is not None else None
    blank = heat is not None and not heat.shows
    return KeyImage(kind, lesion_id, np.asarray(image), heat is not None, mm, volume, blank, us_view)


def _cross(draw: ImageDraw.ImageDraw, place: Point) -> None:
    """A cross that leaves its middle free."""
    x, y = place
    for near, far in ((-36, -12), (12, 36)):
        draw.line([(x + near, y), (x + far, y)], fill=LESION_RGB, width=LINE_PX)
        draw.line([(x, y + near), (x, y + far)], fill=LESION_RGB, width=LINE_PX)


def _directions(draw: ImageDraw.ImageDraw, size: tuple[int, int], letters: tuple[str, str, str, str]) -> None:
    width, height = size
    places = {
        "lm": (EDGE_PX, height / 2),
        "mt": (width / 2, EDGE_PX),
        "rm": (width - EDGE_PX, height / 2),
        "mb": (width / 2, height - EDGE_PX),
    }
    for letter, (anchor, place) in zip(letters, places.items(), strict=True):
        _word(draw, place, letter, anchor)


def _scale_bar(draw: ImageDraw.ImageDraw, size: tuple[int, int], mm_per_px: float) -> None:
    """10 or 50 mm at the lower right: the first that is long enough to see."""
    bar_mm = next((mm for mm in BARS_MM if mm / mm_per_px >= SHORTEST_BAR_PX), BARS_MM[-1])
    length = bar_mm / mm_per_px
    right, y = size[0] - EDGE_PX, size[1] - EDGE_PX
    for width, colour in ((LINE_PX + 6, (0, 0, 0)), (LINE_PX, WORDS_RGB)):
        draw.line([(right - length, y), (right, y)], fill=colour, width=width)
    _word(draw, (right, y - EDGE_PX / 2), f"{bar_mm:g} mm", "rb")


def _word(draw: ImageDraw.ImageDraw, place: Point, word: str, anchor: str) -> None:
    draw.text(place, word, WORDS_RGB, _font(), anchor=anchor, stroke_width=3, stroke_fill=(0, 0, 0))


def _font() -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(FONTS / "DejaVuSans.ttf"), LETTER_PX)
