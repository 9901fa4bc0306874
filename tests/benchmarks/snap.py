"""How well snap finds a lost pose: `snap_rows`, for the registration benchmark.

`snap_rigid`: the picture is taken of the undeformed prone patient, so that one rigid pose is the truth.
`snap_deformed`: the patient's own still, pressed and supine; the truth is its map, at the lesion. Both start
from poses spread evenly over all that are up to 10 mm and 10° off. The Mattes rows begin at the same starts.

`…_1pair`: the lesion's middle was clicked in both images before, and the start moved onto it, its turn as it
was. A click misses by `CLICK_MM` along each axis of both images, and the images show the lesion apart by
`BLURRED` of its size.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import SimpleITK
from scipy import ndimage
from scipy.spatial.transform import Rotation

from breastview.imaging.case import PixelScale, Role, RoleChoice
from breastview.imaging.volume import FrameStack, Volume
from breastview.messages import message
from breastview.phantom import stills
from breastview.phantom.crops import FINE_STEP_MM, maps_on
from breastview.phantom.deformation import Probe, jacobian
from breastview.phantom.machine import picture
from breastview.phantom.maps import Grid
from breastview.phantom.patient import SimulatedPatient, simulate
from breastview.phantom.scanner import scan
from breastview.registration.landmarks import fit_landmarks
from breastview.registration.outline import BLURRED, Outline
from breastview.registration.parameters import LandmarkPair, RegistrationParameters
from breastview.registration.snap import REACH, STARTS, propose_snap
from breastview.registration.transform import angles_deg, map_points, to_us_plane, us_to_mri, with_matrix

OFF_MM, OFF_DEG = 10.0, 10.0
CLOSE_MM = 3.0
CLICK_MM = 1.5
BINS, LEVELS = (
    32,
    ((20, 2.0), (10, 1.0), (5, 0.5)),
)  # of the Mattes baseline; levels are (shrink, sigma in mm)
AROUND_MM = 16.0  # of MRI around the picture
_STREAM = 77
_DCE = {"dce_1": 1, "dce_2": 2}
Row = dict[str, float]


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
class SnapCase:
    """A picture with MRI around it and the truth: `us_mm` (n, 3) of the plane lie at `prone_mm` (n, 3)."""

    stack: FrameStack
    volumes: tuple[Volume, ...]
    truth: RegistrationParameters
    lesion_us_mm: np.ndarray
    lesion_mm: np.ndarray
    us_mm: np.ndarray
    prone_mm: np.ndarray
    radius_mm: float

    def start(self, rng: np.random.Generator) -> RegistrationParameters:
        """A pose up to `OFF_MM` and `OFF_DEG` off, spread evenly over the balls of shifts and of turns."""
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

    def clicked(self, start: RegistrationParameters, rng: np.random.Generator) -> RegistrationParameters:
        """A start that was moved onto a pair clicked at the lesion's middle."""
        x, y = self.lesion_us_mm[:2] + rng.normal(0, CLICK_MM, 2)
        shown = self.lesion_mm + rng.normal(0, self.outline.shared_mm, 3)
        r, a, s = shown + rng.normal(0, CLICK_MM, 3)
        pair = LandmarkPair((float(x), float(y)), (float(r), float(a), float(s)))
        return fit_landmarks([pair], start).parameters

    def missed_mm(self, pose: RegistrationParameters) -> tuple[float, float]:
        """How far a pose misses the lesion's centre, and the picture on average."""
        lesion = np.linalg.norm(map_points(pose, self.lesion_us_mm) - self.lesion_mm)
        plane = np.linalg.norm(map_points(pose, self.us_mm) - self.prone_mm, axis=1).mean()
        return float(lesion), float(plane)


def rigid_case(seed: int) -> SnapCase:
    """A picture of the undeformed prone patient."""
    patient = simulate(seed)
    rng = np.random.default_rng([seed, _STREAM])
    probe, (width_mm, _) = stills.aim(patient, patient.views[0], patient.stream("us", 0))
    pose, lesion_mm = _on_the_prone_skin(patient, probe, width_mm, rng)
    deep = lesion_mm + patient.lesion.radius_mm + 8.0
    depth_mm = min((d for d in stills.DEPTHS_MM if d >= deep), default=stills.DEPTHS_MM[-1])
    rigid = RigidProbe(pose)
    sector, _, _ = stills.scan_plane(patient, rigid, (width_mm, depth_mm), rng)
    grey, place = picture(sector, stills.STEP_MM)
    return _case(patient, rigid, pose, _stack(grey, place), (width_mm, depth_mm))


def deformed_case(seed: int) -> SnapCase:
    """The patient's own still: supine, and pressed by the probe."""
    patient = simulate(seed)
    taken = stills.still(patient, patient.views[0])
    place = taken.sector
    size_mm = (place.right - place.left) * stills.STEP_MM, (place.bottom - place.top) * stills.STEP_MM
    return _case(patient, taken.probe, taken.registration, _stack(taken.grey, place), size_mm)


