"""`python -m model_training`: make a cohort, train, export a bundle."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from breastview.fusion.bundle import load_bundle
from breastview.fusion.spec import FUSIONS, MODALITIES, TRUNKS, InputSpec, NetworkSpec, read_spec
from breastview.whole import write_whole
from model_training.agreement import train_check
from model_training.cohort.commands import cohort_commands
from model_training.cohort.criteria import DEFAULT, read_criteria
from model_training.cohort.samples import Samples, load_cohort
from model_training.command_line import mistakes_told, numbered_fold, split_name
from model_training.crossvalidate import Training, cross_validate
from model_training.export import DEMONSTRATION, Member, alike, export_bundle
from model_training.graft import graft as run_graft
from model_training.how_made import counted, how_made, run_names
from model_training.judge.command import judge
from model_training.measure import (
    Found,
    as_json,
    as_table,
    measured_cohort,
    measured_records,
    measured_simulated,
    measured_stills,
)
from model_training.pretrain import pretrain as run_pretraining
from model_training.recipe import read_recipe
from model_training.refit import refit as run_refit
from model_training.run_folder import Cases, check_cases, check_folds, read_settings
from model_training.splits import (
    CROSS_VALIDATED,
    PARTS,
    TRAINING,
    WHOLE,
    load_fold,
    load_parts,
)
from model_training.tables.study import PRESETS, run_study
from model_training.tables.write import write_study
from model_training.team import joined, training_device
from model_training.train import train as run_training

app = typer.Typer(help="Turn cohorts into model bundles.", no_args_is_help=True)
app.add_typer(cohort_commands, name="cohort")
app.command()(judge)
Trunk = Annotated[str, typer.Option(help=", ".join(TRUNKS))]
Modalities = Annotated[str, typer.Option(help="us, mri, or both")]
Separate = Annotated[bool, typer.Option("--separate", help="A trunk of its own for each modality")]
OwnUsOnly = Annotated[
    bool,
    typer.Option("--own-us-only", help="Stem, batch norms and classifier of their own for US without MRI"),
]
Fold = Annotated[str, typer.Option(help="Fold to train, as 1/5; without it the cohort's own parts")]
Start = Annotated[Path | None, typer.Option(help="Bundle, or run of pretrain, whose weights to start from")]
ImageNet = Annotated[str | None, typer.Option(help="File of torchvision's weights, or download")]


@app.command()
@mistakes_told()
def train(
    cohort_folder: Path,
    run: Path,
    trunk: Trunk = "resnet101",
    modalities: Modalities = "both",
    fusion: Annotated[str, typer.Option(help=", ".join(FUSIONS))] = "weighted",
    separate: Separate = False,
    own_us_only: OwnUsOnly = False,
    recipe: Annotated[
        str, typer.Option(help="demonstration, paper, small, or a TOML file")
    ] = "demonstration",
    fold: Fold = "",
    start: Start = None,
    imagenet: ImageNet = None,
) -> None:
    """Train on a cached cohort, with torchrun in several processes; a killed run goes on where it was."""
    network = replace(
        _network(trunk, modalities, separate, fusion), own_us_only=own_us_only, own_us_only_head=own_us_only
    )
    how = read_recipe(recipe)
    training, validation = _parts(cohort_folder, fold, TRAINING)
    run_training(training, validation, run, network, how, start, imagenet, split_name(fold))


@app.command()
@mistakes_told()
def refit(
    cohort_folder: Path,
    run: Path,
    start: Annotated[Path | None, typer.Option(help="Bundle whose trunks stay")] = None,
    imagenet: ImageNet = None,
    trunk: Annotated[str, typer.Option(help="With --imagenet: resnet101_places, resnet50_places, …")] = "",
    modalities: Modalities = "us",
    recipe: Annotated[str, typer.Option(help="heads, stills_places, or a TOML file")] = "heads",
    fold: Fold = "",
) -> None:
    """Fit the heads of a bundle anew on a cached cohort, or new ones on ImageNet's weights: for export, as a
    run of train."""
    if (start is None) == (imagenet is None) or bool(trunk) != (start is None):
        raise typer.BadParameter("give --start, or --imagenet with --trunk")
    if start is None:
        network = _network(trunk, modalities, separate=False)
    else:
        held = read_spec(start).network
        own = held.own_us_only
        network = replace(held, checks_registration=False, checks_likeness=(), own_us_only_head=own)
    training, validation = _parts(cohort_folder, fold, TRAINING)
    how, split = read_recipe(recipe), split_name(fold)
    run_refit(training, validation, run, network, how, start, imagenet, split)


@app.command()
@mistakes_told()
def pretrain(
    cohort_folder: Path,
    run: Path,
    trunk: Trunk = "resnet101",
    modalities: Modalities = "both",
    separate: Separate = False,
    recipe: Annotated[str, typer.Option(help="simsiam, or a TOML file")] = "simsiam",
    fold: Fold = "",
    whole: Annotated[
        bool, typer.Option("--whole", help="Use all of a cohort that nothing is tested on")
    ] = False,
    start: Start = None,
    imagenet: ImageNet = None,
) -> None:
    """Train trunks on the training cases of a cohort without their labels, for train to --start from."""
    if whole and fold:
        raise typer.BadParameter("give --whole or --fold, not both")
    network, how = _network(trunk, modalities, separate), read_recipe(recipe)
    (samples,) = (load_cohort(cohort_folder),) if whole else _parts(cohort_folder, fold, ("train",))
    split = WHOLE if whole else split_name(fold)
    run_pretraining(samples, run, network, how, start, imagenet, split)


@app.command()
@mistakes_told()
def export(
    cohort_folder: Path,
    runs: Annotated[list[Path], typer.Argument(help="A run; or the runs of all folds, for an ensemble")],
    bundle: Path,
    name: Annotated[str, typer.Option(help="What the bundle is called")] = DEMONSTRATION,
    fold: Annotated[str, typer.Option(help="The fold that the one run was trained on, as 1/5")] = "",
    commit: Annotated[str, typer.Option(help="Commit of the code that trained")] = "",
    remark: Annotated[str, typer.Option(help="What else must be known of how it was trained")] = "",
) -> None:
    """Write a bundle with its card from a run: calibrated, measured, with the scope of its test cases."""
    if fold and len(runs) > 1:
        raise typer.BadParameter("--fold is for one run; several know their folds")
    made = alike(runs)
    folds = [fold] if len(runs) == 1 else _folds_of(runs)
    members: list[Member] = []
    trained: list[str] = []
    check = None
    for run, own in zip(runs, folds, strict=True):
        training, validation, test = _parts(cohort_folder, own, PARTS)
        cases = Cases.of(split_name(own), training, validation)
        check_cases(run, read_settings(run).cases, cases)
        if not members and made.recipe.mri == "registered":
            check = train_check(training, validation)
        members.append(Member(run, validation, test))
        trained.append(counted(training))
    last = f"export C {' '.join(run_names(folds))} B"
    told = how_made(made, folds, trained, members[0].test, last, commit, remark)
    export_bundle(members, bundle, name, told, InputSpec(), check)


@app.command()
@mistakes_told()
def graft(
    cohort_folder: Path,
    run: Annotated[
        Path,
        typer.Argument(help="A run of train with --modalities us, of refit, or together of crossvalidate"),
    ],
    bundle: Path,
    start: Annotated[Path, typer.Option(help="Bundle whose answers with MRI stay")],
    fold: Annotated[str, typer.Option(help="The fold that the run was trained on, as 1/5")] = "",
    commit: Annotated[str, typer.Option(help="Commit of the code that trained")] = "",
    remark: Annotated[str, typer.Option(help="What else must be known of how it was trained")] = "",
) -> None:
    """Write a bundle anew, with a network of ultrasound alone for lesions without MRI."""
    made = read_settings(run)
    split = split_name(fold)
    if made.cases.split == CROSS_VALIDATED and not fold:
        split, training = CROSS_VALIDATED, load_cohort(cohort_folder)
        validation = test = training
    else:
        training, validation, test = _parts(cohort_folder, fold, PARTS)
    check_cases(run, made.cases, Cases.of(split, training, validation))
    told = how_made(made, [fold], [counted(training)], test, "graft C R B --start BUNDLE", commit, remark)
    run_graft(start, run, validation, test, bundle, told)


def _folds_of(runs: Sequence[Path]) -> list[str]:
    """The fold of each run, written 1/5; raises RunError where they are not all folds of one division."""
    splits = {run: read_settings(run).cases.split for run in runs}
    check_folds(splits)
    return [split.removeprefix("fold ") for split in splits.values()]


@app.command()
@mistakes_told()
def evaluate(
    bundle: Annotated[Path, typer.Option(help="Bundle to be measured")],
    simulate: Annotated[int, typer.Option(help="Measure on so many simulated patients")] = 0,
    seed: Annotated[int, typer.Option(help="First seed of the simulated patients")] = 5_000_000,
    records: Annotated[Path | None, typer.Option(help="Measure on review records with pathology")] = None,
    patients: Annotated[Path | None, typer.Option(help="Their patient folders")] = None,
    criteria: Annotated[Path, typer.Option(help="Who of the records is measured (TOML)")] = DEFAULT,
    stills: Annotated[Path | None, typer.Option(help="Measure on labelled US stills")] = None,
    cohort_folder: Annotated[
        Path | None, typer.Option("--cohort", help="Measure on a cohort's test part; torchrun shares it out")
    ] = None,
    fold: Annotated[str, typer.Option(help="The fold of the cohort that was trained, as 1/5")] = "",
    fixed_magnification: Annotated[bool, typer.Option(help="Hide the size of lesions of stills")] = False,
    without_marks: Annotated[bool, typer.Option(help="Paint burned-in marks of stills over")] = False,
    keep: Annotated[Path | None, typer.Option(help="Where simulated samples stay, to go on later")] = None,
    json: Annotated[Path | None, typer.Option(help="File to write")] = None,
    workers: int = 2,
) -> None:
    """Measure a bundle on lesions that it was not trained on; every figure with n and interval."""
    if sum((simulate > 0, records is not None, stills is not None, cohort_folder is not None)) != 1:
        raise typer.BadParameter("give one of --simulate, --records, --stills and --cohort")
    if records is not None and patients is None:
        raise typer.BadParameter("--records needs --patients, the folders with the images")
    hidden = fixed_magnification or without_marks
    _check_used("--criteria", criteria != DEFAULT, "--records", records is not None)
    _check_used("--keep", keep is not None, "--simulate", simulate > 0)
    _check_used("--fold", bool(fold), "--cohort", cohort_folder is not None)
    _check_used("--fixed-magnification and --without-marks", hidden, "--stills", stills is not None)
    with joined(training_device()) as team, TemporaryDirectory() as scratch:
        if team.size > 1 and cohort_folder is None:
            raise typer.BadParameter("several processes measure a --cohort; make it first")
        opened, folder = load_bundle(bundle), keep or Path(scratch)
        if cohort_folder is not None:
            (test,) = _parts(cohort_folder, fold, ["test"])
            found = measured_cohort(opened, test, team)
        elif stills is not None:
            found = measured_stills(opened, stills, folder, fixed_magnification, without_marks)
        elif records is not None and patients is not None:
            found = measured_records(opened, records, patients, folder, read_criteria(criteria))
        else:
            found = measured_simulated(opened, simulate, seed, folder, workers)
    if team.leads:
        _tell(found, json)


@app.command()
@mistakes_told()
def crossvalidate(
    stills: Annotated[Path, typer.Argument(help="Pictures with masks, in a folder a class, as BUSI's")],
    folder: Annotated[Path, typer.Argument(help="Where crops, logs and what each network answered are kept")],
    trunk: Trunk = "resnet101",
    recipe: Annotated[str, typer.Option(help="A preset, or a TOML file")] = "stills",
    folds: Annotated[int, typer.Option(min=3)] = 5,
    start: Start = None,
    imagenet: ImageNet = None,
    fixed_magnification: Annotated[bool, typer.Option(help="Hide the lesion's size")] = False,
    without_marks: Annotated[bool, typer.Option(help="Paint burned-in marks over")] = False,
    box_shaped: Annotated[
        bool, typer.Option(help="Cut crops as wide and high as the box, not square")
    ] = False,
    json: Annotated[Path | None, typer.Option(help="File to write")] = None,
) -> None:
    """Train and test networks of US on labelled stills, one without every two folds; a killed one goes on
    where it was."""
    how = Training(_network(trunk, "us", separate=False), read_recipe(recipe), start, imagenet)
    _tell(cross_validate(stills, folder, how, folds, fixed_magnification, without_marks, box_shaped), json)


@app.command()
@mistakes_told()
def tables(
    cohort_folder: Path,
    folder: Annotated[Path, typer.Argument(help="Where tables go, and what each network answered is kept")],
    preset: Annotated[str, typer.Option(help=", ".join(PRESETS))] = "small",
    recipe: Annotated[str, typer.Option(help="A recipe in place of the preset's")] = "",
    jobs: Annotated[
        int, typer.Option(min=1, help="Networks made side by side, each with the recipe's threads")
    ] = 1,
    repeats: Annotated[int, typer.Option(min=1, help="How often the folds of the full preset are drawn")] = 1,
) -> None:
    """Train ten networks and write the paper's tables; a killed study goes on where it was."""
    if preset not in PRESETS:
        raise typer.BadParameter(f"no preset {preset}; there is {', '.join(PRESETS)}")
    own = read_recipe(recipe) if recipe else None
    study = run_study(cohort_folder, folder, PRESETS[preset], own, jobs=jobs, repeats=repeats)
    write_study(study, folder)


def _check_used(option: str, given: bool, other: str, there: bool) -> None:
    """Raises BadParameter where an option is given of which nothing would come."""
    if given and not there:
        raise typer.BadParameter(f"{option} is for {other} only")


def _network(trunk: str, modalities: str, separate: bool, fusion: str = "weighted") -> NetworkSpec:
    """The network that the command line names."""
    chosen = MODALITIES if modalities == "both" else (modalities,)
    if trunk not in TRUNKS or fusion not in FUSIONS or not set(chosen) <= set(MODALITIES):
        raise typer.BadParameter(f"no network {trunk} {fusion} {modalities}; --help names what there is")
    return NetworkSpec(trunk, shared=not separate, fusion=fusion, modalities=chosen)


def _tell(found: Found, json: Path | None) -> None:
    """Show figures, and write them where a file is named."""
    typer.echo(as_table(found))
    if json is not None:
        write_whole(json, as_json(found).encode())


def _parts(cohort_folder: Path, fold: str, names: Sequence[str]) -> tuple[Samples, ...]:
    """Parts of a cohort: of the fold, written 1/5, or those that its manifest fixes."""
    return load_fold(cohort_folder, *numbered_fold(fold), names) if fold else load_parts(cohort_folder, names)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    app()
