"""What a network is worth: discrimination, calibration, use, each figure with its 95 % interval and n."""

from model_training.evaluate.bootstrap import bootstrap
from model_training.evaluate.calibration import (
    brier,
    calibrated,
    calibration_error,
    calibration_intercept,
    calibration_metrics,
    calibration_slope,
    fit_temperature,
    margin,
    reliability,
)
from model_training.evaluate.comparison import compare_auc, compare_calls, holm
from model_training.evaluate.decision import decision_curve, net_benefit
from model_training.evaluate.discrimination import (
    auc,
    auc_delong,
    proportion,
    rates,
    roc_curve,
    youden_point,
)
from model_training.evaluate.row import (
    auc_among,
    best_possible,
    gain_among,
    metrics,
    metrics_of_calls,
    metrics_over_patients,
    rates_among,
    several,
)
from model_training.evaluate.subgroups import subgroups

__all__ = [
    "auc",
    "auc_among",
    "auc_delong",
    "best_possible",
    "bootstrap",
    "brier",
    "calibrated",
    "calibration_error",
    "calibration_intercept",
    "calibration_metrics",
    "calibration_slope",
    "compare_auc",
    "compare_calls",
    "decision_curve",
    "fit_temperature",
    "gain_among",
    "holm",
    "margin",
    "metrics",
    "metrics_of_calls",
    "metrics_over_patients",
    "net_benefit",
    "proportion",
    "rates",
    "rates_among",
    "reliability",
    "roc_curve",
    "several",
    "subgroups",
    "youden_point",
]
