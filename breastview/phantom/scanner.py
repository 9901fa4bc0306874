"""The MRI scanner: from the signal of tissue to stored images.

Slices average their thickness, k-space is sampled within a window and filled with zeros, blood that moves
smears along the phase direction (x), noise is Rician (Gudbjartsson & Patz, Magn Reson Med 34:910, 1995) and
as coloured as the image is band-limited. Echo-planar images are displaced along y with the density that the
displacement leaves (Jezzard & Balaban, Magn Reson Med 34:65, 1995).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from scipy import fft
from threadpoolctl import threadpool_limits

from breastview.imaging.geometry import frozen
from breastview.phantom import mri
from breastview.phantom.exam import FIRST_PHASE, Exam
from breastview.phantom.maps import Grid, TissueMaps
from breastview.phantom.mri import Substance
from breastview.phantom.tissue import Tissue

PHASE_DELAYS_S = (0.0, 60.0, 120.0, 180.0, 240.0, 300.0)
COUNTS = 900.0  # stored value of a fully relaxed fat voxel where the coil's sensitivity is 1
MAX_COUNTS = 4095
KERNEL_PX = 6  # half width of what the window smears

Equation = Callable[[Substance], np.ndarray]
Scanned = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Protocol:
    """How a signal is sampled.

    In-plane step in fine-grid units, slice thickness and distance in mm, standard deviation of the noise as
    received in units of `COUNTS`, which share of the pixels' own band is sampled along y and x, the pedestal
    of the k-space window (1: none; the less, the smoother), whether the coil's slope is evened out, and how
    much of the fat that the exam leaves this protocol leaves.
    """

    in_plane: int
    thickness_mm: float
    distance_mm: float
    noise: float
    band: tuple[float, float]
    pedestal: float
    evened: bool = True
    fat_share: float = 1.0


SPIN_ECHO = Protocol(1, thickness_mm=4.0, distance_mm=5.0, noise=0.0052, band=(0.85, 1.0), pedestal=0.75)
TURBO_SPIN_ECHO = replace(SPIN_ECHO, band=(1.0, 1.0), pedestal=0.92)
ECHO_PLANAR = Protocol(
    2,
    thickness_mm=4.0,
    distance_mm=5.0,
    noise=0.0023,
    band=(1.0, 1.0),
    pedestal=0.85,
    evened=False,
    fat_share=0.4,
)
GRADIENT_ECHO = Protocol(1, thickness_mm=2.0, distance_mm=2.0, noise=0.0037, band=(0.7, 1.0), pedestal=0.88)


@dataclass(frozen=True)
class Series:
    """One image of the protocol: its equation, how it is sampled, whether fat is suppressed, its own motion.

    `pulsation` is the share of the blood's signal that smears along the phase direction.
    """

    equation: Equation
    protocol: Protocol
    fat_suppressed: bool
    shift_mm: tuple[float, float]
    pulsation: float = 0.0


def series_of(exam: Exam, phases: int) -> dict[str, Series]:
    """The protocol: t1wi, t2wi, dwi_b0, dwi_b800, dce_1 … dce_n."""
    shifts = [(float(x), float(y)) for x, y in exam.shifts_mm]
    suppressed = exam.t2_fat_suppressed
    made = {
        "t1wi": Series(lambda s: mri.spin_echo(s, 450.0, 10.0), SPIN_ECHO, False, shifts[0], 1.0),
        "t2wi": Series(
            lambda s: mri.spin_echo(s, 4000.0, 85.0), TURBO_SPIN_ECHO, suppressed, shifts[1], 0.15
        ),
    }
    for b_value in (0, 800):
        made[f"dwi_b{b_value}"] = Series(_diffusion(b_value), ECHO_PLANAR, True, shifts[2])
    for number, delay_s in enumerate(PHASE_DELAYS_S[:phases]):
        own = shifts[FIRST_PHASE + number]
        made[f"dce_{number + 1}"] = Series(_dynamic(delay_s), GRADIENT_ECHO, True, own, 0.08)
    return made


def _diffusion(b_value: int) -> Equation:
    return lambda substance: mri.diffusion(substance, float(b_value))


def _dynamic(delay_s: float) -> Equation:
    return lambda substance: mri.dynamic(substance, delay_s)


def scan(
    maps: TissueMaps, exam: Exam, rng: np.random.Generator, phases: int = 6, threads: int = 1
) -> dict[str, Scanned]:
    """All series of the protocol: name → (uint16 (slice, row, column), its index_to_lps).

    Coil, field and motion are the exam's; `rng` is for the noise alone, the same for any number of threads.
    """
    wanted = series_of(exam, phases)
    jobs = zip(wanted.values(), rng.spawn(len(wanted)), strict=True)
    with threadpool_limits(1), ThreadPoolExecutor(threads) as pool:  # BLAS's own threads would fight these
        found = pool.map(lambda job: acquire(maps, exam, *job), jobs)
        return dict(zip(wanted, found, strict=True))


def acquire(maps: TissueMaps, exam: Exam, series: Series, rng: np.random.Generator) -> Scanned:
    """One series: uint16 (slice, row, column) and its index_to_lps."""
    protocol = series.protocol
    slabs = _Slabs(maps.grid, protocol)
    sensed = signal(maps, exam, series, slabs)
    if protocol is ECHO_PLANAR:
        sensed = displaced(sensed, exam.field.on(slabs.fine), maps.grid.step_mm[1])
    sensed = slabs.binned(sensed)
    parts = pulsation(maps, exam, series, slabs, rng)
    parts[0] += sensed
    noise = protocol.noise * (exam.coil.evening(slabs.coarse) if protocol.evened else 1.0)
    image = sampled(parts, noise, slabs, series, rng)
    stored = frozen(np.clip(image * COUNTS + 0.5, 0, MAX_COUNTS).astype(np.uint16))
    return stored, slabs.coarse.index_to_lps


class _Slabs:
    """Slices of a protocol on a fine grid: `fine` in plane as the grid, `coarse` as the image is stored."""

    def __init__(self, grid: Grid, protocol: Protocol) -> None:
        x, y, z = grid.step_mm
        self.every = round(protocol.distance_mm / z)
        self.thick = max(round(protocol.thickness_mm / z), 1)
        self.bin = protocol.in_plane
        slices, rows, columns = grid.shape
        count = (slices - self.thick) // self.every + 1
        left, front, foot = grid.corner_mm
        corner = (left, front, foot + (self.thick - 1) / 2 * z)
        self.fine = Grid(corner, (x, y, self.every * z), (count, rows, columns))
        middle = (self.bin - 1) / 2
        self.coarse = Grid(
            (left + middle * x, front + middle * y, corner[2]),
            (self.bin * x, self.bin * y, self.every * z),
            (count, rows // self.bin, columns // self.bin),
        )

    def of(self, volume: np.ndarray) -> np.ndarray:
        """Means over each slice's thickness, float32 (slice, row, column) on `fine`."""
        total = np.zeros(self.fine.shape, np.float32)
        for k in range(self.thick):
            total += volume[k :: self.every][: len(total)]
        return total / np.float32(self.thick)

    def binned(self, slices: np.ndarray) -> np.ndarray:
        """Means over squares of `bin` pixels, on `coarse`."""
        count, rows, columns = self.coarse.shape
        if self.bin == 1:
            return slices
        cut = slices[:, : rows * self.bin, : columns * self.bin]
        return cut.reshape(count, rows, self.bin, columns, self.bin).mean(axis=(2, 4))


