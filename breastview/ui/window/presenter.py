"""The window's presenter: header, errors, progress, layouts, keys."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QObject

from breastview.imaging.case import ScannedCase
from breastview.imaging.dynamic import exam_day
from breastview.language import Language
from breastview.messages import Message, message
from breastview.review.state import Part
from breastview.ui.expecting import Expecting
from breastview.ui.names import grade_text
from breastview.ui.panes.drafting import Drafting
from breastview.ui.panes.tools import Tools
from breastview.ui.session import Session
from breastview.ui.window.view import WindowView

OF_ITSELF = frozenset({Part.BODY, Part.READING})  # may change without a hand
NO_REPORT = ("case.never_written", "report.unwritable")  # why one was not written
SIGNS = {  # of what did not fail
    "record.carried": "⚠ ",
    "record.other_images": "⚠ ",
    "report.of_case_before": "✓ ",
    "registration.exported": "✓ ",
}


class WindowPresenter(QObject):
    """Keeps the window's frame in step with the session."""

    def __init__(
        self,
        view: WindowView,
        session: Session,
        tools: Tools,
        expecting: Expecting,
        drafting: Drafting,
        language: Language,
    ) -> None:
        super().__init__(view)
        self._view, self._session, self._language = view, session, language
        self._expecting, self._drafting = expecting, drafting
        self._texts_visible = True
        self._layout = "both"
        self._told: Message | None = None  # in the banner
        self._until_change = False  # whether it goes as soon as something changes
        self._doing: dict[str, tuple[float | None, Message]] = {}
        view.folder_chosen.connect(session.open_folder)
        view.undo_wanted.connect(self._undo)
        view.redo_wanted.connect(session.redo)
        view.layout_wanted.connect(self._show_layout)
        view.texts_wanted.connect(self._toggle_texts)
        view.cancel_wanted.connect(self._cancel)
        view.escaped.connect(tools.browse)
        for name, pane in (("us", view.us), ("mri", view.mri)):
            pane.canvas.double_clicked.connect(partial(self._toggle_layout, name))
            pane.canvas.columns_wanted.connect(view.toggle_columns)
            pane.canvas.left.connect(partial(view.set_position, ""))
        tools.position.connect(view.set_position)
        session.scanning.connect(view.hide_error)
        session.opened.connect(self._begin)
        session.previewed.connect(self._previewed)
        session.changed.connect(self._changed)
        session.failed.connect(self._show_error)
        session.refused.connect(self._show_refusal)
        session.reported.connect(self._reported)
        session.saved.connect(view.set_saved)
        session.unsaved.connect(self._unsaved)
        view.may_close = lambda: session.save() or view.leaves_unsaved()
        if session.case is not None:
            self._opened()

    def _undo(self) -> None:
        """Take the last click of a drawing in hand back, else the last step: the pose below it must stay."""
        if not self._drafting.take_back():
            self._session.undo()

    def progress(self, kind: str, fraction: float | None, doing: Message | None) -> None:
        """Show what background work says; None: that work has ended."""
        if doing is None:
            self._doing.pop(kind, None)
        else:
            self._doing[kind] = (fraction, doing)
        if not self._doing:
            self._view.set_progress(None, "")
            return
        share, what = next(iter(self._doing.values()))
        self._view.set_progress(share, self._language.say(what))

    def _begin(self) -> None:
        """Start anew with another case: both of its images are shown, or the one that there is."""
        case = self._session.case
        assert case is not None
        self._show_layout("mri" if not case.frames else "both" if case.volumes else "us")
        self._opened()

    def _opened(self) -> None:
        case = self._session.case
        assert case is not None
        self._view.show_patient(self._patient(case), self._flags(case), self._dates(case))
        self._view.show_images()
        self._view.set_saved(None)
        self._summarise()

    def _previewed(self) -> None:
        """Show the images as soon as there is one; none is left when the first scan was cancelled."""
        if self._session.case is None and self._session.preview is None:
            self._view.show_welcome()
        else:
            self._view.show_images()

    def _patient(self, case: ScannedCase) -> str:
        patient, text = case.patient, self._language.text
        age = patient.age_y
        words = [  # a line that is too long loses its end
            patient.readable_name or text("no name"),
            f"ID {patient.patient_id}" if patient.patient_id else "",
            patient.sex,
            f"{age} {text('y')}" if age is not None else "",
            f"{text('born')} {patient.birth_date:%Y-%m-%d}" if patient.birth_date else "",
        ]
        return "  ·  ".join(word for word in words if word)

    def _flags(self, case: ScannedCase) -> str:
        text = self._language.text
        flags = [text("SIMULATED")] if case.simulated else []
        if case.problems:
            flags.append("⚠ " + self._language.say(message("case.problem_files", count=len(case.problems))))
        return "  ·  ".join(flags)

    def _dates(self, case: ScannedCase) -> str:
        text = self._language.text
        us = next((f.exam_date for f in case.latest_frames if f.exam_date), None)
        mri = exam_day(case.volumes)
        unknown = text("date unknown")
        words = [f"US {us or unknown}" if case.frames else text("no ultrasound")]
        words.append(f"MRI {mri or unknown}" if case.volumes else text("no MRI"))
        return " · ".join(words)

    def _changed(self, parts: frozenset[Part]) -> None:
        self._summarise()
        if self._until_change and parts - OF_ITSELF:
            self._view.hide_error()

    def _reported(self) -> None:
        """Take away why a report could not be written before."""
        if self._told is not None and self._told.code in NO_REPORT:
            self._view.hide_error()

    def _summarise(self) -> None:
        text, parameters = self._language.text, self._session.registration
        grade = self._expecting.grade
        words = [text("not registered")]
        if parameters is not None and grade is not None:
            words = [f"{text('registration')}: {grade_text(grade, parameters.method, self._language)}"]
            if parameters.placed:
                count = len(parameters.placed)
                words.append(self._language.say(message("registration.pairs", count=count)))
        words.append(text("not cleared for diagnosis"))
        self._view.set_summary(" · ".join(words))

    def _show_refusal(self, told: Message) -> None:
        self._show_error(told)
        self._until_change = True

    def _show_error(self, told: Message) -> None:
        self._told, self._until_change = told, False
        self._view.show_error(SIGNS.get(told.code, "✖ ") + self._language.say(told))

    def _unsaved(self, leave: Callable[[], None]) -> None:
        if self._view.leaves_unsaved():
            leave()

    def _cancel(self) -> None:
        if "scan" in self._doing:
            self._session.cancel_scan()
        for kind in list(self._doing):
            self._session.tasks.cancel(kind)

    def resume(self, other: WindowPresenter) -> None:
        """Show as much as another one shows, and the work that it tells of."""
        self._view.resume(other._view)
        self._show_layout(other._layout)
        if not other._texts_visible:
            self._toggle_texts()
        for kind, (fraction, doing) in other._doing.items():
            self.progress(kind, fraction, doing)

    def _show_layout(self, name: str) -> None:
        self._layout = name
        self._view.show_layout(name)

    def _toggle_layout(self, name: str) -> None:
        self._show_layout("both" if self._layout == name else name)

    def _toggle_texts(self) -> None:
        self._texts_visible = not self._texts_visible
        for pane in (self._view.us, self._view.mri):
            pane.canvas.texts.set_visible(self._texts_visible)
