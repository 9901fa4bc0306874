"""The MRI scanner: signal equations on tissue maps, slice profile, coil, Rician noise.

Spin echo and spoiled gradient echo: Bernstein, King, Zhou, Handbook of MRI Pulse Sequences (2004), ch. 14;
diffusion: Stejskal & Tanner, J Chem Phys 42:288 (1965); noise: Gudbjartsson & Patz, MRM 34:910 (1995).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from breastview.imaging.geometry import frozen
from breastview.phantom.lesion import Lesion
from breastview.phantom.tissue import Tissue, magnetic

RELAXIVITY = 4.5  # 1/(s·mmol/l), gadolinium chelate at 1.5 T
PEAK_MMOL = 0.45  # concentration at a relative uptake of 1
PHASE_DELAYS_S = (0.0, 60.0, 120.0, 180.0, 240.0, 300.0)
COUNTS = 900.0  # stored value of a fully relaxed fat voxel
FAT_LEFT = 0.12  # signal that fat suppression leaves


@dataclass(frozen=True)
class Grid:
    """An axial grid of LPS space: arrays on it are (slice = z, row = y, column = x)."""

    corner_mm: tuple[float, float, float]
    step_mm: tuple[float, float, float]
    shape: tuple[int, int, int]

    @property
    def index_to_lps(self) -> np.ndarray:
        """Read-only (4, 4) from (slice, row, column, 1) to LPS mm."""
        x, y, z = self.step_mm
        matrix = np.array([[0, 0, x, 0], [0, y, 0, 0], [z, 0, 0, 0], [0, 0, 0, 1.0]])
        matrix[:3, 3] = self.corner_mm
        return frozen(matrix)

    def points(self) -> np.ndarray:
        """LPS mm of every voxel, float32 (n, 3), in array order."""
        axes = [self.corner_mm[k] + self.step_mm[k] * np.arange(self.shape[2 - k]) for k in (2, 1, 0)]
        z, y, x = np.meshgrid(*(axis.astype(np.float32) for axis in axes), indexing="ij")
        return np.stack([x.ravel(), y.ravel(), z.ravel()], axis=1)


@dataclass(frozen=True, eq=False)
class TissueMaps:
    """float32 (slice, row, column) maps of one patient on one grid."""

    grid: Grid
    labels: np.ndarray
    t1_ms: np.ndarray
    t2_ms: np.ndarray
    density: np.ndarray
    adc: np.ndarray
    uptake: np.ndarray
    curve: str


def tissue_maps(grid: Grid, labels: np.ndarray, lesion: Lesion | None, bpe: float) -> TissueMaps:
    """Look tissue up by label, uint8 (n,), and give the lesion what its MRI evidence says.

    `bpe` scales the background parenchymal enhancement of glandular tissue.
    """
    labels = labels.reshape(grid.shape)
    maps = {name: magnetic(name)[labels] for name in ("t1_ms", "t2_ms", "density", "adc", "uptake")}
    maps["uptake"][labels == Tissue.GLAND] *= bpe
    if lesion is not None:
        _give_lesion(maps, grid, labels == Tissue.LESION, lesion)
    return TissueMaps(grid, labels, curve=lesion.curve if lesion else "persistent", **maps)


def _give_lesion(maps: dict[str, np.ndarray], grid: Grid, inside: np.ndarray, lesion: Lesion) -> None:
    if not inside.any():
        return
    look = lesion.malignancy_mri
    places = np.argwhere(inside)
    points = (places @ grid.index_to_lps[:3, :3].T) + grid.index_to_lps[:3, 3]
    core = np.clip(-lesion.level(points) / lesion.radius_mm, 0, 1)
    rim = np.clip(1.4 * look - 0.5, 0, 1)
    maps["uptake"][inside] = (0.25 + 1.25 * look) * (1 - rim * np.clip(1.6 * core, 0, 0.85))
    maps["adc"][inside] = 1.75 - 0.8 * look
    maps["t2_ms"][inside] = 115.0 - 55.0 * look
    maps["t1_ms"][inside] = 1150.0 + 100.0 * look


def spin_echo(maps: TissueMaps, repetition_ms: float, echo_ms: float) -> np.ndarray:
    """S = ρ (1 − e^(−TR/T1)) e^(−TE/T2), float32."""
    return maps.density * (1 - np.exp(-repetition_ms / maps.t1_ms)) * np.exp(-echo_ms / maps.t2_ms)


def diffusion(maps: TissueMaps, b_value: float, echo_ms: float = 70.0) -> np.ndarray:
    """S = S(spin echo, long TR) e^(−b·ADC), fat suppressed; b in s/mm², ADC in 10⁻³ mm²/s."""
    signal = spin_echo(maps, 6000.0, echo_ms) * np.exp(-b_value * maps.adc * 1e-3)
    return without_fat(signal, maps)


def dynamic(
    maps: TissueMaps, delay_s: float, repetition_ms: float = 5.0, flip_deg: float = 12.0
) -> np.ndarray:
    """Spoiled gradient echo, 1/T1 raised by r₁·C(t), fat suppressed; `delay_s` after injection, 0: before."""
    amount = PEAK_MMOL * maps.uptake * concentration("persistent", delay_s)
    lesion = maps.labels == Tissue.LESION
    amount[lesion] = PEAK_MMOL * maps.uptake[lesion] * concentration(maps.curve, delay_s)
    rate = 1000.0 / maps.t1_ms + RELAXIVITY * amount
    decay = np.exp(-repetition_ms / 1000.0 * rate)
    flip = np.deg2rad(flip_deg)
    signal = maps.density * np.sin(flip) * (1 - decay) / (1 - np.cos(flip) * decay)
    return without_fat(5.0 * signal, maps)


def concentration(curve: str, delay_s: float) -> float:
    """Relative contrast medium concentration for a curve type: "persistent", "plateau" or "wash-out"."""
    if delay_s <= 0:
        return 0.0
    rise_s = {"persistent": 140.0, "plateau": 40.0, "wash-out": 25.0}[curve]
    value = 1 - np.exp(-delay_s / rise_s)
    if curve == "wash-out":
        value *= np.exp(-max(delay_s - 75.0, 0.0) / 350.0)
    return float(value)


def without_fat(signal: np.ndarray, maps: TissueMaps) -> np.ndarray:
    """Fat suppression: `FAT_LEFT` of the fat's signal remains."""
    return np.where(maps.labels == Tissue.FAT, FAT_LEFT * signal, signal)


