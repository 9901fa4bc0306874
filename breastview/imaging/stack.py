"""Slices of one volume in the order of space: where they lie, what is missing, what is uneven."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from breastview.imaging.geometry import index_to_lps, orientation_name, plane_normal
from breastview.imaging.header import Header
from breastview.messages import Message, message

SAME_PLACE_MM = 0.01
EVEN_SPACING = 0.05  # a step this share away from the others is uneven
FARTHEST_MM = 1e5  # no scanner is this large: the numbers are damaged
SPARSE = 1.5  # an uneven grid of so many times the slices that are there is none
LARGEST = 2.0  # an even one may have so many: of two slabs, or where a transfer broke off
SIDEWAYS_MM = 1.0  # slices shifted in their own plane by more than this are no straight stack


@dataclass(frozen=True, eq=False)
class Stack:
    """Frames of one volume in slice order, with their geometry and what is odd about it.

    `numbers` is the slice each frame fills, int (n,): a missing slice skips a number. `index_to_lps` is the
    read-only (4, 4) of that even grid. `part` tells the volumes of one series apart.
    """

    frames: tuple[Header, ...]
    numbers: tuple[int, ...]
    index_to_lps: np.ndarray
    orientation: str
    notes: tuple[Message, ...]
    part: str = ""

    @property
    def first(self) -> Header:
        """The header of the first slice."""
        return self.frames[0]


def has_geometry(frame: Header) -> bool:
    """Whether a frame says where it lies in the patient, in numbers that make sense."""
    position = frame.numbers("ImagePositionPatient")
    return (
        len(position) == 3
        and max(map(abs, position)) < FARTHEST_MM
        and _is_plane(frame.numbers("ImageOrientationPatient"), frame.numbers("PixelSpacing"))
    )


@lru_cache(maxsize=256)
def _is_plane(cosines: tuple[float, ...], spacing: tuple[float, ...]) -> bool:
    """Whether two directions are of unit length and at right angles, and the spacing is positive."""
    if (len(cosines), len(spacing)) != (6, 2) or min(spacing) <= 0 or max(spacing) > FARTHEST_MM:
        return False
    lengths = sum(c * c for c in cosines[:3]), sum(c * c for c in cosines[3:])
    skew = sum(a * b for a, b in zip(cosines[:3], cosines[3:], strict=True))
    return all(0.98 < length < 1.02 for length in lengths) and abs(skew) < 0.01


def place_along_normal(frame: Header) -> int:
    """Where a slice lies along its normal, in steps of `SAME_PLACE_MM`."""
    x, y, z = plane_normal(frame.numbers("ImageOrientationPatient"))
    px, py, pz = frame.numbers("ImagePositionPatient")
    return round((x * px + y * py + z * pz) / SAME_PLACE_MM)


def stack_frames(frames: Sequence[Header], notes: Sequence[Message] = ()) -> Stack:
    """Put the frames of one volume in order along their normal, on an even grid."""
    ordered = sorted(frames, key=place_along_normal)
    first = ordered[0]
    normal = np.array(plane_normal(first.numbers("ImageOrientationPatient")))
    positions = np.array([frame.numbers("ImagePositionPatient") for frame in ordered])
    step, numbers, odd = _grid(positions, normal, _nominal_step_mm(first))
    if any(note.code == "scan.no_depth" for note in odd):
        ordered = sorted(frames, key=lambda frame: (frame.count("InstanceNumber"), frame.frame))
    matrix = index_to_lps(
        ordered[0].numbers("ImagePositionPatient"),
        first.numbers("ImageOrientationPatient"),
        first.numbers("PixelSpacing"),
        step,
    )
    numbers_of_slices = tuple(int(number) for number in numbers)
    return Stack(tuple(ordered), numbers_of_slices, matrix, orientation_name(normal), (*notes, *odd))


def _nominal_step_mm(frame: Header) -> float:
    named = frame.number("SpacingBetweenSlices"), frame.number("SliceThickness")
    return next((abs(mm) for mm in named if 0 < abs(mm) < FARTHEST_MM), 1.0)


def _grid(
    positions: np.ndarray, normal: np.ndarray, nominal_mm: float
) -> tuple[np.ndarray, np.ndarray, list[Message]]:
    """(LPS vector from slice to slice, slice numbers, notes) for ordered positions, float (n, 3)."""
    count = len(positions)
    one_by_one = np.arange(count)
    if count == 1:
        return normal * nominal_mm, one_by_one, []
    steps = np.diff(positions @ normal)
    no_depth = normal, one_by_one, [message("scan.no_depth")]
    if steps.min() < SAME_PLACE_MM / 2:
        return no_depth
    gaps, even = _gaps(steps)
    numbers = np.concatenate([[0], np.cumsum(gaps)])
    step = (positions[-1] - positions[0]) / numbers[-1]
    off_line = np.linalg.norm(positions[0] + numbers[:, None] * step - positions, axis=1).max()
    largest = (LARGEST if even else SPARSE) * count
    if numbers[-1] >= largest or off_line > SIDEWAYS_MM + np.linalg.norm(step) / 2:
        return no_depth
    return step, numbers, _notes(steps, gaps)


def _gaps(steps: np.ndarray) -> tuple[np.ndarray, bool]:
    """How many slices each step in mm goes forward, int (n,), and whether these are even; one is the smallest
    where all are multiples."""
    for one in (float(steps.min()), float(np.median(steps))):
        gaps = np.maximum(1, np.round(steps / one)).astype(int)
        even = bool(np.abs(steps / (gaps * one) - 1).max() <= EVEN_SPACING)
        if even and gaps.sum() <= SPARSE * len(steps) + 0.5:
            return gaps, even
    return gaps, even


def _notes(steps: np.ndarray, gaps: np.ndarray) -> list[Message]:
    notes = []
    per_slice = steps / gaps
    missing = int(gaps.sum()) - len(gaps)
    if missing:
        notes.append(message("scan.slices_missing", count=missing))
    if np.abs(per_slice / np.median(per_slice) - 1).max() > EVEN_SPACING:
        low, high = round(float(per_slice.min()), 2), round(float(per_slice.max()), 2)
        notes.append(message("scan.uneven", low=low, high=high))
    return notes
