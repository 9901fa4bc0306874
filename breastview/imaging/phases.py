"""Contrast dynamics: which volumes are phases of one acquisition, in which order, and with what delay."""

from __future__ import annotations

import datetime
import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from breastview.imaging.case import Role, RoleChoice
from breastview.imaging.geometry import apply
from breastview.imaging.header import Header
from breastview.imaging.patients import parse_date
from breastview.imaging.stack import Stack
from breastview.messages import message

MIN_UNNAMED_PHASES = 3  # so many repeats are a dynamic series even when nothing says so
DYNAMIC_MAX_ECHO_MS = 10.0
DIXON = frozenset({"WATER", "FAT", "IN_PHASE", "OUT_PHASE", "OPP_PHASE"})
SAME_SLAB = 0.5  # phases of one acquisition lie over one another by more than this share
_BEFORE = re.compile(r"(?<![a-z])(pre(contrast|gad|gd|km)?|nativ[ea]?)(?![a-z])|平扫|增强前")
_AFTER = re.compile(
    r"(?<![a-z])(post(contrast|gad|gd|km)?|km|gad|gd)(?![a-z])|\+ ?(c|km|gad|gd)(?![a-z])|增强后"
)
_NO_AGENT = ("", "none", "no", "no contrast")


def choose_phases(stacks: Sequence[Stack], choices: Sequence[RoleChoice]) -> list[RoleChoice]:
    """Return the roles with the phases of each dynamic acquisition numbered in order of time, or as
    the scanner counts them; water before what else each moment shows, and copies that the scanner made of an
    acquisition, as without motion, after it.

    The order is that of the acquisition times where all phases have their own, else that in which the scanner
    counts them, the delays unknown; else those come first that are before contrast medium by their headers,
    and the numbers of acquisitions, then of series, decide.
    """
    numbered = list(choices)
    groups = sorted(_repeats(stacks, choices), key=lambda group: _rank(stacks[group[0]]))
    labels = _labels([stacks[group[0]] for group in groups])
    for acquisition, (group, label) in enumerate(zip(groups, labels, strict=True), 1):
        for place, choice in _phases([stacks[place] for place in group]):
            numbered[group[place]] = replace(choice, acquisition=acquisition, label=label)
    return numbered


def _repeats(stacks: Sequence[Stack], choices: Sequence[RoleChoice]) -> list[list[int]]:
    """Places of volumes that repeat one acquisition."""
    groups: dict[Any, list[int]] = defaultdict(list)
    for place, (stack, choice) in enumerate(zip(stacks, choices, strict=True)):
        short_echo = stack.first.number("EchoTime") <= DYNAMIC_MAX_ECHO_MS
        if choice.role in (Role.DCE, Role.T1WI, Role.OTHER) and len(stack.frames) > 1 and short_echo:
            groups[_acquisition(stack)].append(place)
    apart = [one for group in groups.values() for one in _over_one_another(stacks, group)]
    found = [one for group in apart for one in _copies_apart(stacks, group)]
    return [group for group in found if _is_dynamic([choices[place].role for place in group])]


def _over_one_another(stacks: Sequence[Stack], group: Sequence[int]) -> list[list[int]]:
    """The volumes of a group that lie over one another: an exam may have an acquisition a breast."""
    apart: list[list[int]] = []
    for place in group:
        mine = next((one for one in apart if _overlap(stacks[one[0]], stacks[place]) > SAME_SLAB), None)
        if mine is None:
            apart.append([place])
        else:
            mine.append(place)
    return apart


def _labels(acquisitions: Sequence[Stack]) -> list[str]:
    """What tells the acquisitions of one exam apart, each given by one of its volumes (see `RoleChoice`)."""
    labels: list[str] = []
    seen: Counter[tuple[str, str]] = Counter()
    for stack in acquisitions:
        study = stack.first.text("StudyInstanceUID")
        exam = [one for one in acquisitions if one.first.text("StudyInstanceUID") == study]
        side = _side(stack, exam)
        seen[study, side] += 1
        letter = chr(ord("a") + seen[study, side] - 1) if seen[study, side] > 1 else ""
        labels.append(" ".join(filter(None, (side, letter))))
    return labels


