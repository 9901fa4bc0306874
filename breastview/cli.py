"""The command line. `breastview [FOLDER]` opens the window; the other commands work without one."""

from __future__ import annotations

import io
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec
import typer

from breastview.errors import BreastViewError, RegistrationError
from breastview.imaging.case import ScannedCase, refuse_inside
from breastview.imaging.scan import scan_folder
from breastview.language import LANGUAGES, Language
from breastview.messages import message, render

app = typer.Typer(
    help="Read breast ultrasound and MRI together. With a patient folder, or nothing, the window opens.",
    add_completion=False,
)
registration = typer.Typer(help="Exchange registrations with other programs.")
app.add_typer(registration, name="registration")
LONGEST_PX = 10_000  # side of a picture of the window
COMMANDS = ("scan", "review", "registration", "demo", "open")
USAGE_ERROR: Any = typer.BadParameter.__bases__[0]  # typer's own click has no public name


class Exchange(StrEnum):
    """The kinds of registration file."""

    TFM = "tfm"
    DICOM = "dcm"


class Device(StrEnum):
    """Where the model may be computed."""

    AUTO = "auto"
    CUDA = "cuda"
    MPS = "mps"
    CPU = "cpu"


Folder = Annotated[Path, typer.Argument(help="Patient folder")]
RecordFile = Annotated[Path, typer.Option("--record", help="Review record (JSON)")]
Lang = Annotated[str, typer.Option("--lang", help="en or zh_CN")]


@app.command()
def scan(
    folder: Folder, json: Annotated[bool, typer.Option("--json", help="All of it, for programs")] = False
) -> None:
    """List what a patient folder holds, without identification; problems by the file's place in it."""
    case = scan_folder(folder)
    if json:
        _say(msgspec.json.format(msgspec.json.encode(_plain(case)), indent=1).decode())
        return
    items = [(frames.role, frames.sources) for frames in case.frames]
    items += [(volume.role, volume.sources) for volume in case.volumes]
    for role, sources in items:
        _say(f"{role.role.value:12} {len(sources):>5} images  {render(role.reason)}")
    for problem in case.problems:
        _say(f"! {problem.path}: {render(problem.reason)}")


@app.command()
def review(
    folder: Folder,
    out: Annotated[Path, typer.Option(help="Where result.json, report.pdf and heatmaps go")],
    record: Annotated[Path | None, typer.Option(help="Review record (JSON)")] = None,
    model: Annotated[Path | None, typer.Option(help="Model bundle; default: the demonstration")] = None,
    device: Annotated[Device, typer.Option(help="Where to compute the model")] = Device.AUTO,
    lang: Lang = "en",
    research_override: Annotated[
        bool, typer.Option(help="Compute outside the model's scope; recorded")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print result.json")] = False,
) -> None:
    """Do the whole job without a window."""
    from breastview.pipeline import review_folder
    from breastview.records.store import read

    kept = read(record) if record else None
    result = review_folder(folder, out, kept, model, device.value, _language(lang), research_override)
    if json:
        _say((out / "result.json").read_text(encoding="utf-8").rstrip())
        return
    for lesion in result.lesions:
        if lesion.research_override:
            _say(f"{lesion.lesion_id}: RESEARCH OVERRIDE: outside the model's scope.")
    for sentence in result.sentences:
        _say(sentence)
    for name in ("result.json", *result.files):
        _say(str(out / name))


@registration.command("export")
def export(
    folder: Folder,
    record: RecordFile,
    out: Annotated[Path, typer.Option(help="Where the files go")],
    kind: Annotated[
        Exchange, typer.Option("--as", help="ITK transform or DICOM registration")
    ] = Exchange.TFM,
) -> None:
    """Write every registration of a record: US-plane mm to MRI LPS mm. Only DICOM names the patient."""
    from breastview.pipeline import export_registrations
    from breastview.records.store import read

    for path in export_registrations(scan_folder(folder), read(record), out, f".{kind.value}"):
        _say(str(path))


@registration.command("import")
def import_(
    folder: Folder,
    file: Annotated[Path, typer.Argument(help="A .tfm file or a DICOM registration object")],
    record: RecordFile,
    us: Annotated[
        str, typer.Option(help="Key of the US image, as scan --json says; default: the only one")
    ] = "",
    frame: Annotated[int, typer.Option(min=1, help="Frame of it")] = 1,
) -> None:
    """Put the registration of a US frame from a file into a record, which a refusal leaves as it is."""
    from breastview.pipeline import with_registration_from
    from breastview.records.store import read, write

    refuse_inside(folder, record)
    case = scan_folder(folder)
    if not case.frames:
        raise RegistrationError.of("registration.no_us")
    counts = {frames.key: len(frames.sources) for frames in case.frames}
    key = us or (next(iter(counts)) if len(counts) == 1 else "")
    if frame > counts.get(key, 0):
        raise typer.BadParameter(f"--us and --frame name no frame; --us is one of {', '.join(counts)}")
    changed, notes = with_registration_from(file, case, read(record), key, frame - 1)
    write(record, changed)
    for note in notes:
        _say(render(note))


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Where the simulated patients go")] = Path("demo-out"),
    patients: Annotated[int, typer.Option(min=1, help="How many patients")] = 2,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first patient")] = 3,
    headless: Annotated[bool, typer.Option(help="Without a window even where there is a display")] = False,
) -> None:
    """Build simulated patients and show the main job on them."""
    from breastview.demo import review_patients, write_patients

    folders = write_patients(out, patients, seed, _say)
    if headless or not _has_screen():
        review_patients(folders, _say)
        return
    from breastview.app import run_window

    raise typer.Exit(run_window(folders[0], store=out / "records"))


