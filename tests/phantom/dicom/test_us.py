"""Ultrasound on disk: stills in grey and colour, sweeps and volumes, with side, place and scale."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest

from breastview.imaging.case import Role
from breastview.imaging.load import load_frames
from breastview.imaging.scan import scan_folder
from breastview.imaging.volume import Sector
from breastview.phantom.dicom import us
from breastview.phantom.dicom.dialect import SYNTAXES, Dialect, Vendor
from breastview.phantom.patient import simulate

SECTOR = Sector(20, 10, 140, 110)
SPACING_MM = (0.1, 0.1)
TEXT = "RT 10:00 4 cm FN RAD"


@pytest.fixture(scope="module")
def patient():
    return simulate(3)


def picture(seed: int = 0) -> np.ndarray:
    """A grey picture with a black border around `SECTOR`."""
    grey = np.zeros((125, 161), np.uint8)
    grey[10:110, 20:140] = np.random.default_rng(seed).integers(20, 200, (100, 120))
    return grey


def only_frames(folder):
    (frames,) = scan_folder(folder).frames
    return frames


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (("R", 10.0, 40.0, "radial"), "RT 10:00 4 cm FN RAD"),
        (("L", 2.5, 35.0, "antiradial"), "LT 2:30 3.5 cm FN ARAD"),
        (("L", 12.0, 8.0, "transverse"), "LT 12:00 1 cm FN TRANS"),
        (("R", 6.5, 121.0, "sagittal"), "RT 6:30 12 cm FN SAG"),
    ],
)
def test_annotations_read_as_sonographers_write_them(place, text):
    assert us.annotation(*place) == text


@pytest.mark.parametrize("vendor", list(Vendor))
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_still_comes_back_with_its_pixels_scale_side_and_place(tmp_path, patient, vendor, syntax):
    still = us.Still("radial", TEXT, picture(), [us.region(SECTOR, SPACING_MM, 7.5)])
    us.write_still(tmp_path / "US0001", patient, Dialect(vendor, syntax=syntax), still, (1, 1))
    frames = only_frames(tmp_path)
    assert frames.role.role is Role.US_STILL
    assert frames.description == f"SIMULATED {TEXT}" and frames.laterality == patient.side
    assert frames.scale.spacing_mm == pytest.approx(SPACING_MM)
    stack = load_frames(frames)
    assert stack.sector == SECTOR and np.array_equal(stack.grey(), picture())


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_colour_stays_colour(tmp_path, patient, syntax):
    colour = np.repeat(picture()[..., None], 3, axis=2)
    colour[40:60, 50:70] = (250, 30, 10)
    regions = [
        us.region(SECTOR, SPACING_MM, 7.5),
        us.region(Sector(50, 40, 70, 60), SPACING_MM, 7.5, us.COLOUR_FLOW),
    ]
    still = us.Still("radial doppler", TEXT, colour, regions)
    us.write_still(tmp_path / "US0001", patient, Dialect(Vendor.PHILIPS, syntax=syntax), still, (1, 3))
    frames = only_frames(tmp_path)
    assert [note.code for note in frames.notes] == ["scan.several_regions"]
    assert frames.scale.spacing_mm == pytest.approx(SPACING_MM)
    stack = load_frames(frames)
    assert stack.sector == SECTOR and np.array_equal(stack.frames[0], colour)


@pytest.mark.parametrize(("vendor", "planar"), [(Vendor.GE, 0), (Vendor.SIEMENS, None), (Vendor.PHILIPS, 1)])
def test_vendors_keep_grey_pictures_their_own_way(tmp_path, patient, vendor, planar):
    still = us.Still("radial", TEXT, picture(), [us.region(SECTOR, SPACING_MM, 7.5)])
    us.write_still(tmp_path / "US0001", patient, Dialect(vendor), still, (1, 1))
    header = pydicom.dcmread(tmp_path / "US0001")
    assert header.get("PlanarConfiguration") == planar
    assert header.SequenceOfUltrasoundRegions[0].TransducerFrequency == 7500
    assert header.BurnedInAnnotation == "YES" and "SIMULATED" in header.ImageType
    assert header.ImageComments == header.SeriesDescription == f"SIMULATED {TEXT}"


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_sweep_is_a_cine(tmp_path, patient, syntax):
    pictures = np.stack([picture(seed) for seed in range(6)])
    regions = [us.region(SECTOR, SPACING_MM, 7.5)]
    us.write_sweep(
        tmp_path / "CINE", patient, Dialect(Vendor.GE, syntax=syntax), TEXT, pictures, regions, 40.0
    )
    frames = only_frames(tmp_path)
    assert frames.role.role is Role.US_CINE and len(frames.sources) == 6
    assert frames.description == f"SIMULATED {TEXT} sweep" and frames.simulated
    assert frames.scale.spacing_mm == pytest.approx(SPACING_MM)
    assert np.array_equal(load_frames(frames).frames, pictures)
    header = pydicom.dcmread(tmp_path / "CINE")
    assert header.FrameTime == 40.0 and header.file_meta.TransferSyntaxUID.is_compressed


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_an_automated_scan_is_a_volume_with_geometry(tmp_path, patient, syntax):
    array = np.random.default_rng(1).integers(0, 255, (7, 50, 60), np.uint8)
    index_to_supine = np.array([[0, 0, 0.2, -30], [0, 0.1, 0, -80], [-0.5, 0, 0, 12], [0, 0, 0, 1.0]])
    us.write_volume(
        tmp_path / "ABUS", patient, Dialect(Vendor.GE, syntax=syntax), "RT", array, index_to_supine
    )
    frames = only_frames(tmp_path)
    assert frames.role.role is Role.US_VOLUME and frames.simulated
    assert frames.scale.spacing_mm == pytest.approx((0.1, 0.2))
    assert np.array_equal(load_frames(frames).frames, array)
    header = pydicom.dcmread(tmp_path / "ABUS")
    places = [
        [float(mm) for mm in own.PlanePositionVolumeSequence[0].ImagePositionVolume]
        for own in header.PerFrameFunctionalGroupsSequence
    ]
    assert places == [pytest.approx([-30, -80, 12 - 0.5 * number]) for number in range(7)]
    orientation = header.SharedFunctionalGroupsSequence[0].PlaneOrientationVolumeSequence[0]
    assert list(orientation.ImageOrientationVolume) == [1, 0, 0, 0, 1, 0]
