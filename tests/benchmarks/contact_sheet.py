"""`python -m tests.benchmarks.contact_sheet OUT`: simulated beside real pictures, to be looked at.

Real ones come from BREASTVIEW_DATA; the sheets are not kept, since they show real patients.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from breastview.imaging.case import Role
from breastview.imaging.display import to_uint8
from breastview.imaging.load import load_volume
from breastview.imaging.scan import scan_folder
from breastview.phantom.dicom import write_patient
from breastview.phantom.patient import VIEWS, simulate

COUNT, SIDE_PX, COLUMNS = 12, 320, 6
FIRST_SEED = 500
ROLES = (Role.T1WI, Role.T2WI, Role.DWI, Role.DCE)


def sheet(pictures: list[Image.Image]) -> Image.Image:
    """Pictures in rows of `COLUMNS`, each fitted into a square."""
    rows = -(-len(pictures) // COLUMNS)
    made = Image.new("L", (COLUMNS * SIDE_PX, rows * SIDE_PX))
    for place, picture in enumerate(pictures):
        picture.thumbnail((SIDE_PX - 4, SIDE_PX - 4))
        made.paste(picture, (place % COLUMNS * SIDE_PX, place // COLUMNS * SIDE_PX))
    return made


def ultrasound(busi: Path) -> Image.Image:
    """Simulated stills in the upper rows, BUSI's in the lower ones."""
    seeds = range(FIRST_SEED, FIRST_SEED + COUNT)
    simulated = [Image.fromarray(simulate(seed).frame(VIEWS[seed % 2]).grey) for seed in seeds]
    real = sorted(path for path in busi.glob("*/*.png") if "_mask" not in path.name)
    chosen = real[:: len(real) // COUNT][:COUNT]
    return sheet(simulated + [Image.open(path).convert("L") for path in chosen])


def mri(patients: list[Path]) -> Image.Image:
    """A row a patient: the middle slice of each weighting, all windows as the program opens them."""
    pictures = []
    for folder in patients:
        volumes = scan_folder(folder).volumes
        row = [max((v for v in volumes if v.role.role is role), key=_rank) for role in ROLES]
        row += [next(v for v in volumes if v.role.phase == phase) for phase in (2, 6)]
        pictures += [_middle(load_volume(volume)) for volume in row]
    return sheet(pictures)


def _rank(volume) -> float:
    return volume.role.b_value or -(volume.role.phase or 0)


def _middle(volume) -> Image.Image:
    picture = to_uint8(volume.array[len(volume.array) // 2], volume.window)
    step = np.linalg.norm(volume.index_to_lps[:3, 1:3], axis=0)
    height = round(picture.shape[0] * step[0] / step[1])
    return Image.fromarray(picture).resize((picture.shape[1], height))


def main(out: Path) -> None:
    """Write us.png and mri.png into `out`."""
    data = Path(os.environ["BREASTVIEW_DATA"])
    out.mkdir(parents=True, exist_ok=True)
    ultrasound(data / "busi").save(out / "us.png")
    write_patient(out / "simulated", FIRST_SEED)
    mri([out / "simulated", data / "patients" / "patient-a"]).save(out / "mri.png")
    print(out / "us.png", out / "mri.png", sep="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
