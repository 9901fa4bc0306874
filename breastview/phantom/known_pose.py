"""Pictures whose pose in MRI is known, with MRI around them: to measure, and to train, what looks for a pose.

Of `rigid_case` the truth is one rigid pose, for the picture is taken of the undeformed prone patient. That of
`deformed_case` is the patient's own still, pressed and supine; its truth is the map of the lesion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from breastview.imaging.case import PixelScale, Role, RoleChoice
from breastview.imaging.volume import FrameStack, Sector, Volume
from breastview.messages import message
from breastview.phantom import stills
from breastview.phantom.crops import FINE_STEP_MM, maps_on
from breastview.phantom.deformation import Probe, jacobian
from breastview.phantom.machine import picture
from breastview.phantom.maps import Grid
from breastview.phantom.patient import SimulatedPatient, simulate
from breastview.phantom.scanner import scan
from breastview.registration.outline import Outline
from breastview.registration.parameters import RegistrationParameters
from breastview.registration.transform import angles_deg, map_points, to_us_plane, us_to_mri, with_matrix

OFF_MM, OFF_DEG = 10.0, 10.0
AROUND_MM = 16.0  # of MRI around the picture
_STREAM = 77
_DCE = {"dce_1": 1, "dce_2": 2}


@dataclass(frozen=True)
class RigidProbe:
    """Stands in for `Probe`: a plane in the prone patient, nothing deformed."""

    pose: RegistrationParameters

    def to_prone(self, us_mm: np.ndarray) -> np.ndarray:
        """US-plane mm (n, 3) to prone LPS mm."""
        return map_points(self.pose, us_mm)

    def to_us(self, prone: np.ndarray) -> np.ndarray:
        """Prone LPS mm (n, 3) to US-plane mm."""
        return to_us_plane(self.pose, prone)


@dataclass(frozen=True, eq=False)
class KnownPose:
    """A picture of patient `seed` with MRI around it and the truth: `us_mm` (n, 3) of the plane lie at
    `prone_mm` (n, 3)."""

    seed: int
    stack: FrameStack
    volumes: tuple[Volume, ...]
    truth: RegistrationParameters
    lesion_us_mm: np.ndarray
    lesion_mm: np.ndarray
    us_mm: np.ndarray
    prone_mm: np.ndarray
    radius_mm: float

    def start(self) -> RegistrationParameters:
        """A pose up to `OFF_MM` and `OFF_DEG` off, spread evenly over the balls of shifts and of turns, and
        always the same."""
        rng = stream(self.seed, 1)
        pivot = self.us_mm.mean(axis=0)
        turn = Rotation.from_rotvec(np.deg2rad(_in_ball(rng, OFF_DEG))).as_matrix()
        move = np.eye(4)
        move[:3, :3], move[:3, 3] = turn, pivot - turn @ pivot + _in_ball(rng, OFF_MM)
        return with_matrix(self.truth, us_to_mri(self.truth) @ move)

    @property
    def outline(self) -> Outline:
        """The lesion's mark."""
        x, y, _ = (float(c) for c in self.lesion_us_mm)
        return Outline(x - self.radius_mm, y - self.radius_mm, x + self.radius_mm, y + self.radius_mm)

    def missed_mm(self, pose: RegistrationParameters) -> tuple[float, float]:
        """How far a pose misses the lesion's centre, and the picture on average."""
        lesion = np.linalg.norm(map_points(pose, self.lesion_us_mm) - self.lesion_mm)
        plane = np.linalg.norm(map_points(pose, self.us_mm) - self.prone_mm, axis=1).mean()
        return float(lesion), float(plane)


def rigid_case(seed: int) -> KnownPose:
    """A picture of the undeformed prone patient."""
    patient = simulate(seed)
    rng = stream(seed)
    probe, (width_mm, _) = stills.aim(patient, patient.views[0], patient.stream("us", 0))
    pose, lesion_mm = _on_the_prone_skin(patient, probe, width_mm, rng)
    deep = lesion_mm + patient.lesion.radius_mm + 8.0
    depth_mm = min((d for d in stills.DEPTHS_MM if d >= deep), default=stills.DEPTHS_MM[-1])
    rigid = RigidProbe(pose)
    sector, _, _ = stills.scan_plane(patient, rigid, (width_mm, depth_mm), rng)
    grey, place = picture(sector, stills.STEP_MM)
    return _case(patient, rigid, pose, _stack(grey, place), (width_mm, depth_mm))


def deformed_case(seed: int) -> KnownPose:
    """The patient's own still: supine, and pressed by the probe."""
    patient = simulate(seed)
    taken = stills.still(patient, patient.views[0])
    place = taken.sector
    size_mm = (place.right - place.left) * stills.STEP_MM, (place.bottom - place.top) * stills.STEP_MM
    return _case(patient, taken.probe, taken.registration, _stack(taken.grey, place), size_mm)


