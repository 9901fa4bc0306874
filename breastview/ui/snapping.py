"""The search for a better pose in the background, and its proposal for as long as it is true."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal

from breastview.imaging.volume import FrameStack
from breastview.messages import Message, message
from breastview.pipeline import images_registered
from breastview.progress import Progress
from breastview.registration.motion import load_corrected
from breastview.registration.outline import Outline
from breastview.registration.parameters import RegistrationParameters
from breastview.registration.plane import UsPlane
from breastview.registration.proposal import SnapProposal
from breastview.registration.snap import is_compared, propose_snap, snap_volumes
from breastview.review.registering import SetRegistration
from breastview.review.state import Part
from breastview.ui.session import Session

KIND = "snap"


@dataclass(frozen=True, eq=False)
class SnapRequest:
    """Where a search starts: its answer is true only as long as this is the registration in the window.

    `lesion` is its mark on the frame, if something was placed.
    """

    frames_key: str
    frame: int
    stack: FrameStack
    plane: UsPlane
    present: RegistrationParameters
    lesion: Outline | None


class Snapping(QObject):
    """Holds one search and its proposal. It outlives the window, whose language may switch meanwhile."""

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self.request: SnapRequest | None = None
        self.proposal: SnapProposal | None = None
        self.progress: tuple[float, Message] | None = None  # while a search runs
        self.told: Message | None = None  # why there is no proposal any more
        session.progressed.connect(self._progressed)
        session.changed.connect(self._changed)
        session.opened.connect(lambda: self._forget(None))

    @property
    def running(self) -> bool:
        """Whether a search is under way."""
        return self.progress is not None

    def search(self) -> None:
        """Look for a better pose than the present one; a search that runs is overtaken."""
        session, registered, stack = self._session, self._session.registered, self._session.stack
        key, present = session.us_key, session.registration
        if registered is None or stack is None or key is None or present is None:
            return
        request = SnapRequest(key, session.us_frame, stack, registered[1], present, self._outline())
        state, loaded = session.state, dict(session.volumes)

        def work(progress: Progress) -> SnapProposal:
            images = images_registered(state.case, state.record, key, request.frame, request.plane)
            wanted = [volume for volume in images.volumes if is_compared(volume.role)]
            motions = state.record.motions
            volumes = snap_volumes(
                [loaded.get(v.key) or load_corrected(motions, v, progress) for v in wanted]
            )
            spacing_mm = request.plane.spacing_mm
            return propose_snap(stack, request.frame, volumes, present, spacing_mm, request.lesion, progress)

        session.tasks.start(KIND, work, self._take)
        self.request, self.proposal, self.told = request, None, None
        self.progress = (0.0, message("doing.snap"))
        self.changed.emit()

    def cancel(self) -> None:
        """End the search."""
        self._session.tasks.cancel(KIND)

    def accept(self) -> None:
        """Set the proposed pose: one step of the history."""
        request, proposal = self.request, self.proposal
        if request is None or proposal is None or not proposal.offered:
            return
        self._forget(None)
        action = SetRegistration(request.frames_key, request.frame, proposal.parameters)
        self._session.dispatch(action)

    def discard(self) -> None:
        """Leave the pose as it is."""
        self._forget(None)

    def _take(self, proposal: SnapProposal) -> None:
        self.proposal = proposal
        self.changed.emit()

    def _progressed(self, kind: str, fraction: float | None, doing: Message | None) -> None:
        if kind == KIND:
            self.progress = None if doing is None else (fraction or 0.0, doing)
            self.changed.emit()

    def _changed(self, parts: frozenset[Part]) -> None:
        """What was searched from another pose, frame or scale is no proposal for this one."""
        if self.request is None or self._is_true(self.request):
            return
        waiting = self.running or (self.proposal is not None and self.proposal.offered)
        self._forget(message("snap.stale") if waiting else None)

    def _is_true(self, request: SnapRequest) -> bool:
        session = self._session
        hung = (session.us_key, session.us_frame, session.registration, session.plane, self._outline())
        return hung == (request.frames_key, request.frame, request.present, request.plane, request.lesion)

    def _outline(self) -> Outline | None:
        """The lesion's mark on the hung frame, if something was placed that may lie on it."""
        present = self._session.registration
        return self._session.outline if present is not None and present.correspondences else None

    def _forget(self, why: Message | None) -> None:
        self.cancel()
        self._session.glance(None)
        self.request = self.proposal = None
        self.told = why
        self.changed.emit()
