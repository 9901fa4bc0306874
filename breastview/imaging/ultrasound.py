"""US images from their headers: still, cine or volume, and how many millimetres a pixel has."""

from __future__ import annotations

from collections.abc import Sequence

from pydicom.dataset import Dataset

from breastview.imaging.case import ImageSource, PixelScale, Role, RoleChoice, ScannedFrames
from breastview.imaging.header import Header
from breastview.imaging.patients import exam_date, is_simulated
from breastview.messages import Message, message

US_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.6",
    "1.2.840.10008.5.1.4.1.1.6.1",
    "1.2.840.10008.5.1.4.1.1.3",
    "1.2.840.10008.5.1.4.1.1.3.1",
    "1.2.840.10008.5.1.4.1.1.6.2",
    "1.2.840.10008.5.1.4.1.1.6.3",
}
US_VOLUME_CLASSES = {"1.2.840.10008.5.1.4.1.1.6.2", "1.2.840.10008.5.1.4.1.1.6.3"}
_CENTIMETRES = 3
_TISSUE = 1
_MM_PER_CM = 10.0


def is_ultrasound(header: Header) -> bool:
    """Whether a file holds US pixels, by its class or, for secondary captures, by its modality."""
    return header.has_pixels and (header.get("SOPClassUID") in US_CLASSES or header.get("Modality") == "US")


def scanned_frames(header: Header) -> ScannedFrames:
    """Describe one US file."""
    count = int(header.get("NumberOfFrames", 1) or 1)
    region, scale, notes = _scale(header)
    uid = str(header.get("SOPInstanceUID", ""))
    return ScannedFrames(
        key=uid,
        series_uid=str(header.get("SeriesInstanceUID", "")),
        study_uid=str(header.get("StudyInstanceUID", "")),
        description=str(header.get("SeriesDescription", "") or header.get("StudyDescription", "")),
        role=_role(header, count),
        sources=tuple(ImageSource(header.path, frame, uid, index=frame) for frame in range(count)),
        rows=int(header.get("Rows", 0)),
        columns=int(header.get("Columns", 0)),
        scale=scale,
        region=region,
        laterality=str(header.get("ImageLaterality", "") or header.get("Laterality", "")),
        exam_date=exam_date(header),
        manufacturer=str(header.get("Manufacturer", "")),
        simulated=is_simulated(header),
        notes=tuple(notes),
    )


def _role(header: Header, count: int) -> RoleChoice:
    if header.get("SOPClassUID") in US_VOLUME_CLASSES:
        return RoleChoice(Role.US_VOLUME, message("role.us_volume"))
    if count > 1:
        return RoleChoice(Role.US_CINE, message("role.us_cine", count=count))
    return RoleChoice(Role.US_STILL, message("role.us_still"))


def _scale(
    header: Header,
) -> tuple[tuple[int, int, int, int] | None, PixelScale | None, list[Message]]:
    """(region in pixels, scale, notes): from the tissue regions, else from PixelSpacing that US may carry."""
    regions = _tissue_regions(header.dataset)
    deltas = {_spacing(region) for region in regions}
    if len(deltas) == 1:
        (spacing,) = deltas
        place = _place(max(regions, key=_area))
        notes = []
        if place[2] > header.get("Columns", 0) or place[3] > header.get("Rows", 0):
            notes.append(message("scan.region_overruns"))
        if len(regions) > 1:
            notes.append(message("scan.several_regions", count=len(regions)))
        return place, PixelScale(spacing, message("scale.region")), notes
    if len(deltas) > 1:
        return _place(max(regions, key=_area)), None, [message("scan.regions_disagree")]
    spacing = header.get("PixelSpacing")
    if spacing and len(spacing) == 2 and min(spacing) > 0:
        scale = PixelScale((float(spacing[0]), float(spacing[1])), message("scale.pixel_spacing"))
        return None, scale, [message("scan.no_region")]
    return None, None, [message("scan.no_scale")]


def _tissue_regions(dataset: Dataset | None) -> list[Dataset]:
    """B-mode and colour regions measured in centimetres both ways."""
    sequence: Sequence[Dataset] = (dataset.get("SequenceOfUltrasoundRegions") or ()) if dataset else ()
    return [
        region
        for region in sequence
        if region.get("PhysicalUnitsXDirection") == _CENTIMETRES
        and region.get("PhysicalUnitsYDirection") == _CENTIMETRES
        and region.get("RegionDataType", _TISSUE) in (1, 2)
        and float(region.get("PhysicalDeltaX") or 0) != 0
        and float(region.get("PhysicalDeltaY") or 0) != 0
    ]


def _spacing(region: Dataset) -> tuple[float, float]:
    return (
        round(abs(float(region.PhysicalDeltaY)) * _MM_PER_CM, 6),
        round(abs(float(region.PhysicalDeltaX)) * _MM_PER_CM, 6),
    )


def _place(region: Dataset) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) in pixels, right and bottom exclusive."""
    return (
        int(region.RegionLocationMinX0),
        int(region.RegionLocationMinY0),
        int(region.RegionLocationMaxX1) + 1,
        int(region.RegionLocationMaxY1) + 1,
    )


def _area(region: Dataset) -> int:
    left, top, right, bottom = _place(region)
    return (right - left) * (bottom - top)
