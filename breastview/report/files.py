"""Files of a report: whole, or not there."""

from __future__ import annotations

from pathlib import Path

from breastview import whole
from breastview.errors import ReportError


def write_whole(path: Path, data: bytes) -> None:
    """Write beside and move into place; a failure leaves what was there.

    Raises:
        ReportError: the place cannot be written.
    """
    try:
        whole.write_whole(path, data)
    except OSError as error:
        raise ReportError.of("report.unwritable") from type(error)()
