"""Step 3: the reader's own assessment, before the model may speak."""

from __future__ import annotations

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QPlainTextEdit

from breastview.language import Language
from breastview.messages import message
from breastview.records.values import BiRads, Lesion, Pathology
from breastview.review.actions import CommitFirstRead, SetFinding, SetPathology
from breastview.review.state import Part
from breastview.ui.names import whose_text
from breastview.ui.rail.parts import Choice, Panel, button, offer
from breastview.ui.rail.view import RailView
from breastview.ui.session import Session


class ReadPanel(Panel):
    """The fields of step 3."""

    def __init__(self, language: Language) -> None:
        super().__init__()
        text = language.text
        self.bi_rads = Choice(self)
        self.bi_rads.addItem("–", None)
        for category, words in _assessments(language).items():
            self.bi_rads.addItem(f"{category}  {words}", category)
        self.row(self.bi_rads, label="BI-RADS")
        self.comment = QPlainTextEdit(self)
        self.comment.setPlaceholderText(text("Comment"))
        self.comment.setMaximumHeight(80)
        self.column.addWidget(self.comment)
        self.commit = button(text("Commit first read"), text("Close your own read; then the model may speak"))
        self.column.addWidget(self.commit)
        self.told = self.label()
        self.outcome = Panel(self)
        self.pathology = Choice(self)
        self.pathology.addItem(text("unknown"), None)
        for pathology, words in _pathologies(language).items():
            self.pathology.addItem(words, pathology)
        self.pathology.setToolTip(
            text(
                "What histology or follow-up said: malignant is invasive or DCIS, "
                "benign is by histology or after 24 months. Kept for training, never reported."
            )
        )
        self.outcome.row(self.pathology, label=text("Pathology"))
        self.outcome.column.setContentsMargins(0, 0, 0, 0)
        self.column.addWidget(self.outcome)


class ReadPresenter(QObject):
    """Keeps step 3 in step with the session."""

    def __init__(
        self, panel: ReadPanel, rail: RailView, session: Session, language: Language, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._panel, self._rail, self._session, self._language = panel, rail, session, language
        self._whose: tuple[str, str] | None = None  # comment is shown: of which case, which lesion
        panel.bi_rads.activated.connect(self._set)
        panel.comment.textChanged.connect(self._set)
        panel.pathology.activated.connect(self._set_pathology)
        panel.commit.clicked.connect(lambda: session.dispatch(CommitFirstRead()))
        session.opened.connect(self.show)
        session.changed.connect(self._changed)
        self.show()

    def show(self) -> None:
        """Show the chosen lesion's assessment."""
        session, panel, text = self._session, self._panel, self._language.text
        lesion = session.lesion
        panel.setEnabled(lesion is not None)
        self._show_comment(lesion)
        panel.bi_rads.setCurrentIndex(max(panel.bi_rads.findData(lesion.bi_rads), 0) if lesion else 0)
        panel.pathology.setCurrentIndex(max(panel.pathology.findData(lesion.pathology), 0) if lesion else 0)
        if lesion is None:
            panel.told.setText("")
            panel.outcome.setVisible(False)
            self._rail.set_state("read", "")
            return
        committed = session.state.record.first_read_committed
        first, now = lesion.first_bi_rads, lesion.bi_rads
        done = text("First read committed: BI-RADS {category}.").format(category=first or "–")
        open_ = "" if now else self._language.say(message("review.first_read_open"))
        told = done if committed else open_
        offer(panel.commit, told)
        panel.told.setText(told)
        panel.outcome.setVisible(first is not None)  # before, it would tell the reader the answer
        category = f"BI-RADS {now}" if now else text("no category yet")
        if committed and first and first != now:
            category = f"BI-RADS {first} → {now or '–'}"
        whose = whose_text(lesion, session.state.record)
        self._rail.set_state("read", f"{'✓' if committed else '◐'} {whose}{category}")

    def _show_comment(self, lesion: Lesion | None) -> None:
        """Show a comment; the field forgets what was typed for another lesion, which it could undo to."""
        comment, words = self._panel.comment, lesion.comment if lesion else ""
        case = self._session.case
        whose = (case.fingerprint, lesion.lesion_id) if case and lesion else None
        if whose != self._whose or comment.toPlainText() != words:
            comment.blockSignals(True)
            comment.setPlainText(words)
            comment.blockSignals(False)
        self._whose = whose

    def _set(self) -> None:
        lesion, panel = self._session.lesion, self._panel
        if lesion is None:
            return
        chosen = panel.bi_rads.currentData()  # Qt keeps a plain str
        category = BiRads(chosen) if chosen else None
        comment = panel.comment.toPlainText()
        if (category, comment) != (lesion.bi_rads, lesion.comment):
            self._session.dispatch(SetFinding(lesion.lesion_id, category, comment))

    def _set_pathology(self) -> None:
        lesion, chosen = self._session.lesion, self._panel.pathology.currentData()
        pathology = Pathology(chosen) if chosen else None
        if lesion and pathology != lesion.pathology:
            self._session.dispatch(SetPathology(lesion.lesion_id, pathology))

    def _changed(self, parts: frozenset[Part]) -> None:
        if parts & {Part.FINDING, Part.FIRST_READ, Part.LESIONS, Part.SELECTION}:
            self.show()


def _pathologies(language: Language) -> dict[Pathology, str]:
    text = language.text
    return {
        Pathology.MALIGNANT: text("malignant"),
        Pathology.HIGH_RISK: text("high-risk (B3)"),
        Pathology.BENIGN: text("benign"),
    }


def _assessments(language: Language) -> dict[BiRads, str]:
    """BI-RADS categories with their words (ACR BI-RADS Atlas, 5th edition)."""
    text = language.text
    return {
        BiRads.C0: text("incomplete"),
        BiRads.C1: text("negative"),
        BiRads.C2: text("benign"),
        BiRads.C3: text("probably benign"),
        BiRads.C4A: text("low suspicion"),
        BiRads.C4B: text("moderate suspicion"),
        BiRads.C4C: text("high suspicion"),
        BiRads.C5: text("highly suggestive of malignancy"),
        BiRads.C6: text("known biopsy-proven malignancy"),
    }
