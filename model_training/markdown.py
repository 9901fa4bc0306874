"""What tables, cards and checklists write alike in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from breastview.fusion.spec import Metric


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; bars and line ends within a cell are made harmless."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(text) for text in line)} |" for line in lines)


def figure(metric: Metric) -> str:
    """A figure with its 95 % interval; a dash between numbers below 0 would read as a minus."""
    between = " to " if metric.low < 0 else "–"
    return f"{metric.value:z.3f} ({metric.low:z.3f}{between}{metric.high:z.3f})"


def probability(p: float) -> str:
    """The p of a test."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
