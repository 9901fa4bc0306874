"""A whole simulated patient: the folder that a clinic would be handed, and the truth beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from breastview.phantom import stills
from breastview.phantom.crops import FINE_STEP_MM, maps_on
from breastview.phantom.dicom import us
from breastview.phantom.dicom.dialect import Dialect, dialect_of
from breastview.phantom.dicom.enhanced import write_enhanced
from breastview.phantom.dicom.header import SIMULATED
from breastview.phantom.dicom.mr import write_classic
from breastview.phantom.dicom.record import true_record
from breastview.phantom.dicom.series import by_kind
from breastview.phantom.dicom.truth import ViewTruth, displacement, scalars, write_truth
from breastview.phantom.evidence import bayes_auc
from breastview.phantom.maps import Grid, TissueMaps
from breastview.phantom.patient import SimulatedPatient, simulate
from breastview.phantom.scanner import scan
from breastview.records.store import write
from breastview.records.values import ReviewRecord

LABEL_STEP_MM = 2.0  # about how finely the label volume is kept
THREADS = 2  # that the scanner's series are computed in
Volume = tuple[np.ndarray, np.ndarray]


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
) -> ReviewRecord:
    """Write a simulated patient's DICOM into `folder`, and beside it what is true.

    The review record (marks, side, registration of the US frames, pathology) goes to `record_file`, by
    default `<folder>.review.json`; unless `truth` is False, arrays and figures go to `<folder>.truth/`. The
    seed decides the patient and, without a `dialect`, how it is written down.
    """
    patient = simulate(seed)
    dialect = dialect or dialect_of(seed)
    folder.mkdir(parents=True, exist_ok=True)
    frames = {view: stills.still(patient, view) for view in patient.views}
    _write_us(folder, patient, dialect, frames)
    maps = whole_maps(patient, size)
    volumes = scan(maps, patient.exam, patient.stream("mri"), threads=THREADS)
    write_series = write_enhanced if dialect.enhanced else write_classic
    for acquired in by_kind(volumes).values():
        write_series(folder, patient, dialect, acquired)
    facts = {**_facts(patient, frames), "dialect": _dialect_facts(dialect)}
    record = true_record(folder, patient, frames, _as_text(facts))
    write(record_file or _beside(folder, ".review.json"), record)
    if truth:
        views = {view: _view_truth(frame) for view, frame in frames.items()}
        lesion = lesion_mask(patient, volumes["dce_2"])
        write_truth(_beside(folder, ".truth"), facts, label_volume(maps), lesion, views)
    return record


def whole_maps(patient: SimulatedPatient, size: Size) -> TissueMaps:
    """Both breasts and the trunk behind them on one grid."""
    shape = tuple(int(extent / step) for extent, step in zip(size.extent_mm, size.step_mm, strict=True))
    corner = (-size.extent_mm[0] / 2, -50.0, -size.extent_mm[2] / 2)
    return maps_on(patient, Grid(corner, size.step_mm, (shape[2], shape[1], shape[0])))


def label_volume(maps: TissueMaps) -> Volume:
    """Labels on a grid of about `LABEL_STEP_MM`, and its index_to_lps."""
    every = [max(1, round(LABEL_STEP_MM / step)) for step in reversed(maps.grid.step_mm)]
    labels = maps.labels[:: every[0], :: every[1], :: every[2]]
    return labels, maps.grid.index_to_lps @ np.diag([*map(float, every), 1.0])


def lesion_mask(patient: SimulatedPatient, volume: Volume) -> Volume:
    """Where the lesion lies on a volume's grid, bool (slice, row, column), and the grid's index_to_lps."""
    array, index_to_lps = volume
    mask = np.zeros(array.shape, bool)
    step_mm = np.linalg.norm(index_to_lps[:3, :3], axis=0)
    centre = np.linalg.inv(index_to_lps) @ [*patient.lesion.centre_mm, 1.0]
    reach = 2 * patient.lesion.radius_mm / step_mm
    low = np.clip(np.floor(centre[:3] - reach), 0, array.shape).astype(int)
    high = np.clip(np.ceil(centre[:3] + reach) + 1, 0, array.shape).astype(int)
    index = np.stack(np.meshgrid(*map(np.arange, low, high), indexing="ij"), axis=-1)
    level = patient.lesion.level(index.reshape(-1, 3) @ index_to_lps[:3, :3].T + index_to_lps[:3, 3], "mri")
    mask[tuple(map(slice, low, high))] = level.reshape(index.shape[:3]) < 0
    return mask, index_to_lps


def _write_us(
    folder: Path, patient: SimulatedPatient, dialect: Dialect, frames: Mapping[str, stills.SimulatedFrame]
) -> None:
    for number, (view, frame) in enumerate(frames.items(), 1):
        text = us.annotation(patient.side, *patient.clock_place(), view)
        still = us.Still(view, text, _labelled(frame.grey), [us.region(frame.sector, frame.spacing_mm)])
        us.write_still(folder / f"US{number:04d}", patient, dialect, still, (number, 1))


def _labelled(grey: np.ndarray) -> np.ndarray:
    """Write SIMULATED into the picture's black border."""
    image = Image.fromarray(grey.copy())
    ImageDraw.Draw(image).text((44, 10), SIMULATED, fill=210)
    return np.asarray(image)


def _view_truth(frame: stills.SimulatedFrame) -> ViewTruth:
    row_mm, column_mm = frame.spacing_mm
    size_mm = (
        (frame.sector.right - frame.sector.left) * column_mm,
        (frame.sector.bottom - frame.sector.top) * row_mm,
    )
    return ViewTruth(frame.lesion_mask, displacement(frame.probe.to_prone, frame.registration, size_mm))


def _beside(folder: Path, ending: str) -> Path:
    return folder.with_name(folder.name + ending)


def _facts(patient: SimulatedPatient, frames: Mapping[str, stills.SimulatedFrame]) -> dict[str, Any]:
    """What there is to know of a patient, in numbers and words."""
    return {
        **scalars(patient),
        "tesla": patient.exam.tesla,
        "malignant": patient.evidence.malignant,
        "lesion": scalars(patient.lesion),
        "evidence_us": patient.evidence.us,
        "evidence_mri": patient.evidence.mri,
        **{f"bayes_auc_{name}": value for name, value in bayes_auc().items()},
        **{f"deformation_mm_{view}": frame.deformation_mm for view, frame in frames.items()},
    }


def _dialect_facts(dialect: Dialect) -> dict[str, Any]:
    return {**asdict(dialect), "syntax": dialect.syntax.name}


def _as_text(facts: Mapping[str, Any]) -> dict[str, str]:
    """The facts that a record keeps: its extra values are words."""
    kept = {name: value for name, value in facts.items() if not isinstance(value, Mapping)}
    return {name: f"{value:.4f}" if isinstance(value, float) else str(value) for name, value in kept.items()}
