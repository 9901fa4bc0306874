"""The turn from prone to supine and the pressing probe: inverse, folding, and what a rigid map leaves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

import numpy as np

from breastview.phantom.deformation import Probe, jacobian
from breastview.phantom.patient import SimulatedPatient
from breastview.phantom.stills import NEAR_MM, SimulatedFrame
from breastview.registration.transform import map_points
from tests.benchmarks.phantom.seen import Seen

SLAB_MM = (-8.0, -4.0, 0.0, 4.0, 8.0)  # elevations
STEP_MM = 2.5

Found = dict[str, Any]


def deformation(patients: Sequence[Seen]) -> Found:
    """Inverse error and Jacobian over slabs of all views, in tissue and everywhere, and the rigid error."""
    frames = [(seen.patient, frame) for seen in patients for frame in seen.case.frames]
    missed, change, inside = (np.concatenate(parts) for parts in zip(*map(_slab, frames), strict=True))
    return {
        "inverse_error_mm": _largest(missed[inside]) | {"with_air": _largest(missed)},
        "jacobian": _volumes(change[inside]) | {"with_air": _volumes(change)},
        "rigid_registration_error_mm": rigid(frames),
    }


def _slab(viewed: tuple[SimulatedPatient, SimulatedFrame]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inverse error in mm, change of volume, and whether there is tissue: at the points of one slab."""
    patient, frame = viewed
    us_mm = slab_points(frame)
    prone = frame.probe.to_prone(us_mm)
    missed = np.linalg.norm(frame.probe.to_us(prone) - us_mm, axis=1)
    return missed, np.linalg.det(jacobian(frame.probe.to_prone, us_mm)), patient.breast.depth_mm(prone) > 0


def slab_points(frame: SimulatedFrame) -> np.ndarray:
    """US-plane mm (n, 3) through the whole sector and ±8 mm beside its plane."""
    row_mm, column_mm = frame.spacing_mm
    half = (frame.sector.right - frame.sector.left) * column_mm / 2
    deep = (frame.sector.bottom - frame.sector.top) * row_mm
    x, y = np.arange(-half, half, STEP_MM), np.arange(0.5, deep, STEP_MM)
    return np.stack(np.meshgrid(x, y, SLAB_MM, indexing="ij"), axis=-1).reshape(-1, 3)


def _largest(missed: np.ndarray) -> Found:
    share = float((missed > 0.05).mean())
    return {
        "max": float(missed.max()),
        "p99": float(np.percentile(missed, 99)),
        "share_above_0.05": share,
        "n": len(missed),
    }


def _volumes(change: np.ndarray) -> Found:
    low, middle = np.percentile(change, [1, 50])
    return {
        "min": float(change.min()),
        "p1": float(low),
        "median": float(middle),
        "share_not_positive": float((change <= 0).mean()),
        "n": len(change),
    }


def rigid(frames: Sequence[tuple[SimulatedPatient, SimulatedFrame]]) -> Found:
    """Mean distance between the true map and the best rigid one: over the image, and near the lesion."""
    image = [frame.deformation_mm for _, frame in frames]
    near = [near_lesion(patient, frame.probe, frame) for patient, frame in frames]
    return {
        "median": median(image),
        "max": max(image),
        "near_lesion_median": median(near),
        "near_lesion_max": max(near),
        "near_mm": NEAR_MM,
        "n": len(frames),
    }


def near_lesion(patient: SimulatedPatient, probe: Probe, frame: SimulatedFrame) -> float:
    """Mean rigid error in mm within `NEAR_MM` of the lesion's centre, in the picture's plane."""
    us_mm = slab_points(frame)
    us_mm = us_mm[us_mm[:, 2] == 0]
    centre = probe.to_us(patient.lesion.centre_mm[None])[0]
    near = us_mm[np.linalg.norm(us_mm - centre, axis=1) < NEAR_MM]
    missed = map_points(frame.registration, near) - probe.to_prone(near)
    return float(np.linalg.norm(missed, axis=1).mean())


def lesion_nipple_change(patients: Iterable[SimulatedPatient]) -> Found:
    """How far the distance of lesion and nipple along x and along z changes from prone to supine, mm."""
    changes = np.array([_change(patient) for patient in patients])
    middle, most = np.median(changes, axis=0), changes.max(axis=0)
    return {
        "sideways": {"median": float(middle[0]), "max": float(most[0])},
        "vertical": {"median": float(middle[2]), "max": float(most[2])},
        "n": len(changes),
    }


def _change(patient: SimulatedPatient) -> np.ndarray:
    prone = np.stack([patient.lesion.centre_mm, patient.breast.nipple_mm])
    before, after = (
        np.abs(np.diff(places, axis=0)[0]) for places in (prone, patient.supine.to_supine(prone))
    )
    return np.abs(after - before)
