"""US stills that left the scanner as PNG, JPEG, BMP or TIFF: grey pictures without a scale."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from breastview.imaging.case import FileProblem, ImageSource, Role, RoleChoice, ScannedFrames
from breastview.imaging.quiet import quiet
from breastview.messages import Message, message

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}
_CAMERA_TAGS = {0x010F, 0x0110, 0x8769, 0x8825}  # Make, Model, Exif, GPS
_THUMBNAIL = 96
_MAX_COLOUR_SHARE = 0.15  # Doppler boxes and annotations are coloured; a holiday is coloured all over
_COLOUR_STEP = 24
_MIN_SIDE_PX = 100


def scan_picture(path: Path, place: str) -> ScannedFrames | FileProblem:
    """Describe a picture file, or say why it is no US still."""
    try:
        with quiet(), Image.open(path) as image:
            reason = _objection(image)
            columns, rows = image.size
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return FileProblem(place, message("problem.unreadable_picture"))
    if reason is not None:
        return FileProblem(place, reason)
    key = "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    return ScannedFrames(
        key=key,
        series_uid=key,
        study_uid="",
        description=path.suffix.lstrip(".").upper(),
        role=RoleChoice(Role.US_STILL, message("role.picture")),
        sources=(ImageSource(path, 0, key),),
        rows=rows,
        columns=columns,
        scale=None,
        notes=(message("scan.no_scale"),),
    )


def load_picture(path: Path) -> np.ndarray:
    """Return a picture as uint8 (1, row, column) or (1, row, column, RGB); raises OSError."""
    with quiet(), Image.open(path) as image:
        if image.mode.startswith("I;16") or image.mode in ("I", "F"):
            grey = np.asarray(image, np.float32)
            return (grey * (255.0 / max(float(grey.max()), 1.0))).astype(np.uint8)[None]
        return np.asarray(image.convert("L" if _is_grey(image) else "RGB"))[None]


def _objection(image: Image.Image) -> Message | None:
    image.load()
    if set(image.getexif()) & _CAMERA_TAGS:
        return message("problem.photograph")
    if min(image.size) < _MIN_SIDE_PX:
        return message("problem.small_picture")
    return None if _colour_share(image) <= _MAX_COLOUR_SHARE else message("problem.photograph")


def _is_grey(image: Image.Image) -> bool:
    return image.mode in ("1", "L", "LA") or _colour_share(image) == 0.0


def _colour_share(image: Image.Image) -> float:
    small = image.convert("RGB")
    small.thumbnail((_THUMBNAIL, _THUMBNAIL))
    pixels = np.asarray(small, np.int16)
    return float((np.ptp(pixels, axis=2) > _COLOUR_STEP).mean())
