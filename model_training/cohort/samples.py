"""The samples of a cohort: arrays of what the network sees, and a row a lesion of what is known of it.

On disk a cohort is a folder of shards: `NAME.npz` holds the arrays and the names of their lesions, `NAME.csv`
the rows of the manifest, one a lesion, in the same order. A shard counts once its arrays stand, as many as
its rows.
"""

from __future__ import annotations

import hashlib
import logging
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from breastview.fusion.spec import CHANNELS, InputSpec
from breastview.whole import written_whole
from model_training.cohort.cut import Cut, Jitter, MarkedLesion, cut, misregistered, native_cut, strayed
from model_training.cohort.told import YES_OR_NO, folded

log = logging.getLogger(__name__)

COLUMNS = ("case", "patient", "group", "source", "part", "malignant")  # of every manifest; others may follow
BEST = ("best_us", "best_mri", "best_fused")  # where an optimal reader's answer is known
DISPLACED_MM = (5.0, 10.0, 15.0)  # how far the misregistered versions of a sample are off; one more is drawn
FLAGGED_MM = (8.0, 15.0)  # from between these
JITTER = Jitter()
_ARRAYS = ("us", "mri", "channels", "native", "displaced")
_VARIED = ("us", "mri", "outline")  # those with an axis of variants, the second
_UNREADABLE = (OSError, ValueError, EOFError, zipfile.BadZipFile)


class CohortError(ValueError):
    """A cohort that cannot be written, read or gone on with as it is; says what is wrong."""


@dataclass(frozen=True, eq=False)
class Samples:
    """What a network is trained on or measured with; the first axis of everything is the lesion.

    `us` (case, variant, 1, size, size) and `mri` (case, variant, channel, size, size) are float16; the first
    variant is exactly what the application computes, and so is the second of the lesion's second view, where
    it has one; the last ones are strayed. `channels` bool (case, channel) says which MRI channels are
    present. `native` (case, channel, size, size) is MRI on its acquired planes; `displaced` (case,
    len(`DISPLACED_MM`) + 1, channel, size, size) is MRI under registrations that are that far off. `about` is
    the manifest, a row a lesion, in the same order. `outline` (case, variant, size, size), where outlines are
    known, is the share of each pixel of `us` that is lesion.
    """

    us: np.ndarray
    mri: np.ndarray
    channels: np.ndarray
    native: np.ndarray
    displaced: np.ndarray
    about: pd.DataFrame
    outline: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.about)

    @property
    def label(self) -> np.ndarray:
        """Whether each lesion is malignant, bool (case,)."""
        return self.about["malignant"].to_numpy(bool)

    @property
    def patient(self) -> np.ndarray:
        """Whose lesion it is, str (case,): the cluster of every interval."""
        return self.about["patient"].to_numpy(str)

    @property
    def two_views(self) -> np.ndarray:
        """Which lesions have a second view, bool (case,)."""
        views = self.about.reindex(columns=["views"])["views"].fillna(1).to_numpy(int)
        return (views > 1) & (self.us.shape[1] > 1)

    @property
    def box_shaped(self) -> np.ndarray:
        """Which crops have the proportions of the lesion's box, bool (case,)."""
        return self.about.reindex(columns=["box_shaped"])["box_shaped"].eq(True).to_numpy(bool)

    @property
    def best(self) -> np.ndarray:
        """Log likelihood ratios of an optimal reader of US, MRI and both, float (case, 3); raises KeyError
        where they are not known."""
        return self.about[list(BEST)].to_numpy(float)

    @property
    def posterior(self) -> np.ndarray:
        """Probability of malignancy for an optimal reader of US, MRI and both, before whom both classes are
        alike, float (case, 3); the label, 0 or 1, where that reader is not known."""
        odds = self.about.reindex(columns=list(BEST)).to_numpy(float)
        return np.where(np.isnan(odds), self.label[:, None], expit(odds))

    @cached_property
    def sha256(self) -> str:
        """sha256 (hex) over whose lesions they are, their labels and all arrays: other cases have another,
        and so have those that were cut from other images or by other marks."""
        digest = hashlib.sha256(self.about[list(COLUMNS)].to_csv(index=False).encode())
        for array in self.arrays().values():
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def take(self, cases: np.ndarray) -> Samples:
        """The lesions at these places, or where this mask is true."""
        arrays = {name: array[cases] for name, array in self.arrays().items()}
        places = np.flatnonzero(cases) if cases.dtype == bool else cases
        return Samples(**arrays, about=self.about.iloc[places].reset_index(drop=True))

    def arrays(self) -> dict[str, np.ndarray]:
        """What there is, by name."""
        always = {name: getattr(self, name) for name in _ARRAYS}
        return always if self.outline is None else {**always, "outline": self.outline}


