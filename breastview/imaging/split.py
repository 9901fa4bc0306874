"""One series may hold several volumes: split its frames by what tells them apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from operator import methodcaller
from typing import Any

from breastview.imaging.diffusion import b_value
from breastview.imaging.geometry import same_orientation
from breastview.imaging.header import Header
from breastview.imaging.stack import Stack, place_along_normal, stack_frames
from breastview.messages import Message, message

LEFTOVER = 0.25  # repeats at fewer than this share of a volume's places are duplicates, not a volume
_TELL_REPEATS_APART = (
    "TemporalPositionIdentifier",
    "AcquisitionNumber",
    "AcquisitionTime",
    "ContentTime",
    "TriggerTime",
    "InversionTime",
    "RepetitionTime",
    "FlipAngle",
    "SeriesNumber",
)


@dataclass(frozen=True, eq=False)
class _Part:
    frames: list[Header]
    notes: tuple[Message, ...] = ()


def split_series(frames: Sequence[Header]) -> list[Stack]:
    """Split the frames of one series into volumes, each a `Stack`, in the order of acquisition.

    All frames have geometry (`breastview.imaging.stack.has_geometry`). A frame that is there twice is used
    once, and that is noted.
    """
    unique = {(frame.get("SOPInstanceUID"), frame.frame): frame for frame in frames}
    twice = len(frames) - len(unique)
    parts = [part for group in _by_kind(unique.values()) for part in _split_repeats(group)]
    stacks = [stack_frames(part.frames, part.notes) for part in parts]
    stacks.sort(key=lambda stack: min(map(_order, stack.frames)))
    if len({stack.orientation for stack in stacks}) > 1:
        stacks = [_with_note(stack, message("scan.two_orientations")) for stack in stacks]
    if twice and stacks:
        stacks[0] = _with_note(stacks[0], message("scan.duplicates", count=twice))
    if len(stacks) == 1:
        return stacks
    return [replace(stack, part=f"#{number}") for number, stack in enumerate(stacks, 1)]


def _by_kind(frames: Iterable[Header]) -> list[list[Header]]:
    """Group by everything that one volume has in common, then by orientation within a tolerance."""
    groups: list[list[Header]] = []
    for same in _group(frames, _kind).values():
        oriented: list[list[Header]] = []
        for frame in same:
            mine = frame.numbers("ImageOrientationPatient")
            for group in oriented:
                if same_orientation(mine, group[0].numbers("ImageOrientationPatient")):
                    group.append(frame)
                    break
            else:
                oriented.append([frame])
        groups += oriented
    return groups


def _kind(frame: Header) -> tuple[Any, ...]:
    known = b_value(frame)
    return (
        frame.get("Rows"),
        frame.get("Columns"),
        frame.get("BitsAllocated"),
        tuple(round(mm, 2) for mm in frame.numbers("PixelSpacing")),
        frame.get("ImageType"),
        known[0] if known else None,
        frame.get("EchoNumbers") or round(frame.number("EchoTime"), 1),
    )


def _group(frames: Iterable[Header], key: Callable[[Header], Any]) -> dict[Any, list[Header]]:
    groups = defaultdict(list)
    for frame in frames:
        groups[key(frame)].append(frame)
    return groups


def _split_repeats(frames: list[Header]) -> list[_Part]:
    """Split frames that lie at the same places by the first value that separates them; MIPs stay together."""
    places = _group(frames, place_along_normal)
    if len(places) == len(frames) or any("MIP" in word for word in frames[0].words("ImageType")):
        return [_Part(frames)]
    most = max(map(len, places.values()))
    for word in _TELL_REPEATS_APART:
        groups = list(_group(frames, methodcaller("get", word)).values())
        if most <= len(groups) <= most + 1 and not any(map(_places_repeat, groups)):
            return _without_leftovers(groups)
    rounds: dict[int, list[Header]] = defaultdict(list)
    for same_place in places.values():
        for number, frame in enumerate(sorted(same_place, key=_order)):
            rounds[number].append(frame)
    return _without_leftovers(list(rounds.values()))


def _places_repeat(frames: Sequence[Header]) -> bool:
    return len(set(map(place_along_normal, frames))) < len(frames)


def _without_leftovers(groups: list[list[Header]]) -> list[_Part]:
    """A few repeated slices are no volume: they are left out, and noted on the largest."""
    largest = max(groups, key=len)
    kept = [group for group in groups if len(group) > LEFTOVER * len(largest) or group is largest]
    extra = sum(map(len, groups)) - sum(map(len, kept))
    notes = (message("scan.duplicates", count=extra),) if extra else ()
    return [_Part(group, notes if group is largest else ()) for group in kept]


def _order(frame: Header) -> tuple[int, int, int]:
    return frame.count("AcquisitionNumber"), frame.count("InstanceNumber"), frame.frame


def _with_note(stack: Stack, note: Message) -> Stack:
    return replace(stack, notes=(*stack.notes, note))
