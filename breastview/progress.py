"""How long work tells where it is, and learns that it was cancelled."""

from __future__ import annotations

from typing import Protocol

from breastview.messages import Message


class Progress(Protocol):
    """Called now and then by long work with a fraction 0…1 (None: unknown) and what it is doing.

    Raises `breastview.errors.Cancelled` in the caller's thread once the user has cancelled.
    """

    def __call__(self, fraction: float | None, doing: Message) -> None:
        """Tell how far the work is, and of what."""


def silent(fraction: float | None, doing: Message) -> None:
    """Report to nobody; never cancels."""
