"""What is drawn over the MRI: lesions, the US plane, correspondences, regions, and what is being drawn."""

from __future__ import annotations

import numpy as np

from breastview.imaging.geometry import ON_SLICE, apply, in_picture, slice_plane, slice_through
from breastview.imaging.volume import Volume
from breastview.records.values import MriMark
from breastview.registration.parameters import LandmarkPair, RegistrationParameters
from breastview.registration.plane import UsPlane, section_in_slice
from breastview.registration.region import Region, region_in_us
from breastview.registration.transform import map_points, to_us_plane
from breastview.ui import style
from breastview.ui.expecting import Expecting
from breastview.ui.panes.drafting import Drafting
from breastview.ui.panes.marks import Mark, Stroke, dots, off_plane, outline
from breastview.ui.panes.pivot import pivot_marks
from breastview.ui.panes.tools import Tools
from breastview.ui.session import Session

NEAR_MM = 2.0  # what lies this near to the US plane is drawn in it


class MriMarks:
    """The marks of the MRI pane, in pixels of its picture."""

    def __init__(self, session: Session, tools: Tools, expecting: Expecting, drafting: Drafting) -> None:
        self._session, self._tools = session, tools
        self._expecting, self._drafting = expecting, drafting

    def in_slice(self, volume: Volume, number: int) -> list[Mark]:
        """Everything on an acquired slice."""
        picture = slice_plane(volume.index_to_lps, number)
        marks = self._lesions(volume, number)
        region = self._expecting.region
        if region is not None:
            marks += outline(region.section(picture), style.REGISTRATION)
        registered = self._session.registered
        if registered is not None:
            marks += self._section(volume, number, *registered)
            marks += _landmarks(registered[0], volume, number)
            for contour in registered[0].contours:
                marks += dots(in_picture(picture, np.array(contour.mri_mm), ON_SLICE), style.REGISTRATION)
        return marks + self._draft_in_slice(picture)

    def _lesions(self, volume: Volume, number: int) -> list[Mark]:
        marks = []
        for lesion in self._session.state.record.lesions:
            if lesion.mri is None:
                continue
            place = slice_through(volume.index_to_lps, lesion.mri.point_mm)
            if abs(place[0] - number) <= ON_SLICE:
                marks += _lesion_marks(lesion.lesion_id, lesion.mri, volume, place)
        return marks

    def _section(
        self, volume: Volume, number: int, parameters: RegistrationParameters, plane: UsPlane
    ) -> list[Mark]:
        """Where the US image lies in this slice."""
        stack = self._session.stack
        assert stack is not None
        box = stack.sector
        corners = [[box.left, box.top], [box.right, box.top], [box.right, box.bottom], [box.left, box.bottom]]
        lps = map_points(parameters, plane.px_to_mm(np.array(corners)))
        section = section_in_slice(apply(volume.lps_to_index, lps), number) + 0.5
        if len(section) < 3:
            return []
        return [Mark("line", tuple(section.ravel().tolist()), style.REGISTRATION, "US")]

    def _draft_in_slice(self, picture: np.ndarray) -> list[Mark]:
        drafting = self._drafting
        marks = dots(in_picture(picture, drafting.seen_mm, ON_SLICE), style.REGISTRATION)
        if drafting.partner is not None:
            expected = drafting.partner
            marks += outline(expected.section(picture), style.REGISTRATION, Stroke.DOTTED)
            for place in in_picture(picture, expected.centre_mm, ON_SLICE):
                marks.append(Mark("ring", tuple(place.tolist()), style.REGISTRATION, str(drafting.number)))
        return marks

    def in_plane(self, parameters: RegistrationParameters, plane: UsPlane) -> list[Mark]:
        """Everything in the US plane."""
        marks = self._lesion_in_plane(parameters, plane) + pivot_marks(self._tools, self._expecting)
        region = self._expecting.region
        if region is not None:
            marks += outline(_seen(region, parameters, plane), style.REGISTRATION)
        pairs = parameters.landmarks
        seen = to_us_plane(parameters, np.array([pair.mri_mm for pair in pairs]).reshape(-1, 3))
        for number, (pair, place) in enumerate(zip(pairs, seen, strict=True), 1):
            marks.append(_in_plane(_symbol(pair), place, plane, str(number)))
        for contour in parameters.contours:
            marks += dots(_near(np.array(contour.mri_mm), parameters, plane), style.REGISTRATION)
        return marks + self._draft_in_plane(parameters, plane)

    def _lesion_in_plane(self, parameters: RegistrationParameters, plane: UsPlane) -> list[Mark]:
        marks, lesion = [], self._session.lesion
        mark = lesion.view_on(self._session.us_key, self._session.us_frame) if lesion else None
        if mark is not None:
            box = (mark.left, mark.top, mark.right, mark.bottom)
            marks.append(Mark("box", box, style.LESION, "US", stroke=Stroke.DASHED))
        if lesion and lesion.mri:
            place = to_us_plane(parameters, np.array(lesion.mri.point_mm))
            marks.append(_in_plane("point", place, plane, lesion.lesion_id, style.LESION))
        return marks

    def _draft_in_plane(self, parameters: RegistrationParameters, plane: UsPlane) -> list[Mark]:
        drafting = self._drafting
        marks = []
        if drafting.mri_mm:
            marks += dots(_near(drafting.seen_mm, parameters, plane), style.REGISTRATION)
        if drafting.partner is not None:
            expected = drafting.partner
            marks += outline(_seen(expected, parameters, plane), style.REGISTRATION, Stroke.DOTTED)
            place = to_us_plane(parameters, expected.centre_mm)
            marks.append(_in_plane("ring", place, plane, str(drafting.number)))
        return marks


