"""The whole job without a window, each stage one call: scan, load, register, read, report."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
from PIL import Image

from breastview.errors import BreastViewError, Cancelled, RecordError, ReportError
from breastview.fusion.assemble import channel_volumes, model_input
from breastview.fusion.eligibility import can_compute, check_scope
from breastview.fusion.reading import Reading, refusal
from breastview.fusion.spec import Metric, ModelSpec, read_spec
from breastview.imaging.case import ScannedCase, ScannedFrames, ScannedVolume
from breastview.imaging.dynamic import phases, subtraction
from breastview.imaging.load import load_frames
from breastview.imaging.scan import scan_folder
from breastview.imaging.volume import FrameStack, Volume
from breastview.language import Language
from breastview.messages import Message, message, render
from breastview.progress import Progress, silent
from breastview.records.values import Lesion, ReviewRecord, new_record
from breastview.registration.exchange import RegisteredImages, registered_images
from breastview.registration.files import export_registration, import_registration, suggested_name
from breastview.registration.motion import load_corrected
from breastview.registration.pair import RegisteredPair, register_pair
from breastview.registration.parameters import PhaseMotion
from breastview.registration.plane import UsPlane, us_plane
from breastview.registration.skin import Body, find_body, side_of
from breastview.report.content import ReportContent, build_content
from breastview.report.files import write_whole
from breastview.report.images import (
    PLANE_STEP_MM,
    KeyImage,
    crop_images,
    labelled,
    plane_images,
    slice_image,
    us_images,
)
from breastview.report.pdf import write_pdf
from breastview.review.registering import SetRegistration
from breastview.review.state import open_state

DEMONSTRATION = Path(__file__).resolve().parent.parent / "resources" / "models" / "demonstration"
SUBTRACTION = "subtraction"  # key of the computed DCE 2 − DCE 1

Item = TypeVar("Item", ScannedFrames, ScannedVolume)
Loaded = TypeVar("Loaded", FrameStack, Volume)


@dataclass(frozen=True, eq=False)
class LoadedCase:
    """A case with the pixels that the job needs. `volumes` also holds the computed subtraction."""

    case: ScannedCase
    stacks: dict[str, FrameStack]
    volumes: dict[str, Volume]
    body: Body | None
    problems: tuple[Message, ...]


@dataclass(frozen=True)
class LesionResult:
    """One lesion's line of `result.json`."""

    lesion_id: str
    eligible: bool
    research_override: bool
    reasons: tuple[Message, ...]
    sentences: tuple[str, ...]
    probability: float | None
    probability_us: float | None
    probability_mri: float | None
    weight_us: float | None
    weight_mri: float | None


@dataclass(frozen=True)
class Result:
    """What `result.json` says: no name, no identifier of the patient.

    `scope` and `metrics` (by head, with 95 % interval and n) say what the probabilities are worth.
    """

    eligible: bool
    reasons: tuple[Message, ...]
    sentences: tuple[str, ...]
    lesions: tuple[LesionResult, ...]
    model: str
    model_sha256: str
    device: str
    demonstration: bool
    scope: str
    metrics: dict[str, dict[str, Metric]]
    simulated: bool
    problems: int
    files: tuple[str, ...]


