"""Step 1: mark the lesion on US and in the MRI, and confirm its side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QButtonGroup, QPushButton

from breastview.imaging.geometry import lps_text
from breastview.language import Language
from breastview.messages import Message, message
from breastview.records.concordance import (
    Concordance,
    Verdict,
    box_size_mm,
    objections_to_views,
    same_lesion,
)
from breastview.records.expected import mri_side, told_place
from breastview.records.values import Lesion, Side, UsMark
from breastview.review.actions import (
    AddLesion,
    ConfirmSide,
    MarkMri,
    RemoveLesion,
    RemoveSecondView,
    SelectLesion,
    SetPlace,
    SwapViews,
)
from breastview.review.state import Part
from breastview.ui import style
from breastview.ui.names import clock_text
from breastview.ui.panes.tools import Tools
from breastview.ui.rail.numbers import known, number, put
from breastview.ui.rail.parts import Choice, Panel, button
from breastview.ui.rail.view import RailView
from breastview.ui.session import Session

AGAINST = {Verdict.DOUBTFUL, Verdict.NO_CORRELATE}
SIGNS = {Verdict.MATCH: "✓ ", Verdict.OPEN: "◐ ", Verdict.DOUBTFUL: "⚠ ", Verdict.NO_CORRELATE: "⚠ "}
MM = " mm"
OF_SIDE = {"concordance.side_unconfirmed", "concordance.sides_differ"}  # told beside the side's buttons


class MarkPanel(Panel):
    """The fields of step 1."""

    def __init__(self, language: Language) -> None:
        super().__init__()
        text = language.text
        self.lesions = Choice(self)
        self.add = QPushButton(text("Add lesion"))
        self.add.setToolTip(text("Add a lesion") + " (N)")
        self.remove = QPushButton(text("Remove"))
        self.remove.setToolTip(text("Remove this lesion with its marks"))
        self.row(self.lesions, self.add, self.remove)
        self.box = button(
            text("Box on US"), text("Draw the lesion's box on ultrasound") + " (B)", checkable=True
        )
        self.point = button(
            text("Point in MRI"),
            text("Click the lesion's centre in the MRI, or draw a box around it") + " (M)",
            checkable=True,
        )
        self.row(self.box, self.point)
        self.us = self.label()
        self.swap = button(
            text("Swap views"),
            text("The registration is that of the first view. Let the second view be the first."),
        )
        self.remove_second = button(
            text("Remove 2nd view"), text("Remove the box of the second view; the first view stays")
        )
        self.row(self.swap, self.remove_second, narrow=True)
        self.mri = self.label()
        self.extent = [number(0, 200, "", 1, 1, optional=True) for _ in "xyz"]
        for field, axis in zip(self.extent, ("x", "y", "z"), strict=True):
            field.setToolTip(f"{axis}, mm")
        self.row(*self.extent, label=text("MRI size, mm"))
        self.sides = QButtonGroup(self)
        self.right, self.left = QPushButton(text("Right")), QPushButton(text("Left"))
        for side in (self.right, self.left):
            side.setCheckable(True)
            self.sides.addButton(side)
        self.row(self.right, self.left, label=text("Side"))
        self.side_told = self.label("caution")
        self.same = self.label()
        self.clock = number(1, 12.5, "h", 0.5, 2, optional=True)
        self.distance = number(0, 150, "mm", 1, 1, optional=True)
        self.lesion_depth = number(0, 100, "mm", 1, 1, optional=True)
        self.row(self.clock, label=text("Clock face"))
        self.row(self.distance, label=text("From nipple"))
        self.row(self.lesion_depth, label=text("Depth"))


class MarkPresenter(QObject):
    """Keeps step 1 in step with the session."""

    def __init__(
        self,
        panel: MarkPanel,
        rail: RailView,
        session: Session,
        tools: Tools,
        language: Language,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._panel, self._rail, self._session = panel, rail, session
        self._tools, self._language = tools, language
        panel.add.clicked.connect(self.add_lesion)
        panel.remove.clicked.connect(self._remove)
        panel.lesions.activated.connect(self._select)
        panel.box.clicked.connect(self.draw_box)
        panel.point.clicked.connect(self.set_point)
        panel.swap.clicked.connect(lambda: self._of_views(SwapViews))
        panel.remove_second.clicked.connect(lambda: self._of_views(RemoveSecondView))
        panel.right.clicked.connect(lambda: self._confirm(Side.RIGHT))
        panel.left.clicked.connect(lambda: self._confirm(Side.LEFT))
        for field in (panel.clock, panel.distance, panel.lesion_depth):
            field.valueChanged.connect(self._place)
        for field in panel.extent:
            field.valueChanged.connect(self._measure)
        tools.changed.connect(self._show_tool)
        session.opened.connect(self.show)
        session.loaded.connect(self._loaded)
        session.changed.connect(self._changed)
        self.show()

    def draw_box(self) -> None:
        """Take the box tool, adding a first lesion where there is none."""
        case = self._session.case
        if case is not None and not case.frames:
            self._session.tell(message("mark.no_us"))
            self._show_tool()
            return
        self._need_lesion()
        self._tools.choose("us_box")

    def set_point(self) -> None:
        """Take the MRI point tool, adding a first lesion where there is none."""
        case = self._session.case
        if case is not None and not case.volumes:
            self._session.tell(message("mark.no_mri"))
            self._show_tool()
            return
        self._need_lesion()
        self._tools.choose("mri_point")

    def add_lesion(self) -> None:
        """Add a lesion."""
        self._session.dispatch(AddLesion())

    def show(self) -> None:
        """Show the chosen lesion."""
        session, panel = self._session, self._panel
        is_open = session.case is not None
        panel.setEnabled(is_open)
        lesion = session.lesion
        panel.lesions.clear()
        if is_open:
            panel.lesions.addItems([each.lesion_id for each in session.state.record.lesions])
        for widget in (
            panel.remove,
            panel.right,
            panel.left,
            panel.clock,
            panel.distance,
            panel.lesion_depth,
        ):
            widget.setEnabled(lesion is not None)
        self._show_views(lesion)
        panel.mri.setText(self._mri_line(lesion))
        for field, size in zip(panel.extent, _extent(lesion), strict=True):
            field.setEnabled(bool(lesion and lesion.mri))
            put(field, size or None)
        put(panel.clock, lesion.clock_h if lesion else None)
        put(panel.distance, lesion.nipple_distance_mm if lesion else None)
        put(panel.lesion_depth, lesion.depth_mm if lesion else None)
        if lesion:
            panel.lesions.setCurrentText(lesion.lesion_id)
        self._show_doubts(lesion)

    def _show_doubts(self, lesion: Lesion | None) -> None:
        """What speaks against a side, and against the marks' being of one lesion."""
        session = self._session
        side = mri_side(lesion, session.body) if lesion else None
        of_views = objections_to_views(session.state.case, lesion) if lesion else ()
        self._show_side(lesion, side, of_views)
        self._show_concordance(lesion, side, of_views)

    def _show_concordance(
        self, lesion: Lesion | None, side: str | None, of_views: tuple[Message, ...]
    ) -> None:
        """Whether the two marks are one lesion, with every reason against it, here and in the step's line."""
        told = self._compared(lesion, side, of_views) if lesion else None
        self._panel.same.setVisible(bool(told))
        if told:
            say, warned = self._language.say, bool(self._panel.side_told.text())
            reasons = [
                say(each)
                for each in told.reasons
                if each not in of_views and not (warned and each.code in OF_SIDE)
            ]
            verdict = message(f"concordance.{told.verdict}")
            self._panel.same.setText("\n".join([SIGNS[told.verdict] + say(verdict), *reasons]))
            style.dress(self._panel.same, "caution" if told.verdict in AGAINST else "muted")
        self._show_state(lesion, told.verdict if told else None)

    def _compared(
        self, lesion: Lesion, side: str | None, of_views: tuple[Message, ...]
    ) -> Concordance | None:
        session = self._session
        plane = session.plane_of(lesion.us.frames_key) if lesion.us else None
        place = told_place(lesion, session.body)
        return same_lesion(session.state.record, lesion, plane, side, place, of_views)

    def _show_views(self, lesion: Lesion | None) -> None:
        """Where the lesion is marked on US, what to do with a second view, or how to come by one."""
        panel, case = self._panel, self._session.case
        panel.us.setText(self._us_line(lesion))
        for widget in (panel.swap, panel.remove_second):
            widget.setVisible(bool(lesion and lesion.second_us))
        wanting = lesion is not None and len(lesion.views) == 1 and case is not None and len(case.frames) > 1
        hint = self._language.text("A box on another picture becomes the lesion's second view")
        panel.box.setToolTip("\n".join([panel.box.property("tip"), *([hint] if wanting else [])]))

    def _us_line(self, lesion: Lesion | None) -> str:
        text = self._language.text
        if lesion is None or lesion.us is None:
            return "US: " + text("not marked")
        first = self._size(lesion.us)
        if lesion.second_us is None:
            return f"US: {first}"
        second = self._size(lesion.second_us)
        if second.endswith(MM):  # says it once: the line is narrow
            first = first.removesuffix(MM)
        return f"US: {first} · {text('2nd view')} {second}"

    def _size(self, mark: UsMark) -> str:
        plane = self._session.plane_of(mark.frames_key)
        if plane is None:
            return self._language.text("marked; no scale")
        width, height = box_size_mm(mark, plane)
        return f"{width:.0f} × {height:.0f}{MM}"

    def _mri_line(self, lesion: Lesion | None) -> str:
        if lesion is None or lesion.mri is None:
            return "MRI: " + self._language.text("not marked")
        return f"MRI: {lps_text(np.array(lesion.mri.point_mm))}"

    def _show_side(self, lesion: Lesion | None, computed: str | None, of_views: tuple[Message, ...]) -> None:
        panel, text = self._panel, self._language.text
        panel.sides.setExclusive(False)
        panel.right.setChecked(bool(lesion and lesion.side is Side.RIGHT))
        panel.left.setChecked(bool(lesion and lesion.side is Side.LEFT))
        panel.sides.setExclusive(True)
        names = {"R": text("Right"), "L": text("Left")}
        told = ""
        if lesion and computed and lesion.side is None:
            told = "⚠ " + text("{side} by the MRI midline: confirm.").format(side=names[computed])
        elif lesion and computed and lesion.side != computed:
            told = "⚠ " + text("The MRI mark lies on the other side: {side}.").format(side=names[computed])
        told = "\n".join(filter(None, [told, *("⚠ " + self._language.say(each) for each in of_views)]))
        panel.side_told.setText(told)
        panel.side_told.setVisible(bool(told))

    def _show_state(self, lesion: Lesion | None, verdict: Verdict | None) -> None:
        text = self._language.text
        if lesion is None:
            self._rail.set_state("mark", text("no lesion yet") if self._session.case else "")
            return
        done = [lesion.us is not None, lesion.mri is not None, lesion.side is not None]
        clock = f" {clock_text(lesion.clock_h, self._language)}" if lesion.clock_h else ""
        name = f"{lesion.lesion_id} {lesion.side or ''}{clock}".strip()
        if verdict in AGAINST:
            doubt = text("not one lesion") if verdict is Verdict.NO_CORRELATE else text("one lesion?")
            self._rail.set_state("mark", f"⚠ {name} · {doubt}", "caution")
        else:
            self._rail.set_state("mark", f"{'✓' if all(done) else '◐'} {name}", "lesion")

    def _need_lesion(self) -> None:
        if self._session.case is not None and self._session.lesion is None:
            self._session.dispatch(AddLesion())

    def _remove(self) -> None:
        if self._session.lesion:
            self._session.dispatch(RemoveLesion(self._session.lesion.lesion_id))

    def _of_views(self, action: type[SwapViews | RemoveSecondView]) -> None:
        if self._session.lesion:
            self._session.dispatch(action(self._session.lesion.lesion_id))

    def _select(self, place: int) -> None:
        self._session.dispatch(SelectLesion(self._panel.lesions.itemText(place)))

    def _confirm(self, side: Side) -> None:
        if self._session.lesion:
            self._session.dispatch(ConfirmSide(self._session.lesion.lesion_id, side))

    def _place(self) -> None:
        panel, lesion = self._panel, self._session.lesion
        if lesion:
            self._session.dispatch(
                SetPlace(
                    lesion.lesion_id, known(panel.clock), known(panel.distance), known(panel.lesion_depth)
                )
            )

    def _measure(self) -> None:
        """Take the typed extent of the MRI mark; a size of 0 is one that nobody measured."""
        lesion = self._session.lesion
        if lesion and lesion.mri:
            x, y, z = (known(field) or 0.0 for field in self._panel.extent)
            extent = (x, y, z) if x or y or z else None
            self._session.dispatch(MarkMri(lesion.lesion_id, replace(lesion.mri, extent_mm=extent)))

    def _show_tool(self) -> None:
        self._panel.box.setChecked(self._tools.name == "us_box")
        self._panel.point.setChecked(self._tools.name == "mri_point")

    def _loaded(self, key: str) -> None:
        if key in self._session.stacks:
            self._show_views(self._session.lesion)

    def _changed(self, parts: frozenset[Part]) -> None:
        if parts & {Part.LESIONS, Part.MARKS, Part.SELECTION, Part.SCALE}:
            self.show()
        elif parts & {Part.REGISTRATION, Part.BODY}:
            self._show_doubts(self._session.lesion)


def _extent(lesion: Lesion | None) -> tuple[float, float, float]:
    """Sizes along x, y, z in mm; 0 is unknown."""
    return (lesion.mri.extent_mm if lesion and lesion.mri else None) or (0.0, 0.0, 0.0)
