"""Where tissue goes when the patient turns over and the probe presses: known everywhere, and its inverse too.

Prone the breast hangs from the chest. Supine it lies flat: soft layers give way more than the firm core, the
breast slides over the pectoral fascia and leans to the side (`Gravity`, in the coordinates of the chest wall,
with unit Jacobian: volume is kept exactly). A stiff lesion keeps its shape and turns with its surroundings
(`Inclusion`). The probe presses the tissue under its face flat (`Probe`). Maps run from the picture to the
prone patient, the way an image is made; inverses are closed where they can be, and Newton's elsewhere.

The amounts are drawn so that lesion and nipple part as published: their distance changes by a median of 8 mm
(0–34) sideways and 5 mm (0–39) up and down between prone MRI and supine ultrasound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from breastview.phantom import chest
from breastview.phantom.anatomy import Breast
from breastview.registration.parameters import RegistrationParameters
from breastview.registration.transform import angles_deg, rotation

SOFTNESS = {"a": 1.85, "b": 1.75, "c": 1.6, "d": 1.45}  # how far the hanging breast is stretched, by density
FIRM_MM = 10.0  # the layer at the fascia that hardly gives way
SLIDE_MM, LEAN_MM = 3.0, 18.0  # heights within which sliding and leaning reach their full amount
ARC_MM = 140.0  # mm of skin a radian of θ, near the breast
WAVES = 3
PROBE_FADE_MM = 25.0  # how deep the probe's flattening of the skin reaches
STEP_MM = 1e-3
CLOSE_MM = 1e-5
Map = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Gravity:
    """From supine to prone in chest coordinates, about the axis from `base` to `nipple` (prone LPS mm).

    Heights stretch by up to `softness`, and the plane shrinks by its root; `slide_mm` and `lean_mm` (sideways
    along the chest, upward) are how far the supine breast moved; `waves` (2, WAVES, 4) hold amplitude in mm,
    two wave numbers in rad/mm and a phase of what differs from place to place, along θ and along z.
    """

    base: np.ndarray
    nipple: np.ndarray
    softness: float
    slide_mm: np.ndarray
    lean_mm: np.ndarray
    waves: np.ndarray

    def to_prone(self, supine: np.ndarray) -> np.ndarray:
        """Supine LPS mm (n, 3) to prone LPS mm."""
        theta, z, eta = chest.to_chart(supine).T
        above = np.maximum(eta, 0)
        z = z - self._wave(1, theta * ARC_MM, above)
        theta = theta - self._wave(0, z, above) / ARC_MM
        stretched, rate = self._stretch(above)
        narrow = 1 / np.sqrt(rate)
        from_theta, from_z = self._axis_supine(above)
        to_theta, to_z = self._axis_prone(stretched)
        prone = np.stack([to_theta + (theta - from_theta) * narrow, to_z + (z - from_z) * narrow], axis=1)
        return chest.from_chart(np.column_stack([prone, np.where(eta > 0, stretched, eta)]))

    def to_supine(self, prone: np.ndarray) -> np.ndarray:
        """Prone LPS mm (n, 3) to supine LPS mm: the exact inverse."""
        theta, z, eta = chest.to_chart(prone).T
        stretched = np.maximum(eta, 0)
        above = self._unstretch(stretched)
        narrow = 1 / np.sqrt(self._stretch(above)[1])
        from_theta, from_z = self._axis_supine(above)
        to_theta, to_z = self._axis_prone(stretched)
        theta = from_theta + (theta - to_theta) / narrow
        z = from_z + (z - to_z) / narrow
        theta = theta + self._wave(0, z, above) / ARC_MM
        z = z + self._wave(1, theta * ARC_MM, above)
        return chest.from_chart(np.column_stack([theta, z, np.where(eta > 0, above, eta)]))

    def _stretch(self, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Prone height of a supine one, and its rate, from 1 at the fascia to `softness`."""
        fade = np.exp(-eta / FIRM_MM)
        more = self.softness - 1
        return eta + more * (eta - FIRM_MM * (1 - fade)), 1 + more * (1 - fade)

    def _unstretch(self, eta: np.ndarray) -> np.ndarray:
        height = eta / self.softness
        for _ in range(8):
            value, rate = self._stretch(height)
            height = height - (value - eta) / rate
        return height

    def _axis_supine(self, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        theta, z, _ = chest.to_chart(self.base[None])[0]
        slid, leant = 1 - np.exp(-eta / SLIDE_MM), 1 - np.exp(-eta / LEAN_MM)
        aside, upward = (slid * s + leant * lean for s, lean in zip(self.slide_mm, self.lean_mm, strict=True))
        return theta + aside / ARC_MM, z + upward

    def _axis_prone(self, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the straight axis of the hanging breast reaches a height."""
        scale = np.array([chest.WIDTH_MM, chest.DEPTH_MM])
        start = (self.base[:2] - [0, chest.CENTRE_Y_MM]) / scale
        way = (self.nipple - self.base)[:2] / scale
        wanted = 2 * eta / chest.DEPTH_MM + chest.FASCIA_LEVEL**2
        a, b, c = way @ way, start @ way, start @ start - wanted
        t = (-b + np.sqrt(np.maximum(b * b - a * c, 0))) / a
        x, y = (start[k] + t * way[k] for k in (0, 1))
        return np.arctan2(x, -y), self.base[2] + t * (self.nipple - self.base)[2]

    def _wave(self, which: int, along: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Displacement in mm that depends on the other two coordinates alone: it keeps volume."""
        total = np.zeros_like(eta)
        for amplitude, one, other, phase in self.waves[which]:
            total += amplitude * np.sin(one * along + other * eta + phase)
        return total * (1 - np.exp(-eta / FIRM_MM))


@dataclass(frozen=True, eq=False)
class Supine:
    """From the supine patient to the prone one: gravity, and a lesion that keeps its shape by its stiffness.

    Around `supine_mm` (3,) the map goes over into the rigid one by `turn` (3, 3) to `prone_mm`.
    """

    gravity: Gravity
    supine_mm: np.ndarray
    prone_mm: np.ndarray
    turn: np.ndarray
    radius_mm: float
    stiffness: float

    def to_prone(self, supine: np.ndarray) -> np.ndarray:
        """Supine LPS mm (n, 3) to prone LPS mm."""
        soft = self.gravity.to_prone(supine)
        away = np.linalg.norm(supine - self.supine_mm, axis=1)
        near = np.flatnonzero(away < 3.2 * self.radius_mm)
        share = 1 - _smooth_step((away[near] / self.radius_mm - 0.9) / 2.3)
        share *= self.stiffness * _smooth_step(chest.height_mm(supine[near]) / 10.0)
        rigid = self.prone_mm + (supine[near] - self.supine_mm) @ self.turn.T
        soft[near] += share[:, None] * (rigid - soft[near])
        return soft

    def to_supine(self, prone: np.ndarray) -> np.ndarray:
        """Prone LPS mm (n, 3) to supine LPS mm, to `CLOSE_MM`."""
        return inverse(self.to_prone, prone, self.gravity.to_supine(prone))


@dataclass(frozen=True, eq=False)
class Probe:
    """From a US plane to the prone patient: the probe's face at `pose` (in supine LPS) presses on the skin.

    Tissue under the face is shorter by `pressed` and wider accordingly; `skin` are the coefficients of the
    supine skin's depth below the face, q(x, z) = c·(1, x, z, x², xz, z², x³, x⁴) in mm, which the face
    presses flat.
    """

    supine: Supine
    pose: RegistrationParameters
    pressed: float
    skin: np.ndarray

    def to_prone(self, us_mm: np.ndarray) -> np.ndarray:
        """US-plane mm (n, 3), x lateral, y depth, z elevational, to prone LPS mm."""
        return self.supine.to_prone(self._to_supine_patient(us_mm))

    def to_us(self, prone: np.ndarray) -> np.ndarray:
        """Prone LPS mm (n, 3) to US-plane mm, to `CLOSE_MM`."""
        return inverse(self.to_prone, prone, self._from_supine_patient(self.supine.to_supine(prone)))

    def _to_supine_patient(self, us_mm: np.ndarray) -> np.ndarray:
        x, z = us_mm[:, 0] / np.sqrt(1 + self.pressed), us_mm[:, 2] / np.sqrt(1 + self.pressed)
        y = us_mm[:, 1] * (1 + self.pressed)
        y = y + self.gap_mm(x, z) * np.exp(-np.maximum(y, 0) / PROBE_FADE_MM)
        return np.stack([x, y, z], axis=1) @ rotation(self.pose).T + np.asarray(self.pose.centre_mm)

    def _from_supine_patient(self, supine: np.ndarray) -> np.ndarray:
        x, flat, z = ((supine - np.asarray(self.pose.centre_mm)) @ rotation(self.pose)).T
        gap, y = self.gap_mm(x, z), flat
        for _ in range(12):
            fade = np.exp(-np.maximum(y, 0) / PROBE_FADE_MM)
            y = y - (y + gap * fade - flat) / (1 - np.where(y > 0, gap * fade / PROBE_FADE_MM, 0))
        wide = np.sqrt(1 + self.pressed)
        return np.stack([x * wide, y / (1 + self.pressed), z * wide], axis=1)

    def gap_mm(self, x: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Depth of the unpressed skin below the face."""
        return _terms(x, z) @ self.skin


def _terms(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    return np.stack([np.ones_like(x), x, z, x * x, x * z, z * z, x**3, x**4], axis=1)


def _smooth_step(t: np.ndarray) -> np.ndarray:
    t = np.clip(t, 0, 1)
    return t * t * t * (10 + t * (6 * t - 15))


def jacobian(map_: Map, points: np.ndarray) -> np.ndarray:
    """Derivative of a map at points (n, 3), float64 (n, 3, 3), by central differences."""
    columns = []
    for axis in np.eye(3) * STEP_MM:
        columns.append((map_(points + axis) - map_(points - axis)) / (2 * STEP_MM))
    return np.stack(columns, axis=2)


def inverse(map_: Map, target: np.ndarray, guess: np.ndarray) -> np.ndarray:
    """Points (n, 3) that a map takes to `target`, by damped Newton from `guess`, to `CLOSE_MM`."""
    points = guess.copy()
    missed = target - map_(points)
    for _ in range(40):
        open_ = np.flatnonzero(np.abs(missed).max(axis=1) > CLOSE_MM)
        if not len(open_):
            break
        step = np.linalg.solve(jacobian(map_, points[open_]), missed[open_][:, :, None])[:, :, 0]
        worse = np.ones(len(open_), bool)
        for share in (1.0, 0.5, 0.25, 0.1):
            tried = points[open_[worse]] + share * step[worse]
            left = target[open_[worse]] - map_(tried)
            better = np.linalg.norm(left, axis=1) < np.linalg.norm(missed[open_[worse]], axis=1)
            done = open_[worse][better]
            points[done], missed[done] = tried[better], left[better]
            worse[np.flatnonzero(worse)[better]] = False
            if not worse.any():
                break
    return points


def lie_down(breast: Breast, rng: np.random.Generator) -> Supine:
    """Draw how this breast, which holds a lesion, settles when the patient turns over."""
    sign = 1.0 if breast.side == "L" else -1.0
    waves = np.stack(
        [
            rng.normal(0, 1.0, (2, WAVES)),
            rng.normal(0, 0.05, (2, WAVES)),
            rng.normal(0, 0.05, (2, WAVES)),
            rng.uniform(0, 2 * np.pi, (2, WAVES)),
        ],
        axis=2,
    )
    fascia = _on_fascia(breast)
    gravity = Gravity(
        base=fascia,
        nipple=breast.nipple_mm,
        softness=SOFTNESS[breast.density] * float(np.exp(rng.normal(0, 0.06))),
        slide_mm=np.array([sign * rng.normal(3.0, 3.0), rng.normal(3.0, 3.0)]),
        lean_mm=np.array([sign * rng.normal(-17.0, 8.0), rng.normal(4.0, 13.0)]),
        waves=waves,
    )
    assert breast.lesion is not None
    return _with_inclusion(gravity, breast.lesion.centre_mm, breast.lesion.radius_mm, breast.lesion.stiffness)


def _on_fascia(breast: Breast) -> np.ndarray:
    """Where the breast's axis leaves the pectoral fascia."""
    axis = breast.nipple_mm - breast.base_mm
    t = np.linspace(-0.5, 1, 301)[:, None]
    line = breast.base_mm + t * axis
    return line[np.argmin(np.abs(chest.height_mm(line)))]


def _with_inclusion(gravity: Gravity, prone_mm: np.ndarray, radius_mm: float, stiffness: float) -> Supine:
    supine_mm = gravity.to_supine(prone_mm[None])[0]
    left, _, right = np.linalg.svd(jacobian(gravity.to_prone, supine_mm[None])[0])
    return Supine(gravity, supine_mm, prone_mm, left @ right, radius_mm, stiffness)


def put_probe(
    breast: Breast,
    supine: Supine,
    pose: RegistrationParameters,
    pressed: float,
    footprint_mm: tuple[float, float],
) -> Probe:
    """Press the probe on: the supine skin under its face becomes the picture's top.

    `footprint_mm` is (width, length): of the picture, and of the way across it that is scanned.
    """
    wide, long = (np.linspace(-0.5, 0.5, n) * size for n, size in zip((9, 5), footprint_mm, strict=True))
    x, z = (g.ravel() for g in np.meshgrid(wide, long))
    y = np.arange(-14.0, 20.0, 0.5)
    along = np.stack([np.repeat(x, len(y)), np.tile(y, len(x)), np.repeat(z, len(y))], axis=1)
    places = along @ rotation(pose).T + np.asarray(pose.centre_mm)
    depth = breast.depth_mm(supine.to_prone(places)).reshape(len(x), len(y))
    first = np.clip(np.argmax(depth > 0, axis=1), 1, None)
    row = np.arange(len(x))
    outside, inside = depth[row, first - 1], depth[row, first]
    skin_mm = y[first] - 0.5 * inside / np.maximum(inside - outside, 1e-6)
    return Probe(supine, pose, pressed, np.linalg.lstsq(_terms(x, z), skin_mm, rcond=None)[0])


def best_rigid(probe: Probe, us_mm: np.ndarray, anchor_us_mm: np.ndarray) -> RegistrationParameters:
    """The rigid registration that follows the true map best at US-plane points (n, 3), and exactly at
    `anchor_us_mm` (3,), in the least-squares sense (Kabsch, Acta Cryst A32:922, 1976)."""
    prone = probe.to_prone(us_mm)
    anchor = probe.to_prone(anchor_us_mm[None])[0]
    left, _, right = np.linalg.svd((us_mm - anchor_us_mm).T @ (prone - anchor))
    sense = np.diag([1.0, 1.0, np.sign(np.linalg.det(right.T @ left.T))])
    turn = right.T @ sense @ left.T
    return _pose(probe.pose, turn, anchor - turn @ anchor_us_mm)


def _pose(pose: RegistrationParameters, turn: np.ndarray, centre: np.ndarray) -> RegistrationParameters:
    x, y, z = (float(c) for c in centre)
    return replace(pose, centre_mm=(x, y, z), angles_deg=angles_deg(turn))
