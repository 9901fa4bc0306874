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
RAHBAR = "Rahbar et al., Radiology 213:889 (1999), 38 malignant and 124 benign masses"
RAHBAR_SHARES = {"width:depth ≤ 1.4": (28 / 38, 42 / 124)}  # 28 of 70 malignant; above 1.4, 82 of 92 benign
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
        *speed_rows(found),
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


def speed_rows(found: Mapping) -> Iterable[tuple]:
    """The bars of time, and whether the two speeds agree."""
    load = f"load average {found['load_average_at_start']:.1f} at the start"
    computed = found.get("seconds_full_cpu")
    note = f"{computed:.1f} s computed by both cores; {load}" if computed else load
    yield (
        "a full-size patient through DICOM",
        found["seconds_full"],
        "s",
        "≤ 15",
        "the bar, two idle cores",
        note,
    )
    note = f"{found['cpu_s_a_patient']:.2f} s computed for one; {load}"
    yield "training patients a second", found["patients_per_s"], "1/s", "≥ 1", "the bar, two idle cores", note
    for name, kept in found.get("crop_dicom_tolerance", {}).items():
        yield f"crop and DICOM, {name}", kept["largest"], "", f"≤ {kept['allowed']}", "stated tolerance"


def physics_rows(found: Mapping) -> Iterable[tuple]:
    """Speckle, contrast, diffusion."""
    wagner = "Wagner et al., IEEE T-SU 30:156 (1983)"
    yield "speckle mean/SD, one look", found["speckle_snr"], "", "1.91", wagner
    for series, pairs in found["tissue_contrast"].items():
        for pair, value in pairs.items():
            name = f"{series}, {pair} against the equation (n = {value['n']})"
            seen = (
                f"{value['as_seen']['median']:+.0f} % with the coil's slope,"
                f" {value['without_noise']['median']:+.0f} % without noise"
            )
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
            for how in ("drawn", "on_images"):
                note = _wash_out_note() if (kind, how) == ("wash-out", "drawn") else ""
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
        yield (
            f"longest axis, {label}, median",
            size["p50"],
            "mm",
            "5–40",
            "range asked for; no medians by label traced",
            spread,
        )


def descriptor_rows(found: Mapping) -> Iterable[tuple]:
    """BI-RADS US descriptors; published predictive values are converted to half of the lesions malignant."""
    simulated, busi = found["descriptors"]["simulated"], found["descriptors"]["busi"]
    for word, by in simulated["shares"].items():
        source, pair = _published(word)
        for place, label in enumerate(("malignant", "benign")):
            published = f"{pair[place]:.2f}" if pair else "–"
            note = f"n = {simulated['n'][label]} pictures; BUSI by the same ruler: {_busi(busi, word, label)}"
            yield f"{label}, {word}", by[label], "", published, source, note
        published = f"{predictive(*pair):.2f}" if pair else "–"
        note = "where half of the lesions are malignant, published value converted"
        ours = predictive(by["malignant"], by["benign"])
        yield f"malignant among the {word}", ours, "", published, source, note


def _published(word: str) -> tuple[str, tuple[float, float] | None]:
    """Source and shares of malignant and of benign masses."""
    if word in RAHBAR_SHARES:
        return RAHBAR, RAHBAR_SHARES[word]
    return (HONG, HONG_SHARES[word]) if word in HONG_SHARES else ("no figures traced", None)


def _busi(busi: Mapping | None, word: str, label: str) -> str:
    share = busi and busi["shares"][word][label]
    return "not measured" if share is None else f"{share:.2f}"


def real_rows(found: Mapping) -> Iterable[tuple]:
    """Told from real, and by what."""
    for name, result in found["real_vs_simulated"].items():
        worst = [f"{row['feature']} ({row['auc']:.2f})" for row in result["gives_away"][:3]] if result else []
        auc, note = result and result["auc"], "most telling alone: " + ", ".join(worst)
        yield f"real or simulated: {name}, AUC", auc, "", "0.50", "if nobody could tell", note


def line(row: Mapping) -> str:
    """One line of the table."""
    value = "not measured" if row["measured"] is None else f"{row['measured']:.3f} {row['unit']}"
    return f"{row['name']:<58} {value:>20}   {row['published']:>12}  {row['source']}; {row['note']}".rstrip(
        "; "
    )
