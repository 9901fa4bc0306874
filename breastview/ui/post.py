"""Carries answers of background work into the window's thread."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Qt, Signal


class Post(QObject):
    """Calls a function in the thread that this object lives in: the window's."""

    _called = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._called.connect(self._call, Qt.ConnectionType.QueuedConnection)

    def __call__(self, function: Callable[[], None]) -> None:
        """Call `function` soon; may be called from any thread."""
        self._called.emit(function)

    @staticmethod
    def _call(function: Callable[[], None]) -> None:
        function()