def _side(stack: Stack, exam: Iterable[Stack]) -> str:
    """The breast that a volume shows where those of its exam lie side by side, "R" or "L": three quarters of
    it lie on that side of their middle; else empty."""
    middles_mm = [float(_extent_mm(one)[:, 0].mean()) for one in exam]
    first_mm, last_mm = _extent_mm(stack)[:, 0]
    aside_mm = (first_mm + last_mm - min(middles_mm) - max(middles_mm)) / 2
    if abs(aside_mm) <= abs(last_mm - first_mm) / 4:
        return ""
    return "L" if aside_mm > 0 else "R"


def _copies_apart(stacks: Sequence[Stack], group: list[int]) -> list[list[int]]:
    """The volumes of a group by their image type, where a scanner filed an acquisition as it was and once
    more, corrected or filtered (Siemens: "MOCO", "NORM"; else "DERIVED"): as many phases of each type, or one
    less, and not one type after the other."""
    kinds: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for place in group:
        kinds[stacks[place].first.words("ImageType")].append(place)
    counts = sorted(map(len, kinds.values()))
    if counts[0] < 2 or counts[-1] - counts[0] > 1 or _is_one_after_the_other(stacks, kinds.values()):
        return [group]
    return list(kinds.values())


def _is_one_after_the_other(stacks: Sequence[Stack], parts: Iterable[Sequence[int]]) -> bool:
    begun = [[_begin_s(stacks[place], "AcquisitionTime") or 0.0 for place in part] for part in parts]
    spans = sorted((min(moments), max(moments)) for moments in begun)
    return any(earlier[1] < later[0] for earlier, later in itertools.pairwise(spans))


def _rank(stack: Stack) -> tuple[bool, bool]:
    """What stands first among the acquisitions: water, and what was acquired rather than computed from it."""
    words = stack.first.words("ImageType")
    return not _kinds(stack) <= {"WATER"}, "MOCO" in words or "DERIVED" in words


def _overlap(one: Stack, other: Stack) -> float:
    """Share of the lesser of two volumes with the same axes that lies in the other, along each axis at
    least."""
    axes = one.index_to_lps[:3, :3] / np.linalg.norm(one.index_to_lps[:3, :3], axis=0)
    first, second = (_extent_mm(stack) @ axes for stack in (one, other))
    shared = np.minimum(first[1], second[1]) - np.maximum(first[0], second[0])
    return float((shared / np.minimum(first[1] - first[0], second[1] - second[0])).min())


def _extent_mm(stack: Stack) -> np.ndarray:
    """The outer corners of a volume's first and last voxel, LPS mm (2, 3)."""
    shape = stack.numbers[-1] + 1, stack.first.count("Rows"), stack.first.count("Columns")
    corners = np.array([np.full(3, -0.5), np.array(shape) - 0.5])
    return apply(stack.index_to_lps, corners)


def _is_dynamic(roles: Sequence[Role]) -> bool:
    return len(roles) >= MIN_UNNAMED_PHASES or (len(roles) > 1 and Role.DCE in roles)


def _acquisition(stack: Stack) -> tuple[Any, ...]:
    """What all phases of one acquisition share. The first slice may be missing in one of them."""
    first = stack.first
    return (
        first.text("StudyInstanceUID"),
        first.count("Rows"),
        first.count("Columns"),
        tuple(np.round(stack.index_to_lps[:3, :3].ravel(), 1) + 0.0),
        tuple(first.words("ImageType"))[2:3],
        _kinds(stack),
        round(first.number("EchoTime"), 1),
        round(first.number("RepetitionTime"), 1),
        round(first.number("FlipAngle")),
        first.words("ScanningSequence"),
    )


def _kinds(stack: Stack) -> frozenset[str]:
    """Which of the images that a Dixon acquisition makes of each moment this is; empty without."""
    return frozenset(word.upper() for word in stack.first.words("ImageType")) & DIXON


