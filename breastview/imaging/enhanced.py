"""Enhanced multi-frame MR: one header a frame, so that the rest of the scan sees ordinary slices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from breastview.imaging.header import Header

# macro sequence, keyword in it, keyword of a classic header
_MACROS = (
    ("PlanePositionSequence", "ImagePositionPatient", ""),
    ("PlaneOrientationSequence", "ImageOrientationPatient", ""),
    ("PixelMeasuresSequence", "PixelSpacing", ""),
    ("PixelMeasuresSequence", "SliceThickness", ""),
    ("PixelMeasuresSequence", "SpacingBetweenSlices", ""),
    ("MREchoSequence", "EffectiveEchoTime", "EchoTime"),
    ("MRTimingAndRelatedParametersSequence", "RepetitionTime", ""),
    ("MRTimingAndRelatedParametersSequence", "FlipAngle", ""),
    ("MRModifierSequence", "InversionTimes", "InversionTime"),
    ("MRDiffusionSequence", "DiffusionBValue", ""),
    ("FrameContentSequence", "TemporalPositionIndex", "TemporalPositionIdentifier"),
    ("FrameContentSequence", "FrameAcquisitionNumber", "AcquisitionNumber"),
    ("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime", "TriggerTime"),
    ("MRImageFrameTypeSequence", "FrameType", "ImageType"),
    ("FrameAnatomySequence", "FrameLaterality", "ImageLaterality"),
    ("PixelValueTransformationSequence", "RescaleSlope", ""),
    ("PixelValueTransformationSequence", "RescaleIntercept", ""),
    ("FrameVOILUTSequence", "WindowCenter", ""),
    ("FrameVOILUTSequence", "WindowWidth", ""),
)


def is_enhanced(header: Header) -> bool:
    """Whether the file keeps its geometry in functional groups."""
    return header.dataset is not None and "PerFrameFunctionalGroupsSequence" in header.dataset


def frame_headers(header: Header) -> Iterator[Header]:
    """Yield one header a frame. Frames that the header describes and the file does not hold are left out."""
    dataset = header.dataset
    assert dataset is not None
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    common = {**header.values, **_sequence_words(dataset), **_frame_values(shared)}
    for number, own in enumerate(dataset.PerFrameFunctionalGroupsSequence[: header.frame_count]):
        values = {**common, **_frame_values(own), "InstanceNumber": number + 1}
        offset = header.offset + number * header.frame_bytes if header.offset is not None else None
        yield replace(header, frame=number, values=values, offset=offset, dataset=None)


def _sequence_words(dataset: Dataset) -> dict[str, Any]:
    """What a classic header says in ScanningSequence, from the attributes that replaced it."""
    words = []
    if dataset.get("EchoPulseSequence") in ("SPIN", "BOTH"):
        words.append("SE")
    if dataset.get("EchoPulseSequence") in ("GRADIENT", "BOTH"):
        words.append("GR")
    if dataset.get("InversionRecovery") == "YES":
        words.append("IR")
    if dataset.get("EchoPlanarPulseSequence") == "YES":
        words.append("EP")
    return {"ScanningSequence": tuple(words)} if words else {}


def _frame_values(groups: Dataset) -> dict[str, Any]:
    """The values of one functional group item under the keywords of a classic header."""
    values: dict[str, Any] = {}
    for macro, keyword, classic in _MACROS:
        items = groups.get(macro)
        value = items[0].get(keyword) if items else None
        if value is not None and value != "":
            values[classic or keyword] = _plain(value)
    content = groups.get("FrameContentSequence")
    moment = str(content[0].get("FrameAcquisitionDateTime") or "") if content else ""
    if len(moment) >= 14:
        values["AcquisitionDate"], values["AcquisitionTime"] = moment[:8], moment[8:].partition("+")[0]
    return values


def _plain(value: Any) -> Any:
    if isinstance(value, (MultiValue, list, tuple)):
        return tuple(_plain(part) for part in value)
    if isinstance(value, (str, bool)):
        return str(value)
    return int(value) if isinstance(value, int) else float(value)