def _landmarks(parameters: RegistrationParameters, volume: Volume, number: int) -> list[Mark]:
    marks = []
    for count, pair in enumerate(parameters.landmarks, 1):
        place = slice_through(volume.index_to_lps, pair.mri_mm)
        if abs(place[0] - number) <= 1.0:
            at = (place[2] + 0.5, place[1] + 0.5)
            marks.append(Mark(_symbol(pair), at, style.REGISTRATION, str(count)))
    return marks


def _symbol(pair: LandmarkPair) -> str:
    """A partner that nobody has placed is drawn as one that is expected."""
    return "ring" if pair.predicted else "point"


def _seen(region: Region, parameters: RegistrationParameters, plane: UsPlane) -> np.ndarray:
    return region_in_us(parameters, region).section(plane.matrix())


def _near(points_mm: np.ndarray, parameters: RegistrationParameters, plane: UsPlane) -> np.ndarray:
    return in_picture(plane.matrix(), to_us_plane(parameters, points_mm), NEAR_MM)


def _in_plane(
    kind: str, place: np.ndarray, plane: UsPlane, name: str, colour: str = style.REGISTRATION
) -> Mark:
    """A mark at a place (x, y, z) mm of the US plane."""
    column, row = plane.mm_to_px(place[:2])
    return Mark(kind, (float(column), float(row)), colour, off_plane(name, place[2]))


def _lesion_marks(name: str, mark: MriMark, volume: Volume, place: tuple[float, float, float]) -> list[Mark]:
    """The lesion's centre, and its extent as far as it is known, on the slice through it."""
    x, y = place[2] + 0.5, place[1] + 0.5
    extent = np.abs(volume.lps_to_index[:3, :3] @ np.diag(mark.extent_mm or (0.0, 0.0, 0.0))).max(axis=1)
    if min(extent[1:]) < 1:
        return [Mark("point", (x, y), style.LESION, name)]
    half_height, half_width = extent[1] / 2, extent[2] / 2
    box = (x - half_width, y - half_height, x + half_width, y + half_height)
    return [Mark("box", box, style.LESION, name, stroke=Stroke.DASHED)]
