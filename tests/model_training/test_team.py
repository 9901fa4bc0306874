"""A batch is shared out among processes so that nothing of it is lost."""

from __future__ import annotations

from model_training.team import Team


def test_shares_differ_by_one_at_most_and_leave_nothing_out():
    shares = [Team(rank, 3).share(8) for rank in range(3)]
    assert [list(range(8))[share] for share in shares] == [[0, 1], [2, 3, 4], [5, 6, 7]]
