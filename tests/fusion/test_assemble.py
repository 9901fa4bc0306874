"""From a review to the model's input: which volume stands for which channel, and what is cut."""

from __future__ import annotations

import datetime
from dataclasses import replace

import numpy as np
import pytest

from breastview.fusion.assemble import channel_volumes, model_input
from breastview.fusion.preprocess import Crop, crop_around, us_input
from breastview.fusion.spec import CHANNELS, Channel
from breastview.imaging.case import Role
from breastview.imaging.dynamic import subtracted, subtraction_name
from breastview.imaging.geometry import apply
from breastview.imaging.load import load_frames, load_volume
from breastview.imaging.scan import scan_folder
from breastview.messages import message
from breastview.records.inputs import input_hash
from breastview.records.values import FrameRegistration, Lesion, MriMark, UsMark, new_record
from breastview.registration.parameters import RegistrationParameters, WarpPoint
from breastview.registration.plane import us_plane
from breastview.registration.transform import map_points
from tests.fusion.examples import (
    NATIVE,
    POSE,
    SPEC,
    case,
    lesion,
    plane,
    ramp,
    record,
    scanned,
    stack,
    stacks,
    volumes,
)


def keys(*found) -> dict[str, str]:
    return {name: volume.key for name, volume in channel_volumes(found).items()}


def test_each_channel_has_its_volume():
    found = keys(
        scanned(Role.T1WI, "thin", slices=60),
        scanned(Role.T1WI, "thick", slices=20),
        scanned(Role.T2WI, "t2"),
        scanned(Role.STIR, "stir"),
        scanned(Role.DWI, "b0", b_value=0),
        scanned(Role.DWI, "b800", b_value=800),
        scanned(Role.ADC, "adc"),
        scanned(Role.DCE, "late", phase=3),
        scanned(Role.DCE, "post", phase=2),
        scanned(Role.DCE, "pre", phase=1),
    )
    assert found == {"t1wi": "thin", "t2wi": "t2", "dwi": "b800", "dce_pre": "pre", "dce_post": "post"}


def test_without_the_image_before_contrast_nothing_is_subtracted():
    assert keys(scanned(Role.DCE, "post", phase=2), scanned(Role.DCE, "late", phase=3)) == {
        "dce_post": "post"
    }


def test_the_phase_that_the_reader_leaves_is_subtracted_in_the_place_of_one_that_was_overruled():
    opened = case(*(scanned(Role.DCE, f"DCE {n}", phase=n) for n in (1, 2, 3)))
    second = opened.with_override("DCE 2", Role.OTHER).volumes
    assert keys(*second) == {"dce_pre": "DCE 1", "dce_post": "DCE 3"}
    assert subtraction_name(second) == "DCE 3 − 1"
    first = opened.with_override("DCE 1", Role.T1WI).volumes
    assert keys(*first) == {"t1wi": "DCE 1", "dce_pre": "DCE 2", "dce_post": "DCE 3"}
    assert subtraction_name(first) == "DCE 3 − 2"
    again = opened.with_override("DCE 2", Role.OTHER).with_override("DCE 2", Role.DCE).volumes
    assert keys(*again) == {"dce_pre": "DCE 1", "dce_post": "DCE 2"}


@pytest.mark.parametrize(("here", "found"), [((2, 3), {"dce_post": "2"}), ((1, 3), {"dce_pre": "1"})])
def test_what_the_scanner_counts_and_is_not_here_is_replaced_by_nothing(here, found):
    volumes = [scanned(Role.DCE, f"{n}", phase=n) for n in here]
    assert keys(*volumes) == found
    assert (subtraction_name(volumes), subtracted(volumes)) == ("", [])


def test_two_dynamic_series_are_not_subtracted_from_each_other():
    found = [scanned(Role.DCE, f"{side}{phase}", phase=phase) for side in "RL" for phase in (1, 2)]
    assert keys(*found) == {"dce_pre": "R1", "dce_post": "R2"}
    assert subtraction_name(found) == "DCE 2 − 1"


