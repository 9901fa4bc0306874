"""Motion between DCE phases: each phase is laid onto the one before contrast medium, rigidly or not at all.

Rigid, because a deformation would take uptake for motion and shrink what enhances; by mutual information
(Mattes et al., IEEE Trans Med Imaging 22:120, 2003), because medium changes grey values; in the breasts
alone, because the heart and the chest behind them move on their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from breastview.errors import Cancelled, CaseError
from breastview.imaging.case import ScannedVolume
from breastview.imaging.dynamic import same_grid
from breastview.imaging.geometry import apply, frozen
from breastview.imaging.load import load_volume
from breastview.imaging.volume import Volume
from breastview.messages import Message, message
from breastview.progress import Progress, silent
from breastview.registration.parameters import PhaseMotion, Point3
from breastview.registration.skin import GRID_MM, find_body, midline_x_mm

LEAST_MM, LEAST_PX = 0.5, 0.5  # mean of the breasts: uptake of the skin alone passes for a fifth of a pixel
MOST_MM = 10.0
LEAST_GAIN = 0.01  # share of the mutual information of blurred images
BLUR_PX = 1.5  # of those images: an interpolated one is smoother, which must not count as a gain
BEHIND_MM = 20.0  # behind the skin over the sternum the breasts end
ONE_BREAST_MM = 70.0  # and this far behind the nipple where no sternum is seen
AROUND_MM = 6.0  # of air around the breasts: their border tells most
MARGIN_MM = 12.0
SHARE = 0.03  # of the voxels that are looked at
BINS, SHRINK, SMOOTH_PX = 32, (4, 2, 1), (2.0, 1.0, 0.0)
STEP_MM, SMALLEST_MM, STEPS = 1.0, 0.01, 60
SEED = 1
DIGITS = 6  # that are kept: sums differ in the last ones from run to run


def find_motion(pre: Volume, post: Volume, progress: Progress = silent) -> PhaseMotion:
    """Look for the rigid motion of the breasts from `pre` to `post`, and judge it.

    The same input gives the same answer.

    Raises:
        CaseError: the phases do not share one grid.
        Cancelled: the user cancelled; `progress` raises it.
    """
    if not same_grid(pre, post):
        raise CaseError.of("dynamic.grids_differ")
    mask = breast_mask(pre)
    block = _block(mask, pre.index_to_lps)
    places = _places(mask, pre.index_to_lps)
    pivot = places.mean(axis=0)
    images = [_image(volume.array[block], volume.index_to_lps, block) for volume in (pre, post)]
    inside = _image(mask[block].astype(np.uint8), pre.index_to_lps, block)
    matrix = _search(images, inside, pivot, progress)
    moved = apply(matrix, places) - places
    apart_mm = np.linalg.norm(moved, axis=1)
    shift = matrix[:3, :3] @ pivot + matrix[:3, 3] - pivot
    turn_deg = np.rad2deg(Rotation.from_matrix(matrix[:3, :3]).as_rotvec())
    mean_mm, most_mm = round(float(apart_mm.mean()), DIGITS), round(float(apart_mm.max()), DIGITS)
    least_mm = max(LEAST_MM, LEAST_PX * max(np.linalg.norm(pre.index_to_lps[:3, 1:3], axis=0)))
    reason = _too_little_or_much(mean_mm, most_mm, least_mm) or _no_gain(images, inside, matrix)
    return PhaseMotion(
        post.key, pre.key, _point(pivot), _point(turn_deg), _point(shift), mean_mm, most_mm, reason
    )


def find_motions(phases: Sequence[Volume], progress: Progress = silent) -> tuple[PhaseMotion, ...]:
    """The motion of every phase against the first; raises as `find_motion`."""
    pre, *later = phases
    found = []
    for number, phase in enumerate(later):
        told = message("doing.motion", done=number + 1, count=len(later))
        found.append(find_motion(pre, phase, partial(_tell_part, progress, number, len(later), told)))
    return tuple(found)


def _tell_part(
    progress: Progress, number: int, count: int, told: Message, fraction: float | None, doing: Message
) -> None:
    """Tell of one of several searches as a part of all."""
    progress((number + (fraction or 0.0)) / count, told)


def load_corrected(
    motions: Sequence[PhaseMotion], volume: ScannedVolume, progress: Progress = silent
) -> Volume:
    """Load a volume as it lies without the motion that the record keeps of it; raises as `load_volume`."""
    loaded = load_volume(volume, progress)
    own = next((motion for motion in motions if motion.volume_key == volume.key), None)
    return loaded if own is None else corrected(loaded, own)


def corrected(volume: Volume, motion: PhaseMotion) -> Volume:
    """The phase as it would lie without its motion: cubic on its own grid, in its own numbers."""
    if motion.reason is not None:
        return volume
    index = volume.lps_to_index @ matrix_of(motion) @ volume.index_to_lps
    smooth = ndimage.affine_transform(
        volume.array.astype(np.float32), index[:3, :3], index[:3, 3], order=3, mode="nearest"
    )
    np.clip(smooth, volume.array.min(), volume.array.max(), out=smooth)  # a cubic overshoots at edges
    kind = volume.array.dtype
    array = smooth.astype(kind) if kind.kind == "f" else np.rint(smooth).astype(kind)
    note = message("motion.corrected", mm=round(motion.most_mm, 1))
    return replace(volume, array=frozen(array), notes=(*volume.notes, note))


def matrix_of(motion: PhaseMotion) -> np.ndarray:
    """The (4, 4) from a place before contrast medium to the same tissue's place in the phase, LPS mm."""
    matrix, pivot = np.eye(4), np.array(motion.pivot_mm)
    matrix[:3, :3] = Rotation.from_rotvec(np.deg2rad(motion.turn_deg)).as_matrix()
    matrix[:3, 3] = pivot - matrix[:3, :3] @ pivot + motion.shift_mm
    return matrix