def _phases(stacks: Sequence[Stack]) -> list[tuple[int, RoleChoice]]:
    headers = [stack.first for stack in stacks]
    times, positions = _times_s(stacks), _told_apart(headers, "TemporalPositionIdentifier")
    nothing = [0] * len(stacks)
    moments = times or positions or nothing
    acquisitions = _told_apart(headers, "AcquisitionNumber") or nothing
    medium = [(_medium_by_name(header), _has_agent(header)) for header in headers]

    def order(place: int) -> tuple[float, ...]:
        numbers = (headers[place].number(word) for word in ("SeriesNumber", "AcquisitionNumber"))
        return (moments[place], *medium[place], acquisitions[place], *numbers, place)

    ordered = sorted(range(len(stacks)), key=order)
    counted = [positions[place] for place in ordered] if positions else []
    numbers = counted if counted and counted == sorted(counted) else list(range(1, len(ordered) + 1))
    if times:
        told = "role.dce_timed"
    elif not positions and medium.count(min(medium)) == 1:
        told = "role.dce_contrast"
    elif positions or _is_in_order([headers[place] for place in ordered]):
        told = "role.dce_untimed"
    else:
        told = "role.dce_guessed"
    count = max(len(stacks), *numbers)
    reason = message(told, count=count)
    base = RoleChoice(Role.DCE, reason, phase_count=count)
    return [
        (place, replace(base, phase=number, delay_s=times[place] - times[ordered[0]] if times else None))
        for number, place in zip(numbers, ordered, strict=True)
    ]


def _told_apart(headers: Sequence[Header], keyword: str) -> list[int]:
    """The numbers by which the scanner counts phases, where each has its own; else []."""
    told = [header.count(keyword) for header in headers]
    return told if 0 not in told and len(set(told)) == len(told) else []


def _is_in_order(ordered: Sequence[Header]) -> bool:
    """Whether more than one kind of number speaks for the order: those of acquisitions and of series agree,
    or all lie in one series."""
    series = [header.number("SeriesNumber") for header in ordered]
    one_series = len({header.text("SeriesInstanceUID") for header in ordered}) == 1
    return one_series or (bool(_told_apart(ordered, "AcquisitionNumber")) and series == sorted(series))


def _medium_by_name(header: Header) -> int:
    """-1 where the description says "before contrast medium", 1 where it says "after", 0 where neither."""
    name = header.text("SeriesDescription").lower()
    return -1 if _BEFORE.search(name) else int(_AFTER.search(name) is not None)


def _has_agent(header: Header) -> bool:
    """Whether contrast medium is named: "if contrast media was used in this image" (DICOM PS3.3 A.4)."""
    return header.text("ContrastBolusAgent").lower() not in _NO_AGENT


def _times_s(stacks: Sequence[Stack]) -> list[float]:
    """When each phase began, in s; [] unless one and the same attribute tells all of them apart."""
    for keyword in ("AcquisitionTime", "TriggerTime"):
        moments = [_begin_s(stack, keyword) for stack in stacks]
        known = [moment for moment in moments if moment is not None]
        if len(known) == len(set(known)) == len(stacks):
            return known
    return []


def _begin_s(stack: Stack, keyword: str) -> float | None:
    moments = [moment for frame in stack.frames if (moment := moment_s(frame, keyword)) is not None]
    return min(moments) if moments else None


def moment_s(header: Header, keyword: str) -> float | None:
    """A moment in s since a fixed day, or since midnight without a date; None when it is blank."""
    if keyword == "TriggerTime":
        return next((ms / 1000 for ms in header.numbers(keyword)), None)
    text = header.text(keyword)
    if not re.fullmatch(r"([01]\d|2[0-3])[0-5]\d[0-5]\d(\.\d+)?", text):
        return None
    day = parse_date(header.text(keyword.replace("Time", "Date"))) or datetime.date.min
    return day.toordinal() * 86400.0 + int(text[:2]) * 3600 + int(text[2:4]) * 60 + float(text[4:])
