"""What a registration file says in any format, which images it joins, and which files are refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from pydicom.uid import generate_uid

from breastview.errors import RegistrationError
from breastview.imaging.case import ScannedCase, ScannedFrames, ScannedVolume
from breastview.imaging.dynamic import of_one_space
from breastview.imaging.geometry import apply
from breastview.messages import Message, message
from breastview.registration.adopt import FOLDED, least_area
from breastview.registration.landmarks import SCALE_BOUNDS
from breastview.registration.parameters import Method, Point2, RegistrationParameters
from breastview.registration.plane import UsPlane
from breastview.registration.sampled import SampledWarp
from breastview.registration.transform import us_to_mri, with_matrix
from breastview.registration.warp import warped

SCHEMA = "breastview.registration/1"
SAME_MM = 1e-6  # points that two descriptions of one registration may lie apart
SAME_SAMPLE_MM = 1e-5  # samples are single precision in DICOM
SAME_PLANE = 1e-6  # pixels, and mm a pixel
FLAT = 1e-6  # smallest over largest singular value of a matrix below which it flattens space
ROUNDING = 1e-4  # how far a matrix printed with few digits is from a similarity
CORNERS_MM = np.array([[x, y, z] for x in (-60.0, 60.0) for y in (0.0, 100.0) for z in (-60.0, 60.0)])


@dataclass(frozen=True, eq=False)
class RegisteredImages:
    """The images that a registration joins: one US frame (0-based) with its plane, and MRI volumes that share
    one frame of reference; `folder` is the patient folder, where nothing is written."""

    frames: ScannedFrames
    frame: int
    plane: UsPlane
    volumes: tuple[ScannedVolume, ...]
    folder: Path
    simulated: bool = False

    @property
    def us_sop_uid(self) -> str:
        """SOP instance of the US frame."""
        return self.frames.sources[self.frame].sop_uid

    @property
    def us_space(self) -> str:
        """The UID that is minted for the US plane: the same whenever and wherever it is asked for."""
        return str(generate_uid(entropy_srcs=["breastview us plane", self.us_sop_uid, str(self.frame + 1)]))

    @property
    def mri_space(self) -> str:
        """The MRI's frame of reference UID; the volume's key where its header has none."""
        return self.volumes[0].frame_of_reference_uid or self.volumes[0].key


def registered_images(
    case: ScannedCase, frames_key: str, frame: int, plane: UsPlane, volume_key: str | None = None
) -> RegisteredImages:
    """The images that a registration of one US frame (0-based) joins.

    `volume_key` is an MRI volume that the reader registers with: all volumes in its frame of reference are
    joined. Without it, those of the space that is read.

    Raises:
        RegistrationError: the case holds no MRI.
        KeyError: there is no such US image or volume.
    """
    if not case.volumes:
        raise RegistrationError.of("registration.needs_mri")
    read = of_one_space(case.volumes)
    if volume_key is not None:
        first = case.volume(volume_key)
    else:
        first = next((volume for volume in read if volume.frame_of_reference_uid), read[0])
    space = first.frame_of_reference_uid
    among = read if first in read else case.volumes
    volumes = tuple(v for v in among if v.frame_of_reference_uid == space) if space else (first,)
    return RegisteredImages(case.frame_set(frames_key), frame, plane, volumes, case.folder, case.simulated)


@dataclass(frozen=True)
class Kept:
    """BreastView's own words in a file: exact parameters, and the images and the plane they are about."""

    schema: str
    us_sop_uid: str
    us_frame: int
    origin_px: Point2
    spacing_mm: Point2
    mri_space: str
    parameters: RegistrationParameters


@dataclass(frozen=True, eq=False)
class FileContent:
    """What a file says: the (4, 4) from US-plane mm to MRI LPS mm, the warp before it, and BreastView's own
    words where the file has them. `notes` say what it leaves open."""

    matrix: np.ndarray
    warp: SampledWarp | None = None
    kept: Kept | None = None
    notes: tuple[Message, ...] = ()


@dataclass(frozen=True)
class Imported:
    """A registration read from a file, for the reader to look at; `notes` say what deserves a look."""

    parameters: RegistrationParameters
    notes: tuple[Message, ...] = ()


def kept_text(parameters: RegistrationParameters, images: RegisteredImages) -> str:
    """BreastView's own words as one line of ASCII; numbers come back from it bit by bit."""
    kept = Kept(
        schema=SCHEMA,
        us_sop_uid=images.us_sop_uid,
        us_frame=images.frame,
        origin_px=images.plane.origin_px,
        spacing_mm=images.plane.spacing_mm,
        mri_space=images.mri_space,
        parameters=parameters,
    )
    return json.dumps(msgspec.to_builtins(kept, enc_hook=lambda number: number.item()))