@app.command("open")
def open_(
    folder: Annotated[Path | None, typer.Argument(help="Patient folder")] = None,
    screenshot: Annotated[Path | None, typer.Option(help="Render the window into a PNG and end")] = None,
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT of the screenshot")] = "1920x1080",
    record: Annotated[Path | None, typer.Option(help="Review record (JSON) for the screenshot")] = None,
    records: Annotated[
        Path | None,
        typer.Option(envvar="BREASTVIEW_RECORDS", help="Where reviews are kept; default: the user's folder"),
    ] = None,
    lang: Lang = "en",
) -> None:
    """Open the window on a patient folder."""
    language, size_px = _language(lang).code, _size(size)
    if screenshot is None and record is not None:
        raise typer.BadParameter("a record is for a screenshot; the window keeps its own")
    if screenshot is not None and folder is None:
        raise typer.BadParameter("a screenshot needs a folder")
    for place in (screenshot, records):
        if folder is not None and place is not None:
            refuse_inside(folder, place)
    if screenshot is None and not (_has_screen() or os.environ.get("QT_QPA_PLATFORM")):
        raise BreastViewError.of("window.no_screen")
    from breastview import app as window

    if screenshot is None or folder is None:
        raise typer.Exit(window.run_window(folder, language, records))
    window.screenshot(folder, screenshot, size_px, record, language, store=records)
    _say(str(screenshot))


def main() -> NoReturn:
    """Entry point: errors are one sentence on standard error and exit code 1, without a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a console's code page is no reason to fail
    arguments = sys.argv[1:]
    if not arguments or (arguments[0] not in COMMANDS and not arguments[0].startswith("-")):
        arguments = ["open", *arguments]
    try:
        sys.exit(app(args=arguments, standalone_mode=False))
    except BreastViewError as error:
        sys.stderr.write(f"breastview: {error}\n")
    except USAGE_ERROR as error:
        sys.stderr.write(f"breastview: {error.format_message()}\n")
    except Exception as error:  # the last net: never a traceback with what it quotes
        sys.stderr.write(f"breastview: {render(message('job.failed', kind=type(error).__name__))}\n")
        if os.environ.get("BREASTVIEW_DEBUG"):
            raise
    sys.exit(1)


def _language(code: str) -> Language:
    if code not in LANGUAGES:
        raise typer.BadParameter(f"one of {', '.join(LANGUAGES)}")
    return Language(code)


def _has_screen() -> bool:
    return sys.platform != "linux" or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not all(side.isdecimal() and 0 < int(side) <= LONGEST_PX for side in (width, height)):
        raise typer.BadParameter(f"WIDTHxHEIGHT, such as 1920x1080; each up to {LONGEST_PX}")
    return int(width), int(height)


def _plain(case: ScannedCase) -> dict[str, object]:
    """A case for machines, without the patient's identification."""
    return {
        "fingerprint": case.fingerprint,
        "simulated": case.simulated,
        "us": [
            {
                "key": f.key,
                "role": f.role.role.value,
                "reason": render(f.role.reason),
                "frames": len(f.sources),
                "rows": f.rows,
                "columns": f.columns,
                "spacing_mm": f.scale.spacing_mm if f.scale else None,
                "notes": [render(note) for note in f.notes],
            }
            for f in case.frames
        ],
        "mri": [
            {
                "key": v.key,
                "role": v.role.role.value,
                "reason": render(v.role.reason),
                "series_number": v.series_number,
                "b_value": v.role.b_value,
                "phase": v.role.phase,
                "phase_count": v.role.phase_count,
                "delay_s": v.role.delay_s,
                "slices": v.shape[0],
                "rows": v.shape[1],
                "columns": v.shape[2],
                "spacing_mm": v.spacing_mm,
                "orientation": v.orientation,
                "notes": [render(note) for note in v.notes],
            }
            for v in case.volumes
        ],
        "problems": [{"path": p.path, "reason": render(p.reason)} for p in case.problems],
        "notes": [render(note) for note in case.notes],
    }


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
