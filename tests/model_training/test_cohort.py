"""Cohorts: no patient in two parts, a killed run goes on, and samples are what the application would cut."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from breastview.fusion.assemble import model_input
from breastview.fusion.spec import InputSpec, ModelSpec, NetworkSpec, Scope
from breastview.imaging.case import PixelScale, Role, RoleChoice
from breastview.imaging.volume import FrameStack, Volume
from breastview.messages import message
from breastview.phantom.crops import SimulatedCase, training_case
from breastview.phantom.patient import VIEW_PAIRS, VIEWS_A_LESION, simulate
from breastview.records.values import CaseIdentity, FrameRegistration, Lesion, ReviewRecord, UsMark
from breastview.registration.plane import us_plane
from model_training.cohort import (
    PARTS,
    SHARD,
    Jitter,
    load_part,
    make_shard,
    mri_images,
    sample,
    simulate_cohort,
)

SMALL = InputSpec(size_px=24)
COUNTS = {"validation": 1, "test": 1, "train": 2}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    simulate_cohort(folder, COUNTS, SMALL, variants=3, workers=1)
    return folder


@pytest.fixture(scope="module")
def case() -> SimulatedCase:
    return training_case(5)


def test_no_patient_is_in_two_parts(cohort):
    seeds = [set(load_part(cohort, part).seeds.tolist()) for part in COUNTS]
    assert [len(own) for own in seeds] == [1, 1, 2]
    assert len(set.union(*seeds)) == 4


def test_parts_are_too_far_apart_to_meet():
    firsts = sorted(PARTS.values())
    assert min(b - a for a, b in pairwise(firsts)) >= 1_000_000


def test_a_part_holds_what_its_patients_are(cohort):
    part = load_part(cohort, "train")
    assert (part.us.shape, part.us.dtype) == ((2, 3, 1, 24, 24), np.float16)
    assert (part.mri.shape, part.mri.dtype) == ((2, 3, 4, 24, 24), np.float16)
    patients = [simulate(int(seed)) for seed in part.seeds]
    assert part.label.tolist() == [patient.evidence.malignant for patient in patients]
    arms = ("us",), ("mri",), ("us", "mri")
    assert part.best == pytest.approx(np.array([[p.evidence.score(a) for a in arms] for p in patients]))


def test_measured_parts_are_not_augmented(cohort, case):
    assert load_part(cohort, "test").us.shape[1] == VIEWS_A_LESION


def test_a_killed_run_keeps_what_stands_and_makes_the_rest(cohort):
    before = {path.name: path.stat().st_mtime_ns for path in cohort.glob("*.npz")}
    lost = load_part(cohort, "validation")
    (cohort / "validation-0000.npz").unlink()
    (cohort / "train-0001.part.npz").write_bytes(b"half a file")
    simulate_cohort(cohort, COUNTS, SMALL, variants=3, workers=1)
    after = {path.name: path.stat().st_mtime_ns for path in cohort.glob("*-0000.npz")}
    assert set(after) == set(before)
    assert {name for name in after if after[name] != before[name]} == {"validation-0000.npz"}
    again = load_part(cohort, "validation")
    assert np.array_equal(again.us, lost.us) and np.array_equal(again.mri, lost.mri)
    assert len(load_part(cohort, "train").label) == 2


def test_a_short_shard_is_made_anew_when_more_is_asked_for(tmp_path):
    make_shard(PARTS["test"], 1, SMALL, 1, False, tmp_path / "test-0000.npz")
    first = load_part(tmp_path, "test")
    simulate_cohort(tmp_path, {"test": 2}, SMALL, variants=1, workers=1)
    grown = load_part(tmp_path, "test")
    assert grown.seeds.tolist() == [PARTS["test"], PARTS["test"] + 1]
    assert np.array_equal(grown.us[0, 0], first.us[0, 0])
    assert SHARD > 2


def test_a_part_that_was_not_made_is_missed(tmp_path):
    with pytest.raises(FileNotFoundError, match="no cached cohort part 'train'"):
        load_part(tmp_path, "train")


@pytest.mark.parametrize("view", range(VIEWS_A_LESION), ids=VIEW_PAIRS[5 % 2])
def test_a_sample_without_jitter_is_what_the_application_computes_from_the_same_marks(case, view):
    frame = case.frames[view]
    us, mri = sample(case, frame, SMALL, None, np.random.default_rng(0))
    still = FrameStack(
        "still",
        RoleChoice(Role.US_STILL, message("role.us_still")),
        frame.grey[None],
        PixelScale(frame.spacing_mm, message("scale.region")),
        frame.sector,
    )
    marked = Lesion("L1", us=UsMark("still", 0, *frame.lesion_box_px))
    record = ReviewRecord(
        CaseIdentity("ab" * 32),
        lesions=(marked,),
        registrations=(FrameRegistration("still", 0, frame.registration),),
    )
    volumes = {
        name: Volume(name, RoleChoice(Role.OTHER, message("role.unknown")), array, matrix, (0, 1))
        for name, (array, matrix) in mri_images(case).items()
    }
    spec = ModelSpec("any", False, SMALL, NetworkSpec(), Scope())
    given = model_input(spec, record, marked, still, us_plane(still), volumes)
    assert np.array_equal(us, given.us) and np.array_equal(mri, given.mri)
    assert given.channels_present.all()


def test_jitter_moves_box_and_registration_and_the_same_seed_moves_them_alike(case):
    def drawn(seed, jitter):
        return sample(case, case.frames[0], SMALL, jitter, np.random.default_rng(seed))

    (us, mri), (us_again, _), (us_other, _) = (drawn(seed, Jitter()) for seed in (1, 1, 2))
    exact_us, _ = drawn(1, None)
    assert np.array_equal(us, us_again)
    assert not np.array_equal(us, us_other) and not np.array_equal(us, exact_us)
    still, shifted = (
        drawn(1, Jitter(box=0, margin=0, registration_mm=mm, registration_deg=0)) for mm in (0.0, 3.0)
    )
    assert np.array_equal(still[0], shifted[0]) and not np.allclose(still[1], shifted[1])
    assert np.corrcoef(exact_us.ravel(), us.ravel())[0, 1] > 0.3
    assert np.isfinite(mri).all()
