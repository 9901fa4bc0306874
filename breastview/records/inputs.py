"""What a reading was computed from, as one hash: a result whose hash is not the state's own is stale."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from typing import Any

from breastview.records.values import KeptReading, ReviewRecord
from breastview.registration.parameters import RegistrationParameters


def input_hash(record: ReviewRecord, lesion_id: str, model_sha256: str) -> str:
    """sha256 (hex) over images, the lesion's marks and side, registration, roles, motion, scale and model.

    The registration counts also where the model looks at native MRI: the gate asks it whether the marks are
    one lesion.
    """
    lesion = record.lesion(lesion_id)
    parts: dict[str, Any] = {
        "case": record.case.fingerprint,
        "model": model_sha256,
        "lesion": [lesion_id, lesion.side, _plain(lesion.us), _plain(lesion.mri)],
        "roles": sorted((_plain(role) for role in record.roles), key=lambda role: role["key"]),
    }
    if lesion.second_us is not None:
        parts["second_us"] = _plain(lesion.second_us)
    moved = [_plain(motion) for motion in record.motions if motion.reason is None]
    if moved:
        parts["motion"] = sorted(moved, key=lambda motion: motion["volume_key"])
    if lesion.us is not None:
        key = lesion.us.frames_key
        parameters = record.registration(key, lesion.us.frame)
        parts["registration"] = _registration(parameters) if parameters else None
        parts["scale"] = [_plain(c) for c in record.calibrations if c.frames_key == key]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def is_current(record: ReviewRecord, reading: KeptReading) -> bool:
    """Whether a reading was computed from what stands in the record."""
    if all(lesion.lesion_id != reading.lesion_id for lesion in record.lesions):
        return False
    return reading.input_sha256 == input_hash(record, reading.lesion_id, reading.model_sha256)


def _registration(parameters: RegistrationParameters) -> Any:
    """What the model's input follows from; not the reader's word on it, where the pose began, which partner
    is placed, or on which plane of a volume it was."""
    parts = _plain(replace(parameters, confirmed=False))
    del parts["start"]
    for pair in parts["landmarks"]:
        del pair["predicted"], pair["elevation_mm"]
    for contour in parts["contours"]:
        del contour["elevation_mm"]
    return parts


def _plain(value: Any) -> Any:
    """Plain values, with every number a float: a record that was on disk has the hash that it had before."""
    return None if value is None else json.loads(json.dumps(asdict(value)), parse_int=float)
