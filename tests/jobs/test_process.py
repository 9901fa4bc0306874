"""The worker process: answers, fails, dies and is killed, and the next call always works."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from breastview.errors import BreastViewError, Cancelled
from breastview.jobs.process import ProcessError, WorkerProcess

ROOT = Path(__file__).resolve().parents[2]
HERE = "tests.jobs.worker_functions"
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def worker():
    worker = WorkerProcess()
    yield worker
    worker.kill()


def assert_gone(pid: int) -> None:
    """Neither running nor a zombie."""
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_nothing_is_started_before_the_first_call():
    worker = WorkerProcess()
    assert worker.pid is None
    worker.kill()


def test_calls_are_answered_by_one_other_process(worker):
    assert worker.call("builtins:sum", [1, 2, 3]) == 6
    first = worker.call("os:getpid")
    assert first == worker.pid == worker.call("os:getpid")
    assert first != os.getpid()


def test_callers_at_the_same_time_each_get_their_own_answer(worker):
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda number: worker.call("builtins:abs", -number), range(40)))
    assert answers == list(range(40))


def test_the_function_s_own_error_arrives_with_its_message(worker):
    with pytest.raises(BreastViewError) as raised:
        worker.call(f"{HERE}:refuse")
    assert raised.value.message.code == "model.no_device"
    assert raised.value.message.params == {"device": "cuda"}


@pytest.mark.parametrize(
    ("function", "arguments", "kind"),
    [
        ("builtins:int", ("SECRET^NAME",), "ValueError"),
        ("builtins:no_such_function", (), "AttributeError"),
        ("no_such_module:function", (), "ModuleNotFoundError"),
        (f"{HERE}:something_that_cannot_be_sent", (), "AttributeError"),
    ],
)
def test_an_unforeseen_failure_tells_its_kind_and_quotes_nothing(worker, function, arguments, kind, capfd):
    pid = worker.call("os:getpid")
    with pytest.raises(ProcessError) as raised:
        worker.call(function, *arguments)
    assert raised.value.message.code == "job.failed"
    assert raised.value.message.params["kind"] in {kind, "PicklingError"}
    assert "SECRET" not in str(raised.value) + "".join(capfd.readouterr())
    assert worker.call("os:getpid") == pid


def test_a_worker_that_dies_is_told_and_the_next_call_works(worker):
    dead = worker.call("os:getpid")
    with pytest.raises(ProcessError) as raised:
        worker.call(f"{HERE}:die")
    assert raised.value.message.code == "model.process_died"
    assert_gone(dead)
    assert worker.call("builtins:abs", -1) == 1


def test_a_worker_that_is_killed_in_the_middle_is_told_and_the_next_call_works(worker):
    victim = worker.call("os:getpid")
    called = iter([False])

    def killed_meanwhile() -> bool:
        if next(called, True):
            os.kill(victim, signal.SIGKILL)
        return False

    with pytest.raises(ProcessError) as raised:
        worker.call(f"{HERE}:work_without_end", cancelled=killed_meanwhile)
    assert raised.value.message.code == "model.process_died"
    assert_gone(victim)
    assert worker.call("os:getpid") != victim


def test_a_worker_that_died_between_two_calls_is_replaced(worker):
    dead = worker.call("os:getpid")
    os.kill(dead, signal.SIGKILL)
    worker._process.join(PATIENCE_S)
    assert worker.pid is None
    assert worker.call("os:getpid") != dead
    assert_gone(dead)


def test_cancelling_kills_the_worker_and_the_next_call_starts_another(worker):
    pid = worker.call("os:getpid")
    asked = iter([False, False, True])
    with pytest.raises(Cancelled) as raised:
        worker.call(f"{HERE}:work_without_end", cancelled=lambda: next(asked))
    assert raised.value.message.code == "job.cancelled"
    assert worker.pid is None
    assert_gone(pid)
    assert worker.call("os:getpid") != pid


def test_what_was_cancelled_while_it_waited_its_turn_costs_the_worker_nothing(worker):
    pid = worker.call("os:getpid")
    with pytest.raises(Cancelled):
        worker.call(f"{HERE}:work_without_end", cancelled=lambda: True)
    assert worker.call("os:getpid") == pid


def test_an_end_by_kill_leaves_no_zombie():
    worker = WorkerProcess()
    pid = worker.call("os:getpid")
    worker.kill()
    assert worker.pid is None
    assert_gone(pid)
    worker.kill()


def test_the_id_is_asked_for_while_another_thread_kills(monkeypatch):
    worker = WorkerProcess()
    worker.call("os:getpid")
    is_alive = worker._process.is_alive

    def killed_meanwhile() -> bool:
        answer = is_alive()
        worker.kill()
        return answer

    monkeypatch.setattr(worker._process, "is_alive", killed_meanwhile)
    assert worker.pid is None


@pytest.mark.parametrize("state", ["idle", "busy"])
def test_the_worker_ends_with_its_parent_however_that_ends(state):
    """The pipe is read to its end: all who hold it, the worker among them, are gone."""
    command = [sys.executable, "-m", HERE, state]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline())
        parent.kill()
        parent.communicate(timeout=PATIENCE_S)
    assert parent.returncode == -signal.SIGKILL
    assert pid != parent.pid
