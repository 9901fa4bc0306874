"""Snapshots: registrations put aside under a name, looked at as long as a button is held, taken up again."""

from __future__ import annotations

from dataclasses import replace
from string import ascii_uppercase

from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import QLineEdit, QListWidget, QListWidgetItem

from breastview.language import Language
from breastview.messages import message
from breastview.records.values import Snapshot
from breastview.review.registering import KeepSnapshot, RemoveSnapshot, TakeSnapshot
from breastview.ui.glance import on_hold
from breastview.ui.rail.parts import Panel, button, offer
from breastview.ui.session import Session

ROWS = 3  # that the list shows at once
LONGEST = 24  # characters of a name
_NAME = Qt.ItemDataRole.UserRole


class SnapshotsPanel(Panel):
    """A name to keep the registration under, and the list of those that are kept."""

    def __init__(self, language: Language) -> None:
        super().__init__()
        text = language.text
        self.column.setContentsMargins(0, 0, 0, 0)
        self.heading(text("Snapshots of this registration"))
        self.name = QLineEdit(self)
        self.name.setMaxLength(LONGEST)
        self.name.setToolTip(text("Its name; a snapshot of the same name is replaced"))
        self.keep = button(text("Keep"), text("Put the present registration aside under this name"))
        self.row(self.name, self.keep, label=text("Keep as"))
        self.kept = QListWidget(self)
        self.kept.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.column.addWidget(self.kept)
        tip = text("Show the chosen snapshot in the fused view while held") + " (C)"
        self.hold = button(text("Hold to compare"), tip)
        self.take = button(text("Take up"), text("Set the registration to the chosen snapshot"))
        self.remove = button(text("Remove"), text("Forget the chosen snapshot; the registration stays"))
        self.row(self.hold, self.take, self.remove, narrow=True)

    def resume(self, other: SnapshotsPanel) -> None:
        """Hold what was written and chosen in another panel."""
        self.name.setText(other.name.text())
        self.kept.setCurrentRow(other.kept.currentRow())


class SnapshotsPresenter(QObject):
    """Keeps the list in step with the record."""

    def __init__(self, panel: SnapshotsPanel, session: Session, language: Language, parent: QObject) -> None:
        super().__init__(parent)
        self._panel, self._session, self._language = panel, session, language
        panel.keep.clicked.connect(self._keep)
        panel.name.returnPressed.connect(self._keep)
        panel.take.clicked.connect(self._take)
        panel.remove.clicked.connect(self._remove)
        panel.kept.itemDoubleClicked.connect(self._take)
        panel.kept.currentRowChanged.connect(self._show_buttons)
        on_hold(panel.hold, self.look, lambda: session.glance(None))
        session.opened.connect(panel.name.clear)
        session.opened.connect(self.show)
        session.changed.connect(self.show)
        self.show()

    def look(self) -> bool:
        """Show the chosen snapshot until the glance ends; False where there is none, or it is the present."""
        chosen = self._chosen()
        if chosen is None or self._is_present(chosen):
            return False
        self._session.glance(chosen.parameters, chosen.name)
        return True

    def show(self) -> None:
        """Show the snapshots of the hung frame, and propose the next name."""
        panel, kept = self._panel, self._kept()
        panel.setVisible(self._session.registration is not None)
        panel.name.setPlaceholderText(_next_name([snapshot.name for snapshot in kept]))
        chosen = panel.kept.currentItem()
        name = chosen.data(_NAME) if chosen is not None else None
        panel.kept.blockSignals(True)
        panel.kept.clear()
        for row, snapshot in enumerate(kept):
            item = QListWidgetItem(self._told(snapshot), panel.kept)
            item.setData(_NAME, snapshot.name)
            if snapshot.name == name or row == 0:
                panel.kept.setCurrentRow(row)
        panel.kept.blockSignals(False)
        panel.kept.setFixedHeight(min(len(kept), ROWS) * max(panel.kept.sizeHintForRow(0), 0) + 2)
        panel.kept.setVisible(bool(kept))
        self._show_buttons()

    def _show_buttons(self) -> None:
        chosen = self._chosen()
        is_present = chosen is not None and self._is_present(chosen)
        why_not = self._language.text("It is the present registration.") if is_present else ""
        for widget in (self._panel.hold, self._panel.take):
            offer(widget, why_not)
        for widget in (self._panel.hold, self._panel.take, self._panel.remove):
            widget.setVisible(chosen is not None)

    def _told(self, snapshot: Snapshot) -> str:
        words = [snapshot.name, self._language.say(message(f"method.{snapshot.parameters.method}"))]
        if self._is_present(snapshot):
            words.append(self._language.text("present"))
        return "  ·  ".join(words)

    def _kept(self) -> list[Snapshot]:
        session = self._session
        if session.review is None:
            return []
        hung = (session.us_key, session.us_frame)
        return [s for s in session.state.record.snapshots if (s.frames_key, s.frame) == hung]

    def _chosen(self) -> Snapshot | None:
        item = self._panel.kept.currentItem()
        return next((s for s in self._kept() if item is not None and s.name == item.data(_NAME)), None)

    def _is_present(self, snapshot: Snapshot) -> bool:
        """Whether its numbers are the registration's; the reader's word on them is no number."""
        present = self._session.registration
        return present is not None and replace(present, confirmed=snapshot.parameters.confirmed) == (
            snapshot.parameters
        )

    def _keep(self) -> None:
        panel, key = self._panel, self._session.us_key
        name = panel.name.text().strip() or panel.name.placeholderText()
        if key is not None and self._session.dispatch(KeepSnapshot(key, self._session.us_frame, name)):
            panel.name.clear()
            panel.kept.setCurrentRow(panel.kept.count() - 1)

    def _take(self) -> None:
        chosen = self._chosen()
        if chosen is not None and not self._is_present(chosen):
            self._session.dispatch(TakeSnapshot(chosen.frames_key, chosen.frame, chosen.name))

    def _remove(self) -> None:
        chosen = self._chosen()
        if chosen is not None:
            self._session.dispatch(RemoveSnapshot(chosen.frames_key, chosen.frame, chosen.name))


def _next_name(names: list[str]) -> str:
    """The first letter that names none, then a number."""
    return next((letter for letter in ascii_uppercase if letter not in names), str(len(names) + 1))
