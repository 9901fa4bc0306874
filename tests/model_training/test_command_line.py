"""What the user can mend is told in a line, and nothing else is."""

from __future__ import annotations

import errno
import os

import pytest
import typer

from breastview.errors import RecordError
from breastview.whole import write_whole
from model_training.command_line import mistakes_told


def test_a_file_that_cannot_be_written_is_told_with_its_name_and_reason(tmp_path, capsys):
    with pytest.raises(typer.Exit) as told, mistakes_told():
        write_whole(tmp_path, b"figures")
    line = f"{tmp_path} cannot be read or written: {os.strerror(errno.EISDIR)}. See that it is"
    assert told.value.exit_code == 1
    assert capsys.readouterr().err.startswith(line)


def test_errors_of_the_application_are_told(capsys):
    with pytest.raises(typer.Exit), mistakes_told():
        raise RecordError.of("record.unwritable")
    assert "Traceback" not in capsys.readouterr().err


def test_a_bug_comes_with_its_traceback():
    for bug in (OSError(errno.EPIPE, "Broken pipe"), KeyError("us")):
        with pytest.raises(type(bug)), mistakes_told():
            raise bug
