"""The scope of a bundle: read off the manifest of the cases that it was measured on."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from breastview.fusion.spec import Scope

FEWEST = 100  # malignant, and benign, lesions below which a bundle is for research only
SIMULATED = "Validated on simulated patients only: software verification, not clinical evidence."


def is_simulated(about: pd.DataFrame) -> np.ndarray:
    """Which rows of a manifest are of simulated patients, bool (n,)."""
    told = about["simulated"].eq(True) if "simulated" in about else False
    return np.asarray((about["source"] == "simulated") | told, bool)


def scope_of(about: pd.DataFrame, has_mri: bool = True) -> Scope:
    """The scope of a bundle that was measured on these lesions, rows of a manifest; unknown bounds stay open.

    A hundred malignant and as many benign lesions are the least that a validation is worth: Vergouwe et al.,
    J. Clin. Epidemiol. 58:475 (2005); Collins et al., Stat. Med. 35:214 (2016).
    """
    simulated = bool(is_simulated(about).all())
    malignant = int(about["malignant"].sum())
    ages, sizes = (_numbers(about, name) for name in ("age_y", "size_mm"))
    sources = _words(about, "source")
    return Scope(
        simulated_only=simulated,
        modalities=("us", "mri", "fused") if has_mri else ("us",),
        required_channels=("dce",) if has_mri else (),
        min_age_y=math.floor(ages.min()) if len(ages) else None,
        note=SIMULATED if simulated else _note(about, malignant, sources),
        sources=sources,
        scanners=_words(about, "scanner"),
        densities=tuple(sorted({word.casefold() for word in _words(about, "density")})),
        max_age_y=math.ceil(ages.max()) if len(ages) else None,
        sizes_mm=(float(math.floor(sizes.min())), float(math.ceil(sizes.max()))) if len(sizes) else None,
        research_only=min(malignant, len(about) - malignant) < FEWEST,
    )


def _note(about: pd.DataFrame, malignant: int, sources: tuple[str, ...]) -> str:
    if sources == ("stills",):
        return f"Ultrasound alone: validated on {len(about)} labelled stills ({malignant} malignant)."
    mixed = "; simulated patients among them" if is_simulated(about).any() else ""
    people = about["patient"].nunique()
    return (
        f"Validated on {len(about)} lesions ({malignant} malignant) of {people} patients "
        f"from {', '.join(sources)}{mixed}."
    )


def _numbers(about: pd.DataFrame, name: str) -> pd.Series:
    if name not in about:
        return pd.Series(dtype=float)
    return pd.to_numeric(about[name], errors="coerce").dropna()


def _words(about: pd.DataFrame, name: str) -> tuple[str, ...]:
    if name not in about:
        return ()
    known = about[name].dropna().astype(str).str.strip()
    return tuple(sorted(set(known[known != ""])))