def test_images_that_make_no_stack_stand_for_nothing():
    flat = {"notes": (message("scan.no_depth"),)}
    t1, *dce = scanned(Role.T1WI), scanned(Role.DCE, "pre", phase=1), scanned(Role.DCE, "post", phase=2)
    assert keys(t1, *dce) == {"t1wi": "t1wi", "dce_pre": "pre", "dce_post": "post"}
    assert keys(replace(t1, **flat), dce[0], replace(dce[1], **flat)) == {"dce_pre": "pre"}


def test_all_channels_are_of_one_exam():
    current, prior = (
        [
            replace(scanned(role, f"{name}{role}", slices, **details), study_uid=name, exam_date=day)
            for role, slices, details in (
                (Role.T1WI, 20 + (name == "prior"), {}),
                (Role.DCE, 30, {"phase": 1, "acquisition": 1 + (name == "prior")}),
                (Role.DCE, 30, {"phase": 2, "acquisition": 1 + (name == "prior")}),
            )
        ]
        for name, day in (("now", datetime.date(2026, 3, 5)), ("prior", datetime.date(2025, 3, 5)))
    )
    later = replace(scanned(Role.T2WI, "old t2"), study_uid="prior")
    found = channel_volumes([*prior, later, *current])
    assert {name: volume.study_uid for name, volume in found.items()} == {
        "t1wi": "now",
        "dce_pre": "now",
        "dce_post": "now",
    }


def test_all_channels_are_of_one_space():
    moved = replace(scanned(Role.T2WI, "before she got up"), frame_of_reference_uid="1.2.10")
    dce = [scanned(Role.DCE, name, phase=phase) for phase, name in enumerate(("pre", "post"), 1)]
    assert keys(moved, *dce) == {"dce_pre": "pre", "dce_post": "post"}


def test_only_what_the_model_looks_at_is_wanted():
    assert keys(scanned(Role.T2WI, "t2"), scanned(Role.LOCALIZER, "loc")) == {"t2wi": "t2"}


def test_a_phase_that_is_there_twice_is_no_uptake():
    seen = volumes()
    seen["dce_post"] = replace(seen["dce_pre"], key="again")
    given = model_input(SPEC, record(lesion()), lesion(), stacks(), plane(), seen)
    assert given.channels_present.tolist() == [channel is not Channel.DCE for channel in CHANNELS]


def test_us_is_cut_once_more_where_the_model_sees_it_otherwise_without_mri():
    own = replace(SPEC.input, size_px=48, box_shaped=True)
    spec = replace(SPEC, us_only_input=own)
    given = model_input(spec, record(lesion()), lesion(), stacks(), plane(), volumes())
    mark = lesion().us
    crop = crop_around((mark.left, mark.top, mark.right, mark.bottom), own)
    assert given.alone_crop == crop != given.us_crop
    assert np.array_equal(given.us_alone, us_input(stack().grey(), crop, own, stack().sector))
    assert model_input(SPEC, record(lesion()), lesion(), stacks(), plane(), volumes()).us_alone is None


def test_the_input_knows_where_it_was_cut_and_what_it_was_made_from():
    known = record(lesion())
    given = model_input(SPEC, known, lesion(), stacks(), plane(), volumes())
    assert given.us_crop == Crop(48.0, 20.0, 64.0, 64.0)
    assert given.mri_grid.width_mm == pytest.approx(64 * 0.2)
    assert given.us.shape == (1, 32, 32) and given.mri.shape == (4, 32, 32)
    assert given.channels_present.all()
    assert given.input_sha256 == input_hash(known, "L1", SPEC.weights_sha256)


