"""What a bundle is worth on lesions that it was not trained on: simulated patients, reviews, or labelled
stills.

The answer is a plain mapping for JSON; a figure is {value, low, high, n}, and where the best possible is
known, {…, bayes}. Where patients have several lesions, AUCs, what is gained, rates and calibration have
intervals over patients.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from breastview.fusion.bundle import Bundle
from breastview.fusion.spec import TWO_VIEWS, US_ONLY, InputSpec, Metric, ModelSpec
from breastview.phantom.patient import VIEWS_A_LESION
from model_training import evaluate
from model_training.agreement import Check, check_metrics
from model_training.attention import attention_shares
from model_training.batches import has_mri
from model_training.calibrate import Head
from model_training.cohort.criteria import Criterion
from model_training.cohort.samples import BEST, Samples, load_cohort
from model_training.cohort.simulated import CohortError, simulate_cohort
from model_training.cohort.stills import stills_with_masks
from model_training.evaluate.discrimination import Z
from model_training.likeness import unlike_metrics
from model_training.markdown import figure
from model_training.predict import predict_mean, predict_together
from model_training.team import Team

log = logging.getLogger(__name__)
Logits = dict[str, np.ndarray]
ARMS = ("us", "mri", "fused")
FEWEST = 2  # lesions of a class that an AUC and its interval take
NULL_SHARE = 4  # one patient of the null arm for so many others
Found = dict[str, Any]


def measured_simulated(bundle: Bundle, count: int, seed: int, folder: Path, workers: int = 2) -> Found:
    """`measure_pairs` on `count` simulated patients from `seed` on, and a quarter as many of the null arm."""
    arms = {}
    for null, n in ((False, count), (True, max(count // NULL_SHARE, 20))):
        place, first = folder / ("null" if null else "pairs"), {"test": seed}
        simulate_cohort(place, {"test": n}, bundle.spec.input, VIEWS_A_LESION, workers, null, first)
        arms[null] = load_cohort(place, "test")
    return {"on": "simulated patients", "seed": seed, **measure_pairs(bundle, arms[False], arms[True])}


def measured_cohort(bundle: Bundle, samples: Samples, team: Team) -> Found:
    """`measure_all` on the test part of a cohort that stands, shared out in a team; raises CohortError too
    where its pictures are smaller than those that the bundle sees."""
    cut_px, size_px = samples.us.shape[-1], bundle.spec.input.size_px
    if cut_px < size_px:
        raise CohortError(
            f"the cohort holds pictures of {cut_px} px, the bundle sees {size_px} px: make it with "
            f"--size {size_px}"
        )
    if samples.box_shaped.any():
        raise CohortError(
            "crops with the proportions of their boxes are not what the bundle sees: take --stills"
        )
    return {"on": "a cohort's test part", **measure_all(bundle, samples, team)}


def measured_records(
    bundle: Bundle, records: Path, patients: Path, folder: Path, criteria: Sequence[Criterion] = ()
) -> Found:
    """`measure_all` on review records with pathology, but for lesions that the criteria exclude; raises
    FileNotFoundError where none is of use, and says why. What is wrong with a record is logged."""
    from model_training.cohort.records import records_cohort  # DICOM, which the rest does without

    taken = records_cohort(records, patients, folder, bundle.spec.input, VIEWS_A_LESION, criteria)
    if not taken.lesions:
        why = [f"{count} skipped: {reason}" for reason, count in taken.skipped.items()]
        raise FileNotFoundError("\n".join(["no lesion of the records is of use", *why, *taken.problems]))
    for problem in taken.problems:
        log.warning("%s", problem)
    samples, lone = load_cohort(folder), None
    if bundle.spec.us_only_input is not None:
        place, inputs = folder / US_ONLY, bundle.spec.us_only_input
        records_cohort(records, patients, place, inputs, VIEWS_A_LESION, criteria)
        again = load_cohort(place)
        lone = again.take(~has_mri(samples, bundle.spec.input.mri_input))
    found = measure_all(bundle, samples, lone=lone)
    return {"on": "review records", "problems": len(taken.problems), "skipped": dict(taken.skipped), **found}


def measured_stills(
    bundle: Bundle, source: Path, folder: Path, fixed_magnification: bool = False, without_marks: bool = False
) -> Found:
    """`measure_stills` on a folder of stills, with the size of lesions or burned-in marks hidden or not."""
    samples, masks = stills_with_masks(
        source, folder, bundle.spec.input_alone, 1, fixed_magnification, without_marks
    )
    how = {"fixed_magnification": fixed_magnification, "without_marks": without_marks}
    return {"on": "stills", **how, **measure_stills(bundle, samples, masks)}


def as_table(found: Found, indent: str = "") -> str:
    """A line a figure: its name, value, interval and n, and what there was to win."""
    lines = []
    for name, value in found.items():
        if isinstance(value, dict) and "low" in value:
            best = f", best possible {value['bayes']:.3f}" if "bayes" in value else ""
            metric = Metric(*(value[key] for key in ("value", "low", "high", "n")))
            lines.append(f"{indent}{name:<24} {_shown(metric)}, n = {metric.n}{best}")
        elif isinstance(value, dict) and value:
            lines += [f"{indent}{name}", as_table(value, indent + "  ")]
        else:
            lines.append(f"{indent}{name:<24} {'none' if value == {} else value}")
    return "\n".join(lines)


def as_json(found: Found) -> str:
    """Figures as JSON; null is what has no bound, which JSON has no number for."""
    return json.dumps(_finite(found), indent=1, allow_nan=False) + "\n"


def _shown(metric: Metric) -> str:
    """A figure with its interval; a slope has no bound where a fit can be as steep as one likes."""
    if math.isinf(metric.value):
        return "no bound, as malignant and benign do not overlap"
    return figure(metric).replace("inf", "∞")


def _finite(value: Any) -> Any:
    """The same without numbers that are infinite or none."""
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def measure_all(
    bundle: Bundle, samples: Samples, team: Team | None = None, lone: Samples | None = None
) -> Found:
    """`measure_pairs`; where the bundle has a scope for US alone, of the lesions with MRI, and "us_only" of
    the others. Of either, the counts alone where it is the one with too few of a class; raises as
    `measure_pairs` does where both are.

    `lone` are the others as the bundle cuts them; one that cuts them otherwise than the rest is not measured
    on them without.
    """
    if bundle.spec.us_scope is None:
        return measure_pairs(bundle, samples, team=team)
    has = has_mri(samples, bundle.spec.input.mri_input)
    pairs = samples.take(has)
    if lone is None:
        lone = samples.take(~has)
        if bundle.spec.us_only_input is not None and len(lone):
            log.warning("%d lesions without MRI are cut otherwise than the bundle sees them", len(lone))
            return measure_pairs(bundle, pairs, team=team)
    if not _suffice(lone.label):
        found = measure_pairs(bundle, pairs, team=team)
        return {**found, US_ONLY: _counts(lone.label)} if len(lone) else found
    found = measure_pairs(bundle, pairs, team=team) if _suffice(pairs.label) else _counts(pairs.label)
    return {**found, US_ONLY: _figures(lone, *_us_answers(bundle, lone))}


def measure_pairs(
    bundle: Bundle, samples: Samples, null: Samples | None = None, team: Team | None = None
) -> Found:
    """Discrimination of each modality and of both, what fusion gains, calibration and rates of the fused
    head.

    A lesion with a second view is answered as the application answers it: in both where the bundle reads two;
    "us_one_view" and "fused_one_view" are the first view alone.
    "us_alone" and "mri_alone" are the fused head without the other modality. What looks at MRI is measured on
    the lesions that have it. If the bundle checks
    registrations, `misregistered_flagged` and `false_flags` say how well; "us_unlike" and "mri_unlike" are
    the shares of crops that it doubts. `null` are lesions in whose MRI there is nothing that US did not show:
    `null_gain` is what fusion gains there. The processes of a `team` share the lesions, and each gets the
    figures.

    Raises:
        CohortError: fewer than two lesions are malignant, or benign.
    """
    _check_classes(samples)
    label, patients = samples.label, samples.patient
    size_px, mri = bundle.spec.input.size_px, bundle.spec.input.mri_input
    told = predict_together(bundle.networks, samples, size_px, team or Team(), mri, whole=True)
    probability, called = _calls(bundle.spec, told)
    calibration = evaluate.calibration_metrics(label, probability, patients)
    found: Found = {
        **_counts(label),
        "in_two_views": int(_in_two_views(bundle.spec, told).sum()),
        "auc": _aucs(samples, _as_read(bundle.spec, told)),
        **{name: asdict(calibration[name]) for name in ("ece", "brier", "slope", "intercept")},
        **_rates(samples, called),
    }
    if bundle.network.agreement is not None and samples.channels.any():
        check = Check(bundle.network.agreement, bundle.spec.operating_point["registration"])
        worth = {name: asdict(metric) for name, metric in check_metrics(check, samples).items()}
        found["misregistered_flagged"], found["false_flags"] = worth.pop("flagged"), worth.pop("false_flags")
        found |= worth
    found |= _unlike(bundle, samples, bundle.spec.input)
    if null is not None:
        answers = predict_mean(bundle.networks, null, size_px, mri, whole=True)
        found["null_gain"] = _gain(null, _odds(_as_read(bundle.spec, answers)))
    return found


def _in_two_views(spec: ModelSpec, told: Logits) -> np.ndarray:
    """Which lesions the application answers in two views, bool (case,)."""
    two = told.get("fused" + TWO_VIEWS)
    if two is None or not spec.reads_two_views:
        return np.zeros(len(told["fused"]), bool)
    return np.asarray(np.isfinite(two).all(axis=1))


def _as_read(spec: ModelSpec, told: Logits) -> Logits:
    """Logits (case, 2) by head as the application answers, and where it differs, of the first view alone."""
    two = _in_two_views(spec, told)
    first = {name: logits for name, logits in told.items() if not name.endswith(TWO_VIEWS)}
    if not two.any():
        return first
    read = {
        name: np.where(two[:, None], told.get(name + TWO_VIEWS, logits), logits)
        for name, logits in first.items()
    }
    return {**read, **{f"{name}_one_view": told[name] for name in ("us", "fused")}}


def _calls(spec: ModelSpec, told: Logits) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated probability (case,) of the fused head as the application answers, and whether that is a
    call, bool (case,)."""
    answers = []
    for head in ("fused", "fused" + TWO_VIEWS):
        if head in told and head in spec.temperature:
            probability = evaluate.calibrated(told[head], spec.temperature[head])
            answers.append((probability, probability >= spec.operating_point[head]))
    two = _in_two_views(spec, told)
    probability, called = (np.where(two, own[-1], own[0]) for own in zip(*answers, strict=True))
    return probability, called