def review_folder(
    folder: Path,
    out: Path,
    record: ReviewRecord | None = None,
    model: Path | None = None,
    device: str = "auto",
    language: Language | None = None,
    research_override: bool = False,
    progress: Progress = silent,
) -> Result:
    """Do the whole job on one patient folder and write `result.json`, `report.pdf` and heatmaps into `out`.

    Raises:
        BreastViewError: the folder, the record, the bundle, the device or the output folder is unusable, or
            the record is of another case.
    """
    language = language or Language()
    refuse_inside(folder, out)
    case = scan_folder(folder, progress)
    record = record or new_record(case)
    _refuse_other_case(case, record)
    case = with_overrides(case, record)
    loaded = load_case(case, progress, motions=record.motions)
    spec = read_spec(model or DEMONSTRATION)
    readings = read_lesions(loaded, record, spec, model or DEMONSTRATION, device, research_override, progress)
    content = report_content(loaded, record, readings, spec)
    files = _write(out, content, language)
    result = _result(case, record, readings, spec, files)
    write_whole(out / "result.json", msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")
    return result


def export_registrations(case: ScannedCase, record: ReviewRecord, out: Path, suffix: str) -> list[Path]:
    """Write every registration of a record into `out`, as ".tfm" or ".dcm"; returns the files.

    Raises:
        BreastViewError: the record is of another case, or the output folder is unusable.
    """
    _refuse_other_case(case, record)
    paths = []
    for entry in record.registrations:
        images = images_registered(case, record, entry.frames_key, entry.frame)
        paths.append(out / suggested_name(images, suffix))
        export_registration(paths[-1], entry.parameters, images)
    return paths


def with_registration_from(
    file: Path, case: ScannedCase, record: ReviewRecord, frames_key: str, frame: int = 0
) -> tuple[ReviewRecord, tuple[Message, ...]]:
    """The record with a US frame's registration (0-based frame) from a file, and what deserves a look.

    Raises:
        BreastViewError: the record is of another case, or the file is refused.
        KeyError: the case holds no such US image.
    """
    _refuse_other_case(case, record)
    imported = import_registration(file, images_registered(case, record, frames_key, frame))
    changed, _ = SetRegistration(frames_key, frame, imported.parameters)(open_state(case, record))
    return changed.record, imported.notes


def images_registered(
    case: ScannedCase, record: ReviewRecord, frames_key: str, frame: int, plane: UsPlane | None = None
) -> RegisteredImages:
    """The images that a registration of this US frame joins: with the MRI in which its lesion is marked.

    Without its `plane`, the US image is loaded for it.

    Raises:
        BreastViewError: the case holds no MRI, or the US image cannot be loaded or has no scale.
    """
    if plane is None:
        calibrated = {c.frames_key: c.spacing_mm for c in record.calibrations}
        plane = us_plane(load_frames(case.frame_set(frames_key)), calibrated.get(frames_key))
    known = {volume.key for volume in case.volumes}
    marked = [
        lesion.mri.volume_key
        for lesion in record.lesions
        if lesion.us and lesion.us.frames_key == frames_key and lesion.mri and lesion.mri.volume_key in known
    ]
    return registered_images(case, frames_key, frame, plane, next(iter(marked), None))


def _refuse_other_case(case: ScannedCase, record: ReviewRecord) -> None:
    if record.case.fingerprint != case.fingerprint:
        raise RecordError.of("record.other_case")


def refuse_inside(folder: Path, out: Path) -> None:
    """Raise ReportError when `out` is the patient folder or lies inside it: that folder is never written."""
    place, case = out.resolve(), folder.resolve()
    if place == case or case in place.parents:
        raise ReportError.of("report.inside_case")


def with_overrides(case: ScannedCase, record: ReviewRecord) -> ScannedCase:
    """Apply the reader's roles to a case."""
    for override in record.roles:
        case = case.with_override(override.key, override.role, override.b_value, override.phase)
    return case


def load_case(
    case: ScannedCase,
    progress: Progress = silent,
    stacks: Mapping[str, FrameStack] | None = None,
    volumes: Mapping[str, Volume] | None = None,
    motions: Sequence[PhaseMotion] = (),
) -> LoadedCase:
    """Load US and the volumes that model and report look at; what cannot be loaded is told, not fatal.

    `stacks` and `volumes`, by key, are here already and are not loaded again. `motions` are taken back.
    """
    problems: list[Message] = []
    here = _load_each(case.frames, stacks or {}, load_frames, progress, problems)
    wanted = {v.key: v for v in (*channel_volumes(case.volumes).values(), *phases(case.volumes)[:2])}
    chosen = tuple(wanted.values()) or case.volumes[:1]
    found = _load_each(chosen, volumes or {}, partial(load_corrected, motions), progress, problems)
    dynamic = [found[v.key] for v in phases(case.volumes)[:2] if v.key in found]
    body = find_body(next(iter(found.values()))) if found else None
    if len(dynamic) == 2:
        try:
            found[SUBTRACTION] = subtraction(dynamic[1], dynamic[0])
        except BreastViewError as error:
            problems.append(error.message)
    return LoadedCase(case, here, found, body, tuple(problems))


def _load_each(
    items: Sequence[Item],
    here: Mapping[str, Loaded],
    load: Callable[[Item, Progress], Loaded],
    progress: Progress,
    problems: list[Message],
) -> dict[str, Loaded]:
    loaded: dict[str, Loaded] = {}
    for item in items:
        try:
            loaded[item.key] = here[item.key] if item.key in here else load(item, progress)
        except Cancelled:
            raise
        except BreastViewError as error:
            problems.append(error.message)
    return loaded


def planes_of(loaded: LoadedCase, record: ReviewRecord) -> dict[str, UsPlane]:
    """The US images that have a scale, their own or the reader's."""
    calibrated = {c.frames_key: c.spacing_mm for c in record.calibrations}
    return {
        key: us_plane(stack, calibrated.get(key))
        for key, stack in loaded.stacks.items()
        if stack.scale is not None or key in calibrated
    }


def read_lesions(
    loaded: LoadedCase,
    record: ReviewRecord,
    spec: ModelSpec,
    bundle_folder: Path,
    device: str,
    override: bool,
    progress: Progress = silent,
) -> dict[str, Reading]:
    """A reading for each lesion; a refusal with its reasons where the case is outside the scope."""
    planes = planes_of(loaded, record)
    readings: dict[str, Reading] = {}
    for lesion in record.lesions:
        key = lesion.us.frames_key if lesion.us else ""
        names = channel_volumes(loaded.case.volumes)
        volumes = {name: loaded.volumes[v.key] for name, v in names.items() if v.key in loaded.volumes}
        given = model_input(spec, record, lesion, loaded.stacks.get(key), planes.get(key), volumes)
        side = _mri_side(loaded, lesion)
        eligibility = check_scope(spec, loaded.case, record, lesion, planes.get(key), side, given)
        if not can_compute(given) or not (eligibility.eligible or override):
            readings[lesion.lesion_id] = refusal(spec, lesion.lesion_id, given.input_sha256, eligibility)
            continue
        progress(None, message("doing.model"))
        from breastview.fusion.predict import read_request  # torch only when there is something to read

        readings[lesion.lesion_id] = read_request(bundle_folder, device, given, eligibility, override)
    return readings


def report_content(
    loaded: LoadedCase, record: ReviewRecord, readings: Mapping[str, Reading], spec: ModelSpec | None
) -> ReportContent:
    """Everything that the report says. A reading that another model made is not printed under this name."""
    readings = {key: reading for key, reading in readings.items() if reading.is_from(spec)}
    images = key_images(record, loaded.stacks, loaded.volumes, readings)
    sides = {lesion.lesion_id: _mri_side(loaded, lesion) for lesion in record.lesions}
    planes = planes_of(loaded, record)
    return build_content(
        loaded.case,
        record,
        images,
        readings,
        spec,
        sides,
        planes,
        problems=loaded.problems,
        body=loaded.body,
    )


def key_images(
    record: ReviewRecord,
    stacks: Mapping[str, FrameStack],
    volumes: Mapping[str, Volume],
    readings: Mapping[str, Reading],
) -> list[KeyImage]:
    """Pictures for the report: each lesion on US and MRI, plain and hot; an overview without a lesion."""
    calibrated = {c.frames_key: c.spacing_mm for c in record.calibrations}
    shown, name = _shown_volume(volumes)
    images: list[KeyImage] = []
    for lesion in record.lesions or (None,):
        key = lesion.us.frames_key if lesion and lesion.us else next(iter(stacks), "")
        stack = stacks.get(key)
        reading = readings.get(lesion.lesion_id) if lesion else None
        plane = None
        if stack is not None:
            scaled = stack.scale is not None or key in calibrated
            plane = us_plane(stack, calibrated.get(key)) if scaled else None
            images += us_images(stack, plane, lesion, reading)
        if shown is None:
            continue
        pair = _registered(record, lesion, stack, plane, shown)
        if pair is not None:
            images += plane_images(pair, shown, lesion, reading, name)
        images.append(slice_image(shown, lesion, name))
        if lesion is not None:
            images += crop_images(shown, lesion, reading, name)
    return images


def _registered(
    record: ReviewRecord,
    lesion: Lesion | None,
    stack: FrameStack | None,
    plane: UsPlane | None,
    shown: Volume,
) -> RegisteredPair | None:
    """The lesion's US frame with the shown volume in its plane, where they are registered."""
    if lesion is None or lesion.us is None or stack is None or plane is None:
        return None
    parameters = record.registration(lesion.us.frames_key, lesion.us.frame)
    if parameters is None:
        return None
    images = {shown.key: shown}
    return register_pair(stack, lesion.us.frame, images, parameters, plane.spacing_mm, PLANE_STEP_MM)


def _shown_volume(volumes: Mapping[str, Volume]) -> tuple[Volume | None, str]:
    if SUBTRACTION in volumes:
        return volumes[SUBTRACTION], "DCE 2 − 1"
    for volume in volumes.values():
        return volume, volume.role.role.value.upper()
    return None, ""


def _mri_side(loaded: LoadedCase, lesion: Lesion) -> str | None:
    return side_of(lesion.mri.point_mm, loaded.body) if lesion.mri and loaded.body else None


def _write(out: Path, content: ReportContent, language: Language) -> tuple[str, ...]:
    """Write the report and the heatmaps; heatmaps that an earlier run left are taken away."""
    pictures = _heatmap_pictures(content)
    write_pdf(content, out / "report.pdf", language)
    for name, data in pictures.items():
        write_whole(out / name, data)
    for old in (path for modality in ("us", "mri") for path in out.glob(f"{modality}_heatmap*.png")):
        if old.name not in pictures:
            old.unlink(missing_ok=True)
    return ("report.pdf", *pictures)


def _heatmap_pictures(content: ReportContent) -> dict[str, bytes]:
    """PNGs by file name, "us_heatmap.png" for the first lesion and "us_heatmap_2.png" for the second."""
    words = ["SIMULATED"] if content.simulated else []
    words += ["DEMONSTRATION"] if content.spec is not None and content.spec.demonstration else []
    pictures = {}
    for number, item in enumerate(content.lesions, 1):
        for image in item.images:
            if image.heat:
                buffer = io.BytesIO()
                note = (
                    "no model attention for malignancy"
                    if image.blank
                    else "model attention, not lesion outline"
                )
                picture = labelled(image.picture, " · ".join([*words, note]))
                Image.fromarray(picture).save(buffer, "PNG")
                suffix = "" if number == 1 else f"_{number}"
                pictures[f"{image.kind.partition('_')[0]}_heatmap{suffix}.png"] = buffer.getvalue()
    return pictures


def _result(
    case: ScannedCase,
    record: ReviewRecord,
    readings: Mapping[str, Reading],
    spec: ModelSpec,
    files: tuple[str, ...],
) -> Result:
    first = next(iter(readings.values()), None)
    eligibility = first.eligibility if first else check_scope(spec, case, record, None, None, None, None)
    return Result(
        eligible=bool(readings) and all(r.eligibility.eligible for r in readings.values()),
        reasons=eligibility.reasons,
        sentences=tuple(render(reason) for reason in eligibility.reasons),
        lesions=tuple(_lesion_result(reading) for reading in readings.values()),
        model=spec.name,
        model_sha256=spec.weights_sha256,
        device=first.device if first else "",
        demonstration=spec.demonstration,
        scope=render(spec.scope.told),
        metrics=spec.metrics,
        simulated=case.simulated,
        problems=len(case.problems),
        files=files,
    )


def _lesion_result(reading: Reading) -> LesionResult:
    return LesionResult(
        lesion_id=reading.lesion_id,
        eligible=reading.eligibility.eligible,
        research_override=reading.research_override,
        reasons=reading.eligibility.reasons,
        sentences=tuple(render(reason) for reason in reading.eligibility.reasons),
        probability=reading.probability,
        probability_us=reading.probability_us,
        probability_mri=reading.probability_mri,
        weight_us=reading.weight_us,
        weight_mri=reading.weight_mri,
    )
