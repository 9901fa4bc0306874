"""The truth beside a patient folder, for training, measuring and teaching; the program never looks there."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813
from PIL import Image

from breastview.phantom.tissue import Tissue
from breastview.registration.parameters import RegistrationParameters
from breastview.registration.transform import map_points

Vectors = tuple[np.ndarray, tuple[float, float, float], tuple[float, float, float]]
Volume = tuple[np.ndarray, np.ndarray]
MARGIN_MM = 6.0  # of the displacement's grid around the picture, and to both sides of its plane
STEP_MM = 2.0


@dataclass(frozen=True, eq=False)
class UsTruth:
    """What is true of one US still or of parallel planes.

    `lesion` is where it shows, bool (row, column) of the still's picture or (frame, row, column) of planes,
    whose `index_to_us` (4, 4) leads to mm of the probe's frame. `displacement` is what `displacement` gives.
    """

    lesion: np.ndarray
    displacement: Vectors
    index_to_us: np.ndarray | None = None


def displacement(
    to_prone: Callable[[np.ndarray], np.ndarray],
    registration: RegistrationParameters,
    size_mm: tuple[float, float, float],
) -> Vectors:
    """How far each point around a US plane truly lies from where its rigid registration puts it, in LPS mm.

    `to_prone` is the true map from US-plane mm (n, 3) to prone LPS mm; `size_mm` the extent (x, y, z) of
    what was imaged, 0 across a single plane. Returns float32 (z, y, x, 3) on a grid of US-plane mm, its
    spacing and its origin, both (x, y, z).
    """
    width, depth, across = size_mm[0] / 2 + MARGIN_MM, size_mm[1] + MARGIN_MM, size_mm[2] / 2 + MARGIN_MM
    extents = ((-width, width), (0.0, depth), (-across, across))
    x, y, z = (np.arange(low, high + STEP_MM / 2, STEP_MM) for low, high in extents)
    points = np.stack(np.meshgrid(z, y, x, indexing="ij")[::-1], axis=-1)
    true = to_prone(points.reshape(-1, 3)).reshape(points.shape)
    missed = (true - map_points(registration, points)).astype(np.float32)
    return missed, (STEP_MM, STEP_MM, STEP_MM), (float(x[0]), float(y[0]), float(z[0]))


def write_truth(
    folder: Path,
    facts: Mapping[str, Any],
    labels: Volume,
    lesion_mri: Volume,
    pictures: Mapping[str, UsTruth],
) -> None:
    """Write the truth into `folder`, which is never the patient's.

    `labels` (uint8) and `lesion_mri` (bool) are (slice, row, column) each with its index_to_lps (4, 4).
    Files: `labels.nii.gz`, `lesion.mri.nii.gz`, `truth.json` and, by the name of each US image,
    `.displacement.nii.gz` (vectors; its coordinates are US-plane mm) and `.lesion.png` (0 and 255) or, of
    planes, `.lesion.nii.gz`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write_volume(folder / "labels.nii.gz", *labels)
    _write_volume(folder / "lesion.mri.nii.gz", lesion_mri[0].astype(np.uint8), lesion_mri[1])
    for name, told in pictures.items():
        _write_picture(folder, name, told)
    names = {str(int(tissue)): tissue.name.lower() for tissue in Tissue}
    text = json.dumps({**facts, "labels": names}, indent=2, ensure_ascii=False)
    (folder / "truth.json").write_text(text + "\n", encoding="utf-8")


def _write_picture(folder: Path, name: str, told: UsTruth) -> None:
    lesion = told.lesion.astype(np.uint8)
    if told.index_to_us is None:
        Image.fromarray(lesion * 255).save(folder / f"{name}.lesion.png")
    else:
        _write_volume(folder / f"{name}.lesion.nii.gz", lesion, told.index_to_us)
    _write_vectors(folder / f"{name}.displacement.nii.gz", *told.displacement)


def _write_volume(path: Path, array: np.ndarray, index_to_lps: np.ndarray) -> None:
    image = sitk.GetImageFromArray(np.ascontiguousarray(array))
    xyz = index_to_lps[:3, [2, 1, 0]]  # along columns, rows, slices
    spacing = np.linalg.norm(xyz, axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(index_to_lps[:3, 3].tolist())
    image.SetDirection((xyz / spacing).ravel().tolist())
    sitk.WriteImage(image, str(path))


def _write_vectors(
    path: Path,
    array: np.ndarray,
    spacing_mm: tuple[float, float, float],
    origin_mm: tuple[float, float, float],
) -> None:
    image = sitk.GetImageFromArray(np.ascontiguousarray(array, np.float32), isVector=True)
    image.SetSpacing(spacing_mm)
    image.SetOrigin(origin_mm)
    sitk.WriteImage(image, str(path))
