"""JPEG that only GDCM decodes here: lossless, and extended with 12 bits.

GDCM ends the whole program on a stream whose segments are damaged, and pydicom's plugin for it declines
12 bits: hence a plugin of our own, which looks at the segments first.
"""

from __future__ import annotations

import re
import struct

import gdcm
from pydicom.pixels import get_decoder
from pydicom.pixels.decoders.base import DecodeRunner
from pydicom.uid import UID, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1

NAME = "checked_gdcm"
SYNTAXES = (JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1)
DECODER_DEPENDENCIES = dict.fromkeys(SYNTAXES, ("gdcm>=3.0.10",))
_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
_FRAMES = {0xC1, 0xC3}  # sequential extended, lossless
_KNOWN = {0xC4, 0xDB, 0xDD, 0xFE, *range(0xE0, 0xF0)} | _FRAMES  # tables, restarts, comments, applications
_IN_SCAN = re.compile(rb"\xff(?![\x00\xd0-\xd7\xff])")


def is_available(uid: str) -> bool:
    """Whether this plugin decodes a transfer syntax."""
    return uid in SYNTAXES


def decode_frame(source: bytes, runner: DecodeRunner) -> bytes:
    """Decode one frame to little-endian samples, as pydicom asks of a plugin.

    Raises:
        ValueError: the stream is damaged, or is not what the header says.
    """
    precision = _precision(source, runner)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(source)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((runner.columns, runner.rows, 1))
    image.SetDataElement(element)
    kind = gdcm.PhotometricInterpretation.GetPIType(runner.photometric_interpretation)
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(kind))
    if runner.samples_per_pixel > 1:
        image.SetPlanarConfiguration(runner.planar_configuration)
    syntax = gdcm.TransferSyntax.GetTSType(str.__str__(runner.transfer_syntax))
    image.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    sample = runner.bits_allocated, precision, precision - 1, runner.pixel_representation
    image.SetPixelFormat(gdcm.PixelFormat(runner.samples_per_pixel, *sample))
    samples: bytes = image.GetBuffer().encode("utf-8", "surrogateescape")
    if len(samples) != runner.frame_length(unit="bytes"):
        raise ValueError
    return samples


def _precision(source: bytes, runner: DecodeRunner) -> int:
    """Bits a sample, of a stream whose segments follow one another and fit the header; else ValueError."""
    position, precision = 2, 0
    if source[:2] != bytes((0xFF, _START)):
        raise ValueError
    while True:
        mark, marker, length = struct.unpack_from(">BBH", source.ljust(position + 4, b"\0"), position)
        after = position + 2 + length
        if mark != 0xFF or length < 2 or after > len(source):
            raise ValueError
        if marker in _FRAMES:
            precision, *size = struct.unpack_from(">BHHB", source.ljust(position + 10, b"\0"), position + 4)
            if size != [runner.rows, runner.columns, runner.samples_per_pixel]:
                raise ValueError
        elif marker not in _KNOWN and marker != _SCAN:
            raise ValueError
        position = after
        if marker == _SCAN:
            break
    end = _IN_SCAN.search(source, position)
    if end is None or source[end.start() + 1] != _END or not 2 <= precision <= runner.bits_allocated:
        raise ValueError
    return int(precision)


def register() -> None:
    """Let pydicom ask this plugin."""
    for syntax in SYNTAXES:
        decoder = get_decoder(UID(syntax))
        if NAME not in decoder.available_plugins:
            decoder.add_plugin(NAME, (__name__, "decode_frame"))
