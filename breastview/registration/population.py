"""What is known of the map from US plane to MRI before a patient's correspondences are.

All of it was fitted to the true maps of simulated patients, whose deformation follows published
lesion–nipple distances: place and linear part to patients 1000 … 1999, bowl and bend to 90 of 1400 … 2999,
`STRETCH` to 2000 … 2999, so that the rows of `tests.benchmarks.registration` come near nine in ten; the field
was set by the ellipsoids of 1000 … 1199. `python -m tests.benchmarks.population` fits all but the last two
anew. The tables are of axes along (outward, back, up): LPS with x mirrored in the right breast, so that both
breasts share them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

UNIT_MM = 30.0  # lengths in the tables count in these

# outward, back and up in mm, by (1, inward, way from the supine nipple outward and up, from the prone one)
PLACE_MM = (
    (-2.71, -6.66, 4.38, 1.76, 11.01, 0.48, -12.52, -5.34, 0.56),
    (12.35, 6.49, -15.75, -0.51, 16.28, -0.73, -22.06, -2.82, 1.14),
    (0.63, -0.23, -0.77, -2.01, 0.81, 18.95, -3.09, 1.54, -25.5),
)
PLACE_COVARIANCE_MM2 = ((7.9, -1.4, 0.3), (-1.4, 10.3, 0.7), (0.3, 0.7, 8.0))
# of the logarithm of the place's standard deviation, by the distance from the nipple and the depth
PLACE_GROWTH = (0.32, 0.41)
LINEAR = ((0.71, -0.14, 0.0), (0.15, 1.31, 0.01), (0.0, 0.17, 0.82))
LINEAR_BY_INWARD = (
    ((0.03, 0.34, 0.01), (-0.61, 0.03, 0.03), (-0.06, 0.04, 0.01)),
    ((0.1, 0.22, 0.0), (-0.2, 0.14, -0.01), (-0.02, -0.07, -0.05)),
    ((0.0, 0.0, 0.18), (0.01, 0.0, -0.44), (-0.13, 0.06, -0.05)),
)
# of the linear part's entries row by row, in 1/mm, by how far outward, back and up the place is off
LINEAR_BY_PLACE = (
    (0.0, -0.0048, 0.0),
    (0.0165, 0.0021, -0.0006),
    (-0.0007, -0.0008, 0.0005),
    (0.0075, 0.0036, 0.0011),
    (0.0025, 0.0055, 0.0001),
    (0.0012, 0.0014, 0.0014),
    (0.0015, 0.0012, -0.0028),
    (-0.0003, -0.0002, 0.0341),
    (0.0006, -0.0004, -0.0002),
)
LINEAR_SD = ((0.1, 0.19, 0.17), (0.18, 0.15, 0.16), (0.18, 0.19, 0.09))
LINEAR_CORRELATION = (
    (1.0, 0.22, 0.0, -0.43, 0.0, 0.0, 0.0, 0.0, 0.37),
    (0.22, 1.0, 0.0, -0.63, 0.33, 0.0, 0.0, 0.0, 0.0),
    (0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -0.83, 0.0, 0.0),
    (-0.43, -0.63, 0.0, 1.0, -0.29, 0.0, 0.0, 0.0, 0.0),
    (0.0, 0.33, 0.0, -0.29, 1.0, 0.0, 0.0, 0.0, -0.29),
    (0.0, 0.0, 0.0, 0.0, 0.0, 1.0, -0.22, -0.31, 0.15),
    (0.0, 0.0, -0.83, 0.0, 0.0, -0.22, 1.0, 0.0, 0.0),
    (0.0, 0.0, 0.0, 0.0, 0.0, -0.31, 0.0, 1.0, 0.0),
    (0.37, 0.0, 0.0, 0.0, -0.29, 0.15, 0.0, 0.0, 1.0),
)
# of the logarithm of a covariance's stretch, by (1, logarithm of the click's error in mm, 1 / (pairs + 1))
STRETCH = {"pairs": (-0.01, 0.41, -1.12), "contours": (0.26, 0.0, 0.74)}


@dataclass(frozen=True)
class Population:
    """What bends a patient's map beside its linear part: x_mri = place + turn · (L a + bend(a) + field) with
    a = x_us − centre, along (x, y, z) of the US plane.

    The bend is quadratic in a. Its mean is `bowl`, in 1/mm, times x² + z², along the beam: the probe presses
    the round skin flat. Its standard deviation along each axis, in mm, is Σ (bent · a)². The field has
    the standard deviation `field_mm` and correlates over `field_length_mm`.
    """

    bowl: float = 0.0040
    bent: tuple[float, float, float] = (0.046, 0.074, 0.051)
    field_mm: float = 0.7
    field_length_mm: float = 8.5


@dataclass(frozen=True, eq=False)
class Linear:
    """What the linear part L of a map is like, in the start's turned frame: its `mean` (3, 3), the
    `covariance` (9, 9) of its entries row by row where the place is as expected, and `by_place` (9, 3), how
    they change, in 1/mm, where the place is off."""

    mean: np.ndarray
    covariance: np.ndarray
    by_place: np.ndarray


@dataclass(frozen=True, eq=False)
class Told:
    """What a report's words tell: the side, the direction `inward` (3,) from the prone skin where they lead,
    clock face, distance from the nipple and depth."""

    side: str
    inward: np.ndarray
    clock_h: float
    nipple_distance_mm: float
    depth_mm: float


def place_beside(told: Told, from_nipple_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far beside the place to which the words lead a lesion lies on the average, LPS mm (3,), and the
    covariance (3, 3) of single patients in mm².

    `from_nipple_mm` (3,) leads from the prone nipple to that place.
    """
    axes, known = mirror(told.side), words_known(told, from_nipple_mm)
    grown = np.exp(np.dot(PLACE_GROWTH, [told.nipple_distance_mm / UNIT_MM, told.depth_mm / UNIT_MM]))
    covariance = np.outer(axes, axes) * np.array(PLACE_COVARIANCE_MM2) * grown**2
    return axes * (np.array(PLACE_MM) @ known), covariance


