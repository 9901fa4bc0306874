"""What follows the hand in step 2: refine by intensity, keep and compare, exchange with other programs."""

from __future__ import annotations

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from breastview.language import Language
from breastview.ui.glance import HoldKey
from breastview.ui.rail.files import FilesPanel, FilesPresenter
from breastview.ui.rail.parts import Panel
from breastview.ui.rail.snap import SnapPanel, SnapPresenter
from breastview.ui.rail.snapshots import SnapshotsPanel, SnapshotsPresenter
from breastview.ui.rail.view import RailView
from breastview.ui.session import Session
from breastview.ui.snapping import Snapping


class RefinePanel(Panel):
    """Three sections below the fields of step 2."""

    def __init__(self, language: Language) -> None:
        super().__init__()
        self.column.setContentsMargins(0, 0, 0, 0)
        self.snap, self.snapshots, self.files = (
            SnapPanel(language),
            SnapshotsPanel(language),
            FilesPanel(language),
        )
        for section in (self.snap, self.snapshots, self.files):
            self.column.addWidget(section)


class RefinePresenter(QObject):
    """Joins the sections and gives them their keys."""

    def __init__(
        self,
        panel: RefinePanel,
        rail: RailView,
        session: Session,
        snapping: Snapping,
        language: Language,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._panel, self._rail, self._session, self._snapping = panel, rail, session, snapping
        self._seen = (False, False)  # whether a search ran, and had an answer
        snapping.changed.connect(self._reveal)
        self._snap = SnapPresenter(panel.snap, session, snapping, language, self)
        self._snapshots = SnapshotsPresenter(panel.snapshots, session, language, self)
        self.files = FilesPresenter(panel.files, session, language, self)

    def adopt(self, window: QWidget) -> None:
        """Give a window the key that compares as long as it is held."""
        panel, session = self._panel, self._session
        HoldKey(window, self._look, lambda: session.glance(None)).watch(panel.snapshots.kept)

    def resume(self, other: RefinePresenter) -> None:
        """Go on as another one left off."""
        self._panel.snapshots.resume(other._panel.snapshots)

    def search(self) -> None:
        """As the button does, and not where the button is away: a proposal waits for its answer."""
        button = self._panel.snap.search
        if (why := self._session.unregistered) is not None:
            self._session.tell(why)
        elif not button.isHidden():
            button.click()

    def _reveal(self) -> None:
        """Let a search be seen that a key started, and what it found: they are far down the step."""
        before, self._seen = self._seen, (self._snapping.running, self._snapping.proposal is not None)
        if self._seen != before and any(self._seen):
            self._rail.reveal(self._panel.snap)

    def _look(self) -> bool:
        """The proposal comes first: it waits for an answer."""
        return self._snap.look() or self._snapshots.look()
