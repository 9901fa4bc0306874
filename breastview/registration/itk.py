"""Registrations as ITK transform files (.tfm).

The transform maps US-plane mm to MRI LPS mm: as ITK resamples, the US plane is the fixed image and the MRI
the moving one. The pose is an affine transform, whose matrix needs no decomposition; a local warp becomes a
displacement field that is applied before it. A comment line holds the exact parameters.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from breastview.errors import RegistrationError
from breastview.messages import message
from breastview.registration.exchange import FileContent, RegisteredImages, kept_from, kept_text
from breastview.registration.parameters import RegistrationParameters
from breastview.registration.sampled import REACH_MM, SampledWarp, error_mm, sampled
from breastview.registration.transform import us_to_mri

HEAD = "#Insight Transform File V1.0"
OWN = "#BreastView "
_SPACE = "_double_3_3"
_FIELD = "DisplacementFieldTransform"
_COMPOSITE = "CompositeTransform"
_LINEAR = ("AffineTransform", "Similarity3DTransform", "Euler3DTransform", "VersorRigid3DTransform")
_AS_AFFINE = "MatrixOffsetTransformBase"  # written by old programs; its parameters are those of an affine one

Part = tuple[str, list[float], list[float]]  # name without its space, parameters, fixed parameters


def tfm_text(parameters: RegistrationParameters, images: RegisteredImages) -> str:
    """A registration as the text of a .tfm file, in ASCII."""
    matrix = us_to_mri(parameters)
    pose: Part = ("AffineTransform", [*matrix[:3, :3].ravel(), *matrix[:3, 3]], [0.0, 0.0, 0.0])
    comments = _comments(parameters, images)
    if not parameters.warp:
        return _text(comments, [pose])
    grid = sampled(parameters.warp)
    size = [float(count) for count in grid.shifts_mm.shape[2::-1]]
    fixed = [*size, *grid.first_mm, *grid.spacing_mm, *np.eye(3).ravel()]
    field: Part = (_FIELD, grid.shifts_mm.ravel().tolist(), fixed)
    step = grid.spacing_mm[0]
    comments.append(
        f"Local warp: sampled every {step:g} mm, |z| up to {REACH_MM:g} mm; between samples it is off by "
        f"less than {error_mm(parameters.warp, step):.2g} mm of the US plane."
    )
    return _text(comments, [(_COMPOSITE, [], []), pose, field])


def _comments(parameters: RegistrationParameters, images: RegisteredImages) -> list[str]:
    kind = "rigid" if parameters.scale == 1.0 else f"similarity, scale {parameters.scale!r}"
    return [
        *(["SIMULATED: there is no such patient."] if images.simulated else []),
        "Maps ultrasound-plane mm to MRI LPS mm (" + kind + ").",
        "Ultrasound plane: x right on screen, y depth, z = x cross y; origin: middle of the probe face.",
        "For resampling: fixed image = ultrasound plane, moving image = MRI.",
        OWN[1:] + kept_text(parameters, images),
    ]


def _text(comments: list[str], parts: list[Part]) -> str:
    lines = [HEAD, *(f"#{'' if line.startswith(OWN[1:]) else ' '}{line}" for line in comments)]
    for number, (name, parameters, fixed) in enumerate(parts):
        lines += [f"#Transform {number}", f"Transform: {name}{_SPACE}"]
        if parameters or fixed:
            lines.append("Parameters: " + " ".join(repr(float(value)) for value in parameters))
            lines.append("FixedParameters: " + " ".join(repr(float(value)) for value in fixed))
    return "\n".join(lines) + "\n"


def tfm_content(text: str, file: str) -> FileContent:
    """What the text of a .tfm file says, whichever program wrote it.

    Raises:
        RegistrationError: it is damaged, or its transform is none that can be read here.
    """
    parts = [part for part in _parts(text) if part[0] != _COMPOSITE]
    warp = None
    if parts and parts[-1][0] == _FIELD:
        warp = _field(parts.pop(), file)
    matrix = np.eye(4)
    for part in parts:
        matrix = matrix @ _matrix(part, file)
    if not parts and warp is None:
        raise RegistrationError.of("registration.file_unreadable", file=file)
    own = [line.removeprefix(OWN) for line in text.splitlines() if line.startswith(OWN)]
    if own:
        return FileContent(matrix, warp, kept_from(own[0], file))
    return FileContent(matrix, warp, notes=(message("registration.file_unnamed", file=file),))


def _parts(text: str) -> Iterator[Part]:
    name = ""
    values: dict[str, list[float]] = {}
    for line in [*text.splitlines(), "Transform: "]:
        key, _, value = line.partition(":")
        if line.startswith("#") or not key:
            continue
        if key == "Transform":
            if name:
                yield name, values.get("Parameters", []), values.get("FixedParameters", [])
            name, values = value.strip().removesuffix(_SPACE), {}
        else:
            values[key] = [float(word) for word in value.split()]


def _field(part: Part, file: str) -> SampledWarp:
    _, shifts, fixed = part
    columns, rows, depth = (int(count) for count in fixed[:3])
    if fixed[9:] != np.eye(3).ravel().tolist() or columns * rows * depth * 3 != len(shifts):
        raise RegistrationError.of("registration.file_foreign_warp", file=file)
    first, spacing = fixed[3:6], fixed[6:9]
    return SampledWarp(
        (first[0], first[1], first[2]),
        (spacing[0], spacing[1], spacing[2]),
        np.array(shifts).reshape(depth, rows, columns, 3),
    )


def _matrix(part: Part, file: str) -> np.ndarray:
    """The (4, 4) of a linear transform, as ITK understands its parameters."""
    import SimpleITK as sitk  # noqa: N813  a second or two, which only an import needs

    name, parameters, fixed = part
    name = "AffineTransform" if name == _AS_AFFINE else name
    if name == _FIELD or name.startswith("BSpline"):
        raise RegistrationError.of("registration.file_foreign_warp", file=file)
    if name not in _LINEAR:
        raise RegistrationError.of("registration.file_other_transform", file=file)
    transform: Any = sitk.AffineTransform(3) if name == "AffineTransform" else getattr(sitk, name)()
    transform.SetFixedParameters(fixed)
    transform.SetParameters(parameters)
    matrix = np.eye(4)
    matrix[:3, 3] = transform.TransformPoint((0.0, 0.0, 0.0))
    for axis, unit in enumerate(np.eye(3)):
        matrix[:3, axis] = np.subtract(transform.TransformPoint(unit.tolist()), matrix[:3, 3])
    return matrix
