"""Labelled US stills with lesion masks as a cohort, in the layout of BUSI: a folder a class, `NAME.png` with
`NAME_mask.png`, and `NAME_mask_1.png` and so on where it has several (Al-Dhabyani et al., Data in Brief
28:104863, 2020). They have no MRI and no patient."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy import ndimage

from breastview.fusion.spec import InputSpec
from model_training.cohort.cut import Cut, Jitter, MarkedLesion, cut
from model_training.cohort.samples import CohortError, Sample, Samples, load_cohort, sample, write_shard

log = logging.getLogger(__name__)

STILLS = "stills"  # the source
CLASSES = {"benign": False, "malignant": True}
INDEX = "index.csv"
INDEXED = ("class", "file", "near_duplicate_group")  # its columns
MASK = re.compile(r"_mask(_\d+)?$")  # the end of a mask's name
FARTHER = Jitter(box=0.12, margin=0.2)  # stills are few
FIXED_BOX_PX = 150.0  # side of the box that hides a lesion's size
MARK_PX, MARK_ABOVE, MARK_GREY = 7, 90, 190  # thinner than, brighter than around by, as bright as this


@dataclass(frozen=True, eq=False)
class LabelledStill:
    """A US picture uint8 (row, column), the lesion's mask bool (row, column), and what is known of it."""

    name: str
    group: str
    malignant: bool
    grey: np.ndarray
    mask: np.ndarray

    @property
    def box_px(self) -> tuple[float, float, float, float]:
        """The lesion's box (left, top, right, bottom) in pixels."""
        rows, columns = np.flatnonzero(self.mask.any(axis=1)), np.flatnonzero(self.mask.any(axis=0))
        return float(columns[0]), float(rows[0]), float(columns[-1]), float(rows[-1])


def read_stills(folder: Path) -> Iterator[LabelledStill]:
    """Read every picture that has a label and a mask that is not empty; several masks of one are its lesion.
    How many have an empty one is logged.

    Raises:
        FileNotFoundError: there is no folder of a class, or a picture lacks its mask, or a mask its picture.
        CohortError: there is no such picture, a file is none or has another size than its picture, or `INDEX`
            lacks a column.
    """
    groups, found, empty = _groups(folder), False, 0
    for name, malignant in CLASSES.items():
        for path, masks in _with_masks(folder / name):
            grey = _grey(path)
            mask = _union(masks, grey.shape)
            if not mask.any():
                empty += 1
                continue
            found, key = True, f"{name}/{path.stem}"
            yield LabelledStill(key, groups.get(f"{name}/{path.name}", key), malignant, grey, mask)
    if not found:
        raise CohortError(f"no picture (.png) with a mask that is not empty among the stills in {folder}")
    if empty:
        log.warning("%d stills have an empty mask and are left out", empty)


def _with_masks(folder: Path) -> Iterator[tuple[Path, list[Path]]]:
    """The pictures of a class in the order of their names, each with its masks."""
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder '{folder.name}' among the stills")
    pictures, masks = list[Path](), dict[str, list[Path]]()
    for path in sorted(path for path in folder.iterdir() if path.suffix.casefold() == ".png"):
        if MASK.search(path.stem):
            masks.setdefault(MASK.sub("", path.stem), []).append(path)
        else:
            pictures.append(path)
    for path in pictures:
        if path.stem not in masks:
            raise FileNotFoundError(f"{_told(path)} has no mask {path.stem}_mask.png beside it")
        yield path, masks.pop(path.stem)
    if masks:
        raise FileNotFoundError(f"{_told(next(iter(masks.values()))[0])} has no picture (.png) beside it")


def _union(masks: Sequence[Path], shape: tuple[int, ...]) -> np.ndarray:
    """Where one of the masks says lesion, bool of that shape; raises CohortError where one has another."""
    union = np.zeros(shape, bool)
    for path in masks:
        grey = _grey(path)
        mask = grey > grey.max() / 2  # also where 1, or a colour, says lesion
        if mask.shape != shape:
            sizes = [" x ".join(map(str, one[::-1])) for one in (mask.shape, shape)]
            raise CohortError(f"the mask {_told(path)} has {sizes[0]} px, its picture {sizes[1]} px")
        union |= mask
    return union


def stills_cohort(
    stills: Iterable[LabelledStill],
    path: Path,
    part: str,
    spec: InputSpec,
    variants: int,
    fixed_magnification: bool = False,
    without_marks: bool = False,
) -> None:
    """Cut stills into one shard: once by the lesion's box, then strayed. The size of a lesion can be hidden,
    and burned-in marks painted over."""
    hidden = fixed_magnification, without_marks
    write_shard(path, [_sample(one, part, spec, variants, *hidden) for one in stills])


