"""Data sets to files, many of one kind at a time, and pixels to the transfer syntax they are kept in."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset, validate_file_meta
from pydicom.encaps import encapsulate
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.pixels import get_encoder
from pydicom.uid import UID, ImplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

_PLUGINS = {JPEGLSLossless: "pyjpegls", JPEG2000Lossless: "pylibjpeg", RLELossless: "pylibjpeg"}
_PREAMBLE = b"\0" * 128 + b"DICM"
_GROUP_LENGTH, _INSTANCE = 0x00020000, 0x00020003


class Template:
    """A data set that is written many times with a few values changed: the others are encoded once.

    `dataset` describes its pixels (`describe_pixels`) and need not hold them, nor a SOP instance UID.
    """

    def __init__(self, dataset: FileDataset) -> None:
        self._dataset = dataset
        self._parts = self._encoded(dataset)
        meta = dataset.file_meta
        meta.MediaStorageSOPInstanceUID = UID("1.2")
        validate_file_meta(meta, enforce_standard=True)
        self._meta = {int(element.tag): _encode(element) for element in meta if element.tag != _GROUP_LENGTH}

    def save(self, path: Path, pixels: np.ndarray, changes: Dataset) -> None:
        """Write one file: stored values ([frame,] row, column[, sample]) with `changes`.

        The SOPInstanceUID is among the changes.
        """
        put_pixels(changes, pixels, self._dataset)
        name = DataElement(_INSTANCE, "UI", changes.SOPInstanceUID)
        head = _joined({**self._meta, _INSTANCE: _encode(name)})
        length = struct.pack("<HH2sHI", 0x0002, 0x0000, b"UL", 4, len(head))
        body = _joined({**self._parts, **self._encoded(changes)})
        path.write_bytes(_PREAMBLE + length + head + body)

    def _encoded(self, dataset: Dataset) -> dict[int, bytes]:
        """Each element of a data set as it stands in the file, by tag."""
        implicit = self._dataset.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
        character_set = self._dataset.SpecificCharacterSet
        return {int(element.tag): _encode(element, implicit, character_set) for element in dataset}


def _encode(element: DataElement, implicit: bool = False, character_set: str = "ISO_IR 6") -> bytes:
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, implicit
    write_data_element(buffer, element, character_set)
    return buffer.getvalue()


def _joined(parts: dict[int, bytes]) -> bytes:
    return b"".join(parts[tag] for tag in sorted(parts))


def describe_pixels(
    dataset: Dataset, pixels: np.ndarray, stored_bits: int, planar: int | None = None
) -> None:
    """Say what `pixels` are: (row, column) grey or, with `planar` (PlanarConfiguration), RGB behind."""
    dataset.SamplesPerPixel = 1 if planar is None else 3
    dataset.PhotometricInterpretation = "MONOCHROME2" if planar is None else "RGB"
    if planar is not None:
        dataset.PlanarConfiguration = planar
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.BitsAllocated = 8 * pixels.dtype.itemsize
    dataset.BitsStored, dataset.HighBit = stored_bits, stored_bits - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")


def put_pixels(target: Dataset, pixels: np.ndarray, described: FileDataset) -> None:
    """Set PixelData of `target` in the transfer syntax of `described`, whose `describe_pixels` was called."""
    syntax = described.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated:
        target.PixelData = encapsulate(_streams(syntax, pixels, described))
        target["PixelData"].VR, target["PixelData"].is_undefined_length = "OB", True
        return
    if described.get("PlanarConfiguration") == 1:
        pixels = np.moveaxis(pixels, -1, -3)
    raw = np.ascontiguousarray(pixels).tobytes()
    target.PixelData = raw + b"\0" * (len(raw) % 2)
    target["PixelData"].VR = "OW" if described.BitsAllocated > 8 else "OB"


def _streams(syntax: UID, pixels: np.ndarray, described: Dataset) -> list[bytes]:
    """One encoded stream a frame."""
    frames = pixels.reshape(-1, *pixels.shape[-3 if described.SamplesPerPixel == 3 else -2 :])
    encoder = get_encoder(syntax)
    options = {
        "rows": described.Rows,
        "columns": described.Columns,
        "number_of_frames": 1,
        "samples_per_pixel": described.SamplesPerPixel,
        "photometric_interpretation": described.PhotometricInterpretation,
        "bits_allocated": described.BitsAllocated,
        "bits_stored": described.BitsStored,
        "pixel_representation": described.PixelRepresentation,
        "planar_configuration": 0,
    }
    return [
        encoder.encode(np.ascontiguousarray(frame), encoding_plugin=_PLUGINS[syntax], **options)
        for frame in frames
    ]
