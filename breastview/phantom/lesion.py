"""The lesion: a body whose outline and tissue follow its evidence, each modality its own.

What US can tell (outline, echo, shadow, stiffness under the probe) follows `look_us`; what MRI can tell
(outline of the uptake, its pattern and curve, T2, ADC) follows `look_mri`. Size follows the label as
`evidence` says; family, gross shape and place follow neither.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from breastview.phantom import chest
from breastview.phantom.evidence import Evidence
from breastview.phantom.noise import Field, make_field

FAMILIES = {
    "mass": 0.74,
    "cystic": 0.09,
    "non-mass": 0.12,
    "fatty": 0.05,
}  # share of each, whatever the label
# Evidence in MRI at which the uptake curve changes its type. Washes out: Φ(.85 − .12) = 77 % of malignant
# lesions (75 % asked for), hence Φ(−.85 − .12) = 17 % of benign ones, three times as many as Kuhl found.
WASH_OUT_ABOVE, PERSISTENT_BELOW = 0.12, -0.3
_GROSS, _LOBES, _CORNERS = 3, 5, 6  # waves of an outline: those of any, and those that grow with the look
_SPIKES = 36
_GROSS_WAVE, _LOBE_WAVE, _CORNER_WAVE = 2.0, 4.0, 6.0  # radians of wave a radian of outline
_LOBED, _ANGULAR, _SPICULATED = 0.15, 0.15, 0.75  # of the radius, at full look
_LONGEST = 1.1  # of the radius: no spicule is longer
_LOW, _TALL = 0.85, 1.2  # height on US against that of the body, at look 0 and 1
_LOOKS = (-0.4, 1.4)  # on US
_REACH = 2.2  # of the radius: beyond it the level is the distance to a sphere


@dataclass(frozen=True, eq=False)
class Outline:
    """Relative radius along unit directions: waves, and spikes (n, 3) of unit length with their lengths.

    `waves` (n, 3) are wave vectors of sines with `phases` (n,) and `amplitudes` (n,); the last `_CORNERS` are
    folded, so that they meet in corners that point outward. `stretch` (3, 3), applied to prone LPS offsets
    from the centre, makes the body that one modality sees taller or flatter.
    """

    waves: np.ndarray
    phases: np.ndarray
    amplitudes: np.ndarray
    spikes: np.ndarray
    spike_lengths: np.ndarray
    sharpness: float
    stretch: np.ndarray

    def at(self, direction: np.ndarray) -> np.ndarray:
        """Relative radius along unit directions, float32 (n, 3)."""
        along = np.ascontiguousarray(direction.T)
        wave = np.sin(self.waves @ along + self.phases[:, None])
        wave[-_CORNERS:] = 2 / np.pi - np.abs(wave[-_CORNERS:])
        radius = 1.0 + self.amplitudes @ wave
        if not self.spike_lengths.any():
            return radius
        near = np.exp((self.spikes @ along - 1.0) * self.sharpness)
        return radius + (near * self.spike_lengths[:, None]).max(axis=0)


@dataclass(frozen=True, eq=False)
class Lesion:
    """One lesion in prone LPS space.

    `axes` are relative to `radius_mm` along the columns of `frame` (3, 3). `look_us`, about 0…1, and
    `look_mri`, 0…1, say how malignant it looks; `adc` is in 10⁻³ mm²/s; `texture` is noise for the tissue
    inside.
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
        outline = self.outlines[modality]
        body = (outline.stretch @ self.frame / self.axes).astype(np.float32)
        q = (points - self.centre_mm).astype(np.float32) @ body
        distance = np.sqrt(np.einsum("ij,ij->i", q, q))
        level = distance - np.float32(self.radius_mm)
        near = np.flatnonzero(distance < self.radius_mm * _REACH)
        direction = q[near] / np.maximum(distance[near], 1e-6)[:, None]
        radius = np.float32(self.radius_mm) * outline.at(direction)
        if self.family == "non-mass":
            radius *= 1 + 0.22 * self.texture.at(points[near] * 0.5)
        level[near] = distance[near] - radius
        return level

    @property
    def stiffness(self) -> float:
        """How much the lesion keeps its shape when the breast is pressed, 0…1: cancers keep it."""
        return 0.4 + 0.6 * float(np.clip(self.look_us, 0, 1))

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
    look_us, look_mri = _look_us(evidence.us), _look_mri(evidence.mri)
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
        outlines={
            "us": _outline(rng, look_us, 130.0, _taller(look_us, chest.outward(centre_mm))),
            "mri": _outline(rng, look_mri, 60.0, np.eye(3)),
        },
    )


def _look_us(evidence: float) -> float:
    """How malignant it looks on US: in proportion to the evidence, so that lesions at the far ends, clearly
    benign or clearly malignant, do not look alike; 0…1 for nine of ten."""
    return float(np.clip(0.5 + evidence / 3, *_LOOKS))


def _look_mri(evidence: float) -> float:
    """How malignant it looks in MRI, 0…1; ADC and curve follow the evidence itself."""
    return float(1 / (1 + np.exp(-1.7 * evidence)))


def _axes(rng: np.random.Generator, family: str) -> np.ndarray:
    if family == "non-mass":
        return np.array([1.0, rng.uniform(0.35, 0.55), rng.uniform(0.5, 0.8)])
    return np.array([1.0, rng.uniform(0.72, 1.0), rng.uniform(0.72, 1.0)])


def _outline(rng: np.random.Generator, look: float, sharpness: float, stretch: np.ndarray) -> Outline:
    """Smooth and oval at a low look, lobulated in the middle, angular and spiculated at a high one."""
    rough = max(0.0, look) ** 1.2 * float(np.exp(rng.normal(0, 0.12)))
    counts = [_GROSS, _LOBES, _CORNERS]
    lengths = np.repeat([_GROSS_WAVE, _LOBE_WAVE, _CORNER_WAVE], counts)
    spiky = min(_SPICULATED * max(0.0, 2 * look - 1), _LONGEST)
    return Outline(
        waves=(_unit(rng, len(lengths)) * lengths[:, None]).astype(np.float32),
        phases=rng.uniform(0, 2 * np.pi, len(lengths)).astype(np.float32),
        amplitudes=np.repeat([0.04, 0.02 + _LOBED * rough, _ANGULAR * rough], counts).astype(np.float32),
        spikes=_unit(rng, _SPIKES),
        spike_lengths=(rng.uniform(0, 1, _SPIKES) ** 2 * spiky).astype(np.float32),
        sharpness=sharpness,
        stretch=stretch.astype(np.float32),
    )


def _unit(rng: np.random.Generator, count: int) -> np.ndarray:
    """Random directions, float32 (count, 3)."""
    vectors = rng.normal(size=(count, 3))
    return (vectors / np.linalg.norm(vectors, axis=1)[:, None]).astype(np.float32)


def _taller(look: float, outward: np.ndarray) -> np.ndarray:
    """A stretch (3, 3) that keeps the volume and stands less parallel to the skin the worse the look."""
    tall = _LOW ** (1 - look) * _TALL**look
    along = np.outer(outward, outward)
    return np.sqrt(tall) * (np.eye(3) - along) + along / tall


def _curve(evidence: float) -> str:
    """Type of the uptake curve (Kuhl et al., Radiology 211:101, 1999): as the evidence in MRI says."""
    if evidence > WASH_OUT_ABOVE:
        return "wash-out"
    return "persistent" if evidence < PERSISTENT_BELOW else "plateau"
