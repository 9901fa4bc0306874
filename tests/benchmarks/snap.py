"""How well snap finds a lost pose: `snap_rows`, for the registration benchmark.

`snap_rigid` and `snap_deformed` start from poses spread evenly over all that are up to 10 mm and 10° off (see
`breastview.phantom.known_pose`). The Mattes rows begin at the same starts.

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

from breastview.imaging.volume import Volume
from breastview.phantom import stills
from breastview.phantom.known_pose import KnownPose, deformed_case, rigid_case, stream
from breastview.registration.landmarks import fit_landmarks
from breastview.registration.outline import BLURRED
from breastview.registration.parameters import LandmarkPair, RegistrationParameters
from breastview.registration.search import REACH, STARTS
from breastview.registration.snap import propose_snap
from breastview.registration.transform import us_to_mri, with_matrix

CLOSE_MM = 3.0
CLICK_MM = 1.5
BINS, LEVELS = (
    32,
    ((20, 2.0), (10, 1.0), (5, 0.5)),
)  # of the Mattes baseline; levels are (shrink, sigma in mm)
Row = dict[str, float]


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


def _try(make: Callable[[int], KnownPose], mattes: bool, number: int) -> tuple[_Tried, _Tried]:
    """Without and with a pair."""
    case = make(number)
    start = case.start()
    return _tried(case, start, mattes), _tried(case, _clicked(case, start), mattes=False)


def _clicked(case: KnownPose, start: RegistrationParameters) -> RegistrationParameters:
    """A start that was moved onto a pair clicked at the lesion's middle."""
    rng = stream(case.seed, 2)
    x, y = case.lesion_us_mm[:2] + rng.normal(0, CLICK_MM, 2)
    shown = case.lesion_mm + rng.normal(0, case.outline.shared_mm, 3)
    r, a, s = shown + rng.normal(0, CLICK_MM, 3)
    pair = LandmarkPair((float(x), float(y)), (float(r), float(a), float(s)))
    return fit_landmarks([pair], start).parameters


def _tried(case: KnownPose, start: RegistrationParameters, mattes: bool) -> _Tried:
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


def mattes_registration(case: KnownPose, start: RegistrationParameters) -> RegistrationParameters:
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
    case: KnownPose, start: RegistrationParameters, move: np.ndarray
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


def _picture(case: KnownPose, shrink: int, sigma_mm: float) -> Any:
    """The sector as one slice in the US frame, blurred and thinned out."""
    sector = case.stack.sector
    grey = case.stack.grey()[sector.top : sector.bottom, sector.left : sector.right].astype(np.float32)
    step = stills.STEP_MM
    thin = ndimage.gaussian_filter(grey, sigma_mm / step)[::shrink, ::shrink]
    image = SimpleITK.GetImageFromArray(thin[None])
    image.SetSpacing((step * shrink, step * shrink, 1.0))
    image.SetOrigin((-(grey.shape[1] - 1) / 2 * step, 0.0, 0.0))
    return image
