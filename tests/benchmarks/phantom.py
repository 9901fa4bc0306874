"""`python -m tests.benchmarks.phantom --cases N --seed S --json FILE` measures the simulated patient.

It changes nothing. What cannot be measured is null in the file, with the reason under `not_measured`.
Real images are taken from the folder that BREASTVIEW_DATA names.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import combinations
from math import exp, log
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from scipy.special import ive
from sklearn.metrics import roc_auc_score

from breastview.fusion.assemble import channel_volumes, model_input
from breastview.fusion.preprocess import ModelInput
from breastview.fusion.spec import CHANNELS, ModelSpec, read_spec
from breastview.imaging.scan import scan_folder
from breastview.phantom import mri
from breastview.phantom.anatomy import body_tissue
from breastview.phantom.crops import FINE_STEP_MM, MARGIN_MM, SimulatedCase, acquire_all, training_case
from breastview.phantom.dicom import SERIES, write_patient
from breastview.phantom.evidence import bayes_auc, draw_evidence
from breastview.phantom.lesion import Lesion, make_lesion
from breastview.phantom.patient import SimulatedPatient
from breastview.phantom.tissue import MAGNETIC, Tissue
from breastview.phantom.ultrasound import _envelope
from breastview.pipeline import DEMONSTRATION, LoadedCase, load_case, planes_of
from breastview.records.values import ReviewRecord
from model_training.cohort import make_shard, sample
from tests.benchmarks import phantom_real
from tests.benchmarks.row import best_s

EVIDENCES, LESIONS = 20_000, 4_000
FULL_PATIENTS = 3
SPECKLE_PICTURES = 20
VARIANTS = 6  # crops a case, as training makes them
TIMED_CASES, TIMED_RUNS = 6, 3  # a process
BLOCK_PX = 8
MIN_VOXELS = 30
MIN_LESION_VOXELS = 4
LABELS = {False: "benign", True: "malignant"}
TISSUES = (Tissue.FAT, Tissue.GLAND, Tissue.MUSCLE, Tissue.CYST, Tissue.LESION)
TOO_FEW = f"fewer than {phantom_real.FOLDS} cases: too few to cross-validate"
FEW_LESIONS = f"fewer than two lesions of this label fill {MIN_LESION_VOXELS} DWI voxels"
NO_DATA = "BREASTVIEW_DATA is not set: no real images to compare with"
Found = dict[str, Any]


def main() -> None:
    """Measure, print the table, write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cases", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, default=Path("phantom.json"))
    given = parser.parse_args()
    found = measure(given.cases, given.seed)
    for row in found["table"]:
        print_row(row)
    for name, reason in found["not_measured"].items():
        print(f"not measured: {name}: {reason}")
    given.json.write_text(
        json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
    )


def measure(count: int, seed: int) -> Found:
    """Everything that the file holds, on patients `seed` … `seed` + `count` − 1."""
    cases = [training_case(number) for number in range(seed, seed + count)]
    lesions = drawn_lesions(seed)
    found: Found = {
        "cases": count,
        "seed": seed,
        "load_average": os.getloadavg()[0],
        "speckle_snr": speckle_snr(seed),
        **through_dicom(cases[:FULL_PATIENTS]),
        "crops_per_s": crops_per_s(seed),
        "inverse_error_mm": None,
        "rigid_registration_error_mm": deformation(cases),
        "bayes_auc": {"closed_form": bayes_auc(), "empirical": empirical_auc(seed), "evidences": EVIDENCES},
        "curve_types": by_label(lesions, curve_shares),
        "lesion_size_mm": by_label(lesions, sizes),
        "t1_t2_contrast": contrast(cases),
        "adc_by_label": adc_by_label(cases),
        "not_measured": {
            "inverse_error_mm": "the phantom has no dense invertible deformation: the probe's pressure is a"
            " one-way shift along the beam; rigid_registration_error_mm is what it leaves"
        },
    }
    found.update(against_real(cases, seed, found["not_measured"]))
    for label, adc in found["adc_by_label"].items():
        if adc is None:
            found["not_measured"][f"adc_by_label.{label}"] = FEW_LESIONS
    found["table"] = table(found)
    return found


def speckle_snr(seed: int) -> Found:
    """Mean/SD of the envelope of homogeneous tissue before compression."""
    pictures = [
        _envelope(np.ones((300, 400), np.float32), np.random.default_rng([seed, n]))
        for n in range(SPECKLE_PICTURES)
    ]
    ratios = [float(picture.mean() / picture.std()) for picture in pictures]
    return {"mean": float(np.mean(ratios)), "sd_between_pictures": float(np.std(ratios)), "n": len(ratios)}


