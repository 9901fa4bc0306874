"""Review records with pathology as a cohort: what the application computes of each case that was reviewed."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from breastview.errors import BreastViewError, CaseError
from breastview.fusion.assemble import channel_volumes
from breastview.fusion.preprocess import Image3
from breastview.fusion.spec import InputSpec
from breastview.imaging.case import ScannedCase
from breastview.imaging.load import load_frames
from breastview.imaging.scan import scan_folder
from breastview.imaging.volume import FrameStack, Volume
from breastview.records.breast import of_breast
from breastview.records.concordance import objections_to_views
from breastview.records.store import SUFFIX, read
from breastview.records.values import Lesion, Pathology, ReviewRecord, UsMark, new_record
from breastview.registration.motion import load_corrected
from breastview.registration.plane import UsPlane, known_plane
from breastview.whole import write_whole
from model_training.cohort.criteria import Criterion, excluded_by
from model_training.cohort.cut import MarkedLesion
from model_training.cohort.facts import People, lesion_facts
from model_training.cohort.samples import Sample, sample, write_shard, writing

log = logging.getLogger(__name__)

SHARD = "records-0000.npz"
ASSESSED = "assessed.csv"  # every lesion of every record, also those that were skipped, and why


@dataclass(frozen=True)
class Taken:
    """How many lesions a cohort took, how many it skipped and why, and which records were of no use."""

    lesions: int
    skipped: Mapping[str, int]
    problems: tuple[str, ...]


class ReviewedCase:
    """A scanned case with its record; pixels are loaded when they are asked for, as the application does."""

    def __init__(self, case: ScannedCase, record: ReviewRecord) -> None:
        """Apply the reader's roles to the case."""
        self.case, self.record = record.in_its_roles(case), record
        self._stacks: dict[str, FrameStack] = {}
        self._volumes: dict[str, Volume | None] = {}

    def stack(self, key: str) -> FrameStack:
        """A US image; raises CaseError."""
        if key not in self._stacks:
            self._stacks[key] = load_frames(self.case.frame_set(key))
        return self._stacks[key]

    def plane(self, key: str) -> UsPlane | None:
        """The plane of a US image that has a scale, its own or the reader's; raises CaseError."""
        return known_plane(self.stack(key), self.record.calibrated_mm(key))

    def images(self, lesion: Lesion) -> dict[str, Image3]:
        """MRI of a lesion's breast by the names of `channel_volumes`; what cannot be loaded is absent."""
        named = channel_volumes(of_breast(self.case, lesion).volumes)
        loaded = {name: self._volume(v.key) for name, v in named.items()}
        return {name: (v.array, v.index_to_lps) for name, v in loaded.items() if v is not None}

    def _volume(self, key: str) -> Volume | None:
        if key not in self._volumes:
            try:
                self._volumes[key] = load_corrected(self.record.motions, self.case.volume(key))
            except CaseError:
                self._volumes[key] = None
        return self._volumes[key]

    def views(self, lesion: Lesion) -> list[MarkedLesion]:
        """What the lesion's sample is cut from, the registered view first, and the second where its image can
        be loaded; raises CaseError where that of the first cannot."""
        first, *others = lesion.views
        views = [self._marked(lesion, first)]
        with suppress(CaseError):
            views += [self._marked(lesion, mark) for mark in others]
        return views

    def _marked(self, lesion: Lesion, mark: UsMark) -> MarkedLesion:
        stack = self.stack(mark.frames_key)
        return MarkedLesion(
            grey=stack.grey(mark.frame),
            box_px=(mark.left, mark.top, mark.right, mark.bottom),
            sector=stack.sector,
            plane=self.plane(mark.frames_key),
            registration=self.record.registration(mark.frames_key, mark.frame),
            images=self.images(lesion),
            mri_point_mm=np.array(lesion.mri.point_mm) if lesion.mri else None,
        )

    def obstacle(self, lesion: Lesion) -> str:
        """Why a lesion cannot train; empty where it can."""
        if lesion.pathology is None:
            return "no pathology"
        if lesion.pathology is Pathology.HIGH_RISK:
            return "high-risk lesion (B3)"
        mark = lesion.us
        if mark is None:
            return "no box on ultrasound"
        frames = {frames.key: len(frames.sources) for frames in self.case.frames}
        if mark.frame >= frames.get(mark.frames_key, 0):
            return "marked on an image that the case does not hold"
        if objections_to_views(self.case, lesion):
            return "its ultrasound images are of another side, or of two days"
        try:
            self.stack(mark.frames_key)
        except CaseError:
            return "its ultrasound image cannot be loaded"
        return ""


