"""Poses for hypothesis, and a small simulated MRI whose grey values are a formula."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from breastview.imaging.case import PixelScale, Role, RoleChoice
from breastview.imaging.geometry import frozen
from breastview.imaging.volume import FrameStack, Sector, Volume
from breastview.messages import message
from breastview.registration.parameters import RegistrationParameters

angles = st.floats(-180.0, 180.0)
places = st.tuples(*[st.floats(-300.0, 300.0)] * 3)
poses = st.builds(
    RegistrationParameters,
    centre_mm=places,
    angles_deg=st.tuples(angles, st.floats(-90.0, 90.0), angles),
    scale=st.floats(0.8, 1.25),
)

# oblique, anisotropic, away from the origin: what a mistaken axis or a forgotten offset cannot survive
TURN = Rotation.from_euler("XYZ", (8.0, -5.0, 12.0), degrees=True).as_matrix()


def oblique(spacing_mm: tuple[float, float, float], first_mm: tuple[float, float, float]) -> np.ndarray:
    """An index_to_lps whose slices, rows and columns run roughly along z, y and x."""
    matrix = np.eye(4)
    matrix[:3, :3] = (TURN @ np.eye(3)[:, ::-1]) * spacing_mm
    matrix[:3, 3] = first_mm
    return frozen(matrix)


def volume_of(
    formula: Callable[[np.ndarray], np.ndarray], shape: tuple[int, int, int], matrix: np.ndarray
) -> Volume:
    """A volume whose grey values are a formula of LPS mm (..., 3)."""
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    array = formula(index @ matrix[:3, :3].T + matrix[:3, 3]).astype(np.float32)
    return Volume("mri", RoleChoice(Role.T1WI, message("role.user")), frozen(array), matrix, (0.0, 1.0))


def still(scale_mm: tuple[float, float] | None, sector: Sector) -> FrameStack:
    """A US still of 200 × 300 pixels, black."""
    scale = None if scale_mm is None else PixelScale(scale_mm, message("scale.region"))
    role = RoleChoice(Role.US_STILL, message("role.us_still"))
    return FrameStack("us", role, frozen(np.zeros((1, 200, 300), np.uint8)), scale, sector)
