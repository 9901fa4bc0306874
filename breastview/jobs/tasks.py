"""Background work for a window: a request with an id, progress, cancellation; the latest of a kind wins.

No Qt: how answers reach the window's thread is given by `post`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from breastview.errors import BreastViewError, Cancelled
from breastview.messages import Message, message
from breastview.progress import Progress

log = logging.getLogger(__name__)
WORKERS = 2

Work = Callable[[Progress], Any]
Post = Callable[[Callable[[], None]], None]


@dataclass(eq=False)
class Ticket:
    """One piece of work in hand. `kind` names what it is for: a newer one of its kind makes it stale."""

    kind: str
    cancelled: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        """Ask the work to stop; its answer is dropped either way."""
        self.cancelled.set()


class Tasks:
    """Runs work in threads and posts answers back, all of them in the window's thread."""

    def __init__(
        self,
        post: Post,
        on_failed: Callable[[Message], None],
        on_progress: Callable[[str, float | None, Message | None], None] = lambda kind, fraction, doing: None,
    ) -> None:
        """`on_progress` gets a kind with its fraction and doing; doing None when that kind has ended."""
        self._post = post
        self._on_failed = on_failed
        self._on_progress = on_progress
        self._current: dict[str, Ticket] = {}
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="task")

    def start(
        self,
        kind: str,
        work: Work,
        done: Callable[[Any], None],
        failed: Callable[[Message], None] | None = None,
        ticket: Ticket | None = None,
    ) -> Ticket:
        """Run `work(progress)`; `done(answer)` or `failed(message)` follows unless cancelled or overtaken.

        Work that asks its `ticket` whether it is cancelled brings it along: it may run before this returns.
        """
        self.cancel(kind)
        ticket = ticket or Ticket(kind)
        self._current[kind] = ticket
        self._pool.submit(self._run, ticket, work, done, failed or self._on_failed)
        return ticket

    def cancel(self, kind: str) -> None:
        """Cancel what is in hand of this kind."""
        ticket = self._current.pop(kind, None)
        if ticket is not None:
            ticket.cancel()
            self._on_progress(kind, None, None)

    def is_running(self, kind: str) -> bool:
        """Whether work of this kind is in hand."""
        return kind in self._current

    @property
    def busy(self) -> bool:
        """Whether any work is in hand."""
        return bool(self._current)

    def close(self) -> None:
        """Cancel everything and wait for the threads to end."""
        for kind in list(self._current):
            self.cancel(kind)
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(
        self, ticket: Ticket, work: Work, done: Callable[[Any], None], failed: Callable[[Message], None]
    ) -> None:
        def progress(fraction: float | None, doing: Message) -> None:
            if ticket.cancelled.is_set():
                raise Cancelled.of("job.cancelled")
            self._post(lambda: self._progress(ticket, fraction, doing))

        try:
            answer = work(progress)
        except Cancelled:
            self._post(lambda: self._finish(ticket, lambda: None))
        except BreastViewError as error:
            told = error.message
            self._post(lambda: self._finish(ticket, lambda: failed(told)))
        except Exception as error:  # noqa: BLE001 - the last net: say that it failed, never what the error quotes
            log.error("%s failed: %s", ticket.kind, type(error).__name__)
            told = message("job.failed", kind=type(error).__name__)
            self._post(lambda: self._finish(ticket, lambda: failed(told)))
        else:
            self._post(lambda: self._finish(ticket, lambda: done(answer)))

    def _progress(self, ticket: Ticket, fraction: float | None, doing: Message) -> None:
        if self._current.get(ticket.kind) is ticket:
            self._on_progress(ticket.kind, fraction, doing)

    def _finish(self, ticket: Ticket, answer: Callable[[], None]) -> None:
        if self._current.get(ticket.kind) is ticket:
            del self._current[ticket.kind]
            self._on_progress(ticket.kind, None, None)
            answer()
