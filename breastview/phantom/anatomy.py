"""The breast as a function of place: which tissue lies at any LPS point of a prone patient.

Crops, whole patients and ultrasound ask the same functions, so they show the same anatomy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from breastview.phantom import chest
from breastview.phantom.lesion import Lesion
from breastview.phantom.noise import Field, make_field
from breastview.phantom.tissue import Tissue
from breastview.phantom.trunk import Trunk

SKIN_MM, AREOLA_MM = 2.2, 3.0
AREOLA_RADIUS_MM, NIPPLE_RADIUS_MM, NIPPLE_HEIGHT_MM = 17.0, 5.0, 6.0
FILLET_MM = 12.0  # over which breast and trunk flow into each other
BASE_X_MM = 72.0
SEPTA_MM, STRANDS_MM = 15.0, 4.0  # from sheet to sheet
SIGMAS_MM = {
    "gland": 8.0,
    "lobules": 3.2,
    "strands": 2.0,
    "septa": 4.5,
    "ducts": 2.2,
    "veins": 9.0,
    "veins across": 9.0,
    "uptake": 4.0,
}
HANGING = np.array([3.2, 0.5, 1.6], np.float32)  # mm of noise a mm along x, y, z: fine, long, flat
SWAY_MM = (3.0, 0.4)  # how far strands of gland sway with the lobes and with the lobules
ASKEW = Rotation.from_euler("zyx", [31, 23, 17], degrees=True).as_matrix().astype(np.float32)
_PROBES = 5000  # points at which the share of glandular tissue is set


@dataclass(frozen=True)
class Density:
    """A BI-RADS category of density: volume share of fibroglandular tissue, thickness in mm of the fat in
    front of it and behind it, and how far fat breaks it up."""

    gland_share: float
    front_mm: float
    behind_mm: float
    broken: float


DENSITIES = {
    "a": Density(0.06, 12.0, 8.0, 2.3),
    "b": Density(0.15, 9.0, 7.0, 1.8),
    "c": Density(0.30, 7.0, 5.0, 1.6),
    "d": Density(0.52, 4.5, 3.5, 0.9),
}


@dataclass(frozen=True, eq=False)
class Inclusion:
    """An ellipsoid of one tissue that is not the lesion: `inverse` (3, 3) takes it to the unit ball."""

    tissue: Tissue
    centre_mm: np.ndarray
    inverse: np.ndarray

    def holds(self, points: np.ndarray) -> np.ndarray:
        """Whether points (n, 3) lie inside, bool (n,)."""
        return (((points - self.centre_mm) @ self.inverse) ** 2).sum(axis=1) < 1


@dataclass(frozen=True, eq=False)
class Breast:
    """One breast, hanging from the chest: an ellipsoid that leans, its inner structure, and perhaps a lesion.

    `base_mm` is the ellipsoid's centre; the axis runs from there to the nipple, `lean` (x, z) mm sideways a
    mm forward. `gland_above` is the level of the gland's potential from which tissue is glandular.
    """

    side: str
    base_mm: np.ndarray
    radii_mm: np.ndarray
    lean: np.ndarray
    density: str
    fields: dict[str, Field]
    inclusions: tuple[Inclusion, ...] = ()
    lesion: Lesion | None = None
    gland_above: float = 0.0

    @property
    def nipple_mm(self) -> np.ndarray:
        """The tip of the breast."""
        ahead = self.radii_mm[1]
        return self.base_mm + ahead * np.array([self.lean[0], -1.0, self.lean[1]])

    def upright(self, points: np.ndarray) -> np.ndarray:
        """Points (n, 3) from the base, with the lean taken out."""
        q = points - self.base_mm.astype(points.dtype)
        q[:, 0] += (self.lean[0] * q[:, 1]).astype(q.dtype)
        q[:, 2] += (self.lean[1] * q[:, 1]).astype(q.dtype)
        return q

    def depth_mm(self, points: np.ndarray) -> np.ndarray:
        """Depth of points (n, 3) below the skin of breast and trunk, negative outside, (n,)."""
        own = _ellipsoid_depth(self.upright(points), self.radii_mm)
        return _smooth_max(own, _trunk_depth(points), FILLET_MM)

    def tissue(self, points: np.ndarray, modality: str = "mri") -> np.ndarray:
        """Labels uint8 (n,) of points (n, 3) in LPS mm; AIR outside the breast and off its way to the chest.

        Strands that are finer than MRI resolves are there for "us" alone; the lesion has the outline that the
        modality shows.
        """
        labels = np.zeros(len(points), np.uint8)
        q = self.upright(points)
        own = _ellipsoid_depth(q, self.radii_mm)
        depth = _smooth_max(own, _trunk_depth(points), FILLET_MM)
        height = chest.height_mm(points)
        inside = np.flatnonzero((depth > 0) & (own > -FILLET_MM) & (height > 0))
        labels[inside] = self._inside(points[inside], q[inside], depth[inside], height[inside], modality)
        self._put_nipple(labels, q, depth)
        return labels

    def _inside(
        self, p: np.ndarray, q: np.ndarray, depth: np.ndarray, height: np.ndarray, modality: str
    ) -> np.ndarray:
        labels = np.full(len(p), Tissue.FAT, np.uint8)
        self._put_septa(labels, p, height, 0.09 if modality == "mri" else 0.05)
        gland = self.gland_potential(p, q, depth, height) > self.gland_above
        labels[gland] = Tissue.GLAND
        if modality == "us":
            self._put_strands(labels, p, height)
        self._put_ducts(labels, p, depth)
        self._put_veins(labels, p, depth)
        for inclusion in self.inclusions:
            labels[inclusion.holds(p)] = inclusion.tissue
        if self.lesion is not None:
            labels[self.lesion.level(p, modality) < 0] = Tissue.LESION
        near_nipple = ((p - self.nipple_mm) ** 2).sum(axis=1) < AREOLA_RADIUS_MM**2
        labels[depth < np.where(near_nipple, AREOLA_MM, SKIN_MM)] = Tissue.SKIN
        return labels

    def gland_potential(
        self, p: np.ndarray, q: np.ndarray, depth: np.ndarray, height: np.ndarray
    ) -> np.ndarray:
        """How readily tissue at points is glandular, without unit: high in the core behind the nipple and in
        the upper outer quadrant, lobed by noise, parted by fat into fine strands that hang from the chest and
        run along the ducts.
        """
        kind, fields = DENSITIES[self.density], self.fields
        shell = np.minimum(depth - kind.front_mm, height - kind.behind_mm) / 6.0
        outer = q[:, 0] / self.radii_mm[0] * (1 if self.side == "L" else -1)
        upper = q[:, 2] / self.radii_mm[2]
        place = 1.3 * np.clip(shell, -4.0, 0.7) + 0.35 * (outer + upper) - 1.1 * (outer**2 + upper**2)
        gland, lobules = fields["gland"].at(p), fields["lobules"].at(p)
        lobes = place + 0.75 * (gland + 0.5 * lobules)
        along_ducts = fields["ducts"].at(self._toward_nipple(p))
        hanging = fields["strands"].at(_hanging(q, SWAY_MM[0] * gland + SWAY_MM[1] * lobules))
        cleft = np.maximum(0.9 * hanging + 0.6 * along_ducts + 0.1, 0)
        return lobes - kind.broken * cleft

    def _toward_nipple(self, p: np.ndarray) -> np.ndarray:
        """Coordinates in which noise becomes strands that run to the nipple."""
        q = p - self.nipple_mm.astype(p.dtype)
        r = np.linalg.norm(q, axis=1, keepdims=True)
        return q / np.maximum(r, 1.0) * (45.0 + 0.4 * r)

    def _put_septa(self, labels: np.ndarray, p: np.ndarray, height: np.ndarray, width: float) -> None:
        """Cooper's ligaments: winding sheets between the lobules of fat, which thin out.

        They are about half a millimetre thick, for MRI a millimetre: thinner than a voxel they would be dots.
        """
        phase = height * (2 * np.pi / SEPTA_MM) + 3.0 * self.fields["septa"].at(p)
        there = np.clip(self.fields["gland"].at(-p) + 0.6, 0, 1)
        labels[np.abs(np.sin(0.5 * phase)) < width * there] = Tissue.LIGAMENT

    def _put_strands(self, labels: np.ndarray, p: np.ndarray, height: np.ndarray) -> None:
        """Fibrous strands of finite length along the skin, a third of a millimetre thick: many in gland, few
        in fat."""
        wave = 2.0 * self.fields["lobules"].at(-p) + 2.0 * self.fields["gland"].at(p)
        sheet = np.abs(np.sin(0.5 * (height * (2 * np.pi / STRANDS_MM) + wave)))
        there = self.fields["strands"].at(p * np.array([0.5, 1.0, 0.5], p.dtype))
        seldom = np.where(labels == Tissue.GLAND, -0.5, 1.0)
        labels[(sheet < 0.14 * np.clip(there - seldom, 0, 1))] = Tissue.LIGAMENT

    def _put_ducts(self, labels: np.ndarray, p: np.ndarray, depth: np.ndarray) -> None:
        r = np.linalg.norm(p - self.nipple_mm, axis=1)
        near = np.flatnonzero((r < 40.0) & (depth > 3.0))
        way = self._toward_nipple(p[near])
        ducts = self.fields["ducts"]
        lumen = np.hypot(ducts.at(way), ducts.at(way + np.float32(23.0)))
        labels[near[lumen < 0.17]] = Tissue.DUCT

    def _put_veins(self, labels: np.ndarray, p: np.ndarray, depth: np.ndarray) -> None:
        """Vessels run where two smooth fields vanish together."""
        width = np.hypot(self.fields["veins"].at(p), self.fields["veins across"].at(p))
        labels[(width < 0.085) & (depth > 3.5)] = Tissue.VESSEL

    def _put_nipple(self, labels: np.ndarray, q: np.ndarray, depth: np.ndarray) -> None:
        away = np.hypot(q[:, 0], q[:, 2])
        ahead = -q[:, 1] - self.radii_mm[1]
        top = NIPPLE_HEIGHT_MM - 0.06 * away**2
        nipple = (away < NIPPLE_RADIUS_MM) & (ahead > -5.0) & (ahead < top) & (depth < 5.0)
        labels[nipple] = Tissue.NIPPLE


def _hanging(q: np.ndarray, sway_mm: np.ndarray) -> np.ndarray:
    """Coordinates in which noise becomes strands that hang down, sway, and draw together toward the nipple.

    They are turned askew to the noise's grid, so that it does not soon repeat along a row or column.
    """
    way = q.astype(np.float32)
    way[:, 0] = (way[:, 0] + sway_mm) / (1 + np.clip(way[:, 1], -160.0, 0.0) / 320.0)
    return (way * HANGING) @ ASKEW


def _ellipsoid_depth(q: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Depth of q (n, 3) below an ellipsoid around the origin, exact to first order at its surface."""
    unit = q / radii.astype(q.dtype)
    k0 = np.linalg.norm(unit, axis=1)
    k1 = np.linalg.norm(unit / radii.astype(q.dtype), axis=1)
    return k0 * (1 - k0) / np.maximum(k1, 1e-6)


