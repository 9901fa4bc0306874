"""The search for motion between DCE phases in the background, and what it found."""

from __future__ import annotations

from PySide6.QtCore import QObject

from breastview.imaging.dynamic import phases
from breastview.imaging.load import load_volume
from breastview.language import Language
from breastview.messages import Message, message
from breastview.progress import Progress
from breastview.registration.motion import find_motions, most_corrected_mm
from breastview.registration.parameters import PhaseMotion
from breastview.review.actions import CorrectMotion
from breastview.review.state import Part
from breastview.ui.case.view import CaseView
from breastview.ui.session import Session

KIND = "motion"


class MotionPresenter(QObject):
    """Offers to correct the motion, to cancel the search, or to show the phases as acquired."""

    def __init__(self, view: CaseView, session: Session, language: Language, parent: QObject) -> None:
        super().__init__(parent)
        self._view, self._session, self._language = view, session, language
        view.motion_wanted.connect(self._act)
        session.opened.connect(self.show)
        session.changed.connect(self._changed)
        session.progressed.connect(self._progressed)
        self.show()

    def show(self) -> None:
        """Show what can be done, and what was found."""
        session, say = self._session, self._language.say
        case = session.case
        if case is None or len(phases(case.volumes)) < 2:
            self._view.show_motion("", "", "")
            return
        motions = self._kept
        if session.tasks.is_running(KIND):
            action = self._language.text("Cancel")
        else:
            action = say(message("motion.undo" if most_corrected_mm(motions) else "motion.search"))
        self._view.show_motion(action, self._told(motions), self._each(motions))

    def _told(self, motions: tuple[PhaseMotion, ...]) -> str:
        if not motions:
            return ""
        say, most_mm = self._language.say, most_corrected_mm(motions)
        doubtful = any(m.reason is not None and m.reason.code != "motion.still" for m in motions)
        sign = "⚠ " if doubtful else ""
        if most_mm is None:
            return sign + say(message("motion.nothing"))
        return f"{sign}DCE: {say(_by(most_mm))}"

    def _each(self, motions: tuple[PhaseMotion, ...]) -> str:
        """A line for each phase."""
        case = self._session.case
        assert case is not None
        number = {volume.key: volume.role.phase for volume in case.volumes}
        return "\n".join(
            f"DCE {number.get(m.volume_key)}: {self._language.say(m.reason or _by(m.most_mm))}"
            for m in motions
        )

    def _act(self) -> None:
        session = self._session
        if session.case is None:
            return
        if session.tasks.is_running(KIND):
            session.tasks.cancel(KIND)
        elif most_corrected_mm(self._kept):
            self._take(())
        else:
            self._search()

    def _search(self) -> None:
        dynamic = phases(self._session.state.case.volumes)

        def work(progress: Progress) -> tuple[PhaseMotion, ...]:
            return find_motions([load_volume(volume, progress) for volume in dynamic], progress)

        self._session.tasks.start(KIND, work, self._take)
        self.show()

    def _take(self, motions: tuple[PhaseMotion, ...]) -> None:
        """Keep what was found beside what is kept of another breast's acquisition."""
        others = (motion for motion in self._session.state.record.motions if motion not in self._kept)
        self._session.dispatch(CorrectMotion((*others, *motions)))

    @property
    def _kept(self) -> tuple[PhaseMotion, ...]:
        """The motions that the record keeps of the acquisition that is subtracted."""
        state = self._session.state
        keys = {volume.key for volume in phases(state.case.volumes)}
        return tuple(motion for motion in state.record.motions if motion.volume_key in keys)

    def _changed(self, parts: frozenset[Part]) -> None:
        if Part.ROLES in parts:
            self._session.tasks.cancel(KIND)
        if Part.MOTION in parts:
            self.show()

    def _progressed(self, kind: str, fraction: float | None, doing: Message | None) -> None:
        if kind == KIND and doing is None:
            self.show()


def _by(most_mm: float) -> Message:
    return message("motion.corrected", mm=round(most_mm, 1))
