"""What the worker process of the tests is asked to do, and a program that is killed while it waits for it."""

from __future__ import annotations

import os
import signal
import sys
import threading

from breastview.errors import ModelError
from breastview.jobs.process import WorkerProcess


def refuse() -> None:
    raise ModelError.of("model.no_device", device="cuda")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def work_without_end() -> None:
    threading.Event().wait()


def something_that_cannot_be_sent():
    return lambda: "SECRET^NAME"


def main(idle: bool) -> None:
    """Start a worker, say its pid, and wait: for it, or beside it."""
    worker = WorkerProcess()
    print(worker.call("os:getpid"), flush=True)  # noqa: T201 - this is what is asked
    if idle:
        threading.Event().wait()
    worker.call("tests.jobs.worker_functions:work_without_end")


if __name__ == "__main__":
    main(idle=sys.argv[1] == "idle")