def joined(parts: Sequence[Samples]) -> Samples:
    """The lesions of all parts, one part after the other, each with as many variants as all have."""
    arrays = _joined([part.arrays() for part in parts])
    return Samples(**arrays, about=pd.concat([part.about for part in parts], ignore_index=True))


def _joined(parts: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """What all parts have, one after the other, cut to the fewest variants."""
    counts = [part["us"].shape[1] for part in parts]
    if min(counts) < max(counts):
        log.warning(
            "the lesions have %d to %d variants: all take part with %d", min(counts), max(counts), min(counts)
        )
    return {
        name: np.concatenate(
            [part[name][:, : min(counts)] if name in _VARIED else part[name] for part in parts]
        )
        for name in parts[0]
        if all(name in part for part in parts)
    }


@dataclass(frozen=True, eq=False)
class Sample:
    """One lesion's versions and its row: `variants` exact ones first; `native`, `displaced`, `outline` as in
    `Samples`."""

    variants: Sequence[Cut]
    native: np.ndarray
    displaced: np.ndarray
    about: Mapping[str, object]
    outline: np.ndarray | None = None


def sample(
    views: Sequence[MarkedLesion],
    spec: InputSpec,
    variants: int,
    rng: np.random.Generator,
    about: Mapping[str, object],
    jitter: Jitter = JITTER,
) -> Sample:
    """Cut one lesion: each of its views exactly, then strayed ones that take turns of them. A view that is
    not registered shows the MRI of the first, as in the application."""
    cuts = [cut(view, spec) for view in views[:variants]]
    cuts += [strayed(views[n % len(views)], spec, jitter, rng) for n in range(len(views), variants)]
    _, mri, channels = cuts[0]
    cuts = [(us, own, there) if there.any() else (us, mri, channels) for us, own, there in cuts]
    about = {**about, "views": len(views)}
    return Sample(cuts, native_cut(views[0], spec)[0], _displaced(views[0], spec, rng), about)


def _displaced(lesion: MarkedLesion, spec: InputSpec, rng: np.random.Generator) -> np.ndarray:
    """MRI (distance, channel, size, size) as in `Samples`; 0 where the lesion has no registration."""
    if lesion.registration is None:
        return np.zeros((len(DISPLACED_MM) + 1, len(CHANNELS), spec.size_px, spec.size_px), np.float32)
    away_mm = (*DISPLACED_MM, float(rng.uniform(*FLAGGED_MM)))
    return np.stack([cut(misregistered(lesion, mm, rng), spec)[1] for mm in away_mm])


def write_shard(path: Path, samples: Sequence[Sample]) -> None:
    """Write `path` (.npz) and its rows beside it: both, or neither, so that no old array meets a new row.

    Raises:
        CohortError: they cannot be written; what stood there stays, or nothing.
    """
    rows = pd.DataFrame([one.about for one in samples]).to_csv(index=False).encode()
    arrays = _stacked(samples)
    with (
        writing(path),
        written_whole(path) as of_arrays,
        written_whole(path.with_suffix(".csv")) as of_rows,
    ):
        np.savez(of_arrays, case=np.array([one.about["case"] for one in samples]), **arrays)
        of_rows.write(rows)
        of_arrays.flush()
        of_rows.flush()
        path.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raises CohortError in place of OSError, and says which file of a cohort cannot be written."""
    try:
        yield
    except OSError as error:
        raise CohortError(f"{path} cannot be written: {error.strerror or error}") from error


def _stacked(samples: Sequence[Sample]) -> dict[str, Any]:
    """The arrays of `Samples` by name; outlines where all have one."""
    arrays = {
        "us": np.stack([[cut[0] for cut in one.variants] for one in samples]).astype(np.float16),
        "mri": np.stack([[cut[1] for cut in one.variants] for one in samples]).astype(np.float16),
        "channels": np.stack([one.variants[0][2] for one in samples]),
        "native": np.stack([one.native for one in samples]).astype(np.float16),
        "displaced": np.stack([one.displaced for one in samples]).astype(np.float16),
    }
    outlines = [one.outline for one in samples if one.outline is not None]
    if len(outlines) == len(samples):
        arrays["outline"] = np.stack(outlines).astype(np.float16)
    return arrays


def shard_size(path: Path) -> int:
    """How many lesions a shard holds; 0 where there is none, or arrays and rows differ in number."""
    try:
        rows = len(pd.read_csv(path.with_suffix(".csv"), usecols=["case"]))
        with np.load(path) as shard:
            lesions = len(shard["channels"])
    except (*_UNREADABLE, KeyError):
        return 0
    return rows if lesions == rows else 0


def manifest(folder: Path) -> pd.DataFrame:
    """The rows of every shard of a cohort.

    Raises:
        FileNotFoundError: there is none.
        CohortError: they cannot be read, or lack a column, or a lesion its label.
    """
    rows = [_rows(path) for path in _shards(folder)]
    if not rows:
        raise FileNotFoundError(f"no cohort in {folder}: make one by `cohort`")
    return pd.concat(rows, ignore_index=True)


def load_cohort(folder: Path, part: str | None = None) -> Samples:
    """Read a cohort, or the lesions of one `part` of it.

    Raises:
        FileNotFoundError: there is none.
        CohortError: a shard cannot be read, its arrays and rows differ in number or order, or it lacks an
            array or a label.
    """
    rows, arrays = [], []
    for path in _shards(folder):
        about = _rows(path)
        own = np.full(len(about), True) if part is None else (about["part"] == part).to_numpy()
        if own.any():
            rows.append(about[own])
            arrays.append({name: array[own] for name, array in _arrays(path, about).items()})
    if not rows:
        raise FileNotFoundError(f"no cached cohort part '{part}'" if part else "no cached cohort")
    return Samples(**_joined(arrays), about=pd.concat(rows, ignore_index=True))


def _shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.npz"))


def _arrays(path: Path, about: pd.DataFrame) -> dict[str, np.ndarray]:
    """What a shard holds, as many lesions as it has rows; raises CohortError."""
    try:
        with np.load(path) as shard:
            arrays = dict(shard)
    except _UNREADABLE as error:
        raise CohortError(f"{path} cannot be read ({error}): remove it and make it anew") from error
    if missing := [name for name in _ARRAYS if name not in arrays]:
        raise CohortError(f"{path} lacks {', '.join(missing)}: remove it and make it anew")
    for array in arrays.values():
        if len(array) != len(about):
            raise CohortError(
                f"{path} holds {len(array)} lesions, its rows are {len(about)}: remove it and make it anew"
            )
    cases = about["case"].to_numpy(str)
    if not np.array_equal(arrays.pop("case", cases), cases):
        raise CohortError(
            f"{path.with_suffix('.csv')} names other lesions than {path.name}, or in another order: put its "
            f"rows back as they were, or remove {path.name} and make it anew"
        )
    return arrays


def _rows(path: Path) -> pd.DataFrame:
    """The rows of a shard; raises CohortError where they cannot be read, or lack a column or the label."""
    texts = dict.fromkeys(("case", "patient", "group", "source", "part"), str)
    try:
        about = pd.read_csv(path.with_suffix(".csv"), dtype=texts, keep_default_na=True)
    except _UNREADABLE as error:
        raise CohortError(
            f"the rows of {path} cannot be read ({error}): remove it and make it anew"
        ) from error
    if missing := [name for name in COLUMNS if name not in about]:
        raise CohortError(f"{path.with_suffix('.csv')} lacks the column '{missing[0]}'")
    words = about["malignant"].map(folded)
    if unclear := int((~words.isin(YES_OR_NO)).sum()):
        raise CohortError(
            f"{path.with_suffix('.csv')}: malignant is True or False; {unclear} rows say neither"
        )
    return about.assign(malignant=words == "yes")
