"""The ultrasound stills of a patient: a hand-held probe, the anatomy under it, where that truly lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from breastview.imaging.volume import Sector
from breastview.phantom import chest
from breastview.phantom.anatomy import body_tissue
from breastview.phantom.backscatter import STEP_MM, medium
from breastview.phantom.deformation import Probe, best_rigid, jacobian, put_probe
from breastview.phantom.machine import picture
from breastview.phantom.patient import SimulatedPatient
from breastview.phantom.tissue import Tissue
from breastview.phantom.ultrasound import Settings, compress, draw_settings, envelope
from breastview.registration.parameters import Method, RegistrationParameters
from breastview.registration.transform import angles_deg, map_points

DEPTHS_MM = (30.0, 35.0, 40.0, 45.0, 50.0, 60.0)  # of the picture, as a machine offers them
WIDTHS_MM = (38.0, 44.0, 50.0)
_SETTINGS = 9  # stream of what the machine was set to, one for all of a patient's views
COARSE = 6  # pixels a step of the grid on which the deformation is computed
NEAR_MM = 12.0  # around the lesion, where the rigid registration is to be right


class Placing(Protocol):
    """Where a US plane lies in the prone patient."""

    def to_prone(self, us_mm: np.ndarray) -> np.ndarray:
        """US-plane mm (n, 3) to prone LPS mm."""


@dataclass(frozen=True, eq=False)
class SimulatedFrame:
    """A US picture with its truth.

    `grey` is read-only uint8 (row, column); `lesion_box_px` (left, top, right, bottom) is the true lesion's
    and `lesion_mask` bool (row, column) its section. `registration` is the best rigid one, exact at
    the lesion's centre; `probe` is the true map; `deformation_mm` is the mean distance of the two over the
    image.
    """

    grey: np.ndarray
    spacing_mm: tuple[float, float]
    sector: Sector
    settings: Settings
    lesion_box_px: tuple[float, float, float, float]
    lesion_mask: np.ndarray
    registration: RegistrationParameters
    probe: Probe
    deformation_mm: float


def still(patient: SimulatedPatient, view: str) -> SimulatedFrame:
    """Take the US picture of one of the patient's views."""
    rng = patient.stream("us", patient.views.index(view))
    probe, size_mm = aim(patient, view, rng)
    sector, mask, points = scan_plane(patient, probe, size_mm, rng)
    settings = machine_settings(patient, size_mm[1])
    grey, place = picture(sector, STEP_MM, settings.focus_mm)
    shown = np.zeros(grey.shape, bool)
    shown[place.top : place.bottom, place.left : place.right] = mask
    us_mm = plane_points(size_mm)
    registration = register(patient, probe, us_mm)
    missed = map_points(registration, us_mm[::COARSE, ::COARSE]) - points[::COARSE, ::COARSE]
    return SimulatedFrame(
        grey=grey,
        spacing_mm=(STEP_MM, STEP_MM),
        sector=place,
        settings=settings,
        lesion_box_px=_box(shown),
        lesion_mask=shown,
        registration=registration,
        probe=probe,
        deformation_mm=float(np.linalg.norm(missed, axis=-1).mean()),
    )


def aim(patient: SimulatedPatient, view: str, rng: np.random.Generator) -> tuple[Probe, tuple[float, float]]:
    """Put the probe on for a view: where it stands and presses, and (width, depth) of its picture in mm."""
    pose, lesion_mm = _pose(patient, view, rng)
    width_mm = float(rng.choice(WIDTHS_MM))
    pressed = float(rng.uniform(0.05, 0.18))
    probe = put_probe(patient.breast, patient.supine, pose, pressed, (width_mm, 12.0))
    deep_enough = lesion_mm / (1 + pressed) + patient.lesion.radius_mm + 8.0
    return probe, (width_mm, min((d for d in DEPTHS_MM if d >= deep_enough), default=DEPTHS_MM[-1]))


def machine_settings(patient: SimulatedPatient, depth_mm: float) -> Settings:
    """How the machine was set for this patient; only the frequency follows the picture's depth."""
    return draw_settings(patient.stream("us", _SETTINGS)).reaching(depth_mm)


