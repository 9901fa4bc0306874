"""Saves the newest record in the background, soon after every change."""

from __future__ import annotations

import threading
from collections.abc import Callable

from breastview.errors import RecordError
from breastview.records.store import RecordStore
from breastview.records.values import ReviewRecord

DELAY_S = 0.4


class Autosaver:
    """Keeps what was last given to `changed`; of several changes in a moment only the last is written."""

    def __init__(
        self,
        store: RecordStore,
        on_saved: Callable[[], None] = lambda: None,
        on_error: Callable[[RecordError], None] = lambda error: None,
    ) -> None:
        """Both callbacks run in the saving thread."""
        self._store = store
        self._on_saved = on_saved
        self._on_error = on_error
        self._waiting: ReviewRecord | None = None
        self._wake = threading.Condition()
        self._closing = False
        self._busy = False
        self._thread = threading.Thread(target=self._run, name="autosave", daemon=True)
        self._thread.start()

    def changed(self, record: ReviewRecord) -> None:
        """Save `record` within a second."""
        with self._wake:
            self._waiting = record
            self._wake.notify_all()

    def flush(self) -> None:
        """Return once everything given is on disk, or has been reported as an error."""
        with self._wake:
            record, self._waiting = self._waiting, None
        if record is not None:
            self._save(record)
        with self._wake:
            self._wake.wait_for(lambda: not self._busy)

    def close(self) -> None:
        """Save what waits and end the thread."""
        self.flush()
        with self._wake:
            self._closing = True
            self._wake.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._waiting is not None or self._closing)
                if self._closing:
                    return
                self._wake.wait(DELAY_S)
                record, self._waiting = self._waiting, None
                self._busy = record is not None
            if record is not None:
                self._save(record)
            with self._wake:
                self._busy = False
                self._wake.notify_all()

    def _save(self, record: ReviewRecord) -> None:
        try:
            self._store.save(record)
        except RecordError as error:
            self._on_error(error)
        else:
            self._on_saved()
