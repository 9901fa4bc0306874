"""Saves the newest record in the background, soon after every change."""

from __future__ import annotations

import threading
from collections.abc import Callable

from breastview.errors import RecordError
from breastview.messages import message
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
        self._unsaved: ReviewRecord | None = None  # could not be written; tried again by `flush`
        self._wake = threading.Condition()
        self._hurry = False
        self._closing = False
        self._busy = False
        self._thread = threading.Thread(target=self._run, name="autosave", daemon=True)
        self._thread.start()

    def changed(self, record: ReviewRecord) -> None:
        """Save `record` within a second."""
        with self._wake:
            self._waiting = record
            self._wake.notify_all()

    def flush(self) -> bool:
        """Whether everything given is on disk; what is not has been reported as an error."""
        with self._wake:
            self._waiting = self._waiting or self._unsaved
            self._hurry = True
            self._wake.notify_all()
            self._wake.wait_for(lambda: self._waiting is None and not self._busy)
            self._hurry = False
            return self._unsaved is None

    def forget(self) -> None:
        """Let go of what could not be saved."""
        with self._wake:
            self._unsaved = None

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
                if self._waiting is None:
                    return
                self._wake.wait_for(lambda: self._hurry or self._closing, DELAY_S)
                record, self._waiting = self._waiting, None
                self._busy = True
            kept = self._save(record)
            with self._wake:
                self._unsaved = None if kept else record
                self._busy = False
                self._wake.notify_all()

    def _save(self, record: ReviewRecord) -> bool:
        try:
            self._store.save(record)
            self._on_saved()
        except RecordError as error:
            self._on_error(error)
            return False
        except Exception as error:  # noqa: BLE001 - the thread lives on: what is entered later is saved too
            self._on_error(RecordError(message("job.failed", kind=type(error).__name__)))
            return False
        return True