def measure_stills(bundle: Bundle, samples: Samples, masks: Mapping[str, np.ndarray]) -> Found:
    """The US head on labelled stills, calibrated as for US alone where the bundle is, and where its attention
    lies.

    `masks` are shares of each pixel of the crop, float (case, size, size), that are "lesion" and "text".

    Raises:
        CohortError: fewer than two stills are malignant, or benign.
    """
    _check_classes(samples)
    odds, called = _us_answers(bundle, samples)
    shares = attention_shares(bundle.networks, samples, masks)
    unlike = _unlike(bundle, samples, bundle.spec.input_alone)
    return {**stills_figures(samples, odds, called, shares), **unlike}


def stills_figures(
    samples: Samples, odds: np.ndarray, called: np.ndarray, shares: Mapping[str, np.ndarray]
) -> Found:
    """The figures of stills from calibrated log odds (case,), calls bool (case,), and `attention_shares`.

    "at_one_half" are the rates where a probability of one half calls: no few validation stills chose it.
    """
    seen = {name: values[np.isfinite(values)] for name, values in shares.items()}
    attention = {name: _mean(values) for name, values in seen.items()}
    half = _rates(samples, odds >= 0)
    return {**_figures(samples, odds, called), "at_one_half": half, "attention": attention}


def _us_answers(bundle: Bundle, samples: Samples) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated log odds (case,) of the US head, and its calls bool (case,)."""
    logits = predict_mean(bundle.networks, samples, bundle.spec.input_alone.size_px)["us"]
    name = US_ONLY if US_ONLY in bundle.spec.temperature else "us"
    head = Head(name, bundle.spec.temperature[name], bundle.spec.operating_point[name])
    return head.says(logits)


def _figures(samples: Samples, odds: np.ndarray, called: np.ndarray) -> Found:
    """n, AUC, rates and calibration error from calibrated log odds (case,) and calls bool (case,)."""
    found = evaluate.metrics_of_calls(samples.label, odds, called, samples.patient)
    return {**_counts(samples.label), **{name: asdict(metric) for name, metric in found.items()}}


def _unlike(bundle: Bundle, samples: Samples, inputs: InputSpec) -> Found:
    """How many of the crops are doubted, where the bundle can doubt them."""
    spec = bundle.spec
    thresholds = {name: spec.operating_point[f"{name}_unlike"] for name in spec.network.checks_likeness}
    worth = unlike_metrics(bundle.network, thresholds, samples, inputs.size_px, inputs.mri_input)
    return {f"{name}_unlike": asdict(metric) for name, metric in worth.items()}


def _odds(logits: Logits) -> dict[str, np.ndarray]:
    """Log odds (case,) by head; no number where it has nothing to see."""
    return {name: evaluate.margin(one) for name, one in logits.items()}


def _aucs(samples: Samples, logits: Logits) -> Found:
    """AUC of each head on the lesions that it sees, beside the best possible on these where it is known, and
    what fusion gains."""
    odds, unknown = _odds(logits), np.full(len(samples), np.nan)
    best = dict(zip(ARMS, samples.about.reindex(columns=list(BEST)).to_numpy(float).T, strict=True))
    found = {name: _auc(samples, own, best.get(name, unknown)) for name, own in odds.items()}
    return {**found, "fused_minus_best": _gain(samples, odds)}


def _auc(samples: Samples, odds: np.ndarray, best: np.ndarray) -> Found:
    """AUC of log odds (case,), and of an optimal reader's `best` (case,), where they are numbers; the counts
    alone where too few are of a class."""
    seen = np.isfinite(odds)
    label = samples.label[seen]
    if not _suffice(label):
        return _counts(label)
    found = asdict(evaluate.auc_among(label, odds[seen], samples.patient[seen]))
    known = bool(np.isfinite(best[seen]).all())
    return {**found, **({"bayes": evaluate.auc(label, best[seen])} if known else {})}


def _gain(samples: Samples, odds: Mapping[str, np.ndarray]) -> Found:
    """AUC of the fused head minus that of the better single one, on the lesions that have both
    modalities; the counts alone where too few are of a class."""
    seen = np.all([np.isfinite(odds[name]) for name in ARMS], axis=0)
    label, rating = samples.label[seen], {name: odds[name][seen] for name in ARMS}
    if not _suffice(label):
        return _counts(label)
    best = max(("us", "mri"), key=lambda name: evaluate.auc(label, rating[name]))
    return asdict(evaluate.gain_among(label, rating["fused"], rating[best], samples.patient[seen]))


def _check_classes(samples: Samples) -> None:
    if not _suffice(samples.label):
        raise CohortError(
            f"of {len(samples)} lesions {samples.label.sum()} are malignant: figures need {FEWEST} malignant "
            f"and {FEWEST} benign ones at least"
        )


def _suffice(label: np.ndarray) -> bool:
    """Whether there are enough lesions of both classes for an AUC with its interval."""
    return bool(min(label.sum(), (~label).sum()) >= FEWEST)


def _counts(label: np.ndarray) -> Found:
    return {"n": len(label), "malignant": int(label.sum())}


def _rates(samples: Samples, called: np.ndarray) -> Found:
    found = evaluate.rates_among(samples.label, called, samples.patient)
    return {name: asdict(metric) for name, metric in found.items()}


def _mean(values: np.ndarray) -> Found:
    """The mean with its normal interval; the count alone where there are fewer than two."""
    if len(values) < 2:
        return {"n": len(values)}
    half = Z * values.std(ddof=1) / len(values) ** 0.5
    mean = values.mean()
    return asdict(Metric(float(mean), float(mean - half), float(mean + half), len(values)))
