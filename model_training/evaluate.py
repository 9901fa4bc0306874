"""What a network is worth: discrimination, calibration and an operating point, each with n and interval.

DeLong: DeLong et al., Biometrics 44:837 (1988). Wilson intervals from statsmodels. Temperature: Guo et al.,
ICML 2017. Calibration error in ten bins of equal mass.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit
from scipy.stats import norm
from sklearn.metrics import log_loss, roc_auc_score
from statsmodels.stats.proportion import proportion_confint

from breastview.fusion.spec import Metric

LEVEL = 0.95
BINS = 10


def margin(logits: np.ndarray) -> np.ndarray:
    """Log odds of malignancy (n,) from logits (n, 2)."""
    return logits[:, 1] - logits[:, 0]


def auc_delong(label: np.ndarray, score: np.ndarray) -> Metric:
    """Area under the ROC curve with DeLong's interval, clipped to 0…1."""
    positive, negative = score[label], score[~label]
    wins = (positive[:, None] > negative[None, :]) + 0.5 * (positive[:, None] == negative[None, :])
    auc = float(wins.mean())
    variance = wins.mean(axis=1).var(ddof=1) / len(positive) + wins.mean(axis=0).var(ddof=1) / len(negative)
    half = norm.ppf(0.5 + LEVEL / 2) * np.sqrt(variance)
    return Metric(auc, max(auc - half, 0.0), min(auc + half, 1.0), len(label))


def proportion(hits: int, n: int) -> Metric:
    """A share with Wilson's interval."""
    low, high = proportion_confint(hits, n, 1 - LEVEL, method="wilson")
    return Metric(hits / n, float(low), float(high), n)


def fit_temperature(label: np.ndarray, logits: np.ndarray) -> float:
    """The temperature that makes log odds fit the labels best; fitted where the network was not trained."""
    odds = margin(logits)

    def loss(log_temperature: float) -> float:
        return float(log_loss(label, np.clip(expit(odds / np.exp(log_temperature)), 1e-6, 1 - 1e-6)))

    return float(np.exp(minimize_scalar(loss, bounds=(-2.0, 3.0), method="bounded").x))


def youden_point(label: np.ndarray, probability: np.ndarray) -> float:
    """The threshold with the largest sensitivity + specificity."""
    thresholds = np.unique(probability)
    gains = [(probability[label] >= t).mean() + (probability[~label] < t).mean() for t in thresholds]
    return float(thresholds[int(np.argmax(gains))])


def calibration_error(label: np.ndarray, probability: np.ndarray) -> float:
    """Expected calibration error over bins of equal mass."""
    order = np.argsort(probability)
    bins = np.array_split(order, BINS)
    gaps = [abs(label[b].mean() - probability[b].mean()) * len(b) for b in bins if len(b)]
    return float(sum(gaps) / len(label))


def metrics(label: np.ndarray, logits: np.ndarray, temperature: float, threshold: float) -> dict[str, Metric]:
    """Everything that the card says of one head, on cases that nothing was chosen on."""
    probability = expit(margin(logits) / temperature)
    called = probability >= threshold
    ece = calibration_error(label, probability)
    rng = np.random.default_rng(0)
    resampled = [_resampled_ece(label, probability, rng) for _ in range(500)]
    return {
        "auc": auc_delong(label, margin(logits)),
        "accuracy": proportion(int((called == label).sum()), len(label)),
        "sensitivity": proportion(int(called[label].sum()), int(label.sum())),
        "specificity": proportion(int((~called[~label]).sum()), int((~label).sum())),
        "ece": Metric(
            ece, float(np.quantile(resampled, 0.025)), float(np.quantile(resampled, 0.975)), len(label)
        ),
    }


def best_possible(label: np.ndarray, best: np.ndarray) -> dict[str, float]:
    """AUC of an optimal reader on these very cases, `best` (case, 3) his answers: what there was to win."""
    return {arm: float(roc_auc_score(label, best[:, k])) for k, arm in enumerate(("us", "mri", "fused"))}


def _resampled_ece(label: np.ndarray, probability: np.ndarray, rng: np.random.Generator) -> float:
    cases = rng.integers(0, len(label), len(label))
    return calibration_error(label[cases], probability[cases])
