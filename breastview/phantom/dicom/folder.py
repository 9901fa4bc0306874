"""A whole simulated patient: the folder that a clinic would be handed, and the truth beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from breastview.phantom import stills, sweeps
from breastview.phantom.crops import FINE_STEP_MM, maps_on
from breastview.phantom.dicom import known, pictures
from breastview.phantom.dicom.dialect import Dialect, dialect_of
from breastview.phantom.dicom.enhanced import write_enhanced
from breastview.phantom.dicom.mr import write_classic
from breastview.phantom.dicom.record import true_record
from breastview.phantom.dicom.series import by_kind
from breastview.phantom.dicom.truth import write_truth
from breastview.phantom.maps import Grid, TissueMaps
from breastview.phantom.patient import SimulatedPatient, simulate
from breastview.phantom.scanner import Scanned, scan
from breastview.records.store import write
from breastview.records.values import ReviewRecord

THREADS = 2  # that anatomy and the scanner's series are computed in


@dataclass(frozen=True)
class Size:
    """The fine grid that a whole patient is simulated on: steps and extent in mm (x, y, z)."""

    step_mm: tuple[float, float, float]
    extent_mm: tuple[float, float, float]


FULL = Size(FINE_STEP_MM, (340.0, 230.0, 150.0))
SMALL = Size((2.6, 2.6, 2.0), (330.0, 200.0, 130.0))


def write_patient(
    folder: Path,
    seed: int,
    record_file: Path | None = None,
    size: Size = FULL,
    dialect: Dialect | None = None,
    truth: bool = True,
    cine: bool = False,
    volume: bool = False,
) -> ReviewRecord:
    """Write a simulated patient's DICOM into `folder`, and beside it what is true.

    The review record (marks, side, registration of the US frames, pathology) goes to `record_file`, by
    default `<folder>.review.json`; unless `truth` is False, arrays and figures go to `<folder>.truth/`. The
    seed decides the patient and, without a `dialect`, how it is written down. A `cine` sweep and the `volume`
    of an automated breast scan, many pictures each, are made on request.
    """
    patient = simulate(seed)
    dialect = dialect or dialect_of(seed)
    folder.mkdir(parents=True, exist_ok=True)
    frames = {view: stills.still(patient, view) for view in patient.views}
    pictures.write_stills(folder, patient, dialect, frames)
    planes = {}
    if cine:
        planes["sweep"] = sweeps.sweep(patient, patient.views[0])
        pictures.write_cine(folder, patient, dialect, planes["sweep"])
    if volume:
        planes["abus"] = sweeps.abus(patient)
        pictures.write_abus(folder, patient, dialect, planes["abus"])
    maps, volumes = _write_mri(folder, patient, dialect, size)
    facts = known.facts(patient, dialect, frames, planes)
    record = true_record(folder, patient, frames, facts)
    write(record_file or _beside(folder, ".review.json"), record)
    if truth:
        told = known.us_truth(frames, planes)
        lesion = known.lesion_in(patient, volumes["dce_2"])
        write_truth(_beside(folder, ".truth"), facts, known.label_volume(maps), lesion, told)
    return record


def _write_mri(
    folder: Path, patient: SimulatedPatient, dialect: Dialect, size: Size
) -> tuple[TissueMaps, dict[str, Scanned]]:
    maps = whole_maps(patient, size)
    volumes = scan(maps, patient.exam, patient.stream("mri"), threads=THREADS)
    write_series = write_enhanced if dialect.enhanced else write_classic
    for acquired in by_kind(volumes).values():
        write_series(folder, patient, dialect, acquired)
    return maps, volumes


def whole_maps(patient: SimulatedPatient, size: Size) -> TissueMaps:
    """Both breasts and the trunk behind them on one grid."""
    shape = tuple(int(extent / step) for extent, step in zip(size.extent_mm, size.step_mm, strict=True))
    corner = (-size.extent_mm[0] / 2, -50.0, -size.extent_mm[2] / 2)
    return maps_on(patient, Grid(corner, size.step_mm, (shape[2], shape[1], shape[0])), threads=THREADS)


def _beside(folder: Path, ending: str) -> Path:
    return folder.with_name(folder.name + ending)