def scan_plane(
    patient: SimulatedPatient,
    probe: Placing,
    size_mm: tuple[float, float],
    rng: np.random.Generator,
    z_mm: float = 0.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image a plane under the probe, `size_mm` (width, depth), `z_mm` beside its middle.

    Returns the sector's grey values uint8, where it shows the lesion, bool, both (row, column), and the prone
    LPS mm of its pixels, float32 (row, column, 3).
    """
    points = _prone_places(probe, plane_points(size_mm), z_mm)
    labels, level = _anatomy(patient, points)
    settings = machine_settings(patient, size_mm[1])
    matter = medium(labels, points, patient.breast, level, rng)
    return compress(envelope(matter, settings, rng), settings), level < 0, points


def plane_points(size_mm: tuple[float, float]) -> np.ndarray:
    """US-plane mm (x, y, 0) of the pixels of a sector (width, depth), float64 (row, column, 3)."""
    rows, columns = round(size_mm[1] / STEP_MM), round(size_mm[0] / STEP_MM)
    x = (np.arange(columns) - (columns - 1) / 2) * STEP_MM
    y = np.arange(rows) * STEP_MM
    return np.stack([*np.meshgrid(x, y), np.zeros((rows, columns))], axis=-1)


def register(patient: SimulatedPatient, probe: Probe, us_mm: np.ndarray) -> RegistrationParameters:
    """The best rigid registration of a plane's points (row, column, 3) around the lesion."""
    centre = probe.to_us(patient.lesion.centre_mm[None])[0]
    plane = us_mm[::COARSE, ::COARSE].reshape(-1, 3)
    return best_rigid(probe, plane[np.linalg.norm(plane - centre, axis=1) < NEAR_MM], centre)


def _prone_places(probe: Placing, us_mm: np.ndarray, z_mm: float) -> np.ndarray:
    """Prone LPS mm of every pixel, float32: exact on a coarse grid, linear between its nodes."""
    rows, columns = us_mm.shape[:2]
    y, x = (np.arange(0, n + COARSE, COARSE) * STEP_MM for n in (rows, columns))
    nodes = np.stack([*np.meshgrid(x + us_mm[0, 0, 0], y), np.full((len(y), len(x)), z_mm)], axis=-1)
    coarse = probe.to_prone(nodes.reshape(-1, 3)).reshape(nodes.shape)
    index = np.meshgrid(np.arange(rows) / COARSE, np.arange(columns) / COARSE, indexing="ij")
    parts = [ndimage.map_coordinates(coarse[..., k], index, np.float32, order=1) for k in range(3)]
    return np.stack(parts, axis=-1)


def _anatomy(patient: SimulatedPatient, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels uint8 and level (mm to the lesion's US outline) of prone places (rows, columns, 3)."""
    flat = points.reshape(-1, 3)
    labels = body_tissue(flat, (patient.breast,), patient.trunk, "us").reshape(points.shape[:2])
    level = patient.lesion.level(flat, "us").reshape(labels.shape)
    labels[labels == Tissue.AIR] = Tissue.CYST  # gel, which is as clear as water
    return labels, level


def _pose(
    patient: SimulatedPatient, view: str, rng: np.random.Generator
) -> tuple[RegistrationParameters, float]:
    """A hand-held pose in supine LPS that shows the lesion, never simply in the middle; its depth in mm."""
    lesion = patient.supine.supine_mm
    outward = _outward(patient, lesion)
    along = _along(patient, view, lesion)
    along = along - (along @ outward) * outward
    along /= np.linalg.norm(along)
    turn = np.column_stack([along, -outward, np.cross(along, -outward)])
    turn = turn @ Rotation.from_rotvec(np.deg2rad(rng.normal(0, 5, 3))).as_matrix()
    depth_mm = _skin_over(patient, lesion, turn[:, 1])
    offset = np.array([rng.uniform(-9, 9), 0.0, rng.normal(0, 0.7)])
    x, y, z = (float(c) for c in lesion - turn[:, 1] * depth_mm - turn @ offset)
    return RegistrationParameters((x, y, z), angles_deg(turn), method=Method.TRUTH), depth_mm


def _outward(patient: SimulatedPatient, lesion: np.ndarray) -> np.ndarray:
    """Away from the chest and square to the skin, half and half: how a probe stands on the supine breast."""
    away = chest.outward(lesion)
    skin = lesion + away * _skin_over(patient, lesion, -away)
    slope = jacobian(lambda p: patient.breast.depth_mm(patient.supine.to_prone(p))[:, None], skin[None])[0, 0]
    both = away - slope / np.linalg.norm(slope)
    return both / np.linalg.norm(both)


def _along(patient: SimulatedPatient, view: str, lesion: np.ndarray) -> np.ndarray:
    """The picture's lateral direction in supine LPS."""
    if view == "transverse":
        return np.array([1.0, 0.0, 0.0])
    if view == "sagittal":
        return np.array([0.0, 0.0, -1.0])
    radial = lesion - patient.supine.to_supine(patient.breast.nipple_mm[None])[0]
    return radial if view == "radial" else np.cross(radial, chest.outward(lesion))


def _skin_over(patient: SimulatedPatient, lesion: np.ndarray, inward: np.ndarray) -> float:
    """How far the supine skin lies from the lesion's centre against `inward`."""
    away = np.arange(1.0, 80.0, 0.5)
    depth = patient.breast.depth_mm(patient.supine.to_prone(lesion - away[:, None] * inward))
    return float(away[np.argmax(depth < 0)])


def _box(mask: np.ndarray) -> tuple[float, float, float, float]:
    """Bounding box of a mask in pixels (left, top, right, bottom), the last ones included."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return (0.0, 0.0, 0.0, 0.0)
    return float(columns[0]), float(rows[0]), float(columns[-1]), float(rows[-1])
