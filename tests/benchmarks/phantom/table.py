"""Measured beside published figures, with the source of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tests.benchmarks.phantom.descriptors import predictive
from tests.benchmarks.phantom.population import implied_auc

HONG = "Hong et al., AJR 184:1260 (2005), 141 malignant and 262 benign masses"
# What Hong et al. found, as shares of malignant and of benign masses: of 22 spiculated 19 were malignant, of
# 164 irregular 102, of 109 non-parallel 75; of 178 circumscribed 160 were benign, of 237 oval 200.
HONG_SHARES = {
    "irregular": (102 / 141, 62 / 262),
    "oval": (37 / 141, 200 / 262),
    "non-parallel": (75 / 141, 34 / 262),
    "spiculated": (19 / 141, 3 / 262),
    "circumscribed": (18 / 141, 160 / 262),
}
KUHL = "Kuhl et al., Radiology 211:101 (1999), 101 malignant and 165 benign"
KUHL_SHARES = {
    "persistent": (0.089, 0.830),
    "plateau": (0.336, 0.115),
    "wash-out": (0.574, 0.055),
}
WASH_OUT_ASKED, WASH_OUT_BENIGN = 0.75, 0.06
NIPPLE = "prone and supine MRI of 31 lesions, Ultrasound Med Biol 43:412 (2017)"

Found = dict[str, Any]


def table(found: Mapping) -> list[Found]:
    """Rows of name, measured, unit, published, source and note."""
    rows = [
        *physics_rows(found),
        *motion_rows(found),
        *auc_rows(found["bayes_auc"]),
        *curve_rows(found),
        *size_rows(found["lesion_size_mm"]),
        *descriptor_rows(found),
        *real_rows(found),
    ]
    keys = ("name", "measured", "unit", "published", "source", "note")
    return [dict(zip(keys, (*row, "")[:6], strict=True)) for row in rows]


def physics_rows(found: Mapping) -> Iterable[tuple]:
    """Speckle, contrast, diffusion."""
    wagner = "Wagner et al., IEEE T-SU 30:156 (1983)"
    yield "speckle mean/SD, one look", found["speckle_snr"], "", "1.91", wagner
    for series, pairs in found["tissue_contrast"].items():
        for pair, value in pairs.items():
            name = f"{series}, {pair} against the equation (n = {value['n']})"
            seen = f"{value['as_seen']['median']:+.0f} % with the coil's slope"
            yield name, value["median"], "%", "0 ± 15", "spin-echo equation, tissue table", seen
    published = {
        "malignant": ("1.07 ± 0.37", "asked for; 1.06 at b 0 and 800 in Gupta et al. 2016"),
        "benign": ("1.57", "Gupta et al. 2016 (b 0 and 800); 1.66 in a series of 26 (2009)"),
        "gland": ("1.55–1.9", "1.55 in the same series; 1.81 in Parsian et al., Radiology 265:696 (2012)"),
    }
    for name, adc in found["adc"].items():
        value, spread = (adc["mean"], f"± {adc['sd']:.2f}, n = {adc['n']}") if adc else (None, "")
        yield f"ADC, {name}", value, "10⁻³ mm²/s", *published[name], spread


def motion_rows(found: Mapping) -> Iterable[tuple]:
    """Deformation."""
    change, own = found["lesion_nipple_change_mm"], "the bar"
    for way, published in (("sideways", "8 (0–34)"), ("vertical", "5 (0–39.5)")):
        most = f"largest {change[way]['max']:.0f} of {change['n']}"
        yield f"lesion–nipple distance, {way}", change[way]["median"], "mm", published, NIPPLE, most
    yield "inverse of the deformation, largest error", found["inverse_error_mm"]["max"], "mm", "≤ 0.05", own
    share = found["jacobian"]["share_not_positive"]
    yield "Jacobian, smallest", found["jacobian"]["min"], "", "> 0", own, f"{100 * share:.3f} % not positive"
    yield "Jacobian, median", found["jacobian"]["median"], "", "1", "tissue keeps its volume"


def auc_rows(auc: Mapping) -> Iterable[tuple]:
    """Empirical against closed form."""
    for arm, values in (("", auc), (", null arm", auc["null_arm"])):
        for name in ("us", "mri", "fused"):
            yield (
                f"Bayes AUC, {name}{arm}",
                values["empirical"][name],
                "",
                f"{values[name]:.4f}",
                "closed form",
            )


def curve_rows(found: Mapping) -> Iterable[tuple]:
    """Types of uptake curve, drawn and read off the images."""
    for label, place in (("malignant", 0), ("benign", 1)):
        for kind, published in KUHL_SHARES.items():
            note = _wash_out_note() if kind == "wash-out" else ""
            for how in ("drawn", "on_images"):
                share, n = (found[f"curve_types_{how}"][label][key] for key in (kind, "n"))
                name = f"{label}, {kind}, {how.replace('_', ' ')} (n = {n})"
                yield name, share, "", f"{published[place]:.3f}", KUHL, note


def _wash_out_note() -> str:
    both = implied_auc(WASH_OUT_ASKED, WASH_OUT_BENIGN)
    kuhl = implied_auc(*KUHL_SHARES["wash-out"])
    return (
        f"asked: 3 of 4 malignant or more. With 6 % of benign that is an AUC of {both:.2f} of the curve alone"
        f" (Kuhl's own pair: {kuhl:.2f}), above what one modality is to reach: both cannot be met"
    )


def size_rows(sizes: Mapping) -> Iterable[tuple]:
    """Longest axis."""
    for label, size in sizes.items():
        spread = f"5–95 %: {size['p5']:.0f}–{size['p95']:.0f}; mean {size['mean']:.1f}"
        yield f"longest axis, {label}, median", size["p50"], "mm", "5–40", "asked for", spread


def descriptor_rows(found: Mapping) -> Iterable[tuple]:
    """BI-RADS US descriptors; published predictive values are converted to half of the lesions malignant."""
    simulated, real = found["descriptors"]["simulated"], found["descriptors"]["busi"]
    for word, by in simulated["shares"].items():
        pair = HONG_SHARES.get(word)
        for place, label in enumerate(("malignant", "benign")):
            published = f"{pair[place]:.2f}" if pair else "–"
            yield f"{label}, {word}", by[label], "", published, HONG if pair else "", _busi(real, word, label)
        ours, theirs = predictive(by["malignant"], by["benign"]), predictive(*pair) if pair else None
        published = "–" if theirs is None else f"{theirs:.2f}"
        note = "predictive value at a prevalence of .5"
        yield f"{word}: malignant among them", ours, "", published, HONG if pair else "", note


def _busi(real: Mapping | None, word: str, label: str) -> str:
    share = real and real["shares"][word][label]
    return "" if share is None else f"BUSI by the same ruler: {share:.2f}"


def real_rows(found: Mapping) -> Iterable[tuple]:
    """Told from real."""
    for name in ("us", "mri"):
        yield (
            f"real or simulated: {name}, AUC",
            found[f"real_vs_simulated_auc_{name}"],
            "",
            ".5",
            "none could tell",
        )


def line(row: Mapping) -> str:
    """One line of the table."""
    value = "not measured" if row["measured"] is None else f"{row['measured']:.3f} {row['unit']}"
    return f"{row['name']:<58} {value:>20}   {row['published']:>12}  {row['source']}; {row['note']}".rstrip(
        "; "
    )
