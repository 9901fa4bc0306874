"""Fills the case column from the open case."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from PySide6.QtCore import QObject

from breastview.imaging.case import Role, RoleChoice, ScannedCase, ScannedFrames, ScannedVolume
from breastview.imaging.display import thumbnail, to_uint8
from breastview.imaging.dynamic import SUBTRACTION, of_one_exam, subtraction_name
from breastview.language import Language
from breastview.messages import Message, message
from breastview.review.actions import OverrideRole
from breastview.review.state import Part
from breastview.ui.case.motion import MotionPresenter
from breastview.ui.case.view import THUMB_PX, CaseView, Row
from breastview.ui.names import role_name
from breastview.ui.session import Session

_ORDER = ("dce", "t1wi", "t2wi", "stir", "dwi", "adc", "subtraction", "mip", "localizer", "other")
_CHOICES = (Role.T1WI, Role.T2WI, Role.STIR, Role.DWI, Role.ADC, Role.SUBTRACTION, Role.MIP, Role.OTHER)


class CasePresenter(QObject):
    """Keeps the tree in step with the session."""

    def __init__(self, view: CaseView, session: Session, language: Language, parent: QObject) -> None:
        super().__init__(parent)
        self._view, self._session, self._language = view, session, language
        view.chosen.connect(self._choose)
        view.role_wanted.connect(self._overrule)
        session.opened.connect(self.fill)
        session.loaded.connect(self._thumbnail)
        session.thumbnail.connect(view.set_thumbnail)
        session.changed.connect(self._changed)
        MotionPresenter(view, session, language, self)
        self.fill()

    def fill(self) -> None:
        """Show the whole case."""
        case, text = self._session.case, self._language.text
        if case is None:
            self._view.fill([], [])
            return
        groups = []
        if case.frames:
            groups += self._us_groups(case)
        if case.volumes:
            groups += self._mri_groups(case)
        if case.problems or case.notes:
            notes = [
                Row("", "⚠ " + self._language.say(n), "", self._language.say(n), True) for n in case.notes
            ]
            rows = [
                Row("", f"⚠ {p.path}", "", f"{p.path}: {self._language.say(p.reason)}", True)
                for p in case.problems
            ]
            title = text("Problems") + (f" ({len(case.problems)})" if case.problems else "")
            groups.append((title, notes + rows))
        roles = [
            (role.value, role_name(RoleChoice(role, message("role.user")), self._language))
            for role in _CHOICES
        ]
        self._view.fill(groups, roles if case.volumes else [])
        for key in (*self._session.stacks, *self._session.volumes):
            self._thumbnail(key)
        self._mark_current()

    def _us_groups(self, case: ScannedCase) -> list[tuple[str, list[Row]]]:
        """The images of the latest day, then others by their days; numbered as they were taken."""
        text, latest = self._language.text, case.latest_frames
        others: dict[str, list[Row]] = defaultdict(list)
        rows: list[Row] = []
        for number, frames in enumerate(case.frames, 1):
            mine = rows if frames in latest else others[f"{text('US')} {frames.exam_date}"]
            mine.append(self._us_row(frames, number))
        return [(text("Ultrasound"), rows), *sorted(others.items(), reverse=True)]

    def _us_row(self, frames: ScannedFrames, number: int) -> Row:
        tip = self._tip(frames.role, frames.notes, frames.description)
        count = len(frames.sources)
        name = f"{role_name(frames.role, self._language)} {number}"
        detail = [self._language.text("Doppler")] if frames.doppler else []
        detail += [str(count)] if count > 1 else []
        return Row(frames.key, name, " ".join(detail), tip, frames.scale is None)

    def _mri_groups(self, case: ScannedCase) -> list[tuple[str, list[Row]]]:
        """The exam that is read, then others by their days."""
        text = self._language.text
        exam = of_one_exam(case.volumes)
        others: dict[str, list[ScannedVolume]] = defaultdict(list)
        for volume in case.volumes:
            if volume not in exam:
                others[str(volume.exam_date or text("date unknown"))].append(volume)
        rows = self._mri_rows(exam)
        if name := subtraction_name(case.volumes):
            rows.insert(0, Row(SUBTRACTION, name, "", text("computed here")))
        named = sorted(others.items(), reverse=True)
        return [
            (text("MRI"), rows),
            *((f"{text('MRI')} {day}", self._mri_rows(volumes)) for day, volumes in named),
        ]

    def _mri_rows(self, volumes: Sequence[ScannedVolume]) -> list[Row]:
        ordered = sorted(
            volumes,
            key=lambda v: (
                _ORDER.index(v.role.role),
                v.role.label,
                v.role.phase or 0,
                v.role.b_value or 0,
                v.series_number or 0,
            ),
        )
        return [self._volume_row(volume) for volume in ordered]

    def _volume_row(self, volume: ScannedVolume) -> Row:
        tip = self._tip(volume.role, volume.notes, volume.description)
        warns = any(note.code == "scan.slices_missing" for note in volume.notes) or not volume.has_depth
        return Row(volume.key, role_name(volume.role, self._language), str(volume.shape[0]), tip, warns)

    def _tip(self, choice: RoleChoice, notes: tuple[Message, ...], description: str) -> str:
        say = self._language.say
        if choice.role is Role.DWI:
            notes = (*notes, message("diffusion.distorted"))
        return "\n".join(
            [description, f"{role_name(choice, self._language)}: {say(choice.reason)}", *map(say, notes)]
        )

    def _thumbnail(self, key: str) -> None:
        if key in self._session.stacks:
            stack = self._session.stacks[key]
            self._view.set_thumbnail(key, thumbnail(stack.frames[len(stack.frames) // 2], 3 * THUMB_PX))
        elif key in self._session.volumes:
            volume = self._session.volumes[key]
            middle = volume.array[len(volume.array) // 2]
            self._view.set_thumbnail(key, thumbnail(to_uint8(middle, volume.window), 3 * THUMB_PX))

    def _choose(self, key: str) -> None:
        case = self._session.case
        if case is None:
            return
        if any(frames.key == key for frames in case.frames):
            self._session.show_us(key)
        else:
            self._session.show_mri(key)

    def _overrule(self, key: str, role: str) -> None:
        case = self._session.case
        if case is not None and any(volume.key == key for volume in case.volumes):
            self._session.dispatch(OverrideRole(key, Role(role)))

    def _changed(self, parts: frozenset[Part]) -> None:
        if Part.ROLES in parts:
            self.fill()
        elif Part.SELECTION in parts:
            self._mark_current()

    def _mark_current(self) -> None:
        self._view.set_current({self._session.us_key or "", self._session.mri_key or ""})
