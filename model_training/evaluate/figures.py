"""The curves of a paper as PNG and SVG: drawn without pyplot, the same bytes for the same numbers.

`caveats` are lines that must be read before any figure; they stand above it, the whole width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from breastview.fusion.spec import Metric
from breastview.whole import write_whole
from model_training.evaluate.calibration import ReliabilityPoint
from model_training.evaluate.decision import DecisionCurve
from model_training.evaluate.discrimination import RocCurve

INTERVALS = "with 95 % intervals"
SIDE_IN, LINE_IN = 5.0, 0.18  # of a figure without its legend, of a line of that
DPI = 200
GREY = "0.55"


def roc_figure(curves: Mapping[str, RocCurve], caveats: Sequence[str] = ()) -> Figure:
    """ROC curves by name, each with its band and AUC."""
    figure, axes = _blank("ROC curve", "false positives (1 − specificity)", "sensitivity", caveats)
    axes.plot([0, 1], [0, 1], ":", color=GREY, label="chance")
    for name, curve in curves.items():
        auc = curve.auc
        told = f"{name}: AUC {auc.value:.3f} ({auc.low:.3f}–{auc.high:.3f}), n = {auc.n}"
        (line,) = axes.plot(curve.false_positives, curve.sensitivity, label=told)
        _band(axes, line, curve.low, curve.high)
    _legend(figure, axes)
    return figure


def reliability_figure(
    points: Mapping[str, Sequence[ReliabilityPoint]], caveats: Sequence[str] = ()
) -> Figure:
    """Malignant share against probability told, by name, with the interval of each bin."""
    figure, axes = _blank(
        "Reliability", "probability of malignancy told", "share that was malignant", caveats
    )
    axes.plot([0, 1], [0, 1], ":", color=GREY, label="perfectly calibrated")
    for name, bins in points.items():
        told, seen = [b.told for b in bins], [b.seen.value for b in bins]
        reach = [[b.seen.value - b.seen.low for b in bins], [b.seen.high - b.seen.value for b in bins]]
        label = f"{name}, n = {sum(b.seen.n for b in bins)}"
        axes.errorbar(told, seen, np.clip(reach, 0, 1), fmt="o-", capsize=2, label=label)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))  # points at 0 and 1 stay whole
    _legend(figure, axes)
    return figure


def decision_figure(curves: Mapping[str, DecisionCurve], caveats: Sequence[str] = ()) -> Figure:
    """Net benefit of acting on each model by name, of calling all malignant, and none, on the same cases."""
    figure, axes = _blank("Decision curve", "threshold probability to call malignant", "net benefit", caveats)
    for name, curve in curves.items():
        (line,) = axes.plot(curve.thresholds, curve.model, label=f"{name}, n = {curve.n}")
        _band(axes, line, curve.low, curve.high)
    policies = next(iter(curves.values()))
    axes.plot(policies.thresholds, policies.treat_all, "--", color=GREY, label="call all malignant")
    axes.plot(policies.thresholds, policies.treat_none, "-", color="black", label="call none malignant")
    top = max(float(curve.high.max()) for curve in curves.values())
    axes.set_ylim(-0.25 * top, 1.05 * top)  # calling all falls without end
    _legend(figure, axes)
    return figure


def interval_figure(
    title: str,
    across: str,
    rows: Mapping[str, Metric],
    published: Mapping[str, float],
    caveats: Sequence[str] = (),
) -> Figure:
    """A figure of each row by name with its interval, first row on top, and beside it what was published."""
    figure, axes = _blank(title, across, "", caveats)
    names, places = list(rows), range(len(rows))[::-1]
    value, low, high = (
        np.array([getattr(row, part) for row in rows.values()]) for part in ("value", "low", "high")
    )
    reach = np.clip([value - low, high - value], 0, None)
    axes.errorbar(value, places, xerr=reach, fmt="o", capsize=2, color="black", label=f"here, {INTERVALS}")
    beside = [
        (published[name], place) for name, place in zip(names, places, strict=True) if name in published
    ]
    if beside:
        axes.plot(*zip(*beside, strict=True), "x", color="tab:red", label="published, no interval given")
    axes.set_ylim(-0.5, len(names) - 0.5)
    axes.set_yticks(places, [f"{name}, n = {row.n}" for name, row in rows.items()])
    figure.legend(loc="outside lower center", fontsize="small")
    return figure


def write_figure(figure: Figure, folder: Path, name: str) -> tuple[Path, Path]:
    """Write `name`.png and `name`.svg, text kept as text; returns both paths."""
    png, svg = BytesIO(), BytesIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "breastview"}):
        FigureCanvasAgg(figure).print_figure(png, format="png", dpi=DPI, metadata={"Software": None})
        FigureCanvasSVG(figure).print_figure(svg, format="svg", metadata={"Date": None})
    paths = folder / f"{name}.png", folder / f"{name}.svg"
    for path, buffer in zip(paths, (png, svg), strict=True):
        write_whole(path, buffer.getvalue())
    return paths


def _blank(title: str, across: str, up: str, caveats: Sequence[str]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(SIDE_IN, SIDE_IN), layout="constrained")
    axes = figure.add_subplot(xlabel=across, ylabel=up, xlim=(0, 1), ylim=(0, 1))
    axes.set_title(title, fontsize="medium")
    if caveats:
        figure.suptitle("\n".join(caveats), fontsize="small")
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _legend(figure: Figure, axes: Axes) -> None:
    """The legend below the axes, where it covers no curve; the figure grows by its height."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", fontsize="small", title=INTERVALS)
    figure.set_figheight(SIDE_IN + LINE_IN * (len(labels) + 1))


def _band(axes: Axes, line: Line2D, low: np.ndarray, high: np.ndarray) -> None:
    axes.fill_between(line.get_xdata(), low, high, color=line.get_color(), alpha=0.15, linewidth=0)
