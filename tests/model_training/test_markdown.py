"""What tables, cards and checklists write alike."""

from __future__ import annotations

import pytest

from breastview.fusion.spec import Metric
from model_training.markdown import figure


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ((0.8976, 0.8614, 0.9321), "0.898 (0.861–0.932)"),
        ((-2e-17, -0.2841, -0.0024), "0.000 (-0.284 to -0.002)"),
        ((0.2, -0.0001, 0.4), "0.200 (0.000 to 0.400)"),
    ],
)
def test_a_figure_has_its_interval_and_no_negative_nought(values, told):
    assert figure(Metric(*values, 12)) == told
