"""What is known of a simulated patient and of no other: figures, labels, the lesion in every image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from breastview.imaging.geometry import apply
from breastview.phantom.dicom.dialect import Dialect
from breastview.phantom.dicom.pictures import index_to_us
from breastview.phantom.dicom.truth import UsTruth, Vectors, displacement
from breastview.phantom.evidence import bayes_auc
from breastview.phantom.maps import TissueMaps
from breastview.phantom.patient import SimulatedPatient
from breastview.phantom.scanner import Scanned
from breastview.phantom.stills import SimulatedFrame
from breastview.phantom.sweeps import SimulatedVolume
from breastview.registration.parameters import RegistrationParameters

LABEL_STEP_MM = 2.0  # about how finely the label volume is kept


def facts(
    patient: SimulatedPatient,
    dialect: Dialect,
    frames: Mapping[str, SimulatedFrame],
    planes: Mapping[str, SimulatedVolume],
) -> dict[str, Any]:
    """What there is to know of a patient in numbers and words; `frames` and `planes` by their names."""
    imaged: dict[str, SimulatedFrame | SimulatedVolume] = {**frames, **planes}
    return {
        **_scalars(patient),
        "tesla": patient.exam.tesla,
        "malignant": patient.evidence.malignant,
        "size_mm": patient.evidence.size_mm,
        "evidence_us": patient.evidence.us,
        "evidence_mri": patient.evidence.mri,
        **{f"bayes_auc_{name}": value for name, value in bayes_auc().items()},
        **{f"deformation_mm_{view}": frame.deformation_mm for view, frame in frames.items()},
        "lesion": {**_scalars(patient.lesion), "centre_mm": patient.lesion.centre_mm.tolist()},
        "lesion_from_nipple_mm": _from_nipple(patient),
        "registrations": {name: _pose(one.registration) for name, one in imaged.items()},
        "planes_z_mm": {name: one.z_mm.tolist() for name, one in planes.items()},
        "dialect": {**asdict(dialect), "syntax": dialect.syntax.name},
    }


def label_volume(maps: TissueMaps) -> Scanned:
    """Labels on a grid of about `LABEL_STEP_MM`, and its index_to_lps."""
    every = [max(1, round(LABEL_STEP_MM / step)) for step in reversed(maps.grid.step_mm)]
    labels = maps.labels[:: every[0], :: every[1], :: every[2]]
    return labels, maps.grid.index_to_lps @ np.diag([*map(float, every), 1.0])


def lesion_in(patient: SimulatedPatient, volume: Scanned) -> Scanned:
    """Where the lesion lies on a volume's grid, bool (slice, row, column), and the grid's index_to_lps."""
    array, index_to_lps = volume
    mask = np.zeros(array.shape, bool)
    reach = 2.5 * patient.lesion.radius_mm / np.linalg.norm(index_to_lps[:3, :3], axis=0)
    centre = apply(np.linalg.inv(index_to_lps), patient.lesion.centre_mm)
    low = np.clip(np.floor(centre - reach), 0, array.shape).astype(int)
    high = np.clip(np.ceil(centre + reach) + 1, 0, array.shape).astype(int)
    index = np.stack(np.meshgrid(*map(np.arange, low, high), indexing="ij"), axis=-1)
    level = patient.lesion.level(apply(index_to_lps, index.reshape(-1, 3)), "mri")
    mask[tuple(map(slice, low, high))] = level.reshape(index.shape[:3]) < 0
    return mask, index_to_lps


def us_truth(
    frames: Mapping[str, SimulatedFrame], planes: Mapping[str, SimulatedVolume]
) -> dict[str, UsTruth]:
    """The lesion and the displacement of each still and each set of planes, by name."""
    told = {name: UsTruth(frame.lesion_mask, _of_still(frame)) for name, frame in frames.items()}
    for name, one in planes.items():
        told[name] = UsTruth(one.lesion_mask, _of_planes(one), index_to_us(one))
    return told


def _of_still(frame: SimulatedFrame) -> Vectors:
    place, (row_mm, column_mm) = frame.sector, frame.spacing_mm
    size_mm = (place.right - place.left) * column_mm, (place.bottom - place.top) * row_mm, 0.0
    return displacement(frame.probe.to_prone, frame.registration, size_mm)


def _of_planes(one: SimulatedVolume) -> Vectors:
    z, y, x = (count * step for count, step in zip(one.grey.shape, one.spacing_mm, strict=True))
    return displacement(one.probe.to_prone, one.registration, (x, y, z))


def _from_nipple(patient: SimulatedPatient) -> dict[str, list[float]]:
    """The vector from nipple to lesion as the patient lies prone and supine, LPS mm."""
    prone = np.stack([patient.breast.nipple_mm, patient.lesion.centre_mm])
    supine = patient.supine.to_supine(prone)
    return {"prone": (prone[1] - prone[0]).tolist(), "supine": (supine[1] - supine[0]).tolist()}


def _pose(registration: RegistrationParameters) -> dict[str, list[float]]:
    return {"centre_mm": list(registration.centre_mm), "angles_deg": list(registration.angles_deg)}


def _scalars(thing: Any) -> dict[str, Any]:
    """The plain numbers and words among the fields of a dataclass."""
    values = {field.name: getattr(thing, field.name) for field in fields(thing)}
    return {name: value for name, value in values.items() if isinstance(value, (bool, int, float, str))}
