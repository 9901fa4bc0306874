"""Fifty kills in the middle of a review lose nothing that was said to be saved."""

from __future__ import annotations

import os
import random
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from breastview.records.store import RecordStore
from tests.records.examples import FINGERPRINT
from tests.records.scripted_review import FILLING

ROOT = Path(__file__).resolve().parents[2]
KILLS = 50
LONGEST_S = 0.06
PATIENCE_S = 2.0  # the longest where a slow disk has not written anything yet


@pytest.fixture
def reviewer():
    command = [sys.executable, "-m", "tests.records.scripted_review"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield process
        process.stdin.close()


def kill_after(reviewer: subprocess.Popen, folder: Path, delay_s: float) -> int:
    """Start a reviewer, kill it in the middle of its work; returns the last edit that it called saved."""
    reviewer.stdin.write(f"{folder}\n".encode())
    reviewer.stdin.flush()
    heard = b""
    while (told := re.search(rb"pid (\d+)\n", heard)) is None:
        heard += heard_from(reviewer)
    deadline = time.monotonic() + delay_s
    while (left_s := deadline - time.monotonic()) > 0:
        if select.select([reviewer.stdout], [], [], left_s)[0]:
            heard += heard_from(reviewer)
    os.kill(int(told[1]), signal.SIGKILL)
    while b"ended\n" not in heard:
        heard += heard_from(reviewer)
    return max(map(int, re.findall(rb"saved (\d+)\n", heard)), default=0)


def heard_from(reviewer: subprocess.Popen) -> bytes:
    said = os.read(reviewer.stdout.fileno(), 65536)
    assert said, "the reviewer ended by itself"
    return said


def test_fifty_kills_lose_nothing_that_was_acknowledged(tmp_path, reviewer):
    moments = random.Random(50)
    store, last, longest_s = RecordStore(tmp_path), 0, LONGEST_S
    for _ in range(KILLS):
        last = max(last, kill_after(reviewer, tmp_path, moments.uniform(0.0, longest_s)))
        kept = store.load(FINGERPRINT)
        edits = 0 if kept is None else int(kept.extra["edits"])
        assert last <= edits <= last + 1
        if edits:
            assert kept.lesion(f"L{edits % FILLING}").comment == f"edit {edits}"
        last = edits
        if not last:
            longest_s = min(2 * longest_s, PATIENCE_S)
    assert last > 0