@pytest.mark.parametrize(
    "missing", [{"plane": None}, {"pose": None}, {"volumes": {}}], ids=["scale", "registration", "mri"]
)
def test_the_us_crop_needs_neither_scale_nor_registration_nor_mri(missing):
    known = record(lesion(), **{k: v for k, v in missing.items() if k == "pose"})
    given = model_input(
        SPEC,
        known,
        lesion(),
        stacks(stack(scale=False)),
        missing.get("plane", plane()),
        missing.get("volumes", volumes()),
    )
    whole = model_input(SPEC, record(lesion()), lesion(), stacks(), plane(), volumes())
    assert np.array_equal(given.us, whole.us)
    assert given.mri is None and given.mri_grid is None
    assert not given.channels_present.any()


def test_text_burned_in_outside_the_sector_does_not_change_the_input():
    corner = replace(lesion(), us=UsMark("frames", 0, left=12, top=10, right=40, bottom=30))
    clean, burned = stack(), stack()
    burned.frames[0, :8, 10:60] = burned.frames[0, 20:60, :10] = 220
    ours, theirs = (
        model_input(SPEC, record(corner), corner, stacks(seen), plane(), volumes())
        for seen in (clean, burned)
    )
    assert np.array_equal(theirs.us, ours.us) and np.array_equal(theirs.mri, ours.mri)


def test_mri_that_misses_the_plane_is_no_mri():
    away = record(lesion(), pose=RegistrationParameters(centre_mm=(400.0, 0.0, 0.0)))
    given = model_input(SPEC, away, lesion(), stacks(), plane(), volumes())
    assert given.us is not None and given.mri is None
    assert not given.channels_present.any()


def test_the_model_sees_the_mri_with_the_readers_local_warp():
    x, y = plane().px_to_mm(np.array([80.0, 52.0]))
    pose = replace(POSE, warp=(WarpPoint((float(x), float(y)), (2.0, 0.0, 1.0), radius_mm=4.0),))
    warped = model_input(SPEC, record(lesion(), pose=pose), lesion(), stacks(), plane(), volumes())
    rigid = model_input(SPEC, record(lesion()), lesion(), stacks(), plane(), volumes())
    grid = warped.mri_grid
    columns, rows = np.meshgrid(np.arange(32), np.arange(32))
    points = np.stack([grid.left_mm + columns * grid.spacing_mm, grid.top_mm + rows * grid.spacing_mm], -1)
    share = (warped.mri[0] + 1) / ramp(map_points(pose, points))
    assert share == pytest.approx(np.full((32, 32), share[0, 0]), rel=1e-4)
    assert abs(warped.mri[0, 16, 16] - rigid.mri[0, 16, 16]) > 5e-3
    assert np.array_equal(warped.us, rigid.us)


def test_native_mri_is_cut_around_its_mark_without_scale_or_registration():
    alone = record(lesion(), pose=None)
    given = model_input(NATIVE, alone, lesion(), stacks(stack(scale=False)), None, volumes())
    assert given.channels_present.all() and given.mri.shape == (4, 32, 32)
    assert np.array_equal(given.us, model_input(SPEC, alone, lesion(), stacks(), plane(), volumes()).us)
    assert np.allclose(apply(given.mri_plane, np.zeros(3)), lesion().mri.point_mm)
    assert np.array_equal(given.mri_plane[:3, :3], np.eye(3)), "right and down as the axial slices are shown"
    grid = given.mri_grid
    assert grid.width_mm == pytest.approx(40.0) and grid.left_mm == grid.top_mm == -grid.spacing_mm * 15.5
    registered = model_input(NATIVE, record(lesion()), lesion(), stacks(), plane(), volumes())
    assert np.array_equal(registered.mri, given.mri)


def test_native_mri_follows_its_mark_and_is_absent_without_one():
    x, y, z = lesion().mri.point_mm
    beside = replace(lesion(), mri=MriMark("t1wi", (x + 5.0, y, z)))
    without = replace(lesion(), mri=None)
    here, there, nowhere = (
        model_input(NATIVE, record(marked), marked, stacks(), plane(), volumes())
        for marked in (lesion(), beside, without)
    )
    assert here.input_sha256 != there.input_sha256 and not np.array_equal(here.mri, there.mri)
    assert nowhere.us is not None and nowhere.mri is None and not nowhere.channels_present.any()


