"""The figures say what they show, on paper and as text."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image
from scipy.special import expit

from model_training.evaluate import decision_curve, reliability, roc_curve
from model_training.evaluate.figures import (
    decision_figure,
    interval_figure,
    reliability_figure,
    roc_figure,
    write_figure,
)
from model_training.tables.study import PIPELINE_CHECK, SIMULATED
from tests.model_training.evaluate.examples import drawn

LABEL, ODDS = drawn(120)
ROC = roc_curve(LABEL, ODDS, draws=20)
BINS = reliability(LABEL, expit(ODDS))
DECISION = decision_curve(LABEL, expit(ODDS), draws=20)
CAVEATS = (SIMULATED, PIPELINE_CHECK)
FIGURES = {
    "roc": (roc_figure, ROC),
    "reliability": (reliability_figure, BINS),
    "decision": (decision_figure, DECISION),
}


def texts(figure) -> list[str]:
    (axes,), (legend,) = figure.axes, figure.legends
    legend = [text.get_text() for text in legend.get_texts()]
    return [axes.get_title(), axes.get_xlabel(), axes.get_ylabel(), *legend]


@pytest.mark.parametrize("name", FIGURES)
def test_what_must_be_read_first_stands_above_and_nothing_does_without_it(name):
    draw, curve = FIGURES[name]
    assert draw({"fused": curve}, CAVEATS).get_suptitle() == "\n".join(CAVEATS)
    assert draw({"fused": curve}).get_suptitle() == ""


@pytest.mark.parametrize("name", FIGURES)
def test_the_legend_covers_no_curve(name):
    draw, curve = FIGURES[name]
    figure = draw({f"network {k}": curve for k in range(6)}, CAVEATS)
    FigureCanvasAgg(figure).draw()
    (axes,), (legend,) = figure.axes, figure.legends
    assert legend.get_window_extent().y1 <= axes.get_window_extent().y0
    assert axes.get_window_extent().height > 0.6 * axes.get_window_extent().width


def test_what_must_be_read_first_is_not_cut_off_beside_long_names():
    rows = {"ResNet-101, registered MRI": ROC.auc}
    figure = interval_figure("AUC", "AUC", rows, {}, CAVEATS)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    (above,) = [text for text in figure.texts if text.get_text()]
    box = above.get_window_extent(canvas.get_renderer())
    assert box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.height > 0


def test_the_roc_figure_tells_the_auc_and_draws_the_band():
    figure = roc_figure({"fused": ROC, "us": ROC})
    told = f"AUC {ROC.auc.value:.3f} ({ROC.auc.low:.3f}–{ROC.auc.high:.3f}), n = 120"
    assert texts(figure) == [
        "ROC curve",
        "false positives (1 − specificity)",
        "sensitivity",
        "chance",
        f"fused: {told}",
        f"us: {told}",
    ]
    (axes,) = figure.axes
    assert len(axes.collections) == 2
    corners = axes.collections[0].get_paths()[0].vertices
    assert {tuple(v) for v in np.column_stack([ROC.false_positives, ROC.low])} <= {tuple(v) for v in corners}


def test_the_reliability_figure_draws_each_bin():
    (axes,) = reliability_figure({"fused": BINS}).axes
    _, line, *_ = axes.get_lines()
    assert line.get_xydata() == pytest.approx(np.array([[b.told, b.seen.value] for b in BINS]))
    (bars,) = axes.collections
    reach = np.array([segment[:, 1] for segment in bars.get_segments()])
    assert reach == pytest.approx(np.array([[b.seen.low, b.seen.high] for b in BINS]))


def test_the_decision_figure_keeps_calling_all_from_stretching_it():
    figure = decision_figure({"fused": DECISION})
    assert texts(figure)[3:] == ["fused, n = 120", "call all malignant", "call none malignant"]
    low, high = figure.axes[0].get_ylim()
    assert low == pytest.approx(-0.25 * DECISION.high.max()) and high > DECISION.high.max()
    assert DECISION.treat_all.min() < low


def test_files_are_the_same_each_time_and_the_svg_keeps_its_text(tmp_path):
    folders = tmp_path / "a", tmp_path / "b"
    files = [write_figure(roc_figure({"fused": ROC}, CAVEATS), folder, "roc") for folder in folders]
    assert [path.name for path in files[0]] == ["roc.png", "roc.svg"]
    for first, second in zip(*files, strict=True):
        assert first.read_bytes() == second.read_bytes()
    with Image.open(files[0][0]) as image:
        assert image.size == (1000, 1108)  # three lines of legend
    words = " ".join(ET.parse(files[0][1]).getroot().itertext())
    assert all(caveat in words for caveat in CAVEATS)
