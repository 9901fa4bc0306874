"""Splits by patient: who is near enough to be the same stays on one side, and a leak fails loudly."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold

from model_training.cohort.samples import Samples, load_cohort, manifest

log = logging.getLogger(__name__)

PARTS = ("train", "validation", "test")
TRAINING = PARTS[:2]  # the parts that training sees
OWN_PARTS = "the cohort's own parts"  # the name of the split that a manifest fixes
CROSS_VALIDATED = "all folds together, each left out once"  # what no network has seen whole
WHOLE = "the whole cohort"  # where nothing is kept back
FEWEST_FOLDS = 3  # of which two can be left out
VALIDATION_FOLDS = 5  # of what a fold trains on, one is kept to choose by


class SplitError(ValueError):
    """A split that cannot be drawn from a cohort."""


class LeakError(SplitError):
    """A patient, or a near-duplicate of a picture, stands in two parts."""


@dataclass(frozen=True, eq=False)
class Split:
    """Places of lesions in a cohort: what trains, what chooses, what is measured on; `name` says which split
    of the cohort it is."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    name: str = OWN_PARTS


def clusters(about: pd.DataFrame) -> np.ndarray:
    """Number of each lesion's cluster, int (n,): one patient's lesions, and near-duplicates of theirs."""
    patient, group = (pd.factorize(about[name])[0] for name in ("patient", "group"))
    patients = int(patient.max()) + 1
    nodes = patients + int(group.max()) + 1
    edges = coo_array((np.ones(len(about)), (patient, patients + group)), shape=(nodes, nodes))
    return connected_components(edges, directed=False)[1][patient]


def folds(about: pd.DataFrame, count: int, repeats: int = 1, seed: int = 7) -> Iterator[Split]:
    """`count` folds by cluster, stratified by label, `repeats` times over; validation is cut out of training.

    Raises:
        SplitError: there is one class only, or too few patients of a class for so many folds.
    """
    label, cluster = about["malignant"].to_numpy(bool), clusters(about)
    _check_classes(label, cluster, count)
    for repeat in range(repeats):
        outer = StratifiedGroupKFold(count, shuffle=True, random_state=seed + repeat)
        for number, (rest, test) in enumerate(outer.split(label, label, cluster)):
            inner = StratifiedGroupKFold(VALIDATION_FOLDS, shuffle=True, random_state=seed + 100 * number)
            train, validation = next(inner.split(label[rest], label[rest], cluster[rest]))
            name = fold_name(number + 1, count) + (f" of draw {repeat + 1}" if repeat else "")
            yield checked(about, Split(rest[train], rest[validation], test, name))


def left_out(about: pd.DataFrame, count: int, seed: int = 7) -> dict[tuple[int, int], Split]:
    """For every two of `count` folds, numbered from 1, the split that trains on the others: the first of the
    two is its validation, the second its test, and either may be the other.

    Raises:
        SplitError: as `folds`, or there are no others.
    """
    if count < FEWEST_FOLDS:
        raise SplitError(f"of {count} folds two cannot be left out: take {FEWEST_FOLDS} or more")
    parts = [split.test for split in folds(about, count, seed=seed)]
    return {
        (one, two): checked(
            about,
            Split(
                np.concatenate([part for k, part in enumerate(parts, 1) if k not in (one, two)]),
                parts[one - 1],
                parts[two - 1],
                f"without folds {one} and {two} of {count}",
            ),
        )
        for one, two in combinations(range(1, count + 1), 2)
    }


def fold_name(number: int, count: int) -> str:
    """What fold `number`, from 1, of `count` is called."""
    return f"fold {number}/{count}"


def by_part(about: pd.DataFrame) -> Split:
    """The split that the manifest's `part` fixed beforehand: "train", "validation" and "test"."""
    part = about["part"].to_numpy(str)
    train, validation, test = (np.flatnonzero(part == name) for name in PARTS)
    return checked(about, Split(train, validation, test))


def load_parts(folder: Path, names: Sequence[str] = TRAINING) -> tuple[Samples, ...]:
    """The parts called `names` of a cohort whose manifest fixes them, read one by one: their variants may
    differ. How many lesions are in no part is logged.

    Raises:
        LeakError: a patient, or a near-duplicate, stands in two parts.
        FileNotFoundError: a part is not there.
    """
    about = manifest(folder)
    split = by_part(about)
    used = len(split.train) + len(split.validation) + len(split.test)
    if used < len(about):
        log.warning(
            "%d of %d lesions have no part (train, validation, test) and are left out: give them one, or "
            "train a fold",
            len(about) - used,
            len(about),
        )
    return tuple(load_cohort(folder, name) for name in names)


def load_fold(
    folder: Path, number: int, count: int, names: Sequence[str] = TRAINING, seed: int = 7
) -> tuple[Samples, ...]:
    """The parts called `names` of fold `number`, from 1, of a cohort drawn into `count` folds."""
    return load_split(folder, one_fold(manifest(folder), number, count, seed), names)


def one_fold(about: pd.DataFrame, number: int, count: int, seed: int = 7) -> Split:
    """Fold `number`, from 1, of `count`; raises SplitError as `folds` does."""
    return next(islice(folds(about, count, seed=seed), number - 1, None))


def load_split(folder: Path, split: Split, names: Sequence[str] = TRAINING) -> tuple[Samples, ...]:
    """The parts called `names` of a split of the whole cohort."""
    samples = load_cohort(folder)
    return tuple(samples.take(getattr(split, name)) for name in names)


def checked(about: pd.DataFrame, split: Split) -> Split:
    """The split itself.

    Raises:
        LeakError: a cluster stands in two of its parts.
    """
    cluster = clusters(about)
    seen = [set(cluster[part].tolist()) for part in (split.train, split.validation, split.test)]
    shared = (seen[0] & seen[1]) | (seen[0] & seen[2]) | (seen[1] & seen[2])
    if shared:
        raise LeakError(
            f"{len(shared)} patients or near-duplicate groups stand in two parts of the split: "
            "give their lesions one part, or let the split be drawn"
        )
    return split


def _check_classes(label: np.ndarray, cluster: np.ndarray, count: int) -> None:
    for name, own in (("malignant", label), ("benign", ~label)):
        there = len(np.unique(cluster[own]))
        if there < count or there - math.ceil(there / count) < VALIDATION_FOLDS:
            raise SplitError(
                f"{there} patients with a {name} lesion are too few for {count} folds, with one of "
                f"{VALIDATION_FOLDS} of each fold's training cases to choose by"
            )
