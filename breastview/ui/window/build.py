"""Makes one window on a session, in one language."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication

from breastview.jobs.process import WorkerProcess
from breastview.language import Language
from breastview.ui.case.presenter import CasePresenter
from breastview.ui.case.view import CaseView
from breastview.ui.expecting import Expecting
from breastview.ui.glance import Glance
from breastview.ui.panes.drafting import Drafting
from breastview.ui.panes.mri import MriPresenter
from breastview.ui.panes.mri_shown import ACQUIRED, FUSED, PLANE
from breastview.ui.panes.tools import Tools
from breastview.ui.panes.us import UsPresenter
from breastview.ui.panes.us_marks import UsMarks
from breastview.ui.panes.view import PaneView
from breastview.ui.rail.build import Rail, build_rail
from breastview.ui.session import Session
from breastview.ui.snapping import Snapping
from breastview.ui.window.presenter import WindowPresenter
from breastview.ui.window.view import WindowView


@dataclass(frozen=True)
class Window:
    """A window and the parts that others speak to."""

    view: WindowView
    presenter: WindowPresenter
    tools: Tools
    rail: Rail
    mri: MriPresenter
    warm_model: Callable[[], None]

    def resume(self, other: Window) -> None:
        """Go on as another window on the session left off; shown first, so that panes have their size."""
        self.presenter.resume(other.presenter)
        self.mri.resume(other.mri)
        self.rail.resume(other.rail)
        QApplication.sendPostedEvents(None, QEvent.Type.LayoutRequest)
        for own, left in ((self.view.us, other.view.us), (self.view.mri, other.view.mri)):
            own.canvas.resume(left.canvas)


def build_window(
    session: Session, snapping: Snapping, worker: WorkerProcess, model: Path, language: Language
) -> Window:
    """Join views, presenters and the session."""
    text = language.text
    modes = [
        (ACQUIRED, text("Acquired"), text("Slices as they were acquired")),
        (PLANE, text("US plane"), text("MRI resampled into the ultrasound plane")),
        (FUSED, text("Fused"), text("MRI over ultrasound")),
    ]
    case = CaseView(text("CASE"), text("Nothing is open yet."))
    us, mri = PaneView([]), PaneView(modes)
    tools = Tools()
    session.opened.connect(tools.begin)
    expecting = Expecting(session, tools)
    drafting = Drafting(session, tools, expecting, tools)
    rail = build_rail(session, snapping, tools, expecting, drafting, worker, model, language)
    view = WindowView(language, case, us, mri, rail.view)
    tools.setParent(view)
    rail.adopt(view)
    CasePresenter(case, session, language, view)
    us_marks = UsMarks(session, tools, expecting, drafting, language)
    UsPresenter(us, session, tools, expecting, us_marks, drafting, language, view)
    mri_presenter = MriPresenter(mri, us.canvas, session, tools, expecting, drafting, language, view)
    Glance(session, mri, mri_presenter, view)
    presenter = WindowPresenter(view, session, tools, expecting, drafting, language)
    return Window(view, presenter, tools, rail, mri_presenter, rail.warm_model)
