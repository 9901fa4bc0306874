"""The lesion: a star-shaped body whose fine outline and tissue follow its evidence.

What US can tell (fine outline, shadow, echo) follows `evidence.us`; what MRI can tell (uptake, rim, T2, ADC)
follows `evidence.mri`. Gross shape and size follow neither.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from breastview.phantom.evidence import Evidence

MIN_RADIUS_MM, MAX_RADIUS_MM = 3.5, 12.0
_SPIKES = 34


@dataclass(frozen=True, eq=False)
class Lesion:
    """A mass. Axes and amplitudes are relative to `radius_mm`; `spikes` are unit directions (n, 3)."""

    centre_mm: np.ndarray
    radius_mm: float
    axes: np.ndarray
    waves: np.ndarray
    wave_amplitude: float
    spikes: np.ndarray
    spike_amplitude: float
    malignancy_us: float
    malignancy_mri: float
    curve: str

    def level(self, points: np.ndarray) -> np.ndarray:
        """Negative inside, in mm to the surface along the radius; points are (n, 3) LPS mm."""
        q = (points - self.centre_mm) / self.axes
        distance = np.linalg.norm(q, axis=1)
        level = distance - self.radius_mm
        near = np.flatnonzero(distance < self.radius_mm * 1.9)
        direction = q[near] / np.maximum(distance[near], 1e-6)[:, None]
        level[near] = distance[near] - self.radius_mm * self._outline(direction)
        return level

    def _outline(self, direction: np.ndarray) -> np.ndarray:
        """Relative radius along unit directions (n, 3)."""
        gross = np.sin(direction @ self.waves[:3].T + self.waves[3:6, 0]).sum(axis=1) * 0.05
        fine = np.sin(direction @ self.waves[6:12].T * 4.0).sum(axis=1) / 6 * self.wave_amplitude
        spike = np.exp((direction @ self.spikes.T - 1.0) * 220.0).max(axis=1) * self.spike_amplitude
        return 1.0 + gross + fine + spike

    @property
    def extent_mm(self) -> tuple[float, float, float]:
        """Size along x, y, z."""
        x, y, z = 2 * self.radius_mm * self.axes
        return float(x), float(y), float(z)


def make_lesion(rng: np.random.Generator, evidence: Evidence, centre_mm: np.ndarray) -> Lesion:
    """Grow a lesion at a place."""
    us, mri = _show(rng, evidence.us), _show(rng, evidence.mri)
    radius = float(np.exp(rng.uniform(np.log(MIN_RADIUS_MM), np.log(MAX_RADIUS_MM))))
    flat = 1.0 - 0.3 * us + rng.normal(0, 0.06)
    axes = np.array([1.0 + 0.18 * (1 - us), np.clip(1.18 - 0.5 * flat + 0.1 * us, 0.6, 1.15), 1.0])
    spikes = rng.normal(size=(_SPIKES, 3))
    return Lesion(
        centre_mm=np.asarray(centre_mm, float),
        radius_mm=radius,
        axes=axes,
        waves=rng.normal(0, 2.0, (12, 3)),
        wave_amplitude=0.04 + 0.36 * us,
        spikes=spikes / np.linalg.norm(spikes, axis=1)[:, None],
        spike_amplitude=max(0.0, 0.8 * us - 0.25),
        malignancy_us=us,
        malignancy_mri=mri,
        curve=_curve(rng, mri),
    )


def _show(rng: np.random.Generator, evidence: float) -> float:
    """How malignant it looks, 0…1: a monotone, slightly noisy function of the evidence."""
    return float(1 / (1 + np.exp(-1.7 * (evidence + rng.normal(0, 0.15)))))


def _curve(rng: np.random.Generator, look: float) -> str:
    """Type of the uptake curve after Kuhl et al., Radiology 211:101 (1999)."""
    shares = np.array([0.75 * (1 - look) + 0.05, 0.3, 0.05 + 0.6 * look])
    return str(rng.choice(["persistent", "plateau", "wash-out"], p=shares / shares.sum()))