def linear_of(side: str, inward: np.ndarray, turn: np.ndarray) -> Linear:
    """The linear part of a map under a breast's skin that faces against `inward` (3,), for a probe's usual
    `turn` (3, 3): what presses on a flank comes from the side."""
    axes = mirror(side)
    frame = turn.T * axes
    mean = np.array(LINEAR) + np.einsum("k,kij->ij", axes * inward, np.array(LINEAR_BY_INWARD))
    sd = np.array(LINEAR_SD).ravel()
    both = np.kron(frame, frame)
    covariance = both @ (np.array(LINEAR_CORRELATION) * np.outer(sd, sd)) @ both.T
    return Linear(frame @ mean @ frame.T, covariance, both @ np.array(LINEAR_BY_PLACE) @ frame.T)


def independent(mean: np.ndarray, sd: np.ndarray, mirrored: float) -> Linear:
    """A linear part whose entries have `mean` and `sd` (3, 3) each by itself, but for L_ij and L_ji, which
    correlate by `mirrored`: a turn changes both, one up, one down."""
    covariance = np.diag(sd.ravel() ** 2)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        one, other = 3 * i + j, 3 * j + i
        covariance[one, other] = covariance[other, one] = mirrored * sd[i, j] * sd[j, i]
    return Linear(mean, covariance, np.zeros((9, 3)))


# over all places, for a start that no words tell
AVERAGE = independent(
    np.array([[0.78, -0.08, 0.0], [0.12, 1.37, 0.13], [0.0, -0.08, 0.78]]),
    np.array([[0.10, 0.30, 0.18], [0.38, 0.18, 0.37], [0.18, 0.33, 0.10]]),
    -0.65,
)


def calibration(pairs: int, contours: int, click_mm: float) -> float:
    """By how much a covariance is stretched so that its ellipsoid holds the truth nine times in ten.

    With contours it was too small: where along its partner a contour lies is taken as known once matched.
    With few pairs alone, good hands got ellipsoids meant for usual ones.
    """
    known = [1.0, np.log(click_mm), 1.0 / (pairs + 1)]
    return float(np.exp(np.dot(STRETCH["contours" if contours else "pairs"], known)))


def words_known(told: Told, from_nipple_mm: np.ndarray) -> np.ndarray:
    """What `PLACE_MM` weighs, nine numbers; `from_nipple_mm` is that of `place_beside`."""
    axes, hour = mirror(told.side), np.deg2rad(told.clock_h % 12 * 30)
    aside = told.nipple_distance_mm * np.array([axes[0] * np.sin(hour), np.cos(hour)])
    return np.concatenate([[1.0], axes * told.inward, aside / UNIT_MM, axes * from_nipple_mm / UNIT_MM])


def mirror(side: str) -> np.ndarray:
    """What LPS axes (3,) are multiplied with to be (outward, back, up) in a breast."""
    return np.array([1.0 if side == "L" else -1.0, 1.0, 1.0])
