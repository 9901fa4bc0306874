"""What a volume is for, by its header, in the words of three vendors, with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from breastview.imaging.case import Role
from breastview.imaging.diffusion import highest_b, named_b_value
from breastview.imaging.header import Header
from breastview.imaging.roles import role_alone
from breastview.imaging.scan import scan_folder
from breastview.messages import render
from tests.imaging.dicom_files import mr_series, save_all

SPIN = {"ScanningSequence": "SE"}
PLANAR = {"ScanningSequence": ("EP", "SE")}


def header(description: str = "", **values) -> Header:
    return Header(Path("x"), 0, "", 0, {"SeriesDescription": description, **values})


@pytest.mark.parametrize(
    ("values", "role", "reason"),
    [
        (
            {**SPIN, "RepetitionTime": 450.0, "EchoTime": 10.0},
            Role.T1WI,
            "spin echo, TR 450 ms, TE 10.0 ms",
        ),
        (
            {**SPIN, "RepetitionTime": 4000.0, "EchoTime": 85.0},
            Role.T2WI,
            "spin echo, TR 4000 ms, TE 85.0 ms",
        ),
        (
            {"description": "Ax fs T2 FRFSE", "RepetitionTime": 4000.0, "EchoTime": 85.0},
            Role.T2WI,
            "spin echo, TR 4000 ms, TE 85.0 ms",
        ),
        ({"description": "t2_tirm_tra", "InversionTime": 170.0}, Role.STIR, "inversion recovery, TI 170 ms"),
        ({"description": "STIR_TRA"}, Role.STIR, "inversion recovery by its description"),
        (
            {"ScanningSequence": ("SE", "IR"), "InversionTime": 150.0, "EchoTime": 60.0},
            Role.STIR,
            "inversion recovery, TI 150 ms",
        ),
        ({"description": "Ax T1 3D"}, Role.T1WI, "T1 by its description"),
        ({"description": "T2W_TRA"}, Role.T2WI, "T2 by its description"),
        ({"description": "t2*_gre"}, Role.OTHER, "nothing in the header tells its weighting"),
        (
            {"description": "dyn_eTHRIVE", "ScanningSequence": "GR"},
            Role.DCE,
            "dynamic by its description; its other phases are not here",
        ),
        (
            {"description": "Ax VIBRANT+C", "ScanningSequence": "GR"},
            Role.DCE,
            "dynamic by its description; its other phases are not here",
        ),
        (
            {"description": "动态增强", "ScanningSequence": "GR"},
            Role.DCE,
            "dynamic by its description; its other phases are not here",
        ),
        ({"description": "ep2d_diff_ADC"}, Role.ADC, "an ADC map by its image type or description"),
        (
            {"description": "x", "ImageType": ("DERIVED", "PRIMARY", "ADC")},
            Role.ADC,
            "an ADC map by its image type or description",
        ),
        ({"description": "dyn_SUB"}, Role.SUBTRACTION, "a subtraction by its image type or description"),
        ({"description": "减影 2-1"}, Role.SUBTRACTION, "a subtraction by its image type or description"),
        (
            {"description": "dyn_SUB_MIP_TRA"},
            Role.MIP,
            "a maximum intensity projection by its image type or description",
        ),
        (
            {"description": "x", "ImageType": ("DERIVED", "SECONDARY", "PROJECTION IMAGE")},
            Role.MIP,
            "a maximum intensity projection by its image type or description",
        ),
        ({"description": "3-plane"}, Role.LOCALIZER, "a localizer by its description"),
        ({"description": "survey BREAST"}, Role.LOCALIZER, "a localizer by its description"),
        ({"description": "local fat sat"}, Role.OTHER, "nothing in the header tells its weighting"),
        ({"description": "Ax DWI"}, Role.DWI, "diffusion, b-value unknown"),
        ({"description": "DWI b=800"}, Role.DWI, "diffusion with b = 800 s/mm² (description)"),
        (
            {**PLANAR, "DiffusionBValue": 800.0},
            Role.DWI,
            "diffusion with b = 800 s/mm² (standard tag)",
        ),
        (
            {**PLANAR, "GeBValue": (1000000800, 8, 0, 0), "Manufacturer": "GE MEDICAL SYSTEMS"},
            Role.DWI,
            "diffusion with b = 800 s/mm² (GE's tag)",
        ),
        (
            {**PLANAR, "SiemensBValue": 50, "Manufacturer": "SIEMENS"},
            Role.DWI,
            "diffusion with b = 50 s/mm² (Siemens's tag)",
        ),
        (
            {**PLANAR, "PhilipsBValue": 600.0, "Manufacturer": "Philips Medical Systems"},
            Role.DWI,
            "diffusion with b = 600 s/mm² (Philips's tag)",
        ),
        (
            {**PLANAR, "SequenceName": "*ep_b400t", "Manufacturer": "SIEMENS"},
            Role.DWI,
            "diffusion with b = 400 s/mm² (sequence name)",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_role_and_its_reason(values, role, reason):
    choice = role_alone(header(**values))
    assert (choice.role, render(choice.reason)) == (role, reason)


@pytest.mark.parametrize(
    ("values", "b"),
    [
        ({"DiffusionBValue": 800.0}, 800.0),
        ({"GeBValue": (1000000800, 8, 0, 0)}, 800.0),
        ({"GeBValue": 800}, 800.0),
        ({"SequenceName": "ep_b0"}, 0.0),
        ({"SequenceName": "ep_b1000#12"}, 1000.0),
        ({"GeBValue": 5, "SequenceName": "ep_b50t", "Manufacturer": "SIEMENS"}, 50.0),
        ({"SiemensBValue": 7, "Manufacturer": "GE MEDICAL SYSTEMS"}, None),
    ],
    ids=str,
)
def test_the_b_value_of_each_vendor(values, b):
    choice = role_alone(header("dwi", **PLANAR, **values))
    assert (choice.role, choice.b_value) == (Role.DWI, b)


@pytest.mark.parametrize(
    ("text", "b"),
    [
        ("DWI b800", 800),
        ("dwi_b=50", 50),
        ("b 1000 trace", 1000),
        ("rib20", None),
        ("b12345", None),
        ("", None),
    ],
)
def test_the_b_value_that_a_description_names(text, b):
    assert named_b_value(text) == b


def test_the_diffusion_volume_for_the_model_is_the_strongest(tmp_path):
    for number, b in enumerate((50, 800, 400), 1):
        save_all(tmp_path, mr_series(2, series=number, SeriesDescription=f"dwi b{b}", ScanningSequence="EP"))
    volumes = scan_folder(tmp_path).volumes
    assert highest_b(volumes) is volumes[1]
    assert highest_b(volumes[:1]) is None, "b = 50 is too weak"
    assert highest_b(()) is None


def test_the_reader_overrules_a_role(tmp_path):
    save_all(tmp_path, mr_series(2, series=1), mr_series(2, series=2))
    case = scan_folder(tmp_path)
    one, other = case.volumes
    changed = case.with_override(one.key, Role.DCE, phase=2)
    assert (changed.volume(one.key).role.role, changed.volume(one.key).role.phase) == (Role.DCE, 2)
    assert render(changed.volume(one.key).role.reason) == "set by the reader"
    assert changed.volume(other.key) is other
    with pytest.raises(KeyError):
        case.volume("nowhere")
