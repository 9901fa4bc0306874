"""What a scan says, in short."""

from __future__ import annotations


def codes(items) -> list[str]:
    return [item.code for item in items]


def problems(case) -> dict[str, str]:
    return {problem.path: problem.reason.code for problem in case.problems}
