"""`python -m tests.benchmarks.phantom --cases N --seed S --json FILE` measures the simulated patient.

It changes nothing. What cannot be measured is null in the file, with the reason under `not_measured`.
Real images are taken from the folder that BREASTVIEW_DATA names.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from breastview.fusion.spec import read_spec
from breastview.imaging.scan import scan_folder
from breastview.phantom.patient import simulate
from breastview.pipeline import DEMONSTRATION
from tests.benchmarks.phantom import agreement, descriptors, motion, physics, population, real, speed
from tests.benchmarks.phantom.seen import Seen, see
from tests.benchmarks.phantom.table import line, table
from tests.benchmarks.phantom.whole import Whole, read_all

FULL = 20
POPULATION = 60  # patients whose lesion and nipple are followed
NO_DATA = "BREASTVIEW_DATA is not set: no real images to compare with"
TOO_FEW = f"fewer than {real.FOLDS} patients: too few to cross-validate"

Found = dict[str, Any]


def main() -> None:
    """Measure, print the table, write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cases", type=int, default=40, help="patients whose crops and stills are made")
    parser.add_argument("--seed", type=int, default=0, help="of the first patient")
    parser.add_argument("--full", type=int, help=f"full-size ones among them; {FULL} unless there are fewer")
    parser.add_argument("--json", type=Path, default=Path("phantom.json"))
    given = parser.parse_args()
    full = min(FULL, given.cases) if given.full is None else min(given.full, given.cases)
    found = measure(given.cases, given.seed, full)
    for row in found["table"]:
        print(line(row))
    for name, reason in found["not_measured"].items():
        print(f"not measured: {name}: {reason}")
    text = json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False)
    given.json.write_text(text + "\n", encoding="utf-8")


def measure(count: int, seed: int, full: int) -> Found:
    """Everything that the file holds, on patients `seed` … `seed` + `count` − 1."""
    start_s, load = time.monotonic(), os.getloadavg()[0]
    patients = [see(number) for number in range(seed, seed + count)]
    spec = read_spec(DEMONSTRATION)
    wholes, times = read_all([seen.patient.seed for seen in patients[:full]], spec)
    snr = physics.speckle_snr(seed)
    found: Found = {
        "cases": count,
        "seed": seed,
        "commit": commit(),
        "load_average_at_start": load,
        "speckle_snr": snr["mean"],
        "speckle": snr,
        **times,
        **agreement.crop_and_dicom(patients[:full], wholes, spec),
        **speed.crops(seed),
        **motion.deformation(patients),
        "lesion_nipple_change_mm": lesion_nipple(patients, seed),
        "bayes_auc": population.best_auc(seed),
        **population.drawn(seed),
        "tissue_contrast": physics.contrast(patients),
        "adc": physics.adc(patients),
        "curve_types_on_images": physics.curves_on_images(patients),
        **against_real(patients, wholes, seed),
    }
    found["table"] = table(found)
    found["seconds_of_this_run"] = time.monotonic() - start_s
    return found


def lesion_nipple(patients: Sequence[Seen], seed: int) -> Found:
    """The spread of the turn to supine, over enough patients."""
    more = (simulate(number) for number in range(seed + len(patients), seed + POPULATION))
    return motion.lesion_nipple_change([*(seen.patient for seen in patients), *more])


def against_real(patients: Sequence[Seen], wholes: Sequence[Whole], seed: int) -> Found:
    """Simulated beside real: AUC of telling them apart, by modality; descriptors by one ruler."""
    folder = os.environ.get("BREASTVIEW_DATA")
    missing: dict[str, str] = {}
    busi = Path(folder) / "busi" if folder else None
    us = real.against_us(patients, busi, seed) if busi and len(patients) >= real.FOLDS else None
    exam = Path(folder) / "patients" / "patient-a" if folder else None
    mri = exams(wholes, exam, seed) if exam and len(wholes) >= real.FOLDS else {}
    for name, result in (("us", us), ("mri", mri)):
        if not result:
            missing[f"real_vs_simulated_auc_{name}"] = TOO_FEW if folder else NO_DATA
    return {
        "real_vs_simulated_auc_us": us and us["auc"],
        "real_vs_simulated_auc_mri": mri[real.HEADLINE]["auc"] if mri else None,
        "real_vs_simulated": {"us": us, **mri},
        "real_vs_simulated_note": NOTE,
        "descriptors": {
            "simulated": descriptors.of_simulated(patients),
            "busi": descriptors.of_busi(busi) if busi else None,
        },
        "not_measured": missing,
    }


def exams(wholes: Sequence[Whole], folder: Path, seed: int) -> Found:
    """Each series of the whole patients against the real exam's."""
    exam = scan_folder(folder)
    pieces = {series: [p for whole in wholes for p in whole.pieces[series]] for series in real.SERIES}
    return {series: real.against_mri(pieces[series], exam, series, seed) for series in real.SERIES}


NOTE = (
    "images, patches, groups: simulated, real. US: 64 pixels, the stills' mm a pixel are unknown and they"
    " carry calipers and text. MRI: slices in front of the chest, pixels of 1.1 mm; all real slices are of"
    " one patient, so that it says what sets this exam apart, not real exams in general; the headline is "
    + real.HEADLINE
)


def commit() -> str:
    """The commit that was measured; marked where files differ from it."""
    asked = ["git", "describe", "--always", "--dirty", "--abbrev=10"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    main()
