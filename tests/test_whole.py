"""What cannot be written whole is told by its own name, and what was there stays."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from breastview.whole import forget_parts, write_whole, written_together, written_whole


@pytest.fixture
def full(monkeypatch):
    """A disk on which nothing more fits."""

    def refuse(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)


def test_a_full_disk_is_told_with_the_file(full, tmp_path):
    path = tmp_path / "figures.json"
    path.write_text("old")
    with pytest.raises(OSError, match="No space left on device") as told:
        write_whole(path, b"new")
    assert told.value.filename == str(path)
    assert [one.read_text() for one in tmp_path.iterdir()] == ["old"]


def test_a_full_disk_is_told_with_the_folder_of_what_is_written_together(full, tmp_path):
    (tmp_path / "one").write_text("old")
    with pytest.raises(OSError, match="No space left on device") as told, written_together(tmp_path) as part:
        write_whole(part / "one", b"new")
    assert told.value.filename == str(tmp_path)
    assert [one.read_text() for one in tmp_path.iterdir()] == ["old"]


def test_a_folder_in_the_place_of_a_file_is_told(tmp_path):
    with pytest.raises(OSError, match=os.strerror(errno.EISDIR)) as told:
        write_whole(tmp_path, b"new")
    assert (told.value.filename, told.value.filename2) == (str(tmp_path), None)


def test_a_file_that_is_read_meanwhile_keeps_its_name(tmp_path):
    with pytest.raises(FileNotFoundError) as told, written_whole(tmp_path / "copy") as file:
        file.write(Path(tmp_path / "nowhere").read_bytes())
    assert told.value.filename == str(tmp_path / "nowhere")


def test_what_a_killed_process_had_half_written_can_be_forgotten(tmp_path):
    write_whole(tmp_path / "whole", b"whole")
    with written_whole(tmp_path / "half") as file:
        shutil.copy(file.name, tmp_path / ".half.0.part")
    forget_parts(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["half", "whole"]
