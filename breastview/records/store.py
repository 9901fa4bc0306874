"""Review records on disk: one JSON file a case, written whole or not at all."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
import platformdirs

from breastview.errors import RecordError
from breastview.records.values import SCHEMA, CaseIdentity, ReviewRecord
from breastview.whole import write_whole

SUFFIX = ".review.json"
NAME_LENGTH = 16
T = TypeVar("T")


def default_folder() -> Path:
    """Where records are kept unless the department chooses another place."""
    return Path(platformdirs.user_data_dir("BreastView", appauthor=False)) / "reviews"


def encode(record: ReviewRecord) -> bytes:
    """Return a record as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(record, enc_hook=_number), indent=1) + b"\n"


def _number(value: Any) -> float:
    """Numpy's numbers, which pass for Python's own everywhere but in JSON."""
    if not isinstance(value, np.number):
        raise TypeError(type(value).__name__)
    return value.item()


def decode(data: bytes) -> ReviewRecord:
    """Read a record from JSON.

    Raises:
        RecordError: the JSON is damaged, or of a schema that this version does not know.
    """
    if _decoded(data, _Head).schema != SCHEMA:
        raise RecordError.of("record.other_schema", ours=SCHEMA)
    return _decoded(data, ReviewRecord)


def _decoded(data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise RecordError.of("record.damaged") from None  # the cause quotes the file


def read(path: Path) -> ReviewRecord:
    """Read one record file; raises RecordError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RecordError.of("record.unreadable") from type(error)()
    return decode(data)


def write(path: Path, record: ReviewRecord) -> bytes:
    """Write one record file atomically: a crash leaves the old file or the new one, never a part. Returns
    what was written.

    Raises:
        RecordError: the folder cannot be written, or the record could not be read again.
    """
    data = _readable(record)
    try:
        write_whole(path, data)
    except OSError as error:
        raise RecordError.of("record.unwritable") from type(error)()
    return data


def _readable(record: ReviewRecord) -> bytes:
    """The JSON of a record that can be read again: JSON has no word for what is not finite."""
    data = encode(record)
    try:
        decode(data)
    except RecordError:
        raise RecordError.of("record.not_finite") from None
    return data


class RecordStore:
    """The records of one folder, found by the case they are about."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder` is where records are kept; None: `default_folder`."""
        self.folder = folder or default_folder()
        self._known: dict[str, bytes | None] = {}  # files as they were read or written here, by fingerprint

    def path_for(self, fingerprint: str) -> Path:
        """Where the record of a case lies; nothing in the name tells the patient."""
        return self.folder / (fingerprint[:NAME_LENGTH] + SUFFIX)

    def load(self, fingerprint: str) -> ReviewRecord | None:
        """The record of a case, or None when it was never reviewed; raises RecordError."""
        record, self._known[fingerprint] = self._found(fingerprint)
        return record

    def _found(self, fingerprint: str) -> tuple[ReviewRecord | None, bytes | None]:
        """The record that lies there, and its file."""
        path = self.path_for(fingerprint)
        try:
            data = path.read_bytes() if path.exists() else None
        except OSError as error:
            raise RecordError.of("record.unreadable") from type(error)()
        record = decode(data) if data is not None else None
        if record is not None and record.case.fingerprint != fingerprint:
            raise RecordError.of("record.other_case")
        return record, data

    def of_same_study(self, case: CaseIdentity) -> ReviewRecord | None:
        """The newest record of other images of one of a case's studies, or None."""
        wanted, found = set(case.study_uids), []
        for path in self.folder.glob("*" + SUFFIX):
            try:
                head = _decoded(path.read_bytes(), _Head)
            except (OSError, RecordError):
                continue
            if wanted & set(head.case.study_uids) and head.case.fingerprint != case.fingerprint:
                found.append((str(head.modified), path))
        try:
            return read(max(found)[1]) if found else None
        except RecordError:
            return None

    def save(self, record: ReviewRecord) -> Path:
        """Write a record with the time of writing; returns its path.

        Raises:
            RecordError: the folder cannot be written, or what lies there is damaged, of another version,
                about another case, or was changed elsewhere since it was read here: it is left as it is.
        """
        fingerprint = record.case.fingerprint
        path, (_, there) = self.path_for(fingerprint), self._found(fingerprint)
        if there is not None and self._known.get(fingerprint, there) != there:
            raise RecordError.of("record.changed_elsewhere")
        now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        self._known[fingerprint] = write(path, replace(record, modified=now))
        return path


class _Head(msgspec.Struct):
    """What is read before anything else."""

    schema: str
    case: CaseIdentity = CaseIdentity("")
    modified: datetime.datetime | None = None