def most_corrected_mm(motions: Iterable[PhaseMotion]) -> float | None:
    """How far a place of the breasts was moved back at most; None where nothing was."""
    return max((motion.most_mm for motion in motions if motion.reason is None), default=None)


def breast_mask(volume: Volume) -> np.ndarray:
    """Where the breasts and a little of the air around them lie, bool (slice, row, column)."""
    body = find_body(volume)
    mask = ndimage.binary_dilation(body.mask, iterations=round(AROUND_MM / GRID_MM))
    mask[:, _chest_row(body.mask, round((midline_x_mm(body) - body.corner_mm[0]) / GRID_MM)) :] = False
    to_grid = volume.index_to_lps.copy()
    to_grid[:3, 3] -= body.corner_mm
    to_grid[:3] /= GRID_MM
    on_volume = ndimage.affine_transform(
        mask.astype(np.uint8), to_grid[:3, :3], to_grid[:3, 3], output_shape=volume.array.shape, order=0
    )
    return on_volume.astype(bool)


def _chest_row(body: np.ndarray, middle: int) -> int:
    """The row along y of a body mask (x, y, z) at which the breasts end; `middle` is the midline's x."""
    front, seen = np.argmax(body, axis=1), np.asarray(body.any(axis=1))
    if 0 <= middle < len(body) and seen[middle].any():
        return int(np.median(front[middle][seen[middle]]) + BEHIND_MM / GRID_MM)
    return int(front[seen].min() + ONE_BREAST_MM / GRID_MM) if seen.any() else body.shape[1]


def _block(mask: np.ndarray, index_to_lps: np.ndarray) -> tuple[slice, ...]:
    """The part of the grid that the mask and a margin need."""
    step_mm = np.linalg.norm(index_to_lps[:3, :3], axis=0)
    found = []
    for axis, step in enumerate(step_mm):
        where = np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))
        if not len(where):
            raise CaseError.of("registration.no_breast")
        margin = int(np.ceil(MARGIN_MM / step))
        found.append(slice(max(where[0] - margin, 0), where[-1] + margin + 1))
    return tuple(found)


