"""One series may hold several volumes: split its frames by what tells them apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from breastview.imaging.diffusion import b_value
from breastview.imaging.geometry import index_to_lps, orientation_name, plane_normal
from breastview.imaging.header import Header
from breastview.messages import Message, message

SAME_PLACE_MM = 0.01
EVEN_SPACING = 0.05  # a step this share away from the median is uneven; half a step more is a gap


@dataclass(frozen=True, eq=False)
class Stack:
    """Frames of one volume in slice order, with their geometry and what is odd about it."""

    frames: tuple[Header, ...]
    index_to_lps: np.ndarray
    orientation: str
    part: str
    notes: tuple[Message, ...]


def split_series(frames: Sequence[Header]) -> list[Stack]:
    """Split the frames of one series into volumes, each a `Stack`. Frames without geometry are left out."""
    unique = {(frame.get("SOPInstanceUID"), frame.frame): frame for frame in frames}
    twice = len(frames) - len(unique)
    groups = _group([f for f in unique.values() if has_geometry(f)], _kind)
    parts = [part for group in groups.values() for part in _split_repeats(group)]
    stacks = [_stack(part) for part in parts]
    stacks.sort(key=lambda stack: _order(stack.frames[0]))
    if len({stack.orientation for stack in stacks}) > 1:
        stacks = [_with_note(s, message("scan.two_orientations")) for s in stacks]
    if twice and stacks:
        stacks[0] = _with_note(stacks[0], message("scan.duplicates", count=twice))
    return [_named(stack, number, len(stacks)) for number, stack in enumerate(stacks, 1)]


def has_geometry(frame: Header) -> bool:
    """Whether a frame says where it lies in the patient."""
    lengths = (("ImagePositionPatient", 3), ("ImageOrientationPatient", 6), ("PixelSpacing", 2))
    return all(len(frame.get(word, ())) == n for word, n in lengths)


def _kind(frame: Header) -> tuple[Any, ...]:
    known = b_value(frame)
    return (
        tuple(np.round(frame.get("ImageOrientationPatient"), 3) + 0.0),
        frame.get("Rows"),
        frame.get("Columns"),
        tuple(np.round(frame.get("PixelSpacing"), 4)),
        tuple(frame.get("ImageType", ()))[:8],
        known[0] if known else None,
        frame.get("EchoNumbers") or round(float(frame.get("EchoTime", 0)), 1),
    )


def _group(frames: Sequence[Header], key: Callable[[Header], Any]) -> dict[Any, list[Header]]:
    groups = defaultdict(list)
    for frame in frames:
        groups[key(frame)].append(frame)
    return groups


def _split_repeats(frames: list[Header]) -> list[list[Header]]:
    """Split frames that lie at the same places by the first value that separates them; MIPs stay together."""
    if not _places_repeat(frames) or _is_projection(frames[0]):
        return [frames]
    for word in ("TemporalPositionIdentifier", "AcquisitionNumber", "AcquisitionTime", "TriggerTime"):
        groups = _group(frames, lambda frame, word=word: frame.get(word))
        if len(groups) > 1 and not any(_places_repeat(group) for group in groups.values()):
            return list(groups.values())
    rounds: dict[int, list[Header]] = defaultdict(list)
    for group in _group(frames, _place).values():
        for number, frame in enumerate(sorted(group, key=_order)):
            rounds[number].append(frame)
    return list(rounds.values())


def _is_projection(frame: Header) -> bool:
    return any("MIP" in part for part in frame.get("ImageType", ()))


def _place(frame: Header) -> int:
    normal = plane_normal(frame.get("ImageOrientationPatient"))
    return round(float(normal @ frame.get("ImagePositionPatient")) / SAME_PLACE_MM)


def _places_repeat(frames: Sequence[Header]) -> bool:
    return len({_place(frame) for frame in frames}) < len(frames)


def _order(frame: Header) -> tuple[int, int, int]:
    return (
        int(frame.get("AcquisitionNumber", 0) or 0),
        int(frame.get("InstanceNumber", 0) or 0),
        frame.frame,
    )


def _stack(frames: list[Header]) -> Stack:
    normal = plane_normal(frames[0].get("ImageOrientationPatient"))
    if _places_repeat(frames):
        ordered, step, notes = sorted(frames, key=_order), normal, [message("scan.no_depth")]
    else:
        ordered = sorted(frames, key=lambda frame: float(normal @ frame.get("ImagePositionPatient")))
        step, notes = _slice_step(ordered, normal)
    first = ordered[0]
    matrix = index_to_lps(
        first.get("ImagePositionPatient"),
        first.get("ImageOrientationPatient"),
        first.get("PixelSpacing"),
        step,
    )
    return Stack(tuple(ordered), matrix, orientation_name(normal), "", tuple(notes))


def _slice_step(ordered: list[Header], normal: np.ndarray) -> tuple[np.ndarray, list[Message]]:
    """The LPS vector between slices, and notes on gaps. A gap is bridged: slices keep their true places."""
    positions = np.array([frame.get("ImagePositionPatient") for frame in ordered], float)
    if len(ordered) == 1:
        first = ordered[0]
        return normal * float(first.get("SpacingBetweenSlices") or first.get("SliceThickness") or 1.0), []
    steps = np.diff(positions @ normal)
    median = float(np.median(steps))
    notes = []
    missing = int(np.round(steps[steps > 1.5 * median] / median - 1).sum())
    if missing > len(ordered) / 2:
        return normal, [message("scan.no_depth")]
    if missing:
        notes.append(message("scan.slices_missing", count=missing))
    elif np.any(np.abs(steps / median - 1) > EVEN_SPACING):
        notes.append(message("scan.uneven", low=round(float(steps.min()), 2), high=round(float(steps.max()), 2)))
    typical = int(np.argmin(np.abs(steps - median)))
    return positions[typical + 1] - positions[typical], notes


def slice_numbers(stack: Stack) -> np.ndarray:
    """The whole slice index of each frame on the stack's even grid, int (n,): a missing slice skips a number."""
    if any(note.code == "scan.no_depth" for note in stack.notes):
        return np.arange(len(stack.frames))
    step = stack.index_to_lps[:3, 0]
    offsets = np.array([f.get("ImagePositionPatient") for f in stack.frames]) - stack.index_to_lps[:3, 3]
    return np.round(offsets @ step / (step @ step)).astype(int)


def _with_note(stack: Stack, note: Message) -> Stack:
    return Stack(stack.frames, stack.index_to_lps, stack.orientation, stack.part, (*stack.notes, note))


def _named(stack: Stack, number: int, count: int) -> Stack:
    part = "" if count == 1 else f"#{number}"
    return Stack(stack.frames, stack.index_to_lps, stack.orientation, part, stack.notes)
