"""Of several DCE acquisitions that of the lesion's breast is read."""

from __future__ import annotations

import pytest

from breastview.fusion.assemble import channel_volumes
from breastview.imaging.dynamic import subtraction_name
from breastview.imaging.scan import scan_folder
from breastview.records.breast import of_breast
from breastview.records.values import Lesion, MriMark, Side
from tests.imaging.dicom_files import dce_series, save_all, two_breasts

RIGHT_MM, LEFT_MM = (-70.0, -40.0, 40.0), (50.0, -40.0, 40.0)


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    folder = tmp_path_factory.mktemp("breasts")
    save_all(folder, two_breasts())
    return scan_folder(folder)


@pytest.mark.parametrize(
    ("lesion", "name", "read"),
    [
        (None, "DCE R 2 − 1", [40, 42]),
        (Lesion("L1"), "DCE R 2 − 1", [40, 42]),
        (Lesion("L1", side=Side.RIGHT), "DCE R 2 − 1", [40, 42]),
        (Lesion("L1", side=Side.LEFT), "DCE L 2 − 1", [41, 43]),
        (Lesion("L1", mri=MriMark("t1", RIGHT_MM)), "DCE R 2 − 1", [40, 42]),
        (Lesion("L1", mri=MriMark("t1", LEFT_MM)), "DCE L 2 − 1", [41, 43]),
        (Lesion("L1", side=Side.RIGHT, mri=MriMark("t1", LEFT_MM)), "DCE L 2 − 1", [41, 43]),
        (Lesion("L1", mri=MriMark("t1", (0.0, 0.0, 0.0))), "DCE R 2 − 1", [40, 42]),
    ],
)
def test_window_and_model_take_the_acquisition_of_the_breast_that_is_marked_or_confirmed(
    case, lesion, name, read
):
    volumes = of_breast(case, lesion).volumes
    assert subtraction_name(volumes) == name
    assert [volume.series_number for volume in channel_volumes(volumes).values()] == read


def test_the_choice_is_taken_back_with_the_lesion(case):
    chosen = of_breast(case, Lesion("L1", side=Side.LEFT))
    assert of_breast(chosen, Lesion("L2", side=Side.LEFT)) is chosen
    assert subtraction_name(of_breast(chosen, None).volumes) == "DCE R 2 − 1"


def test_an_acquisition_of_both_breasts_needs_no_choice(tmp_path):
    save_all(tmp_path, dce_series(phases=2))
    case = scan_folder(tmp_path)
    assert of_breast(case, Lesion("L1", side=Side.LEFT)) is case
    assert of_breast(case, Lesion("L1", mri=MriMark("t1", (0.0, 0.0, 3.0)))) is case
