"""One spawned worker process for work that must not share the window's: it may stall, crash or be killed."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from breastview.errors import BreastViewError, Cancelled
from breastview.messages import Message, message

POLL_S = 0.05


class ProcessError(BreastViewError):
    """The worker process died or failed."""


class WorkerProcess:
    """Calls named functions ("package.module:function") in a process of its own, one at a time.

    Arguments and answers are pickled. The process starts with the first call, is killed on cancel, starts
    again with the next call, and ends with its parent.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection | None = None

    def call(self, function: str, *arguments: Any, cancelled: Callable[[], bool] = lambda: False) -> Any:
        """Call a function and wait for its answer.

        Raises:
            ProcessError: the process died in the middle, or the function failed with an unforeseen error.
            BreastViewError: the function's own error, with its message.
            Cancelled: `cancelled` turned true; the process was killed.
        """
        with self._lock:
            if cancelled():
                raise Cancelled.of("job.cancelled")
            pipe = self._start()
            try:
                pipe.send((function, arguments))
                while not pipe.poll(POLL_S):
                    if cancelled():
                        self.kill()
                        raise Cancelled.of("job.cancelled")
                answer = pipe.recv()
            except (EOFError, OSError) as error:
                self.kill()
                raise ProcessError.of("model.process_died") from type(error)()
        return _unpacked(answer)

    @property
    def pid(self) -> int | None:
        """The process's id while it runs; any thread may ask."""
        process = self._process
        try:
            return process.pid if process is not None and process.is_alive() else None
        except ValueError:
            return None  # another thread has killed and closed it meanwhile

    def kill(self) -> None:
        """End the process at once; the next call starts another."""
        process, pipe = self._process, self._pipe
        self._process = self._pipe = None
        if process is not None:
            process.kill()
            process.join()
            process.close()
        if pipe is not None:
            pipe.close()

    def _start(self) -> Connection:
        if self._pipe is not None and self.pid is not None:
            return self._pipe
        self.kill()
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs,), name="model", daemon=True)
        process.start()
        theirs.close()
        self._process, self._pipe = process, ours
        return ours


def _unpacked(answer: tuple[str, Any]) -> Any:
    kind, value = answer
    if kind == "answer":
        return value
    if kind == "error":
        raise BreastViewError(value)
    raise ProcessError(value)


def serve(pipe: Connection) -> None:
    """The process's own loop: answer calls until the parent's end of the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    while True:
        try:
            function, arguments = pipe.recv()
        except EOFError:
            return
        _send(pipe, _answer(function, arguments))


def end_with_parent() -> None:
    """Let this process end when its parent does, whatever it is at."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _answer(function: str, arguments: tuple[Any, ...]) -> tuple[str, Any]:
    module, _, name = function.partition(":")
    try:
        return "answer", getattr(importlib.import_module(module), name)(*arguments)
    except BreastViewError as error:
        return "error", error.message
    except Exception as error:  # noqa: BLE001 - whatever it was, the window must hear of it without what it quotes
        return "failure", _told(error)


def _send(pipe: Connection, answer: tuple[str, Any]) -> None:
    try:
        pipe.send(answer)
    except OSError:
        return  # the parent is gone
    except Exception as error:  # noqa: BLE001 - pickling raises anything, before a byte is sent
        pipe.send(("failure", _told(error)))


def _told(error: Exception) -> Message:
    return message("job.failed", kind=type(error).__name__)
