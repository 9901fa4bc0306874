"""The US scanner: a 5–13 MHz linear probe looking at the anatomy along one plane.

Complex Gaussian scatterers (fully developed speckle: envelope mean/SD 1.91, Wagner et al., IEEE T-SU 30:156,
1983) weighted by backscatter, blurred by a depth-dependent separable point-spread function, attenuated along
the beam, compensated by TGC, log-compressed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from breastview.imaging.geometry import frozen
from breastview.imaging.volume import Sector
from breastview.phantom.anatomy import Breast, body_tissue
from breastview.phantom.tissue import Tissue, acoustic
from breastview.registration.parameters import RegistrationParameters
from breastview.registration.transform import rotation

STEP_MM = 0.1  # display pixel; scatterers lie twice as dense along the beam
FREQUENCY_MHZ = 8.0
DYNAMIC_RANGE_DB = 58.0
TGC_DB_PER_CM = 2 * 0.62 * FREQUENCY_MHZ
AXIAL_SIGMA_MM = 0.12
SKIN_FADE_MM = 15.0  # how deep the probe's flattening of the skin reaches
BORDER_PX = (40, 34, 26, 30)  # left, top, right, bottom of the picture around the sector


@dataclass(frozen=True, eq=False)
class SimulatedFrame:
    """A US picture with its truth.

    `grey` is read-only uint8 (row, column); `lesion_box_px` (left, top, right, bottom) of the true lesion.
    `deformation_mm` is the mean distance, over the image, between the true place and the rigid registration.
    """

    grey: np.ndarray
    spacing_mm: tuple[float, float]
    sector: Sector
    lesion_box_px: tuple[float, float, float, float]
    registration: RegistrationParameters
    deformation_mm: float


def scan_plane(
    breast: Breast, pose: RegistrationParameters, size_mm: tuple[float, float], rng: np.random.Generator
) -> SimulatedFrame:
    """Image the plane that `pose` puts into the breast; `size_mm` is (width, depth).

    The returned registration is `pose`, moved so that the lesion's centre is exactly registered.
    """
    rows, columns = round(size_mm[1] / STEP_MM), round(size_mm[0] / STEP_MM)
    points, pose, deformation = _places(breast, pose, rows, columns)
    labels = body_tissue(points, (breast,)).reshape(rows, columns)
    depth = breast.depth_mm(points).reshape(rows, columns)
    labels[(labels == Tissue.AIR) & (depth > -8)] = Tissue.SKIN
    labels[labels == Tissue.AIR] = Tissue.MUSCLE
    labels[labels == Tissue.NIPPLE] = Tissue.SKIN
    level = _lesion_level(breast, points, rows, columns)
    envelope = _envelope(_echo(breast, labels, level, points), rng) * _gain(breast, labels)
    sector = _compress(envelope)
    grey, place = _picture(sector)
    return SimulatedFrame(grey, (STEP_MM, STEP_MM), place, _box(level, place), pose, deformation)


def _places(
    breast: Breast, pose: RegistrationParameters, rows: int, columns: int
) -> tuple[np.ndarray, RegistrationParameters, float]:
    """LPS of every display pixel under the probe's pressure, the registered pose, the mean deformation."""
    turn = rotation(pose)
    x = (np.arange(columns) - (columns - 1) / 2) * STEP_MM
    y = np.arange(rows) * STEP_MM
    gap = _skin_gap(breast, np.asarray(pose.centre_mm) + x[:, None] * turn[:, 0], turn[:, 1])
    shift = np.exp(-y / SKIN_FADE_MM)[:, None] * gap[None, :]
    at_lesion = 0.0
    if breast.lesion is not None:
        own = (breast.lesion.centre_mm - pose.centre_mm) @ turn
        column, row = np.interp(own[0], x, np.arange(columns)), max(own[1], 0.0)
        at_lesion = float(np.exp(-row / SKIN_FADE_MM) * gap[round(column)])
    centre = np.asarray(pose.centre_mm) + turn[:, 1] * at_lesion
    flat = x[None, :, None] * turn[:, 0] + (y[:, None] + shift)[:, :, None] * turn[:, 1]
    registered = RegistrationParameters(
        (float(centre[0]), float(centre[1]), float(centre[2])), pose.angles_deg, method=pose.method
    )
    points = (flat + pose.centre_mm).reshape(-1, 3)
    return points, registered, float(np.abs(shift - at_lesion).mean())


