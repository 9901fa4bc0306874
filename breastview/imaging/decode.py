"""Compressed and unusual pixels through pydicom's decoders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.pixels import apply_color_lut, pixel_array

from breastview.imaging import jpeg
from breastview.imaging.display import default_window, to_uint8
from breastview.imaging.quiet import quiet
from breastview.imaging.tags import IMPLICIT_LE

jpeg.register()
_PLUGINS = {  # GDCM ends the whole program on some damaged images: only where nothing else decodes
    **dict.fromkeys(map(str, jpeg.SYNTAXES), jpeg.NAME),
    "1.2.840.10008.1.2.4.50": "pillow",
    "1.2.840.10008.1.2.4.80": "pyjpegls",
    "1.2.840.10008.1.2.4.81": "pyjpegls",
    "1.2.840.10008.1.2.4.90": "pylibjpeg",
    "1.2.840.10008.1.2.4.91": "pylibjpeg",
}
_PANIC = "PanicException"  # how the RLE decoder, written in Rust, fails: no Exception, and not importable
_COLOUR_STEP = 8  # grey pictures stored in colour differ by less between their channels


class Decoder:
    """Decodes frames; keeps the last file open in memory, since multi-frame files come frame by frame."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._dataset: Any = None

    def stored(self, path: Path, frame: int) -> np.ndarray | None:
        """One frame's stored values (row, column); None when it cannot be decoded."""
        return self._decoded(path, frame, raw=True)

    def shown(self, path: Path, frame: int) -> np.ndarray | None:
        """One frame as uint8 (row, column) or, with colours, (row, column, RGB); None when it cannot be."""
        pixels = self._decoded(path, frame, raw=False)
        if pixels is None:
            return None
        kind = str(self._dataset.get("PhotometricInterpretation", ""))
        try:
            with quiet():
                picture = _to_bytes(
                    apply_color_lut(pixels, self._dataset) if kind == "PALETTE COLOR" else pixels
                )
        except Exception:  # noqa: BLE001  a damaged palette
            return None
        return _without_false_colour(255 - picture if kind == "MONOCHROME1" else picture)

    def _decoded(self, path: Path, frame: int, raw: bool) -> np.ndarray | None:
        """What codecs raise on damaged data may quote values, so it goes no further."""
        try:
            with quiet():
                if path != self._path:
                    self._dataset = None
                    self._dataset, self._path = pydicom.dcmread(path, force=True), path
                    self._dataset.file_meta.setdefault("TransferSyntaxUID", IMPLICIT_LE)
                plugin = _PLUGINS.get(self._dataset.file_meta.TransferSyntaxUID, "")
                return pixel_array(self._dataset, index=frame, raw=raw, decoding_plugin=plugin)
        except MemoryError:
            raise
        except BaseException as error:
            if isinstance(error, Exception) or type(error).__name__ == _PANIC:
                return None
            raise


def _to_bytes(pixels: np.ndarray) -> np.ndarray:
    """uint8 from any stored type; a palette or colour of 16 bits loses its lower byte."""
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.ndim == 3:
        return (pixels >> 8).astype(np.uint8)
    return to_uint8(pixels, default_window(pixels))


def _without_false_colour(picture: np.ndarray) -> np.ndarray:
    """Grey pictures are often stored in colour: one channel of them is all there is."""
    if picture.ndim == 2 or np.ptp(picture, axis=2).max() > _COLOUR_STEP:
        return picture
    return np.ascontiguousarray(picture[..., 1])
