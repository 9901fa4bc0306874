"""Pixels: MRI slices into one preallocated array, US frames as uint8."""

from __future__ import annotations

import numpy as np

from breastview.errors import CaseError, CaseGone
from breastview.imaging import nifti, pictures
from breastview.imaging.case import ImageSource, ScannedFrames, ScannedVolume
from breastview.imaging.decode import Decoder
from breastview.imaging.display import default_window, to_uint8
from breastview.imaging.geometry import frozen
from breastview.imaging.sector import find_sector
from breastview.imaging.volume import FrameStack, Sector, Volume
from breastview.messages import Message, message
from breastview.progress import Progress, silent

REPORT_EVERY = 10
_LOOKED_AT = 8  # frames of a cine in which the sector is searched


def load_volume(volume: ScannedVolume, progress: Progress = silent) -> Volume:
    """Load an MRI volume. A slice that cannot be decoded stays black and is noted.

    Raises:
        CaseError: not one slice can be decoded.
        CaseGone: a file that cannot be read is no longer there.
        Cancelled: through `progress`.
    """
    notes: list[Message] = list(volume.notes)
    try:
        if nifti.is_nifti(volume.sources[0].path):
            array = _load_nifti(volume)
        else:
            array = _load_slices(volume, notes, progress)
    except MemoryError:
        array = None
    if array is None:
        _refuse_gone(volume.sources[0])
        raise CaseError(message("problem.undecodable", what=volume.role.role.value.upper()))
    window = volume.window or default_window(array)
    return Volume(volume.key, volume.role, frozen(array), volume.index_to_lps, window, tuple(notes))


def load_middle_slice(volume: ScannedVolume) -> np.ndarray | None:
    """The middle slice of a DICOM volume as uint8 (row, column), for a thumbnail; None where it has none."""
    middle = next((s for s in volume.sources if s.index == volume.shape[0] // 2), None)
    if middle is None or nifti.is_nifti(middle.path):
        return None
    place = np.zeros(volume.shape[1:], _dtype((middle,)))
    return to_uint8(place, default_window(place)) if _fill(place, middle, Decoder()) else None


def load_frames(frames: ScannedFrames, progress: Progress = silent) -> FrameStack:
    """Load US frames and find the image sector in them. What cannot be decoded stays black and is noted.

    Raises:
        CaseError: not one frame can be decoded.
        CaseGone: a file that cannot be read is no longer there.
        Cancelled: through `progress`.
    """
    notes: list[Message] = list(frames.notes)
    try:
        pixels = _load_picture(frames) if pictures.is_picture(frames) else _load_us(frames, notes, progress)
    except MemoryError:
        pixels = None
    if pixels is None:
        _refuse_gone(frames.sources[0])
        raise CaseError(message("problem.undecodable", what="US"))
    sector = _sector(pixels, frames)
    return FrameStack(frames.key, frames.role, frozen(pixels), frames.scale, sector, tuple(notes))


def _load_nifti(volume: ScannedVolume) -> np.ndarray | None:
    source = volume.sources[0]
    try:
        array = nifti.load_nifti(source.path, source.frame)
    except Exception:  # noqa: BLE001  nibabel raises anything on a broken file
        return None
    return array if array.shape == volume.shape else None


def _load_picture(frames: ScannedFrames) -> np.ndarray | None:
    try:
        return pictures.load_picture(frames.sources[0].path)
    except Exception:  # noqa: BLE001  Pillow raises anything on a broken file
        return None


def _load_slices(volume: ScannedVolume, notes: list[Message], progress: Progress) -> np.ndarray | None:
    array = np.zeros(volume.shape, _dtype(volume.sources))
    decoder = Decoder()
    loaded = 0
    for number, source in enumerate(volume.sources):
        if number % REPORT_EVERY == 0:
            progress(number / len(volume.sources), _doing(number, len(volume.sources)))
        if _fill(array[source.index], source, decoder):
            loaded += 1
        else:
            _refuse_gone(source)
            array[source.index] = 0
            notes.append(message("problem.decode", slice=source.index + 1))
    return array if loaded else None


def _refuse_gone(source: ImageSource) -> None:
    """Raise `CaseGone` where a file vanished since the scan: the rest must not be read without it."""
    try:
        source.path.stat()
    except OSError as error:
        raise CaseGone.of("case.gone") from type(error)()


def _doing(number: int, count: int) -> Message:
    return message("doing.load", done=number, count=count)


def _dtype(sources: tuple[ImageSource, ...]) -> np.dtype:
    """The stored type where values stay as they are, float32 where they are rescaled."""
    plain = all(source.slope == 1.0 and source.intercept == 0.0 for source in sources)
    kinds = {source.dtype for source in sources}
    if plain and len(kinds) == 1:
        return np.dtype(kinds.pop())
    return np.dtype(np.float32)


def _fill(place: np.ndarray, source: ImageSource, decoder: Decoder) -> bool:
    """Read one slice into `place`, the scanner's own numbers; returns whether it could be."""
    if source.offset is not None and place.dtype == np.dtype(source.dtype):
        return _read_into(place, source)
    if source.offset is not None:
        stored: np.ndarray | None = np.empty(place.shape, source.dtype)
        if stored is None or not _read_into(stored, source):
            return False
    else:
        stored = decoder.stored(source.path, source.frame)
    if stored is None or stored.shape != place.shape:
        return False
    if place.dtype != np.float32:
        place[:] = stored
        return True
    with np.errstate(over="ignore", invalid="ignore"):  # a damaged slope
        place[:] = stored * source.slope + source.intercept
    return bool(np.isfinite(place).all())


def _read_into(place: np.ndarray, source: ImageSource) -> bool:
    try:
        with open(source.path, "rb", buffering=0) as file:  # noqa: PTH123  half the time of Path.open
            file.seek(source.offset or 0)
            return file.readinto(place.data.cast("B")) == place.nbytes
    except OSError:
        return False


def _load_us(frames: ScannedFrames, notes: list[Message], progress: Progress) -> np.ndarray | None:
    """uint8 (frame, row, column[, RGB]); grey where every frame is."""
    decoder = Decoder()
    loaded: list[np.ndarray | None] = []
    for number, source in enumerate(frames.sources):
        progress(number / len(frames.sources), _doing(number, len(frames.sources)))
        loaded.append(decoder.shown(source.path, source.frame))
        if loaded[-1] is None:
            _refuse_gone(source)
            notes.append(message("problem.decode_frame", frame=number + 1))
    good = [picture for picture in loaded if picture is not None]
    if not good or len({picture.shape[:2] for picture in good}) > 1:
        return None
    colour = any(picture.ndim == 3 for picture in good)
    return np.stack([_like(picture, good[0].shape[:2], colour) for picture in loaded])


def _like(picture: np.ndarray | None, shape: tuple[int, ...], colour: bool) -> np.ndarray:
    if picture is None:
        picture = np.zeros(shape, np.uint8)
    return np.repeat(picture[..., None], 3, axis=2) if colour and picture.ndim == 2 else picture


def _sector(pixels: np.ndarray, frames: ScannedFrames) -> Sector:
    """The image area: the region tag where it lies inside the picture, else what the pixels say."""
    rows, columns = pixels.shape[1:3]
    region = frames.region
    if region and 0 <= region[0] < region[2] <= columns and 0 <= region[1] < region[3] <= rows:
        return Sector(*region)
    return find_sector(pixels[:: max(1, len(pixels) // _LOOKED_AT)].max(axis=0))
