"""Review records on disk: one JSON file a case, written whole or not at all."""

from __future__ import annotations

import datetime
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import msgspec
import platformdirs

from breastview.errors import RecordError
from breastview.records.values import SCHEMA, ReviewRecord

SUFFIX = ".review.json"
NAME_LENGTH = 16


def default_folder() -> Path:
    """Where records are kept unless the department chooses another place."""
    return Path(platformdirs.user_data_dir("BreastView", appauthor=False)) / "reviews"


def encode(record: ReviewRecord) -> bytes:
    """Return a record as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n"


def decode(data: bytes) -> ReviewRecord:
    """Read a record from JSON.

    Raises:
        RecordError: the JSON is damaged, or of a schema that this version does not know.
    """
    try:
        schema = msgspec.json.decode(data, type=_Head).schema
    except msgspec.MsgspecError as error:
        raise RecordError.of("record.damaged") from type(error)()
    if schema != SCHEMA:
        raise RecordError.of("record.other_schema", ours=SCHEMA)
    try:
        return msgspec.json.decode(data, type=ReviewRecord)
    except msgspec.MsgspecError as error:
        raise RecordError.of("record.damaged") from type(error)()


def read(path: Path) -> ReviewRecord:
    """Read one record file; raises RecordError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RecordError.of("record.unreadable") from type(error)()
    return decode(data)


def write(path: Path, record: ReviewRecord) -> None:
    """Write one record file atomically: a crash leaves the old file or the new one, never a part.

    Raises:
        RecordError: the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(encode(record))
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise RecordError.of("record.unwritable") from type(error)()


class RecordStore:
    """The records of one folder, found by the case they are about."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder` is where records are kept; None: `default_folder`."""
        self.folder = folder or default_folder()

    def path_for(self, fingerprint: str) -> Path:
        """Where the record of a case lies; nothing in the name tells the patient."""
        return self.folder / (fingerprint[:NAME_LENGTH] + SUFFIX)

    def load(self, fingerprint: str) -> ReviewRecord | None:
        """The record of a case, or None when it was never reviewed; raises RecordError."""
        path = self.path_for(fingerprint)
        if not path.exists():
            return None
        record = read(path)
        if record.case.fingerprint != fingerprint:
            raise RecordError.of("record.other_case")
        return record

    def save(self, record: ReviewRecord) -> Path:
        """Write a record with the time of writing; returns its path; raises RecordError."""
        path = self.path_for(record.case.fingerprint)
        now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        write(path, replace(record, modified=now))
        return path


class _Head(msgspec.Struct):
    """What is read before anything else."""

    schema: str
