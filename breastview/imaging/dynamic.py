"""Contrast dynamics: phases and their subtraction."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from breastview.errors import CaseError
from breastview.imaging.case import Role, RoleChoice, ScannedVolume
from breastview.imaging.display import SAMPLE_EVERY
from breastview.imaging.geometry import frozen
from breastview.imaging.volume import Volume
from breastview.messages import message

SUBTRACTION = "subtraction"  # key of the computed DCE 2 − DCE 1
SUBTRACTION_NAME = "DCE 2 − 1"
SAME_GRID_MM = 0.01
UPTAKE_PERCENT = 99.99  # of all voxels: a lesion of a cubic centimetre must keep its grey levels


def phases(volumes: Iterable[ScannedVolume]) -> list[ScannedVolume]:
    """The DCE phases of a case in order; the phase numbers are known for all of them."""
    return sorted(
        (v for v in volumes if v.role.role is Role.DCE and v.role.phase is not None),
        key=lambda v: v.role.phase or 0,
    )


def subtraction(post: Volume, pre: Volume) -> Volume:
    """Post-contrast minus pre-contrast, float32 on their common grid; raises CaseError when grids differ."""
    if not same_grid(post, pre):
        raise CaseError.of("dynamic.grids_differ")
    difference = post.array.astype(np.float32) - pre.array
    role = RoleChoice(
        Role.SUBTRACTION,
        message("role.computed_subtraction", post=post.role.phase or 0, pre=pre.role.phase or 0),
    )
    return Volume(
        key=f"{post.key}-{pre.key}",
        role=role,
        array=frozen(difference),
        index_to_lps=post.index_to_lps,
        window=_window(difference),
        notes=tuple(note for note in post.notes if note.code == "motion.corrected"),
    )


def same_grid(one: Volume, other: Volume) -> bool:
    """Whether the voxels of two volumes lie in the same places."""
    same = one.array.shape == other.array.shape
    return same and bool(np.abs(one.index_to_lps - other.index_to_lps).max() <= SAME_GRID_MM)


def _window(difference: np.ndarray) -> tuple[float, float]:
    """Uptake is bright, noise around zero is dark."""
    sample = difference.ravel()[::SAMPLE_EVERY]
    width = max(float(np.percentile(sample, UPTAKE_PERCENT)), 1.0)
    return width / 2, width
