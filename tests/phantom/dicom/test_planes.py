"""A sweep and an automated scan of a simulated patient: a cine and a volume on disk, with their truth."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from scipy.ndimage import map_coordinates

from breastview.imaging.case import Role
from breastview.imaging.geometry import apply
from breastview.imaging.load import load_frames
from breastview.imaging.scan import scan_folder
from breastview.phantom import sweeps
from breastview.phantom.dicom import pictures
from breastview.phantom.dicom.dialect import Dialect, Vendor
from breastview.phantom.dicom.known import us_truth
from breastview.phantom.patient import simulate
from breastview.records.values import FrameRegistration
from breastview.registration.transform import carried, map_points


@pytest.fixture(scope="module")
def patient():
    return simulate(2)


@pytest.fixture(scope="module")
def sweep(patient):
    return sweeps.sweep(patient, patient.views[0], frames=2)


@pytest.fixture(scope="module")
def abus(patient):
    return sweeps.abus(patient, frames=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, patient, sweep, abus):
    place = tmp_path_factory.mktemp("planes")
    pictures.write_cine(place, patient, Dialect(Vendor.SIEMENS), sweep)
    pictures.write_abus(place, patient, Dialect(Vendor.SIEMENS), abus)
    return place


def test_both_are_read_back_in_their_roles(folder, patient, sweep, abus):
    frames = {item.role.role: item for item in scan_folder(folder).frames}
    cine, volume = load_frames(frames[Role.US_CINE]), load_frames(frames[Role.US_VOLUME])
    place = cine.sector
    assert np.array_equal(cine.frames[:, place.top : place.bottom, place.left : place.right], sweep.grey)
    assert np.array_equal(volume.frames, abus.grey)
    assert volume.scale.spacing_mm == pytest.approx(abus.spacing_mm[1:])
    assert all(item.simulated and item.laterality == patient.side for item in frames.values())


def test_the_volume_lies_where_its_plate_lay_on_the_supine_patient(folder, abus):
    header = pydicom.dcmread(folder / "US_ABUS", stop_before_pixels=True)
    own = header.PerFrameFunctionalGroupsSequence[1].PlanePositionVolumeSequence[0]
    corner = [(1 - abus.grey.shape[2]) / 2 * abus.spacing_mm[2], 0.0, abus.z_mm[1]]
    expected = map_points(abus.probe.pose, np.array(corner))
    assert list(own.ImagePositionVolume) == pytest.approx(expected, abs=1e-5)


def test_one_registration_holds_for_every_plane_of_the_volume(folder, patient, abus):
    frames = next(item for item in scan_folder(folder).frames if item.role.role is Role.US_VOLUME)
    assert frames.step_mm == pytest.approx(abus.spacing_mm[0], abs=1e-4)
    middle = carried(abus.registration, float(abus.z_mm[0]))
    kept = FrameRegistration(frames.key, 0, middle, frames.step_mm)
    for number, z_mm in enumerate(abus.z_mm):
        seen = map_points(kept.seen_from(number), np.array([3.0, 20.0]))
        assert seen == pytest.approx(map_points(abus.registration, np.array([3.0, 20.0, z_mm])), abs=1e-3)


@pytest.mark.parametrize("name", ["sweep", "abus"])
def test_the_displacement_leads_every_lesion_pixel_into_the_lesion(request, patient, name):
    planes = request.getfixturevalue(name)
    told = us_truth({}, {name: planes})[name]
    us_mm = apply(told.index_to_us, np.argwhere(told.lesion)[::500])
    vectors, spacing_mm, origin_mm = told.displacement
    index = ((us_mm - origin_mm) / spacing_mm)[:, ::-1].T
    moved = np.stack([map_coordinates(vectors[..., k], index, order=1) for k in range(3)], axis=-1)
    prone = map_points(planes.registration, us_mm) + moved
    assert len(us_mm) > 3
    assert patient.lesion.level(prone, "us").max() < 1.0
    assert np.linalg.norm(prone - planes.probe.to_prone(us_mm), axis=1).max() < 0.5
