"""Volumes that left the scanner as NIfTI: RAS becomes LPS, the role comes from the file's name."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from breastview.imaging.case import FileProblem, ImageSource, Role, RoleChoice, ScannedVolume
from breastview.imaging.diffusion import named_b_value
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
        shape, affine, sound = _read_header(path)
    except Exception:  # noqa: BLE001  nibabel raises anything on a broken file
        return FileProblem(place, message("problem.unreadable_nifti"))
    if not sound:
        return FileProblem(place, message("problem.truncated"))
    if len(shape) not in (3, 4) or min(shape) < 1 or not np.isfinite(affine).all() or _is_flat(affine):
        return FileProblem(place, message("problem.no_geometry"))
    count = shape[3] if len(shape) == 4 else 1
    key = "nifti:" + hashlib.sha256(path.read_bytes()).hexdigest()
    name = path.name.split(".")[0]
    matrix = ras_to_lps(affine)
    return [
        ScannedVolume(
            key=key if count == 1 else f"{key}#{number + 1}",
            series_uid=key,
            study_uid="",
            frame_of_reference_uid="",
            description=name if count == 1 else f"{name} {number + 1}",
            series_number=None,
            role=_role(path.name.lower(), number, count),
            sources=(ImageSource(path, number, key),),
            shape=(int(shape[2]), int(shape[1]), int(shape[0])),
            index_to_lps=matrix,
            orientation=orientation_name(matrix[:3, 0]),
        )
        for number in range(count)
    ]


def _read_header(path: Path) -> tuple[tuple[int, ...], np.ndarray, bool]:
    """(shape, affine to RAS mm, whether the file is long enough)."""
    with quiet():
        image: Any = nibabel.load(path)
        proxy = image.dataobj
        if np.dtype(proxy.dtype).kind not in "iuf":
            raise ValueError
        size = proxy.offset + int(np.prod(image.shape)) * np.dtype(proxy.dtype).itemsize
        sound = path.suffix.lower() == ".gz" or path.stat().st_size >= size
        return image.shape, np.asarray(image.affine, float), sound


def _is_flat(affine: np.ndarray) -> bool:
    return abs(float(np.linalg.det(affine[:3, :3]))) < 1e-9


def load_nifti(path: Path, number: int) -> np.ndarray:
    """Return one volume, read-only (slice, row, column): 8- and 16-bit integers stay, else float32."""
    with quiet():
        image: Any = nibabel.load(path)
        data = np.asanyarray(image.dataobj if len(image.shape) == 3 else image.dataobj[..., number])
    compact = data.dtype.kind in "iu" and data.dtype.itemsize <= 2
    return frozen(np.ascontiguousarray(data.T, data.dtype.newbyteorder("=") if compact else np.float32))


def _role(name: str, number: int, count: int) -> RoleChoice:
    for role, pattern in _NAMES:
        if not re.search(rf"(?<![a-z0-9])({pattern})", name):
            continue
        if role is Role.DCE and count > 1:
            return RoleChoice(role, message("role.nifti_name"), phase=number + 1, phase_count=count)
        b_value = named_b_value(name) if role is Role.DWI else None
        return RoleChoice(role, message("role.nifti_name"), b_value=b_value)
    return RoleChoice(Role.OTHER, message("role.unknown"))