def _trunk_depth(points: np.ndarray) -> np.ndarray:
    level = chest.level(points)
    slope = np.hypot(points[:, 0] / chest.WIDTH_MM**2, (points[:, 1] - chest.CENTRE_Y_MM) / chest.DEPTH_MM**2)
    return level * (1 - level) / np.maximum(slope, 1e-6)


def _smooth_max(a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    share = np.clip(0.5 + 0.5 * (a - b) / width, 0, 1)
    return b + (a - b) * share + width * share * (1 - share)


def make_breast(
    rng: np.random.Generator, side: str, density: str, radii_mm: np.ndarray, lean: np.ndarray
) -> Breast:
    """Grow one healthy breast; `side` is "R" or "L", `lean` (outward, upward) mm a mm forward."""
    sign = 1.0 if side == "L" else -1.0
    fascia = chest.FASCIA_LEVEL
    forward = np.sqrt(fascia**2 - (BASE_X_MM / chest.WIDTH_MM) ** 2)
    base = np.array([sign * BASE_X_MM, chest.CENTRE_Y_MM - chest.DEPTH_MM * forward, 0.0])
    fields = {name: make_field(rng, sigma) for name, sigma in SIGMAS_MM.items()}
    bare = Breast(side, base, np.asarray(radii_mm, float), lean * [sign, 1.0], density, fields)
    grown = replace(bare, gland_above=_gland_level(bare, rng))
    return replace(grown, inclusions=_inclusions(rng, grown))


def with_lesion(breast: Breast, lesion: Lesion) -> Breast:
    """Put the lesion in; what would lie within 6 mm of it is taken out."""
    reach = lesion.radius_mm + 6.0
    kept = tuple(
        i
        for i in breast.inclusions
        if np.linalg.norm(i.centre_mm - lesion.centre_mm) > reach + 1 / np.linalg.norm(i.inverse, 2)
    )
    return replace(breast, lesion=lesion, inclusions=kept)


def places(breast: Breast, rng: np.random.Generator, count: int) -> np.ndarray:
    """Points (n, 3) drawn evenly in the breast between skin and fascia, n below `count`."""
    q = rng.uniform(-1, 1, (count, 3)) * breast.radii_mm
    q[:, 1] = -np.abs(q[:, 1])
    q[:, [0, 2]] += breast.lean * -q[:, [1]]
    p = breast.base_mm + q
    return p[(breast.depth_mm(p) > SKIN_MM) & (chest.height_mm(p) > 0)]


def _gland_level(breast: Breast, rng: np.random.Generator) -> float:
    """The potential that the density's share of the breast exceeds."""
    p = places(breast, rng, _PROBES)
    potential = breast.gland_potential(p, breast.upright(p), breast.depth_mm(p), chest.height_mm(p))
    return float(np.quantile(potential, 1 - DENSITIES[breast.density].gland_share))


def _inclusions(rng: np.random.Generator, breast: Breast) -> tuple[Inclusion, ...]:
    """Cysts, now and then a fibroadenoma and an intramammary lymph node with its fatty hilum."""
    wanted = [(Tissue.CYST, float(r)) for r in rng.uniform(1.2, 5.0, rng.integers(0, 5))]
    if rng.random() < 0.2:
        wanted.append((Tissue.FIBROADENOMA, float(rng.uniform(3.0, 6.0))))
    spots = places(breast, rng, 200)
    deep = spots[(breast.depth_mm(spots) > 9.0) & (chest.height_mm(spots) > 8.0)]
    found = [_ellipsoid(rng, tissue, p, r) for (tissue, r), p in zip(wanted, deep, strict=False)]
    outer = (spots - breast.base_mm)[:, 0] * (1 if breast.side == "L" else -1)
    upper_outer = spots[(outer > 15.0) & (spots[:, 2] > 10.0) & (breast.depth_mm(spots) > 7.0)]
    if len(upper_outer) and rng.random() < 0.35:
        node = _ellipsoid(rng, Tissue.NODE, upper_outer[0], float(rng.uniform(2.5, 4.0)))
        hilum = replace(
            node,
            tissue=Tissue.FAT,
            centre_mm=node.centre_mm + rng.normal(0, 0.5, 3),
            inverse=node.inverse * 2.0,
        )
        found += [node, hilum]
    return tuple(found)


def _ellipsoid(rng: np.random.Generator, tissue: Tissue, centre: np.ndarray, radius: float) -> Inclusion:
    turn = Rotation.random(random_state=rng).as_matrix()
    return Inclusion(tissue, centre, turn / (radius * rng.uniform(0.75, 1.25, 3)))


def body_tissue(
    points: np.ndarray, breasts: Sequence[Breast], trunk: Trunk, modality: str = "mri"
) -> np.ndarray:
    """Labels uint8 (n,) of points (n, 3): the trunk, and the breasts in front of their pectoral muscle."""
    labels = trunk.tissue(points)
    for breast in breasts:
        reach = np.add(breast.radii_mm, FILLET_MM + np.abs(breast.lean).max() * breast.radii_mm[1])
        near = np.flatnonzero(np.all(np.abs(points - breast.base_mm) < reach, axis=1))
        own = breast.tissue(points[near], modality)
        shown = (own != Tissue.AIR) & np.isin(labels[near], (Tissue.AIR, Tissue.SKIN, Tissue.FAT))
        labels[near[shown]] = own[shown]
    return labels