def kept_from(text: str | bytes, file: str) -> Kept:
    """Read BreastView's own words; raises RegistrationError where they are damaged."""
    try:
        kept = msgspec.json.decode(text, type=Kept)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise RegistrationError.of("registration.file_unreadable", file=file) from None
    if kept.schema != SCHEMA:
        raise RegistrationError.of("registration.file_other_version", file=file)
    if any(point.radius_mm <= 0 for point in kept.parameters.warp):
        raise RegistrationError.of("registration.file_unreadable", file=file)
    return kept


def accepted(content: FileContent, images: RegisteredImages, file: str) -> Imported:
    """The registration of a file for these images, or the reason why it is none.

    Raises:
        RegistrationError: the file is about other images or another scale, contradicts itself, folds the
            picture over itself, or its matrix is no similarity within the bounds.
    """
    if content.kept is not None:
        _refuse_other_images(content.kept, images, file)
    matrix = similarity(content.matrix, file)
    if content.kept is not None:
        _refuse_contradiction(content, content.kept.parameters, file)
        parameters = content.kept.parameters
        if least_area(parameters.warp) < FOLDED:
            raise RegistrationError.of("registration.file_folded", file=file)
    elif content.warp is not None:
        raise RegistrationError.of("registration.file_foreign_warp", file=file)
    else:
        parameters = with_matrix(RegistrationParameters((0.0, 0.0, 0.0), method=Method.FILE), matrix)
    notes = content.notes
    if parameters.scale_flagged:
        percent = round(100 * (parameters.scale - 1))
        notes = (*notes, message("registration.scale_flagged", percent=percent))
    return Imported(parameters, notes)


def similarity(matrix: np.ndarray, file: str) -> np.ndarray:
    """The similarity (4, 4) that a matrix is, freed of the rounding of its print.

    Raises:
        RegistrationError: it is not finite, flattens space, mirrors, shears, or scales beyond the bounds.
    """
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or (matrix[3] != (0, 0, 0, 1)).any():
        raise RegistrationError.of("registration.file_unreadable", file=file)
    left, stretch, right = np.linalg.svd(matrix[:3, :3])
    if stretch[2] <= FLAT * stretch[0]:
        raise RegistrationError.of("registration.file_singular", file=file)
    if np.linalg.det(left @ right) < 0:
        raise RegistrationError.of("registration.file_mirrored", file=file)
    scale = float(np.cbrt(stretch.prod()))
    if stretch[0] - stretch[2] > ROUNDING * scale:
        raise RegistrationError.of("registration.file_sheared", file=file)
    if not SCALE_BOUNDS[0] <= scale <= SCALE_BOUNDS[1]:
        raise RegistrationError.of("registration.file_scale", file=file, scale=f"{scale:.3g}")
    found = matrix.copy()
    found[:3, :3] = scale * (left @ right)
    return found


def _refuse_other_images(kept: Kept, images: RegisteredImages, file: str) -> None:
    if kept.us_sop_uid != images.us_sop_uid:
        raise RegistrationError.of("registration.file_other_us", file=file)
    if kept.us_frame != images.frame:
        raise RegistrationError.of("registration.file_other_frame", file=file, frame=kept.us_frame + 1)
    if kept.mri_space != images.mri_space:
        raise RegistrationError.of("registration.file_other_mri", file=file)
    ours = (*images.plane.origin_px, *images.plane.spacing_mm)
    if not np.allclose((*kept.origin_px, *kept.spacing_mm), ours, rtol=0.0, atol=SAME_PLANE):
        raise RegistrationError.of("registration.file_other_scale", file=file)


def _refuse_contradiction(content: FileContent, own: RegistrationParameters, file: str) -> None:
    """The transform that every program reads and BreastView's own words must say the same."""
    apart = apply(us_to_mri(own), CORNERS_MM) - apply(content.matrix, CORNERS_MM)
    same = np.isfinite(list(_numbers(msgspec.to_builtins(own)))).all() and np.abs(apart).max() <= SAME_MM
    if same and content.warp is not None:
        places = content.warp.points_mm()
        same = np.abs(warped(own.warp, places) - places - content.warp.shifts_mm).max() <= SAME_SAMPLE_MM
    if not same or bool(own.warp) != (content.warp is not None):
        raise RegistrationError.of("registration.file_contradicts", file=file)


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for part in value:
            yield from _numbers(part)
    elif isinstance(value, (int, float)):
        yield float(value)