def _stack(grey: np.ndarray, place: Sector) -> FrameStack:
    scale = PixelScale((stills.STEP_MM, stills.STEP_MM), message("scale.region"))
    return FrameStack("us", RoleChoice(Role.US_STILL, message("role.us_still")), grey[None], scale, place)


def _case(
    patient: SimulatedPatient,
    probe: Probe | RigidProbe,
    truth: RegistrationParameters,
    stack: FrameStack,
    size_mm: tuple[float, float],
) -> KnownPose:
    us_mm = stills.plane_points(size_mm)[::8, ::8].reshape(-1, 3)
    prone = probe.to_prone(us_mm)
    seen = np.concatenate([prone, map_points(truth, us_mm)])
    lesion, radius_mm = patient.lesion.centre_mm, patient.lesion.radius_mm
    return KnownPose(
        patient.seed,
        stack,
        _mri(patient, seen),
        truth,
        probe.to_us(lesion[None])[0],
        lesion,
        us_mm,
        prone,
        radius_mm,
    )


def _mri(patient: SimulatedPatient, seen: np.ndarray) -> tuple[Volume, ...]:
    """T1WI, T2WI and two dynamic phases around LPS points (n, 3)."""
    low, high = seen.min(axis=0) - AROUND_MM, seen.max(axis=0) + AROUND_MM
    columns, rows, slices = (int(np.ceil(w / step)) for w, step in zip(high - low, FINE_STEP_MM, strict=True))
    grid = Grid((float(low[0]), float(low[1]), float(low[2])), FINE_STEP_MM, (slices, rows, columns))
    scanned = scan(maps_on(patient, grid, both=False), patient.exam, patient.stream("mri"), phases=2)
    wanted = {"t1wi": Role.T1WI, "t2wi": Role.T2WI, "dce_1": Role.DCE, "dce_2": Role.DCE}
    return tuple(
        Volume(
            name,
            RoleChoice(role, message("role.user"), phase=_DCE.get(name)),
            *scanned[name],
            window=(0.0, 1.0),
        )
        for name, role in wanted.items()
    )


def _on_the_prone_skin(
    patient: SimulatedPatient, probe: Probe, width_mm: float, rng: np.random.Generator
) -> tuple[RegistrationParameters, float]:
    """A pose through the lesion whose face lies flat on the prone skin, and the lesion's depth in mm."""
    lesion, depth = patient.lesion.centre_mm, patient.breast.depth_mm
    inward = jacobian(lambda p: depth(p)[:, None], lesion[None])[0, 0]
    inward /= np.linalg.norm(inward)
    along = jacobian(probe.to_prone, probe.to_us(lesion[None]))[0, :, 0]
    along -= (along @ inward) * inward
    along /= np.linalg.norm(along)
    turn = np.column_stack([along, inward, np.cross(along, inward)])
    away = np.arange(0.5, 80.0, 0.25)
    place = np.array(
        [rng.uniform(-7, 7), away[np.argmax(depth(lesion - away[:, None] * inward) < 0)], rng.normal(0, 0.7)]
    )
    x = np.linspace(-width_mm / 2, width_mm / 2, 15)
    for _ in range(5):
        centre = lesion - turn @ place
        skin = _skin_under(depth, centre, turn, x, 0.0)
        if np.ptp(skin) > 25:
            break
        before, behind = (np.median(_skin_under(depth, centre, turn, x, z)) for z in (-5.0, 5.0))
        tilts = -0.5 * _slope((behind - before) / 10), _slope(np.polyfit(x, skin, 1)[0])
        turn = turn @ Rotation.from_euler("xz", tilts).as_matrix()
        place[1] -= np.quantile(skin, 0.3)
    turn = turn @ Rotation.from_rotvec(np.deg2rad(rng.normal(0, 3, 3))).as_matrix()
    x_mm, y_mm, z_mm = (float(c) for c in lesion - turn @ place)
    return RegistrationParameters((x_mm, y_mm, z_mm), angles_deg(turn)), float(place[1])


def _slope(rise: float) -> float:
    return float(np.arctan(np.clip(rise, -0.3, 0.3)))


def _skin_under(
    depth_mm: Callable[[np.ndarray], np.ndarray],
    centre: np.ndarray,
    turn: np.ndarray,
    x: np.ndarray,
    z: float,
) -> np.ndarray:
    """How far below the face the skin lies at each x of it, mm."""
    y = np.arange(-30.0, 30.0, 0.25)
    points = np.stack(np.broadcast_arrays(x[:, None], y[None], z), axis=-1)
    depth = depth_mm(points.reshape(-1, 3) @ turn.T + centre).reshape(points.shape[:2])
    return y[np.argmax(depth > 0, axis=1)]


def _in_ball(rng: np.random.Generator, radius: float) -> np.ndarray:
    """A point spread evenly over a ball, (3,)."""
    direction = rng.normal(size=3)
    return direction * radius * np.cbrt(rng.random()) / np.linalg.norm(direction)


def stream(seed: int, *parts: int) -> np.random.Generator:
    """Random numbers of one case, apart from those of its patient."""
    return np.random.default_rng([seed, _STREAM, *parts])
