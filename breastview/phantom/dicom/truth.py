"""The truth beside a patient folder, for training, measuring and teaching; the program never looks there."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
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
class ViewTruth:
    """What is true of one US still.

    `lesion` is its section, bool (row, column) of the picture. `displacement` is what `displacement` gives.
    """

    lesion: np.ndarray
    displacement: Vectors | None = None


def displacement(
    to_prone: Callable[[np.ndarray], np.ndarray],
    registration: RegistrationParameters,
    size_mm: tuple[float, float],
) -> Vectors:
    """How far each point of a US plane truly lies from where its rigid registration puts it, in mm of LPS.

    `to_prone` is the true map from US-plane mm (n, 3) to prone LPS mm, `size_mm` the picture's (width,
    depth). Returns float32 (z, y, x, 3) on a grid of US-plane mm, its spacing and its origin, both (x, y, z).
    """
    half = size_mm[0] / 2 + MARGIN_MM
    x, y, z = (
        np.arange(low, high + STEP_MM / 2, STEP_MM)
        for low, high in ((-half, half), (0.0, size_mm[1] + MARGIN_MM), (-MARGIN_MM, MARGIN_MM))
    )
    points = np.stack(np.meshgrid(z, y, x, indexing="ij")[::-1], axis=-1)
    true = to_prone(points.reshape(-1, 3)).reshape(points.shape)
    missed = (true - map_points(registration, points)).astype(np.float32)
    return missed, (STEP_MM, STEP_MM, STEP_MM), (float(x[0]), float(y[0]), float(z[0]))


def write_truth(
    folder: Path,
    facts: Mapping[str, Any],
    labels: Volume,
    lesion_mri: Volume,
    views: Mapping[str, ViewTruth],
) -> None:
    """Write the truth into `folder`, which is never the patient's.

    `labels` (uint8) and `lesion_mri` (bool) are (slice, row, column) each with its index_to_lps (4, 4);
    `views` is by the name of the still. Files: `labels.nii.gz`, `lesion.mri.nii.gz`, a view's `.lesion.png`
    (0 and 255) and `.displacement.nii.gz` (vectors; its coordinates are US-plane mm), `truth.json`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write_volume(folder / "labels.nii.gz", *labels)
    _write_volume(folder / "lesion.mri.nii.gz", lesion_mri[0].astype(np.uint8), lesion_mri[1])
    for name, view in views.items():
        Image.fromarray(view.lesion.astype(np.uint8) * 255).save(folder / f"{name}.lesion.png")
        if view.displacement is not None:
            _write_vectors(folder / f"{name}.displacement.nii.gz", *view.displacement)
    names = {str(int(tissue)): tissue.name.lower() for tissue in Tissue}
    text = json.dumps({**facts, "labels": names}, indent=2, ensure_ascii=False)
    (folder / "truth.json").write_text(text + "\n", encoding="utf-8")


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


def scalars(thing: object) -> dict[str, Any]:
    """The plain numbers and words among the fields of a dataclass."""
    assert is_dataclass(thing)
    values = {field.name: getattr(thing, field.name) for field in fields(thing)}
    return {name: value for name, value in values.items() if isinstance(value, (bool, int, float, str))}