def _skin_gap(breast: Breast, starts: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """How far along `direction` the skin lies from each start (n, 3): the probe presses it flat."""
    q = (starts - breast.centre_mm) / breast.radii_mm
    d = direction / breast.radii_mm
    a, b, c = d @ d, q @ d, (q * q).sum(axis=1) - 1
    inside = np.maximum(b * b - a * c, 0.0)
    return np.clip((-b - np.sqrt(inside)) / a, -12.0, 12.0)


def _lesion_level(breast: Breast, points: np.ndarray, rows: int, columns: int) -> np.ndarray:
    if breast.lesion is None:
        return np.full((rows, columns), np.inf)
    return breast.lesion.level(points).reshape(rows, columns)


def _echo(breast: Breast, labels: np.ndarray, level: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Backscatter amplitude, float32 (row, column)."""
    echo = acoustic("echo")[labels]
    streaks = breast.lobules.at(points * [1.2, 5.0, 1.2]).reshape(labels.shape)
    echo *= np.exp(0.3 * streaks * np.isin(labels, (Tissue.GLAND, Tissue.MUSCLE, Tissue.FAT)))
    if breast.lesion is not None:
        look = breast.lesion.malignancy_us
        inside = level < 0
        texture = np.exp((0.1 + 0.7 * look) * breast.sheets.at(points * 4.0).reshape(labels.shape))
        echo[inside] = ((0.24 - 0.12 * look) * texture)[inside]
        halo = np.clip(1 - np.abs(level - 1.0) / 2.0, 0, 1) * (level > 0) * np.clip(1.5 * look - 0.5, 0, 1)
        echo *= 1 + 1.6 * halo
        capsule = np.exp(-((level / 0.35) ** 2)) * np.clip(1 - 1.6 * look, 0, 1)
        echo += 1.1 * capsule
    across, along = np.gradient(ndimage.gaussian_filter(echo, 1.0))
    return echo + 3.0 * np.maximum(np.abs(across) - 0.7 * np.abs(along), 0)


def _gain(breast: Breast, labels: np.ndarray) -> np.ndarray:
    """Amplitude after attenuation along the beam and TGC, (row, column)."""
    attenuation = acoustic("attenuation")[labels]
    if breast.lesion is not None:
        attenuation[labels == Tissue.LESION] = 0.25 + 2.2 * breast.lesion.malignancy_us
    per_row_db = 2 * attenuation * FREQUENCY_MHZ * STEP_MM / 10
    loss_db = np.cumsum(per_row_db, axis=0) - TGC_DB_PER_CM * np.arange(len(labels))[:, None] * STEP_MM / 10
    loss_db = ndimage.gaussian_filter1d(loss_db, 5, axis=1)
    loss_db -= np.median(loss_db, axis=1, keepdims=True) * 0.9
    return 10 ** (-np.clip(loss_db, -9, 32) / 20)


def _envelope(echo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Speckled envelope of a backscatter map, (row, column); homogeneous tissue has mean/SD 1.91."""
    rows, columns = echo.shape
    scatter = rng.standard_normal((2, 2 * rows, columns), dtype=np.float32) * np.repeat(echo, 2, axis=0)
    axial = ndimage.gaussian_filter1d(scatter, AXIAL_SIGMA_MM / (STEP_MM / 2), axis=1)[:, ::2]
    focus = 0.45 * rows
    away = np.abs(np.arange(rows) - focus)[:, None] / focus
    near, far = (ndimage.gaussian_filter1d(axial, s / STEP_MM, axis=2) for s in (0.24, 0.42))
    near, far = near / near.std(), far / far.std()
    blurred = near * (1 - away) + far * away
    return np.hypot(blurred[0], blurred[1])


def _compress(envelope: np.ndarray) -> np.ndarray:
    """Log compression to uint8: the brightest speckle is white, `DYNAMIC_RANGE_DB` below is black."""
    decibel = 20 * np.log10(np.maximum(envelope, 1e-6))
    top = np.percentile(decibel, 99.9)
    level = np.clip(1 + (decibel - top) / DYNAMIC_RANGE_DB, 0, 1)
    return (8 + 247 * level**2.2).astype(np.uint8)


def _picture(sector: np.ndarray) -> tuple[np.ndarray, Sector]:
    """Put the sector into the machine's black picture with depth ticks."""
    left, top, right, bottom = BORDER_PX
    rows, columns = sector.shape
    grey = np.zeros((rows + top + bottom, columns + left + right), np.uint8)
    grey[top : top + rows, left : left + columns] = sector
    for row in range(0, rows, round(10 / STEP_MM)):
        grey[top + row : top + row + 2, left - 12 : left - 8] = 200
    return frozen(grey), Sector(left, top, left + columns, top + rows)


def _box(level: np.ndarray, place: Sector) -> tuple[float, float, float, float]:
    """Bounding box of the lesion's section, in picture pixels."""
    rows, columns = np.nonzero(level < 0)
    if not len(rows):
        return (0.0, 0.0, 0.0, 0.0)
    return (
        float(columns.min() + place.left),
        float(rows.min() + place.top),
        float(columns.max() + place.left),
        float(rows.max() + place.top),
    )
