"""Where a turn leaves the picture: marked in both panes while a hand registers."""

from __future__ import annotations

from breastview.ui import style
from breastview.ui.expecting import Expecting
from breastview.ui.panes.marks import Mark
from breastview.ui.panes.tools import Tools


def pivot_marks(tools: Tools, expecting: Expecting) -> list[Mark]:
    """The pivot, in pixels of the US picture; nothing while no hand registers."""
    place = expecting.pivot_px
    if tools.name != "mri_move" or place is None:
        return []
    return [Mark("pivot", place, style.REGISTRATION)]