def stills_with_masks(
    source: Path,
    folder: Path,
    spec: InputSpec,
    variants: int,
    fixed_magnification: bool = False,
    without_marks: bool = False,
) -> tuple[Samples, dict[str, np.ndarray]]:
    """The stills of a folder cut into `folder`, and the `crop_masks` of their exact crops, (case, size,
    size)."""
    stills, hidden = list(read_stills(source)), (fixed_magnification, without_marks)
    stills_cohort(stills, folder / "stills-0000.npz", "test", spec, variants, *hidden)
    masks = [crop_masks(still, spec, fixed_magnification) for still in stills]
    return load_cohort(folder, "test"), {name: np.stack([one[name] for one in masks]) for name in masks[0]}


def about(stills: Iterable[LabelledStill]) -> pd.DataFrame:
    """The manifest's rows of stills, without a part."""
    return pd.DataFrame([_about(one, "") for one in stills])


def _sample(
    still: LabelledStill, part: str, spec: InputSpec, variants: int, fixed: bool, without_marks: bool
) -> Sample:
    grey = painted_over(still.grey) if without_marks else still.grey
    lesion = MarkedLesion(grey, _fixed_box(still.box_px) if fixed else still.box_px)
    seed = [sum(still.name.encode()), *still.grey.shape]
    about = {**_about(still, part), **({"box_shaped": True} if spec.box_shaped else {})}
    picture, outline = (
        sample([one], spec, variants, np.random.default_rng(seed), about, FARTHER)
        for one in (lesion, replace(lesion, grey=still.mask * np.uint8(255)))
    )
    return replace(picture, outline=np.stack([_share(one, spec) for one in outline.variants]))


def _share(cut_mask: Cut, spec: InputSpec) -> np.ndarray:
    """Share of each pixel (size, size) that is lesion, from a mask cut as a picture is."""
    return np.asarray(cut_mask[0][0] * spec.us_std + spec.us_mean)


def _about(still: LabelledStill, part: str) -> dict[str, object]:
    return {
        "case": still.name,
        "patient": still.group,
        "group": still.group,
        "source": STILLS,
        "part": part,
        "malignant": still.malignant,
    }


def crop_masks(
    still: LabelledStill, spec: InputSpec, fixed_magnification: bool = False
) -> dict[str, np.ndarray]:
    """What of the exact crop is "lesion" and what burned-in "text", calipers among it, as shares of its
    pixels, (size, size)."""
    box = _fixed_box(still.box_px) if fixed_magnification else still.box_px

    def seen(mask: np.ndarray) -> np.ndarray:
        return _share(cut(MarkedLesion(mask * np.uint8(255), box), spec), spec)

    return {"lesion": seen(still.mask), "text": seen(burned_in(still.grey))}


def burned_in(grey: np.ndarray) -> np.ndarray:
    """Where thin bright marks stand (calipers, text), bool (row, column), by a white top-hat (Serra 1982).

    Specular interfaces that are as bright and as thin are taken for marks too.
    """
    hat = ndimage.white_tophat(grey, size=(MARK_PX, MARK_PX))
    return ndimage.binary_dilation((hat > MARK_ABOVE) & (grey > MARK_GREY), iterations=2)


def painted_over(grey: np.ndarray) -> np.ndarray:
    """The picture without `burned_in` marks, uint8: the nearest tissue takes their place."""
    mark = burned_in(grey)
    if not mark.any():
        return grey
    rows, columns = ndimage.distance_transform_edt(mark, return_distances=False, return_indices=True)
    return np.asarray(grey[rows, columns])


def _fixed_box(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    x, y, half = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, FIXED_BOX_PX / 2
    return x - half, y - half, x + half, y + half


def _groups(folder: Path) -> dict[str, str]:
    """Near-duplicate group by "class/file", where the folder names them."""
    if not (folder / INDEX).exists():
        return {}
    try:
        index = pd.read_csv(folder / INDEX, dtype=str)
    except ValueError as error:
        raise CohortError(f"{INDEX} of the stills cannot be read: {error}") from error
    if missing := [name for name in INDEXED if name not in index]:
        raise CohortError(
            f"{INDEX} of the stills lacks the column '{missing[0]}'; it needs {', '.join(INDEXED)}"
        )
    index = index.dropna(subset=list(INDEXED))
    names = index["class"] + "/" + index["file"]
    return dict(zip(names, "group " + index["near_duplicate_group"], strict=True))


def _grey(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as image:
            if image.mode[0] in "IF":  # more than 8 bits: as the window shows them
                from breastview.imaging.pictures import load_picture  # DICOM, which training does without

                return np.asarray(load_picture(path)[0])
            return np.asarray(image.convert("L"))
    except (OSError, SyntaxError, ValueError) as error:
        raise CohortError(f"{_told(path)} is no picture that can be read") from error


def _told(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"
