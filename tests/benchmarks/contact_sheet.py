"""`python -m tests.benchmarks.contact_sheet OUT`: simulated beside real pictures, to be looked at.

us.png: simulated stills in the upper rows, BUSI's in the lower ones. mri.png: a row a slice: T1WI,
fat-suppressed T2WI (of the real exam its TIRM), DWI, dynamic phases 1 and 2, phase 2 minus phase 1; simulated
patients through their lesions in the upper rows, levels of one real exam in the lower ones. All windows are
those that the program opens with. Real ones come from BREASTVIEW_DATA; the sheets show real patients and are
not to be kept.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from breastview.imaging.case import Role, ScannedCase
from breastview.imaging.diffusion import highest_b
from breastview.imaging.display import to_uint8
from breastview.imaging.dynamic import phases, subtraction
from breastview.imaging.load import load_volume
from breastview.imaging.scan import scan_folder
from breastview.imaging.volume import Volume
from breastview.phantom.dicom import write_patient
from breastview.phantom.patient import simulate
from breastview.phantom.stills import still
from breastview.registration.skin import find_body, nipple_mm

STILLS, ROWS, COLUMNS, SIDE_PX = 12, 3, 6, 320
FIRST_SEED = 500
LEVELS_MM = (-20.0, 0.0, 20.0)  # of a real exam, above the nipples


def main() -> None:
    """Write us.png and mri.png into a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=FIRST_SEED, help="of the first simulated patient")
    given = parser.parse_args()
    data = Path(os.environ["BREASTVIEW_DATA"])
    given.out.mkdir(parents=True, exist_ok=True)
    stills(data / "busi", given.seed).save(given.out / "us.png")
    exams(data / "patients" / "patient-a", given.seed).save(given.out / "mri.png")
    print(given.out / "us.png", given.out / "mri.png", sep="\n")


def sheet(pictures: Sequence[Image.Image]) -> Image.Image:
    """Pictures in rows of `COLUMNS`, each fitted into a square."""
    rows = -(-len(pictures) // COLUMNS)
    made = Image.new("L", (COLUMNS * SIDE_PX, rows * SIDE_PX))
    for place, picture in enumerate(pictures):
        factor = (SIDE_PX - 4) / max(picture.size)
        fitted = picture.resize([round(side * factor) for side in picture.size], Image.Resampling.BICUBIC)
        made.paste(fitted, (place % COLUMNS * SIDE_PX, place // COLUMNS * SIDE_PX))
    return made


def stills(busi: Path, seed: int) -> Image.Image:
    """As many simulated stills, a patient each, as real ones."""
    patients = [simulate(number) for number in range(seed, seed + STILLS)]
    simulated = [Image.fromarray(still(p, p.views[p.seed // 2 % len(p.views)]).grey) for p in patients]
    real = sorted(path for path in busi.glob("*/*.png") if "_mask" not in path.name)
    chosen = real[:: len(real) // STILLS][:STILLS]
    return sheet(simulated + [Image.open(path).convert("L") for path in chosen])


def exams(exam: Path, seed: int) -> Image.Image:
    """Rows of simulated patients through their lesions, then of levels of a real exam."""
    pictures: list[Image.Image] = []
    for number in range(seed, seed + ROWS):
        with tempfile.TemporaryDirectory() as name:
            write_patient(Path(name) / "patient", number, truth=False)
            volumes = weightings(scan_folder(Path(name) / "patient"), Role.T2WI)
        pictures += row(volumes, float(simulate(number).lesion.centre_mm[2]))
    real = weightings(scan_folder(exam), Role.STIR)
    body = find_body(real[0])
    middle = float(np.mean([nipple_mm(body, side)[2] for side in "RL"]))
    for above in LEVELS_MM:
        pictures += row(real, middle + above)
    return sheet(pictures)


def weightings(case: ScannedCase, t2: Role) -> list[Volume]:
    """T1WI, T2WI of the role given, DWI, the first two phases, and the second minus the first."""
    diffusion = highest_b(case.volumes)
    assert diffusion is not None
    spin_echo = [next(v for v in case.volumes if v.role.role is role) for role in (Role.T1WI, t2)]
    loaded = [load_volume(v) for v in (*spin_echo, diffusion, *phases(case.volumes)[:2])]
    return [*loaded, subtraction(loaded[-1], loaded[-2])]


def row(volumes: Sequence[Volume], z_mm: float) -> list[Image.Image]:
    """The axial slice nearest to a level in each volume, pixels made square."""
    return [_picture(volume, z_mm) for volume in volumes]


def _picture(volume: Volume, z_mm: float) -> Image.Image:
    first, step = volume.index_to_lps[2, 3], volume.index_to_lps[2, 0]
    number = int(np.clip(round((z_mm - first) / step), 0, len(volume.array) - 1))
    picture = Image.fromarray(to_uint8(volume.array[number], volume.window))
    row_mm, column_mm = np.linalg.norm(volume.index_to_lps[:3, 1:3], axis=0)
    return picture.resize((picture.width, round(picture.height * row_mm / column_mm)))


if __name__ == "__main__":
    main()
