"""Cohorts: no patient in two parts, a killed run goes on, and samples are what the application would cut."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from breastview.fusion.assemble import model_input
from breastview.fusion.spec import InputSpec, ModelSpec, NetworkSpec, Scope
from breastview.imaging.case import PixelScale, Role, RoleChoice
from breastview.imaging.volume import FrameStack, Volume
from breastview.messages import message
from breastview.phantom.crops import SimulatedCase, training_case
from breastview.phantom.patient import VIEW_PAIRS, VIEWS_A_LESION, simulate
from breastview.records.values import CaseIdentity, FrameRegistration, Lesion, MriMark, ReviewRecord, UsMark
from breastview.registration.plane import us_plane
from model_training.cohort import simulated
from model_training.cohort.cut import Jitter, cut, misregistered, native_cut, strayed
from model_training.cohort.samples import DISPLACED_MM, CohortError, load_cohort, manifest, shard_size
from model_training.cohort.simulated import FIRST_SEEDS, SHARD, marked_lesion, mri_images, simulate_cohort
from tests.model_training.cohorts import write_cohort

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
    patients = [set(load_cohort(cohort, part).patient) for part in COUNTS]
    assert [len(own) for own in patients] == [1, 1, 2]
    assert len(set.union(*patients)) == 4
    assert sorted(manifest(cohort)["patient"]) == sorted(set.union(*patients))


def test_parts_are_too_far_apart_to_meet():
    firsts = sorted(FIRST_SEEDS.values())
    assert min(b - a for a, b in pairwise(firsts)) >= 1_000_000


def test_a_part_holds_what_its_patients_are(cohort):
    part = load_cohort(cohort, "train")
    assert (part.us.shape, part.us.dtype) == ((2, 3, 1, 24, 24), np.float16)
    assert (part.mri.shape, part.mri.dtype) == ((2, 3, 4, 24, 24), np.float16)
    assert part.native.shape == (2, 4, 24, 24) and part.channels.all()
    assert part.displaced.shape == (2, len(DISPLACED_MM) + 1, 4, 24, 24)
    patients = [simulate(int(case.partition("-")[2])) for case in part.about["case"]]
    assert part.about["density"].tolist() == [patient.density for patient in patients]
    assert part.label.tolist() == [patient.evidence.malignant for patient in patients]
    arms = ("us",), ("mri",), ("us", "mri")
    assert part.best == pytest.approx(np.array([[p.evidence.score(a) for a in arms] for p in patients]))


def test_measured_parts_are_not_augmented(cohort, case):
    assert load_cohort(cohort, "test").us.shape[1] == VIEWS_A_LESION


@pytest.fixture(scope="module")
def taken_up(cohort, tmp_path_factory) -> Path:
    """A copy of the cohort that lost its validation part, and is made again with one more to test on."""
    folder = tmp_path_factory.mktemp("again") / "cohort"
    shutil.copytree(cohort, folder)
    (folder / "validation-0000.npz").unlink()
    (folder / "train-0001.part").write_bytes(b"half a file")
    simulate_cohort(folder, {**COUNTS, "test": 2}, SMALL, variants=3, workers=1)
    return folder


def test_a_killed_run_keeps_what_stands_and_makes_the_rest(cohort, taken_up):
    before, after = (
        {path.name: path.stat().st_mtime_ns for path in folder.glob("*.npz")} for folder in (cohort, taken_up)
    )
    assert set(after) == set(before)
    assert {name for name in after if after[name] == before[name]} == {"train-0000.npz"}
    lost, again = (load_cohort(folder, "validation") for folder in (cohort, taken_up))
    assert np.array_equal(again.us, lost.us) and np.array_equal(again.mri, lost.mri)
    assert len(load_cohort(taken_up, "train").label) == 2


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_a_command_that_is_killed_or_interrupted(end):
    script = """if __name__ == "__main__":
        import os, time
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context
        from model_training.cohort.simulated import end_with_command
        with ProcessPoolExecutor(1, get_context("spawn"), initializer=end_with_command) as pool:
            print(pool.submit(os.getpid).result(), flush=True)
            list(pool.map(time.sleep, [300, 300, 300]))
    """
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True, start_new_session=True) as process:
        assert process.stdout is not None and int(process.stdout.readline())
        (os.kill if end == signal.SIGKILL else os.killpg)(process.pid, end)
        process.communicate(timeout=60)  # until nobody is left who could write
    assert process.returncode


def test_a_short_shard_is_made_anew_when_more_is_asked_for(cohort, taken_up):
    first, grown = (load_cohort(folder, "test") for folder in (cohort, taken_up))
    assert grown.patient.tolist() == [f"simulated-{FIRST_SEEDS['test'] + n}" for n in range(2)]
    assert np.array_equal(grown.us[0], first.us[0])
    assert SHARD > 2


def test_it_is_told_how_many_patients_are_left(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(
        simulated, "ProcessPoolExecutor", lambda workers, *_, **__: ThreadPoolExecutor(workers)
    )
    monkeypatch.setattr(simulated, "make_shard", lambda *_: None)
    caplog.set_level("INFO")
    simulate_cohort(tmp_path, {"train": 2 * SHARD + 10, "test": 9}, SMALL, variants=3, workers=1)
    assert caplog.messages == [
        "69 patients are to be simulated",
        *(f"{left} patients are left to be simulated" for left in (44, 19, 9, 0)),
    ]


def test_shards_of_another_kind_are_not_joined_to_those_that_stand(cohort):
    before = sorted(cohort.iterdir())
    with pytest.raises(
        CohortError, match=r"\(variants was 3, is 6; null_arm was False, is True\): take another"
    ):
        simulate_cohort(cohort, {**COUNTS, "train": 100}, SMALL, variants=6, workers=1, null_arm=True)
    with pytest.raises(CohortError, match=r"first_seeds was .*; size_px was 24, is 96"):
        simulate_cohort(cohort, {"test": 9}, InputSpec(), 3, 1, first_seeds={"test": 7})
    assert sorted(cohort.iterdir()) == before


def test_patients_of_another_phantom_are_not_joined(tmp_path, monkeypatch):
    simulate_cohort(tmp_path, {}, SMALL, 3, 1)
    simulate_cohort(tmp_path, {}, SMALL, 3, 1)
    monkeypatch.setattr("model_training.cohort.simulated.phantom_hash", lambda: "another")
    with pytest.raises(CohortError, match=r"phantom was .*, is another\): take another folder"):
        simulate_cohort(tmp_path, {}, SMALL, 3, 1)


def test_a_part_that_was_not_made_is_missed(tmp_path):
    with pytest.raises(FileNotFoundError, match="no cached cohort part 'train'"):
        load_cohort(tmp_path, "train")


def test_a_full_disk_leaves_the_old_shard_with_its_own_rows(tmp_path, monkeypatch):
    folder = write_cohort(tmp_path, cases=4)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(CohortError, match=r"train-0000.npz cannot be written: No space left on device"):
        write_cohort(tmp_path, cases=6)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_arrays_are_never_moved_beside_rows_that_are_not_theirs(tmp_path, monkeypatch):
    folder = write_cohort(tmp_path, cases=4)
    moved = Path.replace

    def killed(part, path):
        if path.suffix == ".npz":
            raise OSError(errno.EIO, "Input/output error")
        return moved(part, path)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(CohortError, match="Input/output error"):
        write_cohort(tmp_path, cases=6)
    assert not (folder / "train-0000.npz").exists()


def test_a_shard_whose_arrays_and_rows_differ_in_number_is_refused(tmp_path):
    folder = write_cohort(tmp_path, cases=4)
    path = folder / "train-0000.npz"
    assert shard_size(path) == 4
    pd.read_csv(path.with_suffix(".csv"))[:3].to_csv(path.with_suffix(".csv"), index=False)
    assert shard_size(path) == 0
    with pytest.raises(CohortError, match=r"train-0000.npz holds 4 lesions, its rows are 3: remove it"):
        load_cohort(folder, "train")
    path.write_bytes(b"half a file")
    assert shard_size(path) == 0
    with pytest.raises(CohortError, match=r"train-0000.npz cannot be read"):
        load_cohort(folder, "train")


@pytest.mark.parametrize("view", range(VIEWS_A_LESION), ids=VIEW_PAIRS[5 % 2])
def test_a_sample_without_jitter_is_what_the_application_computes_from_the_same_marks(case, view):
    frame = case.frames[view]
    us, mri, channels = cut(marked_lesion(case, frame), SMALL)
    still = FrameStack(
        "still",
        RoleChoice(Role.US_STILL, message("role.us_still")),
        frame.grey[None],
        PixelScale(frame.spacing_mm, message("scale.region")),
        frame.sector,
    )
    point = tuple(case.patient.lesion.centre_mm.tolist())
    marked = Lesion("L1", us=UsMark("still", 0, *frame.lesion_box_px), mri=MriMark("dce_pre", point))
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
    given = model_input(spec, record, marked, {still.key: still}, us_plane(still), volumes)
    assert np.array_equal(us, given.us) and np.array_equal(mri, given.mri)
    assert channels.all() and given.channels_present.all()
    as_acquired = replace(spec, input=replace(SMALL, mri_input="native"))
    given = model_input(as_acquired, record, marked, {still.key: still}, None, volumes)
    native, present = native_cut(marked_lesion(case, frame), SMALL)
    assert np.array_equal(us, given.us) and np.array_equal(native, given.mri)
    assert present.all() and given.channels_present.all()


def test_jitter_moves_box_and_registration_and_the_same_seed_moves_them_alike(case):
    lesion = marked_lesion(case, case.frames[0])

    def drawn(seed, jitter):
        return strayed(lesion, SMALL, jitter, np.random.default_rng(seed))

    (us, mri, _), (us_again, _, _), (us_other, _, _) = (drawn(seed, Jitter()) for seed in (1, 1, 2))
    exact_us, _, _ = cut(lesion, SMALL)
    assert np.array_equal(us, us_again)
    assert not np.array_equal(us, us_other) and not np.array_equal(us, exact_us)
    still, shifted = (
        drawn(1, Jitter(box=0, margin=0, registration_mm=mm, registration_deg=0)) for mm in (0.0, 3.0)
    )
    assert np.array_equal(still[0], shifted[0]) and not np.allclose(still[1], shifted[1])
    assert np.corrcoef(exact_us.ravel(), us.ravel())[0, 1] > 0.3
    assert np.isfinite(mri).all()


def test_a_misregistered_lesion_is_as_far_off_as_is_asked_and_its_us_is_the_same(case):
    lesion = marked_lesion(case, case.frames[0])
    away = misregistered(lesion, 10.0, np.random.default_rng(3))
    shift = np.subtract(away.registration.centre_mm, lesion.registration.centre_mm)
    assert np.linalg.norm(shift) == pytest.approx(10.0)
    (us, mri, _), (us_away, mri_away, _) = cut(lesion, SMALL), cut(away, SMALL)
    assert np.array_equal(us, us_away) and not np.allclose(mri, mri_away)


def test_without_a_registration_mri_is_absent_and_native_mri_needs_a_mark_alone(case):
    lesion = replace(marked_lesion(case, case.frames[0]), registration=None)
    _, mri, channels = cut(lesion, SMALL)
    assert not channels.any() and not mri.any()
    native, present = native_cut(lesion, SMALL)
    assert present.all() and native.std() > 0
    assert not native_cut(replace(lesion, mri_point_mm=None), SMALL)[1].any()
