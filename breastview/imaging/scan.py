"""Open a patient folder: read every header once, sort the images, list what is wrong."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from breastview.errors import CaseError
from breastview.imaging import enhanced, nifti, pictures, syntaxes, ultrasound
from breastview.imaging.case import (
    FileProblem,
    ImageSource,
    RoleChoice,
    ScannedCase,
    ScannedFrames,
    ScannedVolume,
)
from breastview.imaging.dynamic import of_one_exam, of_one_space, phases, subtracted
from breastview.imaging.header import BrokenHeader, Header, NotDicom, read_header, storage_name
from breastview.imaging.patients import exam_date, identify, is_simulated, patient_of, who
from breastview.imaging.quiet import quiet
from breastview.imaging.roles import choose_roles
from breastview.imaging.split import split_series
from breastview.imaging.stack import Stack, has_geometry
from breastview.messages import Message, message
from breastview.progress import Progress, silent

REPORT_EVERY = 25
OnFound = Callable[[ScannedFrames], None]
_SAMPLE_BITS = (8, 16, 32)
_DIRECTORY = "1.2.840.10008.1.3.10"  # a DICOMDIR lists the images; we look for ourselves


@dataclass(frozen=True, eq=False)
class _Image:
    """One DICOM file: US frames, or the MRI slices in it that have a place in the patient."""

    header: Header
    us: ScannedFrames | None = None
    slices: tuple[Header, ...] = ()
    left_out: int = 0


@dataclass
class _Found:
    """What the walk has seen so far."""

    folder: Path
    on_found: OnFound | None
    images: list[_Image] = field(default_factory=list)
    frames: list[ScannedFrames] = field(default_factory=list)
    volumes: list[ScannedVolume] = field(default_factory=list)
    problems: list[FileProblem] = field(default_factory=list)
    strangers: int = 0

    def place(self, path: Path) -> str:
        """The file's place as the user knows it: relative to the case folder. Bytes of a name in another
        coding than the system's, as a Chinese archive's GBK, are spelled out."""
        named = os.fsencode(path.relative_to(self.folder).as_posix())
        return named.decode("utf-8", "backslashreplace")

    def problem(self, path: Path, reason: Message) -> None:
        """List a file that takes no part."""
        self.problems.append(FileProblem(self.place(path), reason))


def scan_folder(folder: Path, progress: Progress = silent, on_found: OnFound | None = None) -> ScannedCase:
    """Scan a patient folder: headers only, nothing written.

    `on_found` is called with each US image as soon as it is known, long before the scan ends. Whether all
    images are of one patient is known only at the end: take the scanned case for what stays on screen.

    Raises:
        CaseError: the folder is absent, cannot be listed, or holds no breast image at all.
        Cancelled: through `progress`.
    """
    found = _Found(Path(folder), on_found)
    paths = _files(found)
    for number, path in enumerate(paths):
        if number % REPORT_EVERY == 0:
            progress(number / len(paths), message("doing.scan", done=number, count=len(paths)))
        _read(found, path)
    case = _assemble(found)
    if not case.volumes and not case.frames:
        raise CaseError(_nothing(found))
    return case


def _files(found: _Found) -> list[Path]:
    try:
        is_there = found.folder.is_dir()
    except OSError:  # a folder above it is closed
        raise CaseError.of("case.no_permission") from None
    if not is_there:
        raise CaseError.of("case.no_folder")

    def refuse(error: OSError) -> None:
        place = Path(error.filename or found.folder)
        if place == found.folder:
            raise CaseError.of("case.no_permission") from None
        found.problem(place, message("problem.cannot_open"))

    paths = []
    for root, folders, names in os.walk(found.folder, onerror=refuse):
        folders.sort()
        paths += [Path(root, name) for name in sorted(names) if not name.startswith(".")]
    return [path for path in paths if not _is_pipe(path)]


def _is_pipe(path: Path) -> bool:
    """Opening a pipe would wait for its other end."""
    try:
        return path.is_fifo()
    except OSError:
        return False


def _read(found: _Found, path: Path) -> None:
    """Read one file into `found`; whatever is wrong with it becomes a problem there."""
    try:
        header = read_header(path)
    except NotDicom:
        _read_other(found, path)
    except BrokenHeader:
        found.problem(path, message("problem.broken_header"))
    except OSError:
        found.problem(path, message("problem.cannot_open"))
    else:
        _take(found, header)


def _take(found: _Found, header: Header) -> None:
    if header.text("SOPClassUID") == _DIRECTORY or header.path.name == "DICOMDIR":
        return
    problem = _objection(header)
    if problem is not None:
        found.problem(header.path, problem)
        return
    if not header.text("SOPInstanceUID"):
        place = hashlib.sha256(found.place(header.path).encode()).hexdigest()
        header = replace(header, values={**header.values, "SOPInstanceUID": f"file:{place}"})
    try:
        with quiet():
            image = _image(header)
    except Exception:  # noqa: BLE001  pydicom raises anything on a damaged sequence, and quotes it
        found.problem(header.path, message("problem.broken_header"))
        return
    if image.left_out or (image.us is None and not image.slices):
        found.problem(header.path, message("problem.no_geometry"))
    found.images.append(image)
    if image.us is not None and found.on_found:
        found.on_found(image.us)


def _image(header: Header) -> _Image:
    if ultrasound.is_ultrasound(header):
        return _Image(header, us=ultrasound.scanned_frames(header))
    frames = tuple(enhanced.frame_headers(header)) if enhanced.is_enhanced(header) else (header,)
    placed = tuple(frame for frame in frames if has_geometry(frame))
    return _Image(header, slices=placed, left_out=len(frames) - len(placed))


def _read_other(found: _Found, path: Path) -> None:
    """A file that is no DICOM: a NIfTI volume, a picture, or none of our business."""
    try:
        if nifti.is_nifti(path):
            item: list[ScannedVolume] | ScannedFrames | FileProblem = nifti.scan_nifti(
                path, found.place(path)
            )
        elif path.suffix.lower() in pictures.SUFFIXES:
            item = pictures.scan_picture(path, found.place(path))
        else:
            found.strangers += 1
            return
    except OSError:
        item = FileProblem(found.place(path), message("problem.cannot_open"))
    if isinstance(item, FileProblem):
        found.problems.append(item)
    elif isinstance(item, ScannedFrames):
        found.frames.append(item)
        if found.on_found:
            found.on_found(item)
    else:
        found.volumes += item


def _objection(header: Header) -> Message | None:
    """Why a DICOM file takes no part in a breast case, or None."""
    ours = ultrasound.is_ultrasound(header) or header.text("Modality") == "MR"
    if header.truncated and ours:
        return message("problem.truncated")
    if not header.has_pixels or not header.frame_bytes:
        return message("problem.no_image", what=storage_name(header.text("SOPClassUID")))
    if not ours:
        return message("problem.other_modality", modality=header.text("Modality")[:16] or "?")
    if not syntaxes.can_decode(header.transfer_syntax):
        return message("problem.unknown_coding", what=syntaxes.name(header.transfer_syntax))
    if not ultrasound.is_ultrasound(header) and header.count("SamplesPerPixel", 1) != 1:
        return message("problem.colour_map")
    if header.frame_count > header.file_size or header.count("BitsAllocated", 16) not in _SAMPLE_BITS:
        return message("problem.broken_header")
    return None


def _assemble(found: _Found) -> ScannedCase:
    images, notes = _of_one_patient(found)
    headers = [image.header for image in images]
    volumes = (*_volumes(images), *found.volumes)
    frames = _frames(images, found.frames)
    if len(of_one_exam(volumes)) < len(volumes):
        notes.append(message("case.several_exams"))
    if len(of_one_space(volumes)) < len(of_one_exam(volumes)):
        notes.append(message("case.several_spaces"))
    if any(volume.role.reason.code == "role.dce_guessed" for volume in phases(volumes)):
        notes.append(message("case.dce_guessed"))
    if len(phases(volumes)) > 1 and not subtracted(volumes):
        notes.append(message("case.dce_missing"))
    if len({item.exam_date for item in frames if item.exam_date}) > 1:
        notes.append(message("case.several_us_days"))
    if found.strangers:
        notes.append(message("case.strangers", count=found.strangers))
    return ScannedCase(
        folder=found.folder,
        patient=identify(sorted(headers, key=lambda header: str(exam_date(header) or ""), reverse=True)),
        volumes=volumes,
        frames=frames,
        problems=tuple(sorted(found.problems, key=lambda problem: problem.path)),
        fingerprint=_fingerprint(headers, (*volumes, *frames)),
        notes=tuple(notes),
    )


def _of_one_patient(found: _Found) -> tuple[list[_Image], list[Message]]:
    """The images of the patient whom most of them name; the others become problems, and a note."""
    ours = patient_of([image.header for image in found.images])
    mine = []
    for image in found.images:
        if who(image.header).is_other_than(ours):
            found.problem(image.header.path, message("problem.other_patient"))
        else:
            mine.append(image)
    others = len(found.images) - len(mine)
    return mine, [message("case.other_patient", count=others)] if others else []


def _fingerprint(headers: Sequence[Header], items: Sequence[ScannedVolume | ScannedFrames]) -> str:
    uids = {header.text("SOPInstanceUID") for header in headers} | {item.key for item in items}
    return hashlib.sha256("\n".join(sorted(uids)).encode()).hexdigest()


def _frames(images: Sequence[_Image], loose: Sequence[ScannedFrames]) -> tuple[ScannedFrames, ...]:
    """Each US image once, in the order in which they were taken; loose pictures follow by their names."""
    taken = [image.us for image in sorted(images, key=_when_taken) if image.us is not None]
    named = sorted(loose, key=lambda item: (item.description, item.sources[0].path))
    return tuple({us.key: us for us in (*taken, *named)}.values())


def _when_taken(image: _Image) -> tuple[str, float, float, Path]:
    header = image.header
    return (
        str(exam_date(header) or ""),
        header.number("SeriesNumber"),
        header.number("InstanceNumber"),
        header.path,
    )


def _volumes(images: Sequence[_Image]) -> list[ScannedVolume]:
    series: dict[str, list[Header]] = defaultdict(list)
    for image in images:
        series[image.header.text("SeriesInstanceUID")] += image.slices
    stacks = [stack for slices in series.values() if slices for stack in split_series(slices)]
    stacks.sort(key=lambda stack: stack.first.number("SeriesNumber"))
    return [_volume(stack, role) for stack, role in zip(stacks, choose_roles(stacks), strict=True)]


def _volume(stack: Stack, role: RoleChoice) -> ScannedVolume:
    first = stack.first
    series = first.text("SeriesInstanceUID")
    return ScannedVolume(
        key=series + stack.part,
        series_uid=series,
        study_uid=first.text("StudyInstanceUID"),
        frame_of_reference_uid=first.text("FrameOfReferenceUID"),
        description=first.text("SeriesDescription") or first.text("ProtocolName"),
        series_number=int(first.number("SeriesNumber")) if first.numbers("SeriesNumber") else None,
        role=role,
        sources=tuple(map(_source, stack.frames, stack.numbers)),
        shape=(stack.numbers[-1] + 1, first.count("Rows"), first.count("Columns")),
        index_to_lps=stack.index_to_lps,
        orientation=stack.orientation,
        window=_window(stack.frames[len(stack.frames) // 2]),  # each slice has its own in many an archive
        exam_date=exam_date(first),
        manufacturer=first.text("Manufacturer"),
        simulated=is_simulated(first),
        notes=stack.notes,
    )


def _source(frame: Header, index: int) -> ImageSource:
    kind = "i" if frame.number("PixelRepresentation") else "u"
    return ImageSource(
        path=frame.path,
        frame=frame.frame,
        sop_uid=frame.text("SOPInstanceUID"),
        index=index,
        offset=frame.offset,
        dtype=f"<{kind}{max(1, frame.count('BitsAllocated', 16) // 8)}",
        slope=frame.number("RescaleSlope", 1.0),
        intercept=frame.number("RescaleIntercept", 0.0),
    )


def _window(header: Header) -> tuple[float, float] | None:
    centre, width = header.numbers("WindowCenter"), header.numbers("WindowWidth")
    return (centre[0], width[0]) if centre and width and width[0] >= 1 else None


def _nothing(found: _Found) -> Message:
    reasons = {problem.reason.code for problem in found.problems}
    if "problem.photograph" in reasons:
        return message("case.photographs")
    return message("case.only_problems", count=len(found.problems)) if reasons else message("case.empty")
