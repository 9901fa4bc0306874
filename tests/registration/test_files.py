"""A registration goes out as .tfm or DICOM and comes back as it was; ITK reads the same points of a .tfm."""

from __future__ import annotations

import datetime
from dataclasses import replace

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from breastview.errors import CaseError, RegistrationError
from breastview.registration.adopt import FOLDED, least_area
from breastview.registration.exchange import registered_images, similarity
from breastview.registration.files import SUFFIXES, export_registration, import_registration, suggested_name
from breastview.registration.itk import OWN
from breastview.registration.parameters import Method, RegistrationParameters, WarpPoint
from breastview.registration.sampled import ERROR_MM, error_mm, sampled
from breastview.registration.spatial import PRIVATE_CREATOR, PRIVATE_GROUP, PRIVATE_TEXT
from breastview.registration.transform import map_points, us_to_mri
from breastview.registration.warp import warped
from tests.registration.examples import angles, places, poses
from tests.registration.file_examples import BENT, RIGID, SIMILAR, WARP, read_dicom, refusal

POINTS = np.random.default_rng(0).uniform((-30, 0, -20), (30, 50, 20), (500, 3))
anything = settings(
    max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def tfm(path, lines: str) -> None:
    path.write_text("#Insight Transform File V1.0\n#Transform 0\n" + lines, encoding="ascii")


def affine(path, matrix: np.ndarray) -> None:
    """An affine transform as another program writes it."""
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(matrix[:3, :3].ravel())
    transform.SetTranslation(matrix[:3, 3])
    sitk.WriteTransform(transform, str(path))


# there and back


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("parameters", [RIGID, SIMILAR, BENT], ids=["rigid", "similar", "bent"])
def test_a_registration_comes_back_as_it_was(tmp_path, images, suffix, parameters):
    path = tmp_path / suggested_name(images, suffix)
    export_registration(path, parameters, images)
    imported = import_registration(path, images)
    assert imported.parameters == parameters
    assert imported.notes == ()
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@anything
@given(
    pose=poses,
    bends=st.lists(st.tuples(st.floats(-30, 30), st.floats(0, 40), st.floats(-4, 4), st.floats(7, 20))),
)
def test_a_round_trip_moves_no_point(tmp_path, images, pose, bends):
    warp = tuple(WarpPoint((x, y), (shift, -shift, shift / 2), radius) for x, y, shift, radius in bends[:3])
    assume(least_area(warp) >= FOLDED)  # what folds is refused
    for suffix in SUFFIXES:
        path = tmp_path / f"file{suffix}"
        export_registration(path, replace(pose, warp=warp), images)
        back = import_registration(path, images).parameters
        apart = map_points(back, POINTS) - map_points(replace(pose, warp=warp), POINTS)
        assert np.abs(apart).max() <= 1e-6


@anything
@given(x=angles, y=st.floats(-89.9, 89.9), z=angles, centre=places, scale=st.floats(0.8, 1.25))
def test_a_round_trip_without_our_own_words_moves_no_point(tmp_path, images, x, y, z, centre, scale):
    """What an archive or another program leaves of a file: the transform alone."""
    pose = RegistrationParameters(centre, (x, y, z), scale)
    affine(tmp_path / "file.tfm", us_to_mri(pose))
    export_registration(tmp_path / "file.dcm", pose, images)
    dataset = pydicom.dcmread(tmp_path / "file.dcm")
    dataset.remove_private_tags()
    dataset.save_as(tmp_path / "file.dcm")
    for suffix in SUFFIXES:
        back = import_registration(tmp_path / f"file{suffix}", images).parameters
        assert np.abs(map_points(back, POINTS) - map_points(pose, POINTS)).max() <= 1e-6
        assert back.method is Method.FILE


def test_the_suggested_name_says_the_direction_and_nothing_of_the_patient(images, case):
    name = suggested_name(images, ".tfm")
    assert name.startswith("us-plane-to-mri-lps_") and name.endswith("_frame-1.tfm")
    assert case.patient.patient_id not in name and images.us_sop_uid not in name


# what ITK reads


@pytest.mark.parametrize("parameters", [RIGID, SIMILAR], ids=["rigid", "similar"])
def test_simple_itk_reads_the_same_points(tmp_path, images, parameters):
    export_registration(tmp_path / "pose.tfm", parameters, images)
    transform = sitk.ReadTransform(str(tmp_path / "pose.tfm"))
    read = [transform.TransformPoint(point) for point in POINTS.tolist()]
    np.testing.assert_allclose(read, map_points(parameters, POINTS), atol=1e-9)


def test_simple_itk_reads_a_warp_at_its_samples_and_within_the_stated_error_between(tmp_path, images):
    export_registration(tmp_path / "bent.tfm", BENT, images)
    transform = sitk.ReadTransform(str(tmp_path / "bent.tfm"))
    grid = sampled(WARP)
    nodes = grid.points_mm().reshape(-1, 3)[::17]
    at_nodes = [transform.TransformPoint(point) for point in nodes.tolist()]
    np.testing.assert_allclose(at_nodes, map_points(BENT, nodes), atol=1e-6)
    between = [transform.TransformPoint(point) for point in POINTS.tolist()]
    off = np.linalg.norm(between - map_points(BENT, POINTS), axis=1)
    bound = error_mm(WARP, grid.spacing_mm[0])
    assert 0 < off.max() <= bound * BENT.scale and bound == pytest.approx(ERROR_MM, rel=0.01)
    assert f"off by less than {bound:.2g} mm" in (tmp_path / "bent.tfm").read_text(encoding="ascii")


def test_a_wide_warp_is_sampled_with_a_bounded_number_and_an_honest_error():
    wide = (WarpPoint((0.0, 0.0), (50.0, 0.0, 0.0), 100.0), WarpPoint((0.0, 0.0), (6.0, 0.0, 0.0), 5.0))
    grid = sampled(wide)
    step = grid.spacing_mm[0]
    assert grid.shifts_mm.shape[1] * grid.shifts_mm.shape[2] < 260_000
    corners = grid.points_mm()[0]
    middles = (corners[:-1, :-1] + corners[1:, 1:]) / 2
    shifts = grid.shifts_mm[0]
    between = (shifts[:-1, :-1] + shifts[1:, :-1] + shifts[:-1, 1:] + shifts[1:, 1:]) / 4
    off = np.linalg.norm(warped(wide, middles) - middles - between, axis=-1)
    assert ERROR_MM < off.max() <= error_mm(wide, step)
    assert not shifts[[0, -1]].any() and not shifts[:, [0, -1]].any()


def test_what_other_programs_write_is_read_with_a_note(tmp_path, images):
    euler = sitk.Euler3DTransform((1.0, 2.0, 3.0), 0.1, -0.2, 0.3, (40.0, -80.0, 5.0))
    versor = sitk.VersorRigid3DTransform((0.1, 0.2, 0.3, 0.9), (1.0, 2.0, 3.0), (4.0, 5.0, 6.0))
    scaled = sitk.Similarity3DTransform(1.05, (0.1, 0.2, 0.3, 0.9), (1.0, 2.0, 3.0), (4.0, 5.0, 6.0))
    for transform in (euler, versor, scaled, sitk.CompositeTransform([euler, scaled])):
        sitk.WriteTransform(transform, str(tmp_path / "other.tfm"))
        imported = import_registration(tmp_path / "other.tfm", images)
        read = map_points(imported.parameters, POINTS)
        expected = [transform.TransformPoint(point) for point in POINTS.tolist()]
        np.testing.assert_allclose(read, expected, atol=1e-6)
        assert [note.code for note in imported.notes] == ["registration.file_unnamed"]


def test_an_unusual_scale_comes_with_its_flag(tmp_path, images):
    export_registration(tmp_path / "scaled.tfm", replace(RIGID, scale=0.8), images)
    (note,) = import_registration(tmp_path / "scaled.tfm", images).notes
    assert (note.code, note.params) == ("registration.scale_flagged", {"percent": -20})


# refusals


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("parameters", [RIGID, BENT], ids=["rigid", "bent"])
class TestOtherImages:
    def test_another_us_image(self, tmp_path, images, other_images, suffix, parameters):
        export_registration(tmp_path / f"file{suffix}", parameters, other_images)
        assert refusal(tmp_path / f"file{suffix}", images) == "file_other_us"

    def test_another_frame_of_a_cine(self, tmp_path, images, suffix, parameters):
        (source,) = images.frames.sources
        cine = replace(images, frames=replace(images.frames, sources=(source, replace(source, frame=1))))
        path = tmp_path / f"file{suffix}"
        export_registration(path, parameters, replace(cine, frame=1))
        assert import_registration(path, replace(cine, frame=1)).parameters == parameters
        assert refusal(path, cine) == "file_other_frame"

    def test_another_mri(self, tmp_path, images, suffix, parameters):
        volumes = tuple(replace(volume, frame_of_reference_uid="1.2.3") for volume in images.volumes)
        export_registration(tmp_path / f"file{suffix}", parameters, replace(images, volumes=volumes))
        assert refusal(tmp_path / f"file{suffix}", images) == "file_other_mri"

    def test_another_calibration(self, tmp_path, images, suffix, parameters):
        plane = replace(images.plane, spacing_mm=(0.11, 0.11))
        export_registration(tmp_path / f"file{suffix}", parameters, replace(images, plane=plane))
        assert refusal(tmp_path / f"file{suffix}", images) == "file_other_scale"


MATRICES = {
    "file_mirrored": np.diag([1.0, 1.0, -1.0, 1.0]),
    "file_singular": np.diag([1.0, 1.0, 0.0, 1.0]),
    "file_sheared": np.array([[1, 0.1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]),
    "file_scale": np.diag([10.0, 10.0, 10.0, 1.0]),
    "file_unreadable": np.diag([1.0, np.nan, 1.0, 1.0]),
}


@pytest.mark.parametrize(("code", "matrix"), MATRICES.items())
def test_a_matrix_that_is_no_registration(tmp_path, images, code, matrix):
    affine(tmp_path / "file.tfm", matrix)
    assert refusal(tmp_path / "file.tfm", images) == code
    if np.isfinite(matrix).all():
        dataset = read_dicom(tmp_path, RIGID, images)
        item = dataset.RegistrationSequence[1].MatrixRegistrationSequence[0].MatrixSequence[0]
        item.FrameOfReferenceTransformationMatrix = matrix.ravel().tolist()
        dataset.save_as(tmp_path / "file.dcm")
        assert refusal(tmp_path / "file.dcm", images) == code


def test_the_rounding_of_a_printed_matrix_is_no_shear():
    matrix = us_to_mri(SIMILAR)
    found = similarity(np.round(matrix, 6), "file")
    np.testing.assert_allclose(found, matrix, atol=2e-6)
    own = found[:3, :3]
    np.testing.assert_allclose(own.T @ own, np.eye(3) * np.cbrt(np.linalg.det(own)) ** 2, atol=1e-12)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("change", ["moved", "bent", "straightened"])
def test_a_file_whose_transform_was_changed_after_it_was_written(tmp_path, images, suffix, change):
    said = {"moved": BENT, "bent": RIGID, "straightened": BENT}[change]
    shown = {"moved": replace(BENT, warp=WARP[:1]), "bent": BENT, "straightened": SIMILAR}[change]
    own, path = tmp_path / f"own{suffix}", tmp_path / f"file{suffix}"
    export_registration(own, said, images)
    export_registration(path, shown, images)
    if suffix == ".tfm":
        (words,) = (line for line in own.read_text().splitlines() if line.startswith(OWN))
        lines = [words if line.startswith(OWN) else line for line in path.read_text().splitlines()]
        path.write_text("\n".join(lines))
    else:
        block = pydicom.dcmread(own).private_block(PRIVATE_GROUP, PRIVATE_CREATOR)
        dataset = pydicom.dcmread(path)
        dataset.private_block(PRIVATE_GROUP, PRIVATE_CREATOR)[PRIVATE_TEXT].value = block[PRIVATE_TEXT].value
        dataset.save_as(path)
    assert refusal(path, images) == "file_contradicts"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_warp_that_folds_the_picture_over_itself(tmp_path, images, suffix):
    folding = replace(SIMILAR, warp=(WarpPoint((0.0, 15.0), (9.0, 0.0, 0.0), 10.0),))
    path = tmp_path / f"pose{suffix}"
    export_registration(path, folding, images)
    assert refusal(path, images) == "file_folded"


def test_a_deformation_of_another_program(tmp_path, images):
    export_registration(tmp_path / "file.tfm", BENT, images)
    text = (tmp_path / "file.tfm").read_text()
    (tmp_path / "file.tfm").write_text("\n".join(x for x in text.splitlines() if not x.startswith(OWN)))
    assert refusal(tmp_path / "file.tfm", images) == "file_foreign_warp"
    dataset = read_dicom(tmp_path, BENT, images)
    dataset.remove_private_tags()
    dataset.save_as(tmp_path / "file.dcm")
    assert refusal(tmp_path / "file.dcm", images) == "file_foreign_warp"
    sitk.WriteTransform(sitk.BSplineTransform(3), str(tmp_path / "spline.tfm"))
    assert refusal(tmp_path / "spline.tfm", images) == "file_foreign_warp"


def test_files_that_are_no_registration(tmp_path, images, simulated_patient):
    assert refusal(tmp_path / "absent.tfm", images) == "file_closed"
    assert refusal(images.frames.sources[0].path, images) == "file_unreadable"
    (tmp_path / "noise.tfm").write_bytes(bytes(range(256)))
    assert refusal(tmp_path / "noise.tfm", images) == "file_unreadable"
    tfm(tmp_path / "words.tfm", "Transform: AffineTransform_double_3_3\nParameters: one two\n")
    assert refusal(tmp_path / "words.tfm", images) == "file_unreadable"
    tfm(
        tmp_path / "short.tfm",
        "Transform: AffineTransform_double_3_3\nParameters: 1\nFixedParameters: 0 0 0\n",
    )
    assert refusal(tmp_path / "short.tfm", images) == "file_unreadable"
    tfm(tmp_path / "empty.tfm", "")
    assert refusal(tmp_path / "empty.tfm", images) == "file_unreadable"
    sitk.WriteTransform(sitk.AffineTransform(2), str(tmp_path / "flat.tfm"))
    assert refusal(tmp_path / "flat.tfm", images) == "file_other_transform"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_that_was_cut_short(tmp_path, images, suffix):
    path = tmp_path / f"file{suffix}"
    export_registration(path, BENT, images)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert refusal(path, images) == "file_unreadable"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("{", "file_unreadable"),
        ('{"schema": "breastview.registration/1"}', "file_unreadable"),
        (None, "file_other_version"),
    ],
)
def test_own_words_that_cannot_be_read(tmp_path, images, words, code):
    path = tmp_path / "file.tfm"
    export_registration(path, RIGID, images)
    lines = path.read_text().splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith(OWN))
    lines[place] = lines[place].replace("registration/1", "registration/9") if words is None else OWN + words
    path.write_text("\n".join(lines))
    assert refusal(path, images) == code


