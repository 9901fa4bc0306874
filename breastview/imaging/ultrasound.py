"""US images from their headers: still, cine or volume, and how many millimetres a pixel has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
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
PLAUSIBLE_MM = (0.005, 2.0)  # a pixel of a breast picture is neither smaller nor larger
EVEN, PARALLEL = 0.02, 1e-3  # of a step and of a cosine: planes of a volume stray no further
_CENTIMETRES = 3
_TISSUE, _COLOUR_FLOW = 1, 2  # the regions that are images, of PS3.3 C.8.5.5.1.1
_MM_PER_CM = 10.0
_LEFT = re.compile(r"(?<![a-z])(left|lt)(?![a-z])|左")
_RIGHT = re.compile(r"(?<![a-z])(right|rt)(?![a-z])|右")

Place = tuple[int, int, int, int]


class _Region(NamedTuple):
    """A part of the picture that is image: its RegionDataType, its place in pixels, mm a (row, column)."""

    kind: int
    place: Place
    spacing_mm: tuple[float, float]


def is_ultrasound(header: Header) -> bool:
    """Whether a file holds US pixels, by its class or, for secondary captures, by its modality."""
    return header.has_pixels and (header.text("SOPClassUID") in US_CLASSES or header.text("Modality") == "US")


def scanned_frames(header: Header) -> ScannedFrames:
    """Describe one US file."""
    count = header.frame_count
    regions = list(_image_regions(header.dataset))
    region, scale, notes = _scale(header, regions)
    uid = header.text("SOPInstanceUID")
    return ScannedFrames(
        key=uid,
        series_uid=header.text("SeriesInstanceUID"),
        study_uid=header.text("StudyInstanceUID"),
        description=header.text("SeriesDescription") or header.text("StudyDescription"),
        role=_role(header, count),
        sources=tuple(ImageSource(header.path, frame, uid, index=frame) for frame in range(count)),
        rows=header.count("Rows"),
        columns=header.count("Columns"),
        scale=scale,
        region=region,
        step_mm=_step_mm(header.dataset) if header.text("SOPClassUID") in US_VOLUME_CLASSES else None,
        laterality=laterality(header),
        doppler=any(region.kind == _COLOUR_FLOW for region in regions),
        exam_date=exam_date(header),
        manufacturer=header.text("Manufacturer"),
        simulated=is_simulated(header),
        notes=tuple(notes),
    )


def laterality(header: Header) -> str:
    """Return "L", "R" or "": from the tags, else from words that name one side and not the other."""
    for keyword in ("ImageLaterality", "Laterality"):
        if header.text(keyword) in ("L", "R"):
            return header.text(keyword)
    for keyword in (
        "BodyPartExamined",
        "SeriesDescription",
        "ProtocolName",
        "ImageComments",
        "StudyDescription",
    ):
        text = header.text(keyword).lower()
        left, right = _LEFT.search(text) is not None, _RIGHT.search(text) is not None
        if left != right:
            return "L" if left else "R"
    return ""


def _role(header: Header, count: int) -> RoleChoice:
    if header.text("SOPClassUID") in US_VOLUME_CLASSES:
        return RoleChoice(Role.US_VOLUME, message("role.us_volume"))
    if count > 1:
        return RoleChoice(Role.US_CINE, message("role.us_cine", count=count))
    return RoleChoice(Role.US_STILL, message("role.us_still"))


def _scale(
    header: Header, regions: Sequence[_Region]
) -> tuple[Place | None, PixelScale | None, list[Message]]:
    """(region in pixels, scale, notes): from the image regions, else from PixelSpacing that US may carry."""
    if not regions:
        return _scale_without_region(header)
    place = max((region.place for region in regions), key=_area)
    spacings = {region.spacing_mm for region in regions}
    if len(spacings) > 1:
        return place, None, [message("scan.regions_disagree")]
    notes = []
    if place[2] > header.count("Columns") or place[3] > header.count("Rows"):
        notes.append(message("scan.region_overruns"))
    if len(regions) > 1:
        notes.append(message("scan.several_regions", count=len(regions)))
    return place, PixelScale(spacings.pop(), message("scale.region")), notes


def _scale_without_region(header: Header) -> tuple[None, PixelScale | None, list[Message]]:
    spacing = header.numbers("PixelSpacing") or _measured_spacing(header.dataset)
    if len(spacing) == 2 and all(_is_plausible(mm) for mm in spacing):
        scale = PixelScale((spacing[0], spacing[1]), message("scale.pixel_spacing"))
        return None, scale, [message("scan.no_region")]
    return None, None, [message("scan.no_scale")]


def _step_mm(dataset: Dataset | None) -> float | None:
    """From plane to plane of an enhanced US volume, along lateral × depth."""
    frames = list(dataset.get("PerFrameFunctionalGroupsSequence") or ()) if dataset else []
    shared = list(dataset.get("SharedFunctionalGroupsSequence") or ()) if dataset else []
    places = [_told([own], "PlanePositionVolumeSequence", "ImagePositionVolume") for own in frames]
    turns = [
        _told([own, *shared], "PlaneOrientationVolumeSequence", "ImageOrientationVolume") for own in frames
    ]
    if len(frames) < 2 or {len(place) for place in places} != {3} or {len(turn) for turn in turns} != {6}:
        return None
    steps, cosines = np.diff(places, axis=0), np.array(turns[0])
    normal = np.cross(cosines[:3], cosines[3:])
    step = float(np.median(steps @ normal))
    even = np.abs(steps - step * normal).max() < EVEN * abs(step)
    return step if even and np.ptp(turns, axis=0).max() < PARALLEL else None


def _told(groups: Sequence[Dataset], sequence: str, keyword: str) -> tuple[float, ...]:
    """Numbers of a functional group, from the first of `groups` that has it."""
    for group in groups:
        for item in group.get(sequence) or ():
            return tuple(float(value) for value in item.get(keyword) or ())
    return ()


def _measured_spacing(dataset: Dataset | None) -> tuple[float, ...]:
    """PixelSpacing of an enhanced US volume, from its shared functional groups."""
    shared = (dataset.get("SharedFunctionalGroupsSequence") or ()) if dataset else ()
    return _told(shared, "PixelMeasuresSequence", "PixelSpacing")


def _image_regions(dataset: Dataset | None) -> Iterator[_Region]:
    """The regions that are images and measured in centimetres both ways."""
    for region in (dataset.get("SequenceOfUltrasoundRegions") or ()) if dataset else ():
        try:
            units = region.get("PhysicalUnitsXDirection"), region.get("PhysicalUnitsYDirection")
            kind = region.get("RegionDataType", _TISSUE)
            if units == (_CENTIMETRES, _CENTIMETRES) and kind in (_TISSUE, _COLOUR_FLOW):
                spacing = _spacing(region)
                if all(map(_is_plausible, spacing)):
                    yield _Region(kind, _place(region), spacing)
        except Exception:  # noqa: BLE001  pydicom raises anything on a damaged region: it is no region
            continue


def _is_plausible(mm: float) -> bool:
    return PLAUSIBLE_MM[0] <= mm <= PLAUSIBLE_MM[1]


def _spacing(region: Dataset) -> tuple[float, float]:
    """(row, column) in mm: PhysicalDelta is signed, and in cm."""
    return (
        round(abs(float(region.PhysicalDeltaY)) * _MM_PER_CM, 6),
        round(abs(float(region.PhysicalDeltaX)) * _MM_PER_CM, 6),
    )


def _place(region: Dataset) -> Place:
    """(left, top, right, bottom) in pixels, right and bottom exclusive."""
    return (
        int(region.RegionLocationMinX0),
        int(region.RegionLocationMinY0),
        int(region.RegionLocationMaxX1) + 1,
        int(region.RegionLocationMaxY1) + 1,
    )


def _area(place: Place) -> int:
    left, top, right, bottom = place
    return max(0, right - left) * max(0, bottom - top)
