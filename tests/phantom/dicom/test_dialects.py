"""Every dialect is read back as what was written: roles, phases, b-values, geometry, and each pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813

from breastview.imaging.case import Role, ScannedCase
from breastview.imaging.load import load_volume
from breastview.imaging.scan import scan_folder
from breastview.phantom import mri, scanner
from breastview.phantom.dicom.dialect import (
    CHARACTER_SETS,
    CHINESE,
    LATIN,
    SYNTAXES,
    UTF8,
    Dialect,
    Vendor,
    dialect_of,
)
from breastview.phantom.dicom.series import SERIES
from breastview.phantom.exam import make_exam
from breastview.phantom.patient import simulate
from tests.phantom.dicom.examples import write_mri

GE, SIEMENS, PHILIPS = Vendor.GE, Vendor.SIEMENS, Vendor.PHILIPS
ROLES = {"t1wi": Role.T1WI, "t2wi": Role.T2WI, "dwi": Role.DWI, "dce": Role.DCE}
SPOKEN = [
    Dialect(vendor, enhanced, timed)
    for vendor, enhanced in (
        (GE, False),
        (SIEMENS, False),
        (PHILIPS, False),
        (SIEMENS, True),
        (PHILIPS, True),
    )
    for timed in (True, False)
]
CODED = [
    Dialect(vendor, enhanced, syntax=syntax)
    for syntax in SYNTAXES[1:]
    for vendor, enhanced in ((GE, False), (SIEMENS, True), (PHILIPS, False))
]


@pytest.fixture(scope="module")
def patient():
    return simulate(3)


def read(case: ScannedCase) -> dict[tuple, object]:
    return {(v.role.role, v.role.b_value, v.role.phase): v for v in case.volumes}


def key(name: str) -> tuple:
    series = SERIES[name]
    return ROLES[series.kind], series.b_value, series.phase or None


def files(folder: Path) -> list[pydicom.Dataset]:
    return [pydicom.dcmread(path) for path in sorted(folder.iterdir())]


@pytest.mark.parametrize("dialect", [*SPOKEN, *CODED], ids=lambda d: f"{d.name}, {d.timed}, {d.syntax.name}")
def test_volumes_come_back_as_they_were_written(tmp_path, patient, dialect):
    written = write_mri(tmp_path / "patient", patient, dialect)
    case = scan_folder(tmp_path / "patient")
    assert case.problems == () and case.notes == ()
    found = read(case)
    assert set(found) == {key(name) for name in written}
    for name, (array, index_to_lps) in written.items():
        volume = load_volume(found[key(name)])
        assert np.array_equal(volume.array, array)
        assert volume.index_to_lps == pytest.approx(index_to_lps, abs=1e-5)
        assert volume.notes == ()


@pytest.mark.parametrize("dialect", SPOKEN[::2], ids=lambda d: d.name)
def test_another_reader_sees_the_same_volume(tmp_path, patient, dialect):
    array, index_to_lps = write_mri(tmp_path / "patient", patient, dialect)["t1wi"]
    files_of_t1wi = sorted(map(str, (tmp_path / "patient").glob("T1WI_*")))
    image = sitk.ReadImage(files_of_t1wi[0] if dialect.enhanced else files_of_t1wi)
    assert np.array_equal(sitk.GetArrayFromImage(image), array)
    corner = image.TransformIndexToPhysicalPoint((39, 35, 4))
    assert corner == pytest.approx((index_to_lps @ [4, 35, 39, 1])[:3], abs=1e-5)


@pytest.mark.parametrize("dialect", SPOKEN, ids=lambda d: f"{d.name}, {d.timed}")
def test_phases_know_their_delays_unless_an_archive_blanked_the_times(tmp_path, patient, dialect):
    write_mri(tmp_path / "patient", patient, dialect)
    phases = [v.role for v in scan_folder(tmp_path / "patient").volumes if v.role.role is Role.DCE]
    delays = {role.phase: role.delay_s for role in phases}
    known = dict(enumerate(scanner.PHASE_DELAYS_S, 1))
    assert delays == (known if dialect.timed else dict.fromkeys(known))
    counted = dialect.vendor is not SIEMENS or dialect.enhanced  # else contrast medium tells which is first
    untimed = "role.dce_untimed" if counted else "role.dce_contrast"
    assert {role.reason.code for role in phases} == {"role.dce_timed" if dialect.timed else untimed}


@pytest.mark.parametrize(
    ("dialect", "where"),
    [
        (Dialect(GE), "role.b_ge"),
        (Dialect(SIEMENS), "role.b_siemens"),
        (Dialect(SIEMENS, timed=False), "role.b_sequence_name"),
        (Dialect(PHILIPS), "role.b_philips"),
        (Dialect(SIEMENS, enhanced=True), "role.b_standard"),
        (Dialect(PHILIPS, enhanced=True), "role.b_standard"),
    ],
    ids=lambda part: part.name if isinstance(part, Dialect) else part,
)
def test_each_vendor_keeps_the_b_value_in_its_own_place(tmp_path, patient, dialect, where):
    write_mri(tmp_path / "patient", patient, dialect)
    diffusion = [v.role for v in scan_folder(tmp_path / "patient").volumes if v.role.role is Role.DWI]
    assert sorted(role.b_value for role in diffusion) == [0.0, 800.0]
    assert {role.reason.params["where"].code for role in diffusion} == {where}


def test_ge_adds_a_thousand_million_and_tells_phases_apart_by_trigger_time(tmp_path, patient):
    write_mri(tmp_path / "patient", patient, Dialect(GE))
    headers = files(tmp_path / "patient")
    b_values = {int(h[0x00431039][0]) for h in headers if 0x00431039 in h}
    assert b_values == {1_000_000_000, 1_000_000_800}
    phases = [h for h in headers if "TriggerTime" in h]
    assert {h.AcquisitionTime for h in phases} == {"102000"}
    assert len({h.SeriesInstanceUID for h in phases}) == 1
    assert sorted(h.InstanceNumber for h in phases) == list(range(1, 31))


def test_siemens_files_a_series_a_phase_under_one_description(tmp_path, patient):
    write_mri(tmp_path / "patient", patient, Dialect(SIEMENS))
    phases = [h for h in files(tmp_path / "patient") if h.SequenceName == "*fl3d1"]
    assert len({h.SeriesInstanceUID for h in phases}) == 6
    assert {int(h.SeriesNumber) for h in phases} == {8, 9, 11, 13, 15, 17}
    assert {h.SeriesDescription for h in phases} == {"SIMULATED t1_fl3d_tra_vibe_dyn_spair"}


def test_philips_rescales_and_the_scanner_reads_its_own_numbers(tmp_path, patient):
    written = write_mri(tmp_path / "patient", patient, Dialect(PHILIPS))
    header = pydicom.dcmread(tmp_path / "patient" / "T1WI_0001")
    assert header.RescaleSlope == 0.5
    assert np.array_equal(header.pixel_array, 2 * written["t1wi"][0][0])


@pytest.mark.parametrize(("vendor", "count"), [(SIEMENS, 9), (PHILIPS, 4)])
def test_enhanced_objects_hold_many_frames(tmp_path, patient, vendor, count):
    write_mri(tmp_path / "patient", patient, Dialect(vendor, enhanced=True))
    headers = files(tmp_path / "patient")
    assert len(headers) == count
    assert sum(int(h.NumberOfFrames) for h in headers) == 10 * 5
    assert all(len(h.PerFrameFunctionalGroupsSequence) == h.NumberOfFrames for h in headers)


@pytest.mark.parametrize("character_set", CHARACTER_SETS)
@pytest.mark.parametrize("enhanced", [False, True])
def test_names_are_legible_whatever_they_are_coded_in(tmp_path, patient, character_set, enhanced):
    dialect = Dialect(PHILIPS, enhanced, character_set=character_set)
    write_mri(tmp_path / "patient", patient, dialect)
    name = {
        UTF8: "SIMULATED^0003=模拟患者",
        CHINESE: "SIMULATED^0003=模拟患者",
        LATIN: "SIMULATED^0003^Señora",
    }
    raw = {UTF8: "模拟".encode(), CHINESE: "模拟".encode("gb18030"), LATIN: "ñ".encode("latin-1")}
    assert scan_folder(tmp_path / "patient").patient.name == name[character_set]
    assert raw[character_set] in (tmp_path / "patient" / "T1WI_0001").read_bytes()


@pytest.mark.parametrize("dialect", SPOKEN[::2], ids=lambda d: d.name)
def test_a_header_says_simulated_wherever_a_label_can_stand(tmp_path, patient, dialect):
    write_mri(tmp_path / "patient", patient, dialect)
    for header in files(tmp_path / "patient"):
        for keyword in (
            *(
                "PatientName",
                "PatientID",
                "PatientComments",
                "StudyID",
                "StudyDescription",
                "InstitutionName",
            ),
            *("SeriesDescription", "ImageComments", "Manufacturer", "ManufacturerModelName", "StationName"),
        ):
            assert "SIMULATED" in str(header[keyword].value), keyword
        assert "SIMULATED" in header.ImageType
        assert header.Manufacturer.startswith(dialect.vendor)
        assert header.AccessionNumber == "" and header.ReferringPhysicianName == ""


@pytest.mark.parametrize("enhanced", [False, True])
def test_the_header_tells_field_and_fat_suppression(tmp_path, patient, enhanced):
    write_mri(tmp_path / "patient", patient, Dialect(SIEMENS, enhanced))
    headers = files(tmp_path / "patient")
    assert {float(h.MagneticFieldStrength) for h in headers} == {patient.exam.tesla}
    keyword = "SpectrallySelectedSuppression" if enhanced else "ScanOptions"
    suppressed = {h.SeriesDescription.split()[1][:2] for h in headers if h[keyword].value in ("FS", "FAT")}
    assert suppressed == {"ep", "t1", "t2"} if patient.exam.t2_fat_suppressed else {"ep", "t1"}


def test_header_and_physics_mean_the_same_sequence():
    substance = mri.tissues(1.5)
    protocol = scanner.series_of(make_exam(np.random.default_rng(0)), phases=6)
    assert set(protocol) == set(SERIES)
    for name in ("t1wi", "t2wi"):
        told = SERIES[name]
        expected = mri.spin_echo(substance, told.repetition_ms, told.echo_ms)
        assert protocol[name].equation(substance) == pytest.approx(expected)
    b800 = mri.spin_echo(substance, SERIES["dwi_b800"].repetition_ms, SERIES["dwi_b800"].echo_ms)
    expected = b800 * np.exp(-0.8 * substance.adc)
    assert protocol["dwi_b800"].equation(substance) == pytest.approx(expected)


def test_the_seed_decides_the_dialect_and_five_in_a_row_differ():
    dialects = [dialect_of(seed) for seed in range(200)]
    assert [dialect_of(seed) for seed in range(200)] == dialects
    assert all(len({d.name for d in dialects[k : k + 5]}) == 5 for k in range(195))
    assert {d.syntax for d in dialects} == set(SYNTAXES)
    assert {d.character_set for d in dialects} == set(CHARACTER_SETS)
    assert 0.15 < sum(not d.timed for d in dialects) / 200 < 0.35


def test_files_are_the_same_byte_for_byte_each_time(tmp_path, patient):
    for name in ("one", "other"):
        write_mri(tmp_path / name, patient, Dialect(SIEMENS, enhanced=True, syntax=SYNTAXES[3]))
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes()
