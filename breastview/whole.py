"""Files that are there whole, or not at all."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

_PART = ".part"  # ends the name of what is not whole yet


def write_whole(path: Path, data: bytes) -> None:
    """Write a file at once, whole or not at all; raises OSError as `written_whole` does."""
    with written_whole(path) as file:
        file.write(data)


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write beside, which is then moved into place: a crash leaves the old file or the new one,
    never a part.

    Raises:
        OSError: the place cannot be written, with its name; what was there stays.
    """
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}{_PART}")
    with _named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def written_together(folder: Path) -> Iterator[Path]:
    """A folder to write files into, which are moved into `folder` together once all are written; what stands
    there under other names stays.

    Raises:
        OSError: the place cannot be written, with its name; what was there stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (
        _named(folder),
        TemporaryDirectory(prefix=".", suffix=_PART, dir=folder) as part,  # within: on the same disk
    ):
        yield Path(part)
        files = list(Path(part).iterdir())
        for path in files:
            with path.open("rb+") as file:
                os.fsync(file.fileno())
        for path in files:
            path.replace(folder / path.name)


def forget_parts(folder: Path) -> None:
    """Remove what killed processes left of files that they were writing into a folder; of those that still
    write, too."""
    for part in folder.glob(f".*{_PART}"):
        if part.is_file():
            part.unlink(missing_ok=True)


@contextmanager
def _named(place: Path) -> Iterator[None]:
    """Give an OSError the name of the place that is written, where it has none, as of a full disk, or that of
    what is written beside it."""
    try:
        yield
    except OSError as error:
        beside = any(name.endswith(_PART) for name in Path(error.filename or _PART).parts)
        if error.errno is not None and beside:
            error.filename, error.filename2 = os.fspath(place), None
        raise
