"""What each MRI volume is for, with the reason in words."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from breastview.imaging.case import Role, RoleChoice
from breastview.imaging.diffusion import b_value
from breastview.imaging.header import Header
from breastview.imaging.split import Stack
from breastview.messages import Message, message

T2_MIN_ECHO_MS = 60.0
T1_MAX_ECHO_MS = 30.0
T1_MAX_REPETITION_MS = 1500.0
MIN_DYNAMIC_PHASES = 3
DYNAMIC_MAX_ECHO_MS = 10.0


@dataclass(frozen=True, eq=False)
class SeriesStack:
    """A stack with the series it came from."""

    stack: Stack
    series_number: int | None

    @property
    def first(self) -> Header:
        """The header of its first frame."""
        return self.stack.frames[0]


def choose_roles(stacks: Sequence[SeriesStack]) -> list[RoleChoice]:
    """Return a role for each MRI volume of a case, in the same order."""
    choices = [_alone(item.first) for item in stacks]
    for group in _repeats(stacks, choices):
        for place, choice in _phases(stacks, group):
            choices[place] = choice
    return choices


def _alone(header: Header) -> RoleChoice:
    """The role that one header tells by itself."""
    kinds = {part.upper() for part in _words(header, "ImageType")}
    text = f"{header.get('SeriesDescription', '')} {header.get('ProtocolName', '')}".lower()
    for rule in (_derived, _diffusion, _weighting, _dynamic):
        choice = rule(header, kinds, text)
        if choice is not None:
            return choice
    return RoleChoice(Role.OTHER, message("role.unknown"))


def _derived(header: Header, kinds: set[str], text: str) -> RoleChoice | None:
    if any("MIP" in kind or kind == "PROJECTION IMAGE" for kind in kinds) or re.search(r"\bmip\b|_mip", text):
        return RoleChoice(Role.MIP, message("role.mip"))
    if "LOCALIZER" in kinds or re.search(r"localizer|localiser|scout|survey|3[- ]?plane|\bloc\b", text):
        return RoleChoice(Role.LOCALIZER, message("role.localizer"))
    if "ADC" in kinds or re.search(r"(?<![a-z])adc", text):
        return RoleChoice(Role.ADC, message("role.adc"))
    if kinds & {"SUB", "SUBTRACT", "SUBTRACTION"} or re.search(r"(?<![a-z])sub(?![a-z])|subtra", text):
        return RoleChoice(Role.SUBTRACTION, message("role.subtraction"))
    return None


def _diffusion(header: Header, kinds: set[str], text: str) -> RoleChoice | None:
    known = b_value(header)
    planar = "EP" in _words(header, "ScanningSequence") or "DIFFUSION" in kinds
    if known and (planar or known[0] > 0):
        value, where = known
        return RoleChoice(Role.DWI, message("role.dwi", b=round(value), where=where), b_value=value)
    if "DIFFUSION" in kinds or re.search(r"\bdwi\b|diff", text):
        return RoleChoice(Role.DWI, message("role.dwi_unknown"))
    return None


def _weighting(header: Header, kinds: set[str], text: str) -> RoleChoice | None:
    sequence = _words(header, "ScanningSequence")
    echo_ms, repetition_ms = float(header.get("EchoTime", 0)), float(header.get("RepetitionTime", 0))
    numbers = {"te": round(echo_ms, 1), "tr": round(repetition_ms)}
    if ("IR" in sequence and header.get("InversionTime") and "SE" in sequence) or re.search("stir|tirm", text):
        return RoleChoice(Role.STIR, message("role.stir", ti=round(float(header.get("InversionTime", 0)))))
    spin_echo = "SE" in sequence or re.search("tse|fse|spin", text)
    if spin_echo and echo_ms >= T2_MIN_ECHO_MS:
        return RoleChoice(Role.T2WI, message("role.t2wi", **numbers))
    if spin_echo and 0 < echo_ms <= T1_MAX_ECHO_MS and 0 < repetition_ms <= T1_MAX_REPETITION_MS:
        return RoleChoice(Role.T1WI, message("role.t1wi", **numbers))
    return None


def _dynamic(header: Header, kinds: set[str], text: str) -> RoleChoice | None:
    if header.get("ContrastBolusAgent") or re.search(r"dyn|dce|vibrant|thrive.*dyn|contrast|gd\b|1\+\d", text):
        return RoleChoice(Role.DCE, message("role.dce_alone"))
    if re.search(r"(?<![a-z0-9])t1", text):
        return RoleChoice(Role.T1WI, message("role.t1_named"))
    if re.search(r"(?<![a-z0-9])t2(?!\*)", text):
        return RoleChoice(Role.T2WI, message("role.t2_named"))
    return None


def _words(header: Header, keyword: str) -> tuple[str, ...]:
    value = header.get(keyword, ())
    return (value,) if isinstance(value, str) else tuple(value)


def _repeats(stacks: Sequence[SeriesStack], choices: Sequence[RoleChoice]) -> list[list[int]]:
    """Places of volumes that repeat one acquisition: DCE phases."""
    groups: dict[Any, list[int]] = defaultdict(list)
    for place, (item, choice) in enumerate(zip(stacks, choices, strict=True)):
        short_echo = 0 < float(item.first.get("EchoTime", 0)) <= DYNAMIC_MAX_ECHO_MS
        if choice.role in (Role.DCE, Role.T1WI, Role.OTHER) and len(item.stack.frames) > 1 and short_echo:
            groups[_acquisition(item)].append(place)
    return [g for g in groups.values() if len(g) >= MIN_DYNAMIC_PHASES or _is_dynamic(g, choices)]


def _is_dynamic(places: list[int], choices: Sequence[RoleChoice]) -> bool:
    return len(places) > 1 and all(choices[place].role is Role.DCE for place in places)


def _acquisition(item: SeriesStack) -> tuple[Any, ...]:
    first = item.first
    return (
        first.get("StudyInstanceUID"),
        first.get("Rows"),
        first.get("Columns"),
        tuple(np.round(item.stack.index_to_lps[:3, :3].ravel(), 2) + 0.0),
        round(float(first.get("EchoTime", 0)), 2),
        round(float(first.get("RepetitionTime", 0)), 1),
        round(float(first.get("FlipAngle", 0))),
        _words(first, "ScanningSequence"),
    )


def _phases(stacks: Sequence[SeriesStack], places: list[int]) -> list[tuple[int, RoleChoice]]:
    times = {place: seconds_of_day(stacks[place].first) for place in places}
    timed = None not in times.values() and len(set(times.values())) == len(places)

    def order(place: int) -> tuple[float, int, int]:
        first = stacks[place].first
        return (
            times[place] or 0.0 if timed else 0.0,
            stacks[place].series_number or 0,
            int(first.get("AcquisitionNumber") or first.get("TemporalPositionIdentifier") or 0),
        )

    ordered = sorted(places, key=order)
    start = times[ordered[0]] or 0.0
    reason: Message = message("role.dce_timed" if timed else "role.dce_untimed", count=len(places))
    base = RoleChoice(Role.DCE, reason, phase_count=len(places))
    return [
        (place, replace(base, phase=number, delay_s=(times[place] or 0.0) - start if timed else None))
        for number, place in enumerate(ordered, 1)
    ]


def seconds_of_day(header: Header) -> float | None:
    """When a frame was acquired, in seconds since midnight, or None when the header does not say."""
    for keyword in ("AcquisitionTime", "ContentTime"):
        text = str(header.get(keyword, ""))
        if re.fullmatch(r"\d{6}(\.\d+)?", text):
            return int(text[:2]) * 3600 + int(text[2:4]) * 60 + float(text[4:])
    trigger_ms = header.get("TriggerTime")
    return float(trigger_ms) / 1000 if trigger_ms is not None else None
