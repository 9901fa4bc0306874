"""`python -m tests.benchmarks.registration --cases N --seed S --snap-cases M --workers W --json FILE`.

How far registrations miss the lesion; the rows `snap_…` and `nmi_…` are of the first M patients.

Every case is a simulated patient with one ultrasound view; the truth is its map from US plane to prone MRI
(`deformed_…`, `sparse_…`) or a rigid one (`rigid_…`). Correspondences are true places plus the error of a
click, a normal number of the given SD along each axis of each image. The lesion is never among them: the
error is that of its centre, in 3-D, after what the program makes of the correspondences.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from breastview.phantom import chest, stills
from breastview.phantom.deformation import Probe
from breastview.phantom.patient import SimulatedPatient, simulate
from breastview.registration import adopt, landmarks
from breastview.registration.estimate import RADIUS, Estimate, Start, estimate
from breastview.registration.outline import Outline
from breastview.registration.parameters import (
    Contour,
    ContourKind,
    LandmarkPair,
    Point2,
    Point3,
    RegistrationParameters,
)
from breastview.registration.skin import GRID_MM, Body
from breastview.registration.start import expected_place, start_of_estimate, usual_angles_deg
from breastview.registration.transform import map_points
from tests.benchmarks.rigid_error import rigid_error
from tests.benchmarks.snap import snap_rows

RIGID_PAIRS, CLICKS_MM = (3, 4, 6, 8), (0.7, 1.5)
SPARSE_POINTS, SPARSE_CLICKS_MM = (1, 2, 3), (1.5, 3.0)
ON_LESION = (1, 2, 4)  # points on its border
AROUND_MM = (2.0, 12.0)  # how far from the lesion's margin a reader finds points to pair
TRIES = 5  # sets of points among which the one that spreads most is taken
SURFACE_POINTS, SURFACE_REACH_MM = 7, 45.0
Rows = dict[str, dict[str, float]]


@dataclass(frozen=True, eq=False)
class Case:
    """One plane of one patient: the lesion in both images, points around it, two surfaces, and the start."""

    patient: SimulatedPatient
    probe: Probe
    lesion_us: np.ndarray
    start: Start
    points_us: np.ndarray
    surfaces: tuple[tuple[np.ndarray, np.ndarray], ...]

    @property
    def lesion_mri(self) -> np.ndarray:
        """Where the lesion truly is, prone LPS mm."""
        return self.patient.lesion.centre_mm


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--snap-cases", type=int, default=8, help="a case takes tens of seconds; 0: no snap")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--json", type=Path, default=Path("registration.json"))
    given = parser.parse_args()
    with ProcessPoolExecutor(given.workers) as pool:
        rows = measure(given.cases, given.seed, pool.map)
        if given.snap_cases:
            rows |= snap_rows(given.snap_cases, given.seed, spread=pool.map)
    rows = {name: {key: x for key, x in row.items() if np.isfinite(x)} for name, row in rows.items()}
    for name, row in rows.items():  # a mean over nothing is no figure: JSON has no NaN
        print(f"{name:34}", "  ".join(f"{key} {value:.3g}" for key, value in row.items()))
    given.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def measure(count: int, seed: int, spread: Callable[..., Iterable[Any]] = map) -> Rows:
    """Every row, on patients `seed` … `seed` + `count` − 1."""
    missed: dict[str, list[float]] = defaultdict(list)
    covered: dict[str, list[bool]] = defaultdict(list)
    for answers in spread(_patient_answers, range(seed, seed + count)):
        for name, error, inside in answers:
            missed[name].append(error)
            if inside is not None:
                covered[name].append(inside)
    return {name: _row(errors, covered.get(name)) for name, errors in missed.items()}


def _patient_answers(number: int) -> list[tuple[str, float, bool | None]]:
    rng = np.random.default_rng([number, 4242])
    return list(_answers(make_case(number, rng), rng))


def make_case(seed: int, rng: np.random.Generator) -> Case:
    """Simulate a patient and put the probe on for one of its views."""
    patient = simulate(seed)
    view = patient.views[int(rng.integers(len(patient.views)))]
    probe, size_mm = stills.aim(patient, view, patient.stream("us", patient.views.index(view)))
    lesion_us = probe.to_us(patient.lesion.centre_mm[None])[0]
    clock_h, distance_mm = patient.clock_place()
    depth_mm = float(np.round(lesion_us[1]))
    expected = expected_place(body_of(patient), patient.side, clock_h, distance_mm, depth_mm)
    middle = (float(lesion_us[0]), float(lesion_us[1]))
    start = start_of_estimate(expected, middle, usual_angles_deg(view, clock_h))
    plane = stills.plane_points(size_mm)[::12, ::12].reshape(-1, 3)
    return Case(patient, probe, lesion_us, start, plane, tuple(_surfaces(patient, probe, size_mm)))


def body_of(patient: SimulatedPatient) -> Body:
    """The breast of the lesion as `find_body` would find it in an MRI without noise."""
    sign = 1.0 if patient.side == "L" else -1.0
    x, y, z = np.arange(0, 156, GRID_MM), np.arange(-60, 130, GRID_MM), np.arange(-90, 91, GRID_MM)
    x = x if sign > 0 else -x[::-1]
    points = np.stack(np.meshgrid(x, y, z, indexing="ij"), axis=-1)
    depth = patient.breast.depth_mm(points.reshape(-1, 3)).reshape(points.shape[:3])
    return Body(depth > 0, np.array([x[0], y[0], z[0]]))


def _surfaces(
    patient: SimulatedPatient, probe: Probe, size_mm: tuple[float, float]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Skin and, where it is in the picture, pectoral fascia: US points (n, 3), and points of it in MRI (m,
    3)."""
    plane = stills.plane_points(size_mm)[::4, ::40]
    prone = probe.to_prone(plane.reshape(-1, 3))
    depth = patient.breast.depth_mm(prone).reshape(plane.shape[:2])
    height = chest.height_mm(prone).reshape(plane.shape[:2])
    around = patient.lesion.centre_mm + _lattice(SURFACE_REACH_MM, 5.0)
    columns = np.arange(plane.shape[1])
    skin = np.argmax(depth > 0, axis=0)
    yield plane[skin, columns], _on(around, patient.breast.depth_mm)
    fascia = np.argmax(height < 0, axis=0)
    shown = fascia > 0
    if shown.sum() >= 3:
        yield plane[fascia, columns][shown], _on(around, chest.height_mm)


