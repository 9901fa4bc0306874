"""`python -m model_training`: make a cohort, train, export a bundle."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from breastview.fusion.spec import InputSpec, NetworkSpec
from model_training.cohort.criteria import DEFAULT, apply_criteria, flow_text, read_criteria
from model_training.cohort.samples import manifest
from model_training.cohort.simulated import simulate_cohort
from model_training.cohort.stills import stills_cohort
from model_training.export import export_demonstration
from model_training.train import Recipe
from model_training.train import train as run_training

app = typer.Typer(help="Turn cohorts into model bundles.", no_args_is_help=True)
cohort = typer.Typer(help="Make a cohort, or look at one.", no_args_is_help=True)
app.add_typer(cohort, name="cohort")
Criteria = Annotated[Path, typer.Option(help="Who is in the study (TOML)")]


@cohort.command()
def simulate(
    folder: Path,
    train_count: Annotated[int, typer.Option("--train")] = 1600,
    validation_count: Annotated[int, typer.Option("--validation")] = 200,
    test_count: Annotated[int, typer.Option("--test")] = 400,
    variants: int = 6,
    workers: int = 2,
    null_arm: bool = False,
) -> None:
    """Simulate patients and cache their samples; what stands already is kept."""
    counts = {"validation": validation_count, "test": test_count, "train": train_count}
    simulate_cohort(folder, counts, InputSpec(), variants, workers, null_arm)


@cohort.command()
def records(
    records: Annotated[Path, typer.Argument(help="Folder of review records with pathology")],
    patients: Annotated[Path, typer.Argument(help="Folder that holds the patient folders")],
    folder: Path,
    variants: int = 6,
    criteria: Criteria = DEFAULT,
) -> None:
    """Cut the lesions of review records as the application does; what is of no use is listed."""
    from model_training.cohort.records import records_cohort  # DICOM, which training does without

    taken = records_cohort(records, patients, folder, InputSpec(), variants, read_criteria(criteria))
    typer.echo(f"{taken.lesions} lesions taken")
    for reason, count in taken.skipped.items():
        typer.echo(f"{count} skipped: {reason}")
    for problem in taken.problems:
        typer.echo(f"! {problem}")


@cohort.command()
def flow(folder: Path, criteria: Criteria = DEFAULT) -> None:
    """Show which lesions of a cohort are in a study, and what excludes the others."""
    assessed = folder / "assessed.csv"
    about = pd.read_csv(assessed) if assessed.exists() else manifest(folder)
    typer.echo(flow_text(apply_criteria(about, read_criteria(criteria))))


@cohort.command()
def stills(
    source: Annotated[Path, typer.Argument(help="Pictures with masks, in a folder a class, as BUSI's")],
    folder: Path,
    variants: int = 6,
    fixed_magnification: Annotated[bool, typer.Option(help="Hide the lesion's size")] = False,
    without_marks: Annotated[bool, typer.Option(help="Paint burned-in marks over")] = False,
) -> None:
    """Cut labelled US stills, without MRI."""
    spec = InputSpec()
    stills_cohort(
        source, folder / "stills-0000.npz", "", spec, variants, None, fixed_magnification, without_marks
    )


@app.command()
def train(
    cohort_folder: Path,
    run: Path,
    trunk: str = "resnet101",
    epochs_small: int = 6,
    epochs_full: int = 3,
    seed: int = 7,
    start: Annotated[Path | None, typer.Option(help="Bundle whose weights to start from")] = None,
    bfloat16: Annotated[bool, typer.Option(help="Where the processor computes in it: twice as fast")] = False,
) -> None:
    """Train on a cached cohort; a killed run goes on from its last epoch."""
    recipe = Recipe(
        stages=((64, epochs_small), (InputSpec().size_px, epochs_full)), seed=seed, bfloat16=bfloat16
    )
    run_training(cohort_folder, run, NetworkSpec(trunk=trunk), recipe, start)


@app.command()
def export(
    cohort_folder: Path,
    run: Path,
    bundle: Path,
    trunk: str = "resnet101",
    commit: Annotated[str, typer.Option(help="Commit of the code that trained")] = "",
    seed: int = 7,
    remark: Annotated[str, typer.Option(help="What else must be known of how it was trained")] = "",
) -> None:
    """Write a calibrated demonstration bundle with its card from a run."""
    made = {
        "command": "python -m model_training cohort simulate C; "
        f"python -m model_training train C R --trunk {trunk}; "
        f"python -m model_training export C R B --trunk {trunk}",
        "commit": commit,
        "seed": seed,
        "hardware": f"{os.cpu_count()} CPU cores",
        "training_data": "simulated patients",
    }
    if remark:
        made["remark"] = remark
    export_demonstration(cohort_folder, run, bundle, made, InputSpec(), NetworkSpec(trunk=trunk))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    app()
