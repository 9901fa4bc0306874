"""A simulated patient on disk is an ordinary patient folder that never hides what it is."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest

from breastview.imaging.case import Role
from breastview.imaging.load import load_frames, load_volume
from breastview.imaging.scan import scan_folder
from breastview.phantom.crops import acquire_all
from breastview.phantom.dicom import SMALL, whole_maps
from breastview.phantom.patient import simulate
from breastview.records.concordance import mark_distance_mm, objections_to_fusing
from breastview.records.store import read
from breastview.records.values import Pathology
from breastview.registration.parameters import Method
from breastview.registration.plane import us_plane
from breastview.registration.skin import find_body, side_of

SEED = 3


@pytest.fixture(scope="module")
def case(simulated_patient):
    return scan_folder(simulated_patient.folder)


@pytest.fixture(scope="module")
def record(simulated_patient):
    return read(simulated_patient.record_file)


def test_the_scan_finds_every_series_in_its_role(case):
    roles = sorted((v.role.role.value, v.role.b_value, v.role.phase) for v in case.volumes)
    assert roles == sorted(
        [("t1wi", None, None), ("t2wi", None, None), ("dwi", 0.0, None), ("dwi", 800.0, None)]
        + [("dce", None, phase) for phase in range(1, 7)],
        key=lambda role: (role[0], role[1] or 0, role[2] or 0),
    )
    assert [f.role.role for f in case.frames] == [Role.US_STILL, Role.US_STILL]
    assert case.problems == () and case.notes == ()


def test_the_phases_know_their_delays(case):
    delays = {v.role.phase: v.role.delay_s for v in case.volumes if v.role.role is Role.DCE}
    assert delays == {1: 0.0, 2: 60.0, 3: 120.0, 4: 180.0, 5: 240.0, 6: 300.0}


def test_ultrasound_has_its_scale_from_the_region(case):
    for item in case.frames:
        assert item.scale.spacing_mm == pytest.approx((0.1, 0.1))
        assert item.scale.reason.code == "scale.region"
        assert item.laterality == simulate(SEED).side


def test_the_files_hold_the_simulated_arrays(case):
    patient = simulate(SEED)
    expected = acquire_all(whole_maps(patient, SMALL), patient.stream("mri"), phases=6)
    by_role = {(v.role.role, v.role.b_value, v.role.phase): v for v in case.volumes}
    for name, key in {
        "t1wi": (Role.T1WI, None, None),
        "dwi_b800": (Role.DWI, 800.0, None),
        "dce_6": (Role.DCE, None, 6),
    }.items():
        array, matrix = expected[name]
        volume = load_volume(by_role[key])
        assert np.array_equal(volume.array, array)
        assert volume.index_to_lps == pytest.approx(matrix, abs=1e-3)


def test_every_file_says_simulated_and_nothing_looks_like_a_person(simulated_patient):
    for path in sorted(simulated_patient.folder.iterdir())[::40]:
        header = pydicom.dcmread(path, stop_before_pixels=True)
        assert "SIMULATED" in header.ImageType and header.ImageComments == "SIMULATED"
        assert "SIMULATED" in header.Manufacturer and "SIMULATED" in header.SeriesDescription
        assert str(header.PatientName) == "SIMULATED^0003=模拟患者"
        assert header.PatientID == "SIM-0003" and header.AccessionNumber == ""
        assert "InstitutionName" not in header and str(header.ReferringPhysicianName) == ""


def test_every_image_of_the_case_counts_as_simulated(case):
    assert all(item.simulated for item in (*case.volumes, *case.frames))


def test_the_word_is_burned_into_the_border_and_never_over_the_image(case):
    patient = simulate(SEED)
    for item in case.frames:
        stack, frame = load_frames(item), patient.frame(item.description.split()[-1])
        place = slice(frame.sector.top, frame.sector.bottom), slice(frame.sector.left, frame.sector.right)
        assert stack.sector == frame.sector
        assert np.array_equal(stack.grey()[place], frame.grey[place])
        changed = np.argwhere(stack.grey() != frame.grey)
        assert len(changed) > 100 and changed[:, 0].max() < frame.sector.top


def test_the_record_is_about_this_case_and_tells_the_truth(case, record):
    patient = simulate(SEED)
    (lesion,) = record.lesions
    assert record.case.fingerprint == case.fingerprint and record.simulated
    assert lesion.side == patient.side
    assert lesion.mri.point_mm == pytest.approx(patient.lesion.centre_mm)
    expected = Pathology.MALIGNANT if patient.evidence.malignant else Pathology.BENIGN
    assert lesion.pathology is expected
    assert lesion.bi_rads is None and not record.first_read_committed
    assert [r.parameters.method for r in record.registrations] == [Method.TRUTH, Method.TRUTH]
    assert {r.frames_key for r in record.registrations} == {f.key for f in case.frames}


def test_nothing_objects_to_fusing_a_simulated_patient(case, record):
    (lesion,) = record.lesions
    plane = us_plane(load_frames(case.frame_set(lesion.us.frames_key)))
    body = find_body(load_volume(case.volume(lesion.mri.volume_key)))
    assert mark_distance_mm(record, lesion, plane) < 2.5
    assert objections_to_fusing(record, lesion, plane, side_of(lesion.mri.point_mm, body)) == ()
