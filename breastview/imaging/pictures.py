"""US stills that left the scanner as PNG, JPEG, BMP or TIFF: grey pictures without a scale."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from breastview.imaging.case import FileProblem, ImageSource, Role, RoleChoice, ScannedFrames
from breastview.imaging.quiet import quiet
from breastview.messages import Message, message

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}
KEY = "picture:"
_CAMERA_TAGS = {0x010F, 0x0110, 0x8825}  # Make, Model, GPS
_EXIF, _LENS_TAGS = 0x8769, {0x829A, 0x829D, 0x920A}  # exposure, aperture, focal length
_THUMBNAIL = 128
_MIN_GREY_SHARE = 0.6  # Doppler boxes and annotations are coloured; a holiday is coloured all over
_GREY = 4  # a pixel whose channels differ by no more is grey; JPEG leaves that much
_MIN_SIDE_PX = 100


def scan_picture(path: Path, place: str) -> ScannedFrames | FileProblem:
    """Describe a picture file, or say why it is no US still."""
    try:
        with quiet(), Image.open(path) as image:
            columns, rows = image.size
            reason = _objection(image)
    except Exception:  # noqa: BLE001  Pillow raises anything on damaged pictures
        return FileProblem(place, message("problem.unreadable_picture"))
    if reason is not None:
        return FileProblem(place, reason)
    key = KEY + hashlib.sha256(path.read_bytes()).hexdigest()
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


def is_picture(frames: ScannedFrames) -> bool:
    """Whether these frames came from a picture file rather than DICOM."""
    return frames.key.startswith(KEY)


def load_picture(path: Path) -> np.ndarray:
    """Return a picture as uint8 (1, row, column) or (1, row, column, RGB); Pillow raises what it likes."""
    with quiet(), Image.open(path) as image:
        if image.mode.startswith("I;16") or image.mode in ("I", "F"):
            grey = np.asarray(image, np.float32)
            return (grey * (255.0 / max(float(grey.max()), 1.0))).clip(0, 255).astype(np.uint8)[None]
        if image.mode in ("1", "L", "LA"):
            return np.asarray(image.convert("L"))[None]
        pixels = np.asarray(image.convert("RGB"))
    return pixels[None, ..., 0] if np.ptp(pixels, axis=2).max() == 0 else pixels[None]


def _objection(image: Image.Image) -> Message | None:
    exif = image.getexif()
    if set(exif) & _CAMERA_TAGS or set(exif.get_ifd(_EXIF)) & _LENS_TAGS:
        return message("problem.photograph")
    if min(image.size) < _MIN_SIDE_PX:
        return message("problem.small_picture")
    return message("problem.photograph") if _grey_share(image) < _MIN_GREY_SHARE else None


def _grey_share(image: Image.Image) -> float:
    """The share of grey pixels, on every few pixels; reads the whole picture, so that damage shows now."""
    if image.mode in ("1", "L", "LA", "I", "F") or image.mode.startswith("I;16"):
        image.load()
        return 1.0
    step = max(1, max(image.size) // _THUMBNAIL)
    pixels = np.asarray(image.convert("RGB"))[::step, ::step].astype(np.int16)
    return float((np.ptp(pixels, axis=2) <= _GREY).mean())
