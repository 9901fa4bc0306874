"""The whole job without a window, each stage one call: scan, load, register, read, report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from breastview.errors import RecordError, RegistrationError
from breastview.fusion.assemble import channel_volumes, model_input
from breastview.fusion.eligibility import can_compute, check_scope
from breastview.fusion.preprocess import ModelInput
from breastview.fusion.reading import Eligibility, Reading, refusal
from breastview.fusion.spec import Metric, ModelSpec, read_spec
from breastview.imaging.case import ScannedCase, refuse_inside
from breastview.imaging.dynamic import SUBTRACTION, phases
from breastview.imaging.load import load_frames
from breastview.imaging.scan import scan_folder
from breastview.language import Language
from breastview.loaded import LoadedCase, load_case
from breastview.messages import Message, message, render
from breastview.progress import Progress, silent
from breastview.records.breast import of_breast
from breastview.records.expected import mri_side
from breastview.records.values import Lesion, ReviewRecord, new_record
from breastview.registration.exchange import RegisteredImages, registered_images
from breastview.registration.files import export_registration, import_registration, suggested_name
from breastview.registration.plane import UsPlane, us_plane
from breastview.report.content import ReportContent, build_content
from breastview.report.files import write_whole
from breastview.report.folder import write_report
from breastview.report.key_images import key_images
from breastview.review.registering import SetRegistration
from breastview.review.state import open_state

DEMONSTRATION = Path(__file__).resolve().parent.parent / "resources" / "models" / "demonstration"


@dataclass(frozen=True)
class LesionResult:
    """One lesion's line of `result.json`. `views` says in how many US pictures the model read it."""

    lesion_id: str
    eligible: bool
    us_only: bool
    research_override: bool
    reasons: tuple[Message, ...]
    sentences: tuple[str, ...]
    probability: float | None
    probability_us: float | None
    probability_mri: float | None
    weight_us: float | None
    weight_mri: float | None
    views: int


@dataclass(frozen=True)
class Result:
    """What `result.json` says: no name, no identifier of the patient.

    `eligible` says whether all lesions are, `reasons` and `sentences` why any is not.
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
    case = record.in_its_roles(case)
    loaded = load_case(case, progress, motions=record.motions, lesions=record.lesions)
    spec = read_spec(model or DEMONSTRATION)
    readings = read_lesions(loaded, record, spec, model or DEMONSTRATION, device, research_override, progress)
    content = report_content(loaded, record, readings, spec)
    files = write_report(content, out, language)
    result = _result(case, record, readings, spec, files)
    write_whole(out / "result.json", msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")
    return result


def export_registrations(case: ScannedCase, record: ReviewRecord, out: Path, suffix: str) -> list[Path]:
    """Write every registration of a record into `out`, as ".tfm" or ".dcm"; returns the files.

    Raises:
        BreastViewError: the record is of another case or holds none, or the output folder is unusable.
    """
    _refuse_other_case(case, record)
    if not record.registrations:
        raise RegistrationError.of("registration.none_kept")
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
        plane = us_plane(load_frames(case.frame_set(frames_key)), record.calibrated_mm(frames_key))
    known = {volume.key: volume.key for volume in case.volumes}
    if dynamic := phases(case.volumes):
        known[SUBTRACTION] = dynamic[0].key  # it lies where its phases do
    here = (one for one in record.lesions if frames_key in {mark.frames_key for mark in one.views})
    marked = [known[one.mri.volume_key] for one in here if one.mri and one.mri.volume_key in known]
    return registered_images(case, frames_key, frame, plane, next(iter(marked), None))


def _refuse_other_case(case: ScannedCase, record: ReviewRecord) -> None:
    if record.case.fingerprint != case.fingerprint:
        raise RecordError.of("record.other_case")


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

    def ask(given: ModelInput, eligibility: Eligibility) -> Reading:
        progress(None, message("doing.model"))
        from breastview.fusion.predict import read_request  # torch only when there is something to read

        return read_request(bundle_folder, device, given, eligibility, override)

    return {one.lesion_id: read_lesion(loaded, record, one, spec, ask, override) for one in record.lesions}


def read_lesion(
    loaded: LoadedCase,
    record: ReviewRecord,
    lesion: Lesion,
    spec: ModelSpec,
    ask: Callable[[ModelInput, Eligibility], Reading],
    override: bool = False,
) -> Reading:
    """What the model says of one lesion when it is asked; a refusal with its reasons where it must not be, or
    where there is nothing to compute from."""
    key = lesion.us.frames_key if lesion.us else ""
    plane = loaded.planes(record).get(key)
    case = of_breast(loaded.case, lesion)
    names = channel_volumes(case.volumes)
    volumes = {name: loaded.volumes[v.key] for name, v in names.items() if v.key in loaded.volumes}
    given = model_input(spec, record, lesion, loaded.stacks, plane, volumes)
    side = mri_side(lesion, loaded.body)
    eligibility = check_scope(spec, case, record, lesion, plane, side, given)
    if not can_compute(given) or not (eligibility.allows_reading or override):
        return refusal(spec, lesion.lesion_id, given.input_sha256, eligibility)
    return ask(given, eligibility)


def report_content(
    loaded: LoadedCase, record: ReviewRecord, readings: Mapping[str, Reading], spec: ModelSpec | None
) -> ReportContent:
    """Everything that the report says. A reading that another model made is not printed under this name."""
    readings = {key: reading for key, reading in readings.items() if reading.is_from(spec)}
    sides = {lesion.lesion_id: mri_side(lesion, loaded.body) for lesion in record.lesions}
    planes = loaded.planes(record)
    latest = {frames.key for frames in loaded.case.latest_frames}
    stacks = dict(sorted(loaded.stacks.items(), key=lambda item: item[0] not in latest))
    return build_content(
        loaded.case,
        record,
        key_images(record, stacks, planes, loaded.volumes, readings),
        readings,
        spec,
        sides,
        planes,
        problems=loaded.problems,
        body=loaded.body,
    )


def _result(
    case: ScannedCase,
    record: ReviewRecord,
    readings: Mapping[str, Reading],
    spec: ModelSpec,
    files: tuple[str, ...],
) -> Result:
    first = next(iter(readings.values()), None)
    told = [r.eligibility for r in readings.values()]
    told = told or [check_scope(spec, case, record, None, None, None, None)]
    every = [reason for eligibility in told for reason in eligibility.reasons]
    reasons = tuple(reason for place, reason in enumerate(every) if reason not in every[:place])
    return Result(
        eligible=bool(readings) and all(eligibility.eligible for eligibility in told),
        reasons=reasons,
        sentences=tuple(render(reason) for reason in reasons),
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
        us_only=reading.us_only,
        research_override=reading.research_override,
        reasons=reading.eligibility.reasons,
        sentences=tuple(render(reason) for reason in reading.eligibility.reasons),
        probability=reading.probability,
        probability_us=reading.probability_us,
        probability_mri=reading.probability_mri,
        weight_us=reading.weight_us,
        weight_mri=reading.weight_mri,
        views=reading.views if reading.weight_us is not None else 0,
    )
