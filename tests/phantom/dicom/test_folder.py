"""A simulated patient on disk is an ordinary patient folder that never hides what it is."""

from __future__ import annotations

import json

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from PIL import Image

from breastview.imaging.case import Role
from breastview.imaging.load import load_frames, load_volume
from breastview.imaging.scan import scan_folder
from breastview.phantom.dicom import SMALL, whole_maps, write_patient
from breastview.phantom.dicom.pictures import across_lesion, annotation
from breastview.phantom.patient import simulate
from breastview.phantom.scanner import scan
from breastview.phantom.stills import still
from breastview.phantom.tissue import Tissue
from breastview.records.concordance import mark_distance_mm, objections_to_fusing
from breastview.records.store import read
from breastview.records.values import Pathology
from breastview.registration.parameters import Method
from breastview.registration.plane import us_plane
from breastview.registration.skin import find_body, side_of
from breastview.registration.transform import map_points

SEED = 3


@pytest.fixture(scope="module")
def patient():
    return simulate(SEED)


@pytest.fixture(scope="module")
def stills(patient):
    return {view: still(patient, view) for view in patient.views}


@pytest.fixture(scope="module")
def case(simulated_patient):
    return scan_folder(simulated_patient.folder)


@pytest.fixture(scope="module")
def record(simulated_patient):
    return read(simulated_patient.record_file)


def test_the_scan_finds_every_series_in_its_role(case):
    roles = sorted((v.role.role.value, v.role.b_value or 0, v.role.phase or 0) for v in case.volumes)
    assert roles == [
        *[("dce", 0, phase) for phase in range(1, 7)],
        *[("dwi", 0, 0), ("dwi", 800.0, 0), ("t1wi", 0, 0), ("t2wi", 0, 0)],
    ]
    assert {f.role.role for f in case.frames} == {Role.US_STILL}
    assert case.problems == () and case.notes == ()


def test_the_files_hold_the_simulated_arrays(case, patient):
    expected = scan(whole_maps(patient, SMALL), patient.exam, patient.stream("mri"))
    by_role = {(v.role.role, v.role.b_value, v.role.phase): v for v in case.volumes}
    for name, key in {
        "t1wi": (Role.T1WI, None, None),
        "dwi_b800": (Role.DWI, 800.0, None),
        "dce_6": (Role.DCE, None, 6),
    }.items():
        array, matrix = expected[name]
        volume = load_volume(by_role[key])
        assert np.array_equal(volume.array, array)
        assert volume.index_to_lps == pytest.approx(matrix, abs=1e-4)


def test_nothing_is_in_the_folder_but_dicom_that_says_simulated(simulated_patient):
    for path in sorted(simulated_patient.folder.iterdir()):
        header = pydicom.dcmread(path, stop_before_pixels=True)
        assert "SIMULATED" in header.ImageType and "SIMULATED" in header.PatientID


def test_every_image_of_the_case_counts_as_simulated(case):
    assert all(item.simulated for item in (*case.volumes, *case.frames))


def test_the_word_is_burned_into_the_border_and_never_over_the_image(case, record, stills):
    for told, (_, frame) in zip(record.registrations, stills.items(), strict=True):
        stack = load_frames(case.frame_set(told.frames_key))
        place = slice(frame.sector.top, frame.sector.bottom), slice(frame.sector.left, frame.sector.right)
        assert stack.sector == frame.sector
        assert np.array_equal(stack.grey()[place], frame.grey[place])
        changed = np.argwhere(stack.grey() != frame.grey)
        assert len(changed) > 100 and changed[:, 0].max() < frame.sector.top


def test_each_view_is_there_plain_and_measured_and_the_first_in_colour(case, patient):
    text = {view: f"SIMULATED {annotation(patient, view)}" for view in patient.views}
    first, second = (text[view] for view in patient.views)
    assert sorted(item.description for item in case.frames) == sorted([first] * 3 + [second] * 2)
    stills = {item.sources[0].path.name: load_frames(item) for item in case.frames}
    assert sorted(stills) == [f"US{number:04d}" for number in range(1, 6)]
    assert {name for name, stack in stills.items() if stack.frames.ndim == 4} == {"US0003"}
    assert all(item.scale.spacing_mm == (0.1, 0.1) for item in case.frames)
    assert all(item.laterality == patient.side for item in case.frames)


