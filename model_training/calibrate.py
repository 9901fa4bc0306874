"""From what networks answer to probabilities and calls: a temperature and an operating point a head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from breastview.fusion.network import FusionNetwork, modality_of
from breastview.fusion.spec import TWO_VIEWS, InputSpec, Metric
from model_training import evaluate
from model_training.cohort.samples import BEST, Samples, joined
from model_training.predict import predict


@dataclass(frozen=True, eq=False)
class Answered:
    """Lesions, and what a network says of each: logits float32 (case, 2) by head."""

    samples: Samples
    logits: dict[str, np.ndarray]

    @classmethod
    def of_all(cls, nets: Sequence[FusionNetwork], parts: Sequence[Samples], inputs: InputSpec) -> Answered:
        """Each network's answers to its own part, one after the other."""
        said = [
            predict(net, part, inputs.size_px, mri=inputs.mri_input, whole=True)
            for net, part in zip(nets, parts, strict=True)
        ]
        heads = set[str]().union(*said)
        return cls(
            joined(parts), {head: np.concatenate([_logits(one, head) for one in said]) for head in heads}
        )

    @property
    def two_views(self) -> tuple[str, ...]:
        """The heads that have told of lesions in two views, where there are any."""
        return tuple(head for head in ("fused" + TWO_VIEWS, "us" + TWO_VIEWS) if head in self.logits)

    def take(self, cases: np.ndarray) -> Answered:
        """The lesions at these places, or where this mask is true."""
        return Answered(self.samples.take(cases), {head: x[cases] for head, x in self.logits.items()})

    def seen_by(self, head: str) -> tuple[np.ndarray, np.ndarray]:
        """Which lesions have what a head looks at, bool (case,), and its logits of these."""
        logits = self.logits[modality_of(head)]
        there = np.isfinite(logits).all(axis=1)
        return there, logits[there]


@dataclass(frozen=True)
class Head:
    """How the logits of the head called `name` become a probability and a call."""

    name: str
    temperature: float
    point: float

    @classmethod
    def chosen(cls, name: str, validation: Answered) -> Head:
        """Temperature, and Youden's point, on the validation cases that the head sees; the temperature by the
        optimal reader's answers where these are known."""
        there, logits = validation.seen_by(name)
        arm = modality_of(name).removesuffix(TWO_VIEWS)
        malignant = validation.samples.posterior[there, BEST.index(f"best_{arm}")]
        temperature = evaluate.fit_temperature(malignant, logits)
        label = validation.samples.label[there]
        return cls(name, temperature, evaluate.youden_point(label, evaluate.calibrated(logits, temperature)))

    def says(self, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Calibrated log odds (case,), and calls bool (case,), of logits (case, 2)."""
        odds = evaluate.margin(logits) / self.temperature
        return odds, expit(odds) >= self.point

    def metrics(self, test: Answered) -> dict[str, Metric]:
        """Figures on the test cases that the head sees; over patients where a patient has several."""
        there, logits = test.seen_by(self.name)
        label, patients = test.samples.label[there], test.samples.patient[there]
        if evaluate.several(patients):
            return evaluate.metrics_over_patients(label, logits, self.temperature, self.point, patients)
        return evaluate.metrics(label, logits, self.temperature, self.point)


def _logits(said: dict[str, np.ndarray], head: str) -> np.ndarray:
    """The logits of a head; nothing of all cases where none of them has what it looks at."""
    return said.get(head, np.full_like(said["fused"], np.nan))
