"""The trunk that bears the breasts: skin, fat, muscles, ribs, sternum, lung, heart and great vessels.

It is described in the coordinates of `chest`: θ around the thorax, z, and depth below the pectoral fascia,
all as in the midline. Layout after axial anatomy of the female thorax; sizes are typical, not one patient's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from breastview.phantom import chest
from breastview.phantom.noise import Field, make_field
from breastview.phantom.tissue import Tissue
from breastview.phantom.viscera import Viscera, make_viscera

CHUNK = 1 << 18  # points looked at together: they stay in the cache
SKIN_MM = 1.9
RIB_DISTANCE_MM = 26.0  # from rib to rib along z
RIB_SLOPE_MM = 0.8  # that a rib descends a degree of θ on its way to the front
CARTILAGE_DEG = 26.0  # where a rib ends and its cartilage climbs to the sternum
RIB_MM = (6.5, 3.8)  # half height and half thickness
CORTEX, STERNAL_CORTEX = 0.55, 0.72  # levels of a rib's and the sternum's section within which marrow lies
WALL_DEG = (0.0, 9.0, 22.0, 45.0, 70.0, 180.0)
WALL_MM = (3.0, 6.5, 14.0, 15.0, 9.0, 8.0)  # depth of the ribs' middle at those θ
INNER_MM = 6.0  # from there to the pleura
PECTORAL_DEG = (8.0, 15.0, 36.0, 52.0, 60.0)
PECTORAL_MM = (0.0, 5.0, 9.5, 8.0, 0.0)  # thickness of the greater pectoral muscle at those θ


@dataclass(frozen=True, eq=False)
class Place:
    """Where n points lie: LPS mm, depth below the fascia in mm, |θ| in degrees; float32 (n,) each."""

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    depth: np.ndarray
    theta: np.ndarray

    def at(self, index: np.ndarray) -> Place:
        """Some of the points."""
        return Place(self.x[index], self.y[index], self.z[index], self.depth[index], self.theta[index])

    def along_fibres(self) -> np.ndarray:
        """Coordinates (n, 3) in which muscle fibres are long."""
        return np.stack([2.5 * self.depth, 0.35 * (self.theta * 2.4 + self.z), 1.2 * self.z], axis=1)


@dataclass(frozen=True, eq=False)
class Trunk:
    """One patient's trunk. `rib_mm` shifts the ribs along z, `stout` scales the muscles; `nodes` (n, 6) are
    axillary lymph nodes: θ, z, depth and half axes; `curves` are noise whose zeros meet in vessels."""

    rib_mm: float
    stout: float
    nodes: np.ndarray
    marbling: Field
    curves: tuple[Field, Field]
    viscera: Viscera

    def tissue(self, points: np.ndarray) -> np.ndarray:
        """Labels uint8 (n,) of points (n, 3) in LPS mm; AIR outside the skin."""
        labels = np.zeros(len(points), np.uint8)
        for start in range(0, len(points), CHUNK):
            part = points[start : start + CHUNK].astype(np.float32, copy=False)
            level = chest.level(part)
            inside = np.flatnonzero(level < 1)
            if len(inside):
                labels[start + inside] = self._inside(part[inside], level[inside])
        return labels

    def _inside(self, points: np.ndarray, level: np.ndarray) -> np.ndarray:
        x, y, z = points.T
        labels = np.full(len(x), Tissue.FAT, np.uint8)
        depth = chest.DEPTH_MM * (chest.FASCIA_LEVEL - level)
        slope = np.hypot(x / chest.WIDTH_MM**2, (y - chest.CENTRE_Y_MM) / chest.DEPTH_MM**2)
        labels[level * (1 - level) < SKIN_MM * slope] = Tissue.SKIN
        wall = np.flatnonzero((depth > -18.0) & (depth < 25.0))
        theta = np.abs(
            np.rad2deg(np.arctan2(x[wall] / chest.WIDTH_MM, (chest.CENTRE_Y_MM - y[wall]) / chest.DEPTH_MM))
        )
        place = Place(x[wall], y[wall], z[wall], depth[wall], theta)
        within = depth >= 25.0
        within[wall] = place.depth > self._ribs(place.theta) + INNER_MM
        self._put_wall(labels, wall, place)
        deep = np.flatnonzero(within)
        labels[deep] = self.viscera.tissue(points[deep], depth[deep], self.curves)
        return labels

    def _ribs(self, theta: np.ndarray) -> np.ndarray:
        """Depth of the ribs' middle."""
        return np.interp(theta, WALL_DEG, WALL_MM).astype(np.float32)

    def _put_wall(self, labels: np.ndarray, index: np.ndarray, place: Place) -> None:
        """Everything between the subcutaneous fat and the pleura."""
        for tissue, found in self._layers(place):
            labels[index[found]] = tissue

    def _layers(self, place: Place) -> Iterator[tuple[Tissue, np.ndarray]]:
        """Tissues of the chest wall with the points that they hold, later ones in front of earlier ones."""
        muscle = np.flatnonzero(self._muscles(place))
        fat = self.marbling.at(place.at(muscle).along_fibres()) > 1.25
        yield Tissue.MUSCLE, muscle[~fat]
        yield from self._bones(place)
        yield Tissue.VESSEL, self._vessels(place)
        yield from self._lymph_nodes(place)

    def _muscles(self, p: Place) -> np.ndarray:
        """Greater and lesser pectoral, serratus, latissimus and intercostal muscles, bool (n,)."""
        ribs, low = self._ribs(p.theta), np.clip((p.z + 85.0) / 30.0, 0, 1)
        major = (
            self.stout * low * np.interp(p.theta - 0.06 * p.z, PECTORAL_DEG, PECTORAL_MM).astype(np.float32)
        )
        found = (p.depth > 0.3) & (p.depth < major)
        minor = (p.z > -20.0) & (np.abs(p.theta - 40.0) < 13.0)
        found |= minor & (p.depth > major + 1.3) & (p.depth < np.minimum(major + 5.5, ribs - 4.5))
        serrated = np.cos(2 * np.pi * self._along(p) / RIB_DISTANCE_MM) > -0.75
        found |= (p.theta > 52.0) & serrated & (np.abs(p.depth - ribs + 6.3) < 2.0)
        latissimus = np.clip((p.theta - 72.0) / 12.0, 0, 1)
        found |= np.abs(p.depth + 4.5) < 3.2 * self.stout * latissimus
        return found | (np.abs(np.abs(p.depth - ribs) - 1.7) < 1.3)

    def _along(self, p: Place) -> np.ndarray:
        """Distance along z in a frame in which the ribs lie flat, mm."""
        bend = np.sqrt((p.theta - CARTILAGE_DEG) ** 2 + 9.0)
        return p.z - RIB_SLOPE_MM * bend - self.rib_mm

    def _bones(self, p: Place) -> Iterator[tuple[Tissue, np.ndarray]]:
        off = self._along(p)
        off -= RIB_DISTANCE_MM * np.round(off / RIB_DISTANCE_MM)
        section = (0.9 * off / RIB_MM[0]) ** 2 + ((p.depth - self._ribs(p.theta)) / RIB_MM[1]) ** 2
        costal = (section < 1) & (p.theta > 6.0)
        front = p.theta < CARTILAGE_DEG
        yield Tissue.CARTILAGE, costal & front
        yield Tissue.BONE, costal & ~front
        yield Tissue.MARROW, costal & ~front & (section < CORTEX)
        breadth = np.interp(p.z, (-70.0, -30.0, 40.0, 70.0), (10.0, 17.0, 15.0, 24.0)).astype(np.float32)
        middle = np.flatnonzero(np.abs(p.x) < 28.0)
        across, deep = p.x[middle] / breadth[middle], (p.depth[middle] - WALL_MM[0]) / 5.8
        uneven = 0.1 * self.marbling.at(0.4 * np.stack([p.x[middle], p.y[middle], p.z[middle]], axis=1))
        sternum = np.abs(across) ** 3 + np.abs(deep) ** 3 + uneven
        yield Tissue.BONE, middle[sternum < 1]
        yield Tissue.MARROW, middle[sternum < STERNAL_CORTEX]

    def _vessels(self, p: Place) -> np.ndarray:
        """Internal mammary artery and vein beside the sternum, and veins of the side's subcutaneous fat."""
        below = (p.depth - 10.8) ** 2
        artery = (np.abs(p.x) - 23.0) ** 2 + below < 1.6**2
        vein = (np.abs(p.x) - 27.5) ** 2 + below < 1.3**2
        found = artery | vein
        side = np.flatnonzero((p.theta > 58.0) & (p.depth < -2.5) & (p.depth > -15.0))
        points = np.stack([p.x[side], p.y[side], 0.7 * p.z[side]], axis=1)
        found[side] |= np.hypot(self.curves[0].at(points), self.curves[1].at(points)) < 0.13
        return found

    def _lymph_nodes(self, p: Place) -> Iterator[tuple[Tissue, np.ndarray]]:
        axilla = np.flatnonzero((p.theta > 50.0) & (p.theta < 90.0) & (p.z > 5.0) & (p.depth < 4.0))
        sign = np.sign(p.x[axilla])
        for side, theta, z, depth, length, width in self.nodes:
            along = (p.theta[axilla] - theta) * 2.4
            q = (
                (along / width) ** 2
                + ((p.z[axilla] - z) / length) ** 2
                + ((p.depth[axilla] - depth) / width) ** 2
            )
            hilum = q + along / width  # open on one side
            mine = sign == side
            yield Tissue.NODE, axilla[mine & (q < 1)]
            yield Tissue.FAT, axilla[mine & (q < 1) & (hilum < 0.35)]


def make_trunk(rng: np.random.Generator) -> Trunk:
    """Draw a patient's trunk."""
    count = int(rng.integers(3, 9))
    low, high = (58.0, 15.0, -11.0, 4.0, 2.2), (76.0, 68.0, 2.0, 8.0, 4.2)
    nodes = np.column_stack([rng.choice([-1.0, 1.0], count), rng.uniform(low, high, (count, 5))])
    return Trunk(
        rib_mm=float(rng.uniform(0, RIB_DISTANCE_MM)),
        stout=float(rng.uniform(0.75, 1.15)),
        nodes=nodes,
        marbling=make_field(rng, 2.5),
        curves=(make_field(rng, 7.0), make_field(rng, 7.0)),
        viscera=make_viscera(rng),
    )