def crops_per_s(seed: int) -> Found:
    """Training crops a second, best of `TIMED_RUNS`: cases simulated, cut and cached as training does it."""
    one_s = best_s(lambda: timed_shard(seed), TIMED_RUNS)
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        seeds = [seed, seed + TIMED_CASES]
        list(pool.map(timed_shard, seeds))  # both have started and imported
        two_s = best_s(lambda: list(pool.map(timed_shard, seeds)), TIMED_RUNS)
    crops = TIMED_CASES * VARIANTS
    return {"one_process": crops / one_s, "two_processes": 2 * crops / two_s, "crops_a_case": VARIANTS}


def timed_shard(first_seed: int) -> None:
    """Make a shard that is thrown away."""
    with tempfile.TemporaryDirectory() as name:
        spec = read_spec(DEMONSTRATION).input
        make_shard(first_seed, TIMED_CASES, spec, VARIANTS, False, Path(name) / "shard.npz")


def through_dicom(cases: Sequence[SimulatedCase]) -> Found:
    """Full-size patients through DICOM: how long it takes, and how their input differs from the crop's."""
    spec = read_spec(DEMONSTRATION)
    times: dict[str, list[float]] = defaultdict(list)
    through, crops, again = [], [], []
    for case in cases:
        through.append(read_back(case.patient.seed, spec, times))
        crops.append(cut(case, spec))
        again.append(cut(other_noise(case), spec))
    parts = {name: median(values) for name, values in times.items()}
    totals = [sum(values) for values in zip(*times.values(), strict=True)]
    return {
        "seconds_full": median(totals),
        "seconds_full_parts": parts,
        "full_patients": len(cases),
        "crop_dicom_max_difference": differences(through, crops),
        "crop_crop_difference_other_noise": differences(again, crops),
        "crop_differences_note": "in units of the network's input, 8×8 pixels averaged or single pixels."
        " Between crop and DICOM noise and coil differ and the slices lie elsewhere, between the two crops"
        " noise and coil alone; the US picture is the same realisation, so that its difference has no noise",
    }


def read_back(seed: int, spec: ModelSpec, times: dict[str, list[float]]) -> np.ndarray:
    """Write, scan, load and preprocess one patient: the network's input (channel, size, size), US first."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "patient"
        record = clocked(times, "simulate_and_write", lambda: write_patient(folder, seed))
        loaded = clocked(times, "scan_and_load", lambda: load_case(scan_folder(folder)))
        given = clocked(times, "preprocess", lambda: assembled(loaded, record, spec))
    assert given.us is not None and given.mri is not None
    return np.concatenate([given.us, given.mri])


def assembled(loaded: LoadedCase, record: ReviewRecord, spec: ModelSpec) -> ModelInput:
    """What the application gives its network for the one lesion."""
    lesion, names = record.lesions[0], channel_volumes(loaded.case.volumes)
    volumes = {name: loaded.volumes[volume.key] for name, volume in names.items()}
    assert lesion.us is not None
    key = lesion.us.frames_key
    return model_input(spec, record, lesion, loaded.stacks[key], planes_of(loaded, record)[key], volumes)


def clocked(times: dict[str, list[float]], name: str, work: Callable[[], object]):
    """Do the work and note its time in s."""
    start_s = time.perf_counter()
    result = work()
    times[name].append(time.perf_counter() - start_s)
    return result


def cut(case: SimulatedCase, spec: ModelSpec) -> np.ndarray:
    """The same input from the crop, without jitter."""
    us, planes = sample(case, case.frames[0], spec.input, None, np.random.default_rng(0))
    return np.concatenate([us, planes])


def other_noise(case: SimulatedCase) -> SimulatedCase:
    """The same neighbourhood in front of another coil and with other noise."""
    rng = np.random.default_rng([case.patient.seed, 77])
    return SimulatedCase(case.patient, case.frames, acquire_all(maps_near(case.patient), rng, phases=2))


def maps_near(patient: SimulatedPatient) -> mri.TissueMaps:
    """The tissue maps that `training_case` scans."""
    half = patient.lesion.radius_mm + MARGIN_MM
    columns, rows, slices = (int(np.ceil(2 * half / step)) for step in FINE_STEP_MM)
    x, y, z = (float(c) for c in patient.lesion.centre_mm - half)
    grid = mri.Grid((x, y, z), FINE_STEP_MM, (slices, rows, columns))
    labels = body_tissue(grid.points(), (patient.breast,))
    return mri.tissue_maps(grid, labels, patient.lesion, patient.bpe)


def differences(these: Sequence[np.ndarray], those: Sequence[np.ndarray]) -> Found:
    """|a − b| of each channel over all patients, in units of the network's input."""
    found: Found = {}
    for k, name in enumerate(("us", *CHANNELS)):
        pixel = np.stack([np.abs(a[k] - b[k]) for a, b in zip(these, those, strict=True)])
        block = np.stack([np.abs(blocks(a[k]) - blocks(b[k])) for a, b in zip(these, those, strict=True)])
        found[str(name)] = {
            "median_pixel": float(np.median(pixel)),
            "max_pixel": float(pixel.max()),
            f"median_mean_of_{BLOCK_PX}x{BLOCK_PX}": float(np.median(block)),
            f"max_mean_of_{BLOCK_PX}x{BLOCK_PX}": float(block.max()),
            "sd_of_the_channel": float(np.mean([b[k].std() for b in those])),
        }
    return found


