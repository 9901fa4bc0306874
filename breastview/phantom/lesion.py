"""The lesion: a body whose outline and tissue follow its evidence, each modality its own.

What US can tell (outline, echo, shadow, stiffness under the probe) follows `look_us`; what MRI can tell
(outline of the uptake, its pattern and curve, T2, ADC) follows `look_mri`. Size follows the label as
`evidence` says; family, gross shape and place follow neither.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from breastview.phantom.evidence import Evidence
from breastview.phantom.noise import Field, make_field

FAMILIES = {
    "mass": 0.74,
    "cystic": 0.09,
    "non-mass": 0.12,
    "fatty": 0.05,
}  # share of each, whatever the label
WASH_OUT_ABOVE, PERSISTENT_BELOW = 0.2, -0.3  # evidence in MRI at which the uptake curve changes its type
_SPIKES = 14
_REACH = 2.2  # of the radius: beyond it the level is the distance to a sphere


@dataclass(frozen=True, eq=False)
class Outline:
    """Relative radius along unit directions: waves, and spikes (n, 3) of unit length with their strengths."""

    waves: np.ndarray
    wave_amplitude: float
    spikes: np.ndarray
    spike_lengths: np.ndarray
    sharpness: float

    def at(self, direction: np.ndarray) -> np.ndarray:
        """Relative radius along unit directions, float32 (n, 3)."""
        gross = np.sin(direction @ self.waves[:3].T + self.waves[3:6, 0]).sum(axis=1) * 0.04
        fine = np.sin(direction @ self.waves[6:12].T * 2.2).sum(axis=1) / 6 * self.wave_amplitude
        if not self.spike_lengths.any():
            return 1.0 + gross + fine
        near = np.exp((direction @ self.spikes.T - 1.0) * self.sharpness)
        return 1.0 + gross + fine + (near * self.spike_lengths).max(axis=1)


@dataclass(frozen=True, eq=False)
class Lesion:
    """One lesion in prone LPS space.

    `axes` are relative to `radius_mm` along the columns of `frame` (3, 3). `look_us` and `look_mri`, 0…1, say
    how malignant it looks; `adc` is in 10⁻³ mm²/s; `texture` is noise for the tissue inside.
    """

    centre_mm: np.ndarray
    radius_mm: float
    axes: np.ndarray
    frame: np.ndarray
    family: str
    look_us: float
    look_mri: float
    curve: str
    adc: float
    texture: Field
    outlines: dict[str, Outline]

    def level(self, points: np.ndarray, modality: str) -> np.ndarray:
        """Distance in mm to the outline that "us" or "mri" shows, along the radius; negative inside.

        `points` are (n, 3) in prone LPS mm; float32 (n,).
        """
        q = (points - self.centre_mm).astype(np.float32) @ (self.frame / self.axes).astype(np.float32)
        distance = np.sqrt(np.einsum("ij,ij->i", q, q))
        level = distance - np.float32(self.radius_mm)
        near = np.flatnonzero(distance < self.radius_mm * _REACH)
        direction = q[near] / np.maximum(distance[near], 1e-6)[:, None]
        radius = np.float32(self.radius_mm) * self.outlines[modality].at(direction)
        if self.family == "non-mass":
            radius *= 1 + 0.22 * self.texture.at(points[near] * 0.5)
        level[near] = distance[near] - radius
        return level

    @property
    def stiffness(self) -> float:
        """How much the lesion keeps its shape when the breast is pressed, 0…1: cancers keep it."""
        return 0.4 + 0.6 * self.look_us

    @property
    def extent_mm(self) -> tuple[float, float, float]:
        """Size along LPS x, y, z, without the fine outline."""
        x, y, z = 2 * self.radius_mm * np.sqrt(((self.frame * self.axes) ** 2).sum(axis=1))
        return float(x), float(y), float(z)


def make_lesion(
    rng: np.random.Generator, evidence: Evidence, centre_mm: np.ndarray, nipple_mm: np.ndarray
) -> Lesion:
    """Grow a lesion at a place; one without mass follows a segment toward the nipple."""
    family = str(rng.choice(list(FAMILIES), p=list(FAMILIES.values())))
    axes = _axes(rng, family)
    look_us, look_mri = _look(evidence.us), _look(evidence.mri)
    toward = np.asarray(nipple_mm, float) - centre_mm
    turn = Rotation.align_vectors([toward], [[1.0, 0.0, 0.0]])[0].as_matrix()
    frame = turn if family == "non-mass" else Rotation.random(random_state=rng).as_matrix()
    return Lesion(
        centre_mm=np.asarray(centre_mm, float),
        radius_mm=evidence.size_mm / 2 / float(axes.max()),
        axes=axes,
        frame=frame,
        family=family,
        look_us=look_us,
        look_mri=look_mri,
        curve=_curve(evidence.mri),
        adc=float(np.clip(1.36 - 0.33 * evidence.mri + rng.normal(0, 0.12), 0.5, 2.8)),
        texture=make_field(rng, 0.9),
        outlines={"us": _outline(rng, look_us, 300.0), "mri": _outline(rng, look_mri, 90.0)},
    )


def _look(evidence: float) -> float:
    """How malignant it looks, 0…1: a monotone function of the evidence, so that none of it is lost."""
    return float(1 / (1 + np.exp(-1.7 * evidence)))


def _axes(rng: np.random.Generator, family: str) -> np.ndarray:
    if family == "non-mass":
        return np.array([1.0, rng.uniform(0.35, 0.55), rng.uniform(0.5, 0.8)])
    return np.array([1.0, rng.uniform(0.72, 1.0), rng.uniform(0.72, 1.0)])


def _outline(rng: np.random.Generator, look: float, sharpness: float) -> Outline:
    """Smooth and oval at a low look, lobulated in the middle, spiculated at a high one."""
    spikes = rng.normal(size=(_SPIKES, 3))
    lengths = rng.uniform(0.2, 1.0, _SPIKES) * max(0.0, 1.15 * look - 0.6)
    return Outline(
        waves=rng.normal(0, 2.0, (12, 3)).astype(np.float32),
        wave_amplitude=0.03 + 0.24 * look,
        spikes=(spikes / np.linalg.norm(spikes, axis=1)[:, None]).astype(np.float32),
        spike_lengths=lengths.astype(np.float32),
        sharpness=sharpness,
    )


def _curve(evidence: float) -> str:
    """Type of the uptake curve (Kuhl et al., Radiology 211:101, 1999): as the evidence in MRI says."""
    if evidence > WASH_OUT_ABOVE:
        return "wash-out"
    return "persistent" if evidence < PERSISTENT_BELOW else "plateau"
