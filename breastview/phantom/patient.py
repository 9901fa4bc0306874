"""One simulated patient: anatomy, evidence and the turn from prone to supine, from a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from breastview.phantom import chest
from breastview.phantom.anatomy import Breast, make_breast, places, with_lesion
from breastview.phantom.deformation import ARC_MM, Supine, lie_down
from breastview.phantom.evidence import Evidence, draw_evidence
from breastview.phantom.exam import Exam, make_exam
from breastview.phantom.lesion import Lesion, make_lesion
from breastview.phantom.trunk import Trunk, make_trunk

VIEWS_A_LESION = 2
VIEW_PAIRS = (("transverse", "sagittal"), ("radial", "antiradial"))
_STREAMS = {"anatomy": 1, "other breast": 2, "us": 3, "mri": 4, "trunk": 5, "supine": 6, "exam": 7}
BPE = {
    "minimal": 0.25,
    "mild": 0.6,
    "moderate": 1.1,
    "marked": 1.9,
}  # background enhancement, of a usual gland's


@dataclass(frozen=True, eq=False)
class SimulatedPatient:
    """Anatomy and truth of one patient. `side` is the side of the lesion, "R" or "L"; `breast` holds it."""

    seed: int
    side: str
    density: str
    bpe: str
    evidence: Evidence
    breast: Breast
    lesion: Lesion
    trunk: Trunk
    supine: Supine
    exam: Exam

    @property
    def views(self) -> tuple[str, ...]:
        """The ultrasound views of the lesion: transverse and sagittal, or radial and antiradial."""
        return VIEW_PAIRS[self.seed % len(VIEW_PAIRS)]

    def stream(self, name: str, *parts: int) -> np.random.Generator:
        """Random numbers of this patient for one purpose, independent of the others."""
        return np.random.default_rng([self.seed, _STREAMS[name], *parts])

    def other_breast(self) -> Breast:
        """The breast without the lesion: as large, as dense, its tissue its own."""
        other = "R" if self.side == "L" else "L"
        lean = self.breast.lean * [1.0 if self.side == "L" else -1.0, 1.0]
        return make_breast(self.stream("other breast"), other, self.density, self.breast.radii_mm, lean)

    def clock_place(self) -> tuple[float, float]:
        """Where the supine lesion lies: clock face in hours to the half hour, seen facing the patient, and
        distance from the nipple along the skin in mm, to 5 mm."""
        nipple, lesion = self.supine.to_supine(np.stack([self.breast.nipple_mm, self.lesion.centre_mm]))
        away = chest.to_chart(lesion[None])[0] - chest.to_chart(nipple[None])[0]
        left, up = away[0] * ARC_MM, away[1]
        hours = round(float(np.rad2deg(np.arctan2(left, up))) / 15.0) / 2 % 12
        return float(hours + 12 if hours < 1 else hours), float(5 * round(np.hypot(left, up) / 5))


def simulate(seed: int, null_arm: bool = False) -> SimulatedPatient:
    """Draw a patient; the same seed gives the same patient, everywhere."""
    rng = np.random.default_rng([seed, _STREAMS["anatomy"]])
    evidence = draw_evidence(rng, null_arm)
    side = "L" if rng.random() < 0.5 else "R"
    density = str(rng.choice(["a", "b", "c", "d"], p=[0.1, 0.4, 0.4, 0.1]))
    radii = np.array([rng.uniform(46, 60), rng.uniform(65, 95), rng.uniform(50, 66)])
    lean = np.array([rng.normal(0.10, 0.08), rng.normal(-0.04, 0.08)])
    healthy = make_breast(rng, side, density, radii, lean)
    place = _lesion_place(rng, healthy, evidence.size_mm / 2)
    lesion = make_lesion(rng, evidence, place, healthy.nipple_mm)
    breast = with_lesion(healthy, lesion)
    return SimulatedPatient(
        seed=seed,
        side=side,
        density=density,
        bpe=str(rng.choice(list(BPE), p=[0.35, 0.35, 0.2, 0.1])),
        evidence=evidence,
        breast=breast,
        lesion=lesion,
        trunk=make_trunk(np.random.default_rng([seed, _STREAMS["trunk"]])),
        supine=lie_down(breast, np.random.default_rng([seed, _STREAMS["supine"]])),
        exam=make_exam(np.random.default_rng([seed, _STREAMS["exam"]]), float(rng.choice([1.5, 3.0]))),
    )


def _lesion_place(rng: np.random.Generator, breast: Breast, half_mm: float) -> np.ndarray:
    """Anywhere in the breast where a lesion of this size fits between skin and muscle, or nearly."""
    spots = places(breast, rng, 400)
    room = np.minimum(breast.depth_mm(spots) - 5.0, chest.height_mm(spots) - 4.0)
    shallow = breast.depth_mm(spots) < 36.0
    fits = shallow & (room > min(0.8 * half_mm, 13.0))
    return spots[np.argmax(fits)] if fits.any() else spots[np.argmax(np.where(shallow, room, -np.inf))]
