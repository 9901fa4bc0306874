"""The scope of a bundle: read off the manifest of the cases that it was measured on."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from breastview.fusion.spec import Scope
from breastview.messages import Message, message, render

CENTRAL_PERCENT = 99  # of known ages and sizes lie in the scope: an outlier must not decide
FEWEST = 100  # malignant, and benign, lesions below which a bundle is for research only
RANGES = f"Ages and sizes: the range that holds the central {CENTRAL_PERCENT} % of the measured lesions."
SIMULATED = "Validated on simulated patients only: software verification, not clinical evidence."


def is_simulated(about: pd.DataFrame) -> np.ndarray:
    """Which rows of a manifest are of simulated patients, bool (n,)."""
    told = about["simulated"].eq(True) if "simulated" in about else False
    return np.asarray((about["source"] == "simulated") | told, bool)


def scope_of(about: pd.DataFrame, has_mri: bool = True, cross_validated: bool = False) -> Scope:
    """The scope of a bundle that was measured on these lesions, rows of a manifest; unknown bounds stay open.
    Ages and sizes are the range that holds the central `CENTRAL_PERCENT`: of 200 or fewer, all.

    A hundred malignant and as many benign lesions are the least that a validation is worth: Vergouwe et al.,
    J. Clin. Epidemiol. 58:475 (2005); Collins et al., Stat. Med. 35:214 (2016).
    """
    simulated = bool(is_simulated(about).all())
    malignant = int(about["malignant"].sum())
    ages, sizes = (_range(about, name) for name in ("age_y", "size_mm"))
    sources = _words(about, "source")
    validated = None if simulated else _validated(about, malignant, sources, cross_validated)
    return Scope(
        simulated_only=simulated,
        modalities=("us", "mri", "fused") if has_mri else ("us",),
        required_channels=("dce",) if has_mri else (),
        min_age_y=ages[0] if ages else None,
        note=SIMULATED if validated is None else render(validated),
        sources=sources,
        scanners=_words(about, "scanner"),
        densities=tuple(sorted({word.casefold() for word in _words(about, "density")})),
        max_age_y=ages[1] if ages else None,
        sizes_mm=(float(sizes[0]), float(sizes[1])) if sizes else None,
        research_only=min(malignant, len(about) - malignant) < FEWEST,
        validated=validated,
    )


def _validated(
    about: pd.DataFrame, malignant: int, sources: tuple[str, ...], cross_validated: bool
) -> Message:
    if sources == ("stills",):
        code = "scope.stills_cross" if cross_validated else "scope.stills"
        return message(code, lesions=len(about), malignant=malignant)
    return message(
        "scope.validated_mixed" if is_simulated(about).any() else "scope.validated",
        lesions=len(about),
        malignant=malignant,
        patients=about["patient"].nunique(),
        sources=", ".join(sources),
    )


def _range(about: pd.DataFrame, name: str) -> tuple[int, int] | None:
    """Whole numbers between which the central ones of a column lie; None where no lesion has one."""
    known = pd.to_numeric(about[name], errors="coerce").dropna() if name in about else ()
    if not len(known):
        return None
    beyond = (100 - CENTRAL_PERCENT) / 2
    low = np.percentile(known, beyond, method="lower")
    high = np.percentile(known, 100 - beyond, method="higher")
    return math.floor(low), math.ceil(high)


def _words(about: pd.DataFrame, name: str) -> tuple[str, ...]:
    if name not in about:
        return ()
    known = about[name].dropna().astype(str).str.strip()
    return tuple(sorted(set(known[known != ""])))
