"""`python -m model_training cohort`: make a cohort, or look at one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from breastview.fusion.spec import InputSpec
from breastview.phantom.patient import VIEWS_A_LESION
from model_training.cohort.criteria import DEFAULT, apply_criteria, flow_text, read_criteria
from model_training.cohort.samples import manifest
from model_training.cohort.simulated import simulate_cohort
from model_training.cohort.stills import about as stills_about
from model_training.cohort.stills import read_stills, stills_cohort
from model_training.cohort.told import COLUMNS
from model_training.command_line import mistakes_told, numbered_fold
from model_training.splits import PARTS, one_fold

cohort_commands = typer.Typer(help="Make a cohort, or look at one.", no_args_is_help=True)
Criteria = Annotated[Path, typer.Option(help="Who is in the study (TOML)")]
Size = Annotated[
    int, typer.Option(help="Side of the pictures in px: the largest that a recipe will train with")
]


@cohort_commands.command()
@mistakes_told()
def simulate(
    folder: Path,
    train_count: Annotated[int, typer.Option("--train")] = 1600,
    validation_count: Annotated[int, typer.Option("--validation")] = 200,
    test_count: Annotated[int, typer.Option("--test")] = 400,
    variants: int = 6,
    workers: int = 2,
    null_arm: bool = False,
    size: Size = InputSpec.size_px,
) -> None:
    """Simulate patients and cache their samples; what stands already is kept."""
    counts = {"validation": validation_count, "test": test_count, "train": train_count}
    simulate_cohort(folder, counts, InputSpec(size), variants, workers, null_arm)


@cohort_commands.command()
@mistakes_told()
def records(
    records: Annotated[Path, typer.Argument(help="Folder of review records with pathology")],
    patients: Annotated[Path, typer.Argument(help="Folder that holds the patient folders")],
    folder: Path,
    variants: int = 6,
    criteria: Criteria = DEFAULT,
    size: Size = InputSpec.size_px,
) -> None:
    """Cut the lesions of review records as the application does; what is of no use is listed."""
    from model_training.cohort.records import records_cohort  # DICOM, which training does without

    taken = records_cohort(records, patients, folder, InputSpec(size), variants, read_criteria(criteria))
    typer.echo(f"{taken.lesions} lesions taken")
    for reason, count in taken.skipped.items():
        typer.echo(f"{count} skipped: {reason}")
    for problem in taken.problems:
        typer.echo(f"! {problem}")


@cohort_commands.command("import")
@mistakes_told()
def import_(
    file: Annotated[Path, typer.Argument(help=f"CSV with the columns {', '.join(COLUMNS)}")],
    records: Annotated[Path | None, typer.Option(help="Folder of records; default: the window's own")] = None,
) -> None:
    """Write records that wait to be marked in the window, which hides pathology until the first read."""
    from model_training.cohort.queue import import_queue  # DICOM, which training does without

    queue = import_queue(file, records)
    typer.echo(f"{queue.records} records with {queue.lesions} lesions wait to be marked")
    for problem in queue.problems:
        typer.echo(f"! {problem}")
    if not queue.records:
        raise typer.Exit(1)


@cohort_commands.command()
@mistakes_told()
def flow(folder: Path, criteria: Criteria = DEFAULT) -> None:
    """Show which lesions of a cohort are in a study, and what excludes the others."""
    assessed = folder / "assessed.csv"
    about = pd.read_csv(assessed) if assessed.exists() else manifest(folder)
    typer.echo(flow_text(apply_criteria(about, read_criteria(criteria))))


@cohort_commands.command()
@mistakes_told()
def stills(
    source: Annotated[Path, typer.Argument(help="Pictures with masks, in a folder a class, as BUSI's")],
    folder: Path,
    variants: int = 6,
    fixed_magnification: Annotated[bool, typer.Option(help="Hide the lesion's size")] = False,
    without_marks: Annotated[bool, typer.Option(help="Paint burned-in marks over")] = False,
    box_shaped: Annotated[
        bool, typer.Option(help="Cut crops as wide and high as the box, not square")
    ] = False,
    size: Size = InputSpec.size_px,
    fold: Annotated[str, typer.Option(help="Give them the parts of this fold, as 1/5, beside others")] = "",
) -> None:
    """Cut labelled US stills, without MRI."""
    spec, hidden = InputSpec(size, box_shaped=box_shaped), (fixed_magnification, without_marks)
    found = list(read_stills(source))
    if not fold:
        stills_cohort(found, folder / "stills-0000.npz", "", spec, variants, *hidden)
        return
    split = one_fold(stills_about(found), *numbered_fold(fold))
    for part in PARTS:
        own = variants if part == "train" else VIEWS_A_LESION
        chosen = [found[place] for place in getattr(split, part)]
        stills_cohort(chosen, folder / f"stills-{part}.npz", part, spec, own, *hidden)
