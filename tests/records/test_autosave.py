"""Saving in the background: soon, the newest, in order, and again after a failure."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from breastview.records import autosave
from breastview.records.autosave import DELAY_S, Autosaver
from breastview.records.store import RecordStore
from tests.records.examples import FINGERPRINT, LESION, RECORD

PATIENCE_S = 20.0  # a test that hangs fails, instead of hanging


def edit(number: int):
    return replace(RECORD, lesions=(replace(LESION, comment=f"edit {number}"),))


def comment(store: RecordStore) -> str:
    return store.load(FINGERPRINT).lesions[0].comment


class SlowStore(RecordStore):
    """Holds the first save back until it is let go."""

    def __init__(self, folder):
        super().__init__(folder)
        self.reached, self.go = threading.Event(), threading.Event()

    def save(self, record):
        if not self.reached.is_set():
            self.reached.set()
            assert self.go.wait(PATIENCE_S)
        return super().save(record)


@pytest.fixture
def saver_for():
    made = []

    def make(store, **callbacks):
        made.append(Autosaver(store, **callbacks))
        return made[-1]

    yield make
    for saver in made:
        saver.close()


def test_a_change_is_saved_by_itself(tmp_path, saver_for):
    saved, store = threading.Event(), RecordStore(tmp_path)
    saver_for(store, on_saved=saved.set).changed(edit(1))
    assert saved.wait(PATIENCE_S)
    assert comment(store) == "edit 1"
    assert DELAY_S <= 0.5  # half a second is left for the writing: a second in all


def test_of_several_changes_in_a_moment_the_last_is_written(tmp_path, saver_for, monkeypatch):
    monkeypatch.setattr(autosave, "DELAY_S", 3600.0)
    saves, store = [], RecordStore(tmp_path)
    saver = saver_for(store, on_saved=lambda: saves.append(comment(store)))
    for number in range(5):
        saver.changed(edit(number))
    saver.flush()
    assert saves == ["edit 4"]


def test_flush_returns_at_once_when_there_is_nothing_to_save(tmp_path, saver_for):
    saver_for(RecordStore(tmp_path)).flush()
    assert list(tmp_path.iterdir()) == []


def test_closing_saves_what_waits_and_ends_the_thread(tmp_path, monkeypatch):
    monkeypatch.setattr(autosave, "DELAY_S", 3600.0)
    store = RecordStore(tmp_path)
    saver = Autosaver(store)
    saver.changed(edit(1))
    saver.close()
    assert comment(store) == "edit 1"
    assert "autosave" not in {thread.name for thread in threading.enumerate()}


def test_a_newer_record_is_never_overtaken_by_an_older_one(tmp_path, saver_for):
    store = SlowStore(tmp_path)
    saver = saver_for(store)
    saver.changed(edit(1))
    assert store.reached.wait(PATIENCE_S)
    saver.changed(edit(2))
    flushing = threading.Thread(target=saver.flush)
    flushing.start()
    flushing.join(0.05)  # long enough for a flush that does not wait its turn
    store.go.set()
    flushing.join(PATIENCE_S)
    assert not flushing.is_alive()
    assert comment(store) == "edit 2"


def test_a_folder_that_cannot_be_written_is_told_and_nothing_is_lost(tmp_path, saver_for):
    obstacle = tmp_path / "records"
    obstacle.write_bytes(b"")
    store, told = RecordStore(obstacle), []
    saver = saver_for(store, on_error=lambda error: told.append(error.message.code))
    saver.changed(edit(1))
    saver.flush()
    assert told == ["record.unwritable"]
    obstacle.unlink()
    saver.flush()
    assert told == ["record.unwritable"]
    assert comment(store) == "edit 1"


def test_what_could_not_be_saved_does_not_come_back_over_something_newer(tmp_path, saver_for):
    obstacle = tmp_path / "records"
    obstacle.write_bytes(b"")
    store, told = RecordStore(obstacle), []
    saver = saver_for(store, on_error=told.append)
    saver.changed(edit(1))
    saver.flush()
    obstacle.unlink()
    saver.changed(edit(2))
    saver.flush()
    saver.flush()
    assert len(told) == 1
    assert comment(store) == "edit 2"


def test_a_damaged_record_is_told_and_left_as_it_is(tmp_path, saver_for):
    store, told = RecordStore(tmp_path), []
    store.path_for(FINGERPRINT).write_bytes(b"damaged")
    saver = saver_for(store, on_error=lambda error: told.append(error.message.code))
    saver.changed(edit(1))
    saver.flush()
    assert told == ["record.damaged"]
    assert store.path_for(FINGERPRINT).read_bytes() == b"damaged"


def test_an_unforeseen_failure_is_told_without_what_it_quotes_and_saving_goes_on(tmp_path, saver_for):
    store, told = RecordStore(tmp_path), []
    saver = saver_for(store, on_error=lambda error: told.append(error.message))
    saver.changed(replace(edit(1), extra={"reader": object()}))
    saver.flush()
    assert [(m.code, m.params) for m in told] == [("job.failed", {"kind": "TypeError"})]
    saver.changed(edit(2))
    saver.flush()
    assert comment(store) == "edit 2"
