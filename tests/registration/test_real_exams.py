"""Real exams: midline, nipples and sides are found in them, and a start from the marks shows the lesion."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from breastview.imaging.case import Role
from breastview.imaging.geometry import slice_through
from breastview.imaging.load import load_frames, load_volume
from breastview.imaging.scan import scan_folder
from breastview.registration.pair import register_pair
from breastview.registration.plane import us_plane
from breastview.registration.skin import find_body, midline_x_mm, nipple_mm, side_of, skin_near
from breastview.registration.start import start_from_mri_mark


def marks(real_data, patient: str) -> tuple[tuple[float, float], tuple[float, float, float]]:
    """The lesion's US centre in pixels (column, row) and its MRI centre in LPS mm, as a reader drew them."""
    with (real_data / "patients" / "lesions.csv").open(encoding="utf-8") as file:
        rows = {row["modality"]: row for row in csv.DictReader(file) if row["patient_id"] == patient}
    us, mri = rows["US"], rows["MR"]
    return (float(us["cx_px"]), float(us["cy_px"])), tuple(float(mri[f"mr_{axis}_mm"]) for axis in "xyz")


def test_the_weightings_of_one_exam_agree_about_midline_and_nipples(real_data):
    case = scan_folder(real_data / "patients" / "patient-a")
    wanted = (Role.T1WI, Role.T2WI, Role.STIR)
    bodies = [find_body(load_volume(v)) for v in case.volumes if v.role.role in wanted]
    assert len(bodies) == 3
    assert np.ptp([midline_x_mm(body) for body in bodies]) < 5.0
    for side in "RL":
        assert np.ptp([nipple_mm(body, side) for body in bodies], axis=0).max() < 8.0
    assert nipple_mm(bodies[0], "R")[0] < midline_x_mm(bodies[0]) < nipple_mm(bodies[0], "L")[0]


@pytest.mark.parametrize(("patient", "side"), [("patient-b", "L"), ("patient-c", "L"), ("patient-d", "R")])
def test_the_marked_lesion_lies_in_its_breast_and_shows_in_the_us_plane(real_data, patient, side):
    case = scan_folder(real_data / "patients" / patient)
    us_px, mri_mm = marks(real_data, patient)
    volume = load_volume(case.volumes[0])
    body = find_body(volume)
    assert side_of(mri_mm, body) == side
    assert skin_near(body, mri_mm)[:, 1].min() < mri_mm[1]

    stack = load_frames(case.frames[0])
    plane = us_plane(stack)
    lesion_mm = plane.px_to_mm(us_px)
    pair = register_pair(stack, 0, {"mri": volume}, start_from_mri_mark(tuple(lesion_mm), mri_mm))
    grid = pair.grid
    column, row = np.round((lesion_mm - [grid.left_mm, grid.top_mm]) / grid.spacing_mm).astype(int)
    nearest = tuple(np.round(slice_through(volume.index_to_lps, mri_mm)).astype(int))
    around = volume.array[tuple(slice(i - 1, i + 2) for i in nearest)]
    assert around.min() <= pair.mri["mri"][row, column] <= around.max()
    assert np.isfinite(pair.mri["mri"]).mean() > 0.5
