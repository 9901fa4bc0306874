"""The US scanner: a 5–13 MHz linear probe, its beams, and what the machine makes of their echoes.

Complex Gaussian scatterers (fully developed speckle: envelope mean/SD 1.91, Wagner et al., IEEE T-SU 30:156,
1983) weighted by backscatter, with the mirror echoes of interfaces added, attenuated along the beam,
compensated by TGC, blurred by a depth-dependent separable point-spread function; a few looks from steered
beams compounded, log-compressed and smoothed as a modern machine does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import fft, ndimage, signal

from breastview.phantom.backscatter import STEP_MM, Medium, medium

__all__ = ["STEP_MM", "Medium", "Settings", "compress", "draw_settings", "envelope", "look", "medium"]

SOUND_MM_PER_US = 1.54
FREQUENCIES_MHZ = (5.0, 13.0)
ABOVE_NOISE_DB = 12.0  # of the deepest tissue shown: below, a sonographer takes a lower frequency
TGC_DB_PER_CM_MHZ = 0.66  # one way: what the machine takes average breast tissue for
SPECULAR = 18.0  # mirror echo of an impedance step of 1 MRayl a pixel, against backscatter of 1
KNEE_MRAYL = 0.15  # a pixel: steps beyond it echo hardly more
SPECULAR_POWER = 10  # how fast it fades as the interface turns from the beam
AUTO = 0.75  # how far the machine sets its gain itself, by the upper part of the picture
AUTO_DB = 1.2  # where it would put the bright tissue there
SPECKLE_DB2 = 9.0  # variance of compounded speckle that full reduction levels
BLACK = 3  # grey level of no echo
LINES_PX = (0.65, 0.65)  # what scan conversion blurs
EDGE_DB = 5.0  # refraction at the sides of rounded interfaces, by 1 MRayl


@dataclass(frozen=True)
class Settings:
    """A probe and the settings of its machine.

    `tgc_db` are the sliders, from the face to the bottom; `noise_db` the electronic noise before TGC, against
    tissue of backscatter 1; `reduction` from 0 how much speckle is smoothed away; `curve` bends the grey map.
    """

    frequency_mhz: float = 9.0
    f_number: float = 2.6
    focus_mm: float = 18.0
    looks: int = 5
    steer_deg: float = 9.0
    tgc_db: tuple[float, ...] = (0.0,) * 6
    noise_db: float = -62.0
    clutter_db: float = -34.0
    gain_db: float = 0.0
    dynamic_range_db: float = 62.0
    curve: float = 1.0
    reduction: float = 0.5

    def reaching(self, depth_mm: float) -> Settings:
        """The same machine with its probe switched down, as far as it goes, until tissue at `depth_mm` stands
        `ABOVE_NOISE_DB` above the noise."""
        two_way_cm = 2 * max(depth_mm, 1.0) / 10
        highest = (-self.noise_db - ABOVE_NOISE_DB) / (TGC_DB_PER_CM_MHZ * two_way_cm)
        return replace(self, frequency_mhz=min(self.frequency_mhz, max(highest, FREQUENCIES_MHZ[0])))

    @property
    def axial_sigma_mm(self) -> float:
        """Of a pulse of about two wavelengths."""
        return 0.37 * SOUND_MM_PER_US / self.frequency_mhz

    def lateral_sigma_mm(self, depth_mm: np.ndarray) -> np.ndarray:
        """Of the two-way beam: λ·f-number at the focus, wider away from it."""
        narrow = 0.31 * self.f_number * SOUND_MM_PER_US / self.frequency_mhz
        return narrow * np.sqrt(1 + np.square((depth_mm - self.focus_mm) / (1.4 * self.focus_mm)))

    def tgc_amplitude(self, rows: int) -> np.ndarray:
        """Gain against depth, (rows,): average tissue, and the sliders."""
        depth_cm = np.arange(rows) * STEP_MM / 10
        sliders = np.interp(np.linspace(0, 1, rows), np.linspace(0, 1, len(self.tgc_db)), self.tgc_db)
        return _amplitude(2 * TGC_DB_PER_CM_MHZ * self.frequency_mhz * depth_cm + sliders)


def draw_settings(rng: np.random.Generator) -> Settings:
    """Another machine and another hand at its knobs."""
    return Settings(
        frequency_mhz=float(rng.uniform(*FREQUENCIES_MHZ)),
        f_number=float(rng.uniform(2.0, 3.4)),
        focus_mm=float(rng.uniform(10, 26)),
        looks=int(rng.integers(3, 6)),
        steer_deg=float(rng.uniform(6, 13)),
        tgc_db=tuple(float(db) for db in 4 + np.cumsum(rng.normal(-2.8, 1.6, 6))),
        noise_db=float(rng.uniform(-84, -72)),
        clutter_db=float(rng.uniform(-36, -26)),
        gain_db=float(np.clip(rng.normal(0, 5.0), -9, 9)),
        dynamic_range_db=float(rng.uniform(40, 58)),
        curve=float(rng.uniform(1.1, 1.6)),
        reduction=float(rng.uniform(0.1, 0.5)),
    )


def look(medium_: Medium, settings: Settings, angle_deg: float, rng: np.random.Generator) -> np.ndarray:
    """Envelope of one look with beams steered by `angle_deg`, float32 (row, column).

    Homogeneous tissue gives fully developed speckle: mean/SD 1.91.
    """
    rows = len(medium_.echo)
    tgc = settings.tgc_amplitude(rows)[:, None]
    gain = tgc * _transmission(medium_, settings, angle_deg)
    field = rng.standard_normal((2, *medium_.echo.shape), dtype=np.float32)
    field *= np.hypot(medium_.echo * gain, _amplitude(settings.noise_db) * tgc)
    field[0] += _specular(medium_, angle_deg) * gain
    real, imaginary = _blur(field, settings)
    return np.hypot(real, imaginary)


def envelope(medium_: Medium, settings: Settings, rng: np.random.Generator) -> np.ndarray:
    """Envelope of all looks compounded, with contact and reverberation, float32 (row, column)."""
    angles = np.linspace(-1, 1, settings.looks) * settings.steer_deg
    compounded = np.mean([look(medium_, settings, float(angle), rng) for angle in angles], axis=0)
    compounded *= _contact(compounded.shape[1], rng)
    return compounded + _clutter(compounded, settings) + _near_field(compounded.shape, rng)


def compress(envelope_: np.ndarray, settings: Settings) -> np.ndarray:
    """The sector on screen, uint8 (row, column): speckle reduction, log compression and grey map."""
    decibel = 20 * np.log10(np.maximum(envelope_, 1e-6))
    decibel += settings.gain_db + AUTO * (AUTO_DB - np.percentile(decibel[: 2 * len(decibel) // 3], 65))
    decibel = ndimage.gaussian_filter(_reduce_speckle(decibel, settings.reduction), LINES_PX)
    level = np.clip(0.55 + decibel / settings.dynamic_range_db, 0, 1) ** settings.curve
    return np.rint(BLACK + (255 - BLACK) * level).astype(np.uint8)


def _amplitude(decibel: np.ndarray | float) -> np.ndarray:
    return np.float32(10) ** (np.asarray(decibel, np.float32) / 20)


def _steered(shape: tuple[int, ...], angle_deg: float) -> np.ndarray:
    """How many pixels a steered beam has moved sideways at each row, (rows, 1)."""
    return np.rint(np.arange(shape[0]) * np.tan(np.deg2rad(angle_deg))).astype(int)[:, None]


def _transmission(medium_: Medium, settings: Settings, angle_deg: float) -> np.ndarray:
    """Amplitude that is left of each pixel's echo after the way there and back along the steered beam."""
    loss_db = medium_.attenuation * np.float32(2 * settings.frequency_mhz * STEP_MM / 10)
    loss_db += _edge_loss(medium_.impedance)
    columns = np.arange(loss_db.shape[1])
    shift = _steered(loss_db.shape, angle_deg)
    along = np.take_along_axis(loss_db, np.clip(columns + shift, 0, columns[-1]), axis=1)
    total = np.take_along_axis(np.cumsum(along, axis=0), np.clip(columns - shift, 0, columns[-1]), axis=1)
    return _amplitude(-np.minimum(total, 200.0))