def blocks(plane: np.ndarray) -> np.ndarray:
    """Means of `BLOCK_PX` squares."""
    n = len(plane) // BLOCK_PX
    return plane[: n * BLOCK_PX, : n * BLOCK_PX].reshape(n, BLOCK_PX, n, BLOCK_PX).mean(axis=(1, 3))


def deformation(cases: Sequence[SimulatedCase]) -> Found:
    """Mean distance over a US image between the true place and its rigid registration: median, largest."""
    values = [frame.deformation_mm for case in cases for frame in case.frames]
    return {"median": median(values), "max": max(values), "n": len(values)}


def empirical_auc(seed: int) -> dict[str, float]:
    """AUC of the latent evidence itself."""
    rng = np.random.default_rng(seed)
    drawn = [draw_evidence(rng) for _ in range(EVIDENCES)]
    label = [e.malignant for e in drawn]
    scores = {
        "us": [e.us for e in drawn],
        "mri": [e.mri for e in drawn],
        "fused": [e.us + e.mri for e in drawn],
    }
    return {name: float(roc_auc_score(label, score)) for name, score in scores.items()}


def drawn_lesions(seed: int) -> list[tuple[bool, Lesion]]:
    """Labels and lesions as patients get them, without the breasts around."""
    rng = np.random.default_rng(seed)
    drawn = [draw_evidence(rng) for _ in range(LESIONS)]
    return [(e.malignant, make_lesion(rng, e, np.zeros(3))) for e in drawn]


def by_label(lesions: Sequence[tuple[bool, Lesion]], of: Callable[[list[Lesion]], Found]) -> Found:
    """`of` the benign and of the malignant lesions."""
    return {text: of([lesion for label, lesion in lesions if label == kind]) for kind, text in LABELS.items()}


def curve_shares(lesions: list[Lesion]) -> Found:
    """Share of each curve type, as drawn: not read off images."""
    names = [lesion.curve for lesion in lesions]
    return {name: names.count(name) / len(names) for name in ("persistent", "plateau", "wash-out")} | {
        "n": len(names)
    }


def sizes(lesions: list[Lesion]) -> Found:
    """Longest axis in mm, spikes not counted."""
    longest = [max(lesion.extent_mm) for lesion in lesions]
    low, quarter, middle, three, high = np.percentile(longest, [5, 25, 50, 75, 95])
    return {"p5": low, "p25": quarter, "median": middle, "p75": three, "p95": high, "n": len(longest)}


def contrast(cases: Sequence[SimulatedCase]) -> Found:
    """Ratios of mean signal between tissues, measured in voxels of one tissue, against the signal equations.

    `deviation_percent` is the median over the patients that show both tissues, `deviation_with_noise_percent`
    the same against the equations with the mean that Rician noise gives them. Coil and storage in whole
    numbers are in the measurement only.
    """
    return {name: contrast_of(cases, name) for name in ("t1wi", "t2wi")}