def test_an_unmarked_lesion_gives_nothing_to_compute_from():
    unmarked = replace(lesion(), us=None)
    given = model_input(SPEC, record(unmarked), unmarked, stacks(), plane(), volumes())
    assert given.us is None and given.mri is None


def test_arrays_of_an_input_are_read_only():
    given = model_input(SPEC, record(lesion()), lesion(), stacks(), plane(), volumes())
    with pytest.raises(ValueError, match="read-only"):
        given.us[0, 0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        given.mri[0, 0, 0] = 1


def test_a_real_exam_fills_every_channel(real_data):
    case = scan_folder(real_data / "patients" / "patient-a")
    names = channel_volumes(case.volumes)
    assert set(names) == {"t1wi", "t2wi", "dwi", "dce_pre", "dce_post"}
    assert (names["dwi"].role.b_value, names["dce_post"].role.phase) == (800, 2)
    found = {name: load_volume(volume) for name, volume in names.items()}
    still = load_frames(case.frames[0])
    column, row = (still.sector.left + still.sector.right) / 2, (still.sector.top + still.sector.bottom) / 2
    marked = Lesion("L1", us=UsMark(still.key, 0, column - 40, row - 30, column + 40, row + 30))
    slices, rows, columns = found["t1wi"].array.shape
    face = apply(found["t1wi"].index_to_lps, np.array([slices / 2, rows * 0.3, columns * 0.3]))
    pose = RegistrationParameters((float(face[0]), float(face[1]), float(face[2])))
    known = new_record(case).with_lesion(marked)
    known = known.with_registration(FrameRegistration(still.key, 0, pose))
    given = model_input(SPEC, known, marked, stacks(still), us_plane(still), found)
    assert given.channels_present.all()
    assert np.isfinite(given.us).all() and np.isfinite(given.mri).all()
    assert given.mri.std(axis=(1, 2)).min() > 0.01


def in_two_views():
    """A lesion with a box on a second picture, and both pictures by key."""
    other = replace(stack(), key="across", frames=stack().frames[:, ::-1])
    marked = replace(lesion(), second_us=UsMark("across", 0, 30, 50, 70, 90))
    return marked, stacks(stack(), other)


def test_a_second_view_is_cut_by_its_own_box_where_the_model_was_measured_with_two():
    marked, pictures = in_two_views()
    spec = replace(SPEC, temperature={"us_two_views": 1.0, "fused_two_views": 1.0})
    given = model_input(spec, record(marked), marked, pictures, plane(), volumes())
    alone = replace(marked, us=marked.second_us, second_us=None)
    assert np.array_equal(given.second_us, model_input(SPEC, record(alone), alone, pictures, None, {}).us)
    assert given.second_crop == Crop(18.0, 38.0, 64.0, 64.0)
    first = model_input(SPEC, record(lesion()), lesion(), stacks(), plane(), volumes())
    assert np.array_equal(given.us, first.us) and np.array_equal(given.mri, first.mri)
    assert len(given.us_views) == 2


def test_a_second_view_is_left_out_where_nobody_measured_two_or_its_picture_is_gone():
    marked, pictures = in_two_views()
    assert model_input(SPEC, record(marked), marked, pictures, plane(), volumes()).second_us is None
    spec = replace(SPEC, temperature={"us_two_views": 1.0, "fused_two_views": 1.0})
    assert model_input(spec, record(marked), marked, stacks(), plane(), volumes()).second_us is None


def test_a_second_view_changes_what_a_reading_was_computed_from():
    marked, _ = in_two_views()
    assert input_hash(record(marked), "L1", "m") != input_hash(record(lesion()), "L1", "m")
