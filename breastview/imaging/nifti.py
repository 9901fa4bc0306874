"""Volumes that left the scanner as NIfTI: RAS becomes LPS, the role comes from the file's name."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import nibabel
import numpy as np

from breastview.imaging.case import FileProblem, ImageSource, Role, RoleChoice, ScannedVolume
from breastview.imaging.geometry import frozen, orientation_name, ras_to_lps
from breastview.imaging.quiet import quiet
from breastview.messages import message

_NAMES = (
    (Role.ADC, r"adc"),
    (Role.DWI, r"dwi|b\d{2,4}"),
    (Role.STIR, r"stir|tirm"),
    (Role.SUBTRACTION, r"sub"),
    (Role.DCE, r"dce|dyn|post|pre"),
    (Role.T2WI, r"t2"),
    (Role.T1WI, r"t1"),
)


def is_nifti(path: Path) -> bool:
    """Whether the name says NIfTI."""
    return path.name.lower().endswith((".nii", ".nii.gz"))


def scan_nifti(path: Path, place: str) -> list[ScannedVolume] | FileProblem:
    """Describe a file's volumes (a fourth axis is split), or say why it cannot be read."""
    try:
        with quiet():
            image = nibabel.load(path)
            shape, affine = image.shape, image.affine
    except Exception:
        return FileProblem(place, message("problem.unreadable_nifti"))
    if len(shape) not in (3, 4) or affine is None or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        return FileProblem(place, message("problem.no_geometry"))
    count = shape[3] if len(shape) == 4 else 1
    key = "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    matrix = ras_to_lps(np.asarray(affine, float))
    role, b_value = _role(path.name.lower())
    return [
        ScannedVolume(
            key=key if count == 1 else f"{key}#{number + 1}",
            series_uid=key,
            study_uid="",
            frame_of_reference_uid="",
            description=path.name.split(".")[0] if count == 1 else f"{path.name.split('.')[0]} {number + 1}",
            series_number=None,
            role=RoleChoice(
                role,
                message("role.nifti_name" if role is not Role.OTHER else "role.unknown"),
                b_value=b_value,
                phase=number + 1 if role is Role.DCE and count > 1 else None,
                phase_count=count if role is Role.DCE and count > 1 else None,
            ),
            sources=(ImageSource(path, number, key),),
            shape=(int(shape[2]), int(shape[1]), int(shape[0])),
            index_to_lps=matrix,
            orientation=orientation_name(matrix[:3, 0]),
        )
        for number in range(count)
    ]


def load_nifti(path: Path, number: int) -> np.ndarray:
    """Return one volume as read-only float32 (slice, row, column)."""
    with quiet():
        data = np.asanyarray(nibabel.load(path).dataobj)
    volume = data if data.ndim == 3 else data[..., number]
    return frozen(np.ascontiguousarray(volume.T.astype(np.float32)))


def _role(name: str) -> tuple[Role, float | None]:
    for role, pattern in _NAMES:
        if re.search(rf"(?<![a-z0-9])({pattern})", name):
            b_value = re.search(r"b(\d{2,4})", name) if role is Role.DWI else None
            return role, float(b_value[1]) if b_value else None
    return Role.OTHER, None