def _stack(grey: np.ndarray, place: Any) -> FrameStack:
    scale = PixelScale((stills.STEP_MM, stills.STEP_MM), message("scale.region"))
    return FrameStack("us", RoleChoice(Role.US_STILL, message("role.us_still")), grey[None], scale, place)


def _case(
    patient: SimulatedPatient,
    probe: Probe | RigidProbe,
    truth: RegistrationParameters,
    stack: FrameStack,
    size_mm: tuple[float, float],
) -> SnapCase:
    us_mm = stills.plane_points(size_mm)[::8, ::8].reshape(-1, 3)
    prone = probe.to_prone(us_mm)
    seen = np.concatenate([prone, map_points(truth, us_mm)])
    lesion, radius_mm = patient.lesion.centre_mm, patient.lesion.radius_mm
    return SnapCase(
        stack, _mri(patient, seen), truth, probe.to_us(lesion[None])[0], lesion, us_mm, prone, radius_mm
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


def _skin_under(depth_mm: Any, centre: np.ndarray, turn: np.ndarray, x: np.ndarray, z: float) -> np.ndarray:
    """How far below the face the skin lies at each x of it, mm."""
    y = np.arange(-30.0, 30.0, 0.25)
    points = np.stack(np.broadcast_arrays(x[:, None], y[None], z), axis=-1)
    depth = depth_mm(points.reshape(-1, 3) @ turn.T + centre).reshape(points.shape[:2])
    return y[np.argmax(depth > 0, axis=1)]


def _in_ball(rng: np.random.Generator, radius: float) -> np.ndarray:
    """A point spread evenly over a ball, (3,)."""
    direction = rng.normal(size=3)
    return direction * radius * np.cbrt(rng.random()) / np.linalg.norm(direction)


def snap_rows(
    cases: int, seed: int, mattes: bool = True, spread: Callable[..., Iterable[Any]] = map
) -> dict[str, Row]:
    """`snap_…`, `snap_…_start`, the same with a pair, and `nmi_…` for the truths rigid and deformed, on
    patients `seed` … `seed` + `cases` − 1; the `nmi` rows only if `mattes`.

    Errors are at the lesion's centre, `plane_mean_mm` over the picture; seconds are of one core. Of snap they
    are those of the offered, and `all_…` those of every proposal. `offered` is a share; `offered_worse`
    counts those offered that end further from the lesion than they began.
    """
    rows: dict[str, Row] = {}
    for truth, make in (("rigid", rigid_case), ("deformed", deformed_case)):
        both = list(spread(partial(_try, make, mattes), range(seed, seed + cases)))
        tried, paired = [one for one, _ in both], [other for _, other in both]
        rows[f"snap_{truth}"] = _snap_row(tried)
        rows[f"snap_{truth}_start"] = _row([t.start_mm for t in tried])
        clicks = {"click_mm": CLICK_MM, "apart_of_size": BLURRED}
        rows[f"snap_{truth}_1pair"] = _snap_row(paired) | clicks
        rows[f"snap_{truth}_1pair_start"] = _row([t.start_mm for t in paired]) | clicks
        if mattes:
            rows[f"nmi_{truth}"] = _row([t.mattes_mm for t in tried], [t.mattes_s for t in tried])
    return rows


@dataclass(frozen=True)
class _Tried:
    """Errors (lesion, plane) in mm of one case at its start, after snap and after Mattes, and their times."""

    start_mm: tuple[float, float]
    snap_mm: tuple[float, float]
    offered: bool
    snap_s: float
    mattes_mm: tuple[float, float]
    mattes_s: float


def _try(make: Callable[[int], SnapCase], mattes: bool, number: int) -> tuple[_Tried, _Tried]:
    """Without and with a pair."""
    case = make(number)
    start = case.start(np.random.default_rng([number, _STREAM, 1]))
    clicked = case.clicked(start, np.random.default_rng([number, _STREAM, 2]))
    return _tried(case, start, mattes), _tried(case, clicked, mattes=False)


def _tried(case: SnapCase, start: RegistrationParameters, mattes: bool) -> _Tried:
    begun_s = time.process_time()
    proposal = propose_snap(case.stack, 0, case.volumes, start, lesion=case.outline)
    snapped_s = time.process_time()
    rival = mattes_registration(case, start) if mattes else start
    return _Tried(
        start_mm=case.missed_mm(start),
        snap_mm=case.missed_mm(proposal.parameters),
        offered=proposal.offered,
        snap_s=snapped_s - begun_s,
        mattes_mm=case.missed_mm(rival),
        mattes_s=time.process_time() - snapped_s,
    )


def _snap_row(tried: Sequence[_Tried]) -> Row:
    offered = [t for t in tried if t.offered]
    every = _row([t.snap_mm for t in tried], [t.snap_s for t in tried])
    worse = sum(t.snap_mm[0] > t.start_mm[0] for t in offered)
    return {
        **_row([t.snap_mm for t in offered], [t.snap_s for t in offered]),
        "tried": float(len(tried)),
        "offered": len(offered) / len(tried),
        "offered_worse": float(worse),
        **{f"all_{name}": value for name, value in every.items() if name != "n"},
    }


def _row(missed_mm: Sequence[tuple[float, float]], seconds: Sequence[float] = (0.0,)) -> Row:
    """What is told of errors (lesion, plane); without a case the numbers are NaN."""
    lesion, plane = np.array(missed_mm).reshape(-1, 2).T if missed_mm else np.full((2, 1), np.nan)
    return {
        "n": float(len(missed_mm)),
        "mean_mm": float(lesion.mean()),
        "p90_mm": float(np.quantile(lesion, 0.9)),
        "p95_mm": float(np.quantile(lesion, 0.95)),
        "below_3mm": float((lesion < CLOSE_MM).mean()),
        "plane_mean_mm": float(plane.mean()),
        "seconds": float(np.mean(seconds)) if seconds else float("nan"),
    }


def mattes_registration(case: SnapCase, start: RegistrationParameters) -> RegistrationParameters:
    """The baseline: SimpleITK's Mattes mutual information with T1WI, three levels, as many starts as snap.

    The best value within snap's own reach wins; the present pose stays where every start leaves it. The first
    start is the present pose, the others lie around it.
    """
    pivot = case.us_mm.mean(axis=0)
    ends = (_mattes(case, start, move) for move in _moves())
    near = [end for end in ends if end is not None and _in_reach(end[1], pivot)]
    return with_matrix(start, us_to_mri(start) @ min(near, key=lambda end: end[0])[1]) if near else start


def _in_reach(move: np.ndarray, pivot: np.ndarray) -> bool:
    """Whether a (4, 4) within the US frame is a move that snap could make."""
    shift = move[:3, :3] @ pivot + move[:3, 3] - pivot
    turn = Rotation.from_matrix(move[:3, :3]).as_rotvec(degrees=True)
    return bool(np.abs([*shift, *turn]).max() <= REACH)


def _moves() -> np.ndarray:
    """The present pose and others up to half the reach off, (STARTS, 6) in mm and degrees."""
    rng = np.random.default_rng(1)
    return np.concatenate([np.zeros((1, 6)), rng.uniform(-5.0, 5.0, (STARTS - 1, 6))])


def _mattes(
    case: SnapCase, start: RegistrationParameters, move: np.ndarray
) -> tuple[float, np.ndarray] | None:
    """Value (smaller is better) and the move, (4, 4) within the US frame, at which the descent ends; None
    where it leaves the MRI."""
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    moving = _image(case.volumes[0])
    whole = SimpleITK.AffineTransform(3)
    matrix = us_to_mri(start)
    whole.SetMatrix(matrix[:3, :3].ravel())
    whole.SetTranslation(matrix[:3, 3])
    pose = SimpleITK.Euler3DTransform(case.us_mm.mean(axis=0), *np.deg2rad(move[3:]), move[:3])
    value = 0.0
    for shrink, sigma_mm in LEVELS:
        method = SimpleITK.ImageRegistrationMethod()
        method.SetMetricAsMattesMutualInformation(BINS)
        method.SetInterpolator(SimpleITK.sitkLinear)
        method.SetOptimizerAsRegularStepGradientDescent(1.0, 0.02, 60)
        method.SetOptimizerScalesFromPhysicalShift()
        method.SetShrinkFactorsPerLevel([1])
        method.SetSmoothingSigmasPerLevel([0.0])
        method.SetMovingInitialTransform(whole)
        method.SetInitialTransform(pose, inPlace=True)
        smooth = SimpleITK.SmoothingRecursiveGaussian(moving, sigma_mm)
        try:
            method.Execute(_picture(case, shrink, sigma_mm), smooth)
        except RuntimeError:  # all samples outside
            return None
        value = method.GetMetricValue()
    end = np.eye(4)
    end[:3, :3] = np.reshape(pose.GetMatrix(), (3, 3))
    end[:3, 3] = np.array([pose.TransformPoint(corner) for corner in np.zeros((1, 3))])[0]
    return value, end


def _image(volume: Volume) -> Any:
    """A volume for ITK, whose images lie in LPS too."""
    image = SimpleITK.GetImageFromArray(volume.array.astype(np.float32))
    columns = volume.index_to_lps[:3, [2, 1, 0]]
    spacing = np.linalg.norm(columns, axis=0)
    image.SetSpacing(spacing)
    image.SetDirection((columns / spacing).ravel())
    image.SetOrigin(volume.index_to_lps[:3, 3])
    return image


def _picture(case: SnapCase, shrink: int, sigma_mm: float) -> Any:
    """The sector as one slice in the US frame, blurred and thinned out."""
    sector = case.stack.sector
    grey = case.stack.grey()[sector.top : sector.bottom, sector.left : sector.right].astype(np.float32)
    step = stills.STEP_MM
    thin = ndimage.gaussian_filter(grey, sigma_mm / step)[::shrink, ::shrink]
    image = SimpleITK.GetImageFromArray(thin[None])
    image.SetSpacing((step * shrink, step * shrink, 1.0))
    image.SetOrigin((-(grey.shape[1] - 1) / 2 * step, 0.0, 0.0))
    return image
