"""Reviews one case until it is killed: started once, it forks a reviewer for every line that it is given.

A reviewer opens the record, makes one edit after the other and says the number of each once it is saved.
The line `pid <n>` tells who must be killed, `ended` that the reviewer is gone.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from breastview.records.autosave import Autosaver
from breastview.records.store import RecordStore
from breastview.records.values import ReviewRecord
from tests.records.examples import FINGERPRINT, LESION, RECORD

FILLING = 100  # lesions in the record, so that writing it takes a while


def edited(record: ReviewRecord, number: int) -> ReviewRecord:
    """The record after edit `number`: that number stands in a lesion and beside it."""
    changed = replace(LESION, lesion_id=f"L{number % FILLING}", comment=f"edit {number}")
    return replace(record.with_lesion(changed), extra={"edits": str(number)})


def review(folder: Path) -> None:
    """Edit without end."""
    store = RecordStore(folder)
    record = store.load(FINGERPRINT) or replace(
        RECORD,
        lesions=tuple(replace(LESION, lesion_id=f"L{n}") for n in range(FILLING)),
        extra={"edits": "0"},
    )
    saver = Autosaver(store)
    number = int(record.extra["edits"])
    while True:
        number += 1
        record = edited(record, number)
        saver.changed(record)
        saver.flush()
        say(f"saved {number}")


def say(line: str) -> None:
    """Write a line at once, whole."""
    os.write(1, f"{line}\n".encode())


def main() -> None:
    """Fork a reviewer for each line on stdin."""
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            review(Path(line.strip()))
        say(f"pid {pid}")
        os.waitpid(pid, 0)
        say("ended")


if __name__ == "__main__":
    main()
