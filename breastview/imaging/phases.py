"""Contrast dynamics: which volumes are phases of one acquisition, in which order, and with what delay."""

from __future__ import annotations

import datetime
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from breastview.imaging.case import Role, RoleChoice
from breastview.imaging.header import Header
from breastview.imaging.patients import parse_date
from breastview.imaging.stack import Stack
from breastview.messages import Message, message

MIN_UNNAMED_PHASES = 3  # so many repeats are a dynamic series even when nothing says so
DYNAMIC_MAX_ECHO_MS = 10.0


def choose_phases(stacks: Sequence[Stack], choices: Sequence[RoleChoice]) -> list[RoleChoice]:
    """Return the roles with the phases of each dynamic acquisition numbered in order of time.

    The order is that of the acquisition times where all phases have their own; else of series and acquisition
    numbers, the delays unknown.
    """
    numbered = list(choices)
    for acquisition, group in enumerate(_repeats(stacks, choices), 1):
        for place, choice in _phases([stacks[place] for place in group]):
            numbered[group[place]] = replace(choice, acquisition=acquisition)
    return numbered


def _repeats(stacks: Sequence[Stack], choices: Sequence[RoleChoice]) -> list[list[int]]:
    """Places of volumes that repeat one acquisition."""
    groups: dict[Any, list[int]] = defaultdict(list)
    for place, (stack, choice) in enumerate(zip(stacks, choices, strict=True)):
        short_echo = stack.first.number("EchoTime") <= DYNAMIC_MAX_ECHO_MS
        if choice.role in (Role.DCE, Role.T1WI, Role.OTHER) and len(stack.frames) > 1 and short_echo:
            groups[_acquisition(stack)].append(place)
    return [group for group in groups.values() if _is_dynamic([choices[place].role for place in group])]


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
        round(first.number("EchoTime"), 1),
        round(first.number("RepetitionTime"), 1),
        round(first.number("FlipAngle")),
        first.words("ScanningSequence"),
    )


def _phases(stacks: Sequence[Stack]) -> list[tuple[int, RoleChoice]]:
    times = _times_s(stacks)

    def order(place: int) -> tuple[float, ...]:
        first = stacks[place].first
        numbers = [
            first.number(word) for word in ("SeriesNumber", "AcquisitionNumber", "TemporalPositionIdentifier")
        ]
        return (times[place] if times else 0.0, *numbers, place)

    ordered = sorted(range(len(stacks)), key=order)
    count = len(stacks)
    reason: Message = (
        message("role.dce_timed", count=count) if times else message("role.dce_untimed", count=count)
    )
    base = RoleChoice(Role.DCE, reason, phase_count=count)
    return [
        (place, replace(base, phase=number, delay_s=times[place] - times[ordered[0]] if times else None))
        for number, place in enumerate(ordered, 1)
    ]


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
