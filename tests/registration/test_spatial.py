"""A registration as a DICOM object: what the standard asks for, what other readers find, what is refused."""

from __future__ import annotations

import functools
import json
from dataclasses import replace

import numpy as np
import pydicom
import pytest

from breastview.errors import RegistrationError
from breastview.registration.files import export_registration, import_registration
from breastview.registration.transform import map_points, us_to_mri
from tests.registration.file_examples import BENT, RIGID, SIMILAR, read_dicom, refusal


@functools.cache
def standard() -> tuple[dict, dict]:
    """highdicom's tables of the standard: modules by IOD, attributes by module."""
    from importlib.resources import files

    tables = files("highdicom") / "_standard"
    return tuple(
        json.loads((tables / f"{name}_map.json").read_text(encoding="utf-8"))
        for name in ("iod_module", "module_attribute")
    )


def lacking(dataset: pydicom.Dataset, attributes: list[dict]) -> set[str]:
    """Attributes of type 1 that are absent or empty and of type 2 that are absent, where their items are."""
    missing = set()
    for attribute in attributes:
        if attribute["type"] not in ("1", "2"):
            continue
        items = [dataset]
        for keyword in attribute["path"]:
            items = [inner for item in items for inner in item.get(keyword) or ()]
        for item in items:
            if attribute["keyword"] not in item or (
                attribute["type"] == "1" and item[attribute["keyword"]].is_empty
            ):
                missing.add("/".join([*attribute["path"], attribute["keyword"]]))
    return missing


@pytest.mark.parametrize(
    ("parameters", "iod"), [(RIGID, "spatial-registration"), (BENT, "deformable-spatial-registration")]
)
def test_what_the_standard_requires_is_there(tmp_path, images, parameters, iod):
    dataset = read_dicom(tmp_path, parameters, images)
    modules, attributes = standard()
    mandatory = [module["key"] for module in modules[iod] if module["usage"] == "M"]
    assert iod in mandatory and "common-instance-reference" in mandatory
    assert set().union(*(lacking(dataset, attributes[module]) for module in mandatory)) == set()


@pytest.mark.parametrize(("parameters", "kind"), [(RIGID, "RIGID"), (SIMILAR, "RIGID_SCALE")])
def test_a_spatial_registration_carries_both_spaces_into_the_mri_s(tmp_path, images, parameters, kind):
    dataset = read_dicom(tmp_path, parameters, images)
    mri, us = dataset.RegistrationSequence
    assert dataset.SOPClassUID.name == "Spatial Registration Storage"
    assert dataset.FrameOfReferenceUID == mri.FrameOfReferenceUID == images.volumes[0].frame_of_reference_uid
    assert us.FrameOfReferenceUID == images.us_space
    matrices = [item.MatrixRegistrationSequence[0].MatrixSequence[0] for item in (mri, us)]
    assert [m.FrameOfReferenceTransformationMatrixType for m in matrices] == ["RIGID", kind]
    read = [np.array(m.FrameOfReferenceTransformationMatrix, float).reshape(4, 4) for m in matrices]
    np.testing.assert_array_equal(read[0], np.eye(4))
    np.testing.assert_allclose(read[1], us_to_mri(parameters), atol=1e-10)
    assert us.ReferencedImageSequence[0].ReferencedSOPInstanceUID == images.us_sop_uid
    how = us.MatrixRegistrationSequence[0].RegistrationTypeCodeSequence[0]
    assert (how.CodeValue, how.CodingSchemeDesignator) == ("125022", "DCM")


def test_a_deformable_registration_samples_the_mri_from_the_plane(tmp_path, images):
    """PS3.3 C.20.3.1.1: the source coordinate is post · (x + grid(x))."""
    dataset = read_dicom(tmp_path, BENT, images)
    mri, us = dataset.DeformableRegistrationSequence
    assert dataset.SOPClassUID.name == "Deformable Spatial Registration Storage"
    assert dataset.FrameOfReferenceUID == us.SourceFrameOfReferenceUID == images.us_space
    assert mri.SourceFrameOfReferenceUID == images.mri_space
    (grid,) = mri.DeformableRegistrationGridSequence
    columns, rows, depth = grid.GridDimensions
    vectors = np.frombuffer(grid.VectorGridData, "<f4").reshape(depth, rows, columns, 3)
    column, row = columns // 3, rows // 2
    place = np.array(grid.ImagePositionPatient, float) + np.array(grid.GridResolution) * (column, row, 0)
    (post,) = mri.PostDeformationMatrixRegistrationSequence
    matrix = np.array(post.FrameOfReferenceTransformationMatrix, float).reshape(4, 4)
    source = matrix @ [*(place + vectors[0, row, column]), 1.0]
    assert np.linalg.norm(vectors[0, row, column]) > 0.1
    np.testing.assert_allclose(source[:3], map_points(BENT, place), atol=1e-5)