def contrast_of(cases: Sequence[SimulatedCase], name: str) -> Found:
    """The pairs of one series."""
    plain, noisy = defaultdict(list), defaultdict(list)
    for case in cases:
        measured = tissue_means(case, name, mri.SPIN_ECHO)
        signal = {tissue: spin_echo(case, name, tissue) for tissue in measured}
        for a, b in combinations(measured, 2):
            pair, ratio = f"{a.name.lower()}/{b.name.lower()}", measured[a] / measured[b]
            plain[pair].append(100 * (ratio / (signal[a] / signal[b]) - 1))
            noisy[pair].append(100 * (ratio / (with_noise(signal[a]) / with_noise(signal[b])) - 1))
    return {
        pair: {**spread(values), "deviation_with_noise_percent": median(noisy[pair])}
        for pair, values in plain.items()
    }


def with_noise(signal: float) -> float:
    """Mean of a signal's magnitude under the spin echo's noise, Gudbjartsson & Patz 1995."""
    sigma = mri.SPIN_ECHO.noise
    x = signal**2 / (4 * sigma**2)
    return float(sigma * np.sqrt(np.pi / 2) * ((1 + 2 * x) * ive(0, x) + 2 * x * ive(1, x)))


def spread(values: Sequence[float]) -> Found:
    """Median, quartiles and n."""
    low, middle, high = np.percentile(values, [25, 50, 75])
    return {"deviation_percent": middle, "p25": low, "p75": high, "n": len(values)}


def tissue_means(case: SimulatedCase, name: str, protocol: mri.Protocol) -> dict[Tissue, float]:
    """Mean stored value of each tissue that fills at least `MIN_VOXELS` voxels by itself."""
    array, tissue = case.mri[name][0], pure(maps_near(case.patient), protocol)
    assert array.shape == tissue.shape
    found = {t: array[tissue == t] for t in TISSUES}
    return {t: float(values.mean()) for t, values in found.items() if len(values) >= MIN_VOXELS}


