"""Files of a report: whole, or not there."""

from __future__ import annotations

import os
from pathlib import Path

from breastview.errors import ReportError


def write_whole(path: Path, data: bytes) -> None:
    """Write beside and move into place; a failure leaves what was there.

    Raises:
        ReportError: the place cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(data)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise ReportError.of("report.unwritable") from type(error)()
