"""What a registration is worth: from the side alone to a place that a reader confirmed."""

from __future__ import annotations

from enum import StrEnum

from breastview.messages import Message, message
from breastview.registration.estimate import FEWEST
from breastview.registration.parameters import Method, Point3, RegistrationParameters
from breastview.registration.region import Region

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
    parameters: RegistrationParameters, region: Region | None, mark_mm: Point3 | None = None
) -> Message | None:
    """What keeps a registration from being measured in and confirmed; None where nothing does.

    `region` is where it has the lesion, None where there is no US mark, and `mark_mm` where the lesion is
    marked in the MRI: a mark outside the region contradicts the correspondences.
    """
    if parameters.method is Method.TRUTH:
        return None
    found = len(parameters.landmarks) + len(parameters.contours)
    if found < FEWEST:
        return message("grade.few", fewest=FEWEST, found=found)
    if region is None:
        return message("grade.no_mark")
    if region.radius_mm > SURE_MM:
        return message("grade.unsure", mm=round(region.radius_mm), sure=round(SURE_MM))
    if mark_mm is not None and not region.allows(mark_mm):
        return message("grade.contradicted")
    return None


def grade_of(
    parameters: RegistrationParameters, region: Region | None, mark_mm: Point3 | None = None
) -> Grade:
    """The grade of a registration; the arguments are those of `lacking`.

    A reader can confirm what correspondences bear out, and nothing less.
    """
    if parameters.method is Method.TRUTH:
        return Grade.CONFIRMED
    if lacking(parameters, region, mark_mm) is None:
        return Grade.CONFIRMED if parameters.confirmed else Grade.LANDMARKS
    borne_out = bool(parameters.landmarks or parameters.contours) and region is not None
    return (
        Grade.REGION if parameters.method in (Method.CLOCK_FACE, Method.MRI_MARK) or borne_out else Grade.SIDE
    )