def pure(maps: mri.TissueMaps, protocol: mri.Protocol) -> np.ndarray:
    """The tissue of every acquired voxel that one tissue fills, −1 elsewhere."""
    z_step, n = maps.grid.step_mm[2], protocol.in_plane
    every, thick = round(protocol.distance_mm / z_step), round(protocol.thickness_mm / z_step)
    count = (len(maps.labels) - thick) // every + 1
    slabs = np.stack([maps.labels[i * every : i * every + thick] for i in range(count)]).astype(int)
    rows, columns = (size // n for size in slabs.shape[2:])
    parts = slabs[:, :, : rows * n, : columns * n].reshape(count, thick, rows, n, columns, n)
    least, most = parts.min(axis=(1, 3, 5)), parts.max(axis=(1, 3, 5))
    return np.where(least == most, least, -1)


def spin_echo(case: SimulatedCase, name: str, tissue: Tissue) -> float:
    """ρ (1 − e^(−TR/T1)) e^(−TE/T2) with the header's TR and TE, after fat suppression in T2WI."""
    series, own = SERIES[name], MAGNETIC[tissue]
    t1_ms, t2_ms, look = own.t1_ms, own.t2_ms, case.patient.lesion.malignancy_mri
    if tissue is Tissue.LESION:
        t1_ms, t2_ms = 1150.0 + 100.0 * look, 115.0 - 55.0 * look
    left = mri.FAT_LEFT if tissue is Tissue.FAT and name == "t2wi" else 1.0
    return left * own.density * (1 - exp(-series.repetition_ms / t1_ms)) * exp(-series.echo_ms / t2_ms)


def adc_by_label(cases: Sequence[SimulatedCase]) -> Found:
    """ADC of lesions in 10⁻³ mm²/s, b 0 against b 800 where a voxel is all lesion, and the one put in."""
    measured, given = defaultdict(list), defaultdict(list)
    for case in cases:
        inside = pure(maps_near(case.patient), mri.ECHO_PLANAR) == Tissue.LESION
        if inside.sum() >= MIN_LESION_VOXELS:
            low, high = (float(case.mri[name][0][inside].mean()) for name in ("dwi_b0", "dwi_b800"))
            measured[case.malignant].append(log(low / high) / 0.8)
            given[case.malignant].append(1.75 - 0.8 * case.patient.lesion.malignancy_mri)
    return {
        text: {
            "mean": float(np.mean(measured[kind])),
            "sd": float(np.std(measured[kind], ddof=1)),
            "mean_put_in": float(np.mean(given[kind])),
            "sd_put_in": float(np.std(given[kind], ddof=1)),
            "rms_error": float(np.sqrt(np.mean(np.square(np.subtract(measured[kind], given[kind]))))),
            "n": len(measured[kind]),
            "too_small": sum(case.malignant == kind for case in cases) - len(measured[kind]),
        }
        if len(measured[kind]) > 1
        else None
        for kind, text in LABELS.items()
    }


def against_real(cases: Sequence[SimulatedCase], seed: int, not_measured: dict[str, str]) -> Found:
    """AUC of telling real from simulated, by modality, and what gives the phantom away."""
    folder = os.environ.get("BREASTVIEW_DATA")
    found: Found = {"real_vs_simulated_auc_us": None, "real_vs_simulated_auc_mri": None}
    found["what_gives_it_away"] = []
    if not folder or len(cases) < phantom_real.FOLDS:
        not_measured.update(dict.fromkeys(found, NO_DATA if not folder else TOO_FEW))
        return found
    patient = Path(folder) / "patients" / "patient-a"
    us = phantom_real.against_us(cases, Path(folder) / "busi", seed)
    by_series = {s: phantom_real.against_mri(cases, patient, s, seed) for s in phantom_real.SERIES}
    found["real_vs_simulated_auc_us"], found["real_vs_simulated_auc_mri"] = (
        us["auc"],
        by_series["dce_2"]["auc"],
    )
    found["what_gives_it_away"] = [
        {"image": name, **feature}
        for name, result in {"us": us, **by_series}.items()
        for feature in result["gives_away"]
    ]
    found["real_vs_simulated"] = {
        name: {key: value for key, value in result.items() if key != "gives_away"}
        for name, result in {"us": us, **by_series}.items()
    }
    found["real_vs_simulated"]["note"] = (
        "images, patches, groups: simulated, real. US: 64 pixels, the stills' mm a pixel are unknown and they"
        " carry calipers and text. MRI: pixels of 1.1 mm; all real slices are of one patient, so that it says"
        " what sets this exam apart, not real exams in general; the headline is dce_2"
    )
    return found


def table(found: Mapping) -> list[Found]:
    """Measured beside published figures."""
    adc = found["adc_by_label"]
    rows = [
        ("speckle mean/SD", found["speckle_snr"]["mean"], "", "1.91", "Wagner et al. 1983"),
        *(adc_row(label, adc[label]) for label in adc),
        *curve_rows(found["curve_types"]),
        *auc_rows(found["bayes_auc"]),
        *contrast_rows(found["t1_t2_contrast"]),
        ("real or simulated: US, AUC", found["real_vs_simulated_auc_us"], "", ".5", "if none could tell"),
        ("real or simulated: MRI, AUC", found["real_vs_simulated_auc_mri"], "", ".5", "if none could tell"),
    ]
    return [dict(zip(("name", "measured", "unit", "published", "source"), row, strict=True)) for row in rows]


def curve_rows(curves: Mapping) -> list[tuple]:
    """Wash-out by label."""
    both = "Kuhl et al. 1999; about .75 in a paper not traced"
    return [
        ("malignant with wash-out", curves["malignant"]["wash-out"], "", ".57–.75", both),
        ("benign with wash-out", curves["benign"]["wash-out"], "", ".06", "Kuhl et al. 1999"),
    ]


def auc_rows(auc: Mapping) -> list[tuple]:
    """Empirical against closed form."""
    return [
        (f"Bayes AUC, {name}, empirical", value, "", f"{auc['closed_form'][name]:.4f}", "closed form")
        for name, value in auc["empirical"].items()
    ]


def contrast_rows(series: Mapping) -> list[tuple]:
    """Deviation of each pair from the equation, Rician noise taken into account."""
    return [
        (
            f"{name}, {pair} (n = {value['n']})",
            value["deviation_with_noise_percent"],
            "%",
            "0",
            "the equation with Rician noise",
        )
        for name, pairs in series.items()
        for pair, value in pairs.items()
    ]


def adc_row(label: str, adc: Mapping | None) -> tuple:
    """The ADC of one label."""
    published = {
        "malignant": (
            "1.07 ± .37",
            "paper not traced; the phantom's docstring: ≈ 1.0",
        ),
        "benign": ("≈ 1.5", "Partridge et al. 2017"),
    }
    return (f"ADC {label}, mean", adc and adc["mean"], "10⁻³ mm²/s", *published[label])


def print_row(row: Mapping) -> None:
    """One line of the table."""
    value = "not measured" if row["measured"] is None else f"{row['measured']:.3f} {row['unit']}"
    print(f"{row['name']:<44} {value:>20}   {row['published']:>12}  {row['source']}")


if __name__ == "__main__":
    main()
