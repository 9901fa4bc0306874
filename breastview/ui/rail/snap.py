"""Snap: a better pose is searched, looked at as long as a button is held, and accepted or not."""

from __future__ import annotations

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QApplication, QProgressBar, QPushButton

from breastview.language import Language
from breastview.registration.proposal import SnapProposal
from breastview.registration.search import REACH
from breastview.registration.transform import turn_deg
from breastview.ui.glance import on_hold
from breastview.ui.rail.parts import Panel, button, offer
from breastview.ui.session import Session
from breastview.ui.snapping import Snapping


class SnapPanel(Panel):
    """The button of the search, its progress, and what it proposes."""

    def __init__(self, language: Language) -> None:
        super().__init__()
        text = language.text
        self.column.setContentsMargins(0, 0, 0, 0)
        self.heading(text("Refine by intensity"))
        tip = text(
            "Look for a better pose within {reach:.0f} mm and {reach:.0f}°; nothing moves until you accept"
        )
        self.search = button(text("Snap"), tip.format(reach=REACH) + " (S)")
        self.column.addWidget(self.search)
        self.told = self.label("registration")
        self.bar = QProgressBar(self)
        self.bar.setTextVisible(False)
        self.cancel = button(text("Cancel"), text("Stop the search"))
        self.row(self.bar, self.cancel)
        tip = text("Show the proposed pose in the fused view while held") + " (C)"
        self.hold = button(text("Hold to compare"), tip)
        self.column.addWidget(self.hold)
        self.accept = button(text("Accept"), text("Take the proposed pose; one step to undo"))
        self.discard = button(text("Discard"), text("Leave the pose as it is"))
        self.row(self.accept, self.discard)
        self.reasons = self.label("caution")


class SnapPresenter(QObject):
    """Keeps the section in step with the search."""

    def __init__(
        self, panel: SnapPanel, session: Session, snapping: Snapping, language: Language, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._panel, self._session, self._snapping, self._language = panel, session, snapping, language
        panel.search.clicked.connect(snapping.search)
        panel.cancel.clicked.connect(snapping.cancel)
        panel.accept.clicked.connect(snapping.accept)
        panel.discard.clicked.connect(snapping.discard)
        on_hold(panel.hold, self.look, lambda: session.glance(None))
        snapping.changed.connect(self.show)
        session.loaded.connect(self.show)
        session.opened.connect(self.show)
        session.changed.connect(self.show)
        self.show()

    def look(self) -> bool:
        """Show the proposed pose until the glance ends; False where none is offered."""
        proposal = self._snapping.proposal
        if proposal is None or not proposal.offered:
            return False
        self._session.glance(proposal.parameters, self._language.text("Proposed"))
        return True

    def show(self) -> None:
        """Show the search, or what it found."""
        panel, snapping = self._panel, self._snapping
        proposal = snapping.proposal
        offered = proposal is not None and proposal.offered
        panel.setVisible(self._session.registration is not None)
        ready = self._session.registered is not None and bool(self._session.volumes)
        offer(panel.search, "" if ready else self._language.text("The images are still loading."))
        idle = not snapping.running and not offered
        first = panel.search if idle else panel.cancel if snapping.running else panel.hold
        self._keep_focus(first)
        for widget in (panel.bar, panel.cancel):
            widget.setVisible(snapping.running)
        for widget in (panel.hold, panel.accept, panel.discard):
            widget.setVisible(offered)
        panel.search.setVisible(idle)
        panel.bar.setValue(round(100 * snapping.progress[0]) if snapping.progress else 0)
        self._say(proposal)

    def _keep_focus(self, first: QPushButton) -> None:
        """Let the keyboard not fall into the next text field when the button that was pushed goes."""
        focused = QApplication.focusWidget()
        if focused is not None and focused.parent() is self._panel and first.isHidden():
            first.show()
            first.setFocus()

    def _say(self, proposal: SnapProposal | None) -> None:
        panel, snapping, say = self._panel, self._snapping, self._language.say
        reasons = [say(reason) for reason in proposal.reasons] if proposal else []
        if proposal is None and snapping.told is not None:
            reasons = [say(snapping.told)]
        panel.reasons.setText("\n".join(f"⚠ {reason}" for reason in reasons))
        panel.reasons.setVisible(bool(reasons))
        told = ""
        if snapping.progress is not None:
            told = say(snapping.progress[1])
        elif proposal is not None and snapping.request is not None:
            told = (
                self._measured(proposal)
                if proposal.offered
                else self._language.text("No better pose to offer.")
            )
        panel.told.setText(told)
        panel.told.setVisible(bool(told))

    def _measured(self, proposal: SnapProposal) -> str:
        """The measure before and after, and how far the picture would move."""
        request, text = self._snapping.request, self._language.text
        assert request is not None
        explained = text("The MRI explains {before:.0f} % of the picture, then {after:.0f} %.")
        moves = text("Moves {mm:.1f} mm, turns {deg:.1f}°.")
        sure = text("A network that learned on simulated breasts is {percent:.0f} % sure of this place.")
        worth = text(
            "Of 360 simulated breasts under a probe, no points placed, 17 got such an offer: 12 then had the "
            "lesion within 3 mm, 5 did not, none was worse than before. Compare first."
        )
        return "\n".join(
            (
                explained.format(before=100 * proposal.before, after=100 * proposal.after),
                moves.format(mm=proposal.moved_mm, deg=turn_deg(request.present, proposal.parameters)),
                *(() if proposal.surety is None else (sure.format(percent=100 * proposal.surety),)),
                worth,
            )
        )
