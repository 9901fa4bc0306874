"""The fields of step 2, from the first pose to the reader's word on the last."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
)

from breastview.language import Language
from breastview.registration.transform import Pivot
from breastview.ui.names import keyboard_text
from breastview.ui.rail.numbers import number
from breastview.ui.rail.parts import Choice, Panel, button
from breastview.ui.rail.register.hints import Hints

KNOWN_LENGTH_MM = 10.0
ROW_PX, ROWS = 24, 6
LEAST_WEIGHT, MOST_WEIGHT = 0.1, 10.0
ODD = "⚠ "  # before the name of one that disagrees with the others


class RegisterPanel(Panel):
    """Start, correspondences, fit, what that is worth, and the pose by hand."""

    def __init__(self, language: Language) -> None:
        super().__init__()
        self._make_start(language)
        self._make_tools(language)
        self._make_list(language)
        self._make_fit(language)
        self._make_worth(language)
        self._make_hand(language)
        self._make_calibration(language)

    def _make_start(self, language: Language) -> None:
        text = language.text
        self.orientation = Choice(self)
        self.orientation.addItem(text("Transverse"), "transverse")
        self.orientation.addItem(text("Sagittal"), "sagittal")
        self.orientation.addItem(text("Radial"), "radial")
        self.orientation.addItem(text("Antiradial"), "antiradial")
        self.row(self.orientation, label=text("Probe"))
        self.from_mark = button(text("Start from marks"), text("Put the US lesion onto the MRI mark"))
        self.from_clock = button(
            text("From clock face"), text("Start from side, clock face, nipple distance and depth")
        )
        self.row(self.from_mark, self.from_clock, narrow=True)

    def _make_tools(self, language: Language) -> None:
        text = language.text
        self.heading(text("The same in both images"))
        self.pair = button(
            text("Point"),
            text("Click a point on ultrasound, then the same point in the MRI") + " (L)",
            checkable=True,
        )
        tip = text("Click along a ligament or vessel on ultrasound, then in the MRI; Enter ends each")
        self.line = button(text("Line"), tip + " (Shift+L)", checkable=True)
        tip = text("Click along a fascia on ultrasound, then once on it in the MRI; Enter ends each")
        self.surface = button(text("Surface"), tip + " (F)", checkable=True)
        self.skin = button(text("Skin"), text("Let the probe's face lie on the skin of the MRI") + " (K)")
        self.row(self.pair, self.line, self.surface, self.skin, narrow=True)
        self.hints = Hints(language)  # at the rail's foot

    def _make_list(self, language: Language) -> None:
        text = language.text
        self.found = QTableWidget(0, 4, self)
        self._make_heads(language)
        self.found.verticalHeader().hide()
        self.found.verticalHeader().setDefaultSectionSize(ROW_PX)
        self.found.setShowGrid(False)
        self.found.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.found.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.found.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.found.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.found.setTabKeyNavigation(False)
        self.column.addWidget(self.found)
        self.odd = self.label("caution")
        self.weight = number(LEAST_WEIGHT, MOST_WEIGHT, "×", 0.1, 1)
        self.weight.setToolTip(text("How much the chosen one counts"))
        self.weighed = QLabel(text("Weight"), self)
        self.weighed.setProperty("role", "muted")
        self.place = button(
            text("Place it"), text("Click the chosen point in the MRI, or move it by the arrows")
        )
        self.remove = button(text("Remove"), text("Remove the chosen one"))
        self.row(self.weighed, self.weight, self.place, self.remove)

    def _make_heads(self, language: Language) -> None:
        text = language.text
        heads = (
            ("", ""),
            (text("residual"), text("How far the registration leaves it from its partner")),
            (text("left out"), text("How far it lies from where the others alone expect it")),
            (text("weight"), text("How much it counts")),
        )
        for column, (title, tip) in enumerate(heads):
            head = QTableWidgetItem(title)
            head.setToolTip(tip)
            head.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self.found.setHorizontalHeaderItem(column, head)
            mode = QHeaderView.ResizeMode.ResizeToContents if title else QHeaderView.ResizeMode.Stretch
            self.found.horizontalHeader().setSectionResizeMode(column, mode)
        self.found.horizontalHeader().setFixedHeight(ROW_PX)
        self.found.horizontalHeader().setSectionsClickable(False)

    def show_rows(self, rows: list[tuple[str, str, str, str]]) -> None:
        """List (name, residual, error left out, weight). The chosen row stays chosen; a new one is chosen."""
        count, chosen = self.found.rowCount(), self.found.currentRow()
        new = _first_new([self._cell(row, 0).text() for row in range(count)], [row[0] for row in rows])
        self.found.setRowCount(len(rows))
        for place, row in enumerate(rows):
            for column, words in enumerate(row):
                self._cell(place, column).setText(words)
        self.found.setFixedHeight(ROW_PX * (1 + min(len(rows), ROWS)))
        for widget in (self.found, self.weighed, self.weight, self.remove):
            widget.setVisible(bool(rows))
        last = len(rows) - 1
        self.found.setCurrentCell(new if len(rows) > count else min(max(chosen, 0), last), 0)

    def _cell(self, row: int, column: int) -> QTableWidgetItem:
        cell = self.found.item(row, column)
        if cell is None:
            cell = QTableWidgetItem()
            side = Qt.AlignmentFlag.AlignRight if column else Qt.AlignmentFlag.AlignLeft
            cell.setTextAlignment(side | Qt.AlignmentFlag.AlignVCenter)
            self.found.setItem(row, column, cell)
        return cell

    def _make_fit(self, language: Language) -> None:
        text = language.text
        self.model = Choice(self)
        self.model.addItem(text("tissue"), "tissue")
        self.model.addItem(text("rigid"), "rigid")
        self.model.addItem(text("rigid with scale"), "scaled")
        self.model.setToolTip(
            text("Tissue: as a breast is expected to deform. Rigid: points alone, as a solid")
        )
        self.row(self.model, label=text("Fit as"))
        self.fit = button(text("Fit"), text("Move the plane to the best fit"))
        self.bend = button(text("Bend"), text("Let the plane bend where it follows better"), checkable=True)
        self.straighten = button(text("Straighten"), text("Take the bend away; the pose stays"))
        self.row(self.fit, self.bend, self.straighten)

    def _make_worth(self, language: Language) -> None:
        text = language.text
        self.told = self.label("registration")
        self.within = self.label("registration")
        self.notes = self.label("muted")
        tip = text("Your word that the registration is right; any change takes it back")
        self.confirm = button(text("Confirm"), tip, checkable=True)
        self.column.addWidget(self.confirm)
        self.lacking = self.label()

    def _make_hand(self, language: Language) -> None:
        text = language.text
        self.heading(text("By hand"))
        self.drag = button(
            text("Drag"),
            text("Drag the MRI under the ultrasound; ring or Shift turns, the wheel goes through the plane")
            + " (R)",
            checkable=True,
        )
        self.pivot = Choice(self)
        self.pivot.addItem(text("about lesion"), Pivot.LESION)
        self.pivot.addItem(text("about probe"), Pivot.PROBE)
        self.pivot.addItem(text("about last point"), Pivot.LANDMARK)
        self.pivot.setToolTip(text("What a turn leaves in place"))
        self.row(self.drag, self.pivot)
        self.fields = {
            "x": number(-400, 400, "mm", 0.1, 1),
            "y": number(-400, 400, "mm", 0.1, 1),
            "z": number(-400, 400, "mm", 0.1, 1),
            "rx": number(-180, 180, "°", 0.1, 1),
            "ry": number(-180, 180, "°", 0.1, 1),
            "rz": number(-180, 180, "°", 0.1, 1),
        }
        tip = text(
            "The keys move along the plane's own axes: Alt with arrows or page keys, 1 mm; Shift 0.1 mm"
        )
        for axis in "xyz":
            self.fields[axis].setToolTip(f"{tip}\n{keyboard_text(language)}")
        tip = text("The keys turn by 1°, Shift 0.1°: Ctrl with up and down, page keys, left and right")
        for axis in ("rx", "ry", "rz"):
            self.fields[axis].setToolTip(f"{tip}\n{keyboard_text(language)}")
        self.heading(text("Probe face: left, posterior, superior"))
        self.row(self.fields["x"], self.fields["y"], self.fields["z"])
        self.heading(text("Turn from the probe's usual position"))
        self.row(self.fields["rx"], self.fields["ry"], self.fields["rz"])
        self.free_scale = QCheckBox(text("Free the scale"))
        self.scale = number(0.5, 2.0, "×", 0.01, 3)
        self.row(self.free_scale, self.scale)

    def resume(self, other: RegisterPanel) -> None:
        """Hold what was chosen in another panel."""
        for own, chosen in ((self.orientation, other.orientation), (self.model, other.model)):
            own.setCurrentIndex(chosen.currentIndex())
        self.bend.setChecked(other.bend.isChecked())
        self.free_scale.setChecked(other.free_scale.isChecked())
        self.length.setValue(other.length.value())
        self.found.setCurrentCell(other.found.currentRow(), 0)

    def show_pivots(self, there: dict[Pivot, bool], chosen: Pivot) -> None:
        """Offer the pivots that are there, and show the chosen one, or the probe in its place."""
        items = self.pivot.model()
        assert isinstance(items, QStandardItemModel)
        for pivot, is_there in there.items():
            items.item(self.pivot.findData(pivot)).setEnabled(is_there)
        shown = chosen if there[chosen] else Pivot.PROBE
        self.pivot.setCurrentIndex(self.pivot.findData(shown))

    def _make_calibration(self, language: Language) -> None:
        """Shown only while the ultrasound image has no scale of its own."""
        text = language.text
        self.length = number(1, 100, "mm", 1, 0)
        self.length.setValue(KNOWN_LENGTH_MM)
        self.calibrate = button(
            text("Draw known length"),
            text("Draw a line of this length on ultrasound, along its ruler"),
            checkable=True,
        )
        self.calibration = [self.heading(text("Scale")), self.length, self.calibrate]
        self.row(self.length, self.calibrate)


def _first_new(before: list[str], after: list[str]) -> int:
    """Where a longer list of names first differs from a shorter one, whatever it warns of."""
    pairs = zip(before, after, strict=False)
    differ = (old.removeprefix(ODD) != new.removeprefix(ODD) for old, new in pairs)
    return next((place for place, is_new in enumerate(differ) if is_new), len(before))