def test_every_source_image_is_referenced_once_by_study_and_series(tmp_path, images):
    dataset = read_dicom(tmp_path, RIGID, images)
    studies = dataset.get("StudiesContainingOtherReferencedInstancesSequence", [])
    series = [
        *dataset.ReferencedSeriesSequence,
        *(s for study in studies for s in study.ReferencedSeriesSequence),
    ]
    found = {
        reference.ReferencedSOPInstanceUID: (item.SeriesInstanceUID, reference.ReferencedSOPClassUID)
        for item in series
        for reference in item.ReferencedInstanceSequence
    }
    sources = {source.sop_uid: volume.series_uid for volume in images.volumes for source in volume.sources}
    assert {uid: series for uid, (series, _) in found.items()} == {
        **sources, images.us_sop_uid: images.frames.series_uid,
    }  # fmt: skip
    assert {kind.name for _, kind in found.values()} == {"MR Image Storage", "Ultrasound Image Storage"}
    assert sum(len(item.ReferencedInstanceSequence) for item in series) == len(found)
    assert dataset.StudyInstanceUID == images.frames.study_uid
    assert {study.StudyInstanceUID for study in studies} == {images.volumes[0].study_uid}


def test_patient_and_study_are_those_of_the_us_image_and_a_simulation_says_so(tmp_path, images, case):
    dataset = read_dicom(tmp_path, RIGID, images)
    source = pydicom.dcmread(images.frames.sources[0].path)
    assert str(dataset.PatientName) == case.patient.name
    for keyword in ("PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyID", "AccessionNumber"):
        assert dataset[keyword].value == source[keyword].value
    assert "SIMULATED" in dataset.SeriesDescription and "SIMULATED" in dataset.ContentDescription
    export_registration(tmp_path / "file.tfm", RIGID, images)
    text = (tmp_path / "file.tfm").read_text(encoding="ascii")
    assert "SIMULATED" in text and case.patient.patient_id not in text


def test_the_space_of_a_us_plane_is_minted_the_same_every_time(images, other_images):
    assert images.us_space == replace(images, simulated=False).us_space
    assert images.us_space != other_images.us_space
    assert pydicom.uid.UID(images.us_space).is_valid


def test_a_singular_place_of_the_mri_is_refused(tmp_path, images):
    dataset = read_dicom(tmp_path, RIGID, images)
    item = dataset.RegistrationSequence[0].MatrixRegistrationSequence[0].MatrixSequence[0]
    item.FrameOfReferenceTransformationMatrix = np.zeros(16).tolist()
    dataset.save_as(tmp_path / "file.dcm")
    assert refusal(tmp_path / "file.dcm", images) == "file_singular"


@pytest.mark.parametrize("parameters", [RIGID, BENT], ids=["rigid", "bent"])
def test_an_object_that_measures_the_us_image_in_its_own_way(tmp_path, images, parameters):
    dataset = read_dicom(tmp_path, parameters, images)
    if parameters.warp:
        dataset.FrameOfReferenceUID = "1.2.3"
    else:
        dataset.RegistrationSequence[1].FrameOfReferenceUID = "1.2.3"
    dataset.save_as(tmp_path / "file.dcm")
    assert refusal(tmp_path / "file.dcm", images) == "file_other_plane"


def test_an_object_in_a_third_space_leads_through_it(tmp_path, images):
    dataset = read_dicom(tmp_path, SIMILAR, images)
    dataset.FrameOfReferenceUID = "1.2.3"
    atlas = us_to_mri(replace(RIGID, angles_deg=(5.0, 6.0, 7.0)))
    for item in dataset.RegistrationSequence:
        matrix = item.MatrixRegistrationSequence[0].MatrixSequence[0]
        own = np.array(matrix.FrameOfReferenceTransformationMatrix, float).reshape(4, 4)
        matrix.FrameOfReferenceTransformationMatrix = [f"{v:.10f}" for v in (atlas @ own).ravel()]
    dataset.save_as(tmp_path / "file.dcm")
    assert import_registration(tmp_path / "file.dcm", images).parameters == SIMILAR


def test_dicom_wants_dicom_images_with_a_frame_of_reference(tmp_path, images):
    nowhere = replace(images, volumes=(replace(images.volumes[0], frame_of_reference_uid=""),))
    with pytest.raises(RegistrationError, match=r"Export a \.tfm"):
        export_registration(tmp_path / "file.dcm", RIGID, nowhere)
    export_registration(tmp_path / "file.tfm", RIGID, nowhere)
    assert import_registration(tmp_path / "file.tfm", nowhere).parameters == RIGID
    assert [p.name for p in tmp_path.iterdir()] == ["file.tfm"]


def test_source_images_that_have_gone(tmp_path, images):
    gone = replace(images.frames.sources[0], path=tmp_path / "gone.dcm")
    with pytest.raises(RegistrationError, match="Open the case again"):
        export_registration(
            tmp_path / "file.dcm", RIGID, replace(images, frames=replace(images.frames, sources=(gone,)))
        )
