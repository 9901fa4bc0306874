"""Enhanced multi-frame MR: one header a frame, so that the rest of the scan sees ordinary slices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pydicom.dataset import Dataset

from breastview.imaging.header import Header, is_uncompressed_little_endian

ENHANCED_MR = {"1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.4.4"}


def is_enhanced(header: Header) -> bool:
    """Whether the file keeps its geometry in functional groups."""
    return header.dataset is not None and "PerFrameFunctionalGroupsSequence" in header.dataset


def frame_headers(header: Header, pixel_offset: int | None) -> Iterator[Header]:
    """Yield one header a frame; `pixel_offset` is where uncompressed pixels start, or None."""
    dataset = header.dataset
    assert dataset is not None
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    plain = pixel_offset is not None and is_uncompressed_little_endian(header.transfer_syntax)
    for number, own in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        values = {**header.values, **_frame_values(shared), **_frame_values(own)}
        values["InstanceNumber"] = number + 1
        offset = pixel_offset + number * header.frame_bytes if plain and pixel_offset is not None else None
        yield replace(header, frame=number, values=values, offset=offset, dataset=None)


def _frame_values(groups: Dataset) -> dict[str, Any]:
    """The values of one functional group item under the keywords of a classic header."""
    values: dict[str, Any] = {}

    def take(macro: str, keyword: str, as_keyword: str = "") -> None:
        items = groups.get(macro)
        value = items[0].get(keyword) if items else None
        if value is not None and value != "":
            listed = not isinstance(value, (str, int, float))
            values[as_keyword or keyword] = tuple(_number(part) for part in value) if listed else _number(value)

    take("PlanePositionSequence", "ImagePositionPatient")
    take("PlaneOrientationSequence", "ImageOrientationPatient")
    take("PixelMeasuresSequence", "PixelSpacing")
    take("PixelMeasuresSequence", "SliceThickness")
    take("PixelMeasuresSequence", "SpacingBetweenSlices")
    take("MREchoSequence", "EffectiveEchoTime", "EchoTime")
    take("MRTimingAndRelatedParametersSequence", "RepetitionTime")
    take("MRTimingAndRelatedParametersSequence", "FlipAngle")
    take("MRDiffusionSequence", "DiffusionBValue")
    take("FrameContentSequence", "TemporalPositionIndex", "TemporalPositionIdentifier")
    take("FrameContentSequence", "FrameAcquisitionNumber", "AcquisitionNumber")
    take("MRImageFrameTypeSequence", "FrameType", "ImageType")
    take("FrameAnatomySequence", "FrameLaterality", "ImageLaterality")
    take("PixelValueTransformationSequence", "RescaleSlope")
    take("PixelValueTransformationSequence", "RescaleIntercept")
    take("FrameVOILUTSequence", "WindowCenter")
    take("FrameVOILUTSequence", "WindowWidth")
    return values


def _number(value: Any) -> Any:
    if isinstance(value, (str, bool)):
        return str(value)
    if isinstance(value, int):
        return int(value)
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value)
