"""Pixels: MRI slices into one preallocated array, US frames as uint8."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from pydicom.pixels import pixel_array

from breastview.errors import CaseError
from breastview.imaging import nifti, pictures
from breastview.imaging.case import ImageSource, Role, ScannedFrames, ScannedVolume
from breastview.imaging.display import default_window, to_uint8
from breastview.imaging.geometry import frozen
from breastview.imaging.quiet import quiet
from breastview.imaging.sector import find_sector
from breastview.imaging.volume import FrameStack, Sector, Volume
from breastview.messages import Message, message
from breastview.progress import Progress, silent

REPORT_EVERY = 10


def load_volume(volume: ScannedVolume, progress: Progress = silent) -> Volume:
    """Load an MRI volume. A slice that cannot be decoded stays black and is noted.

    Raises:
        CaseError: not one slice can be decoded.
        Cancelled: through `progress`.
    """
    notes: list[Message] = list(volume.notes)
    array = _load_nifti(volume) if nifti.is_nifti(volume.sources[0].path) else _load_slices(volume, notes, progress)
    window = volume.window or default_window(array)
    return Volume(volume.key, volume.role, frozen(array), volume.index_to_lps, window, tuple(notes))


def load_frames(frames: ScannedFrames, progress: Progress = silent) -> FrameStack:
    """Load US frames; finds the image sector in the pixels.

    Raises:
        CaseError: the file cannot be decoded.
        Cancelled: through `progress`.
    """
    path = frames.sources[0].path
    progress(None, message("doing.load", done=0, count=len(frames.sources)))
    try:
        if path.suffix.lower() in pictures.SUFFIXES and not frames.study_uid:
            pixels = pictures.load_picture(path)
        else:
            pixels = _decode_us(path)
    except Exception as error:
        raise CaseError(message("problem.undecodable", what=_what(frames))) from type(error)()
    pixels = frozen(pixels)
    sector = _sector(pixels, frames)
    return FrameStack(frames.key, frames.role, pixels, frames.scale, sector, frames.notes)


def _load_nifti(volume: ScannedVolume) -> np.ndarray:
    source = volume.sources[0]
    try:
        return nifti.load_nifti(source.path, source.frame)
    except Exception as error:
        raise CaseError(message("problem.undecodable", what=volume.description)) from type(error)()


def _load_slices(volume: ScannedVolume, notes: list[Message], progress: Progress) -> np.ndarray:
    array = np.zeros(volume.shape, _dtype(volume.sources))
    loaded = 0
    for number, source in enumerate(volume.sources):
        if number % REPORT_EVERY == 0:
            done = message("doing.load", done=number, count=len(volume.sources))
            progress(number / len(volume.sources), done)
        if _fill(array[source.index], source):
            loaded += 1
        else:
            notes.append(message("problem.decode", slice=source.index + 1))
    if not loaded:
        raise CaseError(message("problem.undecodable", what=volume.role.role.value))
    return array


def _dtype(sources: tuple[ImageSource, ...]) -> np.dtype:
    """The stored type where values stay as they are, float32 where they are rescaled."""
    plain = all(source.slope == 1.0 and source.intercept == 0.0 for source in sources)
    kinds = {source.dtype for source in sources}
    if plain and len(kinds) == 1:
        return np.dtype(kinds.pop())
    return np.dtype(np.float32)


def _fill(place: np.ndarray, source: ImageSource) -> bool:
    """Read one slice into `place`; returns whether it could be."""
    try:
        if source.offset is None:
            stored = _decode(source)
        elif place.dtype == np.dtype(source.dtype):
            return _read_into(place, source)
        else:
            stored = np.empty(place.shape, source.dtype)
            if not _read_into(stored, source):
                return False
        place[:] = stored * source.slope + source.intercept if place.dtype == np.float32 else stored
    except Exception:
        return False
    return True


def _read_into(place: np.ndarray, source: ImageSource) -> bool:
    with source.path.open("rb", buffering=0) as file:
        file.seek(source.offset or 0)
        return file.readinto(place.data.cast("B")) == place.nbytes


def _decode(source: ImageSource) -> np.ndarray:
    with quiet():
        return pixel_array(pydicom.dcmread(source.path, force=True), index=source.frame, raw=True)


def _decode_us(path: Path) -> np.ndarray:
    """uint8 (frame, row, column[, RGB]) of a US file in any colour space."""
    with quiet():
        dataset = pydicom.dcmread(path, force=True)
        pixels = pixel_array(dataset)
        if dataset.PhotometricInterpretation == "PALETTE COLOR":
            pixels = pydicom.pixels.apply_color_lut(pixels, dataset)
    colour = pixels.ndim >= 3 and pixels.shape[-1] == 3 and (dataset.SamplesPerPixel == 3 or pixels.ndim == 4)
    colour = colour or dataset.PhotometricInterpretation == "PALETTE COLOR"
    if pixels.dtype != np.uint8:
        pixels = to_uint8(pixels, default_window(pixels)) if not colour else (pixels >> 8).astype(np.uint8)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        pixels = 255 - pixels
    single = pixels.ndim == (3 if colour else 2)
    return np.ascontiguousarray(pixels[None] if single else pixels)


def _sector(pixels: np.ndarray, frames: ScannedFrames) -> Sector:
    """The image area: the region tag where it lies inside the picture, else what the pixels say."""
    rows, columns = pixels.shape[1:3]
    region = frames.region
    if region and region[2] <= columns and region[3] <= rows:
        return Sector(*region)
    return find_sector(pixels[len(pixels) // 2])


def _what(frames: ScannedFrames) -> str:
    return {Role.US_CINE: "US cine", Role.US_VOLUME: "US volume"}.get(frames.role.role, "US still")