def signal(maps: TissueMaps, exam: Exam, series: Series, slabs: _Slabs) -> np.ndarray:
    """What the coil receives of each slice before it is encoded, float32 on the slabs' `fine` grid."""
    if not series.fat_suppressed:
        received = slabs.of(maps.paint(series.equation))
    else:
        received = slabs.of(maps.paint(lambda s: series.equation(s) * (1 - s.fat)))
        fat = slabs.of(maps.paint(lambda s: series.equation(s) * s.fat))
        fat *= exam.fat_left(slabs.fine) * np.float32(series.protocol.fat_share)
        received += fat
    received *= exam.coil.on(slabs.fine)
    return received if series.protocol.evened else received / exam.coil.evening(slabs.fine)


def displaced(image: np.ndarray, shift_mm: np.ndarray, step_mm: float) -> np.ndarray:
    """Move an image (slice, row, column) along its rows' axis by a smooth displacement, keeping its total.

    What lies at y is seen at y + d(y); the source of a pixel is found by one step of a fixed-point iteration.
    """
    shift = shift_mm / np.float32(step_mm)
    rows = np.arange(image.shape[1], dtype=np.float32)[:, None]
    source = rows - _rows_at(shift, rows - shift)
    density = 1 - np.gradient(shift, axis=1)
    return _rows_at(image, source) * density


