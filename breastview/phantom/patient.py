"""One simulated patient: anatomy, evidence and probe poses from a seed, for crops and whole folders."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from breastview.phantom.anatomy import CHEST_Y_MM, Breast, make_breast
from breastview.phantom.evidence import Evidence, draw_evidence
from breastview.phantom.lesion import Lesion, make_lesion
from breastview.phantom.ultrasound import SimulatedFrame, scan_plane
from breastview.registration.parameters import Method, RegistrationParameters

VIEWS = ("transverse", "sagittal")
_STREAMS = {"anatomy": 1, "other breast": 2, "us": 3, "mri": 4}
MIN_US_DEPTH_MM = 35.0


@dataclass(frozen=True, eq=False)
class SimulatedPatient:
    """Anatomy and truth of one patient. `side` is the side of the lesion, "R" or "L"."""

    seed: int
    side: str
    density: str
    bpe: float
    evidence: Evidence
    breast: Breast
    lesion: Lesion

    def stream(self, name: str) -> np.random.Generator:
        """Random numbers of this patient for one purpose, independent of the others."""
        return np.random.default_rng([self.seed, _STREAMS[name]])

    def other_breast(self) -> Breast:
        """The breast without the lesion."""
        other = "R" if self.side == "L" else "L"
        return make_breast(self.stream("other breast"), other, self.density, self.breast.radii_mm, None)

    def frame(self, view: str) -> SimulatedFrame:
        """The US picture of one of `VIEWS`."""
        rng = np.random.default_rng([self.seed, _STREAMS["us"], VIEWS.index(view)])
        pose, size_mm = _probe(self.breast, self.lesion, view, rng)
        return scan_plane(self.breast, pose, size_mm, rng)


def simulate(seed: int, null_arm: bool = False) -> SimulatedPatient:
    """Draw a patient; the same seed gives the same patient, everywhere."""
    rng = np.random.default_rng([seed, _STREAMS["anatomy"]])
    evidence = draw_evidence(rng, null_arm)
    side = "L" if rng.random() < 0.5 else "R"
    density = str(rng.choice(["a", "b", "c", "d"], p=[0.1, 0.4, 0.4, 0.1]))
    radii = np.array([1.0, rng.uniform(0.95, 1.3), 1.0]) * rng.uniform(52, 68)
    centre = np.array([75.0 if side == "L" else -75.0, CHEST_Y_MM, 0.0])
    lesion = make_lesion(rng, evidence, _lesion_place(rng, centre, radii))
    breast = make_breast(rng, side, density, radii, lesion)
    return SimulatedPatient(seed, side, density, float(rng.uniform(0.3, 2.0)), evidence, breast, lesion)


def _lesion_place(rng: np.random.Generator, centre: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Anywhere in the breast, 10 to 24 mm under the skin."""
    while True:
        direction = rng.normal(size=3)
        direction[1] = -abs(direction[1])
        direction /= np.linalg.norm(direction)
        surface = 1 / np.linalg.norm(direction / radii)
        place = centre + direction * (surface - rng.uniform(12.0, 24.0))
        if place[1] < CHEST_Y_MM - 16.0:
            return place


def _probe(
    breast: Breast, lesion: Lesion, view: str, rng: np.random.Generator
) -> tuple[RegistrationParameters, tuple[float, float]]:
    """A hand-held pose that shows the lesion, never simply in the middle, and (width, depth) of the image."""
    q = lesion.centre_mm - breast.centre_mm
    skin = breast.centre_mm + q / np.linalg.norm(q / breast.radii_mm)
    inward = -(skin - breast.centre_mm) / breast.radii_mm**2
    inward = inward / np.linalg.norm(inward) + [0.0, 0.6, 0.0]
    inward /= np.linalg.norm(inward)
    along = np.array([1.0, 0.0, 0.0]) if view == "transverse" else np.array([0.0, 0.0, -1.0])
    along -= (along @ inward) * inward
    along /= np.linalg.norm(along)
    turn = np.column_stack([along, inward, np.cross(along, inward)])
    turn = turn @ Rotation.from_rotvec(np.deg2rad(rng.normal(0, 5, 3))).as_matrix()
    offset = np.array([rng.uniform(-9, 9), 0.0, rng.normal(0, 0.7)])
    depth = float(np.linalg.norm(skin - lesion.centre_mm))
    centre = lesion.centre_mm - turn[:, 1] * depth - turn @ offset
    angles = Rotation.from_matrix(turn).as_euler("XYZ", degrees=True)
    pose = RegistrationParameters(
        (float(centre[0]), float(centre[1]), float(centre[2])),
        (float(angles[0]), float(angles[1]), float(angles[2])),
        method=Method.TRUTH,
    )
    return pose, (
        float(rng.choice([38.0, 44.0, 50.0])),
        max(MIN_US_DEPTH_MM, depth + lesion.radius_mm + 10.0),
    )