@dataclass(frozen=True)
class Protocol:
    """How a signal is sampled: in-plane step in fine-grid units, slice thickness and distance in mm."""

    in_plane: int
    thickness_mm: float
    distance_mm: float
    noise: float


SPIN_ECHO = Protocol(in_plane=1, thickness_mm=4.0, distance_mm=5.0, noise=0.012)
ECHO_PLANAR = Protocol(in_plane=2, thickness_mm=4.0, distance_mm=5.0, noise=0.008)
GRADIENT_ECHO = Protocol(in_plane=1, thickness_mm=2.0, distance_mm=2.0, noise=0.012)


def acquire(
    signal: np.ndarray, grid: Grid, protocol: Protocol, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Sample a signal on a fine grid as the scanner would: uint16 (slice, row, column) and its index_to_lps.

    Slices average their thickness and skip the gap; the coil's sensitivity falls off slowly; noise is Rician.
    """
    z_step = grid.step_mm[2]
    every, thick = round(protocol.distance_mm / z_step), max(round(protocol.thickness_mm / z_step), 1)
    count = (signal.shape[0] - thick) // every + 1
    slabs = np.stack([signal[i * every : i * every + thick].mean(axis=0) for i in range(count)])
    if protocol.in_plane > 1:
        n = protocol.in_plane
        rows, columns = (size // n * n for size in slabs.shape[1:])
        slabs = slabs[:, :rows, :columns].reshape(count, rows // n, n, columns // n, n).mean(axis=(2, 4))
    slabs = slabs * _coil(slabs.shape, rng)
    noise = rng.standard_normal((2, *slabs.shape), dtype=np.float32) * protocol.noise
    magnitude = np.hypot(slabs + noise[0], noise[1])
    stored = frozen(np.clip(magnitude * COUNTS, 0, 4095).astype(np.uint16))
    return stored, _sampled_matrix(grid, protocol, thick)


def _sampled_matrix(grid: Grid, protocol: Protocol, thick: int) -> np.ndarray:
    n = protocol.in_plane
    x, y, z = grid.step_mm
    left, front, foot = grid.corner_mm
    corner = (left + (n - 1) / 2 * x, front + (n - 1) / 2 * y, foot + (thick - 1) / 2 * z)
    return Grid(corner, (x * n, y * n, round(protocol.distance_mm / z) * z), (1, 1, 1)).index_to_lps


def _coil(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Smooth sensitivity around 1."""
    coarse = rng.standard_normal((3, 3, 3)).astype(np.float32)
    smooth = ndimage.zoom(coarse, [n / 3 for n in shape], order=1, grid_mode=True, mode="nearest")
    return np.exp(0.08 * smooth)
