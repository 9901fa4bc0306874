"""Landmark pairs: the pose that fits them best, how well it fits, and what they leave open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from breastview.errors import RegistrationError
from breastview.messages import Message, message
from breastview.registration.parameters import LandmarkPair, Method, RegistrationParameters
from breastview.registration.transform import map_points, rotation, with_matrix
from breastview.registration.warp import warped

LINE_RATIO = 0.05  # pairs whose spread across is below this share of their spread along lie on a line
COINCIDENT_MM = 1.0
MIN_LEFT_OUT = 4
SCALE_BOUNDS = (0.5, 2.0)  # pairs that ask for more are no pairs; a scale of 0 would be no registration


@dataclass(frozen=True)
class LandmarkFit:
    """The fitted parameters with the distance that each pair keeps, in mm.

    `left_out_mm` is the error at each pair when it is left out of the fit (None below four pairs): an honest
    guess of the error elsewhere, where `rms_mm` only says how well the pairs agree. `notes` say what the
    pairs do not determine.
    """

    parameters: RegistrationParameters
    residuals_mm: tuple[float, ...]
    rms_mm: float
    left_out_mm: tuple[float, ...] | None
    notes: tuple[Message, ...]


def fit_landmarks(
    pairs: Sequence[LandmarkPair], present: RegistrationParameters, allow_scale: bool = False
) -> LandmarkFit:
    """Fit the pose to landmark pairs: weighted least squares in closed form (Kabsch 1976; Umeyama 1991).

    One pair moves the present pose without turning it; two, or pairs on a line, turn it as little as
    they can. Either is said in `notes`. Scale is fitted only when allowed and only from three pairs.

    Raises:
        RegistrationError: there is no pair.
    """
    if not pairs:
        raise RegistrationError.of("registration.no_pairs")
    fitted = _fit(pairs, present, allow_scale)
    residuals = residuals_mm(fitted, pairs)
    return LandmarkFit(
        parameters=fitted,
        residuals_mm=residuals,
        rms_mm=float(np.sqrt(np.mean(np.square(residuals)))),
        left_out_mm=_left_out(pairs, present, allow_scale),
        notes=_notes(pairs, fitted),
    )


def residuals_mm(parameters: RegistrationParameters, pairs: Sequence[LandmarkPair]) -> tuple[float, ...]:
    """Distance in mm between each pair's MRI point and where the registration puts its US point."""
    if not pairs:
        return ()
    mapped = map_points(parameters, np.array([pair.place_mm for pair in pairs]))
    return tuple(float(d) for d in np.linalg.norm(mapped - [pair.mri_mm for pair in pairs], axis=1))


def _fit(
    pairs: Sequence[LandmarkPair], present: RegistrationParameters, allow_scale: bool
) -> RegistrationParameters:
    us = warped(present.warp, np.array([pair.place_mm for pair in pairs]))
    mri = np.array([pair.mri_mm for pair in pairs])
    weights = np.array([pair.weight for pair in pairs])
    weights = weights / weights.sum()
    us_mean, mri_mean = weights @ us, weights @ mri
    us, mri = us - us_mean, mri - mri_mean
    spread = _spread(pairs)
    turn = _rotation(us, mri, weights, rotation(present), spread)
    scale = 1.0 if not allow_scale else present.scale
    if allow_scale and spread == 2:
        best = (weights @ np.einsum("ij,ij->i", us @ turn.T, mri)) / (weights @ (us**2).sum(axis=1))
        scale = float(np.clip(best, *SCALE_BOUNDS))
    matrix = np.eye(4)
    matrix[:3, :3] = turn * scale
    matrix[:3, 3] = mri_mean - matrix[:3, :3] @ us_mean
    fitted = with_matrix(present, matrix)
    return fitted.remade(Method.LANDMARKS, landmarks=tuple(pairs))


def _rotation(
    us: np.ndarray, mri: np.ndarray, weights: np.ndarray, present: np.ndarray, spread: int
) -> np.ndarray:
    """The rotation that brings the centred points together; where they leave it open, nearest `present`."""
    covariance = mri.T @ (weights[:, None] * us)
    if spread == 2:
        left, _, right = np.linalg.svd(covariance)
        flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
        return left @ flip @ right
    along_us = np.linalg.svd(us * np.sqrt(weights)[:, None])[2][0]
    along_mri = covariance @ along_us
    length = np.linalg.norm(along_mri)
    if spread == 0 or length == 0:
        return present
    return _least_turn(present @ along_us, along_mri / length) @ present


def _least_turn(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The smallest rotation from one unit vector to another."""
    axis = np.cross(start, end)
    sine, cosine = np.linalg.norm(axis), float(start @ end)
    if sine < 1e-12:
        if cosine > 0:
            return np.eye(3)
        axis = np.cross(start, np.eye(3)[np.argmin(np.abs(start))])
    angle = np.arctan2(sine, cosine)
    return Rotation.from_rotvec(axis / np.linalg.norm(axis) * angle).as_matrix()


def _spread(pairs: Sequence[LandmarkPair]) -> int:
    """How many dimensions the pairs span, in the image where they span fewer: 0, 1 or 2."""
    us, mri = np.array([pair.place_mm for pair in pairs]), np.array([pair.mri_mm for pair in pairs])
    return min(_dimensions(us), _dimensions(mri))


def _dimensions(points: np.ndarray) -> int:
    values = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    if values[0] < COINCIDENT_MM:
        return 0
    return 1 if len(values) < 2 or values[1] < LINE_RATIO * values[0] else 2


def _left_out(
    pairs: Sequence[LandmarkPair], present: RegistrationParameters, allow_scale: bool
) -> tuple[float, ...] | None:
    if len(pairs) < MIN_LEFT_OUT:
        return None
    errors = []
    for place, pair in enumerate(pairs):
        others = [*pairs[:place], *pairs[place + 1 :]]
        errors.append(residuals_mm(_fit(others, present, allow_scale), [pair])[0])
    return tuple(errors)


def _notes(pairs: Sequence[LandmarkPair], fitted: RegistrationParameters) -> tuple[Message, ...]:
    codes = {
        0: "registration.position_only",
        1: "registration.turn_open",
        2: "registration.plane_only",
    }
    notes = [message(codes[_spread(pairs)])]
    if len(pairs) == 3 and _spread(pairs) == 2:
        notes.append(message("registration.no_spare_pair"))
    if fitted.scale_flagged:
        notes.append(message("registration.scale_flagged", percent=round(100 * (fitted.scale - 1))))
    return tuple(notes)
