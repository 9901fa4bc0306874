"""What each MRI volume is for, with the reason in words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from breastview.imaging.case import Role, RoleChoice
from breastview.imaging.diffusion import b_value, named_b_value
from breastview.imaging.header import Header
from breastview.imaging.phases import choose_phases
from breastview.imaging.stack import Stack
from breastview.messages import message

T2_MIN_ECHO_MS = 60.0
T1_MAX_ECHO_MS = 30.0
T1_MAX_REPETITION_MS = 1500.0
STIR_MAX_INVERSION_MS = 350.0  # above, fluid or nothing is nulled rather than fat
_MIP = re.compile(r"(?<![a-z])mip(?![a-z])")
_LOCALIZER = re.compile(r"locali[sz]er|scout|survey|3[- ]?plane|(?<![a-z])loc(?![a-z])")
_ADC = re.compile(r"(?<![a-z])adc|apparent diffusion")
_SUBTRACTION = re.compile(r"(?<![a-z])sub(?![a-z])|subtra|减影")
_DIFFUSION = re.compile(r"(?<![a-z])dwi|diff|扩散|弥散")
_INVERSION = re.compile(r"(?<![a-z])(stir|tirm)")
_SPIN_ECHO = re.compile(r"tse|fse|frfse|spin")
_DYNAMIC = re.compile(
    r"dyn|(?<![a-z])dce|vibrant|contrast|(?<![a-z])gd(?![a-z])|\+c(?![a-z])|1\+\d|动态|增强"
)
_T1 = re.compile(r"(?<![a-z0-9])t1")
_T2 = re.compile(r"(?<![a-z0-9])t2(?!\*)")


def choose_roles(stacks: Sequence[Stack]) -> list[RoleChoice]:
    """Return a role for each MRI volume of a case, in the same order."""
    return choose_phases(stacks, [role_alone(stack.first) for stack in stacks])


def role_alone(header: Header) -> RoleChoice:
    """The role that one header tells by itself."""
    kinds = {word.upper() for word in header.words("ImageType")}
    text = f"{header.text('SeriesDescription')} {header.text('ProtocolName')}".lower()
    for rule in (_derived, _diffusion, _weighting, _named):
        choice = rule(header, kinds, text)
        if choice is not None:
            return choice
    return RoleChoice(Role.OTHER, message("role.unknown"))


def _derived(header: Header, kinds: set[str], text: str) -> RoleChoice | None:
    description = header.text("SeriesDescription").lower()
    if any("MIP" in kind or kind in ("PROJECTION IMAGE", "MAX_IP") for kind in kinds) or _MIP.search(
        description
    ):
        return RoleChoice(Role.MIP, message("role.mip"))
    if "LOCALIZER" in kinds or _LOCALIZER.search(text):
        return RoleChoice(Role.LOCALIZER, message("role.localizer"))
    if "ADC" in kinds or _ADC.search(description):
        return RoleChoice(Role.ADC, message("role.adc"))
    if kinds & {"SUB", "SUBTRACT", "SUBTRACTION"} or _SUBTRACTION.search(description):
        return RoleChoice(Role.SUBTRACTION, message("role.subtraction"))
    return None


def _diffusion(header: Header, kinds: set[str], text: str) -> RoleChoice | None:
    known = b_value(header)
    named = "DIFFUSION" in kinds or _DIFFUSION.search(text) is not None
    planar = "EP" in header.words("ScanningSequence")
    if known and (named or planar or known[0] > 0):
        value, where = known
        return RoleChoice(Role.DWI, message("role.dwi", b=round(value), where=where), b_value=value)
    if not named:
        return None
    value_named = named_b_value(text)
    if value_named is None:
        return RoleChoice(Role.DWI, message("role.dwi_unknown"))
    reason = message("role.dwi", b=round(value_named), where=message("role.b_description"))
    return RoleChoice(Role.DWI, reason, b_value=value_named)


def _weighting(header: Header, kinds: set[str], text: str) -> RoleChoice | None:
    sequence = header.words("ScanningSequence")
    echo_ms, repetition_ms = header.number("EchoTime"), header.number("RepetitionTime")
    inversion_ms = header.number("InversionTime")
    if _INVERSION.search(text) or (
        {"IR", "SE"} <= set(sequence) and 0 < inversion_ms < STIR_MAX_INVERSION_MS
    ):
        if inversion_ms:
            return RoleChoice(Role.STIR, message("role.stir", ti=round(inversion_ms)))
        return RoleChoice(Role.STIR, message("role.stir_named"))
    if not ("SE" in sequence or _SPIN_ECHO.search(text)):
        return None
    numbers = {"te": round(echo_ms, 1), "tr": round(repetition_ms)}
    if echo_ms >= T2_MIN_ECHO_MS:
        return RoleChoice(Role.T2WI, message("role.t2wi", **numbers))
    if 0 < echo_ms <= T1_MAX_ECHO_MS and 0 < repetition_ms <= T1_MAX_REPETITION_MS:
        return RoleChoice(Role.T1WI, message("role.t1wi", **numbers))
    return None


def _named(header: Header, kinds: set[str], text: str) -> RoleChoice | None:
    if header.get("ContrastBolusAgent") or _DYNAMIC.search(text):
        return RoleChoice(Role.DCE, message("role.dce_alone"))
    if _T1.search(text):
        return RoleChoice(Role.T1WI, message("role.t1_named"))
    if _T2.search(text):
        return RoleChoice(Role.T2WI, message("role.t2_named"))
    return None
