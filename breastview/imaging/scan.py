"""Open a patient folder: read every header once, sort the images into volumes and frames, list what is wrong."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from breastview.errors import CaseError
from breastview.imaging import enhanced, nifti, pictures, ultrasound
from breastview.imaging.case import FileProblem, ImageSource, ScannedCase, ScannedFrames, ScannedVolume
from breastview.imaging.header import (
    BrokenHeader,
    Header,
    NotDicom,
    is_uncompressed_little_endian,
    pixel_offset,
    read_header,
    storage_name,
)
from breastview.imaging.patients import exam_date, identify, is_simulated, patient_of, who
from breastview.imaging.roles import SeriesStack, choose_roles
from breastview.imaging.split import has_geometry, slice_numbers, split_series
from breastview.messages import Message, message
from breastview.progress import Progress, silent

REPORT_EVERY = 25
_IGNORED = {"DICOMDIR"}


@dataclass
class _Found:
    """What the walk has seen so far."""

    folder: Path
    headers: list[Header] = field(default_factory=list)
    frames: list[ScannedFrames] = field(default_factory=list)
    volumes: list[ScannedVolume] = field(default_factory=list)
    problems: list[FileProblem] = field(default_factory=list)
    strangers: int = 0

    def place(self, path: Path) -> str:
        """The file's place as the user knows it: relative to the case folder."""
        return path.relative_to(self.folder).as_posix()


def scan_folder(
    folder: Path, progress: Progress = silent, on_found: Callable[[ScannedFrames], None] | None = None
) -> ScannedCase:
    """Scan a patient folder: headers only, nothing written.

    `on_found` is called with each US image as soon as it is known, long before the scan ends.

    Raises:
        CaseError: the folder is absent, cannot be listed, or holds no breast image at all.
        Cancelled: through `progress`.
    """
    folder = Path(folder)
    found = _Found(folder)
    paths = _files(folder)
    for number, path in enumerate(paths):
        if number % REPORT_EVERY == 0:
            progress(number / len(paths), message("doing.scan", done=number, count=len(paths)))
        _read(found, path, on_found)
    case = _assemble(found)
    if not case.volumes and not case.frames:
        raise CaseError(_nothing(found))
    return case


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise CaseError.of("case.no_folder")

    def refuse(error: OSError) -> None:
        if Path(error.filename or "") == folder:
            raise CaseError.of("case.no_permission")

    return [
        Path(root, name)
        for root, folders, names in os.walk(folder, onerror=refuse)
        if folders.sort() is None
        for name in sorted(names)
        if name not in _IGNORED and not name.startswith(".")
    ]


def _read(found: _Found, path: Path, on_found: Callable[[ScannedFrames], None] | None) -> None:
    """Read one file into `found`; whatever is wrong with it becomes a problem there."""
    place = found.place(path)
    try:
        header = read_header(path)
    except NotDicom:
        _read_other(found, path, place, on_found)
    except BrokenHeader:
        found.problems.append(FileProblem(place, message("problem.broken_header")))
    except OSError:
        found.problems.append(FileProblem(place, message("problem.cannot_open")))
    else:
        problem = _objection(header)
        if problem is not None:
            found.problems.append(FileProblem(place, problem))
            return
        found.headers.append(header)
        if on_found and ultrasound.is_ultrasound(header):
            on_found(ultrasound.scanned_frames(header))


def _read_other(found: _Found, path: Path, place: str, on_found: Callable[[ScannedFrames], None] | None) -> None:
    if nifti.is_nifti(path):
        volumes = nifti.scan_nifti(path, place)
        if isinstance(volumes, FileProblem):
            found.problems.append(volumes)
        else:
            found.volumes += volumes
    elif path.suffix.lower() in pictures.SUFFIXES:
        picture = pictures.scan_picture(path, place)
        if isinstance(picture, FileProblem):
            found.problems.append(picture)
        else:
            found.frames.append(picture)
            if on_found:
                on_found(picture)
    else:
        found.strangers += 1


def _objection(header: Header) -> Message | None:
    """Why a DICOM file takes no part in a breast case, or None."""
    if not header.has_pixels or not header.get("Rows"):
        return message("problem.no_image", what=storage_name(str(header.get("SOPClassUID", ""))))
    modality = header.get("Modality", "")
    if modality not in ("MR", "US") and not ultrasound.is_ultrasound(header):
        return message("problem.other_modality", modality=str(modality) or "?")
    if header.offset is not None:
        count = int(header.get("NumberOfFrames", 1) or 1)
        if header.file_size < header.offset + header.frame_bytes * count:
            return message("problem.truncated")
    return None