def records_cohort(
    records: Path,
    patients: Path,
    folder: Path,
    spec: InputSpec,
    variants: int,
    criteria: Sequence[Criterion] = (),
) -> Taken:
    """Cut every lesion with pathology of a folder of review records into one shard, without a part,
    but for those that the criteria exclude.

    `patients` holds the patient folders; a record finds its own by the fingerprint of its images. Beside the
    shard, `ASSESSED` lists all lesions.

    Raises:
        FileNotFoundError: `records` holds no record, or `patients` is no folder.
        CohortError: the cohort cannot be written.
    """
    known, problems = read_records(records)
    people, samples, rows = People(), [], []
    reasons: Counter[str] = Counter()
    for reviewed in reviewed_cases(known, patients, problems):
        names = people.names(reviewed.case)
        for number, lesion in enumerate(reviewed.record.lesions):
            skipped = reviewed.obstacle(lesion)
            plane = reviewed.plane(lesion.us.frames_key) if lesion.us and not skipped else None
            row = lesion_facts(reviewed.case, reviewed.record, lesion, plane, names)
            rows.append({**row, "skipped": skipped})
            if reason := skipped or excluded_by(row, criteria):
                reasons[reason] += 1
            else:
                samples.append(_sample(reviewed, number, spec, variants, row))
    if samples:
        write_shard(folder / SHARD, samples)
    with writing(folder / ASSESSED):
        if not samples:
            (folder / SHARD).unlink(missing_ok=True)
        write_whole(folder / ASSESSED, pd.DataFrame(rows).to_csv(index=False).encode())
    return Taken(len(samples), reasons, tuple(problems))


def _sample(
    reviewed: ReviewedCase, number: int, spec: InputSpec, variants: int, row: Mapping[str, object]
) -> Sample:
    lesion = reviewed.record.lesions[number]
    rng = np.random.default_rng([int(reviewed.case.fingerprint[:8], 16), number])
    return sample(reviewed.views(lesion), spec, variants, rng, row)


def read_records(folder: Path) -> tuple[dict[str, ReviewRecord], list[str]]:
    """The records of a folder by the fingerprint of their case, and what is wrong with the others.

    Raises:
        FileNotFoundError: there is no record.
    """
    found: dict[str, ReviewRecord] = {}
    problems: list[str] = []
    paths = sorted(folder.glob(f"*{SUFFIX}"))
    if not paths:
        raise FileNotFoundError(f"no review record (*{SUFFIX}) in the folder of records")
    for path in paths:
        try:
            record = read(path)
        except BreastViewError as error:
            problems.append(f"{path.name}: {error}")
            continue
        if record.case.fingerprint in found:
            problems.append(f"{path.name}: another record is about the same case, and was taken.")
        found.setdefault(record.case.fingerprint, record)
    return found, problems


def reviewed_cases(
    known: Mapping[str, ReviewRecord], patients: Path, problems: list[str]
) -> Iterator[ReviewedCase]:
    """Scan each folder in `patients` and give those that have a record, once each.

    A record without its images goes to `problems` in the end.
    """
    open_, studies = dict(known), set[str]()
    for case in scanned_cases(patients):
        studies |= set(new_record(case).case.study_uids)
        record = open_.pop(case.fingerprint, None)
        if record is not None:
            yield ReviewedCase(case, record)
    for fingerprint, record in open_.items():
        gone = "its images changed since the review: export the exam again as it was, or review it again."
        if not studies & set(record.case.study_uids):
            gone = "its images are in none of the patient folders."
        problems.append(f"record {fingerprint[:8]}: {gone}")


def scanned_cases(patients: Path) -> Iterator[ScannedCase]:
    """Scan each folder in `patients`; those without a breast image are passed over."""
    if not patients.is_dir():
        raise FileNotFoundError("the folder of patient folders does not exist")
    folders = sorted(path for path in patients.iterdir() if path.is_dir())
    for number, path in enumerate(folders, 1):
        log.info("patient folder %d of %d", number, len(folders))
        try:
            yield scan_folder(path)
        except CaseError:
            continue