def _edge_loss(impedance: np.ndarray) -> np.ndarray:
    """Loss in dB a pixel where the beam grazes an interface: edge shadows, and Cooper's."""
    smooth = ndimage.gaussian_filter(impedance, 2.0)
    down, across = np.gradient(smooth)
    steep = np.abs(across) / (np.hypot(down, across) + np.float32(1e-3))
    return np.float32(EDGE_DB) * np.abs(across) * steep**4


def _specular(medium_: Medium, angle_deg: float) -> np.ndarray:
    """Amplitude of mirror echoes: steps in impedance, by how squarely the steered beam meets them."""
    down, across = np.gradient(ndimage.gaussian_filter(medium_.impedance, 1.0))
    angle = np.deg2rad(angle_deg)
    slope = np.hypot(down, across) + np.float32(1e-6)
    facing = np.abs(down * np.float32(np.cos(angle)) + across * np.float32(np.sin(angle))) / slope
    return (
        np.float32(SPECULAR)
        * medium_.mirror
        * slope
        / (1 + slope / np.float32(KNEE_MRAYL))
        * facing**SPECULAR_POWER
    )


def _blur(field: np.ndarray, settings: Settings) -> np.ndarray:
    """Point-spread function of unit energy, separable, its lateral width by depth; field (2, row, column)."""
    axial = settings.axial_sigma_mm / STEP_MM
    lateral = settings.lateral_sigma_mm(np.arange(field.shape[1]) * STEP_MM) / STEP_MM
    field = ndimage.gaussian_filter1d(field, axial, axis=1)
    size = fft.next_fast_len(field.shape[2], real=True)
    cycles = np.fft.rfftfreq(size)
    transfer = np.exp(-2 * np.square(np.pi * cycles * lateral[:, None]))
    transfer *= np.sqrt(4 * np.pi * axial * lateral)[:, None]
    spectrum = fft.rfft(field, size, axis=2) * transfer.astype(np.float32)
    return fft.irfft(spectrum, size, axis=2)[:, :, : field.shape[2]]


