"""JPEG extended with 12 bits: pydicom's plugin for GDCM declines it, and GDCM decodes it."""

from __future__ import annotations

import gdcm
from pydicom.pixels import get_decoder
from pydicom.pixels.decoders.base import DecodeRunner
from pydicom.uid import JPEGExtended12Bit

DECODER_DEPENDENCIES = {JPEGExtended12Bit: ("gdcm>=3.0.10",)}
_BITS = 12


def is_available(uid: str) -> bool:
    """Whether this plugin decodes a transfer syntax."""
    return uid == JPEGExtended12Bit


def decode_frame(source: bytes, runner: DecodeRunner) -> bytes:
    """Decode one grey frame to little-endian 16-bit samples, as pydicom asks of a plugin.

    Raises:
        ValueError: the frame cannot be decoded.
    """
    if runner.samples_per_pixel != 1 or runner.bits_allocated != 16:
        raise ValueError
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(source)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((runner.columns, runner.rows, 1))
    image.SetDataElement(element)
    grey = gdcm.PhotometricInterpretation.MONOCHROME2
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(grey))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGExtendedProcess2_4))
    image.SetPixelFormat(gdcm.PixelFormat(1, 16, _BITS, _BITS - 1, runner.pixel_representation))
    samples: bytes = image.GetBuffer().encode("utf-8", "surrogateescape")
    if len(samples) != runner.rows * runner.columns * 2:
        raise ValueError
    return samples


def register() -> None:
    """Let pydicom ask this plugin after its own."""
    decoder = get_decoder(JPEGExtended12Bit)
    if "jpeg12" not in decoder.available_plugins:
        decoder.add_plugin("jpeg12", (__name__, "decode_frame"))
