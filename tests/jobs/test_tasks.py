"""Background work: answers arrive in the window's thread, the latest of a kind wins, nothing is quoted."""

from __future__ import annotations

import queue
import threading

import pytest

from breastview.errors import Cancelled, CaseError
from breastview.jobs.tasks import Tasks, Ticket
from breastview.messages import message, render

PATIENCE_S = 20.0
HALF = message("doing.load", done=1, count=2)


class Window:
    """A thread with a queue of calls, as a window's is, and what it was told."""

    def __init__(self):
        self.calls, self.told = queue.SimpleQueue(), []
        self.tasks = Tasks(
            self.calls.put,
            on_failed=lambda msg: self.told.append(("failed", msg.code, msg.params)),
            on_progress=lambda *progress: self.told.append(progress),
        )

    def take(self, answer):
        self.told.append(("done", answer))

    def turn(self):
        """Run the next call that was posted."""
        self.calls.get(timeout=PATIENCE_S)()

    def run_until_idle(self):
        while self.tasks.busy:
            self.turn()

    def close(self):
        """End the work, then run what had been posted before."""
        self.tasks.close()
        while not self.calls.empty():
            self.turn()


@pytest.fixture
def window():
    window = Window()
    yield window
    window.close()


def test_work_runs_beside_the_window_and_its_answer_arrives_in_it(window):
    threads = {}

    def work(progress):
        threads["work"] = threading.get_ident()
        return 42

    def done(answer):
        threads["done"] = threading.get_ident()
        window.take(answer)

    window.tasks.start("scan", work, done)
    assert window.tasks.is_running("scan") and window.tasks.busy
    window.run_until_idle()
    assert window.told == [("scan", None, None), ("done", 42)]
    assert threads["done"] == threading.get_ident() != threads["work"]
    assert not window.tasks.is_running("scan")


def test_progress_is_told_with_its_kind_and_ends_before_the_answer(window):
    def work(progress):
        progress(0.5, HALF)
        return "images"

    window.tasks.start("volumes", work, window.take)
    window.run_until_idle()
    assert window.told == [("volumes", 0.5, HALF), ("volumes", None, None), ("done", "images")]


def test_a_typed_error_is_told_with_its_own_message(window):
    def work(progress):
        raise CaseError.of("case.other_patient", count=3)

    window.tasks.start("scan", work, window.take)
    window.run_until_idle()
    assert window.told[-1] == ("failed", "case.other_patient", {"count": 3})


def test_whoever_starts_the_work_may_hear_of_its_failure_instead(window):
    heard = []

    def work(progress):
        raise CaseError.of("case.empty")

    window.tasks.start("scan", work, window.take, failed=heard.append)
    window.run_until_idle()
    assert [msg.code for msg in heard] == ["case.empty"]
    assert window.told == [("scan", None, None)]


def test_an_unforeseen_failure_tells_its_kind_and_quotes_nothing(window, caplog):
    def work(progress):
        raise ValueError("PatientName SECRET^NAME")

    window.tasks.start("scan", work, window.take)
    window.run_until_idle()
    assert window.told[-1] == ("failed", "job.failed", {"kind": "ValueError"})
    assert "ValueError" in render(message("job.failed", kind="ValueError"))
    assert caplog.messages == ["scan failed: ValueError"]
    assert "SECRET" not in caplog.text


def test_cancelled_work_stops_at_its_next_word_and_answers_nothing(window):
    started, cancelled, stopped = threading.Event(), threading.Event(), threading.Event()

    def work(progress):
        started.set()
        cancelled.wait(PATIENCE_S)
        try:
            progress(0.5, HALF)
        except Cancelled:
            stopped.set()
            raise

    window.tasks.start("scan", work, window.take)
    assert started.wait(PATIENCE_S)
    window.tasks.cancel("scan")
    assert not window.tasks.busy
    cancelled.set()
    assert stopped.wait(PATIENCE_S)
    window.close()
    assert window.told == [("scan", None, None)]


def test_work_may_ask_the_ticket_that_it_brought_before_its_start_has_returned(window):
    ticket, stopped = Ticket("model"), threading.Event()

    def work(progress):
        if ticket.cancelled.wait(PATIENCE_S):
            stopped.set()

    assert window.tasks.start(ticket.kind, work, window.take, ticket=ticket) is ticket
    window.tasks.cancel("model")
    assert stopped.wait(PATIENCE_S)


def test_the_answer_of_cancelled_work_is_dropped_even_if_it_never_looked(window):
    finished = threading.Event()

    def work(progress):
        finished.wait(PATIENCE_S)
        return "too late"

    ticket = window.tasks.start("scan", work, window.take)
    window.tasks.cancel("scan")
    finished.set()
    window.close()
    assert ticket.cancelled.is_set()
    assert window.told == [("scan", None, None)]


def test_the_latest_of_a_kind_wins(window):
    finished = threading.Event()

    def first(progress):
        finished.wait(PATIENCE_S)
        return "first"

    window.tasks.start("volume", first, window.take)
    window.tasks.start("volume", lambda progress: "second", window.take)
    window.run_until_idle()
    finished.set()
    window.close()
    assert [told for told in window.told if told[0] == "done"] == [("done", "second")]


def test_an_answer_that_was_already_posted_is_overtaken_too(window):
    window.tasks.start("volume", lambda progress: "first", window.take)
    posted = window.calls.get(timeout=PATIENCE_S)
    window.tasks.start("volume", lambda progress: "second", window.take)
    posted()
    window.run_until_idle()
    assert [told for told in window.told if told[0] == "done"] == [("done", "second")]


def test_progress_of_overtaken_work_is_not_told(window):
    def first(progress):
        progress(0.5, HALF)

    window.tasks.start("volume", first, window.take)
    said = window.calls.get(timeout=PATIENCE_S)
    window.tasks.cancel("volume")
    said()
    assert window.told == [("volume", None, None)]


def test_kinds_do_not_disturb_each_other(window):
    window.tasks.start("frames", lambda progress: "US", window.take)
    window.tasks.start("volumes", lambda progress: "MRI", window.take)
    window.run_until_idle()
    assert sorted(told[1] for told in window.told if told[0] == "done") == ["MRI", "US"]


def test_work_that_gives_up_by_itself_is_no_longer_running(window):
    def work(progress):
        raise Cancelled.of("job.cancelled")

    window.tasks.start("model", work, window.take)
    window.run_until_idle()
    assert window.told == [("model", None, None)]


def test_closing_cancels_all_and_ends_the_threads():
    window, started = Window(), threading.Event()

    def work(progress):
        started.set()
        while True:
            progress(None, HALF)

    window.tasks.start("scan", work, window.take)
    assert started.wait(PATIENCE_S)
    window.close()
    assert not window.tasks.busy
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("task")]
    assert ("scan", None, None) in window.told
