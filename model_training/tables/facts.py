"""What a study says of itself to a checklist."""

from __future__ import annotations

from importlib.metadata import version

import pandas as pd

from breastview import __version__
from breastview.fusion.spec import CHANNELS, InputSpec
from model_training.cohort.samples import DISPLACED_MM
from model_training.markdown import figure
from model_training.recipe import to_plain
from model_training.scope import is_simulated
from model_training.tables.paper import ARM_NAMES, NAMES, NOTES, ORDER
from model_training.tables.rows import Row, study_rows
from model_training.tables.study import NATIVE, SIMULATED, Study

LIBRARIES = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "statsmodels")
SELECTION = {  # by the recipe's `keep`
    "best": "The epoch with the best AUC on validation lesions.",
    "last": "The last epoch; nothing was chosen on validation lesions.",
}
DESCRIBED = ("age_y", "density", "size_mm", "scanner", "bi_rads")


def study_facts(study: Study) -> dict[str, str]:
    """Facts by the names that `checklists` asks for; what the run does not know is not there."""
    return {**_about_cases(study), **_about_networks(study), **_about_figures(study)}


def _about_cases(study: Study) -> dict[str, str]:
    about, first = study.about, study.counts[0]
    parts = "; ".join(f"{part} {n} lesions of {people} patients" for part, (n, people) in first.items())
    sources = ", ".join(sorted(set(about["source"].astype(str))))
    own = "; of the first" if len(study.counts) > 1 else ""
    all_simulated = bool(is_simulated(about).all())
    nobody = "No patient took part: all are simulated." if all_simulated else ""
    facts = {
        "sources": f"Cohort: {sources}." + (f" {SIMULATED}" if study.simulated else ""),
        "partitions": f"{folds_told(study)}{own}: {parts}.",
        "level": "Patient, and near-duplicate group; a patient in two parts ends the run with an error.",
        "missing": "Lesions without US or MRI in its plane take no part; a missing MRI channel is masked, "
        "never imputed.",
        "subsets": "A square crop around the reader's lesion box; MRI resampled into the US plane, and as "
        "acquired for one network.",
        "characteristics": _characteristics(about),
        "reference": "The simulation's own label." if all_simulated else "",
        "ethics": nobody,
        "deidentification": nobody,
        "scanners": _values(about, "scanner"),
    }
    return {name: told for name, told in facts.items() if told}


def _about_networks(study: Study) -> dict[str, str]:
    inputs, recipe = InputSpec(), study.recipe
    channels = ", ".join(channel.value.upper() for channel in CHANNELS)
    weighted = (
        "Both classes weigh alike in the loss." if recipe.class_weighted else "Classes are not weighted."
    )
    trunks = (
        "a trunk a modality"
        if recipe.strategy == "staged"
        else "convolutions shared by both modalities, with stems and batch norms of their own"
    )
    native = f"{NATIVE.mri} for one {NAMES[NATIVE.trunk]} {ARM_NAMES[NATIVE.arm]}"
    followed = {**to_plain(recipe), "mri": f"registered, and {native}"}
    return {
        "kind": "Deep learning: convolutional networks tell malignant breast lesions on US and MRI.",
        "goal": "Development and internal evaluation of networks on US, on MRI and on both.",
        "inputs": f"One US crop and MRI channels {channels} of the same lesion; no clinical predictors.",
        "preprocessing": f"The application's own: crop = lesion box × {inputs.margin:g}, grey values to mean "
        f"{inputs.us_mean:g} and spread {inputs.us_std:g}, MRI scaled by its margin, {recipe.size_px}² px.",
        "network": f"{', '.join(NAMES[trunk] for trunk in ORDER)}: {trunks}, pooled features fused by "
        "softmax weights, a linear classifier.",
        "software": f"breastview {__version__}; "
        + ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
        + ".",
        "start": "Random weights.",
        "recipe": "; ".join(f"{name} {value}" for name, value in followed.items()) + ".",
        "selection": SELECTION[recipe.keep],
        "ensemble": "None."
        if study.repeats == 1
        else f"A lesion's answer is the mean of {study.repeats} networks', one of each draw of the folds.",
        "imbalance": weighted,
        "calibration": "A temperature fitted on validation lesions; no updating on test lesions.",
        "predictions": "The fused head's calibrated log odds on each test lesion; averaged weights.",
        "output": "A calibrated probability of malignancy; called malignant from Youden's point of the "
        "validation lesions upwards.",
        "explainability": "Not evaluated in this run.",
    }


def _about_figures(study: Study) -> dict[str, str]:
    rows = study_rows(study, ("us", "mri", "fused"))
    away = "/".join(f"{mm:g}" for mm in DISPLACED_MM)
    limits = [
        *study.caveats,
        "Internal evaluation only.",
        f"The published study that it follows does not fit throughout: {NOTES[1]}",
    ]
    return {
        "metrics": "Accuracy, sensitivity, specificity, AUC; ROC, reliability and decision curves.",
        "statistics": "95 % intervals: Wilson, DeLong, resampled patients; paired DeLong and McNemar with "
        "Holm's correction.",
        "robustness": f"MRI as acquired, registered, and misregistered by {away} mm (Table 3).",
        "internal": f"{folds_told(study)}, of one cohort.",
        "external": "None.",
        "performance": "AUC: " + "; ".join(_told(row, "auc") for row in rows) + ".",
        "accuracy": "Accuracy: " + "; ".join(_told(row, "accuracy") for row in rows) + "; Tables 1 and 2.",
        "limitations": " ".join(limits),
        "detail": "cell.json of each network, and the code of this version.",
    }


def folds_told(study: Study) -> str:
    """Into what the cohort was split, and how often."""
    count = len(study.counts) // study.repeats
    split = "One patient-wise split" if count == 1 else f"{count} patient-wise folds"
    return split if study.repeats == 1 else f"{split}, drawn {study.repeats} times"


def _characteristics(about: pd.DataFrame) -> str:
    told = [f"Test lesions: {len(about)}, {about['malignant'].sum()} malignant."]
    return " ".join([*told, *(f"{name}: {words}" for name in DESCRIBED if (words := _values(about, name)))])


def _values(about: pd.DataFrame, name: str) -> str:
    """Median and range of numbers, counts of words; empty where nothing is known."""
    known = about[name].dropna() if name in about else pd.Series(dtype=object)
    known = known[known.astype(str).str.strip() != ""]
    if known.empty:
        return ""
    numbers = pd.to_numeric(known, errors="coerce")
    if numbers.notna().all():
        return f"median {numbers.median():g} ({numbers.min():g}–{numbers.max():g})."
    return (
        ", ".join(f"{value} {n}" for value, n in known.astype(str).value_counts().sort_index().items()) + "."
    )


def _told(row: Row, name: str) -> str:
    return f"{row.name} {figure(row.metrics[name])}"
