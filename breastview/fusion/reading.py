"""What the model answers: numpy and plain values, no torch."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from breastview.fusion.spec import US_ONLY, Metric, ModelSpec, Scope, measured_as
from breastview.messages import Message
from breastview.records.values import KeptReading

LEAST_SHOWN = 0.15  # of the model-wide scale: below it the colours are too faint to be seen


@dataclass(frozen=True)
class Eligibility:
    """Whether a lesion is inside the bundle's scope; `reasons` says why not, one message each. `us_only`: it
    is not, but inside that of US alone."""

    eligible: bool
    reasons: tuple[Message, ...] = ()
    us_only: bool = False

    @property
    def allows_reading(self) -> bool:
        """Whether the model may say anything."""
        return self.eligible or self.us_only


@dataclass(frozen=True, eq=False)
class Heatmap:
    """Grad-CAM of one modality over the crop that the network saw ("model attention, not lesion outline").

    `values` is read-only float32 (row, column) in 0…1, divided by the model-wide `scale`, not stretched;
    `raw_peak` is the largest raw value before scaling. The crop covers `left, top, width, height` in pixels
    of the US frame (US, or with `second_view` that of the second view), or in mm of the US plane (`mri`,
    registered input), or in mm of `plane`, the (4, 4) to LPS mm of the acquired plane through the MRI mark
    (`mri`, native input).
    """

    modality: str
    values: np.ndarray
    raw_peak: float
    left: float
    top: float
    width: float
    height: float
    plane: np.ndarray | None = None
    second_view: bool = False

    @property
    def shows(self) -> bool:
        """Whether there is anything to see: an image that speaks against malignancy leaves its map empty."""
        return float(self.values.max()) >= LEAST_SHOWN


@dataclass(frozen=True, eq=False)
class Reading:
    """The model's answer for one lesion. Probabilities of malignancy are calibrated; None where not computed.

    `views` says in how many US pictures the lesion was read. `cautions` say what to look at before it is
    believed. A refusal has an eligibility that allows no reading,
    no probability and no heatmaps, unless `research_override`.
    """

    lesion_id: str
    eligibility: Eligibility
    research_override: bool
    model_name: str
    model_sha256: str
    input_sha256: str
    device: str
    demonstration: bool
    probability: float | None = None
    probability_us: float | None = None
    probability_mri: float | None = None
    weight_us: float | None = None
    weight_mri: float | None = None
    heatmaps: tuple[Heatmap, ...] = ()
    cautions: tuple[Message, ...] = ()
    views: int = 1

    @property
    def us_only(self) -> bool:
        """Whether this is what US alone tells, within the scope of that."""
        return self.eligibility.us_only and not self.research_override

    def heatmap(self, modality: str, second_view: bool = False) -> Heatmap | None:
        """The heatmap on "us", or on its second view, or on "mri", where there is one."""
        kind = (modality, second_view)
        return next((one for one in self.heatmaps if (one.modality, one.second_view) == kind), None)

    def worth(self, spec: ModelSpec) -> tuple[Scope, dict[str, Metric]]:
        """What the answer is worth: the scope that it stands in, and the figures measured there."""
        if self.us_only and spec.us_scope is not None:
            return spec.us_scope, spec.metrics.get(US_ONLY, {})
        alone = {"us": self.probability_us, "mri": self.probability_mri}
        told = [name for name, value in alone.items() if value is not None]
        head = told[0] if self.probability is None and len(told) == 1 else "fused"
        return spec.scope, spec.metrics.get(measured_as(head, self.views), {})

    def is_from(self, spec: ModelSpec | None) -> bool:
        """Whether this very model answered: no answer is shown or printed under another model's name."""
        return spec is not None and self.model_sha256 == spec.weights_sha256


def refusal(
    spec: ModelSpec, lesion_id: str, input_sha256: str, eligibility: Eligibility, device: str = ""
) -> Reading:
    """A reading without numbers: the case is not eligible, and the reasons say why."""
    return Reading(
        lesion_id=lesion_id,
        eligibility=eligibility,
        research_override=False,
        model_name=spec.name,
        model_sha256=spec.weights_sha256,
        input_sha256=input_sha256,
        device=device,
        demonstration=spec.demonstration,
    )


_KEPT = {one.name for one in fields(Reading)} & {one.name for one in fields(KeptReading)}


def keep(reading: Reading) -> KeptReading:
    """What the record keeps of a reading: everything but the heatmaps."""
    said = reading.eligibility
    kept = {name: getattr(reading, name) for name in _KEPT}
    return KeptReading(**kept, eligible=said.eligible, reasons=said.reasons, us_only=said.us_only)


def restored(kept: KeptReading) -> Reading:
    """The reading that a record kept; its heatmaps are gone until the model runs again."""
    said = Eligibility(kept.eligible, kept.reasons, kept.us_only)
    return Reading(**{name: getattr(kept, name) for name in _KEPT}, eligibility=said)