def _assemble(found: _Found) -> ScannedCase:
    ours = patient_of(found.headers)
    others = [header for header in found.headers if who(header) not in ("", ours)]
    for header in others:
        found.problems.append(FileProblem(found.place(header.path), message("problem.other_patient")))
    headers = [header for header in found.headers if who(header) in ("", ours)]
    still = [header for header in headers if ultrasound.is_ultrasound(header)]
    mri = [header for header in headers if not ultrasound.is_ultrasound(header)]
    frames = (*(ultrasound.scanned_frames(header) for header in still), *found.frames)
    volumes = (*_volumes(found, mri), *found.volumes)
    notes = [message("case.other_patient", count=len(others))] if others else []
    if found.strangers:
        notes.append(message("case.strangers", count=found.strangers))
    return ScannedCase(
        folder=found.folder,
        patient=identify(headers),
        volumes=volumes,
        frames=tuple(sorted(frames, key=lambda item: (item.description, item.sources[0].path))),
        problems=tuple(sorted(found.problems, key=lambda problem: problem.path)),
        fingerprint=_fingerprint(headers, (*volumes, *frames)),
        notes=tuple(notes),
    )


def _fingerprint(headers: Sequence[Header], items: Sequence[ScannedVolume | ScannedFrames]) -> str:
    uids = {str(header.get("SOPInstanceUID", "")) for header in headers} | {item.key for item in items}
    return hashlib.sha256("\n".join(sorted(uids)).encode()).hexdigest()


def _volumes(found: _Found, headers: Sequence[Header]) -> list[ScannedVolume]:
    series: dict[str, list[Header]] = defaultdict(list)
    for header in headers:
        for frame in _frames(header):
            if has_geometry(frame):
                series[str(frame.get("SeriesInstanceUID", ""))].append(frame)
            else:
                found.problems.append(FileProblem(found.place(header.path), message("problem.no_geometry")))
                break
    stacks = [
        SeriesStack(stack, _number(stack.frames[0].get("SeriesNumber")))
        for frames in series.values()
        for stack in split_series(frames)
    ]
    stacks.sort(key=lambda item: item.series_number or 0)
    return [replace(_volume(item), role=role) for item, role in zip(stacks, choose_roles(stacks), strict=True)]


def _frames(header: Header) -> Iterator[Header]:
    if not enhanced.is_enhanced(header):
        return iter((header,))
    start = pixel_offset(header.path) if is_uncompressed_little_endian(header.transfer_syntax) else None
    return enhanced.frame_headers(header, start)


def _number(value: object) -> int | None:
    return int(value) if isinstance(value, int) else None


def _volume(item: SeriesStack) -> ScannedVolume:
    stack, first = item.stack, item.first
    numbers = slice_numbers(stack)
    series = str(first.get("SeriesInstanceUID", ""))
    return ScannedVolume(
        key=series + stack.part,
        series_uid=series,
        study_uid=str(first.get("StudyInstanceUID", "")),
        frame_of_reference_uid=str(first.get("FrameOfReferenceUID", "")),
        description=str(first.get("SeriesDescription", "") or first.get("ProtocolName", "")),
        series_number=item.series_number,
        role=choose_roles([item])[0],
        sources=tuple(_source(f, int(n)) for f, n in zip(stack.frames, numbers, strict=True)),
        shape=(int(numbers[-1]) + 1, int(first.get("Rows")), int(first.get("Columns"))),
        index_to_lps=stack.index_to_lps,
        orientation=stack.orientation,
        window=_window(first),
        exam_date=exam_date(first),
        manufacturer=str(first.get("Manufacturer", "")),
        simulated=is_simulated(first),
        notes=stack.notes,
    )


def _source(frame: Header, index: int) -> ImageSource:
    kind = "i" if frame.get("PixelRepresentation", 0) else "u"
    return ImageSource(
        path=frame.path,
        frame=frame.frame,
        sop_uid=str(frame.get("SOPInstanceUID", "")),
        index=index,
        offset=frame.offset,
        dtype=f"<{kind}{int(frame.get('BitsAllocated', 16)) // 8}",
        slope=float(frame.get("RescaleSlope", 1.0)),
        intercept=float(frame.get("RescaleIntercept", 0.0)),
    )


def _window(header: Header) -> tuple[float, float] | None:
    centre, width = header.get("WindowCenter"), header.get("WindowWidth")
    if centre is None or width is None:
        return None
    first = [float(v[0] if isinstance(v, tuple) else v) for v in (centre, width)]
    return (first[0], first[1]) if first[1] >= 1 else None


def _nothing(found: _Found) -> Message:
    if any(problem.reason.code == "problem.photograph" for problem in found.problems):
        return message("case.photographs")
    if found.problems:
        return message("case.only_problems", count=len(found.problems))
    return message("case.empty")