def test_calipers_measure_along_and_across_the_lesion():
    y, x = np.mgrid[:120, :160]
    along, across = across_lesion(((x - 80) / 50) ** 2 + ((y - 60) / 20) ** 2 <= 1)
    assert along.length_mm(0.1) == pytest.approx(10.0, abs=0.1)
    assert across.length_mm(0.1) == pytest.approx(4.0, abs=0.1)
    assert sorted([along.start_px[0], along.end_px[0]]) == pytest.approx([30, 130], abs=1)
    assert across_lesion(np.zeros((20, 20), bool)) == []


def test_the_record_is_about_this_case_and_tells_the_truth(case, record, patient):
    (lesion,) = record.lesions
    assert record.case.fingerprint == case.fingerprint and record.simulated
    assert lesion.side == patient.side
    assert (lesion.clock_h, lesion.nipple_distance_mm) == patient.clock_place()
    assert lesion.mri.point_mm == pytest.approx(patient.lesion.centre_mm)
    expected = Pathology.MALIGNANT if patient.evidence.malignant else Pathology.BENIGN
    assert lesion.pathology is expected
    assert lesion.bi_rads is None and not record.first_read_committed
    assert [r.parameters.method for r in record.registrations] == [Method.TRUTH, Method.TRUTH]
    assert {r.frames_key for r in record.registrations} <= {f.key for f in case.frames}
    assert [mark.frames_key for mark in lesion.views] == [r.frames_key for r in record.registrations]
    assert record.extra["evidence_us"] == f"{patient.evidence.us:.4f}"


def test_nothing_objects_to_fusing_a_simulated_patient(case, record):
    (lesion,) = record.lesions
    plane = us_plane(load_frames(case.frame_set(lesion.us.frames_key)))
    body = find_body(load_volume(case.volume(lesion.mri.volume_key)))
    assert mark_distance_mm(record, lesion, plane) < 2.5
    assert objections_to_fusing(record, lesion, plane, side_of(lesion.mri.point_mm, body)) == ()


def test_the_truth_lies_beside_the_folder(simulated_patient, patient, stills):
    beside = simulated_patient.folder.with_name("patient.truth")
    told = json.loads((beside / "truth.json").read_text(encoding="utf-8"))
    assert told["seed"] == SEED and told["malignant"] is patient.evidence.malignant
    assert told["lesion"]["family"] == patient.lesion.family
    labels = sitk.ReadImage(str(beside / "labels.nii.gz"))
    lesion = sitk.ReadImage(str(beside / "lesion.mri.nii.gz"))
    for image in (labels, lesion):
        index = image.TransformPhysicalPointToIndex(patient.lesion.centre_mm.tolist())
        assert image[index] == (Tissue.LESION if image is labels else 1)
    for view, frame in stills.items():
        mask = np.asarray(Image.open(beside / f"{view}.lesion.png"))
        assert np.array_equal(mask > 0, frame.lesion_mask)
        assert (beside / f"{view}.displacement.nii.gz").exists()


def test_the_displacement_leads_from_the_registration_to_the_true_place(simulated_patient, stills):
    view, frame = next(iter(stills.items()))
    file = simulated_patient.folder.with_name("patient.truth") / f"{view}.displacement.nii.gz"
    image = sitk.ReadImage(str(file))
    us_mm = np.array(image.TransformIndexToPhysicalPoint((5, 9, 3)))
    registered = map_points(frame.registration, us_mm)
    assert registered + image[5, 9, 3] == pytest.approx(frame.probe.to_prone(us_mm[None])[0], abs=1e-3)


def test_a_patient_in_enhanced_objects_without_the_truth_beside(tmp_path):
    record = write_patient(tmp_path / "patient", seed=2, size=SMALL, truth=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["patient", "patient.review.json"]
    assert sum(path.name.startswith("DCE") for path in (tmp_path / "patient").iterdir()) == 1
    case = scan_folder(tmp_path / "patient")
    assert len(case.volumes) == 10 and case.problems == ()
    assert read(tmp_path / "patient.review.json") == record
