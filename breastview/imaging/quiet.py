"""Keeps libraries from quoting header values in warnings and logs: those are patient data."""

from __future__ import annotations

import logging
import threading
import warnings
from types import TracebackType

import gdcm
import pydicom

for _name in ("pydicom", "nibabel", "PIL", "pylibjpeg", "openjpeg", "rle", "jpeg_ls"):
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)
for _level in ("Warning", "Error", "Debug"):
    getattr(gdcm.Trace, f"{_level}Off")()
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE


class _Quiet:
    """Drops the warnings that are raised inside; several threads may be inside at once.

    Python's warning filters belong to the process: the first to enter saves them, the last to leave restores
    them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._saved: warnings.catch_warnings | None = None

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._saved = warnings.catch_warnings()
                self._saved.__enter__()
                warnings.simplefilter("ignore")
            self._inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._saved is not None:
                self._saved.__exit__(None, None, None)


_QUIET = _Quiet()


def quiet() -> _Quiet:
    """Run libraries without their warnings: a context to put around their calls."""
    return _QUIET