def _lattice(reach: float, step: float) -> np.ndarray:
    axis = np.arange(-reach, reach + step, step)
    return np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3)


def _on(points: np.ndarray, distance) -> np.ndarray:
    """Points near a surface, brought onto it along the distance's slope."""
    near = points[np.abs(distance(points)) < 5.0]
    slope = np.stack([(distance(near + e) - distance(near - e)) / 0.2 for e in np.eye(3) * 0.1], axis=1)
    return near - distance(near)[:, None] * slope / np.maximum((slope**2).sum(axis=1), 1e-6)[:, None]


def _answers(case: Case, rng: np.random.Generator) -> Iterator[tuple[str, float, bool | None]]:
    """Name of a row, how far the answer missed the lesion in mm, whether its 90 % ellipsoid held it."""
    yield "start", *_judged(case, estimate([], [], case.start))
    for click_mm in CLICKS_MM:
        for count in RIGID_PAIRS:
            yield f"rigid_pairs{count}_click{click_mm}", *_rigid(case, count, click_mm, rng)
        for count in RIGID_PAIRS:
            pairs = _pairs(case, count, click_mm, rng)
            yield f"deformed_pairs{count}_click{click_mm}", *_judged(case, estimate(pairs, [], case.start))
            if (count, click_mm) == (8, 0.7):
                found = estimate(pairs, [], case.start)
                yield "deformed_warp8_click0.7", *_warped(case, found)
    for click_mm in SPARSE_CLICKS_MM:
        contours = [_contour(us, mri, click_mm, rng) for us, mri in case.surfaces]
        if len(contours) < 2:
            continue
        for count in SPARSE_POINTS:
            found = estimate(_pairs(case, count, click_mm, rng), contours, case.start)
            yield f"sparse_{count}points_2surfaces_click{click_mm}", *_judged(case, found)
    yield from _on_lesion(case, rng)


def _on_lesion(case: Case, rng: np.random.Generator) -> Iterator[tuple[str, float, bool | None]]:
    """Points on the lesion's border, which the MRI shows off by an error that they share, and the skin."""
    x, y, _ = case.lesion_us
    radius, click_mm = case.patient.lesion.radius_mm, CLICKS_MM[1]
    lesion = Outline(x - radius, y - radius, x + radius, y + radius)
    skin = _contour(*case.surfaces[0], click_mm, rng)
    for count in ON_LESION:
        angle = rng.uniform(0, 2 * np.pi) + 2 * np.pi * np.arange(count) / count
        us = case.lesion_us + radius * np.stack([np.cos(angle), np.sin(angle), np.zeros(count)], axis=1)
        shown = case.probe.to_prone(us) + rng.normal(0, lesion.shared_mm, 3)
        found = estimate(_clicked(us, shown, click_mm, rng), [skin], case.start, lesion=lesion)
        yield f"on_lesion_{count}points_skin_click{click_mm}", *_judged(case, found)


