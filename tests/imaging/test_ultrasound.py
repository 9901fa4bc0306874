"""US stills, cines and volumes: what they are, how large a pixel is, which side."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.dataset import Dataset

from breastview.imaging.case import Role
from breastview.imaging.load import load_frames
from breastview.imaging.scan import scan_folder
from breastview.imaging.volume import Sector
from breastview.messages import render
from tests.imaging.dicom_files import mr_series, region, save_all, us_pixels, us_still

IMAGE = (20, 10, 139, 109)


def scanned(folder, made):
    save_all(folder, made)
    (frames,) = scan_folder(folder).frames
    return frames


def said(frames) -> list[str]:
    return [note.code for note in frames.notes]


def test_a_still_with_its_region_in_centimetres(tmp_path):
    frames = scanned(tmp_path, us_still(regions=[region(*IMAGE, delta_cm=0.0105)]))
    assert frames.role.role is Role.US_STILL
    assert frames.scale.spacing_mm == pytest.approx((0.105, 0.105))
    assert render(frames.scale.reason) == "from the ultrasound region"
    assert frames.region == (20, 10, 140, 110)
    assert said(frames) == []
    sector = load_frames(frames).sector
    assert sector == Sector(20, 10, 140, 110)
    assert sector.face_middle_px == (79.5, 10.0)


def test_rows_and_columns_have_their_own_scale_and_the_sign_tells_nothing(tmp_path):
    one = region(*IMAGE)
    one.PhysicalDeltaX, one.PhysicalDeltaY = 0.02, -0.01
    assert scanned(tmp_path, us_still(regions=[one])).scale.spacing_mm == pytest.approx((0.1, 0.2))


@pytest.mark.parametrize(
    "damage",
    [
        {"PhysicalUnitsXDirection": 0},
        {"PhysicalUnitsYDirection": 4},
        {"RegionDataType": 3},
        {"PhysicalDeltaX": 0.0},
        {"PhysicalDeltaX": 5.0},
        {"PhysicalDeltaX": float("nan")},
    ],
    ids=str,
)
def test_no_scale_is_ever_invented(tmp_path, damage):
    one = region(*IMAGE)
    for word, value in damage.items():
        setattr(one, word, value)
    frames = scanned(tmp_path, us_still(regions=[one]))
    assert frames.scale is None
    assert said(frames) == ["scan.no_scale"]
    assert load_frames(frames).scale is None


def test_a_region_that_lacks_its_delta_is_no_region(tmp_path):
    one = region(*IMAGE)
    del one.PhysicalDeltaX
    assert scanned(tmp_path, us_still(regions=[one])).scale is None


def test_us_without_a_scale_stays_usable(tmp_path):
    save_all(tmp_path, us_still(regions=[]), mr_series(3))
    case = scan_folder(tmp_path)
    (frames,) = case.frames
    assert (frames.scale, said(frames)) == (None, ["scan.no_scale"])
    stack = load_frames(frames)
    np.testing.assert_array_equal(stack.frames[0], us_pixels())
    assert stack.sector == Sector(20, 10, 140, 110)
    assert len(case.volumes) == 1


def test_pixel_spacing_is_a_scale_and_says_so(tmp_path):
    frames = scanned(tmp_path, us_still(regions=[], PixelSpacing=[0.08, 0.09]))
    assert frames.scale.spacing_mm == (0.08, 0.09)
    assert render(frames.scale.reason) == "from the pixel spacing"
    assert said(frames) == ["scan.no_region"]


def test_several_regions_with_one_scale(tmp_path):
    small = region(0, 0, 15, 15)
    frames = scanned(tmp_path, us_still(regions=[small, region(*IMAGE)]))
    assert frames.region == (20, 10, 140, 110)
    assert frames.scale.spacing_mm == pytest.approx((0.1, 0.1))
    assert [render(note) for note in frames.notes] == [
        "2 ultrasound regions with one scale; the largest is used."
    ]


def test_regions_that_disagree_give_no_scale(tmp_path):
    frames = scanned(tmp_path, us_still(regions=[region(0, 0, 70, 109), region(80, 0, 159, 109, 0.02)]))
    assert frames.scale is None
    assert said(frames) == ["scan.regions_disagree"]


def test_a_doppler_trace_beside_the_image_does_not_matter(tmp_path):
    trace = region(0, 110, 159, 119, units=4)
    trace.RegionDataType = 3
    frames = scanned(tmp_path, us_still(regions=[trace, region(*IMAGE)]))
    assert frames.scale.spacing_mm == pytest.approx((0.1, 0.1))
    assert said(frames) == []


@pytest.mark.parametrize(("kind", "doppler"), [(1, False), (2, True)], ids=["tissue", "colour flow"])
def test_colour_flow_in_a_part_of_the_picture_is_told(tmp_path, kind, doppler):
    box = region(50, 30, 99, 69)
    box.RegionDataType = kind
    frames = scanned(tmp_path, us_still(regions=[region(*IMAGE), box]))
    assert frames.doppler is doppler
    assert frames.region == (20, 10, 140, 110)


def test_images_stand_in_the_order_in_which_they_were_taken(tmp_path):
    numbers = {1: (2, 1), 2: (1, 10), 3: (1, 9)}  # name of the image: number of its series, and in there
    for name, (series, instance) in numbers.items():
        save_all(tmp_path / str(name), us_still(name, SeriesNumber=series, InstanceNumber=instance))
    earlier = us_still(4, SeriesNumber=5, InstanceNumber=1, StudyDate="20200101")
    save_all(tmp_path / "4", earlier)
    case = scan_folder(tmp_path)
    assert [frames.key[-1] for frames in case.frames] == ["4", "3", "2", "1"]
    assert [frames.key[-1] for frames in case.latest_frames] == ["3", "2", "1"]
    assert [note.code for note in case.notes] == ["case.several_us_days"]


def test_a_region_that_overruns_the_cropped_picture(tmp_path):
    frames = scanned(tmp_path, us_still(regions=[region(60, 40, 300, 200, delta_cm=0.0105)]))
    assert frames.scale.spacing_mm == pytest.approx((0.105, 0.105))
    assert said(frames) == ["scan.region_overruns"]
    assert load_frames(frames).sector == Sector(20, 10, 140, 110), "found in the pixels"


def test_a_cine_and_a_volume(tmp_path):
    pixels = np.stack([us_pixels()] * 3)
    volume = us_still(2, pixels=pixels, frames=True)
    volume.SOPClassUID = volume.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.6.2"
    save_all(tmp_path, us_still(1, pixels=pixels, frames=True), volume)
    found = {frames.key[-1]: frames for frames in scan_folder(tmp_path).frames}
    assert (found["1"].role.role, render(found["1"].role.reason)) == (Role.US_CINE, "3 ultrasound frames")
    assert found["2"].role.role is Role.US_VOLUME
    assert [source.frame for source in found["2"].sources] == [0, 1, 2]
    assert load_frames(found["2"]).frames.shape == (3, 120, 160)


def test_a_us_volume_measures_by_its_functional_groups(tmp_path):
    made = us_still(1, pixels=np.stack([us_pixels()] * 2), frames=True, regions=[])
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.6.2"
    measures, shared = Dataset(), Dataset()
    measures.PixelSpacing = [0.2, 0.1]
    shared.PixelMeasuresSequence = [measures]
    made.SharedFunctionalGroupsSequence = [shared]
    assert scanned(tmp_path, made).scale.spacing_mm == (0.2, 0.1)


def volume_of(positions, cosines=(1, 0, 0, 0, 1, 0)):
    """An enhanced US volume whose frames lie at `positions`."""
    made = us_still(1, pixels=np.stack([us_pixels()] * len(positions)), frames=True, regions=[])
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.6.2"
    orientation, shared, made.PerFrameFunctionalGroupsSequence = Dataset(), Dataset(), []
    orientation.ImageOrientationVolume = list(cosines)
    shared.PlaneOrientationVolumeSequence = [orientation]
    made.SharedFunctionalGroupsSequence = [shared]
    for place in positions:
        position, own = Dataset(), Dataset()
        position.ImagePositionVolume = list(place)
        own.PlanePositionVolumeSequence = [position]
        made.PerFrameFunctionalGroupsSequence.append(own)
    return made


@pytest.mark.parametrize(
    ("positions", "cosines", "step_mm"),
    [
        ([(0, 0, 0), (0, 0, 2), (0, 0, 4)], (1, 0, 0, 0, 1, 0), 2.0),
        ([(0, 0, 0), (0, 0, -2), (0, 0, -4)], (1, 0, 0, 0, 1, 0), -2.0),
        ([(0, 0, 0), (0, 1.5, 0), (0, 3, 0)], (1, 0, 0, 0, 0, -1), 1.5),
        ([(0, 0, 0), (0, 0, 2), (0, 0, 5)], (1, 0, 0, 0, 1, 0), None),
        ([(0, 0, 0), (1, 0, 2), (0, 0, 4)], (1, 0, 0, 0, 1, 0), None),
        ([(0, 0, 0), (0, 0, 0)], (1, 0, 0, 0, 1, 0), None),
        ([(0, 0, 0)], (1, 0, 0, 0, 1, 0), None),
    ],
    ids=str,
)
def test_planes_of_a_volume_are_a_step_apart_where_they_are_even(tmp_path, positions, cosines, step_mm):
    assert scanned(tmp_path, volume_of(positions, cosines)).step_mm == step_mm


def test_a_secondary_capture_of_us(tmp_path):
    made = us_still(regions=[])
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    frames = scanned(tmp_path, made)
    assert (frames.role.role, frames.scale) == (Role.US_STILL, None)


@pytest.mark.parametrize(
    ("values", "side"),
    [
        ({"ImageLaterality": "L"}, "L"),
        ({"Laterality": "R", "SeriesDescription": "left breast"}, "R"),
        ({"ImageLaterality": "B", "SeriesDescription": "LT BREAST"}, "L"),
        ({"SeriesDescription": "Right breast 10h"}, "R"),
        ({"SeriesDescription": "左乳"}, "L"),
        ({"SeriesDescription": "right and left"}, ""),
        ({"SeriesDescription": "cleft, bright"}, ""),
        ({"BodyPartExamined": "BREAST", "ImageComments": "rt 9:00"}, "R"),
        ({}, ""),
    ],
    ids=str,
)
def test_the_side(tmp_path, values, side):
    values = {"SpecificCharacterSet": "ISO_IR 192", **values}
    assert scanned(tmp_path, us_still(**values)).laterality == side


def test_one_frame_as_grey(tmp_path):
    picture = np.repeat(us_pixels()[..., None], 3, axis=2)
    picture[50, 50] = (255, 0, 0)
    stack = load_frames(scanned(tmp_path, us_still(pixels=picture, photometric="RGB")))
    assert stack.frames.shape == (1, 120, 160, 3)
    grey = stack.grey()
    assert (grey.dtype, grey.shape) == (np.uint8, (120, 160))
    assert grey[50, 50] == 76, "0.299 × 255"
    assert grey[60, 60] == us_pixels()[60, 60]