def _rows_at(image: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Linear interpolation along rows, the border continued."""
    row = np.clip(row, 0, image.shape[1] - 1.001)
    below = row.astype(np.int32)
    share = row - below
    return (1 - share) * np.take_along_axis(image, below, 1) + share * np.take_along_axis(image, below + 1, 1)


def pulsation(
    maps: TissueMaps, exam: Exam, series: Series, slabs: _Slabs, rng: np.random.Generator
) -> np.ndarray:
    """What moving blood smears along the phase direction, real and imaginary, (2, slice, row, column).

    Each line of k-space sees the blood with an error of its own.
    """
    smeared = np.zeros((2, *slabs.coarse.shape), np.float32)
    blood = slabs.binned(slabs.of(maps.labels == Tissue.BLOOD))
    moving = np.flatnonzero(blood.any(axis=(0, 2)))
    if series.pulsation and len(moving):
        rows = slice(moving[0], moving[-1] + 1)
        still = replace(maps.by_label, flow=np.zeros_like(maps.by_label.flow))
        strength = series.pulsation * series.equation(still)[Tissue.BLOOD]
        lines = fft.rfft(blood[:, rows] * (strength * exam.coil.on(slabs.coarse)[:, rows]), axis=2)
        for part in smeared:
            errors = rng.standard_normal((2, len(lines), 1, lines.shape[2]), dtype=np.float32) / np.sqrt(2)
            wrong = lines * (errors[0] + 1j * errors[1]).astype(np.complex64)
            part[:, rows] = fft.irfft(wrong, blood.shape[2], axis=2)
    return smeared


def sampled(
    parts: np.ndarray, noise: np.ndarray | float, slabs: _Slabs, series: Series, rng: np.random.Generator
) -> np.ndarray:
    """Magnitude (slice, row, column) of an image's two parts after k-space window and shift.

    `noise` is its standard deviation in the image, a number or one a row (row, 1).
    """
    protocol, steps = series.protocol, (slabs.coarse.step_mm[1], slabs.coarse.step_mm[0])
    along_y, along_x = (
        window_matrix(size, band, protocol.pedestal, mm / step)
        for size, band, mm, step in zip(
            parts.shape[2:], protocol.band, reversed(series.shift_mm), steps, strict=True
        )
    )
    white = np.float32(noise) / np.float32(_gain(along_y) * _gain(along_x))
    noisy = parts + white * rng.standard_normal(parts.shape, dtype=np.float32)
    return np.hypot(*(along_y @ part @ along_x.T for part in noisy))


def window_matrix(size: int, band: float, pedestal: float, shift_px: float = 0.0) -> np.ndarray:
    """What a Hamming-like window over a share of the band does to a line of pixels, float32 (size, size).

    Rows sum to 1, so that the border is continued rather than dark; the image moves by `shift_px`.
    """
    away = np.arange(size)[:, None] - np.arange(size)[None] - shift_px
    kernel = pedestal * np.sinc(band * away)
    kernel += (1 - pedestal) / 2 * (np.sinc(band * away + 1) + np.sinc(band * away - 1))
    kernel[np.abs(away) > KERNEL_PX] = 0
    return (kernel / kernel.sum(axis=1, keepdims=True)).astype(np.float32)


def _gain(matrix: np.ndarray) -> float:
    """What the matrix makes of the standard deviation of white noise, in the middle of the line."""
    return float(np.sqrt((matrix[len(matrix) // 2] ** 2).sum()))