def _places(mask: np.ndarray, index_to_lps: np.ndarray) -> np.ndarray:
    """Some thousand places all over the mask, LPS mm (n, 3)."""
    where = np.argwhere(mask)
    return apply(index_to_lps, where[:: max(len(where) // 4000, 1)])


def _image(array: np.ndarray, index_to_lps: np.ndarray, block: Sequence[slice]) -> Any:
    """A SimpleITK image in LPS mm of a block of a grid; float32 but for a mask."""
    import SimpleITK as sitk  # noqa: N813  a second or two, which only this step needs

    image = sitk.GetImageFromArray(array if array.dtype == np.uint8 else array.astype(np.float32))
    step_mm = np.linalg.norm(index_to_lps[:3, :3], axis=0)
    image.SetSpacing(step_mm[::-1].tolist())
    image.SetDirection((index_to_lps[:3, :3] / step_mm)[:, ::-1].ravel().tolist())
    image.SetOrigin(apply(index_to_lps, np.array([part.start for part in block])).tolist())
    return image


def _search(images: Sequence[Any], inside: Any, pivot: np.ndarray, progress: Progress) -> np.ndarray:
    """The (4, 4) that carries a place of the first image to that of the second, from coarse to fine."""
    import SimpleITK as sitk  # noqa: N813

    transform = sitk.Euler3DTransform()
    transform.SetCenter(pivot.tolist())
    method = _method(inside)
    method.SetOptimizerAsRegularStepGradientDescent(STEP_MM, SMALLEST_MM, STEPS)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel(SHRINK)
    method.SetSmoothingSigmasPerLevel(SMOOTH_PX)
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOff()
    method.SetInitialTransform(transform, inPlace=True)
    stopped: list[Cancelled] = []

    def tell(levels: float) -> None:
        try:
            progress(min(levels / len(SHRINK), 1.0), message("doing.motion", done=1, count=1))
        except Cancelled as cancelled:  # an exception cannot cross ITK
            stopped.append(cancelled)
            method.StopRegistration()

    def step() -> None:
        tell(method.GetCurrentLevel() + method.GetOptimizerIteration() / STEPS)

    method.AddCommand(sitk.sitkIterationEvent, step)
    tell(0.0)
    if not stopped:
        method.Execute(*images)
    if stopped:
        raise stopped[0]
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(transform.GetMatrix(), (3, 3))
    matrix[:3, 3] = transform.TransformPoint((0.0, 0.0, 0.0))
    return matrix


def _method(inside: Any) -> Any:
    import SimpleITK as sitk  # noqa: N813

    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)  # sums in another order are another answer
    method.SetMetricAsMattesMutualInformation(BINS)
    method.SetMetricFixedMask(inside)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(SHARE, SEED)
    method.SetInterpolator(sitk.sitkLinear)
    return method


def _too_little_or_much(mean_mm: float, most_mm: float, least_mm: float) -> Message | None:
    if most_mm > MOST_MM:
        return message("motion.too_far", mm=round(most_mm, 1), most=MOST_MM)
    return message("motion.still", mm=round(mean_mm, 1)) if mean_mm < least_mm else None


def _no_gain(images: Sequence[Any], inside: Any, matrix: np.ndarray) -> Message | None:
    """Why the motion is not believed: the blurred images agree no better with it."""
    import SimpleITK as sitk  # noqa: N813

    blurred = [sitk.SmoothingRecursiveGaussian(i, [BLUR_PX * mm for mm in i.GetSpacing()]) for i in images]
    shared = []
    for pose in (np.eye(4), matrix):
        method = _method(inside)
        transform = sitk.AffineTransform(3)
        transform.SetMatrix(pose[:3, :3].ravel().tolist())
        transform.SetTranslation(pose[:3, 3].tolist())
        method.SetInitialTransform(transform)
        shared.append(-method.MetricEvaluate(*blurred))
    return None if shared[1] > shared[0] * (1 + LEAST_GAIN) else message("motion.no_gain")


def _point(values: np.ndarray) -> Point3:
    x, y, z = (round(float(value), DIGITS) for value in values)
    return x, y, z
