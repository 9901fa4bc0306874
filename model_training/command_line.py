"""What all commands share: which mistakes are told in a line, and how a fold is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from breastview.errors import BreastViewError
from model_training.cohort.criteria import CriteriaError
from model_training.cohort.samples import CohortError
from model_training.cohort.told import ListError
from model_training.initial import StartError
from model_training.recipe import RecipeError
from model_training.run_folder import RunError
from model_training.splits import OWN_PARTS, SplitError, fold_name
from model_training.tables.study import StudyError
from model_training.train import DivergedError

MISTAKES = (
    StudyError,
    RecipeError,
    StartError,
    RunError,
    SplitError,
    CriteriaError,
    CohortError,
    ListError,
    DivergedError,
    BreastViewError,
    OSError,
)


@contextmanager
def mistakes_told() -> Iterator[None]:
    """Say in a line what the user can mend; anything else is a bug and comes with its traceback."""
    try:
        yield
    except MISTAKES as error:
        told = str(error)
        if isinstance(error, OSError) and error.errno is not None:
            if error.filename is None:
                raise  # of no file: a closed pipe, say
            told = _of_file(error)
        typer.echo(told, err=True)
        raise typer.Exit(1) from error


def _of_file(error: OSError) -> str:
    return (
        f"{error.filename} cannot be read or written: {error.strerror}. See that it is the right place, open "
        "to you, and with room on its disk, and give the same command again"
    )


def numbered_fold(text: str) -> tuple[int, int]:
    """Number and count of "1/5"."""
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise typer.BadParameter(f"{text!r} names no fold; write 1/5 for the first of five")
    return int(number), int(count)


def split_name(fold: str) -> str:
    """What the split that a fold, written 1/5 or empty, names is called in a run."""
    return fold_name(*numbered_fold(fold)) if fold else OWN_PARTS
