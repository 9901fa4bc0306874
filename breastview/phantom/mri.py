"""MR signal: what spin echo, diffusion and spoiled gradient echo give of a substance.

Spin echo and spoiled gradient echo: Bernstein, King, Zhou, Handbook of MRI Pulse Sequences (2004), ch. 14;
diffusion: Stejskal & Tanner, J Chem Phys 42:288 (1965). Relaxivity: Szomolanyi et al., Invest Radiol 54:559
(2019), gadobutrol in plasma: 4.78 at 1.5 T, 4.97 at 3 T.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from breastview.phantom.tissue import magnetic

RELAXIVITY = 4.8  # 1/(s·mmol/l)
WASH_OUT_FROM_S, WASH_OUT_S = 75.0, 120.0  # when medium starts to leave, and how fast
DYNAMIC_MS, DYNAMIC_FLIP_DEG = 5.0, 12.0
DYNAMIC_GAIN = 5.0  # receiver gain of the dynamic series against the spin echoes


@dataclass(frozen=True, eq=False)
class Substance:
    """What n pieces of matter are to the magnet: float32 (n,) each; units as in `tissue.Magnetic`."""

    t1_ms: np.ndarray
    t2_ms: np.ndarray
    density: np.ndarray
    adc: np.ndarray
    peak_mmol: np.ndarray
    rise_s: np.ndarray
    kept: np.ndarray
    fat: np.ndarray
    flow: np.ndarray

    def at(self, index: np.ndarray) -> Substance:
        """The pieces at an index, copied."""
        return Substance(*(getattr(self, field.name)[index] for field in fields(self)))


def tissues(tesla: float = 1.5) -> Substance:
    """All tissues, one piece a label, at 1.5 or 3 T."""
    suffix = "_ms" if tesla < 2 else "_3t_ms"
    names = ("t1" + suffix, "t2" + suffix, "density", "adc", "peak_mmol", "rise_s", "kept", "fat", "flow")
    return Substance(*(magnetic(name) for name in names))


def spin_echo(of: Substance, repetition_ms: float, echo_ms: float) -> np.ndarray:
    """S = ρ (1 − e^(−TR/T1)) e^(−TE/T2), less what flows away before the echo, float32 (n,)."""
    there = of.density * (1 - of.flow)
    return there * (1 - np.exp(-repetition_ms / of.t1_ms)) * np.exp(-echo_ms / of.t2_ms)


def diffusion(
    of: Substance, b_value: float, repetition_ms: float = 6000.0, echo_ms: float = 70.0
) -> np.ndarray:
    """S = S(spin echo) e^(−b·ADC), float32 (n,); b in s/mm²."""
    return spin_echo(of, repetition_ms, echo_ms) * np.exp(-b_value * 1e-3 * of.adc)


def dynamic(of: Substance, delay_s: float) -> np.ndarray:
    """Spoiled gradient echo, 1/T1 raised by r₁·C(t), float32 (n,); `delay_s` after injection, 0: before."""
    return spoiled(of, of.peak_mmol * concentration(of.rise_s, of.kept, delay_s))


def spoiled(of: Substance, mmol: np.ndarray) -> np.ndarray:
    """S = ρ sin α (1 − E₁) / (1 − E₁ cos α) with E₁ = e^(−TR(1/T1 + r₁C)), float32 (n,)."""
    decay = np.exp(-DYNAMIC_MS / 1000.0 * (1000.0 / of.t1_ms + RELAXIVITY * mmol))
    flip = np.deg2rad(DYNAMIC_FLIP_DEG)
    return DYNAMIC_GAIN * of.density * np.sin(flip) * (1 - decay) / (1 - np.cos(flip) * decay)


def concentration(rise_s: np.ndarray, kept: np.ndarray, delay_s: float) -> np.ndarray:
    """Share of the peak concentration, (n,): an exponential rise, then washing out toward `kept`."""
    if delay_s <= 0:
        return np.zeros_like(rise_s)
    left = np.exp(-max(delay_s - WASH_OUT_FROM_S, 0.0) / WASH_OUT_S)
    return (1 - np.exp(-delay_s / rise_s)) * (kept + (1 - kept) * left)
