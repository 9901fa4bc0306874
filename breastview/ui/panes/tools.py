"""What the hand holds: the chosen tool, shared by panes and steps, and what the panes report back."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

HEATMAP_OPACITY = 0.55


class Tools(QObject):
    """The one chosen tool. Names: "browse", "us_box", "us_point", "us_contour", "us_line", "mri_point",
    "mri_pair", "mri_contour", "mri_move"."""

    changed = Signal()
    heatmaps_changed = Signal()
    us_clicked = Signal(float, float)  # px
    us_line = Signal(float, float, float, float)  # px
    mri_clicked = Signal(object)  # LPS mm (x, y, z)
    us_finished = Signal()  # Enter, or a double click
    mri_finished = Signal()
    mri_wanted = Signal(object)  # LPS mm (x, y, z): let the MRI be seen there
    position = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.name = "browse"
        self.heatmaps = False
        self.heatmap_opacity = HEATMAP_OPACITY

    def begin(self) -> None:
        """Start anew with another case: heatmaps are shown where they were asked for."""
        self.browse()
        self.show_heatmaps(False, HEATMAP_OPACITY)

    def choose(self, name: str) -> None:
        """Take a tool in hand; taking it twice lays it down."""
        self.name = "browse" if name == self.name else name
        self.changed.emit()

    def browse(self) -> None:
        """Lay the tool down."""
        if self.name != "browse":
            self.name = "browse"
            self.changed.emit()

    def resume(self, other: Tools) -> None:
        """Hold what another hand held."""
        self.show_heatmaps(other.heatmaps, other.heatmap_opacity)
        if other.name != "browse":
            self.choose(other.name)

    def show_heatmaps(self, visible: bool, opacity: float | None = None) -> None:
        """Show or hide the heatmaps on both images."""
        self.heatmaps = visible
        if opacity is not None:
            self.heatmap_opacity = opacity
        self.heatmaps_changed.emit()
