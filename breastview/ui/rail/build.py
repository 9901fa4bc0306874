"""Makes the rail: five panels, their presenters and their keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QWidget

from breastview.jobs.process import WorkerProcess
from breastview.language import Language
from breastview.registration.parameters import ContourKind
from breastview.ui.expecting import Expecting
from breastview.ui.panes.drafting import Drafting
from breastview.ui.panes.tools import Tools
from breastview.ui.rail.mark import MarkPanel, MarkPresenter
from breastview.ui.rail.model import ModelPanel, ModelPresenter
from breastview.ui.rail.read import ReadPanel, ReadPresenter
from breastview.ui.rail.refine import RefinePanel, RefinePresenter
from breastview.ui.rail.register.panel import RegisterPanel
from breastview.ui.rail.register.presenter import RegisterPresenter
from breastview.ui.rail.report import ReportPanel, ReportPresenter
from breastview.ui.rail.view import RailView
from breastview.ui.session import Session
from breastview.ui.snapping import Snapping

COARSE, FINE = 1.0, 0.1  # mm along an axis of the plane, ° about it
_NUDGES = {
    "Left": ("x", -1),
    "Right": ("x", 1),
    "Up": ("y", -1),
    "Down": ("y", 1),
    "PgUp": ("z", 1),
    "PgDown": ("z", -1),
}
_TURNS = {
    "Left": ("rz", -1),
    "Right": ("rz", 1),
    "Up": ("rx", -1),
    "Down": ("rx", 1),
    "PgUp": ("ry", 1),
    "PgDown": ("ry", -1),
}


@dataclass(frozen=True)
class Rail:
    """The rail's view and its presenters."""

    view: RailView
    mark: MarkPresenter
    register: RegisterPresenter
    refine: RefinePresenter
    model: ModelPresenter
    report: ReportPresenter
    panels: dict[str, QWidget]
    tools: Tools
    owners: tuple[QObject, ...] = field(default=())

    def warm_model(self) -> None:
        """Start the model process."""
        self.model.warm()

    def resume(self, other: Rail) -> None:
        """Go on as another rail left off: its open step, and what was chosen in it."""
        self.view.open(other.view.step)
        self.register.resume(other.register)
        self.refine.resume(other.refine)
        self.report.resume(other.report)
        self.tools.resume(other.tools)

    def adopt(self, window: QWidget) -> None:
        """Let presenters end with the window, and give the window the rail's keys."""
        for owner in self.owners:
            owner.setParent(window)
        keys: list[tuple[str, Callable[[], object]]] = [("H", self.model.toggle_heatmaps)]
        nudge = self.register.pose.nudge
        for held, steps in (("Alt", _NUDGES), ("Ctrl", _TURNS)):
            for name, (axis, sign) in steps.items():
                keys.append((f"{held}+{name}", partial(nudge, axis, sign * COARSE)))
                keys.append((f"{held}+Shift+{name}", partial(nudge, axis, sign * FINE)))
        of_steps: list[tuple[str, str, Callable[[], object]]] = [
            ("N", "mark", self.mark.add_lesion),
            ("B", "mark", self.mark.draw_box),
            ("M", "mark", self.mark.set_point),
            ("R", "register", self.register.drag),
            ("L", "register", partial(self.register.drafting.begin, None)),
            ("Shift+L", "register", partial(self.register.drafting.begin, ContourKind.LINE)),
            ("F", "register", partial(self.register.drafting.begin, ContourKind.SURFACE)),
            ("K", "register", self.register.drafting.add_skin),
            ("S", "register", self.refine.search),
            ("G", "model", self.model.run),
            ("Ctrl+P", "report", self.report.choose_file),
        ]
        keys += [(key, partial(self._in_step, step, slot)) for key, step, slot in of_steps]
        for key, slot in keys:
            QShortcut(QKeySequence(key), window).activated.connect(partial(_call, slot))
        self.refine.adopt(window)

    def _in_step(self, step: str, slot: Callable[[], object]) -> None:
        """Do something of a step where the reader sees what it tells."""
        self.view.open(step)
        slot()


def build_rail(
    session: Session,
    snapping: Snapping,
    tools: Tools,
    expecting: Expecting,
    drafting: Drafting,
    worker: WorkerProcess,
    model: Path,
    language: Language,
) -> Rail:
    """Join the five steps and the session."""
    text = language.text
    mark, register, read = MarkPanel(language), RegisterPanel(language), ReadPanel(language)
    refine = RefinePanel(language)
    register.column.addWidget(refine)
    model_panel, report = ModelPanel(language), ReportPanel(language)
    view = RailView(
        [
            ("mark", text("Mark"), mark),
            ("register", text("Register"), register),
            ("read", text("Read"), read),
            ("model", text("Model"), model_panel),
            ("report", text("Report"), report),
        ]
    )
    view.set_foot("register", register.hints)
    owner = QObject()
    ReadPresenter(read, view, session, language, owner)
    return Rail(
        view,
        MarkPresenter(mark, view, session, tools, language, owner),
        RegisterPresenter(register, view, session, tools, expecting, drafting, language, owner),
        RefinePresenter(refine, view, session, snapping, language, owner),
        ModelPresenter(model_panel, view, session, tools, worker, model, language, owner),
        ReportPresenter(report, view, session, model, language, owner),
        {
            "mark": mark,
            "register": register,
            "refine": refine,
            "read": read,
            "model": model_panel,
            "report": report,
        },
        tools,
        (owner,),
    )


def _call(slot: Callable[[], object]) -> None:
    slot()