def test_a_place_that_cannot_be_written(tmp_path, images):
    (tmp_path / "taken").write_text("")
    with pytest.raises(RegistrationError, match="cannot be written"):
        export_registration(tmp_path / "taken" / "file.tfm", RIGID, images)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_patient_folder_is_never_written(images, suffix):
    for place in (images.folder, images.folder / "new" / ".." / "below"):
        with pytest.raises(CaseError, match="never changed"):
            export_registration(place / f"file{suffix}", RIGID, images)
    assert not list(images.folder.rglob(f"file{suffix}"))


def test_a_case_without_mri_has_nothing_to_register(case, images):
    with pytest.raises(RegistrationError, match="no MRI"):
        registered_images(replace(case, volumes=()), images.frames.key, 0, images.plane)


def test_the_volumes_of_the_chosen_frame_of_reference_are_joined(case, images):
    first, *others = case.volumes
    moved = replace(first, frame_of_reference_uid="1.2.3")
    assert registered_images(case, images.frames.key, 0, images.plane).volumes == case.volumes
    split = replace(case, volumes=(moved, *others))
    most = registered_images(split, images.frames.key, 0, images.plane)
    chosen = registered_images(split, images.frames.key, 0, images.plane, moved.key)
    assert most.volumes == tuple(others) and chosen.volumes == (moved,)


def test_the_exam_before_is_not_joined_though_it_has_the_same_frame_of_reference(case, images):
    before = replace(case.volumes[0], key="b", study_uid="1.2.3", exam_date=datetime.date(2000, 1, 1))
    joined = registered_images(
        replace(case, volumes=(before, *case.volumes)), images.frames.key, 0, images.plane
    )
    assert joined.volumes == case.volumes
