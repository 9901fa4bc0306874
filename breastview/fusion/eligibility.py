"""The scope gate: outside what the bundle was validated for there is no score, and a sentence says why."""

from __future__ import annotations

from breastview.fusion.assemble import channel_volumes
from breastview.fusion.preprocess import ModelInput, channels_from
from breastview.fusion.reading import Eligibility
from breastview.fusion.spec import CHANNELS, ModelSpec, Scope
from breastview.imaging.case import ScannedCase
from breastview.imaging.dynamic import of_one_exam
from breastview.messages import Message, message
from breastview.records.concordance import objections_to_fusing, objections_to_views, us_size_mm
from breastview.records.values import Lesion, ReviewRecord
from breastview.registration.plane import UsPlane


def check_scope(
    spec: ModelSpec,
    case: ScannedCase,
    record: ReviewRecord,
    lesion: Lesion | None,
    plane: UsPlane | None,
    mri_side: str | None,
    given: ModelInput | None,
) -> Eligibility:
    """Whether this lesion of this case may be read; every reason against it, not only the first."""
    if lesion is None:
        return Eligibility(False, (message("scope.no_lesion"), *_about_case(spec.scope, case)))
    registered = spec.input.is_registered
    about_us = _about_us(case, lesion, given)
    reasons = [
        *_about_case(spec.scope, case),
        *_about_lesion(spec.scope, record, lesion, plane),
        *objections_to_fusing(record, lesion, plane, mri_side, registered),
        *about_us,
    ]
    if spec.scope.sizes_mm is not None and plane is None and not registered:
        low, high = spec.scope.sizes_mm
        reasons.append(message("scope.size_unknown", low=low, high=high))
    if not case.volumes:
        reasons.append(message("scope.no_mri"))
    elif not channels_from(channel_volumes(case.volumes)):
        reasons.append(message("scope.no_image"))
    elif given is not None and (given.mri is None or not given.channels_present.any()):
        reasons.append(message("scope.no_channel" if registered else "scope.no_native_channel"))
    elif given is not None:
        reasons += _about_channels(spec.scope, given)
    us_seen = given is not None and given.us is not None and not about_us
    us_only = bool(reasons) and us_seen and _is_for_us_alone(spec.us_scope, case, record, lesion, plane)
    if us_only and not case.volumes:
        reasons = [message("scope.no_mri")]  # what else the pair would have to be is beside the point
    return Eligibility(not reasons, tuple(reasons), us_only)


def _is_for_us_alone(
    scope: Scope | None, case: ScannedCase, record: ReviewRecord, lesion: Lesion, plane: UsPlane | None
) -> bool:
    """Whether US alone was validated on such lesions: nothing of MRI is asked, nor a registration."""
    if scope is None:
        return False
    if case.simulated and "simulated" not in scope.sources:
        return False
    return not (_about_case(scope, case) or _about_lesion(scope, record, lesion, plane))


def can_compute(given: ModelInput | None) -> bool:
    """Whether there is anything to compute from, scope or no scope."""
    return given is not None and (given.us is not None or given.mri is not None)


def _about_case(scope: Scope, case: ScannedCase) -> list[Message]:
    reasons = []
    if scope.simulated_only and not case.simulated:
        reasons.append(message("scope.simulated_only"))
    age = case.age_y
    if scope.min_age_y is not None and age is None:
        reasons.append(message("scope.age_unknown", age=scope.min_age_y))
    elif scope.min_age_y is not None and age is not None and age < scope.min_age_y:
        reasons.append(message("scope.too_young", age=scope.min_age_y))
    if scope.max_age_y is not None and age is not None and age > scope.max_age_y:
        reasons.append(message("scope.too_old", age=scope.max_age_y))
    return reasons + _about_scanners(scope, case)


def _about_scanners(scope: Scope, case: ScannedCase) -> list[Message]:
    """MRI of makers that the model never saw; a case names the maker, seldom more."""
    known = [name.casefold() for name in scope.scanners]
    makers = sorted({volume.manufacturer for volume in of_one_exam(case.volumes) if volume.manufacturer})
    others = [maker for maker in makers if not any(name.startswith(maker.casefold()) for name in known)]
    if not known or case.simulated or scope.simulated_only:  # which says it of all makers
        return []
    return [message("scope.other_scanner", scanners=", ".join(scope.scanners), maker=one) for one in others]


def _about_lesion(scope: Scope, record: ReviewRecord, lesion: Lesion, plane: UsPlane | None) -> list[Message]:
    """Its size on US where there is a scale, and the density where the record tells it."""
    reasons = []
    told = record.told(lesion.lesion_id, "density")
    if told and scope.densities and told.casefold() not in scope.densities:
        densities = ", ".join(scope.densities)
        reasons.append(message("scope.other_density", densities=densities, density=told))
    if scope.sizes_mm is not None and lesion.us is not None and plane is not None:
        low, high = scope.sizes_mm
        size_mm = round(max(us_size_mm(lesion, plane)), 1)
        if not low <= size_mm <= high:
            reasons.append(message("scope.other_size", low=low, high=high, mm=size_mm))
    return reasons


def _about_us(case: ScannedCase, lesion: Lesion, given: ModelInput | None) -> list[Message]:
    """What keeps the marked US images from any model: they are not of the lesion, colour is laid over one (so
    says its header, or the pixels at the lesion), or a box lies beside the picture."""
    reasons = [*objections_to_views(case, lesion)]
    marked = {mark.frames_key for mark in lesion.views}
    doppler = any(frames.doppler for frames in case.frames if frames.key in marked)
    if doppler or (given is not None and given.us_covered):
        reasons.append(message("scope.us_covered"))
    if given is not None and given.us_beside:
        reasons.append(message("scope.us_beside"))
    return reasons


def _about_channels(scope: Scope, given: ModelInput) -> list[Message]:
    present = {
        channel.value for channel, there in zip(CHANNELS, given.channels_present, strict=True) if there
    }
    missing = [name for name in scope.required_channels if name not in present]
    return [message("scope.missing_channel", channel=name.upper()) for name in missing]
