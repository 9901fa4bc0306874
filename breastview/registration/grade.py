"""What a registration is worth: from the side alone to a place that a reader confirmed."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from breastview.messages import Message, message
from breastview.registration.estimate import FEWEST
from breastview.registration.outline import Outline, structures
from breastview.registration.parameters import STARTS, Method, Point3, RegistrationParameters
from breastview.registration.region import Region
from breastview.registration.transform import map_points

SURE_MM = 10.0  # radius of the lesion's region below which correspondences are called enough


class Grade(StrEnum):
    """How far a registration can be trusted; each allows what the ones before it do."""

    SIDE = "side"
    REGION = "region"
    LANDMARKS = "landmarks"
    CONFIRMED = "confirmed"

    @property
    def allows_measuring(self) -> bool:
        """Whether distances between places of both images mean something."""
        return self in (Grade.LANDMARKS, Grade.CONFIRMED)


def lacking(
    parameters: RegistrationParameters,
    region: Region | None,
    mark_mm: Point3 | None = None,
    lesion: Outline | None = None,
) -> Message | None:
    """What keeps a registration from being measured in and confirmed; None where nothing does.

    `region` is where it has the lesion, None where there is no US mark, and `mark_mm` where the lesion is
    marked in the MRI: a mark outside the region contradicts the correspondences. What was taken on the
    `lesion` counts once.
    """
    if parameters.method is Method.TRUTH:
        return None
    found = structures(parameters.correspondences, lesion)
    if found < FEWEST:
        once = found < len(parameters.correspondences)
        return message("grade.few_apart" if once else "grade.few", fewest=FEWEST, found=found)
    if region is None:
        return message("grade.no_mark")
    if region.radius_mm > SURE_MM:
        return message("grade.unsure", mm=round(region.radius_mm), sure=round(SURE_MM))
    if mark_mm is not None and not region.allows(mark_mm):
        return message("grade.contradicted")
    return None


def grade_of(
    parameters: RegistrationParameters,
    region: Region | None,
    mark_mm: Point3 | None = None,
    lesion: Outline | None = None,
) -> Grade:
    """The grade of a registration; the arguments are those of `lacking`.

    A reader can confirm what correspondences bear out, and nothing less.
    """
    if parameters.method is Method.TRUTH:
        return Grade.CONFIRMED
    if lacking(parameters, region, mark_mm, lesion) is None:
        return Grade.CONFIRMED if parameters.confirmed else Grade.LANDMARKS
    shown = bool(parameters.correspondences) and region is not None
    known = shown or parameters.method in STARTS or _holds_to_its_start(parameters, region, mark_mm, lesion)
    return Grade.REGION if known else Grade.SIDE


def _holds_to_its_start(
    parameters: RegistrationParameters, region: Region | None, mark_mm: Point3 | None, lesion: Outline | None
) -> bool:
    """Whether a pose that was corrected still has the lesion where its start says that it is: within
    `SURE_MM` of the MRI mark, or in the region of the report's words. A pose without a start gains nothing.
    """
    if lesion is None or parameters.start is None:
        return False
    x, y, z = map_points(parameters, np.array(lesion.middle_mm))
    if parameters.start is Method.MRI_MARK:
        return mark_mm is not None and float(np.linalg.norm(mark_mm - np.array([x, y, z]))) <= SURE_MM
    return region is not None and region.allows((float(x), float(y), float(z)))