def _judged(case: Case, found: Estimate) -> tuple[float, bool]:
    place, covariance = found.at(case.lesion_us)
    return _verdict(place[0] - case.lesion_mri, covariance[0], RADIUS)


def _warped(case: Case, found: Estimate) -> tuple[float, bool]:
    """The registration as it is kept: a pose with a local warp."""
    middle = case.lesion_us[:2]
    kept = adopt.with_warp(found, middle, adopt.rigid(found, middle, RegistrationParameters((0.0, 0.0, 0.0))))
    covariance = found.at(case.lesion_us)[1][0]
    return _verdict(map_points(kept, case.lesion_us[None])[0] - case.lesion_mri, covariance, RADIUS)


def _rigid(case: Case, count: int, click_mm: float, rng: np.random.Generator) -> tuple[float, bool]:
    """Pairs of a rigid truth, fitted rigidly."""
    truth = stills.register(case.patient, case.probe, case.points_us[None])
    us = _clickable(case, count, rng)
    pairs = _clicked(us, map_points(truth, us), click_mm, rng)
    fit = landmarks.fit_landmarks(pairs, RegistrationParameters((0.0, 0.0, 0.0)))
    missed = map_points(fit.parameters, case.lesion_us) - map_points(truth, case.lesion_us)
    told = rigid_error(pairs, fit.parameters, case.lesion_us[:2])
    return _verdict(missed, told.covariance_mm2, told.radius)


def _verdict(missed: np.ndarray, covariance: np.ndarray, reach: float) -> tuple[float, bool]:
    inside = missed @ np.linalg.solve(covariance, missed) < reach**2
    return float(np.linalg.norm(missed)), bool(inside)


def _pairs(case: Case, count: int, click_mm: float, rng: np.random.Generator) -> list[LandmarkPair]:
    us = _clickable(case, count, rng)
    return _clicked(us, case.probe.to_prone(us), click_mm, rng)


def _clickable(case: Case, count: int, rng: np.random.Generator) -> np.ndarray:
    """Points (n, 3) around the lesion as a reader chooses them: three or more are not all on one line."""
    if count < 3:
        return _around(case, count, rng)
    drawn = [_around(case, count, rng) for _ in range(TRIES)]
    return max(drawn, key=lambda points: np.linalg.svd(points - points.mean(axis=0), compute_uv=False)[1])


def _around(case: Case, count: int, rng: np.random.Generator) -> np.ndarray:
    """Points (n, 3) around the lesion, one in each of `count` sectors where there is room."""
    away = case.points_us - case.lesion_us
    distance = np.linalg.norm(away, axis=1) - case.patient.lesion.radius_mm
    near = (distance > AROUND_MM[0]) & (distance < AROUND_MM[1])
    angle = (np.arctan2(away[:, 1], away[:, 0]) + rng.uniform(0, 2 * np.pi)) % (2 * np.pi)
    sector = (angle * count / (2 * np.pi)).astype(int)
    found = [np.flatnonzero(near & (sector == k)) for k in range(count)]
    chosen = [rng.choice(places) for places in found if len(places)]
    others = np.setdiff1d(np.flatnonzero(near), chosen)
    return case.points_us[[*chosen, *rng.choice(others, count - len(chosen), replace=False)]]


def _clicked(
    us: np.ndarray, mri: np.ndarray, click_mm: float, rng: np.random.Generator
) -> list[LandmarkPair]:
    us = us[:, :2] + rng.normal(0, click_mm, (len(us), 2))
    mri = mri + rng.normal(0, click_mm, mri.shape)
    return [LandmarkPair(_two(u), _three(m)) for u, m in zip(us, mri, strict=True)]


def _contour(us: np.ndarray, mri: np.ndarray, click_mm: float, rng: np.random.Generator) -> Contour:
    chosen = np.linspace(0, len(us) - 1, min(SURFACE_POINTS, len(us))).astype(int)
    us = us[chosen, :2] + rng.normal(0, click_mm, (len(chosen), 2))
    return Contour(ContourKind.SURFACE, tuple(_two(u) for u in us), tuple(_three(m) for m in mri))


def _two(values: np.ndarray) -> Point2:
    return float(values[0]), float(values[1])


def _three(values: np.ndarray) -> Point3:
    return float(values[0]), float(values[1]), float(values[2])


def _row(errors: list[float], covered: list[bool] | None) -> dict[str, Any]:
    row = {
        "n": len(errors),
        "mean_mm": float(np.mean(errors)),
        "p90_mm": float(np.percentile(errors, 90)),
        "p95_mm": float(np.percentile(errors, 95)),
    }
    return row | ({"coverage": float(np.mean(covered))} if covered else {})


if __name__ == "__main__":
    main()