def _contact(columns: int, rng: np.random.Generator) -> np.ndarray:
    """Gain of each column: elements differ a little, and a side of the probe may lift off."""
    place = np.linspace(0, 1, columns)
    lift_db = rng.gamma(0.7, 4.0, 2)
    loss_db = lift_db[0] * np.exp(-place / 0.12) + lift_db[1] * np.exp((place - 1) / 0.12)
    elements = ndimage.gaussian_filter1d(rng.normal(0, 1, columns), 6.0) * 1.6
    broad = ndimage.gaussian_filter1d(rng.normal(0, 1, columns), 60.0, mode="reflect") * 16.0
    return _amplitude(elements + broad - loss_db)


def _clutter(echoes: np.ndarray, settings: Settings) -> np.ndarray:
    """What rings on behind bright echoes, and hazes the near side of cysts."""
    keep = np.exp(-STEP_MM / 3.0)
    tail = signal.lfilter([1 - keep], [1, -keep], ndimage.gaussian_filter1d(echoes, 12, axis=1), axis=0)
    return (tail * _amplitude(settings.clutter_db)).astype(np.float32)


def _near_field(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """The bright line of the probe's face and its echoes to and fro in the gel."""
    depth_mm = np.arange(shape[0]) * STEP_MM
    spacing_mm, strength = rng.uniform(0.5, 1.1), rng.uniform(0.8, 3.0)
    lines = sum(
        strength * 0.35**k * np.exp(-np.square((depth_mm - 0.1 - k * spacing_mm) / 0.12)) for k in range(4)
    )
    return np.asarray(lines, np.float32)[:, None]


def _reduce_speckle(decibel: np.ndarray, reduction: float) -> np.ndarray:
    """Lee's filter (IEEE T-PAMI 2:165, 1980): the local mean, but for as much as more than speckle varies."""
    mean = ndimage.uniform_filter(decibel, (3, 7))
    variance = np.maximum(ndimage.uniform_filter(np.square(decibel), (3, 7)) - np.square(mean), 0)
    speckle = np.float32(SPECKLE_DB2 * reduction + 1e-6)
    return mean + (decibel - mean) * variance / (variance + speckle)
