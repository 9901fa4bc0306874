"""Simple features of one patch: grey levels, speckle size, radial spectrum."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

BINS = 8


def features(patch: np.ndarray, top: float) -> dict[str, float]:
    """Features of a square patch by name; `top` is the highest grey level that counts."""
    edges = np.linspace(0, top, BINS + 1)
    counts, _ = np.histogram(np.clip(patch, 0, top), edges)
    shares = zip(edges[:-1], edges[1:], counts / patch.size, strict=True)
    rest = patch - ndimage.gaussian_filter(patch, patch.shape[0] / 8)
    return {
        **{f"grey {low:.2f}–{high:.2f}": float(share) for low, high, share in shares},
        "mean": float(patch.mean()),
        "standard deviation": float(patch.std()),
        "speckle size down, px": half_width_px(rest),
        "speckle size across, px": half_width_px(rest.T),
        "fine structure": float(np.abs(np.diff(patch, axis=0)).mean() / max(patch.std(), 1e-6)),
        "radial spectrum slope": spectrum_slope(patch),
    }


def half_width_px(rest: np.ndarray) -> float:
    """Lag along the rows at which the autocorrelation has fallen to a half."""
    power = np.abs(np.fft.fft(rest, axis=0)) ** 2
    correlation = np.fft.ifft(power.sum(axis=1)).real[: len(rest) // 2]
    correlation = correlation / max(correlation[0], 1e-12)
    after = int(np.argmax(correlation < 0.5))
    if after == 0:
        return len(rest) / 2
    above, below = correlation[after - 1], correlation[after]
    return after - 1 + float((above - 0.5) / (above - below))


def radial_spectrum(patch: np.ndarray) -> np.ndarray:
    """Power by cycles a patch, 0 … size/2 − 1, Hann window."""
    size = len(patch)
    window = np.hanning(size)[:, None] * np.hanning(size)
    power = np.abs(np.fft.fft2((patch - patch.mean()) * window)) ** 2
    cycles = np.rint(np.hypot(*np.meshgrid(*[np.fft.fftfreq(size, 1 / size)] * 2))).astype(int)
    return (np.bincount(cycles.ravel(), power.ravel()) / np.bincount(cycles.ravel()))[: size // 2]


def spectrum_slope(patch: np.ndarray) -> float:
    """Slope of log power against log frequency, from 2 cycles a patch to Nyquist."""
    k = np.arange(2, len(patch) // 2)
    return float(np.polyfit(np.log(k), np.log(radial_spectrum(patch)[k] + 1e-12), 1)[0])


def spectrum_db(patches: np.ndarray) -> np.ndarray:
    """Mean shape of the radial spectra of patches (n, size, size) in dB: each patch has the same power."""
    spectra = np.array([radial_spectrum(patch)[2:] for patch in patches])
    return (10 * np.log10(spectra / spectra.sum(axis=1, keepdims=True) + 1e-12)).mean(axis=0)
