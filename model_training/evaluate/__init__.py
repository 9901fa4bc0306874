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
from model_training.evaluate.row import best_possible, metrics, metrics_over_patients
from model_training.evaluate.subgroups import subgroups

__all__ = [
    "auc",
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
    "holm",
    "margin",
    "metrics",
    "metrics_over_patients",
    "net_benefit",
    "proportion",
    "rates",
    "reliability",
    "roc_curve",
    "subgroups",
    "youden_point",
]
